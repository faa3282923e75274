"""Result files that are complete or not there: NetCDF (``.nc``) and Zarr (``.zarr``), atomic and checked."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from octomodel.digest import content_digest, is_text, plain_attribute
from octomodel.errors import ModelError, Words
from octomodel.variables import REGISTRY

DIGEST = "octo_digest"
FORM = "octo1"
"""First word of the digest attribute; another word there means that another version wrote the file."""

PROVENANCE = "tables_digest"
"""An attribute that every result of ``simulate`` has."""

CHUNK_ELEMENTS = 2**20
FOREIGN = "restore it from a copy, run again, or open what something else wrote with xarray"


class DamagedFileError(RuntimeError):
    """A result file whose content is not what was saved, or cannot be read.

    Parameters
    ----------
    path : path
        The file or directory.
    what : str
        What is wrong with it.
    cure : str
        What to do next.
    """

    def __init__(self, path: Path, what: str, cure: str = "restore it from a copy or run again") -> None:
        self.path = path
        super().__init__(f"{path}: {what}; {cure}")


def save(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a Dataset so that the path holds the old content or the new one, never a part.

    The content goes to a temporary sibling, is forced to the disk, read back and compared, and only then
    renamed. Every chunk has a checksum (fletcher32 in NetCDF, crc32c in Zarr), the content a digest in the
    attribute ``octo_digest``, and a NetCDF file one of all its bytes after its end.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables of integers, floats, booleans or text; attributes of text, numbers or flat lists of one of
        these.
    path : path
        ``*.nc`` for one NetCDF file, ``*.zarr`` for a Zarr directory. What is there is replaced.

    Raises
    ------
    ModelError
        If the suffix is another one, the path is a URL or not of the right kind (a directory for ``.nc``,
        anything but a Zarr directory for ``.zarr``), the Dataset holds what a file cannot keep, or is a result of
        ``simulate`` with a variable that is not registered.
    FileNotFoundError
        If the directory of the path does not exist.
    OSError
        If it cannot be written (disk full, no permission); what was at the path is unchanged.
    """
    target = _target(path)
    _check_kind(target)
    _check_names(dataset)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such directory")
    content = _portable(dataset)
    content.attrs[DIGEST] = f"{FORM} {_elements(content)} {content_digest(content, without=DIGEST)}"
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        fresh = work / target.name
        if target.suffix == ".nc":
            _write_netcdf(content, fresh)
        else:
            _write_zarr(content, fresh)
        _force_to_disk(fresh)
        try:
            load(fresh)
        except DamagedFileError as error:
            raise OSError(
                f"{target}: what was written does not read back ({error}); what was there is unchanged"
            ) from error
        _publish(fresh, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error  # the file meant, not a part of it
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Return a Dataset that was written by `save`, in memory, identical to what was saved.

    Parameters
    ----------
    path : path
        ``*.nc`` or ``*.zarr``.

    Returns
    -------
    xarray.Dataset
        Without the digest attribute. int64 stays int64.

    Raises
    ------
    ModelError
        If the suffix is another one, the path is a URL, or not of the right kind.
    FileNotFoundError
        If there is nothing at the path.
    PermissionError
        If it may not be read.
    DamagedFileError
        If it cannot be read, is incomplete, carries no digest, or its content does not match the digest.
    """
    target = _target(path)
    if not target.exists():
        before = _previous(target)
        hint = f"; a save was interrupted here, its earlier content is in {before}" if before.exists() else ""
        raise FileNotFoundError(f"{target}: no such file{hint}")
    _check_kind(target)
    source = _sealed(target) if target.suffix == ".nc" else target
    try:
        found, stamp = _read(target, source)
        digest = content_digest(found)
    except DamagedFileError:
        raise
    except Exception as error:  # a damaged file makes the libraries below raise nearly everything
        raise DamagedFileError(target, f"cannot be read ({type(error).__name__}: {error})") from error
    if digest != stamp:
        raise DamagedFileError(target, "the content does not match its digest")
    return found


def _target(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if "://" in text:
        raise ModelError("path", text, "a path in the file system, not a URL")
    target = Path(os.path.realpath(text))
    if target.suffix not in (".nc", ".zarr"):
        raise ModelError("path", text, "a name that ends in .nc (NetCDF) or .zarr (Zarr directory)")
    return target


def _check_names(dataset: xr.Dataset) -> None:
    """Refuse a result, known by its provenance, with variables that no reader of results knows."""
    if PROVENANCE not in dataset.attrs:
        return
    for name in dataset.variables:
        if name not in REGISTRY:
            cure = f"registered variables: ds.drop_vars({str(name)!r}).octo.save(path), and yours apart by to_netcdf"
            raise ModelError(f"dataset.{name}", Words("a variable of your own"), cure)


def _check_kind(target: Path) -> None:
    if not target.exists():
        return
    if target.suffix == ".nc" and not target.is_file():
        raise ModelError("path", str(target), "a regular file")
    if target.suffix == ".zarr" and not (target / "zarr.json").is_file():
        # replacing or reading any other directory would be a mistake
        raise ModelError("path", str(target), "a directory that holds a Zarr store (zarr.json)")


def _portable(dataset: xr.Dataset) -> xr.Dataset:
    """The same content in the array and attribute types that memory and both formats share."""
    variables = {}
    for name, variable in dataset.variables.items():
        values = variable.values
        if is_text(variable):
            values = np.array(values.tolist(), dtype=str).reshape(variable.shape)
        variables[name] = xr.Variable(
            variable.dims, values, _plain_attributes(f"{name}.attrs", variable.attrs)
        )
    return xr.Dataset(
        {name: variables[name] for name in dataset.data_vars},
        {name: variables[name] for name in dataset.coords},
        _plain_attributes("attrs", dataset.attrs),
    )


def _plain_attributes(path: str, attributes: Mapping[Any, Any]) -> dict[str, object]:
    return {str(key): plain_attribute(f"{path}.{key}", value) for key, value in attributes.items()}


def _elements(dataset: xr.Dataset) -> int:
    return sum(variable.size for variable in dataset.variables.values())


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Whole arrays while they are small, else cut along the leading axes first."""
    chunks = list(shape)
    for axis, size in enumerate(shape):
        rest = int(np.prod(shape[axis + 1 :], dtype=np.int64))
        chunks[axis] = max(1, min(size, CHUNK_ELEMENTS // max(rest, 1)))
    return tuple(chunks)


def _write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    encoding: dict[object, dict[str, object]] = {}
    for name, variable in dataset.variables.items():
        encoding[name] = {"_FillValue": None}
        shape: tuple[int, ...] = variable.shape
        if is_text(variable):
            # as characters: text of variable length has no checksum in HDF5
            width = max((len(each.encode()) for each in variable.values.flat), default=0)
            encoding[name]["dtype"] = "S1"
            shape = (*shape, max(width, 1))
        if shape and variable.size:
            encoding[name] |= {
                "fletcher32": True,
                "zlib": True,
                "complevel": 1,
                "shuffle": True,
                "chunksizes": _chunks(shape),
            }
    # first to memory: on a full disk the HDF5 library leaves the process with objects that crash it later
    image = dataset.to_netcdf(engine="h5netcdf", format="NETCDF4", encoding=encoding)
    with path.open("xb") as file:
        file.write(image)
        file.write(_seal(image))


def _seal(image: bytes | memoryview) -> bytes:
    """What stands after the last byte of the NetCDF format, where its readers do not look."""
    return f"\n{FORM} {hashlib.blake2b(image, digest_size=32).hexdigest()}\n".encode()


def _sealed(target: Path) -> io.BytesIO:
    """The bytes of a NetCDF file, once their seal holds: damaged ones can hang or crash the HDF5 library."""
    whole = target.read_bytes()
    size = len(whole) - len(_seal(b""))
    image, seal = memoryview(whole)[: max(size, 0)], whole[max(size, 0) :]
    if not seal.startswith(b"\nocto"):
        raise DamagedFileError(
            target,
            "does not end with the seal of octomodel: it was cut short or something else wrote it",
            FOREIGN,
        )
    if not seal.startswith(f"\n{FORM} ".encode()):
        raise _other_form(target)
    if seal != _seal(image):
        raise DamagedFileError(target, "its bytes do not match the seal at its end")
    return io.BytesIO(whole)


def _other_form(target: Path) -> DamagedFileError:
    cure = "read it with the version of octomodel that wrote it"
    return DamagedFileError(target, "its digest has another form than this version writes", cure)


def _write_zarr(dataset: xr.Dataset, path: Path) -> None:
    from zarr.abc.buffer import Buffer
    from zarr.codecs import Crc32cCodec, ZstdCodec
    from zarr.storage import MemoryStore

    texts = {
        name: variable.astype(object) for name, variable in dataset.variables.items() if is_text(variable)
    }
    encoding = {
        name: {
            "_FillValue": None,
            "chunks": _chunks(variable.shape),
            "compressors": [ZstdCodec(level=1), Crc32cCodec()],
        }
        for name, variable in dataset.variables.items()
    }
    # first to memory: after an error Zarr's threads would go on writing while we clean up
    parts: dict[str, Buffer] = {}
    dataset.assign(texts).to_zarr(MemoryStore(parts), zarr_format=3, consolidated=False, encoding=encoding)
    for key, part in parts.items():
        (path / key).parent.mkdir(parents=True, exist_ok=True)
        (path / key).write_bytes(part.to_bytes())


def _read(target: Path, source: Path | io.BytesIO) -> tuple[xr.Dataset, str]:
    """Content and the digest it should have."""
    with xr.open_dataset(
        source,
        engine="zarr" if source is target else "h5netcdf",
        backend_kwargs={"consolidated": False} if source is target else {},
        mask_and_scale=False,
        decode_times=False,
        decode_timedelta=False,
        cache=False,
    ) as stored:
        elements, digest = _stamp(target, stored)
        if _elements(stored) != elements:  # before a damaged shape makes us allocate for it
            raise DamagedFileError(target, "the shapes do not match the digest")
        found = _portable(stored.load())
    del found.attrs[DIGEST]
    return found, digest


def _stamp(target: Path, stored: xr.Dataset) -> tuple[int, str]:
    words = str(stored.attrs.get(DIGEST, "")).split()
    if not words:
        raise DamagedFileError(target, f"carries no {DIGEST}", FOREIGN)
    if words[0] != FORM or len(words) != 3 or not words[1].isdigit():
        raise _other_form(target)
    return int(words[1]), words[2]


def _force_to_disk(path: Path) -> None:
    for entry in [path, *path.rglob("*")]:
        _sync(entry)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _publish(fresh: Path, target: Path) -> None:
    """Put the complete, verified content in place of what is at the path."""
    if target.suffix == ".nc":
        os.replace(fresh, target)
        _sync(target.parent)
        return
    # no rename replaces a full directory: the old one waits beside it until the new one is in place
    previous = _previous(target)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        os.rename(target, previous)
    try:
        os.rename(fresh, target)
    except BaseException:
        if previous.exists():
            os.rename(previous, target)
        raise
    _sync(target.parent)
    shutil.rmtree(previous, ignore_errors=True)
