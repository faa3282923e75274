"""Theory's answers to the systems of a file of queueing cases, by the type of the system."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from octomodel.calibration import queueing as q
from octomodel.verification.theory_laws import excess, moments, phase_type, raw_moments
from octomodel.verification.theory_rows import BOTH, Json, Row, arrays, levels_of, named, part, quantiles, row


def rows(case: Json) -> list[Row]:
    """Return what theory says of one system of the file; nothing when it asks something else.

    Examples
    --------
    >>> case = {
    ...     "id": "one", "model": {"type": "loss", "servers": 1, "offered": 1}, "expected": {"loss_prob": 0.5},
    ...     "tolerance": {"theory_rel": 1e-6},
    ... }
    >>> [(each.metric, each.found, each.exactness) for each in rows(case)]
    [('loss_prob', 0.5, 'exact')]
    """
    answer = _BY_TYPE.get(case["model"]["type"])
    return [] if answer is None else list(answer(case))


def _station(case: Json) -> Iterator[Row]:
    model, levels = case["model"], levels_of(case)
    gaps, service, c = model["arrival"], model["service"], model["servers"]
    if "capacity" in model:
        yield from named(case, q.mmck(gaps["exp"], 1.0 / service["exp"], c, model["capacity"]))
        return
    poisson, times = "exp" in gaps, phase_type(service)
    arrivals = phase_type(gaps)
    if poisson and "exp" in service:
        found = q.mmc(gaps["exp"], 1.0 / service["exp"], c, levels)
    elif poisson and "det" in service:
        found = q.mg1(gaps["exp"], service["det"], 0.0, service["det"] ** 3) if c == 1 else {}
        found = {**q.mdc(gaps["exp"], service["det"], c, levels), **found}
    elif times is not None and arrivals is not None:
        found = q.map_ph_c(q.renewal(arrivals), times, c, levels)
    elif "exp" in service and "det" in gaps:
        found = q.gimc(lambda s: math.exp(-s * gaps["det"]), gaps["det"], 1.0 / service["exp"], c, levels)
    elif poisson and c == 1:
        first, second, third = raw_moments(service)
        found = q.mg1(gaps["exp"], first, second / first**2 - 1.0, third)
        found |= q.mg1_quantiles(gaps["exp"], first, excess(service), levels)
    else:
        found = {}
    yield from named(case, found)
    yield from quantiles(case, found, levels, BOTH)
    if not poisson or "exp" not in service:
        (gap, ca2), (mean, cs2) = moments(gaps), moments(service)
        near = q.gigc(1.0 / gap, ca2, mean, cs2, c, levels or [0.5])
        yield from named(case, near, {"Wq": "wait_mean", "sojourn_mean": "sojourn_mean", "p_wait": "p_wait"})
        yield from quantiles(case, near, levels, BOTH)


def _loss(case: Json) -> Iterator[Row]:
    model = case["model"]
    if model["type"] == "loss":
        value = q.Value(q.erlang_b(model["servers"], model["offered"]), "Erlang B", "exact", np.array(True))
        yield row(case, "loss_prob", value)
    else:
        found = q.offered_load(model["servers"], model["loss_prob"])
        yield row(case, "offered", q.Value(found, "Erlang B, inverted", "exact", np.array(True)))


def _finite_source(case: Json) -> Iterator[Row]:
    model = case["model"]
    yield from named(case, q.finite_source(model["sources"], 1.0 / model["think_rate"], 1.0 / model["mu"], model["servers"]))


def _dispatch(case: Json) -> Iterator[Row]:
    rate, mean, n = case["model"]["arrival"]["exp"], 1.0 / case["model"]["mu"], case["model"]["servers"]
    turns = q.map_ph_c(q.renewal(q.erlang(n / rate, n)), q.exponential(mean))
    found = {"W_random": q.mmc(rate / n, mean), "W_round_robin": turns, "W_shared": q.mmc(rate, mean, n)}
    for metric, answer in found.items():
        if metric in case["expected"]:
            yield row(case, metric, answer["sojourn_mean"])


def _jackson(case: Json) -> Iterator[Row]:
    model, expected = case["model"], case["expected"]
    mean = 1.0 / np.array(model["mu"], np.float64)
    servers = [math.inf if each == "inf" else each for each in model.get("servers", [1] * len(mean))]
    rate = q.traffic(model["arrival"], model["routing"])
    found = q.jackson(rate, mean, servers)
    if np.ndim(expected["W"]):
        yield from arrays(case, found, {"L": "number_mean", "W": "sojourn_mean", "util": "utilisation"})
        total = found["number_mean"]
        through = float(total.value.sum()) / float(np.sum(model["arrival"]))
        yield row(case, "W_total", q.Value(np.array(through), total.method, "exact", np.array(True)))
    else:
        levels = levels_of(case)
        whole = q.markov_tandem(rate[0], mean.tolist(), levels)
        yield from named(case, whole, {"W": "sojourn_mean", "W_var": "sojourn_var"})
        yield from quantiles(case, whole, levels, BOTH)


def _visits(case: Json) -> Iterator[Row]:
    model = case["model"]
    found = q.jackson(model["arrival"] * np.array(model["visits"], np.float64), model["service"], 1)
    yield from arrays(case, found, {"L": "number_mean", "response": "sojourn_mean", "util": "utilisation"})


def _tandem(case: Json) -> Iterator[Row]:
    model, expected = case["model"], case["expected"]
    services = model["services"]
    gap, ca2 = moments(model["arrival"])
    if all("det" in each for each in services):
        found = q.constant_tandem(1.0 / gap, [each["det"] for each in services])
        for i in range(len(services)):
            yield part(case, f"Wq{i + 1}", found["wait_mean"], i)
        yield row(case, "W", found["sojourn_mean"])
        return
    times = np.array([moments(each) for each in services])
    n = len(times)
    found = q.qna(np.eye(n)[0] / gap, np.where(np.arange(n) == 0, ca2, 1.0), np.eye(n, k=1), times[:, 0], times[:, 1], [1] * n)
    for i in range(n):
        if f"Wq{i + 1}" in expected:
            yield part(case, f"Wq{i + 1}", found["wait_mean"], i)
    mean = found["sojourn_mean"]
    total = q.Value(np.array(mean.value.sum()), mean.method, mean.exactness, np.array(True))
    yield row(case, "sojourn_mean" if "sojourn_mean" in expected else "W", total)
    times_of = [phase_type(each) or q.two_moments(*moments(each)) for each in services]
    robust = q.robust_tandem(q.renewal(_phases(model["arrival"])), times_of)
    for i in range(n):
        if f"Wq{i + 1}" in expected:
            yield part(case, f"Wq{i + 1}", robust["wait_mean"], i)
    near = robust["sojourn_mean"]
    whole = q.Value(np.array(near.value.sum()), near.method, near.exactness, np.array(True))
    yield row(case, "sojourn_mean" if "sojourn_mean" in expected else "W", whole)


def _open_general(case: Json) -> Iterator[Row]:
    model = case["model"]
    n = len(model["services"])
    rate, ca2 = np.zeros(n), np.ones(n)
    for each in model["arrival"]:
        mean, scv = moments(each)
        rate[ord(each["at"]) - ord("A")], ca2[ord(each["at"]) - ord("A")] = 1.0 / mean, scv
    times = np.array([moments(each) for each in model["services"]])
    found = q.qna(rate, ca2, model["routing"], times[:, 0], times[:, 1], model["servers"])
    for i in range(n):
        yield part(case, f"Wq_{chr(ord('A') + i)}", found["wait_mean"], i)
    number = found["number_mean"]
    total = np.array(number.value.sum() / rate.sum())
    yield row(case, "sojourn_mean", q.Value(total, number.method, number.exactness, np.array(True)))


def _closed(case: Json) -> Iterator[Row]:
    model = case["model"]
    demand, population, think = model["demands"], model["population"], model["think"]
    if case["kind"] == "approximation":
        near = q.bard_schweitzer([demand], [population], think=[think])
        # the file holds the values of this approximation itself
        yield Row(case["id"], "X", "Bard-Schweitzer", "exact", float(near["throughput"].value[0]), case["expected"]["X"], 1e-6)
        return
    servers = [math.inf if each == "inf" else each for each in model["servers"]]
    found = q.closed_network(demand, population, servers, think)
    yield from arrays(case, found, {"X": "throughput", "Q": "number_mean", "residence": "residence_mean", "util": "utilisation"})


def _closed_multi(case: Json) -> Iterator[Row]:
    model = case["model"]
    demand = np.array(model["service"]) * np.array(model["visits"])
    delays = np.isin(np.arange(demand.shape[1]), model["delay_stations"])
    names = {"X": "throughput", "Q": "number_mean", "residence": "residence_mean"}
    yield from arrays(case, q.exact_mva(demand, model["population"], delays, model["think"]), names)
    yield from arrays(case, q.linearizer(demand, model["population"], delays, model["think"]), {"X": "throughput"})
    yield from arrays(case, q.bard_schweitzer(demand, model["population"], delays, model["think"]), {"X": "throughput"})


def _mixed(case: Json) -> Iterator[Row]:
    model = case["model"]
    demand, n = np.array(model["service"]) * np.array(model["visits"]), len(model["arrival"])
    opened, closed = q.mixed_network(demand[:n], model["arrival"], demand[n:], model["population"])
    yield from arrays(case, opened, {"Q_open": "number_mean"})
    yield from arrays(case, closed, {"X_closed": "throughput", "Q_closed": "number_mean"})


def _uniform(case: Json) -> Iterator[Row]:
    model = case["model"]
    if model["type"] == "phold":
        found = q.closed_network([model["lookahead"] + model["mean"]], model["messages"], [math.inf])
    else:
        n = model["processes"]
        found = q.closed_network(np.full(n, 1.0 / model["mu"] / n), model["messages"])
        yield part(case, "mean_queue", found["number_mean"], 0)
    yield row(case, "event_rate", found["throughput"])


def _blocking(case: Json) -> Iterator[Row]:
    model, expected = case["model"], case["expected"]
    stations = model["stations"]
    if any(each.get("when_full", "block_after") != "block_after" for each in stations.values()):
        return
    network = q.BlockingNetwork(
        {
            name: q.BlockingStation(_phases(each["service"]), each["servers"], tuple(each["inputs"]), _routes(each["out"]))
            for name, each in stations.items()
        },
        {name: math.inf if each["cap"] > 10_000 else each["cap"] for name, each in model["buffers"].items()},
        [(each["exp"], _routes(each["to"])) for each in model["arrivals"]],
        model.get("initial", {}),
    )
    if "makespan_mean" in expected:
        levels = [0.5, 0.95, 0.99]
        found = network.makespan(levels)
        yield from named(case, found, {"makespan_mean": "makespan_mean", "makespan_var": "makespan_var"})
        yield from quantiles(case, found, levels, {"makespan": "makespan_quantile"})
        return
    found = network.steady_state()
    for name in stations:
        yield row(case, f"thr[{name}]", found[f"throughput[{name}]"])
    for name in model["buffers"]:
        yield row(case, f"buf[{name}]", found[f"queue_mean[{name}]"])
    names = {"exit_rate": "exit_rate", "loss_prob": "loss_probability", "n_total_tokens": "number_mean"}
    yield from named(case, found, {**names, "sojourn_mean": "sojourn_mean"})
    if not model["arrivals"] and all(each["servers"] == 1 for each in stations.values()) and case["id"].startswith(_LINES):
        places = [each["cap"] for each in model["buffers"].values()]
        near = q.line([_phases(each["service"]) for each in stations.values()], places)
        yield row(case, "exit_rate", near["throughput"])


_LINES = ("NET-HB", "NET-LINE")


def _phases(law: Json) -> q.PhaseType:
    found = phase_type(law)
    assert found is not None
    return found


def _routes(ways: Sequence[Json]) -> tuple[tuple[float, tuple[str, ...]], ...]:
    return tuple((each["p"], tuple(each["to"])) for each in ways)


def _fork_join(case: Json) -> Iterator[Row]:
    model, levels = case["model"], levels_of(case)
    mean_name = "R" if "R" in case["expected"] else "sojourn_mean"
    rate, n = model["arrival"]["exp"], model.get("K", len(model.get("services", ())))
    service = model["services"][0] if "services" in model else {"exp": model["mu"]}
    mean, scv = moments(service)
    phases = phase_type(service)
    # queues that are practically never full, as far as the chain stays small
    room = math.ceil(math.log(1e-11 if n == 2 else 1e-7) / math.log(rate * mean))
    if phases is not None and math.comb(room + n, n) <= 30_000:
        found = q.fork_join(rate, [phases] * n, room, levels)
        yield from named(case, found, {mean_name: "response_mean", "R_var": "response_var"})
        yield from quantiles(case, found, levels, {"sojourn": "response_quantile"})
    if scv == 1.0:
        for known in (q.nelson_tantawi(rate, mean, n), q.varma_makowski(rate, mean, n)):
            yield from named(case, known, {mean_name: "response_mean"})
    one = q.gigc(rate, 1.0, mean, scv)
    spread = one["sojourn_var"].value / one["sojourn_mean"].value ** 2
    near = q.independent_maximum([float(one["sojourn_mean"].value)] * n, [float(spread)] * n, levels)
    yield from named(case, near, {mean_name: "response_mean"})
    yield from quantiles(case, near, levels, {"sojourn": "response_quantile"})


def _modulated(case: Json) -> Iterator[Row]:
    model = case["model"]
    arrivals = q.mmpp2(model["rates"], [1.0 / each for each in model["switch"]])
    windows = [1.0, 10.0, 100.0]
    found = q.dispersion(arrivals, windows)
    for window, index in zip(windows, found, strict=True):
        yield row(case, f"IDC_{window:g}", q.Value(np.array(index), "index of dispersion of a MAP", "exact", np.array(True)))
    yield row(case, "rate", q.Value(np.array(arrivals.rate), "rate of a MAP", "exact", np.array(True)))


def _split_merge(case: Json) -> Iterator[Row]:
    model, levels = case["model"], levels_of(case)
    service = q.split_merge(1.0 / model["mu"], model["K"])
    found = q.map_ph_c(q.renewal(q.exponential(1.0 / model["arrival"]["exp"])), service, 1, levels)
    yield from named(case, found)
    yield from quantiles(case, found, levels, BOTH)


_BY_TYPE = {
    "station": _station,
    "loss": _loss,
    "loss_inverse": _loss,
    "finite_source": _finite_source,
    "dispatch": _dispatch,
    "jackson": _jackson,
    "visits_open": _visits,
    "tandem_inf": _tandem,
    "open_gi": _open_general,
    "closed": _closed,
    "closed_multi": _closed_multi,
    "mixed": _mixed,
    "closed_uniform": _uniform,
    "phold": _uniform,
    "net-v1": _blocking,
    "fork_join": _fork_join,
    "mmpp2": _modulated,
    "split_merge": _split_merge,
}
