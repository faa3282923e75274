"""The page of all bundled descriptions is current, and what it says is what the descriptions say."""

from __future__ import annotations

from pathlib import Path

import pytest

import octomodel as om
from octomodel import presets
from octomodel.presets import gallery
from octomodel.presets.outline import outline

CURE = "python -m octomodel.presets.gallery docs/gallery.md"


@pytest.fixture(scope="module")
def page() -> str:
    return gallery.page()


def test_the_page_is_current(repository: Path, page: str) -> None:
    assert (repository / "docs" / "gallery.md").read_text(encoding="utf-8") == page, CURE


def test_everything_bundled_has_its_place(page: str) -> None:
    for kind in presets.KINDS:
        for name in presets.names(kind):
            assert page.count(f"\n### {name}\n") == 1
            for source in presets.document(kind, name).sources:
                assert f"- Source: {source}.\n" in page


def test_the_environment_changes_nothing(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOMODEL_DATA", "/nowhere")
    assert gallery.page() == page


def test_rows_of_the_page(page: str) -> None:
    part = page.split("\n### early_exit\n")[1].split("\n### ")[0]
    assert "| s1 | ai | 0.7 | 4.05e+06 | 2.835e+06 | 17.8% | 0.020 | 0.655 | 32,768 | 131,072 |" in part
    assert "- Phases, in requests: nominal 500, easy 500, hard 500." in part
    assert 'n1["s1"]' in part
    experts = page.split("\n### moe_olmoe\n")[1].split("\n### ")[0]
    assert "| expert0 to expert63, together | ai | 2,048 |" in experts
    assert "  select experts, 8 of 64 by weight, 16 times\n    e0 1\n      expert0\n    ... 62 more\n" in experts


def test_an_outline_tells_every_element() -> None:
    workflow = om.Workflow(
        "all",
        om.fork(om.task("a", 1), om.seq(om.task("b", 1), om.task("c", 1))),
        om.branch({"yes": 0.25, "no": 0.75}, name="which", yes=om.task("d", 1), no=om.seq()),
        om.loop(om.task("e", 1), count=3, name="thrice"),
        om.loop(om.task("f", 1), count=om.dist.Gamma(mean=3, cv=0.5), name="some"),
        om.loop(om.task("g", 1), count=om.per("size", 2), name="sized"),
        om.select(1, {"h": 2, "i": 1}, name="one", h=om.task("h", 1), i=om.task("i", 1)),
        attributes={"size": om.dist.Gamma(mean=3, cv=0.5)},
    )
    assert outline(workflow).splitlines() == [
        *("fork", "  branch 1", "    a", "  branch 2", "    b", "    c"),
        *("branch which", "  yes 0.25", "    d", "  no 0.75", "    nothing"),
        *("loop thrice, 3 turns", "  e", "loop some, 3 turns on the average", "  f", "loop sized, turns by size", "  g"),
        *("select one, 1 of 2 by weight", "  h 2", "    h", "  i 1", "    i"),
    ]
