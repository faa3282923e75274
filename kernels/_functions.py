"""The functions of a policy: compiled apart from the kernel, which calls them by address, and never compiled with it.

Each is wrapped as ``answer(w, c, x) -> int``: ``w`` the world, ``c`` the cluster, ``x`` the number of the TBU or of the
candidates. The wrapper makes the view (rule 13.2), of which the compiler leaves what the function reads. Functions check
bounds and may raise: then the call gives ``RAISED``. Interpreted, an address is a place in a list.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import FunctionType
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.core.errors import NumbaError, TypingError
from numba.extending import intrinsic, overload

from . import _cache, _jit, _module
from ._columns import put
from ._ref import Ref
from ._tools import compiled, tools
from .model import Rules
from .views import Plan, Token

KINDS = ("dispatch", "route", "rebalance")
RAISED = -(2**62)
"""What a call gives when the function raised."""

Answer = Callable[[Any, int, int], int]


class CompileError(ValueError):
    """A function that Numba cannot compile, or that answers no integer.

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    name : str
        Of the function.
    """

    def __init__(self, kind: str, function: Any, why: str) -> None:
        super().__init__(why)
        self.kind, self.name = kind, function.__qualname__


def _integer_of(typing_context: Any, value: Any) -> Any:
    """Return an answer as an int64; refuse one that is no integer."""
    if not isinstance(value, types.Integer | types.Boolean):
        raise TypingError(f"it answers {value}, no integer")

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return context.cast(builder, arguments[0], value, types.int64)

    return types.int64(value), build


_integer: Any = intrinsic(_integer_of)


def _put_back(w: Any, c: int, state: Any, plan: Plan) -> None:
    """Write copies of the state and the plan back to where they came from.

    In: plan, policy_state. In-out: ctl.
    """
    ctl = w.ctl[0]
    put(w.policy_state, c * ctl.state_rows * ctl.n_task, "", state)
    for name, values in zip(Plan._fields[1:], plan[1:], strict=True):
        put(w.plan, 0, name, values)
    ctl.plan_n = int(plan.n[0])


def _answer(kind: str, function: Any, names: tuple[str, ...], real: bool) -> Answer:
    """Return the wrapper of a function, ``real`` for compiled code."""
    view_of, candidates_of, reports_of, plan_of, params_of, column, open_column = tools(names, real)
    integer: Callable[[int], int] = _integer if real else int

    look = open_column if kind == "rebalance" else column

    def state_of(w: Any, c: int) -> Any:
        ctl = w.ctl[0]
        return look(w.policy_state, c * ctl.state_rows * ctl.n_task, (ctl.state_rows, ctl.n_task), "")

    put_back = compiled(lambda w, c, state, plan: None) if real else _put_back
    if real:
        state_of = compiled(state_of)

    def dispatch(w: Any, c: int, x: int) -> int:
        return integer(function(view_of(w, c, params_of(w), state_of(w, c)), x))

    def route(w: Any, c: int, x: int) -> int:
        token = Token(w.ctl[0].token_tb, w.ctl[0].token_bytes)
        return integer(function(view_of(w, c, params_of(w), state_of(w, c)), token, candidates_of(w, x)))

    def rebalance(w: Any, c: int, x: int) -> int:
        state, plan = state_of(w, c), plan_of(w)
        function(view_of(w, c, params_of(w), state), reports_of(w, c), plan)
        put_back(w, c, state, plan)
        return 0

    return {"dispatch": dispatch, "route": route, "rebalance": rebalance}[kind]


_HELPER = {"boundscheck": True, "forceinline": True}  # else a call would hand over every column of its view
_helpers: set[Any] = set()


def _with_helpers(function: Any) -> None:
    """Let compiled code call the plain functions that a function names, and those that they name."""
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    enclosed = [cell.cell_contents for cell in function.__closure__ or ()]
    for item in named + enclosed:
        if isinstance(item, FunctionType) and item not in _helpers:
            _helpers.add(item)
            overload(item, jit_options=_HELPER, strict=False)(lambda *arguments, _item=item: _item)
            _with_helpers(item)


_known: dict[tuple[Any, ...], tuple[int, Any]] = {}
_interpreted: list[Answer] = []
_lock = threading.Lock()


def address(rules: Rules, kind: str, world: Any) -> int:
    """Return the address of a function of a policy, compiled when first needed; 0 for one that is not given.

    Parameters
    ----------
    rules : Rules
        The policy.
    kind : str
        One of ``KINDS``.
    world : World
        Whose arrays it will see; only their types matter.

    Raises
    ------
    CompileError
        When Numba refuses the function, or its answer is no integer.
    """
    function = getattr(rules, kind)
    if function is None:
        return 0
    key = (function, kind, rules.names)
    with _lock:
        if key not in _known:
            # kept for ever: machine code may be running in another thread
            _known[key] = _compile(rules, kind, world) if _jit.JIT_ENABLED else _listed(rules, kind)
        return _known[key][0]


def again(rules: Rules, kind: str, world: Any, c: int, x: int) -> Exception | None:
    """Call a function that raised once more, as plain Python on a world of lists; return what it raises now."""
    try:
        _answer(kind, getattr(rules, kind), rules.names, False)(world, c, x)
    except Exception as error:
        return error
    return None


def _listed(rules: Rules, kind: str) -> tuple[int, Any]:
    _interpreted.append(_answer(kind, getattr(rules, kind), rules.names, False))
    return len(_interpreted), None


def _compile(rules: Rules, kind: str, world: Any) -> tuple[int, Any]:
    function = getattr(rules, kind)
    types_of = (Ref(numba.typeof(world)), types.int64, types.int64)
    name = "-".join((f"{function.__module__}.{function.__qualname__}", rules.sources, *rules.names))
    with _jit.compiling(), _module.alone(), _cache.session(name) if rules.sources else nullcontext() as cache:
        _with_helpers(function)
        plain = compiled(function)
        wrapper = compiled(_answer(kind, plain, rules.names, True))
        if cache is not None:
            wrapper._cache = cache
        try:
            wrapper.compile(types_of)
        except NumbaError as error:
            raise CompileError(kind, function, _said(error)) from error
    result = wrapper.overloads[types_of]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name), result


def _said(error: NumbaError) -> str:
    """Return what a compiler's message says first, without its types of a whole view."""
    answers = re.search(r"it answers .*, no integer", str(error))
    if answers:
        return answers[0]
    lines = (line.strip() for line in re.sub(r"(View|Reports|Plan)\([^\n]*", r"\1", str(error)).splitlines())
    return next(line for line in lines if line and not line.startswith("Failed in"))


def _by_address_of(typing_context: Any, w: Any, where: Any, c: Any, x: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        taken = [signature.args[0], types.int64, types.int64]
        kind = context.call_conv.get_function_type(types.int64, taken)
        function = builder.inttoptr(arguments[1], kind.as_pointer())
        status, answer = context.call_conv.call_function(
            builder, function, types.int64, taken, [arguments[0], arguments[2], arguments[3]]
        )
        return builder.select(status.is_ok, answer, context.get_constant(types.int64, RAISED))

    return types.int64(w, types.int64, types.int64, types.int64), build


_by_address: Any = intrinsic(_by_address_of)


def _by_place(w: Any, where: int, c: int, x: int) -> int:
    try:
        return int(_interpreted[where - 1](w, c, x))
    except Exception:
        return RAISED


call: Any = _by_address if _jit.JIT_ENABLED else _by_place
