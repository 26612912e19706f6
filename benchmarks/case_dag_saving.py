"""What schedulers of DAG jobs save against FIFO on real signals, as a share of what any schedule could save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.dag_instances import LEAD_STEPS, STEP_MS, ZONES, drawn_jobs, german_signal, tables, zone_signal
from benchmarks.registry import Measurement, case, cpu_s
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import fluid_bound, simulate_dag
from joulewright.study.statistics import estimate

_ALLOWANCE = 24
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
    _Size(name="", jobs=51, executors=100, draws=4),
    _Size(name="_small", jobs=11, executors=50, draws=2),
    _Size(name="_reference", jobs=51, executors=100, draws=1),
)
_REFERENCE_STARTS = (0, 700, 1400, 2100, 2800, 3500)
_SMOKE = (_Size(name="", jobs=4, executors=50, draws=1),)


@case("dag-saving", "Carbon of DAG schedulers against FIFO on five grids, and the share of the headroom they reach")
def measure(smoke: bool) -> Measurement:
    """Run every scheme on every draw and grid; jobs and starts differ between draws and grids."""
    if not tables().exists():
        figures = dict.fromkeys(_headline())
        return Measurement(figures=figures, conditions={"data": "not measured: the measured queries are absent"})
    found: dict[str, list[float]] = defaultdict(list)
    for size in _SMOKE if smoke else _SIZES:
        for instance in _instances(size, 1 if smoke else len(ZONES)):
            _run(instance, size.name, found)
    estimates = {name: estimate(values) for name, values in sorted(found.items())}
    figures = {name: item.mean for name, item in estimates.items()}
    figures |= {name: figures.get(key) for name, key in _headline().items()}
    conditions: dict[str, Any] = {
        "headline_scheme": BEST,
        "schedulers": SCHEMES | ORACLE,
        "information": INFORMATION,
        "bound": "fluid bound at FIFO's end, rounded up to whole hours, and 24 h later; precedence is dropped in it",
        "instances": {f"draws{size.name}": [size.draws, size.jobs, size.executors] for size in _SIZES},
        "interval_95": {name: [item.low, item.high, item.count] for name, item in estimates.items()},
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
    steps = LEAD_STEPS + 150
    if size.name == "_reference":
        jobs = drawn_jobs(tables(), draw=0, count=size.jobs)
        for start in _REFERENCE_STARTS:
            signal = german_signal(start, steps)
            yield _Instance(zone="DE-2021", jobs=jobs, cluster=DagCluster(executors=size.executors), signal=signal)
        return
    for draw in range(size.draws):
        jobs = drawn_jobs(tables(), draw=draw, count=size.jobs, lead_ms=LEAD_STEPS * STEP_MS)
        for position, zone in enumerate(ZONES[:zones]):
            start = draw * (8760 - steps) // size.draws + 97 * position
            signal = zone_signal(zone, start, steps)
            yield _Instance(zone=zone, jobs=jobs, cluster=DagCluster(executors=size.executors), signal=signal)


def _run(instance: _Instance, suffix: str, found: dict[str, list[float]]) -> None:
    """Append the figures of all schemes on an instance."""
    jobs, cluster, signal = instance.jobs, instance.cluster, instance.signal
    fifo = simulate_dag(jobs, cluster, signal, make_dag_scheduler("fifo"))
    allowed = {"end_h": fifo.makespan_ms / STEP_MS, "later_h": fifo.makespan_ms / STEP_MS + _ALLOWANCE}
    bounds = {
        later: fluid_bound(jobs, cluster, signal, fifo.makespan_ms + later * _ALLOWANCE * STEP_MS)
        for later in (False, True)
    }
    lead_ms = min(job.arrival_ms for job in jobs)
    for later, bound in bounds.items():
        found[f"bound_vs_fifo{'_24h' * later}{suffix}"].append(bound.cost / fifo.cost)
    for scheme, text in (SCHEMES | ORACLE if suffix == "_small" else SCHEMES).items():
        before = cpu_s()
        run = simulate_dag(jobs, cluster, signal, make_dag_scheduler(text.format(**allowed)))
        found[f"cpu_s_{scheme}{suffix}"].append(cpu_s() - before)
        found[f"carbon_vs_fifo_{scheme}_{instance.zone}{suffix}"].append(run.cost / fifo.cost)
        found[f"carbon_vs_fifo_{scheme}{suffix}"].append(run.cost / fifo.cost)
        found[f"makespan_ratio_{scheme}{suffix}"].append((run.makespan_ms - lead_ms) / (fifo.makespan_ms - lead_ms))
        share = bounds["_24h" in scheme].achieved_share(fifo.cost, run.cost)
        if share is not None:
            found[f"headroom_share_{scheme}{suffix}"].append(share)
            found[f"headroom_share_{scheme}_{instance.zone}{suffix}"].append(share)
