"""A digest of all that a Dataset says (values, names, dims, types, attributes), whatever file carries it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

import numpy as np
import xarray as xr

from octomodel.errors import ModelError

INT64 = np.iinfo(np.int64)


def content_digest(dataset: xr.Dataset, *, without: str = "") -> str:
    """Return the digest of a Dataset as 64 hexadecimal digits.

    What a file format cannot keep does not count: the order of variables and attributes, the width of
    fixed-width text, a list of one attribute against the bare value, chunks and compression.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables of integers, floats, booleans or text; attributes of text, integers, floats or flat lists of
        one of these.
    without : str
        Attribute of the Dataset that is left out: the one that holds the digest itself.

    Returns
    -------
    str
        BLAKE2b with 32 bytes.

    Raises
    ------
    ModelError
        If a variable or attribute has another type, which no file would keep.

    Examples
    --------
    >>> a = xr.Dataset({"x": ("t", [1, 2])}, attrs={"seed": 1})
    >>> content_digest(a) == content_digest(a.copy(deep=True)), content_digest(a) == content_digest(a + 1)
    (True, False)
    """
    total = hashlib.blake2b(digest_size=32)
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        role = "coordinate" if name in dataset.coords else "data"
        _add(total, name, role, str(variable.shape), *map(str, variable.dims))
        _add_values(total, name, variable)
        _add_attributes(total, f"{name}.attrs", variable.attrs)
    _add_attributes(total, "attrs", {key: value for key, value in dataset.attrs.items() if key != without})
    return total.hexdigest()


def is_text(variable: xr.Variable) -> bool:
    """Return whether a variable holds text, whatever array type carries it."""
    return variable.dtype.kind in "UT" or (
        variable.dtype.kind == "O" and all(isinstance(each, str) for each in variable.values.flat)
    )


def plain_attribute(path: str, value: object) -> object:
    """Return an attribute as Python text, number or list of these; a list of one is its element.

    Raises
    ------
    ModelError
        If it is something that a file would not keep.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        items = [plain_attribute(path, item) for item in value]
        if len({type(item) for item in items}) != 1 or isinstance(items[0], list):
            raise ModelError(path, value, "a flat list of text, of integers or of floats, not empty")
        return items if len(items) > 1 else items[0]
    if isinstance(value, str | float) or (type(value) is int and INT64.min <= value <= INT64.max):
        return value
    raise ModelError(path, value, "text, an int64 integer, a float or a flat list of one of these")


def _add(total: hashlib.blake2b, *texts: str) -> None:
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        total.update(struct.pack("<q", len(raw)) + raw)


def _add_values(total: hashlib.blake2b, name: str, variable: xr.Variable) -> None:
    if is_text(variable):
        _add(total, "text", *map(str, variable.values.flat))
    elif variable.dtype.kind in "biuf":
        values = variable.values
        _add(total, f"{values.dtype.kind}{values.dtype.itemsize}")
        total.update(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data)
    else:
        raise ModelError(name, variable.dtype, "a dtype of integers, floats, booleans or text")


def _add_attributes(total: hashlib.blake2b, path: str, attributes: Mapping[object, object]) -> None:
    _add(total, str(len(attributes)))
    for key in sorted(map(str, attributes)):
        value = plain_attribute(f"{path}.{key}", attributes[key])
        items = value if isinstance(value, list) else [value]
        _add(total, key, str(len(items)))
        for item in items:
            _add(total, type(item).__name__, item.hex() if isinstance(item, float) else str(item))
