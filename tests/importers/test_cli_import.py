"""The command ``import``, and what the page of imports shows."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from octomodel import cli, yaml_io

PAGE = "docs/imports.md"
N = [("a", []), ("b", []), ("c", ["a", "b"]), ("d", ["b"])]


def blocks(repository: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (repository / PAGE).read_text(), re.M | re.S)


@pytest.fixture
def folder(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with the files of the page and ``n.json``, which is not series-parallel."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(repository, "json"):
        name, text = block.split("\n", 1)
        Path(name.removeprefix("// ")).write_text(text)
    children: dict[str, list[str]] = {key: [other for other, parents in N if key in parents] for key, _ in N}
    tasks = [{"name": "w", "id": key, "parents": parents, "children": children[key]} for key, parents in N]
    runs = [{"id": key, "runtimeInSeconds": 2 + i} for i, (key, _) in enumerate(N)]
    specification: dict[str, Any] = {"specification": {"tasks": tasks}, "execution": {"tasks": runs}}
    Path("n.json").write_text(json.dumps({"name": "n", "schemaVersion": "1.6", "workflow": specification}))
    return tmp_path


def test_the_page_runs(repository: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shell,) = blocks(repository, "sh")
    for line in shell.splitlines():
        assert cli.main(shlex.split(line)[1:]) == cli.DONE, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "longest chain: 9,500,000,000 cycles, 9,500,000,000 as recorded\nwritten to align.yaml\n" in out
    assert "dependencies: 4 recorded, 0 of them implied by others, 0 added\n" in out
    assert "align under static: 2,000 requests, 8,000 executions\n" in out
    (code,) = blocks(repository, "python")
    exec(code, {})
    written = yaml_io.read_file("align.yaml").workflow
    assert written is not None
    assert ([task.out_bytes for task in written.tasks], written.in_bytes) == ([4000, 300, 500, 700], 4000)
    assert re.search(r"^ +\d+ task +mlp\.4 +-> end$", capsys.readouterr().out, re.M)


def test_the_error_of_the_page(repository: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"^  ```text\n  (.*?)\n  ```", (repository / PAGE).read_text(), re.M | re.S)
    assert cli.main(["import", "n.json", "--format", "wfcommons"]) == cli.BAD_INPUT
    assert capsys.readouterr().err.startswith(shown.removesuffix("..."))


def test_levels_say_what_they_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import", "n.json", "--format", "wfcommons", "--series-parallel", "levels", "--clock", "1e6", "--out", "n.toml"]
    assert cli.main([*words, "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    warning = found["import"].pop("warning")
    assert found["import"] == {
        "dependencies": 3,
        "implied": 0,
        "regions": 1,
        "added": 1,
        "recorded_path_cycles": 8e6,
        "path_cycles": 8e6,
    }
    assert warning.startswith("workflow.n: barriers between levels of tasks add 1 to the 3 recorded dependencies; the longest")
    assert found["workflow"]["description"] == yaml_io.to_dict(yaml_io.read_file("n.toml"))["workflow"]
    assert cli.main(words) == cli.DONE
    assert f"\nwarning: {warning}\nwritten to n.toml\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "dax"), "octomodel: --format: got 'dax'; allowed: one of chakra, wfcommons\n"),
        ((), "octomodel: "),
        (("--format", "chakra", "--out", "x.json"), "octomodel: --out: got 'x.json'; allowed: a name that ends in .yaml, .yml"),
        (("--format", "chakra", "--out", "no/x.yaml"), "octomodel: --out: got 'no/x.yaml'; allowed: a name that ends in .yaml, "),
        (("--format", "chakra", "--clock", "0"), "octomodel: --clock: got 0.0; allowed: a finite number >= 1 and <= 1e+15\n"),
        (("--format", "chakra", "--duration", "5 ns/s"), "octomodel: --duration: got '5 ns/s'; allowed: a time such as"),
        (("--format", "chakra", "--series-parallel", "level"), "octomodel: --series-parallel: got 'level'; allowed: did you"),
        (("--format", "chakra", "--ops-per-cycle", "0"), "octomodel: --ops-per-cycle: got 0.0; allowed: a finite number >= 1e"),
        (("--format", "wfcommons", "--ops-per-cycle", "9"), "octomodel: --ops-per-cycle: got 9.0; allowed: no operations: only"),
        (("--format", "wfcommons"), "octomodel: step.json: got '5 values'; allowed: one instance of WfFormat\n"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "step.json", *words]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert err.startswith(message) and err.count("\n") == 1 and out == ""
    assert [path.name for path in folder.iterdir() if path.suffix != ".json"] == []


def test_forks_deeper_than_a_file_may_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes: list[dict[str, Any]] = [{"id": 0}]
    for rung in range(12):
        last = 2 * rung + 1
        nodes += [{"id": last, "data_deps": list(range(last))}, {"id": last + 1}]
    nodes = [{"name": "op", "type": "COMP_NODE", "duration_micros": 1} | node for node in nodes]
    Path("deep.json").write_text(json.dumps(nodes))
    words = ["import", "deep.json", "--format", "chakra"]
    assert cli.main(words) == cli.DONE
    assert cli.main([*words, "--out", "deep.yaml"]) == cli.BAD_INPUT
    assert "deep.json as deep.yaml: got more than 32 levels; allowed: at most 32 levels" in capsys.readouterr().err
    assert not Path("deep.yaml").exists()
    assert cli.main([*words, "--out", "deep.yaml", "--series-parallel", "levels"]) == cli.DONE
    assert len(yaml_io.read_file("deep.yaml").workflow.tasks) == 25  # type: ignore[union-attr]


def test_others_may_read_what_is_written(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        assert cli.main(["import", "step.json", "--format", "chakra", "--out", "step.yaml"]) == cli.DONE
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert Path("step.yaml").stat().st_mode & 0o777 == 0o640


def test_a_recorded_graph_in_the_place_of_a_description(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "n.json"]) == cli.BAD_INPUT
    assert capsys.readouterr().err.endswith(".yaml or .toml; octomodel import makes one of a recorded graph\n")
