"""A machine drawn as SVG: clusters, links, dies and faults; no scripts, nothing from outside.

A row of clusters is one dashed line and only faults are drawn one by one, so that a wafer takes some kilobytes.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from octomodel.faults import dead_tbus, links, neighbours
from octomodel.kernels.model import EAST, NORTH, SOUTH, WEST

if TYPE_CHECKING:
    from octomodel.hardware import System

MOST_CELLS = 96
"""Cells of a row or column; a larger machine has cells of several clusters."""
MOST_TITLES = 256
"""Clusters of a machine that tells each one's number and faults when pointed at."""
SPAN = 560.0
SHADES = ("#f7d08a", "#ee9b3a", "#d55e00", "#4d1f00")
"""Of clusters with dead TBUs: fewer than a quarter, than half, not all, all of them."""
LIVE, LINK, DIE, CUT, PAPER = "#7fb8d8", "#8c959f", "#1b1f24", "#c1121f", "#ffffff"


def svg(system: System) -> str:
    """Return the drawing of a machine.

    Parameters
    ----------
    system : System

    Returns
    -------
    str
        One ``svg`` element: a cell for each cluster, or for as many as make at most ``MOST_CELLS`` in a row or column;
        cells with dead TBUs shaded, dies outlined, dead links as bars across them (where a cell is one cluster).

    Examples
    --------
    >>> from octomodel import System
    >>> drawn = svg(System(2, 2, tbus=4, dead_tbus=[5]))
    >>> "cluster 1: 1 of 4 TBUs dead" in drawn, len(svg(System(59, 59, tbus=16))) < 10_000
    (True, True)
    """
    block = math.ceil(max(system.rows, system.cols) / MOST_CELLS)
    rows, cols = math.ceil(system.rows / block), math.ceil(system.cols / block)
    pitch = min(44.0, max(6.0, SPAN / max(rows, cols)))
    cell = 0.72 * pitch
    width, height = (cols + 1) * pitch, (rows + 1) * pitch
    parts = [_lines(rows, cols, pitch, 0.45 * pitch if system.torus else 0.0), _cells(rows, cols, pitch, cell)]
    parts.append(_shaded(_dead_share(system, block), pitch, cell))
    if system.die is not None:
        parts.append(_dies(system.die, system.rows, system.cols, pitch / 2, pitch / block))
    if block == 1:
        parts.append(_cuts(system, pitch))
    if system.n_cluster <= MOST_TITLES:
        parts.append(_titles(system, pitch, cell))
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.2f} {height:.2f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_words(system)}">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def legend(system: System) -> str:
    """Return what the drawing shows, in words.

    Examples
    --------
    >>> from octomodel import System
    >>> legend(System(2, 4, tbus=4, die=(2, 2), dead_links=[(0, 1)], torus=True))
    'torus of 2 x 4 clusters, dies of 2 x 2, 1 dead link'
    """
    found = [_words(system)]
    if system.die is not None:
        found.append(f"dies of {system.die[0]} x {system.die[1]}")
    dead, cut = int(dead_tbus(system).sum()), len(_dead_links(system))
    block = math.ceil(max(system.rows, system.cols) / MOST_CELLS)
    found += [f"{dead:,} dead TBU{'s' * (dead != 1)} (the more of a cell, the darker)"] if dead else []
    found += [f"{cut:,} dead link{'s' * (cut != 1)}{' (not drawn)' if block > 1 else ''}"] if cut else []
    found += [f"a cell is {block} x {block} clusters"] if block > 1 else []
    return ", ".join(found)


def _words(system: System) -> str:
    return f"{'torus' if system.torus else 'mesh'} of {system.rows} x {system.cols} clusters"


def _dead_share(system: System, block: int) -> NDArray[np.float64]:
    """Return the share of dead TBUs of each cell, float64[row, column]."""
    dead = dead_tbus(system).reshape(system.rows, system.cols, system.tbus).sum(axis=2, dtype=np.float64)
    starts = np.arange(0, system.rows, block), np.arange(0, system.cols, block)
    per_cell = np.add.reduceat(np.add.reduceat(dead, starts[0], axis=0), starts[1], axis=1)
    sizes = (np.diff([*starts[0], system.rows]), np.diff([*starts[1], system.cols]))
    return np.asarray(per_cell / (np.multiply.outer(*sizes) * system.tbus), dtype=np.float64)


def _dead_links(system: System) -> list[tuple[int, int]]:
    """Return cluster and port (east or south) of each pair of opposite links that is dead."""
    missing = (neighbours(system) >= 0) & (links(system).reshape(-1, 4) < 0)
    clusters, ports = np.nonzero(missing[:, [EAST, SOUTH]])
    return list(zip(clusters.tolist(), np.array([EAST, SOUTH])[ports].tolist(), strict=True))


