"""Memory of a run: bytes per TBU, per request, and of each worker."""

from __future__ import annotations

from dataclasses import dataclass

from octomodel.kernels import allocate
from octomodel.kernels.model import Model


@dataclass(frozen=True)
class Bytes:
    """Bytes of the arrays of a run.

    Attributes
    ----------
    per_tbu : float
        State of the machine that all workers share, divided by its TBUs.
    per_request : float
        Arrivals and results of the requests, divided by them.
    per_worker : int
        Tokens and requests in flight of one worker.
    """

    per_tbu: float
    per_request: float
    per_worker: int


def of(model: Model) -> Bytes:
    """Return the memory that a run of this model takes, by allocating it as the run does."""
    shared = allocate.shared(model)
    requests = sum(array.nbytes for name, array in shared.items() if name.startswith(("request_", "source_")))
    total = sum(array.nbytes for array in shared.values())
    worker = sum(array.nbytes for array in allocate.worker(model, shared)) - total
    return Bytes(
        per_tbu=(total - requests) / len(model.machine.tbu_cluster),
        per_request=requests / len(model.load.source_request),
        per_worker=worker,
    )
