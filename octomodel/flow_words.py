"""What drawings of a graph write of its flow, in few characters."""

from __future__ import annotations

from octomodel.flow import Bytes, Flow
from octomodel.graph import Graph
from octomodel.kernels.model import TASK


def node_words(graph: Graph, flowing: Flow, node: int) -> list[str]:
    """Return what is written below the name of a node: visits, and for a task its demand and share of the demand.

    Examples
    --------
    >>> from octomodel import Workflow, task
    >>> from octomodel.flow import flow
    >>> wf = Workflow("pair", task("a", 1000), task("b", 3000))
    >>> node_words(wf.graph(), flow(wf), 1), node_words(wf.graph(), flow(wf), 2)
    (['1 visit', '3k cycles, 75.0%'], ['1 visit'])
    """
    number = per_request(flowing.visits[node])
    words = [f"{number} visit{'s' * (number != '1')}"]
    if graph.nodes[node].kind == TASK:
        words.append(f"{scaled(flowing.demand[node])} cycles, {flowing.share(node):.1%}")
    return words


def edge_words(flowing: Flow, node: int, order: int) -> str:
    """Return what is written at an edge: tokens per request and what each carries."""
    return f"{per_request(flowing.edges[node][order])} x {carried(flowing.payloads[node][order])}"


def per_request(number: float) -> str:
    """Return a mean number per request as drawings write it.

    Examples
    --------
    >>> [per_request(number) for number in (0.0, 1.0, 0.25, 1234.5, 2.5e6)]
    ['0', '1', '0.25', '1,234', '2.5M']
    """
    if number >= 1e4:
        return scaled(number)
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def scaled(number: float) -> str:
    """Return a large number with a decimal prefix.

    Examples
    --------
    >>> scaled(999), scaled(84_384_800), scaled(4.2e9)
    ('999', '84.4M', '4.2G')
    """
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{prefix}" if number < 1e18 else f"{number:.3g}"
    return f"{number:.3g}"


def carried(payload: Bytes) -> str:
    """Return the bytes of a payload, a range where tokens differ by more than what is written.

    Examples
    --------
    >>> carried((4096, 4096)), carried((0, 32768)), carried((4096, 4097))
    ('4.1kB', '0-32.8kB', '4.1kB')
    """
    return "-".join(dict.fromkeys(scaled(each) for each in payload)) + "B"
