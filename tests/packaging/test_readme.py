"""What the README shows is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import octomodel as om
from octomodel import cli, yaml_io
from octomodel.elements import Branch, Fork, Loop, Select, Task, walk
from octomodel.errors import ModelError
from octomodel.load import KINDS


def blocks(repository: Path, language: str, name: str = "README.md") -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (repository / name).read_text(), re.M | re.S)


def test_python_examples_run(repository: Path, tmp_path: Path) -> None:
    code = "\n".join(blocks(repository, "python"))
    assert "om.simulate(" in code
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    for name in ("mean", "p50", "p95", "p99"):
        assert re.search(rf"^latency {name} +[\d,]+ cycles \[[\d,]+, [\d,]+\]$", answer.stdout, re.M), answer.stdout
    assert "warning" not in answer.stdout


def test_commands_run(repository: Path, tmp_path: Path) -> None:
    lines = [line.split("#")[0].split() for block in blocks(repository, "sh") for line in block.splitlines()]
    commands = [words[1:] for words in lines if words[:1] == ["octomodel"]]
    assert {words[0] for words in commands} == {"compare", "predict", "presets", "show", "run", "verify"}
    for words in commands:
        code = "import sys; from octomodel.cli import main; sys.exit(main())"
        answer = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert answer.returncode == 0, (words, answer.stderr)
        if words[0] == "run":
            assert "latency mean" in answer.stdout, answer.stdout


def test_the_first_line_puts_the_program_on_the_path(repository: Path) -> None:
    first = blocks(repository, "sh")[-1].splitlines()[0]
    assert first == ". .venv/bin/activate"
    activate = first.replace(".venv", sys.prefix)
    shell = ["bash", "-c", f"{activate} && command -v octomodel"]
    answer = subprocess.run(shell, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert answer.stdout == f"{sys.prefix}/bin/octomodel\n", answer.stderr


def test_mistakes_are_told_as_shown(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = blocks(repository, "text")
    call, answer, _, command, message = block.splitlines()
    with pytest.raises(ModelError) as raised:
        eval(call.removeprefix(">>> "), {"dist": om.dist})
    assert answer == f"ModelError: {raised.value}"
    monkeypatch.chdir(tmp_path)
    Path("assistant.yaml").write_text(
        "schema_version: 1\nworkflow: {name: assistant, program: [{task: asr, time: {law: gamma, mean: 40000, cv: -0.2}}]}\n"
    )
    assert cli.main(command.split()[2:]) == cli.BAD_INPUT
    assert capsys.readouterr().err == f"{message}\n"


def test_the_files_of_the_page_of_the_format_are_read_and_run(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "docs/format.md"
    found = [block for language in ("yaml", "toml") for block in blocks(repository, language, page)]
    for block in found:
        (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
    monkeypatch.chdir(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(found) >= 5
    (table,) = blocks(repository, "csv", page)
    described = list(tmp_path.iterdir())
    Path("calls.csv").write_text(table)
    read = {path.name: yaml_io.read_file(path.name) for path in described}
    whole = read["assistant.yaml"]
    assert whole.workflow is not None and whole.hardware is not None and whole.load is not None
    assert {type(item) for item in walk(whole.workflow.program)} == {Task, Fork, Branch, Loop, Select}
    assert cli.main(["run", "assistant.yaml", "--json"]) == cli.DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["requests"] == 2000
    assert [line for line in err.splitlines() if "steady" not in line] == []
    sizes = read["units.yaml"].workflow
    assert sizes is not None and (sizes.in_bytes, sizes.deadline_cycles) == (1536, 2_000_000)
    assert sizes.demand() == pytest.approx({"read": 10_000, "write": 1800 * 210, "close": 3000})
    assert cli.main(["run", "traced.yaml", "--hardware", "chip_64c", "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["requests"] == 3
    assert cli.main(["run", "traced.yaml", "--hardware", "chip_64c", "--load", "closed", "--requests", "4"]) == cli.BAD_INPUT
    assert "attributes.generated: got 3 values for 4 requests" in capsys.readouterr().err
    (code,) = blocks(repository, "python", page)
    exec(code, {})
    text = (repository / page).read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text


def test_make_targets_exist(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    text = (repository / "README.md").read_text() + (repository / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M))
    assert {"demo", "test"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(repository: Path, name: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", (repository / name).read_text())
    assert [target for target in targets if not (repository / target).exists()] == []
