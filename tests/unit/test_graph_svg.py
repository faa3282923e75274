"""Drawings of workflows: all nodes and edges, nothing upon each other, well-formed, harmless in a notebook."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given

import octomodel as om
from octomodel import graph_layout, presets
from octomodel.graph_layout import MOST_BODIES, Layout, layout
from octomodel.graph_svg import svg
from octomodel.program import branch, fork, loop, select, seq, task
from octomodel.testing.workflows import workflows
from octomodel.workflow import Workflow

SVG = "{http://www.w3.org/2000/svg}"


def check(wf: Workflow, found: Layout) -> None:
    """Boxes are apart and inside; edges begin and end at their nodes and pass through no box."""
    graph = wf.graph()
    whole = max(len(node.edges) for node in graph.nodes) <= MOST_BODIES
    boxes = {box.node: box for box in found.boxes if box.node >= 0}
    for box in found.boxes:
        assert 0 <= box.x and box.x + box.width <= found.width
        assert 0 <= box.y and box.y + box.height <= found.height
    for a, b in itertools.combinations(found.boxes, 2):
        assert a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y, (a, b)
    edges = [(route.node, route.order) for route in found.routes]
    assert len(set(edges)) == len(edges)
    if whole:
        assert sorted(boxes) == list(range(len(graph.nodes)))
        assert sorted(edges) == [(i, order) for i, node in enumerate(graph.nodes) for order in range(len(node.edges))]
    for route in found.routes:
        source, target = boxes[route.node], boxes[graph.nodes[route.node].edges[route.order]]
        for box, (x, y) in ((source, route.points[0]), (target, route.points[-1])):
            assert box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height
        for (ax, ay), (bx, by) in itertools.pairwise(route.points):
            assert ax == bx or ay == by or bx - ax == graph_layout.BEND
            assert 0 <= min(ay, by) and max(ay, by) <= found.height
            for box in found.boxes:
                apart = max(ax, bx) <= box.x or min(ax, bx) >= box.x + box.width
                assert apart or max(ay, by) <= box.y or min(ay, by) >= box.y + box.height, (route, box)


@given(workflows())
def test_nothing_is_drawn_upon_anything(wf: Workflow) -> None:
    check(wf, layout(wf))


@pytest.mark.parametrize("name", presets.runnable())
def test_bundled_workflows_are_drawn(name: str) -> None:
    wf = om.workflow(name)
    check(wf, layout(wf))
    drawn = svg(wf)
    assert 0 < len(drawn) < 100_000
    ElementTree.fromstring(drawn)


def test_numbers_stand_in_the_drawing() -> None:
    wf = Workflow(
        "w",
        task("look", 1000, out_bytes=2048),
        branch({"hit": 0.75, "miss": 0.25}, hit=seq(), miss=loop(task("fetch", 2000, out_bytes=10), again=0.5)),
    )
    root = ElementTree.fromstring(svg(wf))
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert texts[:3] == ["1 x 2.05kB", "0.25 x 2.05kB", "miss 0.25"]
    assert {"look", "1k cycles, 50.0%", "fetch", "0.5 visits", "again 0.5", "0.75 x 2.05kB", "hit 0.75"} <= set(texts)
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert "look: 1 visit and 1,000 cycles per request, 50.0% of the demand" in titles
    assert "loop1 to fetch, again 0.5: 0.25 tokens per request of 10 bytes" in titles


def test_bodies_and_graphs_too_many_to_draw() -> None:
    weights = {f"c{i}": 1.0 for i in range(30)}
    bodies = {name: fork(task(f"{name}a", 1), seq(task(f"{name}b", 1), loop(task(f"{name}c", 1), count=2))) for name in weights}
    wf = Workflow("w", select(2, weights, items=3, **bodies), task("last", 1))
    found = layout(wf)
    check(wf, found)
    assert [box.words for box in found.boxes if box.node < 0] == ["... 23 more"]
    last = [box.node for box in found.boxes][-2:]
    assert [wf.graph().nodes[node].name for node in last] == ["last", "end"]  # numbers of what is left out are skipped
    long = Workflow("long", *(task(f"t{i}", 1) for i in range(250)))
    assert svg(long) == "" and "<svg" not in long._repr_html_() and "<th>t249</th>" in long._repr_html_()


def test_html_runs_nothing_and_loads_nothing() -> None:
    text = om.workflow("video_recognition")._repr_html_()
    ElementTree.fromstring(f"<div>{text}</div>")
    assert not re.search(r"<script|<style|href|url\(|\bon\w+=|\bid=", text)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_a_long_name_is_cut_in_the_drawing_and_whole_in_the_title() -> None:
    name = "a" * 60
    drawn = svg(Workflow("w", task(name, 0)))
    assert f">{'a' * 19}…</text>" in drawn and f"<title>{name}: 1 visit and 0 cycles" in drawn
