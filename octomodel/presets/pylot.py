"""The frames of the preset ``av_pylot``, replayed in order: from the public files, where a user has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octomodel.calibration.tables import PYLOT_COLUMNS, Table
from octomodel.calibration.trace import TraceError
from octomodel.elements import Series
from octomodel.errors import ModelError, Words
from octomodel.phases import PhasePlan, phases_by_request
from octomodel.presets.azure import VARIABLE, Data

NAME = "av_pylot"
TIMES = "pylot_operator_times.csv.gz"
OBSTACLES = "pylot_obstacles_per_frame.csv"

OPERATORS = {
    "camera_ms": "center_camera_operator.process_images",
    "tl_camera_ms": "traffic_light_camera_operator.process_images",
    "lidar_ms": "front_center_lidar_operator.process_point_clouds",
    "gnss_ms": "gnss_operator.process_gnss",
    "imu_ms": "imu_operator.process_imu",
    "localization_ms": "localization_operator.on_watermark",
    "detector_ms": "faster_rcnn.on_msg_camera_stream",
    "lane_net_ms": "lanenet_lane_detection.on_camera_frame",
    "tl_detector_ms": "traffic_light_detector_operator.on_frame",
    "tl_locate_ms": "traffic_light_camera_location_finder_operator.on_watermark",
    "behavior_ms": "behavior_planning.on_watermark",
    "pid_ms": "pid_control_operator.on_watermark",
}
"""Attribute of the preset and the operator of the measured run whose duration it is."""

COLUMNS = ("frame", "n_obstacles")
_MOST = 10**12


@dataclass(frozen=True)
class Frames:
    """Measured frames in their order.

    Attributes
    ----------
    obstacles : int64[frame]
        Obstacles in sight.
    times : dict of str to float64[frame]
        Duration in ms of each operator of ``OPERATORS``, by attribute.
    """

    obstacles: NDArray[np.int64]
    times: dict[str, NDArray[np.float64]]


def folder(data: Data = None) -> Path | None:
    """Return the folder with the frames: the one given, else that of ``OCTOMODEL_DATA`` if it has the files, else None."""
    if data is not None:
        return Path(data)
    found = Path(os.environ.get(VARIABLE) or os.devnull)
    return found if (found / TIMES).is_file() and (found / OBSTACLES).is_file() else None


def read(where: Path) -> Frames:
    """Return the frames in a folder.

    Parameters
    ----------
    where : Path
        Folder with ``TIMES`` (columns frame, op, ts_us, dur_us: what ``calibration.read_pylot`` reads) and ``OBSTACLES`` (columns
        frame, n_obstacles).

    Returns
    -------
    Frames
        Without frames in which one of the operators did not run.

    Raises
    ------
    ModelError
        When a file is missing or cannot be read, has other columns, a value is no whole number, an operator runs twice in
        a frame, or no frame is left.
    """
    try:
        return _frames(Table(where / OBSTACLES, "obstacles", COLUMNS), Table(where / TIMES, "times", PYLOT_COLUMNS))
    except TraceError as error:
        raise ModelError(error.path, error.value, error.allowed) from None


def _frames(seen: Table, ran: Table) -> Frames:
    numbers, counts = _whole(seen, "frame"), _whole(seen, "n_obstacles")
    obstacles = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    frame, operator, length = _whole(ran, "frame"), ran.labels("op"), _whole(ran, "dur_us")
    times: dict[str, dict[int, float]] = {}
    for attribute, name in OPERATORS.items():
        here = np.flatnonzero(operator == name)
        again = np.zeros(operator.size, np.bool_)
        again[np.delete(here, np.unique(frame[here], return_index=True)[1])] = True
        ran.refuse("op", again, "each operator once in a frame")
        times[attribute] = dict(zip(frame[here].tolist(), (length[here] / 1000).tolist(), strict=True))
    frames = sorted(set(obstacles).intersection(*times.values()))
    if not frames:
        raise ModelError(ran.path, Words("no frame with all operators"), "one frame at least")
    found = {attribute: np.array([each[frame] for frame in frames]) for attribute, each in times.items()}
    return Frames(np.array([obstacles[frame] for frame in frames], dtype=np.int64), found)


def attributes(frames: Frames) -> dict[str, Series]:
    """Return the request attributes of the preset: request r has those of frame r, round and round.

    ``Workflow.visits`` and ``demand`` take phases and attributes as independent, which frames are not: of the three tasks
    per obstacle, some 0.05 % of the work, they make too few by the share of empty frames. Runs replay the frames as they are.
    """
    found = {name: Series(values) for name, values in frames.times.items()}
    return {**found, "obstacles": Series(frames.obstacles.astype(np.float64))}


def phases(frames: Frames) -> PhasePlan:
    """Return the stretches of frames with and without obstacles as they followed each other.

    Raises
    ------
    ModelError
        When all frames are of one kind.
    """
    stretches = [
        ("traffic" if seen else "empty", len(list(same))) for seen, same in groupby((frames.obstacles > 0).tolist())
    ]
    if len(stretches) == 1:
        raise ModelError(OBSTACLES, Words(f"all frames {stretches[0][0]}"), "frames with obstacles and frames without")
    return phases_by_request(stretches)


def _whole(table: Table, column: str) -> NDArray[np.int64]:
    values = table.numbers(column)
    table.refuse(column, ~((values >= 0) & (values <= _MOST) & (values == np.floor(values))), f"a whole number from 0 to {_MOST}")
    return values.astype(np.int64)
