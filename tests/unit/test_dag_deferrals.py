"""Deferrals of DAG schedulers: who is asked again, when, and how often, worked by hand with both loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant, make_dag_scheduler
from joulewright.policy.dag.outlook import Outlook
from joulewright.sim.processes.dag import DagRun, simulate_dag

BOTH = pytest.mark.parametrize("engine", ["plain", "compiled"])
SAP = "sap:minimum=1,forecast=perfect+fifo:count=held"
FLAT = DagSignal(step_ms=1000, values=np.full(100, 2.0))


def playing(*values: float) -> DagSignal:
    """Steps of 20 ms; the last value stays."""
    return DagSignal(step_ms=20, values=np.array([*values, *[values[-1]] * 99]))


def wide(name: str, arrival_ms: int, *task_ms: int) -> DagJob:
    return DagJob(name=name, arrival_ms=arrival_ms, stages=(DagStage(name="s", task_ms=task_ms),))


def starts(run: DagRun, first_task: int) -> list[int]:
    return sorted(run.start_ms[run.task >= first_task].tolist())


@BOTH
@pytest.mark.parametrize(("last_ms", "wanted"), [(35, [25, 40, 40, 55, 70, 70]), (45, [25, 40, 45, 55, 70, 75])])
def test_executors_that_ran_on_when_they_were_deferred_start_when_the_quota_rises(
    engine: Any, last_ms: int, wanted: list[int]
) -> None:
    """Clean, dirty from 20 to 40 ms, clean: quotas of 3, 1 and 3 of three executors.

    They end the first stage at 25, 30 and ``last_ms``. At 25 one of three gets a task of the other stage and the rest
    of the offer is deferred, two executors that still run. They start when the signal is clean again and they are free.
    """
    stages = (DagStage(name="first", task_ms=(25, 30, last_ms)), DagStage(name="other", task_ms=(30,) * 6))
    job = DagJob(name="a", arrival_ms=0, stages=stages)
    cluster = DagCluster(executors=3, moving_delay_ms=0)
    run = simulate_dag([job], cluster, playing(1.0, 100.0, 1.0), make_dag_scheduler(SAP), engine=engine)
    assert starts(run, 3) == wanted


@BOTH
def test_a_deferred_executor_whose_job_is_out_of_tasks_serves_the_next_one(engine: Any) -> None:
    """As above, but the tasks after the dirty step belong to another job: executors wait in the pool, not in a job."""
    jobs = [wide("a", 0, 25, 30, 35), wide("b", 0, *(30,) * 6)]
    cluster = DagCluster(executors=3, moving_delay_ms=0)
    run = simulate_dag(jobs, cluster, playing(1.0, 100.0, 1.0), make_dag_scheduler(SAP), engine=engine)
    assert starts(run, 3) == [25, 40, 40, 55, 70, 70]


@BOTH
def test_a_deferred_executor_that_comes_free_is_offered_at_once(engine: Any) -> None:
    """Quota of 1 from 20 to 80 ms. All end the first stage at 25, 50 and 70; the first goes on until 45, when it finds
    the other two running. At 50 the next one would be one too many, at 70 the last one is not: nobody else runs.
    """
    stages = (DagStage(name="first", task_ms=(25, 50, 70)), DagStage(name="other", task_ms=(20,)))
    jobs = [DagJob(name="a", arrival_ms=0, stages=stages), wide("b", 0, 60, 60)]
    cluster = DagCluster(executors=3, moving_delay_ms=0)
    signal = playing(1.0, 100.0, 100.0, 100.0, 1.0)
    run = simulate_dag(jobs, cluster, signal, make_dag_scheduler(SAP), engine=engine)
    assert starts(run, 3) == [25, 70, 80]


class Timid(AbstractDagScheduler):
    """Gives one executor while nothing runs, else defers; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []

    def answer(self, view: AbstractDagView) -> Grant:
        self.asked.append((view.now_ms, view.source_job, view.offered))
        if view.busy > 0:
            return Grant(NO_STAGE, deferred=True)
        stage = next((stage for job in view.jobs() for stage in view.frontier(job)), NO_STAGE)
        return Grant(stage, 1)


def test_no_executor_is_offered_twice_in_an_event() -> None:
    """Three executors; job a runs from 0 to 10, then again to 15; job b, which comes at 4, from 15 to 23.

    At 0 three are offered and one is taken; at 4 two idle ones; at 10 first the one that came free, which goes on, then
    the two; at 15 it again, which moves to b, and the two, for whom nothing is left that could count as deferred.
    """
    chain = (DagStage(name="map", task_ms=(10,)), DagStage(name="sum", task_ms=(5,), parents=("map",)))
    jobs = [DagJob(name="a", arrival_ms=0, stages=chain), wide("b", 4, 8)]
    scheduler = Timid()
    run = simulate_dag(jobs, DagCluster(executors=3, moving_delay_ms=0), FLAT, scheduler)
    assert run.completion_ms.tolist() == [15, 23]
    assert scheduler.asked == [
        *[(0, -1, 3), (0, -1, 2)],
        *[(4, -1, 2)],
        *[(10, 0, 1), (10, -1, 2)],
        *[(15, -1, 1), (15, -1, 2)],
        *[(23, -1, 1), (23, -1, 2)],
    ]
    assert (run.answers, run.deferrals) == (9, 3)