def _lines(rows: int, cols: int, pitch: float, beyond: float) -> str:
    """Draw the links: a line through each row and column, beyond the edges where these are joined."""
    d = "".join(f"M{pitch - beyond:.2f} {(r + 1) * pitch:.2f}h{(cols - 1) * pitch + 2 * beyond:.2f}" for r in range(rows))
    d += "".join(f"M{(c + 1) * pitch:.2f} {pitch - beyond:.2f}v{(rows - 1) * pitch + 2 * beyond:.2f}" for c in range(cols))
    return f'<path d="{d}" stroke="{LINK}" stroke-width="{max(0.8, pitch / 14):.2f}"/>'


def _cells(rows: int, cols: int, pitch: float, cell: float) -> str:
    d = "".join(f"M{pitch - cell / 2:.2f} {(r + 1) * pitch:.2f}h{(cols - 1) * pitch + cell:.2f}" for r in range(rows))
    dashes = f"{cell:.4f} {pitch - cell:.4f}"
    return f'<path d="{d}" stroke="{LIVE}" stroke-width="{cell:.2f}" stroke-dasharray="{dashes}"/>'


def _shaded(share: NDArray[np.float64], pitch: float, cell: float) -> str:
    shade = np.where(share >= 1.0, 3, np.searchsorted([0.25, 0.5], share, side="right"))
    found = []
    for number, fill in enumerate(SHADES):
        cells = np.argwhere((share > 0) & (shade == number))
        if len(cells):
            d = "".join(
                f"M{(c + 1) * pitch - cell / 2:.1f} {(r + 1) * pitch - cell / 2:.1f}h{cell:.1f}v{cell:.1f}h{-cell:.1f}z"
                for r, c in cells.tolist()
            )
            found.append(f'<path d="{d}" fill="{fill}"/>')
    return "".join(found)


def _dies(die: tuple[int, int], rows: int, cols: int, margin: float, step: float) -> str:
    """Draw the borders of dies, ``step`` being the width of a cluster and ``margin`` what is left and above of all."""
    d = "".join(f"M{margin:.2f} {margin + r * step:.2f}h{cols * step:.2f}" for r in [*range(0, rows, die[0]), rows])
    d += "".join(f"M{margin + c * step:.2f} {margin:.2f}v{rows * step:.2f}" for c in [*range(0, cols, die[1]), cols])
    return f'<path d="{d}" stroke="{DIE}"/>'


def _cuts(system: System, pitch: float) -> str:
    """Draw a bar across each dead link, at both edges where it joins them."""
    half, d = 0.32 * pitch, ""
    for cluster, port in _dead_links(system):
        row, col = divmod(cluster, system.cols)
        x, y = (col + 1) * pitch, (row + 1) * pitch
        if port == EAST:
            ends = [x + pitch / 2] if col + 1 < system.cols else [x + pitch / 2, pitch / 2]
            d += "".join(f"M{end:.1f} {y - half:.1f}v{2 * half:.1f}" for end in ends)
        else:
            ends = [y + pitch / 2] if row + 1 < system.rows else [y + pitch / 2, pitch / 2]
            d += "".join(f"M{x - half:.1f} {end:.1f}h{2 * half:.1f}" for end in ends)
    return f'<path d="{d}" stroke="{CUT}" stroke-width="{max(1.2, pitch / 12):.2f}"/>' if d else ""


def _titles(system: System, pitch: float, cell: float) -> str:
    """Draw an invisible square upon each cluster that tells its number and faults."""
    dead = dead_tbus(system).reshape(-1, system.tbus).sum(axis=1).tolist()
    cut = ((neighbours(system) >= 0) & (links(system).reshape(-1, 4) < 0)).tolist()
    names = {WEST: "west", EAST: "east", NORTH: "north", SOUTH: "south"}
    found = []
    for cluster in range(system.n_cluster):
        row, col = divmod(cluster, system.cols)
        told = f"cluster {cluster}: {f'{dead[cluster]} of ' if dead[cluster] else ''}{system.tbus} TBU{'s' * (system.tbus != 1)}"
        told += " dead" if dead[cluster] else ""
        told += "".join(f", no link {name}" for port, name in names.items() if cut[cluster][port])
        place = f'x="{(col + 1) * pitch - cell / 2:.1f}" y="{(row + 1) * pitch - cell / 2:.1f}"'
        square = f'<rect {place} width="{cell:.1f}" height="{cell:.1f}" fill-opacity="0">'
        found.append(f"{square}<title>{html.escape(told)}</title></rect>")
    return "".join(found)
