"""``av_pylot`` replays measured frames in their order, and refuses files that are not what they should be."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import octomodel as om
from octomodel import cli_input
from octomodel.dist import Law, Mixture
from octomodel.elements import Series
from octomodel.errors import ModelError
from octomodel.presets import make_pylot_sample, pylot

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


def test_the_bundled_sample_is_what_its_script_makes(repository: Path) -> None:
    folder = repository / "octomodel" / "presets" / "samples"
    made = make_pylot_sample.sample()
    assert set(made) == {"pylot_operator_times.csv", pylot.OBSTACLES}
    assert {name: (folder / name).read_text() for name in made} == made


def test_the_bundled_sample_is_shaped_like_the_laws_and_says_that_it_was_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, laws = om.workflow("av_pylot", data="sample"), om.workflow("av_pylot")
    assert sample.phases is not None and sample.phases.cycle == (("traffic", 35), ("empty", 14)) * 2
    for name in pylot.OPERATORS:
        values, law = sample.attributes[name], laws.attributes[name]
        assert isinstance(values, Series) and isinstance(law, Law)
        # of 98 values that are correlated from one to the next, the mean strays by CV / sqrt(98) * 1.6, four times that at most
        assert values.values.mean() == pytest.approx(law.mean, rel=0.65 * law.cv)
        assert 0.05 < np.corrcoef(values.values[1:], values.values[:-1])[0, 1] < 0.75
        assert "synthetic, not measured" in sample.provenance[f"workflow.attributes.{name}"].source
    assert sum(sample.demand().values()) == pytest.approx(sum(laws.demand().values()), rel=0.1)
    assert not any("synthetic" in told.source for told in laws.provenance.values())
    monkeypatch.setenv("OCTOMODEL_DATA", "sample")
    document = cli_input.workflow("av_pylot")
    assert om.workflow("av_pylot") == document.workflow == sample
    assert "synthetic, not measured" in document.sources[-1]
    monkeypatch.delenv("OCTOMODEL_DATA")
    assert not any("synthetic" in source for source in cli_input.workflow("av_pylot").sources)
    assert "synthetic" in om.workflow("llm_chat_code").provenance["workflow.attributes.context"].source
    ds = om.simulate(sample, om.hardware("edge_6c"), requests=98, threads=1, bounds=False, cautions=False)
    done = dict(zip(ds["tb"].values.tolist(), ds["station_executions"].sum("cluster").values[0].tolist(), strict=True))
    assert done["track_obstacle"] == sample.attributes["obstacles"].values.sum()  # type: ignore[union-attr]


def test_the_public_frames(shared_data: Path) -> None:
    workflow = om.workflow("av_pylot", data=shared_data)
    assert len(workflow.attributes["obstacles"].values) == 922  # type: ignore[union-attr]
    laws = om.workflow("av_pylot")
    assert sum(workflow.demand().values()) == pytest.approx(sum(laws.demand().values()), rel=0.02)
    ds = om.simulate(workflow, om.hardware("edge_6c"), requests=922, threads=1, cautions=False)
    assert int(ds["requests_ended"][0]) == 922


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obstacles": (1, 2)}, "got all frames traffic; allowed: frames with obstacles and frames without"),
        ({"obstacles": (1, "x")}, "row 2, column n_obstacles: got 'x'; allowed: a whole number from 0 to"),
        ({"obstacles": (1, -1)}, "row 2, column n_obstacles: got '-1'; allowed: a whole number from 0 to"),
        ({"obstacles": ()}, "got no frame with all operators; allowed: one frame at least"),
        ({"more": [f"10,{pylot.OPERATORS['pid_ms']},0,1"]}, "on_watermark'; allowed: each operator once in frame 10"),
        ({"more": [f"70,{pylot.OPERATORS['pid_ms']},0,1e3"]}, "column dur_us: got '1e3'; allowed: a whole number"),
        ({"more": ["70,x,1"]}, "got \\['70', 'x', '1'\\]; allowed: 4 fields, as in the header"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, changes: dict[str, Sequence[object]], message: str) -> None:
    write(tmp_path, **changes)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        om.workflow("av_pylot", data=tmp_path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{pylot.OBSTACLES}: got no such file; allowed: an existing CSV file"):
        om.workflow("av_pylot", data=tmp_path)
    write(tmp_path)
    (tmp_path / pylot.OBSTACLES).write_text("frame,count\n1,2\n")
    with pytest.raises(ModelError, match=r"got \['frame', 'count'\]; allowed: the columns frame, n_obstacles"):
        om.workflow("av_pylot", data=tmp_path)
    write(tmp_path)
    whole = (tmp_path / pylot.TIMES).read_bytes()
    for broken in (b"frame,op,ts_us,dur_us\n", whole[:-20]):
        (tmp_path / pylot.TIMES).write_bytes(broken)
        with pytest.raises(ModelError, match=f"{pylot.TIMES}: got .*; allowed: a file that can be read to its end"):
            om.workflow("av_pylot", data=tmp_path)
