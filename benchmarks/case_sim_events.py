"""How many job events the kernel handles in a CPU second, and how long a year of many jobs takes, beside SimPy."""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np

from benchmarks.registry import Measurement, case
from joulewright.model import Fleet, Scenario, Site, Timeline, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.policy.decision import JobAction
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.jobs import JobProcess
from joulewright.sim.processes.queue import JobQueue, JobTable, QueueFigures, QueueOutcome, QueuePool, queue_figures

T = TypeVar("T")
HOURS, FLEETS, UTILISATION, SEED = 8760, 3, 0.9, 7
SPARE = 1.5
"""Larger fleets for decisions at full hours, for which every accelerator waits half an hour after each job."""


@case("sim-events", "job events per CPU second and a year of 100,000 jobs, beside SimPy")
def measure(smoke: bool) -> Measurement:
    """Take the least CPU time of several repetitions; event and job counts are checked."""
    jobs, repeats = (2_000, 1) if smoke else (100_000, 3)
    table = _jobs(jobs)
    pools = _pools(table)
    events_s, outcome = _least_cpu_s(repeats, lambda: JobQueue(table, pools).run())
    _require(outcome.events == 2 * jobs, f"{outcome.events} events were handled; {2 * jobs} were scheduled")
    year_s, figures = _least_cpu_s(repeats, lambda: _year(table, pools))
    _require(figures.started > 0.9 * jobs, f"only {figures.started} of {jobs} jobs started within the year")
    scenario = _scenario(table, pools)
    process_s, ended = _least_cpu_s(1, lambda: _process(scenario))
    _require(ended > 0.9 * jobs, f"only {ended} of {jobs} jobs ended within the year")
    line_s, ours = _least_cpu_s(repeats, lambda: JobQueue(table, _whole(pools), backfill=False).run())
    simpy_s, conditions = _peer(table, _whole(pools), ours)
    return Measurement(
        figures={
            "events_per_s": outcome.events / events_s,
            "jobs_100k_s": year_s,
            "process_100k_s": process_s,
            "line_s": line_s,
            "simpy_s": simpy_s,
        },
        ratios={"vs_simpy": None if simpy_s is None else simpy_s / line_s},
        conditions={
            "jobs": jobs,
            "events": outcome.events,
            "repeats": repeats,
            "seed": SEED,
            "fleets": FLEETS,
            "utilisation": round(figures.utilisation, 4),
            "mean_wait_h": round(figures.mean_wait_h, 4),
            "waited_share": round(float((outcome.start_h > table.arrival_h).mean()), 4),
            "process": f"the process of the simulator, first fit at full hours, fleets {SPARE:g} times as large",
            "policy": "first fit with backfilling; in line, one pool, beside SimPy",
            **conditions,
        },
    )


def _jobs(count: int) -> JobTable:
    draw = np.random.default_rng(SEED)
    return JobTable(
        arrival_h=np.sort(draw.uniform(0.0, HOURS, count)),
        duration_h=np.maximum(0.05, draw.lognormal(0.5, 1.0, count)),
        accelerators=draw.choice([8.0, 16.0, 32.0, 64.0], count, p=[0.5, 0.3, 0.15, 0.05]),
    )


def _pools(table: JobTable) -> list[QueuePool]:
    """Equal fleets that the jobs fill to about ``UTILISATION``."""
    draw = np.random.default_rng(SEED + 1)
    count = float(table.duration_h @ table.accelerators) / HOURS / UTILISATION / FLEETS
    return [
        QueuePool(
            name=f"fleet-{number}",
            count=float(max(64, round(count))),
            power_mw=0.001,
            kg_per_mwh=draw.uniform(100.0, 500.0, HOURS),
        )
        for number in range(FLEETS)
    ]


def _whole(pools: list[QueuePool]) -> list[QueuePool]:
    """One pool as large as all."""
    count = sum(pool.count for pool in pools)
    return [QueuePool(name="pool", count=count, power_mw=0.001, kg_per_mwh=pools[0].kg_per_mwh)]


def _year(table: JobTable, pools: list[QueuePool]) -> QueueFigures:
    return queue_figures(table, pools, JobQueue(table, pools).run())


