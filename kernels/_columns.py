"""Columns: NumPy arrays that look into the records of a :class:`_ref.Table`, for the functions of a policy.

``column(table, first, n, field)`` is one field of ``n`` records from ``first`` on; with ``(rows, n)`` for ``n`` it has
rows of ``n``; the field of a table without records is ``""``. Read-only; an ``open_column`` can be written. Compiled code
has real ones; in plain Python a table is a list and a column a copy, so that what was written must be ``put`` back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray


def _intrinsic(readonly: bool) -> Any:
    """Return the function of compiled code that makes columns."""

    def compiled(typing_context: Any, table: Any, first: Any, shape: Any, field: Any) -> Any:
        name: str = field.literal_value
        dimensions = 1 if isinstance(shape, types.Integer) else 2
        typ = types.Array(table.dtype.typeof(name) if name else table.dtype, dimensions, "A", readonly=readonly)
        size = table.dtype.size if name else typ.dtype.bitwidth // 8
        extent = types.intp if dimensions == 1 else types.containers.UniTuple(types.intp, 2)

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
            data = cgutils.create_struct_proxy(table)(context, builder, value=arguments[0]).data
            pointer = cgutils.gep_inbounds(builder, data, arguments[1])
            if name:
                record = table.dtype
                kind = context.get_data_type(record.typeof(name))
                pointer = cgutils.get_record_member(builder, pointer, record.offset(name), kind)
            step = context.get_constant(types.intp, size)
            if dimensions == 1:
                lengths, strides = [arguments[2]], [step]
            else:
                lengths = cgutils.unpack_tuple(builder, arguments[2])
                strides = [builder.mul(lengths[1], step), step]
            array = context.make_array(typ)(context, builder)
            populate_array(
                array,
                data=builder.bitcast(pointer, array.data.type),
                shape=cgutils.pack_array(builder, lengths),
                strides=cgutils.pack_array(builder, strides),
                itemsize=context.get_constant(types.intp, typ.dtype.bitwidth // 8),
                meminfo=None,
            )
            return array._getvalue()

        return typ(table, types.intp, extent, field), build

    return intrinsic(prefer_literal=True)(compiled)


def copied_open_column(table: list[Any], first: int, shape: int | tuple[int, int], field: str) -> NDArray[Any]:
    """Return a copy of a column, to be written and put back."""
    n = shape if isinstance(shape, int) else math.prod(shape)
    values = table[first : first + n]
    return np.array([getattr(value, field) for value in values] if field else values).reshape(shape)


def copied_column(table: list[Any], first: int, shape: int | tuple[int, int], field: str) -> NDArray[Any]:
    """Return a read-only copy of a column."""
    array = copied_open_column(table, first, shape, field)
    array.flags.writeable = False
    return array


compiled_column, compiled_open_column = _intrinsic(True), _intrinsic(False)


def put(table: list[Any], first: int, field: str, array: NDArray[Any]) -> None:
    """Write the values of an interpreted column back."""
    for place, value in enumerate(array.reshape(-1).tolist(), first):
        if field:
            setattr(table[place], field, value)
        else:
            table[place] = value


