"""Files hold the old content or the new one, come back identical, and are never read silently wrong."""

from __future__ import annotations

import collections
import os
import random
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from octomodel import files
from octomodel.digest import content_digest
from octomodel.errors import ModelError
from octomodel.files import DamagedFileError, _seal, load, save

FORMS = (".nc", ".zarr")
TOP = Path(__file__).resolve().parents[2]


def make_study(shift: int = 0) -> xr.Dataset:
    """Every type and shape a result may have: sentinels, extremes, NaN, text, scalars, empty axes."""
    times = np.arange(600, dtype=np.int64).reshape(2, 300) * 7_919 % 65_521 + shift
    times[1, -3:] = -1
    return xr.Dataset(
        {
            "times": (("replication", "request"), times, {"units": "cycles", "description": "größe"}),
            "extremes": ("link", np.array([-(2**63), 2**63 - 1, 2**53 + 1, -1], dtype=np.int64)),
            "shares": ("link", np.array([0.1, np.nan, np.inf, -0.0])),
            "small": ("link", np.arange(4, dtype=np.int8)),
            "flags": ("link", np.array([True, False, True, True])),
            "zeros": ("replication", np.zeros(2, dtype=np.int64)),
            "nothing": (("replication", "milestone"), np.zeros((2, 0))),
            "number": ((), np.int64(5)),
            "fingerprint": ("replication", np.array(["0f" * 16, "a0" * 16])),
        },
        coords={
            "replication": np.arange(2),
            "tb": ("tb", np.array(["asr", "", "größe.7-b_x"])),
            "policy": "static",
            "row": ("link", np.arange(4)),
        },
        attrs={
            "configuration": "name: größe\n" * 20_000,
            "empty": "",
            "seed": 2**62,
            "clock_hz": 1e9,
            "sizes": [1, 2, 3],
            "names": ["a", "bb"],
        },
    )


