"""Turns a JSON file of queueing systems with known answers into ``presets/queueing/cases.yaml``, facts only.

Run by maintainers, when the file of known answers has changed::

    python -m octomodel.verification.convert path/to/queueing_cases.json

Stations, laws and answers are written in the words of this project; what the model cannot simulate keeps its
name and source. Units of time are those of the case.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from octomodel import dist, yaml_text
from octomodel.verification.facts import FILE

Raw = dict[str, Any]
_WORDS = {"constructed here": "constructed for the purpose", "chain here": "chain", " (from memory)": ""}
NOTED = 1e-5  # relative uncertainty of an answer below which it is not worth a number
SKIPPED = ("approx_", "err_", "lower_bound", "upper_bound", "loss_truncation", "sigma")
HEAD = "# Made by octomodel.verification.convert; not to be edited. Times in the unit of each case.\n"


def law(data: Raw) -> dist.Law:
    """Return the law that one of the short forms of the JSON file stands for.

    Examples
    --------
    >>> law({"exp": 4.0})
    Exponential(mean=0.25)
    """
    if "exp" in data:
        return dist.Exponential(1.0 / data["exp"])
    if "det" in data:
        return dist.Deterministic(data["det"])
    if "hyper2_scv" in data:
        return dist.HyperExponential.from_cv(data["mean"], data["hyper2_scv"] ** 0.5)
    if "ph" in data:
        return _phases(data["ph"]["alpha"], np.array(data["ph"]["T"]))
    if data["dist"] == "gamma":
        return dist.Gamma(data["shape"] * data["scale"], data["shape"] ** -0.5)
    if data["dist"] == "weibull":
        return dist.Weibull.from_shape(data["shape"], data["scale"])
    if data["dist"] == "truncated_pareto":
        return dist.BoundedPareto(data["alpha"], data["low"], data["high"])
    if "scv" in data:
        return dist.LogNormal(data["mean"], data["scv"] ** 0.5)
    mu, sigma = data["meanlog"], data["sdlog"]
    return dist.LogNormal(float(np.exp(mu + sigma**2 / 2)), float(np.sqrt(np.expm1(sigma**2))))


def _phases(alpha: list[float], rates: np.ndarray) -> dist.Law:
    """Return the simplest law of a phase-type description: hyperexponential, Erlang, else as given."""
    n = len(alpha)
    diagonal = np.diag(rates)
    if not (rates - np.diag(diagonal)).any():
        return dist.HyperExponential(tuple(alpha), tuple((-1.0 / diagonal).tolist()))
    chain = np.diag(diagonal) + np.diag(-diagonal[:-1], 1)
    if alpha[0] == 1.0 and np.ptp(diagonal) == 0 and (rates == chain).all():
        return dist.Erlang(n, float(-n / diagonal[0]))
    return dist.PhaseType(tuple(alpha), tuple(map(tuple, rates.tolist())))


def station(service: dist.Law, servers: int | None = 1, **more: Any) -> Raw:
    """Return a station as it stands in the file; servers None: as many as there are tokens."""
    return {"service": service.to_dict(), "servers": servers, **more}


def _arrival(model: Raw) -> Raw:
    return {"arrival": law(model["arrival"]).to_dict()}


def _station(model: Raw) -> Raw:
    entry = {**_arrival(model), "stations": {"s": station(law(model["service"]), model["servers"])}}
    return {**entry, "population": model["capacity"]} if "capacity" in model else entry


def _loss(model: Raw) -> Raw:
    stations = {"s": station(dist.Exponential(float(model["offered"])), model["servers"])}
    return {"arrival": dist.Exponential(1.0).to_dict(), "stations": stations, "population": model["servers"]}


def _finite_source(model: Raw) -> Raw:
    think = station(dist.Exponential(1.0 / model["think_rate"]), model["sources"])
    served = station(dist.Exponential(1.0 / model["mu"]), model["servers"])
    return {"population": model["sources"], "stations": {"think": think, "s": served}}


def _dispatch(model: Raw) -> Raw:
    served = station(dist.Exponential(1.0 / model["mu"]), model["servers"])
    return {**_arrival(model), "stations": {"s": served}}


def _jackson(model: Raw) -> Raw:
    rates, total = np.array(model["arrival"], dtype=float), sum(model["arrival"])
    flow = np.linalg.solve(np.eye(len(rates)) - np.array(model["routing"]).T, rates)
    servers = model.get("servers", [1] * len(rates))
    stations = {
        f"n{i + 1}": station(
            dist.Exponential(1.0 / model["mu"][i]),
            None if servers[i] == "inf" else servers[i],
            visits=float(flow[i] / total),
        )
        for i in range(len(rates))
    }
    return {"arrival": dist.Exponential(1.0 / total).to_dict(), "stations": stations}


def _visits_open(model: Raw) -> Raw:
    pairs = enumerate(zip(model["visits"], model["service"], strict=True))
    stations = {f"n{i + 1}": station(dist.Exponential(s), visits=v) for i, (v, s) in pairs}
    return {"arrival": dist.Exponential(1.0 / model["arrival"]).to_dict(), "stations": stations}


def _tandem(model: Raw) -> Raw:
    stations = {f"s{i + 1}": station(law(each)) for i, each in enumerate(model["services"])}
    return {**_arrival(model), "stations": stations}


def _closed(model: Raw) -> Raw:
    demands, visits = model["demands"], model["visits"] or [1.0] * len(model["demands"])
    stations = {
        f"n{i + 1}": station(
            dist.Exponential(demand / visits[i]),
            None if model["servers"][i] == "inf" else model["servers"][i],
            visits=visits[i],
        )
        for i, demand in enumerate(demands)
    }
    if model["think"]:
        stations["think"] = station(dist.Exponential(model["think"]), None, visits=1.0)
    return {"population": model["population"], "stations": stations}


def _uniform(model: Raw) -> Raw:
    served = station(dist.Exponential(1.0 / model["mu"]))
    stations = {f"p{i + 1}": served for i in range(model["processes"])}
    return {"population": model["messages"], "stations": stations}


def _phold(model: Raw) -> Raw:
    gap = station(dist.Exponential(model["mean"]), None)
    stations = {f"p{i + 1}": gap for i in range(model["processes"])}
    return {"population": model["messages"], "lookahead": model["lookahead"], "stations": stations}


def _fork_join(model: Raw) -> Raw:
    services = model.get("services") or [{"exp": model["mu"]}]
    if len(services) == 1:
        services *= model["K"]
    stations = {f"w{i + 1}": station(law(each)) for i, each in enumerate(services)}
    return {**_arrival(model), "stations": stations}


def _network(model: Raw) -> Raw:
    """Stations with their waiting places and ways out; a fork's ways out carry probability 1 each."""
    reader = {buffer: name for name, each in model["stations"].items() for buffer in each["inputs"]}
    stations = {}
    for name, each in model["stations"].items():
        ways = {reader[buffer]: way["p"] for way in each["out"] for buffer in way["to"]}
        stations[name] = station(law(each["service"]), each["servers"], to=ways)
        if each["inputs"]:
            stations[name]["slots"] = model["buffers"][each["inputs"][0]]["cap"]
    entry: Raw = {"stations": stations}
    if model["arrivals"]:
        entry["arrival"] = law(model["arrivals"][0]).to_dict()
    if "initial" in model:
        entry["population"] = sum(model["initial"].values())
    return entry


