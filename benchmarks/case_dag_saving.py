"""What schedulers of DAG jobs save against FIFO on real signals, as a share of what any schedule could save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from benchmarks.dag_instances import LEAD_STEPS, STEP_MS, ZONES, drawn_jobs, german_signal, tables, zone_signal
from benchmarks.registry import Measurement, case, cpu_s
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import fluid_bound, simulate_dag
from joulewright.study.dag_headroom import share_of_headroom
from joulewright.study.result import Estimate
from joulewright.study.statistics import estimate

_ALLOWANCE, _APART = 24, 97
"""Hours allowed beyond FIFO's end, and between the starts of a draw in one grid and in the next."""
_PERFECT, _PAST = "forecast=perfect,window_h=96", "forecast=diurnal-persistence"
BEST = "water_level"
"""The scheme of the headline; chosen once, not per instance."""
SCHEMES = {
    "spade": f"spade:gamma=0.5,{_PERFECT}",
    "sap": f"sap:minimum=20,{_PERFECT}+fair",
    "planned": "planned:finish_by_h={end_h}," + _PERFECT,
    "water_level": "water-level:finish_by_h={end_h}," + _PERFECT,
    "water_level_past": "water-level:finish_by_h={end_h}," + _PAST,
    "planned_24h": "planned:finish_by_h={later_h},reserve_h=0," + _PERFECT,
    "water_level_24h": "water-level:finish_by_h={later_h},reserve_h=0," + _PERFECT,
    "water_level_24h_past": "water-level:finish_by_h={later_h},reserve_h=0," + _PAST,
    "water_level_24h_each": "water-level:allowance_h=24," + _PERFECT,
}
"""Scheduler of each scheme; ``end_h`` is when FIFO ends, ``later_h`` 24 h after it."""
ORACLE = {"planned_known_arrivals": "planned:finish_by_h={end_h},known_arrivals=yes," + _PERFECT}
"""Knows arrivals beforehand; run on the small instances only, where its program is small enough."""
SLOW = ("planned", "planned_24h", "water_level_24h_each")
"""Run on every third draw of the main size and on the small instances only."""
_SLOW_EVERY = 3
INFORMATION = {
    "spade": "perfect forecast of 96 h",
    "sap": "perfect forecast of 96 h",
    "planned": "perfect forecast, the hour by which all must end; no arrivals",
    "water_level": "perfect forecast, the hour by which all must end; no arrivals",
    "water_level_past": "forecast from the day before, the hour by which all must end; no arrivals",
    "planned_24h": "as planned, 24 h later",
    "water_level_24h": "as water_level, 24 h later",
    "water_level_24h_past": "as water_level_past, 24 h later",
    "water_level_24h_each": "perfect forecast, each job 24 h after a queue of the jobs seen so far; no arrivals",
    "planned_known_arrivals": "perfect forecast, the hour by which all must end, and all arrivals: a bound, no policy",
}


@dataclass(frozen=True, kw_only=True)
class _Instance:
    """Jobs on a grid; ``sample`` numbers what is independent: draws, or starts where there is one draw."""

    sample: int
    zone: str
    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    signal: DagSignal


@dataclass(frozen=True, kw_only=True)
class _Size:
    name: str
    jobs: int
    executors: int
    draws: int


_SIZES = (
    _Size(name="", jobs=51, executors=100, draws=8),
    _Size(name="_small", jobs=11, executors=50, draws=5),
    _Size(name="_reference", jobs=51, executors=100, draws=1),
)
_REFERENCE_STARTS = (0, 700, 1400, 2100, 2800, 3500)
_SMOKE = (_Size(name="", jobs=4, executors=50, draws=1),)


@case("dag-saving", "Carbon of DAG schedulers against FIFO on five grids, and the share of the headroom they reach")
def measure(smoke: bool) -> Measurement:
    """Run every scheme on every draw and grid; jobs and starts differ between draws and grids."""
    if not tables().exists():
        return Measurement(
            figures=dict.fromkeys(_headline()), conditions={"data": "not measured: the measured queries are absent"}
        )
    estimates: dict[str, Estimate] = {}
    for size in _SMOKE if smoke else _SIZES:
        rows = [row for instance in _instances(size, 1 if smoke else len(ZONES)) for row in _rows(instance, size.name)]
        found = _estimates(pl.DataFrame(rows, infer_schema_length=None))
        estimates |= {f"{name}{size.name}": item for name, item in found.items()}
    figures: dict[str, float | None] = {name: item.mean for name, item in sorted(estimates.items())}
    figures |= {name: figures.get(key) for name, key in _headline().items()}
    conditions: dict[str, Any] = {
        "headline_scheme": BEST,
        "schedulers": SCHEMES | ORACLE,
        "information": INFORMATION,
        "bound": "fluid bound at FIFO's end, rounded up to whole hours, and 24 h later; precedence is dropped in it",
        "instances": {f"draws{size.name}": [size.draws, size.jobs, size.executors] for size in _SIZES},
        "slow_schemes": [*SLOW, "on every third draw, and not on _reference"],
        "samples": "draws, the grids of a draw averaged or summed first; the six starts of the one draw of _reference",
        "interval_95": {name: [item.low, item.high, item.count] for name, item in sorted(estimates.items())},
    }
    return Measurement(figures=figures, conditions=conditions)


