"""From a schedule back to the integer columns of the model: held there, the model is worth what the plan is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.model import JobSchedule, Link
from joulewright.plan import PlanOptions, plan
from joulewright.plan.formulation import build
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.holding import find_run, integer_values, start_column

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)
STEPS = 6


@pytest.fixture
def scenario(tiny):
    """Two sites; equal jobs, one that is not worth its power, pausable, elastic and migrating ones, and a generator."""
    unit = tiny.generator(STEPS, capacity_mw=2.0, min_load_mw=1.0, fuel_cost_per_mwh=30.0, start_cost=5.0, min_up_h=2.0)
    prices = {"a": [10.0, 60.0, 90.0, 90.0, 60.0, 50.0], "b": [90.0, 80.0, 70.0, 30.0, 10.0, 40.0]}
    sites = [
        tiny.site(
            STEPS,
            name=name,
            grid=tiny.grid(STEPS, import_price_per_mwh=price, export_price_per_mwh=0.0),
            fleets=(tiny.fleet(STEPS, active_power_mw=0.1, idle_power_mw=0.01),),
            generators=(unit,) if name == "a" else (),
        )
        for name, price in prices.items()
    ]
    jobs = (
        tiny.job("one", value=900.0),
        tiny.job("two", value=900.0),
        tiny.job("worthless", value=1.0, gpus=30),
        tiny.job("pause", kind="pausable", duration_h=2.0, gpus=20, sites=("b",)),
        tiny.job("grow", kind="elastic", duration_h=2.0, gpus=20, min_gpus=10, max_gpus=40, value=900.0),
        tiny.job("move", kind="pausable", duration_h=2.0, gpus=10, migratable=True, checkpoint_gb=1.0, value=900.0),
        tiny.job("idle", kind="pausable", duration_h=2.0, gpus=50, value=1.0),
    )
    link = Link(between=("a", "b"), bandwidth_gbit_s=100.0, cost_per_gb=0.1)
    return tiny.scenario(*sites, steps=STEPS, training=jobs, links=(link,))


def test_a_held_plan_is_worth_what_the_plan_is(scenario):
    result = plan(scenario, EXACT)
    kinds = {name: len(entry.segments) for name, entry in result.schedule.jobs.items()}
    assert kinds["worthless"] == kinds["idle"] == 0
    assert len({segment.site for segment in result.schedule.jobs["move"].segments}) == 2
    assert result.schedule.sites["a"].generators["turbine"].on.any()
    joint = build(scenario)
    columns, values = integer_values(joint, result.schedule)
    assert columns.size == joint.program.integer.sum()
    bench = Workbench(joint.program)
    bench.fix(columns, values, values)
    assert -bench.solve().objective == pytest.approx(result.objective, rel=1e-9)


def test_equal_jobs_share_a_column(scenario, tiny):
    result = plan(scenario.with_changes(training=scenario.training[:2]), EXACT)
    both = replace(
        result.schedule, jobs={name: JobSchedule(job=name, segments=(tiny.run(0, 1),)) for name in ("one", "two")}
    )
    joint = build(scenario.with_changes(training=scenario.training[:2]))
    columns, values = integer_values(joint, both)
    full = np.zeros(joint.program.cost.size)
    full[columns] = values
    assert full[start_column(joint, 0, ("a", "gpus"), 0)] == 2.0


def test_places_the_model_does_not_have(scenario, tiny):
    result, joint = plan(scenario, EXACT), build(scenario)
    for name, segment, words in (
        ("one", tiny.run(5, 7), "cannot start on a/gpus at"),
        ("pause", tiny.run(0, 1), "cannot run on a/gpus"),
        ("move", tiny.run(5, 7), "leaves its window"),
    ):
        first = 6 if name == "one" else segment.first_step
        broken = JobSchedule(job=name, segments=(replace(segment, first_step=first, stop_step=first + 2),))
        with pytest.raises(ValueError, match=words):
            integer_values(joint, replace(result.schedule, jobs={**result.schedule.jobs, name: broken}))
    with pytest.raises(ValueError, match="'idle' cannot run on c/gpus"):
        find_run(joint, "idle", ("c", "gpus"))


@pytest.mark.parametrize("kind", ["rigid", "pausable"])
def test_a_required_job_cannot_be_held_as_rejected(kind, tiny):
    scenario = tiny.scenario(training=(tiny.job(kind=kind, mandatory=True),))
    schedule = tiny.schedule(scenario)
    with pytest.raises(ValueError, match="'train' must run, but has no segments"):
        integer_values(build(scenario), schedule)


def test_a_move_over_no_link(scenario, tiny):
    joint = build(scenario.with_changes(links=()))
    result = plan(scenario, EXACT)
    with pytest.raises(ValueError, match="cannot move from"):
        integer_values(joint, result.schedule)