def _queues(model: Raw, expected: dict[str, Any]) -> dict[str, Any]:
    """Return answers in which a waiting line has the name of its station; those of joins are left out."""
    lines = {each["inputs"][0]: name for name, each in model["stations"].items() if len(each["inputs"]) == 1}
    result = {}
    for name, value in expected.items():
        if not name.startswith("buf["):
            result[name] = value
        elif name[4:-1] in lines:
            result[f"queue[{lines[name[4:-1]]}]"] = value
    return result


def _chain(model: Raw) -> Raw:
    return {"routing": model["Q"]}


def _modulated(model: Raw) -> Raw:
    return {"rates": model["rates"], "mean_times": [1.0 / rate for rate in model["switch"]]}


CONVERTERS: dict[str, Callable[[Raw], Raw]] = {
    "station": _station,
    "loss": _loss,
    "finite_source": _finite_source,
    "dispatch": _dispatch,
    "jackson": _jackson,
    "visits_open": _visits_open,
    "tandem_inf": _tandem,
    "closed": _closed,
    "closed_uniform": _uniform,
    "phold": _phold,
    "fork_join": _fork_join,
    "split_merge": _fork_join,
    "net-v1": _network,
    "absorbing": _chain,
    "mmpp2": _modulated,
}


def answers(case: Raw, stations: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the expected values by name, and the known uncertainty of those that have one, both absolute."""
    expected: dict[str, float] = {}
    given = case["expected"]
    if case["model"]["type"] == "net-v1":
        given = _queues(case["model"], given)
    for name, value in given.items():
        if not name.startswith(SKIPPED):
            parts = zip(stations, value, strict=False) if isinstance(value, list) else [("", value)]
            expected |= {f"{name}[{part}]" if part else name: float(number) for part, number in parts}
    uncertain: dict[str, float] = {}
    for name, value in expected.items():
        relative = case["tolerance"].get("quantile_rel" if name.startswith("wait_p") else "theory_rel") or 0.0
        if "ci95" in case:
            # half of a 95 % interval is two standard errors; three times that many cover the answer
            uncertain[name] = 3.0 * case["ci95"].get(name, 0.0)
        elif relative > NOTED:
            uncertain[name] = relative * abs(value)
    return expected, uncertain


def entry(case: Raw) -> Raw:
    """Return what the file says of one case."""
    source = case["source"]
    for old, new in _WORDS.items():
        source = source.replace(old, new)
    result: Raw = {"source": source}
    convert = CONVERTERS.get(case["model"]["type"])
    if convert is None or not case["simulate"]:
        return result
    try:
        result |= convert(case["model"])
    except KeyError:  # a form of arrivals or services that the project's own words have no place for
        return result
    names = [name for name in result.get("stations", ()) if name != "think"]
    expected, uncertain = answers(case, names or [str(i) for i in range(len(case["model"].get("Q", ())))])
    result["expected"] = expected
    return {**result, "uncertain": uncertain} if uncertain else result


def main(source: Path) -> None:
    """Write the file of facts from a JSON file with ``cases``."""
    cases = json.loads(source.read_text(encoding="utf-8"))["cases"]
    text = HEAD + yaml_text.dump({case["id"]: entry(case) for case in cases})
    Path(str(FILE)).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