def _headline() -> dict[str, str]:
    """Figures of the whole and the ones they stand for."""
    return {
        "headroom_share_equal_makespan": f"headroom_share_{BEST}",
        "headroom_share_24h": f"headroom_share_{BEST}_24h",
        "makespan_ratio": f"makespan_ratio_{BEST}",
        "makespan_ratio_24h": f"makespan_ratio_{BEST}_24h",
    }


def _instances(size: _Size, zones: int) -> Iterator[_Instance]:
    """Draws by zone; starts are spread over the year and differ in the hour of the day."""
    steps, cluster = LEAD_STEPS + 150, DagCluster(executors=size.executors)
    if size.name == "_reference":
        jobs = drawn_jobs(tables(), draw=0, count=size.jobs)
        for sample, start in enumerate(_REFERENCE_STARTS):
            signal = german_signal(start, steps)
            yield _Instance(sample=sample, zone="DE-2021", jobs=jobs, cluster=cluster, signal=signal)
        return
    last = 8760 - steps - _APART * len(ZONES)
    for draw in range(size.draws):
        jobs = drawn_jobs(tables(), draw=draw, count=size.jobs, lead_ms=LEAD_STEPS * STEP_MS)
        for position, zone in enumerate(ZONES[:zones]):
            signal = zone_signal(zone, draw * last // size.draws + _APART * position, steps)
            yield _Instance(sample=draw, zone=zone, jobs=jobs, cluster=cluster, signal=signal)


def _rows(instance: _Instance, suffix: str) -> Iterator[dict[str, Any]]:
    """What each scheme did on an instance, and what any could have."""
    jobs, cluster, signal = instance.jobs, instance.cluster, instance.signal
    fifo = simulate_dag(jobs, cluster, signal, make_dag_scheduler("fifo"))
    allowed = {"end_h": fifo.makespan_ms / STEP_MS, "later_h": fifo.makespan_ms / STEP_MS + _ALLOWANCE}
    bounds = {
        later: fluid_bound(jobs, cluster, signal, fifo.makespan_ms + later * _ALLOWANCE * STEP_MS)
        for later in (False, True)
    }
    lead_ms = min(job.arrival_ms for job in jobs)
    for scheme, text in _schemes(suffix, instance.sample).items():
        before = cpu_s()
        run = simulate_dag(jobs, cluster, signal, make_dag_scheduler(text.format(**allowed)))
        taken_s, later = cpu_s() - before, "_24h" in scheme
        yield {
            "sample": instance.sample,
            "zone": instance.zone,
            "scheme": scheme,
            "cpu_s": taken_s,
            "carbon_vs_fifo": run.cost / fifo.cost,
            "makespan_ratio": (run.makespan_ms - lead_ms) / (fifo.makespan_ms - lead_ms),
            "bound_vs_fifo": bounds[later].cost / fifo.cost,
            "saved": fifo.cost - run.cost,
            "headroom": fifo.cost - bounds[later].cost,
        }


def _schemes(suffix: str, sample: int) -> dict[str, str]:
    """Schedulers of the schemes that run on a sample of a size."""
    if suffix == "_small":
        return SCHEMES | ORACLE
    slow = not suffix and sample % _SLOW_EVERY == 0
    return {scheme: text for scheme, text in SCHEMES.items() if slow or scheme not in SLOW}


def _estimates(rows: pl.DataFrame) -> dict[str, Estimate]:
    """Figures of each scheme, over all grids and by grid, with the intervals over the samples."""
    found: dict[str, Estimate] = {}
    for (scheme,), own in rows.group_by(["scheme"], maintain_order=True):
        for figure in ("carbon_vs_fifo", "makespan_ratio", "cpu_s"):
            found[f"{figure}_{scheme}"] = _mean(own, figure)
        zones = {f"_{zone}": part for (zone,), part in own.group_by(["zone"], maintain_order=True)}
        for zone, part in {"": own, **zones}.items():
            sums = part.group_by("sample", maintain_order=True).agg(pl.col("saved", "headroom").sum())
            share = share_of_headroom(sums["saved"].to_list(), sums["headroom"].to_list())
            if share is not None:
                found[f"headroom_share_{scheme}{zone}"] = share
        found |= {f"carbon_vs_fifo_{scheme}{zone}": _mean(part, "carbon_vs_fifo") for zone, part in zones.items()}
    # The bound does not depend on the scheme, only on whether it has the hours more.
    for end, later in (("", False), ("_24h", True)):
        part = rows.filter(pl.col("scheme").str.contains("_24h") == later)
        if part.height:
            found[f"bound_vs_fifo{end}"] = _mean(part, "bound_vs_fifo")
    return found


def _mean(rows: pl.DataFrame, figure: str) -> Estimate:
    """Mean of a figure over the samples, the grids of each averaged first."""
    values: list[float] = rows.group_by("sample", maintain_order=True).agg(pl.col(figure).mean())[figure].to_list()
    return estimate(values)
