"""Writes the page that tells how well calibrations on public traces predict what they have not seen.

Run by maintainers, some two minutes; the README of the data says where the files come from::

    python -m octomodel.verification.heldout_page ../shared/data docs/heldout.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from octomodel import closed, hardware, workflow
from octomodel.calibration import read_azure_llm, read_pylot
from octomodel.hardware import System
from octomodel.heldout import holdout
from octomodel.posterior import STATISTICS
from octomodel.presets import azure
from octomodel.presets.pylot import TIMES
from octomodel.program import fork, seq, task
from octomodel.workflow import Workflow

UTILIZATIONS = (0.1, 0.3, 0.5)
TRACES = {"conv": "conversation", "code": "code"}
GOALS = {"mean": 0.05, "p50": 0.05, "p95": 0.15, "p99": 0.15}
"""Largest errors wanted."""

REPETITIONS = 39
CLOCK = 100.0
"""Cycles per microsecond of a Pylot profile: far finer than its clock."""

_CAMERA, _LIGHTS = "center_camera_operator.process_images", "traffic_light_camera_operator.process_images"
_DETECTOR, _LANES = "faster_rcnn.on_msg_camera_stream", "lanenet_lane_detection.on_camera_frame"
_LIGHT_DETECTOR = "traffic_light_detector_operator.on_frame"
GAPS: dict[str, tuple[str | None, str]] = {
    "camera_wait": (None, _CAMERA),
    "lights_wait": (None, _LIGHTS),
    "camera_to_detector": (_CAMERA, _DETECTOR),
    "camera_to_lanes": (_CAMERA, _LANES),
    "lights_to_detector": (_LIGHTS, _LIGHT_DETECTOR),
}
"""What passes while no operator runs: until the simulator has drawn an image, and until a copy of it has come."""

_HEAD = """\
# What a calibration predicts of requests that it has not seen

Made by `python -m octomodel.verification.heldout_page FOLDER docs/heldout.md`; not to be edited.

`om.holdout` calibrates on the first half of the requests and predicts the second. Error: predicted over measured, less 1; the
parts sum to it and say what it comes from: `arrivals`, the process fitted instead of the first arrivals themselves; `sizes`,
attributes drawn anew in blocks of neighbours instead of the first in their order; `drift`, the first half instead of the
second; `model`, the simulation calibrated on the second half instead of what was measured. Goals: 5 % for mean and median, 15 %
beyond; `*` marks what misses them. The last column is the 95 % interval of the prediction, over what was measured: it holds what
the calibration leaves open and the chance of one simulation, and no drift.
"""

_AZURE = """
## Azure LLM inference traces

`llm_chat_code` under `static` on `chip_64c`, at a clock that makes the offered work of the whole trace this share of the machine.
Predicted is the simulation that replays sizes and arrivals of the second half.

| trace | load | value | error | | arrivals | sizes | drift | interval |
|---|---|---|---|---|---|---|---|---|"""

_PYLOT = """
## Pylot

Latency of a frame, from its first span to its last, on a machine with one TBU per operator, one frame after the other.
`operators` takes the durations of the operators alone; `and gaps` also the times until images are drawn and until copies of
them arrive, which are no one's service.

| model | value | measured, ms | error | | drift | model | interval |
|---|---|---|---|---|---|---|---|"""

_READ = """
## How to read it

- The conversation trace drifts: requests of the first half read 15 % and write 11 % more tokens than those of the second. That
  alone misses the goals; what else there is (`arrivals` and `sizes`) stays within them at each load, though at 0.5 the two
  are larger and cancel in part.
- The code trace arrives in bursts (index of dispersion above 100): two states describe them well up to a load of 0.3. At 0.5
  single bursts decide, which the interval shows.
- Durations of Pylot's operators fall some 18 % short of its frames: the rest is waiting between them. With the gaps as tasks
  the mean is met to 1 % by a calibration on the same half; what is left is drift, for images are drawn faster in the second.
  The p99 stays low: slow operators of one frame come together, and the model draws them apart.
