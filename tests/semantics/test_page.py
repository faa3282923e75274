"""The worked examples of docs/semantics.md, each a test that bears the number of its rule.

The numbers stand in the page only. ``run`` and ``bounds`` of ``octomodel.testing.examples`` go through kernel and
reference and stop where they differ; what they show is compared with the page.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import octomodel
from octomodel.errors import RunError
from octomodel.testing import examples
from octomodel.testing.examples import Example

pytestmark = pytest.mark.nojit

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "semantics.md"
MOST_EVENTS = 10
WITHOUT = {
    "6.1": "says which of the rules that follow concern which policy",
    "8.5": "no model that can be described gets stuck; tests/unit/test_run.py breaks one",
    "14.4": "what the policy remembers; what it does with it stands in 14.7, 14.9 and 14.10",
    "14.5": "as 14.4",
    "14.6": "as 14.4",
    "14.8": "takes more events than an example has; tests/unit/test_octopus.py shows it",
    "10.3": "a name; its numbers stand in the example of 10.2",
}
"""Rules without an example of their own, and why."""


@dataclass(frozen=True)
class Worked:
    """One example of the page."""

    rule: str
    number: int  # within the rule
    line: int
    code: str

    def __str__(self) -> str:
        return self.rule if self.number == 1 else f"{self.rule}-{self.number}"


def rules(text: str) -> dict[str, tuple[int, str]]:
    """Return line and text of each rule by number; what stands between two sections belongs to none."""
    found: dict[str, tuple[int, str]] = {}
    for part in re.finditer(r"^(\d+\.\d+) .*?(?=^\d+\.\d+ |^## |\Z)", text, re.M | re.S):
        assert part[1] not in found, f"rule {part[1]} twice"
        found[part[1]] = (text.count("\n", 0, part.start()) + 1, part[0])
    return found


def worked(text: str) -> Iterator[Worked]:
    """Yield the examples of the page."""
    for rule, (line, body) in rules(text).items():
        at = 0
        for number, part in enumerate(re.split(r"^(?=\*Example\.\*)", body, flags=re.M)):
            if number > 0:
                blocks = re.findall(r"^```python\n(.*?)^```$", part, re.M | re.S)
                yield Worked(rule, number, line + body.count("\n", 0, at), "".join(blocks))
            at += len(part)


def executed(example: Worked) -> tuple[int, str]:
    """Return the number of events of an example and what differs from the page."""
    events = 0

    def run(*args: Any, **options: Any) -> Example:
        nonlocal events
        ran = examples.run(*args, **options)
        events += len(ran.events)
        return ran

    names = {name: getattr(octomodel, name) for name in octomodel.__all__}
    names |= {name: getattr(examples, name) for name in examples.__all__} | {"run": run}
    session = doctest.DocTestParser().get_doctest(example.code, names, f"rule {example}", str(PAGE), example.line)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session, out=report.append)
    return events, "".join(report)


TEXT = PAGE.read_text()
EXAMPLES = list(worked(TEXT))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_rule(example: Worked) -> None:
    events, different = executed(example)
    assert different == ""
    assert events <= MOST_EVENTS


def test_every_rule_has_an_example_or_a_reason() -> None:
    assert set(rules(TEXT)) - {example.rule for example in EXAMPLES} == set(WITHOUT)


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == TEXT.count("*Example")
    assert sum(example.code.count(">>> ") for example in EXAMPLES) == TEXT.count(">>> ")
    assert all(">>> " in example.code for example in EXAMPLES)


def test_rules_are_numbered_in_order() -> None:
    sections = re.findall(r"^## (\d+)\. ", TEXT, re.M)
    assert sections == [str(i) for i in range(1, len(sections) + 1)]
    counts = {section: sum(rule.split(".")[0] == section for rule in rules(TEXT)) for section in sections}
    assert list(rules(TEXT)) == [f"{section}.{i}" for section in sections for i in range(1, counts[section] + 1)]


def test_lines_are_short() -> None:
    assert [line for line in TEXT.splitlines() if len(line) > 200] == []


@pytest.mark.parametrize("rule", ["3.1", "4.3", "7.1", "10.2"])
def test_a_wrong_number_is_noticed(rule: str) -> None:
    example = next(one for one in EXAMPLES if one.rule == rule)
    # the last digit that the page shows
    wrong = re.sub(r"\d(?=\D*\Z)", lambda digit: str((int(digit[0]) + 1) % 10), example.code)
    assert wrong != example.code
    assert executed(Worked(rule, 1, 0, wrong))[1] != ""


def test_a_kernel_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    one, task = octomodel.trace([0]), octomodel.task("a", 5)
    right = examples.run_reference
    monkeypatch.setattr(examples, "run_reference", lambda model, log: right(_slower(model), log))
    with pytest.raises(RunError, match="kernel and reference differ: elapsed: 5 in the kernel, 6 in the reference"):
        examples.run(one, task)
    ideal = examples.run_reference_ideal
    monkeypatch.setattr(examples, "run_reference_ideal", lambda model: ideal(_slower(model)))
    with pytest.raises(RunError, match="kernel and reference differ: the ideal mode"):
        examples.run(one, task, policy="ideal")
    bounds = examples.reference_bounds
    monkeypatch.setattr(examples, "reference_bounds", lambda model: bounds(_slower(model)))
    with pytest.raises(RunError, match="kernel and reference differ: {'work_bound': 5.0"):
        examples.bounds(one, task)


def _slower(model: Any) -> Any:
    """Return the model with times that are a cycle longer."""
    return model._replace(program=model.program._replace(knots=model.program.knots + 65536))


def test_rules_that_are_cited_exist() -> None:
    known = set(rules(TEXT))
    cited = 0
    for folder in ("octomodel", "kernels", "calibration", "tests", "docs"):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in (".py", ".md"):
                for several in re.findall(r"\brules? (\d+\.\d+(?:(?:, | and | to )\d+\.\d+)*)", path.read_text()):
                    numbers = re.findall(r"\d+\.\d+", several)
                    assert set(numbers) <= known, (path, several)
                    cited += len(numbers)
    assert cited > 100