@BOTH
def test_deferrals_are_counted_by_offers(engine: Any) -> None:
    """Quota of one until 40 ms: of four executors one is given at 0, when nobody waits; asked at 1, 2, 3 and 20 ms.

    At 40 three answers give them to the jobs left; at each of the four ends there is nothing to give.
    """
    jobs = [wide(name, at, 50) for at, name in enumerate("abcd")]
    cluster = DagCluster(executors=4, moving_delay_ms=0)
    run = simulate_dag(jobs, cluster, playing(100.0, 100.0, 1.0), make_dag_scheduler(SAP), engine=engine)
    assert run.start_ms.tolist() == [0, 40, 40, 40]
    assert run.deferrals == 4
    assert run.answers == 2 + 4 + 3 + 4


QUIET = [(f"{name}:allowance_h=0", "plain") for name in ("planned", "water-level")] + [
    (name, engine)
    for name in (SAP, "spade", "sap:minimum=1,forecast=perfect+spade:forecast=perfect", "green-hadoop")
    for engine in ("plain", "compiled")
]


@pytest.mark.parametrize(("name", "engine"), QUIET)
def test_where_nothing_waits_nothing_is_deferred(name: str, engine: Any) -> None:
    """Two jobs of one task far apart on two executors: each is served at once, and the other executor has nothing."""
    plays = DagSignal(step_ms=20, values=np.linspace(5.0, 4.0, 100), renewable_fraction=np.full(100, 0.1))
    jobs, cluster = [wide("a", 0, 30), wide("b", 1000, 30)], DagCluster(executors=2, moving_delay_ms=0)
    run = simulate_dag(jobs, cluster, plays, make_dag_scheduler(name), engine=engine)
    assert run.start_ms.tolist() == [0, 1000]
    assert run.deferrals == 0


@BOTH
def test_a_job_at_its_limit_is_not_deferred_by_the_quota(engine: Any) -> None:
    """Quota of 1 for 40 ms, but the job may have one executor only: it is not the quota that has its tasks wait."""
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(30, 30)),), max_executors=1)
    cluster = DagCluster(executors=2, moving_delay_ms=0)
    run = simulate_dag([job], cluster, playing(100.0, 100.0, 1.0), make_dag_scheduler(SAP), engine=engine)
    assert run.start_ms.tolist() == [0, 30]
    assert run.deferrals == 0


@BOTH
def test_tasks_of_a_stage_that_got_some_executors_in_this_offer_wait(engine: Any) -> None:
    """Quota of 1 at 0 and 20, then 2: of two tasks one starts at 0; the other waits at 0 and 20 and starts at 40."""
    cluster = DagCluster(executors=2, moving_delay_ms=0)
    run = simulate_dag(
        [wide("a", 0, 50, 50)], cluster, playing(100.0, 100.0, 1.0), make_dag_scheduler(SAP), engine=engine
    )
    assert run.start_ms.tolist() == [0, 40]
    assert run.deferrals == 2


class Noted(AbstractDagScheduler):
    """Answers as another one; keeps what it was asked."""

    def __init__(self, base: AbstractDagScheduler) -> None:
        self.base = base
        self.asked: list[tuple[int, int, int]] = []

    @property
    def outlook(self) -> Outlook:
        return self.base.outlook

    def answer(self, view: AbstractDagView) -> Grant:
        self.asked.append((view.now_ms, view.source_job, view.offered))
        return self.base.answer(view)


def test_spade_draws_once_for_every_offer() -> None:
    """One executor is busy until 80 ms; the other waits until the most important stage is drawn or the signal falls.

    While it waits it is offered at every arrival, once.
    """
    jobs = [wide("a", 0, 80), wide("b", 0, 60), *[wide(f"c{at}", at, 10) for at in range(16)]]
    cluster, signal = DagCluster(executors=2, moving_delay_ms=0), playing(100.0, 1.0)
    scheduler = make_dag_scheduler("spade:gamma=1,forecast=perfect+softmax:temperature=0.5")
    deferrals = 0
    for seed in range(10):
        noted = Noted(scheduler)
        run = simulate_dag(jobs, cluster, signal, noted, seed=seed, engine="plain")
        arriving = [asked for asked in noted.asked if asked[0] < 16]
        assert len(set(arriving)) == len(arriving)
        assert len(noted.asked) == run.answers
        compiled = simulate_dag(jobs, cluster, signal, scheduler, seed=seed, engine="compiled")
        assert (compiled.answers, compiled.deferrals) == (run.answers, run.deferrals)
        assert np.array_equal(compiled.start_ms, run.start_ms)
        deferrals += run.deferrals
    assert deferrals > 0
