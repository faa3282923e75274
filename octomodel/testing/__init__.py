"""For tests, yours and ours: the reference, a naive second simulator by the same rules as the kernel.

Examples
--------
``run_reference(model)`` returns a :class:`Reference` with every observable of the run of a lowered model.
"""

from octomodel.testing.reference import Reference, run_reference

__all__ = ["Reference", "run_reference"]
