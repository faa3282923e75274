"""Hand a named tuple of arrays to helper kernels as one pointer.

Numba passes a tuple of fifty arrays as 350 words in every call, and compiles every helper with that many parameters:
minutes of compilation, microseconds per event. ``ref(w)`` stores the tuple once, on the stack of the entry kernel, and
gives a pointer to it. A field of the pointer is a :class:`Table`: data pointer and length of one array, indexed without
Numba's support for negative indices, which costs a comparison and a load per access (-1 means none in the kernels and
is never an index). Loads and stores say which array they touch, as the arrays never overlap: without that every store
would make the optimiser load everything again. Interpreted, ``ref`` gives back its argument.
"""

from __future__ import annotations

import operator
from hashlib import sha256
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel, StructModel
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    lower_setattr_generic,
    register_model,
)

from ._jit import JIT_ENABLED

T = TypeVar("T")


def _short(text: str) -> str:
    """Return a short name: Numba writes the names of argument types into every symbol."""
    return sha256(text.encode()).hexdigest()[:16]


class Ref(types.Type):
    """The type of a pointer to a named tuple of one-dimensional contiguous arrays."""

    def __init__(self, target: Any) -> None:
        self.target = target
        super().__init__(name=f"Ref{_short(str(target))}")


class Table(types.Type):
    """The type of one array of a :class:`Ref`: ``table[i]`` for 0 <= i < ``len(table)``, a record as a :class:`Row`."""

    def __init__(self, target: Any, field: str) -> None:
        array = target.types[target.fields.index(field)]
        self.dtype, self.aligned, self.constant = array.dtype, array.aligned, not array.mutable
        self.field, self.others = field, tuple(other for other in target.fields if other != field)
        super().__init__(name=f"Table{_short(f'{target} {field}')}")

    def mark(self, instruction: Any) -> Any:
        """Tell the optimiser what a load or store cannot touch, the other arrays, and what never changes."""
        add = instruction.module.add_metadata
        domain = add(["octomodel world"])
        instruction.set_metadata("alias.scope", add([add([self.field, domain])]))
        instruction.set_metadata("noalias", add([add([other, domain]) for other in self.others]))
        if self.constant and instruction.opname == "load":
            instruction.set_metadata("invariant.load", add([]))
        return instruction


class Row(types.Type):
    """The type of one record of a table, by reference."""

    def __init__(self, table: Table) -> None:
        self.table = table
        super().__init__(name=f"Row{_short(table.name)}")


@register_model(Ref)
class _RefModel(PrimitiveModel):
    def __init__(self, manager: Any, typ: Ref) -> None:
        super().__init__(manager, typ, manager.lookup(typ.target).get_value_type().as_pointer())


@register_model(Table)
class _TableModel(StructModel):
    def __init__(self, manager: Any, typ: Table) -> None:
        super().__init__(manager, typ, [("data", types.CPointer(typ.dtype)), ("length", types.intp)])


@register_model(Row)
class _RowModel(PrimitiveModel):
    def __init__(self, manager: Any, typ: Row) -> None:
        super().__init__(manager, typ, manager.lookup(typ.table.dtype).get_value_type())


@infer_getattr
class _RefAttribute(AttributeTemplate):
    key = Ref

    def generic_resolve(self, typ: Ref, name: str) -> Any:
        return Table(typ.target, name)


@infer_getattr
class _RowAttribute(AttributeTemplate):
    key = Row

    def generic_resolve(self, typ: Row, name: str) -> Any:
        return typ.table.dtype.typeof(name)


@lower_getattr_generic(Ref)
def _read_field(context: Any, builder: Any, typ: Ref, pointer: ir.Value, name: str) -> ir.Value:
    """Read data pointer and length of one array, both invariant while the kernel runs."""
    field = typ.target.fields.index(name)
    array = typ.target.types[field]
    model = context.data_model_manager.lookup(array)

    def read(part: str) -> ir.Value:
        loaded = builder.load(cgutils.gep_inbounds(builder, pointer, 0, field, model.get_field_position(part)))
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    table = cgutils.create_struct_proxy(Table(typ.target, name))(context, builder)
    table.data = builder.bitcast(read("data"), table.data.type)
    table.length = read("nitems")
    return table._getvalue()


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Table) and isinstance(args[1], types.Integer):
            table = args[0]
            return signature(Row(table) if isinstance(table.dtype, types.Record) else table.dtype, table, types.intp)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Table) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.intp, args[0].dtype)
        return None


@infer_global(len)
class _Length(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.intp, args[0]) if isinstance(args[0], Table) else None


def _item(context: Any, builder: Any, typ: Table, value: ir.Value, index: ir.Value) -> ir.Value:
    """Return the address of an item; a bounds-checked build raises for an index that is none."""
    table = cgutils.create_struct_proxy(typ)(context, builder, value=value)
    if context.enable_boundscheck:
        cgutils.do_boundscheck(context, builder, index, table.length)
    return cgutils.gep_inbounds(builder, table.data, index)


def _load(builder: Any, table: Table, pointer: ir.Value) -> ir.Value:
    return table.mark(builder.load(pointer, align=None if table.aligned else 1))


def _store(builder: Any, table: Table, value: ir.Value, pointer: ir.Value) -> None:
    if table.constant:
        raise TypeError(f"{table.field} is read-only")
    table.mark(builder.store(value, pointer, align=None if table.aligned else 1))


def _member(context: Any, builder: Any, typ: Row, row: ir.Value, name: str) -> ir.Value:
    """Return the address of a field of a record."""
    record = typ.table.dtype
    return cgutils.get_record_member(builder, row, record.offset(name), context.get_data_type(record.typeof(name)))


@lower_builtin(operator.getitem, Table, types.intp)
def _read_item(context: Any, builder: Any, sig: Any, args: Any) -> ir.Value:
    pointer = _item(context, builder, sig.args[0], *args)
    return pointer if isinstance(sig.return_type, Row) else _load(builder, sig.args[0], pointer)


@lower_builtin(operator.setitem, Table, types.intp, types.Any)
def _write_item(context: Any, builder: Any, sig: Any, args: Any) -> None:
    _store(builder, sig.args[0], args[2], _item(context, builder, sig.args[0], *args[:2]))


@lower_getattr_generic(Row)
def _read_member(context: Any, builder: Any, typ: Row, row: ir.Value, name: str) -> ir.Value:
    return _load(builder, typ.table, _member(context, builder, typ, row, name))


@lower_setattr_generic(Row)
def _write_member(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    typ, value_type = sig.args
    value = context.cast(builder, args[1], value_type, typ.table.dtype.typeof(name))
    _store(builder, typ.table, value, _member(context, builder, typ, args[0], name))


@lower_builtin(len, Table)
def _read_length(context: Any, builder: Any, sig: Any, args: Any) -> ir.Value:
    return cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).length


def _interpreted(w: T) -> T:
    return w


@intrinsic
def _compiled(typing_context: Any, w: Any) -> Any:
    def store(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return cgutils.alloca_once_value(builder, arguments[0])

    return Ref(w)(w), store


ref: Any = _compiled if JIT_ENABLED else _interpreted