"""


def llm(folder: Path, kind: str, utilization: float) -> xr.Dataset:
    """Return the held-out comparison of one Azure trace, ``conv`` or ``code``, at a share of the machine."""
    trace = read_azure_llm(folder / f"AzureLLMInferenceTrace_{kind}.csv")
    chip = hardware("chip_64c")
    program = workflow("llm_chat_code", attributes=azure.attributes(trace))
    cycles = azure.arrivals(trace, program, chip, utilization, len(trace))
    clock = float(cycles[-1]) / float(trace.arrival_seconds[-1])
    return holdout(trace, program, chip, cycles_per_unit=clock, repetitions=REPETITIONS)


def frames(folder: Path, *, gaps: bool) -> xr.Dataset:
    """Return the held-out comparison of the latency of Pylot's frames."""
    spans = read_pylot(folder / TIMES)
    program = pipeline(gaps=gaps)
    chip = System(1, 1, tbus=len(program.tasks), switch_cycles=0, reload_cycles=0)
    found = spans.with_gaps(GAPS) if gaps else spans
    return holdout(found, program, chip, load=closed(in_flight=1), cycles_per_unit=CLOCK, repetitions=REPETITIONS)


def pipeline(*, gaps: bool) -> Workflow:
    """Return Pylot's operators as a program, with a task for each of ``GAPS`` if wanted."""
    waits = {name: [task(name, 1)] if gaps else [] for name in GAPS}
    tracking = [
        _DETECTOR,
        "tracker_sort.on_watermark",
        "center_camera_location_finder_history_operator.on_watermark",
        "linear_prediction_operator.generate_predicted_trajectories",
        "planning_operator.on_prediction_update",
    ]
    obstacles = seq(*waits["camera_to_detector"], *(task(name, 1) for name in tracking))
    lanes = seq(*waits["camera_to_lanes"], task(_LANES, 1))
    camera = seq(*waits["camera_wait"], task(_CAMERA, 1), fork(obstacles, lanes))
    finder = task("traffic_light_camera_location_finder_operator.on_watermark", 1)
    lights = seq(*waits["lights_wait"], task(_LIGHTS, 1), *waits["lights_to_detector"], task(_LIGHT_DETECTOR, 1), finder)
    sensors = ("gnss_operator.process_gnss", "imu_operator.process_imu", "front_center_lidar_operator.process_point_clouds")
    after = ("localization_operator.on_watermark", "behavior_planning.on_watermark", "planning_operator.on_time_to_decision")
    pose = seq(fork(*(task(name, 1) for name in sensors)), *(task(name, 1) for name in after))
    last = ("planning_operator.on_watermark", "pid_control_operator.on_watermark", "simulator_bridge_operator.on_control_msg")
    beginning = fork(camera, lights, pose, task("simulator_bridge_operator.send_actor_data", 1))
    return Workflow("pylot", beginning, *(task(name, 1) for name in last))


def rows(names: list[str], found: xr.Dataset, *, measured: bool = False) -> Iterator[str]:
    """Yield a row of a table for each statistic."""
    for name in STATISTICS:
        one = found.sel(statistic=name)
        error, value = float(one["error"]), float(one["measured_cycles"])
        low, high = (float(one[f"predicted_{end}_cycles"]) / value - 1.0 for end in ("low", "high"))
        parts = [f"{100 * float(part):+.1f} %" for part in one["error_share"]]
        shown = [f"{value / CLOCK / 1000:.1f}"] if measured else []
        mark = "" if abs(error) <= GOALS[name] else "*"
        cells = [*names, name, *shown, f"{100 * error:+.1f} %", mark, *parts, f"{100 * low:+.1f} to {100 * high:+.1f} %"]
        yield f"| {' | '.join(cells)} |"


def page(folder: Path) -> str:
    """Return the page for the files of a folder."""
    lines = [_HEAD.rstrip(), _AZURE]
    for kind, name in TRACES.items():
        for utilization in UTILIZATIONS:
            lines += rows([name, f"{utilization:g}"], llm(folder, kind, utilization))
    lines.append(_PYLOT)
    for gaps, name in ((False, "operators"), (True, "and gaps")):
        lines += rows([name], frames(folder, gaps=gaps), measured=True)
    return "\n".join([*lines, _READ])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(Path(sys.argv[1])), encoding="utf-8")
