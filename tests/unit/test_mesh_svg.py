"""Drawings of machines: each fault where it is, small whatever the size, well-formed, harmless in a notebook."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import octomodel as om
from octomodel import faults, presets
from octomodel.hardware import System
from octomodel.hardware_values import MAX_CLUSTERS
from octomodel.mesh_svg import CUT, DIE, SHADES, legend, svg

SVG = "{http://www.w3.org/2000/svg}"


def path(drawn: str, colour: str) -> str:
    """Return the one path of a colour; empty when there is none."""
    found = [each.get("d", "") for each in ElementTree.fromstring(drawn).iter(f"{SVG}path") if colour in each.attrib.values()]
    assert len(found) <= 1
    return "".join(found)


def test_dead_tbus_shade_their_cluster() -> None:
    # of 4 TBUs: none, 1, 2, 3, 4 dead
    dead = [4, 8, 9, 12, 13, 14, 16, 17, 18, 19]
    drawn = svg(System(1, 5, tbus=4, dead_tbus=dead))
    shade = [re.findall(r"M([\d.]+) ", path(drawn, colour)) for colour in SHADES]
    left = [f"{(c + 1) * 44 - 0.36 * 44:.1f}" for c in range(5)]
    assert shade == [[], [left[1]], [left[2], left[3]], [left[4]]]
    titles = [each.text for each in ElementTree.fromstring(drawn).iter(f"{SVG}title")]
    assert titles == ["cluster 0: 4 TBUs", *(f"cluster {c}: {c} of 4 TBUs dead" for c in range(1, 5))]
    few = svg(System(1, 1, tbus=8, dead_tbus=[3]))
    assert path(few, SHADES[0]) and not path(few, SHADES[1])


def test_dead_links_are_crossed_out_where_they_are() -> None:
    mesh = svg(System(2, 2, tbus=1, dead_links=[(0, 1), (1, 3)]))
    assert re.findall(r"M[\d.]+ [\d.]+[hv]", path(mesh, CUT)) == ["M66.0 29.9v", "M73.9 66.0h"]
    assert "cluster 1: 1 TBU, no link west, no link south" in mesh
    torus = svg(System(3, 3, tbus=1, torus=True, dead_links=[(0, 2), (1, 7)]))
    assert re.findall(r"M[\d.]+ [\d.]+[hv]", path(torus, CUT)) == ["M154.0 29.9v", "M22.0 29.9v", "M73.9 154.0h", "M73.9 22.0h"]
    assert path(svg(System(2, 2)), CUT) == ""


def test_every_drawn_fault_is_one_of_the_machine() -> None:
    system = System(20, 30, tbus=4, tbu_fault_rate=0.1, link_fault_rate=0.1, fault_seed=3)
    drawn = svg(system)
    clusters = faults.dead_tbus(system).reshape(-1, 4).any(axis=1).sum()
    assert sum(path(drawn, colour).count("M") for colour in SHADES) == clusters > 100
    missing = ((faults.neighbours(system) >= 0) & (faults.links(system).reshape(-1, 4) < 0)).sum()
    assert path(drawn, CUT).count("M") == missing // 2 > 50
    assert f"{missing // 2:,} dead links" in legend(system) and f"{faults.dead_tbus(system).sum():,} dead TBUs" in legend(system)


def test_dies_are_outlined() -> None:
    d = path(svg(System(4, 5, tbus=1, die=(2, 2))), DIE)
    step = 44
    assert [float(x) for x in re.findall(r"M22\.00 ([\d.]+)h", d)] == [22 + step * r for r in (0, 2, 4)]
    assert [float(x) for x in re.findall(r"M([\d.]+) 22\.00v", d)] == [22 + step * c for c in (0, 2, 4, 5)]
    assert path(svg(System(4, 5, tbus=1)), DIE) == ""


@pytest.mark.parametrize("name", presets.names("hardware"))
def test_bundled_machines_are_drawn_small(name: str) -> None:
    for system in (om.hardware(name), om.hardware(name).with_(tbu_fault_rate=0.02, link_fault_rate=0.02)):
        text = system._repr_html_()
        ElementTree.fromstring(f"<div>{text}</div>")
        assert len(text) < 60_000
        assert not re.search(r"<script|<style|href|url\(|\bon\w+=|\bid=", text)
        assert set(re.findall(r"https?://[^\"]+", text)) == {"http://www.w3.org/2000/svg"}


def test_cells_of_several_clusters() -> None:
    system = System(100, 193, tbus=1, dead_tbus=[0, 1, 193, 19_299], dead_links=[(0, 1)])
    drawn = svg(system)
    assert "1 dead link (not drawn), a cell is 3 x 3 clusters" in legend(system)
    assert path(drawn, CUT) == ""
    # the last cell holds one cluster, a dead one; the first has 3 of 9
    assert path(drawn, SHADES[1]).count("M") == path(drawn, SHADES[3]).count("M") == 1
    side = int(np.sqrt(MAX_CLUSTERS))
    assert len(svg(System(side, side, tbus=1, tbu_fault_rate=0.5))) < 500_000


def test_nothing_is_outside() -> None:
    for system in (System(1, 1, torus=True), System(7, 3, die=(2, 2), torus=True), System(1, 300, die=(1, 7))):
        root = ElementTree.fromstring(svg(system))
        _, _, width, height = map(float, root.get("viewBox", "").split())
        for each in root.iter(f"{SVG}path"):
            for x, y, way, length in re.findall(r"M(-?[\d.]+) (-?[\d.]+)([hv])(-?[\d.]+)", each.get("d", "")):
                ends = float(x) + float(length) * (way == "h"), float(y) + float(length) * (way == "v")
                assert min(float(x), float(y)) >= 0 and ends[0] <= width and ends[1] <= height
