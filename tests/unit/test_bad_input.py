"""Mistakes in files, each refused or warned of before anything is allocated: file, place, value, what is allowed."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from octomodel import cli
from octomodel.dist import Empirical
from octomodel.errors import ModelError

ONE = "{task: a, time: 5}"
SMALL = "{rows: 1, cols: 1}"
MOST_BYTES = 32 * 2**20


def text(program: str = ONE, hardware: str = SMALL, rest: str = "") -> str:
    return f"schema_version: 1\nworkflow: {{name: w, program: [{program}]}}\nhardware: {hardware}\n{rest}\n"


def branch(*values: object) -> str:
    program = "program: [{{task: t{0}, time: 5}}]"
    choices = ", ".join(f"{{choice: c{i}, probability: {value}, {program.format(i)}}}" for i, value in enumerate(values))
    return f"{{branch: b, choices: [{choices}]}}"


def loop(body: str, **turns: object) -> str:
    ((key, value),) = turns.items()
    return f"{{loop: l, {key}: {value}, body: [{body}]}}"


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        # keys and names
        (text("{task: a, time: 5, out_byte: 1}"), ".workflow.program[0].out_byte", "did you mean 'out_bytes'"),
        (text("{task: 1a, time: 5}"), ".workflow.program[0].name", "got '1a'; allowed: a name: a letter, then at most 63"),
        (text(f"{{task: {'a' * 65}, time: 5}}"), ".workflow.program[0].name", "a name: a letter, then at most 63"),
        (text('{task: "a b", time: 5}'), ".workflow.program[0].name", "got 'a b'; allowed: a name"),
        (text(f"{ONE}, {ONE}"), ".workflow.a", "got 'a'; allowed: a name that no other task or control block has"),
        # numbers
        (text("{task: a, time: .nan}"), ", line 2", "got '.nan'; allowed: a plain decimal number"),
        (text("{task: a, time: -.inf}"), ", line 2", "got '-.inf'; allowed: a plain decimal number"),
        (text("{task: a, time: 1e999}"), ", line 2", "got '1e999'; allowed: a plain decimal number"),
        (text("{task: a, time: -5}"), ".workflow.program[0].time", "got -5; allowed: a finite number >= 0"),
        (text("{task: a, time: true}"), ".workflow.program[0].time", "got True; allowed: a law, a number"),
        (text('{task: a, time: "5"}'), ".workflow.program[0].time", "got '5'; allowed: a law, a number"),
        (text(hardware="{rows: 4.5, cols: 1}"), ".hardware.rows", "got 4.5; allowed: an integer from 1 to 1048576"),
        (text(hardware=f"{{rows: {2**63}, cols: 1}}"), ".hardware.rows", f"got {2**63}; allowed: an integer from 1"),
        (text(hardware="{rows: true, cols: 1}"), ".hardware.rows", "got True; allowed: an integer from 1"),
        (text(f"{{task: a, time: 5, out_bytes: {2**63}}}"), ".workflow.program[0].out_bytes", "allowed: an integer from 0"),
        # choices and loops
        (text(branch(0.5, 0.500001)), ".workflow.program[0].probabilities", "within 1e-9, these sum to 1.000001"),
        (text(branch(0, 0)), ".workflow.program[0].probabilities", "these sum to 0.0"),
        (text(loop(ONE, again=1)), ".workflow.program[0].again", "a probability below 1: this loop cannot end"),
        (text(loop(ONE, count="1e10")), ".workflow.l", "got '1e+10 expected turns'; allowed: a loop that expects"),
        (text(f"{ONE}, " + loop("{fork: [[]]}", again=0.5)), ".workflow.l", "got 'a turn without a task'; allowed: a task on"),
        (text(""), ".workflow", "at least one task"),
        # machines
        (text(hardware="{rows: 0, cols: 1}"), ".hardware.rows", "got 0; allowed: an integer from 1"),
        (text(hardware="{rows: 1, cols: 1, cluster: {tbus: 0}}"), ".hardware.cluster.tbus", "got 0; allowed: an integer from 1"),
        (text(hardware="{rows: 1000000, cols: 1000000}"), ".hardware.rows", "got '1000000 x 1000000 clusters'; allowed: at most"),
        (text(hardware="{rows: 1048576, cols: 1, cluster: {tbus: 16384}}"), ".hardware.cluster.tbus", "TBUs'; allowed: at most"),
        (text(hardware="{rows: 1, cols: 1, link: {bytes_per_cycle: 0}}"), ".hardware.link.bytes_per_cycle", "got 0; allowed: an"),
        # loads
        (text(rest="load: {kind: trace, arrival_cycles: [5, 3]}"), ".load.arrival_cycles[1]", "got 3; allowed: at least 5"),
        (text(rest="load: {kind: trace, arrival_cycles: []}"), ".load.arrival_cycles", "at least one cycle"),
        (text(rest="load: {kind: trace, arrival_cycles: [0.5]}"), ".load.arrival_cycles", "whole cycles"),
        (text(rest="load: {kind: poisson, rate: 0}"), ".load.rate", "got 0; allowed: a finite number >="),
        # files
        ("schema_version: 2\n", ".schema_version", "got 2; allowed: 1, the version of files that this release reads"),
        ("schema_version: 1\nschema_version: 1\n", ", line 2", "allowed: each key once"),
        ("a: &x [1]\nb: [*x, *x]\n", ", line 1", "got &x; allowed: no anchors"),
        ("a: !!python/object/apply:os.system [id]\n", ", line 1", "allowed: no tags"),
        ("[" * 5000, ", line 1", "got more than 32 levels"),
    ],
)
def test_mistakes_in_descriptions(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    place: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text(content)
    tracemalloc.start()
    try:
        assert cli.main(["show", "f.yaml"]) == cli.BAD_INPUT
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"octomodel: f.yaml{place}: got ")
    assert message in err and err.count("\n") == 1


def test_a_configuration_larger_than_the_memory_of_a_unit_is_refused_before_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text("{task: a, time: 5, config_bytes: 1 MiB}", "{rows: 1, cols: 1, tbu: {memory_bytes: 1 MiB}}"))
    assert cli.main(["run", str(path)]) == cli.BAD_INPUT
    assert "got 1048576; allowed: at most 524288" in capsys.readouterr().err


def test_a_sum_that_is_off_by_a_billionth_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text(branch(0.5, 0.5000000005)))
    code = "import sys, octomodel.cli; sys.exit(octomodel.cli.main())"
    done = subprocess.run([sys.executable, "-c", code, "show", str(path)], capture_output=True, text=True)
    assert done.returncode == cli.DONE
    assert "the probabilities sum to 1.0000000005" in done.stderr


@pytest.mark.parametrize("kind", ["folder", "pipe", "address", "gzip", "link"])
def test_what_is_no_file_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    name, message = f"{kind}.yaml", "got no regular file; allowed: the path of an existing file"
    if kind == "folder":
        os.mkdir(name)
    elif kind == "pipe":
        os.mkfifo(name)
    elif kind == "link":
        os.symlink(name, name)
    elif kind == "gzip":
        Path(name).write_bytes(gzip.compress(bytes(10**8)))  # a bomb that nobody unpacks
        message = "is not UTF-8; allowed: text in UTF-8"
    else:
        name = "https://example.org/f.yaml"
    assert cli.main(["show", name]) == cli.BAD_INPUT
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("a,b\n1,2\n3\n", ", row 3, column b", "got ['3']; allowed: 2 fields, as in the header"),
        ("a,b\n1,nan\n", ", row 2, column b", "got 'nan'; allowed: a finite number >= 0"),
        ("a,b\n1,-1\n", ", row 2, column b", "got '-1'; allowed: a finite number >= 0"),
        ('a,b\n1,"2,5"\n', ", row 2, column b", "got '2,5'; allowed: a finite number >= 0"),
        ("a,b\n1,2,5\n", ", row 2, column b", "got ['1', '2', '5']; allowed: 2 fields"),
        ('a,b\n1,"2\n', ", row 2", "allowed: comma-separated values"),
        ("a,c\n1,2\n", ", row 1", "got 'b'; allowed: one of a, c"),
        ("a,b\n", "", "allowed: at least one row under the header"),
    ],
)
def test_mistakes_in_tables(tmp_path: Path, content: str, place: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(ModelError) as caught:
        Empirical.from_csv(path, "b")
    assert caught.value.path == f"{path}{place}"
    assert message in str(caught.value)
