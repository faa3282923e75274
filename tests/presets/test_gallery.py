"""The page of all bundled descriptions is current, and what it says is what the descriptions say."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from octomodel import presets
from octomodel.presets import gallery

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
    assert part.count("\n[![graph of early_exit](gallery/early_exit.svg)](gallery/early_exit.svg)") == 1
    experts = page.split("\n### moe_olmoe\n")[1].split("\n### ")[0]
    assert "| expert0 to expert63, together | ai | 2,048 |" in experts


def test_the_drawings_are_current(repository: Path) -> None:
    folder = repository / "docs" / gallery.FOLDER
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert found == {f"{name}.svg": text for name, text in gallery.drawings().items()}, CURE
    # what a page of pictures may weigh
    assert sum(map(len, found.values())) < 300_000


def test_the_drawings_stand_by_themselves() -> None:
    for name, text in gallery.drawings().items():
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg", name
        assert root.attrib["aria-label"].startswith("graph of ")
        (shown,) = [presets.document(kind, name).workflow for kind in presets.RUNNABLE if name in presets.names(kind)]
        assert shown is not None
        drawn = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {task.name for task in shown.tasks[:4]} <= drawn, name


def test_writing_takes_away_drawings_of_others(tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gone.svg").write_text("x")
    gallery.write(tmp_path / "gallery.md")
    assert {path.name for path in (tmp_path / "gallery").iterdir()} == {f"{name}.svg" for name in presets.runnable()}
    assert (tmp_path / "gallery.md").read_text(encoding="utf-8") == gallery.page()
