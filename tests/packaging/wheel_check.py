"""Run by itself where the wheel is installed and the sources are not: is all there, and does it run?"""

import importlib
import json
import subprocess
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path

PACKAGES = ("calibration", "dist", "kernels", "policies", "presets", "testing", "verification")


def check_contents() -> None:
    for name in PACKAGES:
        module = importlib.import_module(f"octomodel.{name}")
        assert Path(str(module.__file__)).is_relative_to(sys.prefix), module.__file__
    tops = {file.parts[0] for file in metadata.files("octomodel") or ()}
    assert tops.isdisjoint({"kernels", "calibration", "tests"}), tops
    package = resources.files("octomodel")
    assert package.joinpath("py.typed").is_file()
    workflows = package.joinpath("presets", "workflows").iterdir()
    assert [path for path in workflows if path.name.endswith(".yaml")]


def check_run(out: Path) -> None:
    command = f"run early_exit --hardware chip_64c --policy static --requests 200 --seed 1 --json --out {out}"
    octomodel = Path(sys.prefix, "bin", "octomodel")
    answer = subprocess.run([octomodel, *command.split()], check=True, capture_output=True, text=True)
    assert json.loads(answer.stdout)["requests"] == 200, answer.stdout
    assert out.exists()


if __name__ == "__main__":
    check_contents()
    with tempfile.TemporaryDirectory() as folder:
        check_run(Path(folder, "run.nc"))
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"octomodel {metadata.version('octomodel')} works from its wheel, Python {version}")
