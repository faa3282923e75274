"""Policies as users name them."""

from __future__ import annotations

from typing import Any

import pytest

import octomodel as om
from octomodel import policies
from octomodel.errors import ModelError
from octomodel.kernels.model import DISPATCH_OWN, DISPATCH_STEAL, ROUTE_SHORTEST

RULES = r"a rule of the kernel: 0 \(own task only\), 1 \(stealing\)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("x",), rf"policy\.dispatch: got None; allowed: {RULES}"),
        (("x", DISPATCH_OWN), r"policy\.route: got None; allowed: a rule of the kernel: 0 \(fewest hops\), 1"),
        (("x", len, len), rf"policy\.dispatch: got <built-in function len>; allowed: {RULES}"),
        (("x", 7, 0), rf"policy\.dispatch: got 7; allowed: {RULES}"),
        (("x", 0, True), r"policy\.route: got True"),
        (("no name", 0, 0), r"policy\.name: got 'no name'"),
        (("ideal", 0, 0), r"policy\.name: got 'ideal'; allowed: another name"),
    ],
)
def test_what_is_no_policy(values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ModelError, match=f"^{message}"):
        om.Policy(*values)


def test_another_pair_of_rules() -> None:
    both = om.Policy("both", DISPATCH_STEAL, ROUTE_SHORTEST)
    assert policies.named(both) is both


def test_names() -> None:
    assert policies.named("jsq").name == "jsq"
    with pytest.raises(ModelError, match="^policy: got 'statik'; allowed: did you mean 'static'"):
        policies.named("statik")
    with pytest.raises(ModelError, match=r"^policy: got None; allowed: one of ideal, jsq, static, stealing, or a Policy$"):
        policies.named(None)  # type: ignore[arg-type]
