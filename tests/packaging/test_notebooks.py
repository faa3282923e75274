"""The notebooks hold no outputs: what they show is made when they run, as `make notebooks` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = ("00_tour", "10_octopus", "20_calibration")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stripped_and_told(repository: Path, name: str) -> None:
    cells = json.loads((repository / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 8 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert cells[0]["cell_type"] == "markdown" and "".join(cells[0]["source"]).startswith("# ")


def test_all_notebooks_are_known(repository: Path) -> None:
    assert sorted(path.stem for path in (repository / "notebooks").glob("*.ipynb")) == sorted(NOTEBOOKS)