def files_in(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


@pytest.fixture(params=FORMS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"run{request.param}"


@pytest.fixture
def saved(path: Path) -> Path:
    save(make_study(), path)
    return path


def test_round_trip_is_an_identity(saved: Path) -> None:
    study, found = make_study(), load(saved)
    assert found.identical(study)
    assert found.attrs == study.attrs and {type(each) for each in found.attrs.values()} == {
        str,
        int,
        float,
        list,
    }
    for name, variable in study.variables.items():
        assert found.variables[name].dtype == variable.dtype, name
        assert found.variables[name].shape == variable.shape, name
        assert found.variables[name].encoding == {}
    assert np.signbit(found["shares"].values[3])
    assert list(saved.parent.iterdir()) == [saved]


def test_what_was_loaded_can_be_saved_in_the_other_form(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / f"copy{'.nc' if saved.suffix == '.zarr' else '.zarr'}"
    save(load(saved), other)
    assert load(other).identical(make_study())


def test_plain_xarray_reads_it_too(saved: Path) -> None:
    options = {"consolidated": False} if saved.suffix == ".zarr" else {}
    with xr.open_dataset(saved, **options) as found:
        assert found["times"].dtype == np.int64 and found["times"].attrs["units"] == "cycles"
        assert found.drop_attrs().equals(make_study().drop_attrs())
        found.load()
    save(found, saved)
    assert load(saved).identical(make_study())


def test_every_chunk_has_a_checksum(saved: Path) -> None:
    if saved.suffix == ".zarr":
        arrays = [each for each in saved.glob("*/zarr.json")]
        assert len(arrays) == len(make_study().variables)
        assert all('"crc32c"' in each.read_text() for each in arrays)
        return
    import h5py

    with h5py.File(saved) as file:
        for name in ("times", "extremes", "shares", "fingerprint", "tb", "policy"):
            assert file[name].fletcher32, name


def test_large_arrays_are_cut_into_chunks(path: Path) -> None:
    study = xr.Dataset({"times": (("replication", "request"), np.arange(2_400_000).reshape(2, -1))})
    save(study, path)
    assert load(path).identical(study)
    if path.suffix == ".zarr":
        assert len(files_in(path / "times" / "c")) == 4


def test_a_symbolic_link_is_written_through(path: Path) -> None:
    link = path.parent / f"latest{path.suffix}"
    save(make_study(), path)
    link.symlink_to(path)
    save(make_study(1), link)
    assert link.is_symlink() and load(path).identical(make_study(1))


def test_no_flipped_bit_is_read_silently_wrong(saved: Path) -> None:
    study, draw = make_study()[["times", "shares", "fingerprint"]], random.Random(20)
    save(study, saved)
    names = files_in(saved)
    weights = [each.stat().st_size for each in names]
    met: collections.Counter[str] = collections.Counter()
    for _ in range(150):
        name = draw.choices(names, weights)[0]
        whole = name.read_bytes()
        broken = bytearray(whole)
        broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        name.write_bytes(broken)
        try:
            assert load(saved).identical(study), f"{name.name} is read silently wrong"
            met["same"] += 1
        except (DamagedFileError, ModelError) as error:
            assert str(saved) in str(error)
            met["refused"] += 1
        name.write_bytes(whole)
    assert load(saved).identical(study)
    assert met["refused"] >= 30, met


def test_the_digest_alone_finds_flipped_bits(tmp_path: Path) -> None:
    """With a seal made after the damage, chunk checksums and content digest are what is left."""
    study, draw, path = make_study()[["times", "fingerprint"]], random.Random(21), tmp_path / "run.nc"
    save(study, path)
    image = path.read_bytes()[: -len(_seal(b""))]
    refused = 0
    for _ in range(60):
        broken = bytearray(image)
        broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        path.write_bytes(broken + _seal(broken))
        try:
            assert load(path).identical(study)
        except DamagedFileError:
            refused += 1
    assert refused >= 10


def test_no_cut_or_missing_part_is_read_silently_wrong(saved: Path) -> None:
    study = make_study()
    for name in files_in(saved):
        whole = name.read_bytes()
        for kept in {0, 7, 8, len(whole) // 2, len(whole) - 1}:
            name.write_bytes(whole[:kept])
            with pytest.raises((DamagedFileError, ModelError)):
                load(saved)
        if saved.suffix == ".zarr":
            name.unlink()
            with pytest.raises((DamagedFileError, ModelError)):
                load(saved)
        name.write_bytes(whole)
    assert load(saved).identical(study)


def test_a_damaged_file_says_which_what_and_what_to_do(saved: Path) -> None:
    if saved.suffix == ".zarr":
        shutil.rmtree(saved / "times" / "c")
        wrong = "the content does not match its digest"
    else:
        whole = saved.read_bytes()
        saved.write_bytes(b"time,cyc" + whole[8:])
        wrong = "its bytes do not match the seal at its end"
    with pytest.raises(DamagedFileError) as caught:
        load(saved)
    assert str(caught.value) == f"{saved}: {wrong}; restore it from a copy or run again"
    assert caught.value.path == saved


def write_otherwise(study: xr.Dataset, path: Path, *, seal: bool = True) -> Path:
    """Write without `save`; with the seal that a NetCDF file of ours would have."""
    if path.suffix == ".nc":
        study.to_netcdf(path, engine="h5netcdf")
        if seal:
            path.write_bytes(path.read_bytes() + _seal(path.read_bytes()))
    else:
        study.to_zarr(path, zarr_format=3, consolidated=False)
    return path


def test_a_file_of_another_writer_is_refused(path: Path) -> None:
    write_otherwise(xr.Dataset({"a": ("x", [1, 2])}), path, seal=False)
    wrong = "does not end with the seal" if path.suffix == ".nc" else "carries no octo_digest"
    with pytest.raises(DamagedFileError, match=f"{wrong}.*open what something else wrote with xarray"):
        load(path)


@pytest.mark.parametrize(
    ("digest", "wrong"),
    [
        ("", "carries no octo_digest"),
        ("octo2 2 {}", "its digest has another form than this version writes; read it with the version"),
        ("octo1 two {}", "its digest has another form"),
        ("octo1 2", "its digest has another form"),
        ("octo1 3 {}", "the shapes do not match the digest"),
        ("octo1 2 0{}", "the content does not match its digest"),
    ],
)
def test_a_wrong_digest_is_refused(path: Path, digest: str, wrong: str) -> None:
    study = xr.Dataset({"a": ("x", [1, 2])})
    stamp = {"octo_digest": digest.format(content_digest(study))} if digest else {}
    with pytest.raises(DamagedFileError, match=wrong):
        load(write_otherwise(study.assign_attrs(stamp), path))


def test_a_content_that_is_not_that_of_the_digest_is_refused(path: Path) -> None:
    study = xr.Dataset({"a": ("x", [1, 2])})
    stamp = {"octo_digest": f"octo1 2 {content_digest(study)}"}
    assert load(write_otherwise(study.assign_attrs(stamp), path)).identical(study)
    other = path.with_stem("other")
    with pytest.raises(DamagedFileError, match="the content does not match its digest"):
        load(write_otherwise((study + 1).assign_attrs(stamp), other))


def test_a_seal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    save(make_study(), path)
    path.write_bytes(path.read_bytes().replace(b"\nocto1 ", b"\nocto2 "))
    with pytest.raises(DamagedFileError, match="read it with the version of octomodel that wrote it"):
        load(path)


def test_content_that_the_libraries_cannot_read_is_refused(path: Path) -> None:
    """Whatever the seal says: the bytes are those that were sealed, but no NetCDF or Zarr."""
    if path.suffix == ".nc":
        path.write_bytes(b"no NetCDF" + _seal(b"no NetCDF"))
    else:
        path.mkdir()
        (path / "zarr.json").write_text("no Zarr")
    with pytest.raises(DamagedFileError, match=r"cannot be read \(\w+: .*restore it"):
        load(path)


def test_paths_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    study = make_study()
    for name in ("run.csv", "run", "run.nc.txt", "run.NC"):
        with pytest.raises(ModelError, match="path: got .*; allowed: a name that ends in .nc"):
            save(study, tmp_path / name)
        with pytest.raises(ModelError, match="allowed: a name that ends in .nc"):
            load(tmp_path / name)
    with pytest.raises(ModelError, match="not a URL"):
        load("https://example.org/run.nc")
    folder, pipe = tmp_path / "folder.nc", tmp_path / "pipe.nc"
    folder.mkdir()
    os.mkfifo(pipe)
    for wrong in (folder, pipe):
        with pytest.raises(ModelError, match="allowed: a regular file"):
            save(study, wrong)
        with pytest.raises(ModelError, match="allowed: a regular file"):
            load(wrong)
    plain, precious = tmp_path / "file.zarr", tmp_path / "precious.zarr"
    plain.write_text("mine")
    precious.mkdir()
    (precious / "thesis.tex").write_text("mine")
    for wrong in (plain, precious):
        with pytest.raises(ModelError, match="allowed: a directory that holds a Zarr store"):
            save(study, wrong)
        with pytest.raises(ModelError, match="allowed: a directory that holds a Zarr store"):
            load(wrong)
    assert plain.read_text() == (precious / "thesis.tex").read_text() == "mine"


def test_missing_places(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(path)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        save(make_study(), path.parent / "absent" / path.name)


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (xr.Dataset({"a": ("x", np.array([1, None]))}), "a: got dtype"),
        (xr.Dataset({"a": ("x", np.array(["2020-01-01"], dtype="M8[ns]"))}), "a: got dtype"),
        (xr.Dataset({"a": ("x", np.array([1j]))}), "a: got dtype"),
        (xr.Dataset(attrs={"a": None}), "attrs.a: got None"),
        (xr.Dataset(attrs={"a": True}), "attrs.a: got True"),
        (xr.Dataset(attrs={"a": 2**63}), "attrs.a: got 9223372036854775808"),
        (xr.Dataset(attrs={"a": {"b": 1}}), "attrs.a: got {'b': 1}"),
        (xr.Dataset(attrs={"a": []}), r"attrs.a: got \[\]"),
        (xr.Dataset(attrs={"a": [1, 2.5]}), r"attrs.a: got \[1, 2.5\]"),
        (xr.Dataset(attrs={"a": [[1, 2], [3, 4]]}), "attrs.a: got"),
        (xr.Dataset({"v": ("x", [1], {"a": None})}), "v.attrs.a: got None"),
    ],
)
def test_what_a_file_cannot_keep_is_refused(saved: Path, bad: xr.Dataset, place: str) -> None:
    with pytest.raises(ModelError, match=place):
        save(bad, saved)
    assert load(saved).identical(make_study())
    assert list(saved.parent.iterdir()) == [saved]


class StoppedError(Exception):
    """Raised by a test at a boundary of the save."""


def test_an_error_at_any_boundary_leaves_the_old_or_the_new(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = xr.Dataset({"a": ("x", [0, 1])}), xr.Dataset({"a": ("x", [2, 3])})
    save(old, path)
    calls, stop_at = 0, 0

    def watch(name: str) -> None:
        real = getattr(os, name)

        def step(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise StoppedError
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, step)

    for name in ("fsync", "rename", "replace"):
        watch(name)
    seen = []
    while True:
        calls, stop_at = 0, stop_at + 1
        try:
            save(new, path)
        except StoppedError:
            seen.append("new" if load(path).identical(new) else "old")
            assert load(path).identical(new if seen[-1] == "new" else old)
            leftover = path.parent / f".{path.name}.previous"
            assert set(path.parent.iterdir()) <= {path, leftover}
            save(old, path)
        else:
            break
    assert seen == ["old"] * (len(seen) - 1) + ["new"] and len(seen) >= 3
    assert load(path).identical(new)
    assert list(path.parent.iterdir()) == [path]


def test_what_does_not_read_back_is_not_published(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says yes and keeps something else."""

    def lose(path: Path) -> None:
        largest = max(files_in(path), key=lambda each: each.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-1])

    monkeypatch.setattr(files, "_force_to_disk", lose)
    with pytest.raises(OSError, match="does not read back .*what was there is unchanged"):
        save(make_study(1), saved)
    assert load(saved).identical(make_study())
    assert list(saved.parent.iterdir()) == [saved]


DYING = textwrap.dedent(
    """
    import os, shutil, sys
    import h5netcdf, h5py, xarray, zarr
    sys.path.insert(0, sys.argv[3])
    from octomodel import files

    place, name, states = sys.argv[1], sys.argv[2], sys.argv[1] + ".states"

    def die_at(stop_at):
        calls = 0
        def watch(owner, attribute):
            real = getattr(owner, attribute)
            def step(*arguments, **options):
                nonlocal calls
                calls += 1
                if calls == stop_at:
                    os.kill(os.getpid(), 9)
                return real(*arguments, **options)
            setattr(owner, attribute, step)
        for attribute in ("fsync", "rename", "replace"):
            watch(os, attribute)
        for attribute in ("mkdtemp",):
            watch(files.tempfile, attribute)
        watch(shutil, "rmtree")
        files.save(xarray.Dataset({"a": ("x", [2, 3])}), os.path.join(place, name))

    stop_at = 0
    while True:
        stop_at += 1
        shutil.copytree(place, os.path.join(states, "work"))
        shutil.copytree(place, os.path.join(states, "kept"))
        child = os.fork()
        if child == 0:
            die_at(stop_at)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        os.rename(place, os.path.join(states, f"{stop_at:03d}"))
        os.rename(os.path.join(states, "work"), place)
        shutil.rmtree(os.path.join(states, "kept"))
        if status == 0:
            break
        assert status == 9, status
    """
)


def test_a_kill_at_any_boundary_leaves_the_old_or_the_new(path: Path) -> None:
    old, new = xr.Dataset({"a": ("x", [0, 1])}), xr.Dataset({"a": ("x", [2, 3])})
    place = path.parent / "place"
    place.mkdir()
    save(old, place / path.name)
    subprocess.run([sys.executable, "-c", DYING, place, path.name, TOP], check=True, timeout=120)
    seen = []
    for state in sorted((path.parent / "place.states").iterdir()):
        target = state / path.name
        if target.exists():
            found = load(target)
            seen.append("new" if found.identical(new) else "old")
            assert found.identical(new) or found.identical(old)
        else:
            before = state / f".{path.name}.previous"
            with pytest.raises(
                FileNotFoundError, match=rf"interrupted here, its earlier content is in .*{before.name}"
            ):
                load(target)
            shutil.copytree(before, state / "before.zarr")
            assert load(state / "before.zarr").identical(old)
            seen.append("aside")
        save(new, target)
        assert load(target).identical(new)
        assert not (state / f".{path.name}.previous").exists()
    assert [*dict.fromkeys(seen)] == (["old", "new"] if path.suffix == ".nc" else ["old", "aside", "new"])
    assert seen.count("aside") <= 1 and seen.count("old") >= 3


SHORT_OF_SPACE = textwrap.dedent(
    """
    import resource, signal, sys
    sys.path.insert(0, sys.argv[2])
    import numpy as np, xarray as xr
    from octomodel.files import save
    study = xr.Dataset({"a": ("x", np.random.default_rng(1).integers(0, 2**62, 50_000))})
    save(study, sys.argv[1].replace("run.", "warm."))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
    try:
        save(study, sys.argv[1])
    except OSError as error:
        print("OSError", error)
    """
)


@pytest.mark.parametrize("limit", [0, 5_000, 200_000])
def test_a_full_disk_is_an_error_and_leaves_the_old(saved: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_SPACE, saved, TOP, str(limit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OSError"), done.stdout + done.stderr
    assert load(saved).identical(make_study())
    assert sorted(each.name for each in saved.parent.iterdir()) == [
        saved.name,
        saved.name.replace("run", "warm"),
    ]


def test_the_digest_sees_every_change() -> None:
    study = make_study()
    changed = {
        "value": study.assign(number=6),
        "sign of zero": study.assign(shares=("link", np.array([0.1, np.nan, np.inf, 0.0]))),
        "text": study.assign(fingerprint=("replication", ["0f" * 16, "a0" * 15 + "a1"])),
        "text moved between entries": study.assign_coords(tb=["as", "r", "größe.7-b_x"]),
        "name": study.rename(times="time"),
        "dim": study.rename_dims(request="req"),
        "dims swapped": study.transpose(),
        "dtype": study.assign(small=study["small"].astype(np.int16)),
        "signedness": study.assign(small=study["small"].astype(np.uint8)),
        "coordinate made data": study.reset_coords("row"),
        "variable dropped": study.drop_vars("zeros"),
        "length of an empty axis": study.drop_dims("milestone").assign(nothing=("milestone", np.zeros(0))),
        "attribute": study.assign_attrs(seed=7),
        "attribute type": study.assign_attrs(seed=float(2**62)),
        "attribute text for number": study.assign_attrs(seed=str(2**62)),
        "attribute added": study.assign_attrs(extra=1),
        "attribute of a variable": study.assign(times=study["times"].assign_attrs(units="bytes")),
        "order in a list": study.assign_attrs(sizes=[2, 1, 3]),
    }
    digests = {"": content_digest(study)} | {what: content_digest(each) for what, each in changed.items()}
    assert len(set(digests.values())) == len(digests), digests


def test_the_digest_sees_the_shape() -> None:
    wide, high = (xr.Dataset({"a": (("x", "y"), np.zeros(shape))}) for shape in ((2, 3), (3, 2)))
    assert content_digest(wide) != content_digest(high)


def test_the_digest_ignores_what_files_cannot_keep() -> None:
    study = make_study()
    digest = content_digest(study)
    reordered = study[[*study.data_vars][::-1]].assign_coords(study.coords).drop_attrs(deep=False)
    reordered.attrs = dict(reversed(study.attrs.items()))
    assert content_digest(reordered) == digest
    assert content_digest(study.assign(fingerprint=study["fingerprint"].astype("<U50"))) == digest
    assert content_digest(study.assign(fingerprint=study["fingerprint"].astype(object))) == digest
    assert content_digest(study.assign_attrs(seed=[np.int64(2**62)], sizes=np.array([1, 2, 3]))) == digest
    assert (
        content_digest(study.assign(small=study["small"].astype(">i1"), zeros=study["zeros"].astype(">i8")))
        == digest
    )
    assert content_digest(study.assign_attrs(mark="x"), without="mark") == digest