def _scenario(table: JobTable, pools: list[QueuePool]) -> Scenario:
    """The same jobs and fleets as a scenario."""
    start, ones = datetime(2022, 1, 1, tzinfo=UTC), np.ones(HOURS)

    def fleet(pool: QueuePool) -> Fleet:
        return Fleet(
            name=pool.name,
            accelerator="any",
            count=int(SPARE * pool.count),
            availability=ones,
            active_power_mw=pool.power_mw,
            idle_power_mw=0.0,
        )

    rows = zip(table.arrival_h.tolist(), table.duration_h.tolist(), table.accelerators.tolist(), strict=True)
    jobs = tuple(
        TrainingJob(
            name=f"job-{number}",
            gpus=int(size),
            duration_h=hours,
            release=start + timedelta(hours=arrival),
            deadline=start + timedelta(hours=2 * HOURS),
        )
        for number, (arrival, hours, size) in enumerate(rows)
    )
    idle: FloatArray = np.zeros(HOURS)
    site = Site(
        name="site",
        pue=ones,
        fixed_it_power_mw=idle,
        fixed_facility_power_mw=idle,
        fleets=tuple(fleet(pool) for pool in pools),
    )
    return Scenario(name="jobs", timeline=Timeline(start=start, step_s=3600, steps=HOURS), sites=(site,), training=jobs)


def _process(scenario: Scenario) -> int:
    """First fit at every hour with the process of the simulator; jobs that ended, their energy shared by hour."""
    kernel = Kernel()
    process = JobProcess(scenario, kernel)
    names = [fleet.name for fleet in scenario.sites[0].fleets]
    energy_mwh = 0.0
    for step in range(scenario.timeline.steps):
        seen = process.observe(float(step))
        free = {name: process.free("site", name) for name in names}
        actions = []
        for name, job in seen.items():
            if job.status != "waiting":
                continue
            fleet = next((fleet for fleet in names if free[fleet] >= job.job.gpus), None)
            if fleet is not None:
                free[fleet] -= job.job.gpus
                actions.append(JobAction(job=name, kind="start", site="site", fleet=fleet))
        process.apply(actions, float(step))
        kernel.run(float(step + 1))
        energy_mwh += sum(power_mw for _, power_mw in process.take_interval().values())
    records = process.records()
    done_mwh = sum(0.001 * job.gpus * job.duration_h * records[job.name].done_fraction for job in scenario.training)
    _require(abs(energy_mwh - done_mwh) < 1e-6 * done_mwh, f"{energy_mwh} MWh were shared; jobs took {done_mwh} MWh")
    return sum(record.end_h is not None for record in records.values())


def _peer(table: JobTable, pools: list[QueuePool], ours: QueueOutcome) -> tuple[float | None, dict[str, Any]]:
    """CPU seconds of SimPy for the same jobs in line for the same pool, which must start at the same times."""
    if importlib.util.find_spec("simpy") is None:
        return None, {"simpy": "not installed; pip install 'joulewright[bench]'"}
    seconds, starts = _least_cpu_s(1, lambda: _simpy_starts(table, pools[0].count))
    difference_h = float(np.max(np.abs(starts - ours.start_h)))
    _require(difference_h < 1e-6, f"starts differ by up to {difference_h:g} h from those of SimPy")
    return seconds, {"simpy": importlib.metadata.version("simpy"), "max_start_difference_h": difference_h}


def _simpy_starts(table: JobTable, count: float) -> FloatArray:
    import simpy

    environment = simpy.Environment()
    pool = simpy.Container(environment, capacity=count, init=count)
    arrivals, hours, sizes = (column.tolist() for column in (table.arrival_h, table.duration_h, table.accelerators))
    starts = [0.0] * len(arrivals)

    def job(number: int) -> Any:
        yield pool.get(sizes[number])
        starts[number] = environment.now
        yield environment.timeout(hours[number])
        yield pool.put(sizes[number])

    def source() -> Any:
        for number, arrival in enumerate(arrivals):
            yield environment.timeout(arrival - environment.now)
            environment.process(job(number))

    environment.process(source())
    environment.run()
    return np.array(starts)


def _least_cpu_s(repeats: int, run: Callable[[], T]) -> tuple[float, T]:
    """Least CPU time of several runs and the last result."""
    times = []
    for _ in range(repeats):
        gc.collect()
        begin = time.process_time()
        result = run()
        times.append(time.process_time() - begin)
    return min(times), result


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise RuntimeError(f"the benchmark did not do its work: {sentence}")
