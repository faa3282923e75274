"""``av_pylot`` replays measured frames in their order, and refuses files that are not what they should be."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import octomodel as om
from octomodel.dist import Mixture
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.presets import pylot

SEEN = (0, 0, 2, 1, 0, 3)


@pytest.fixture(autouse=True)
def no_data_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTOMODEL_DATA", raising=False)


def write(folder: Path, obstacles: Sequence[object] = SEEN, more: Sequence[str] = (), but: tuple[int, str] = (-1, "")) -> Path:
    """Write frames 10, 20, ... with made-up durations: (frame + place of the operator) ms."""
    frames = [10 * (i + 1) for i in range(len(obstacles))]
    rows = [f"{frame},{seen}" for frame, seen in zip(frames, obstacles, strict=True)]
    (folder / pylot.OBSTACLES).write_text("\n".join(["frame,n_obstacles", *reversed(rows)]) + "\n")
    times = [
        f"{frame},{operator},0,{1000 * (frame + i)}"
        for frame in frames
        for i, operator in enumerate(pylot.OPERATORS.values())
        if (frame, operator) != but
    ]
    text = "\n".join(["frame,op,ts_us,dur_us", *times, "10,planning_operator.on_watermark,0,5", *more]) + "\n"
    (folder / pylot.TIMES).write_bytes(gzip.compress(text.encode()))
    return folder


def test_frames_in_their_order(tmp_path: Path) -> None:
    workflow = om.workflow("av_pylot", data=write(tmp_path))
    assert workflow.attributes["obstacles"] == Series(np.array(SEEN, dtype=float))
    assert workflow.attributes["camera_ms"] == Series(np.array([10.0, 20, 30, 40, 50, 60]))
    assert workflow.attributes["pid_ms"] == Series(np.array([21.0, 31, 41, 51, 61, 71]))
    assert workflow.phases is not None
    assert workflow.phases.cycle == (("empty", 2), ("traffic", 2), ("empty", 1), ("traffic", 1))
    assert set(workflow.attributes) == set(om.workflow("av_pylot").attributes)
    # what follows from the program takes phase and attribute as independent: half of the frames have traffic
    assert workflow.visits()["track_obstacle"] == pytest.approx(0.5 * np.mean(SEEN))


def test_each_request_does_what_its_frame_did(tmp_path: Path) -> None:
    workflow = om.workflow("av_pylot", data=write(tmp_path))
    options = {"threads": 1, "bounds": False, "cautions": False}
    ds = om.simulate(workflow, om.System(1, 1, tbus=20), load=om.closed(12, in_flight=1), **options)
    tasks = ds["tb"].values.tolist()
    done = dict(zip(tasks, ds["station_executions"].sum("cluster").values[0].tolist(), strict=True))
    ran = dict(zip(tasks, ds["station_run_cycles"].sum("cluster").values[0].tolist(), strict=True))
    assert done["track_obstacle"] == done["locate_obstacle"] == done["predict_obstacle"] == 2 * sum(SEEN)
    assert ran["camera"] == 2 * 7500 * (10 + 20 + 30 + 40 + 50 + 60)
    assert ran["detector"] == 2 * 156250 * sum(frame + 6 for frame in (10, 20, 30, 40, 50, 60))


def test_a_frame_that_lacks_an_operator_is_left_out(tmp_path: Path) -> None:
    frames = pylot.read(write(tmp_path, but=(30, pylot.OPERATORS["pid_ms"])))
    assert frames.obstacles.tolist() == [0, 0, 1, 0, 3]
    assert frames.times["gnss_ms"].tolist() == [13.0, 23, 43, 53, 63]


def test_where_the_frames_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(om.workflow("av_pylot").attributes["obstacles"], Mixture)
    monkeypatch.setenv("OCTOMODEL_DATA", str(tmp_path))
    assert isinstance(om.workflow("av_pylot").attributes["obstacles"], Mixture)
    write(tmp_path)
    assert isinstance(om.workflow("av_pylot").attributes["obstacles"], Series)
    own = om.workflow("av_pylot", deadline_cycles=7, phases=om.phases_by_request([("traffic", 1), ("empty", 1)]))
    assert isinstance(own.attributes["obstacles"], Mixture)


def test_the_public_frames(shared_data: Path) -> None:
    workflow = om.workflow("av_pylot", data=shared_data)
    assert len(workflow.attributes["obstacles"].values) == 922  # type: ignore[union-attr]
    laws = om.workflow("av_pylot")
    assert sum(workflow.demand().values()) == pytest.approx(sum(laws.demand().values()), rel=0.02)
    ds = om.simulate(workflow, om.hardware("edge_6c"), requests=922, threads=1)
    assert int(ds["requests_ended"][0]) == 922


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obstacles": (1, 2)}, "got all frames traffic; allowed: frames with obstacles and frames without"),
        ({"obstacles": (1, "x")}, "row 2, column n_obstacles: got 'x'; allowed: a finite number"),
        ({"obstacles": (1, -1)}, "row 2, column n_obstacles: got '-1'; allowed: a whole number from 0 to"),
        ({"obstacles": ()}, f"{pylot.OBSTACLES}: got 'no rows'; allowed: at least one row"),
        ({"obstacles": (1,), "but": (10, pylot.OPERATORS["pid_ms"])}, "got no frame with all operators; allowed: one frame at"),
        ({"more": [f"10,{pylot.OPERATORS['pid_ms']},0,1"]}, "on_watermark'; allowed: each operator once in a frame"),
        ({"more": [f"70,{pylot.OPERATORS['pid_ms']},0,1.5"]}, "row 75, column dur_us: got '1.5'; allowed: a whole number"),
        ({"more": ["70,x,1"]}, "row 75: got '70,x,1'; allowed: 4 fields, as in the header"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, changes: dict[str, Sequence[object]], message: str) -> None:
    write(tmp_path, **changes)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        om.workflow("av_pylot", data=tmp_path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{pylot.OBSTACLES}: got 'no regular file'; allowed: the path of an existing CSV file"):
        om.workflow("av_pylot", data=tmp_path)
    write(tmp_path)
    (tmp_path / pylot.OBSTACLES).write_text("frame,count\n1,2\n")
    with pytest.raises(ModelError, match="got 'no column n_obstacles'; allowed: the columns frame, n_obstacles"):
        om.workflow("av_pylot", data=tmp_path)
    write(tmp_path)
    whole = (tmp_path / pylot.TIMES).read_bytes()
    for broken in (b"frame,op,ts_us,dur_us\n", whole[:-20]):
        (tmp_path / pylot.TIMES).write_bytes(broken)
        with pytest.raises(ModelError, match=f"{pylot.TIMES}: got .*; allowed: a gzip file of text in UTF-8"):
            om.workflow("av_pylot", data=tmp_path)
