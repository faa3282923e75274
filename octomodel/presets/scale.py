"""By how much the files of the bundled workflows are smaller than what they describe, so that mixes make sense.

Requests of full size take from 10^6 to 5 x 10^11 cycles: beside the largest the smallest would not be seen. Work and
payloads of a workflow are therefore divided by the smallest power of ten that brings a mean request below
``LARGEST_REQUEST`` cycles. Within a workflow shares, variability and the ratio of transfer to work stay what they are.
"""

from __future__ import annotations

from fractions import Fraction

from octomodel.errors import unknown

LARGEST_REQUEST = 200_000_000

_DIVISORS = {
    "agent_tools": 1_000,
    "av_pylot": 100,
    "diffusion_lora": 10_000,
    "early_exit": 1,
    "llm_chat_code": 1_000,
    "mcts_go": 1_000,
    "moe_olmoe": 1,
    "rag_iterative": 1_000,
    "rec_two_stage": 1,
    "video_recognition": 1,
    "xr_multi_scenario": 100,
}


def work_scale(name: str) -> Fraction:
    """Return the work in the file of a bundled workflow over the work that it stands for.

    Parameters
    ----------
    name : str
        One of ``presets.names("workflow")``.

    Returns
    -------
    Fraction
        1 over a power of ten; it also holds for payloads and deadlines, and for none of the other numbers.

    Raises
    ------
    ModelError
        When there is no such workflow.

    Examples
    --------
    >>> work_scale("llm_chat_code"), work_scale("early_exit")
    (Fraction(1, 1000), Fraction(1, 1))
    """
    if name not in _DIVISORS:
        raise unknown("workflow preset", name, _DIVISORS)
    return Fraction(1, _DIVISORS[name])
