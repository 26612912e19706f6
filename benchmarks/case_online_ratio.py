"""How far online algorithms get from the exact optimum: never beyond their bound, near it on their worst case."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Measurement, case
from joulewright.model.timeline import FloatArray
from joulewright.policy.online import (
    ConversionProgram,
    KSearch,
    PauseResume,
    Places,
    PseudoCostAllocation,
    Roro,
    WaitAwhile,
    cheapest_costs,
    exact_allocation,
    exact_pause_resume,
    run_cost,
    worst_cases,
    worst_sequence,
)

_SEED = 20260101
Threshold = KSearch | PauseResume


@case(
    "online-ratio", "Largest cost over bound times exact optimum of online algorithms, and how much of it is attained"
)
def measure(smoke: bool) -> Measurement:
    """Play random and constructed sequences against every algorithm with a proved ratio."""
    count = 200 if smoke else 10_000
    figures: dict[str, float | None] = {}
    conditions: dict[str, Any] = {"sequences": count, "seed": _SEED, "rounding": "worst_over_bound to 12 digits"}
    conditions["roro_limited_attained"] = (
        "not a figure: with a cost and a limited rate the bound is not known to be tight"
    )
    for name, rule in _threshold_rules().items():
        beta = rule.cost_of_switching
        optimum = _runs_optimum(rule)
        paid = _paid_runs(rule)
        drawn = max(_ratio(paid(row), optimum(row), rule.sense) for row in _sequences(rule, count))
        built = max(_ratio(paid(row), optimum(row), rule.sense) for row in _constructed(rule))
        figures[f"worst_over_bound_{name}"] = round(max(drawn, built) / rule.ratio(), 12)
        figures[f"attained_share_{name}"] = built / rule.ratio()
        found = rule.guarantee()
        conditions[name] = {"k": rule.work, "L": rule.low, "U": rule.high, "beta": beta, "published": found.published}
        conditions[name] |= {"provable": found.provable, "worst_of_random": drawn}
    for name, conversion, sizes in _conversion_rules(smoke):
        drawn = max(_random_conversions(conversion, count))
        built = max(_converted(conversion, row) for row in _conversion_cases(conversion, sizes))
        figures[f"worst_over_bound_{name}"] = round(max(drawn, built) / conversion.ratio(), 12)
        if name != "roro_limited":
            figures[f"attained_share_{name}"] = built / conversion.ratio()
        found = conversion.guarantee()
        conditions[name] = {"beta": conversion.switching_cost, "rate": conversion.rate, "published": found.published}
        conditions[name] |= {"provable": found.provable, "worst_of_random": drawn}
    figures["worst_over_bound_pcm"] = _allocation(20 if smoke else 500)
    conditions["pcm"] = {
        "places": 3,
        "sequences": 20 if smoke else 500,
        "attained": "not measured: not known to be tight",
    }
    seconds, trace = _year(50 if smoke else 1000)
    figures |= seconds
    conditions["year"] = trace
    return Measurement(figures=figures, conditions=conditions)


def _threshold_rules() -> dict[str, Threshold]:
    bounds = {"low": 15.0, "high": 181.0, "work": 10}
    return {
        "k_min": KSearch(**bounds),
        "k_min_exact": KSearch(**bounds, calibration="exact"),
        "one_min": KSearch(low=15.0, high=181.0, work=1),
        "k_max": KSearch(**bounds, sense="max"),
        "opr_min": PauseResume(**bounds, switching_cost=10.0),
        "opr_min_costly": PauseResume(**bounds, switching_cost=40.0),
        "opr_max": PauseResume(**bounds, switching_cost=5.0, sense="max"),
    }


def _paid_runs(rule: Threshold) -> Callable[[FloatArray], float]:
    sign = 1.0 if rule.sense == "min" else -1.0
    return lambda prices: run_cost(prices, rule.run(prices), sign * rule.cost_of_switching)


def _runs_optimum(rule: Threshold) -> Callable[[FloatArray], float]:
    return lambda prices: (
        exact_pause_resume(
            prices, work=rule.work, switching_cost=rule.cost_of_switching, maximize=rule.sense == "max"
        ).cost
    )


def _ratio(paid: float, best: float, sense: str) -> float:
    return paid / best if sense == "min" else best / paid


def _sequences(rule: Threshold, count: int) -> Iterator[FloatArray]:
    """Uniform prices, prices next to thresholds, and blocks of few levels, by turns."""
    draw = np.random.default_rng(_SEED)
    levels = np.concatenate((rule.idle_thresholds(), rule.running_thresholds(), [rule.low, rule.high]))
    levels = np.clip(np.concatenate((levels, levels + 1e-6, levels - 1e-6)), rule.low, rule.high)
    for index in range(count):
        slots = int(rule.work + draw.integers(0, 4 * rule.work + 1))
        if index % 3 == 0:
            yield draw.uniform(rule.low, rule.high, slots)
        elif index % 3 == 1:
            yield draw.choice(levels, slots)
        else:
            yield np.resize(np.repeat(draw.choice(levels, slots), draw.integers(1, rule.work + 1, slots)), slots)


def _constructed(rule: Threshold) -> Iterator[FloatArray]:
    low, high, beta = rule.low, rule.high, rule.cost_of_switching
    if rule.sense == "min":
        for shape in worst_cases(rule.work):
            yield worst_sequence(shape, rule.idle_thresholds(), low=low, high=high, switching_cost=beta)
        return
    starts = np.concatenate((rule.idle_thresholds(), [high]))
    for taken in range(rule.work + 1):
        begin = [price for start in starts[:taken] for price in (float(start), low)]
        block = [starts[taken] - 1e-9 * high * (taken < rule.work)] * rule.work
        yield np.array(begin + block + [low] * (rule.work - taken))


def _conversion_rules(smoke: bool) -> list[tuple[str, Roro, int]]:
    fine = 1 / 200 if smoke else 1 / 1000
    steps = 60 if smoke else 300
    return [
        ("one_way", Roro(low=100.0, high=300.0), steps),
        ("roro", Roro(low=100.0, high=300.0, switching_cost=20.0), steps),
        ("one_way_limited", Roro(low=100.0, high=300.0, rate=fine), steps),
        ("roro_limited", Roro(low=100.0, high=300.0, switching_cost=20.0, rate=0.25), steps),
    ]


def _random_conversions(rule: Roro, count: int) -> Iterator[float]:
    """Random windows; a limited rate is tried at a quarter, since its bound is the same and the programs stay small."""
    draw = np.random.default_rng(_SEED)
    tried = rule if rule.rate >= 0.25 else Roro(low=rule.low, high=rule.high, rate=0.25)
    slots = 16
    program = ConversionProgram(slots, switching_cost=tried.switching_cost, rate=tried.rate)
    levels = np.array([rule.curve.value(w) - rule.curve.distance for w in np.linspace(0.0, 1.0, 9)])
    levels = np.clip(np.concatenate((levels, levels + 1e-6, [rule.low, rule.high])), rule.low, rule.high)
    for index in range(count):
        prices = draw.choice(levels, slots) if index % 2 else draw.uniform(rule.low, rule.high, slots)
        yield run_cost(prices, tried.run(prices), tried.switching_cost) / program.solve(prices).cost


def _conversion_cases(rule: Roro, steps: int) -> Iterator[FloatArray]:
    """Purchases in small steps along the curve, with a limited rate some at L, a block just above it, then U."""
    tiny = 1e-9 * rule.high
    pause = [rule.high] if rule.switching_cost > 0.0 else []
    slots = 1 if rule.rate == 1.0 else round(1.0 / rule.rate)
    block = 40 if rule.rate == 1.0 else slots
    value = [rule.curve.value(w) - rule.curve.distance for w in np.linspace(0.0, 1.0, 21)]
    for place, end in enumerate(np.linspace(0.0, 1.0, 21)):
        for cheap in np.linspace(0.0, end, 5) if rule.rate < 1.0 else [0.0]:
            walk = np.linspace(0.0, end - cheap, max(int(steps * (end - cheap)), 1) + 1)[1:]
            levels = [max(rule.curve.value(w) - rule.curve.distance, rule.low) for w in walk] if end > cheap else []
            begin = [price for level in levels for price in (level, *pause)]
            low = [rule.low] * round(cheap * slots)
            left = [rule.high] * (slots if rule.rate == 1.0 else round((1.0 - end) * slots) + 1)
            yield np.array(begin + low + [min(max(value[place], rule.low) + tiny, rule.high)] * block + left)


def _converted(rule: Roro, prices: FloatArray) -> float:
    best = ConversionProgram(prices.size, switching_cost=rule.switching_cost, rate=rule.rate).solve(prices).cost
    return run_cost(prices, rule.run(prices), rule.switching_cost) / best


def _allocation(count: int) -> float:
    draw = np.random.default_rng(_SEED)
    worst = 0.0
    for index in range(count):
        spots = draw.uniform(0.0, 20.0, (3, 2))
        far = np.sqrt(((spots[:, None] - spots[None]) ** 2).sum(axis=2))
        places = Places(distances=far, toggle_cost=float(index % 2) * 5.0)
        rule = PseudoCostAllocation(low=100.0, high=300.0, places=places, rate=(1.0, 0.25)[index % 4 // 2])
        prices = draw.choice([100.0, 150.0, 200.0, 300.0], (8, 3))
        best = exact_allocation(prices, places, rate=rule.rate).cost
        worst = max(worst, rule.run(prices).cost / best / rule.ratio())
    return worst


def _year(jobs: int) -> tuple[dict[str, float | None], str]:
    """CPU seconds of ``jobs`` jobs, each from every hour of a year, with a deadline two days later."""
    trace, source = _trace()
    slots = 48
    starts = np.arange(trace.size - slots + 1)
    draw = np.random.default_rng(_SEED)
    works, costs = draw.integers(1, 25, jobs), draw.uniform(0.0, 40.0, jobs)
    low, high = float(trace.min()), float(trace.max())

    def pause(chosen: int) -> None:
        for work, cost in zip(works[:chosen], costs):
            rule = PauseResume(low=low, high=high, work=int(work), switching_cost=float(cost))
            rule.costs(trace, starts=starts, slots=slots)

    def roro(chosen: int) -> None:
        for work, cost in zip(works[:chosen], costs):
            rule = Roro(low=low, high=high, switching_cost=float(cost), rate=1.0 / int(work))
            rule.costs(trace, starts=starts, slots=slots)

    def wait(chosen: int) -> None:
        WaitAwhile(work=1).costs(trace, starts=starts, slots=slots)
        cheapest_costs(trace, starts=starts, slots=slots, works=works[:chosen])

    figures: dict[str, float | None] = {}
    for name, run in (("opr", pause), ("roro", roro), ("wait_awhile", wait)):
        run(1)
        begin = time.process_time()
        run(jobs)
        figures[f"year_cpu_s_{name}"] = time.process_time() - begin
    return figures, f"{jobs} jobs x {starts.size} starts of {source}; compiled before"


def _trace() -> tuple[FloatArray, str]:
    folder = os.environ.get("JOULEWRIGHT_SHARED", str(Path(__file__).resolve().parents[2] / "shared"))
    path = Path(folder) / "data" / "grid" / "US-CAL-CISO_2023_carbon.csv.gz"
    if path.exists():
        return np.loadtxt(path, delimiter=",", skiprows=1, usecols=2), "California 2023, lifecycle"
    hour = np.arange(8760)
    wave = 260.0 + 90.0 * np.cos(2.0 * np.pi * (hour - 20) / 24.0) + 30.0 * np.cos(2.0 * np.pi * hour / 8760.0)
    return wave + np.random.default_rng(_SEED).normal(0.0, 15.0, hour.size), "a synthetic year"
