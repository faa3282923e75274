"""Hand a named tuple of arrays to helper kernels as one pointer.

Numba passes a tuple of fifty arrays as 350 words in every call, and compiles every helper with that many parameters: minutes of
compilation, microseconds per event. ``ref(w)`` stores the tuple once, on the stack of the entry kernel, and gives a pointer to it;
reading a field of the pointer reads the field of the tuple. Interpreted, ``ref`` gives back its argument.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, register_model
from numba.np.arrayobj import make_array, populate_array

from ._jit import JIT_ENABLED

T = TypeVar("T")


class Ref(types.Type):  # type: ignore[misc]
    """The type of a pointer to a named tuple of one-dimensional contiguous arrays."""

    def __init__(self, target: Any) -> None:
        self.target = target
        # a short name: Numba writes the types of the arguments into every symbol
        super().__init__(name=f"Ref{sha256(str(target).encode()).hexdigest()[:16]}")


@register_model(Ref)
class _RefModel(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, typ: Ref) -> None:
        super().__init__(manager, typ, manager.lookup(typ.target).get_value_type().as_pointer())


@infer_getattr
class _RefAttribute(AttributeTemplate):  # type: ignore[misc]
    key = Ref

    def generic_resolve(self, typ: Ref, name: str) -> Any:
        return typ.target.types[typ.target.fields.index(name)]


@lower_getattr_generic(Ref)
def _read_field(context: Any, builder: Any, typ: Ref, pointer: ir.Value, name: str) -> ir.Value:
    """Build the array of one field from its data pointer and length, both invariant while the kernel runs."""
    field = typ.target.fields.index(name)
    array_type = typ.target.types[field]
    model = context.data_model_manager.lookup(array_type)

    def read(part: str) -> ir.Value:
        loaded = builder.load(
            cgutils.gep_inbounds(builder, pointer, 0, field, model.get_field_position(part))
        )
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    array = make_array(array_type)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    populate_array(
        array, data=read("data"), shape=[read("nitems")], strides=[size], itemsize=size, meminfo=None
    )
    return array._getvalue()


def _interpreted(w: T) -> T:
    return w


@intrinsic  # type: ignore[misc]
def _compiled(typing_context: Any, w: Any) -> Any:
    def store(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return cgutils.alloca_once_value(builder, arguments[0])

    return Ref(w)(w), store


ref: Any = _compiled if JIT_ENABLED else _interpreted
