"""Pausable, elastic and migrating jobs: what the model finds feasible passes the independent check."""

from __future__ import annotations

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import InfeasibleError
from joulewright.model import Link
from joulewright.plan.extraction import read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.integer import hold_integers
from joulewright.plan.solver import pass_program

STEPS = 8


def job(draw, tiny, name):
    elastic = draw.random() < 0.4
    first = int(draw.integers(0, 3))
    changes = {
        "kind": "elastic" if elastic else "pausable",
        "gpus": 20,
        "duration_h": float(draw.choice([1.0, 1.5, 2.0, 3.25])),
        "release": tiny.at(first),
        "deadline": tiny.at(int(draw.integers(5, STEPS + 1))),
        "min_run_h": float(draw.choice([0.0, 2.0, 3.0])),
        "restart_loss_h": float(draw.choice([0.0, 0.25, 0.5])),
        "migratable": bool(draw.random() < 0.7),
        "checkpoint_gb": float(draw.choice([0.0, 100.0, 900.0])),
        "accelerator_speed": {"A100-SXM": float(draw.choice([0.5, 0.8, 1.0]))},
        "value": float(draw.choice([20.0, 2000.0])),
        "mandatory": bool(draw.random() < 0.3),
    }
    if elastic:
        changes |= {"min_gpus": 10, "max_gpus": 40}
        if draw.random() < 0.5:
            changes["speed"] = ((10.0, 0.6), (20.0, 1.0), (40.0, 1.5))
    if draw.random() < 0.2:
        changes["start"] = tiny.at(first)
    elif draw.random() < 0.2:
        changes |= {"running_since": tiny.at(-1.0), "site": "a", "release": tiny.at(-2.0)}
    return tiny.job(name, **changes)


def scenario(seed, tiny):
    """Three sites of which only neighbours are joined, one of them with slower accelerators."""
    draw = np.random.default_rng(seed)

    def site(name, accelerator):
        grid = tiny.grid(STEPS, import_price_per_mwh=draw.uniform(-30.0, 120.0, STEPS), export_limit_mw=0.0)
        fleet = tiny.fleet(STEPS, accelerator=accelerator, availability=draw.choice([0.15, 0.5, 1.0], STEPS))
        return tiny.site(STEPS, name=name, grid=grid, fleets=(fleet,))

    return tiny.scenario(
        site("a", "H100-SXM"),
        site("b", "A100-SXM"),
        site("c", "H100-SXM"),
        steps=STEPS,
        links=(
            Link(between=("a", "b"), bandwidth_gbit_s=1.0, cost_per_gb=0.01),
            Link(between=("b", "c"), bandwidth_gbit_s=0.1),
        ),
        training=tuple(job(draw, tiny, name) for name in ("x", "y")),
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_every_plan_of_the_model_passes_the_check(seed, tiny):
    facts = scenario(seed, tiny)
    try:
        joint = build(facts)
    except InfeasibleError:
        return
    highs = pass_program(joint.program, integer=True, options={"mip_rel_gap": 1e-9})
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return
    solution = hold_integers(joint.program, np.asarray(highs.getSolution().col_value))
    assert solution.optimal
    schedule = read_schedule(joint, solution.values, "test")
    assert [str(item) for item in violations(facts, schedule)] == []
    assert settle(facts, schedule).benefit == pytest.approx(-solution.objective, rel=1e-7, abs=1e-5)
