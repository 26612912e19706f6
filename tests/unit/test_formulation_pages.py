"""The formulation pages name every family of rows and variables that the model can hold, and every module."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulewright.model import CarbonPolicy, DemandWindow, Link, Region
from joulewright.plan import constraints
from joulewright.plan.formulation import build

PAGES = Path(__file__).resolve().parents[2] / "docs" / "formulation"
STEPS = 6


@pytest.fixture(scope="module")
def everything(tiny):
    """Two sites with one of everything, so that the model holds every family."""
    window = DemandWindow(name="day", price_per_mw=100.0, members=np.ones(STEPS, bool))
    unit = tiny.generator(
        STEPS,
        min_load_mw=1.0,
        ramp_mw_per_h=2.0,
        min_up_h=1.0,
        min_down_h=2.0,
        initially_on=True,
        initial_output_mw=2.0,
    )
    site = tiny.site(
        STEPS,
        grid=tiny.grid(STEPS, demand_windows=(window,), ramp_mw_per_h=10.0),
        renewables=(tiny.plant(0.5, STEPS),),
        batteries=(tiny.battery(),),
        generators=(
            unit,
            replace(unit, name="steady", min_up_h=3.0),
            tiny.generator(STEPS, name="free", ramp_mw_per_h=2.0),
        ),
        it_limit_mw=5.0,
        carbon_budget_kg=1e6,
        unserved_power_penalty_per_mwh=500.0,
    )
    slow = tiny.site(STEPS, name="b", fleets=(tiny.fleet(STEPS, accelerator="A100-SXM"),))
    runs = {"restart_loss_h": 0.5, "min_run_h": 2.0, "duration_h": 2.0, "accelerator_speed": {"A100-SXM": 0.5}}
    elastic = {"kind": "elastic", "min_gpus": 10, "max_gpus": 60, "duration_h": 1.0, "start": tiny.at(1.0)}
    return tiny.scenario(
        site,
        slow,
        steps=STEPS,
        carbon=CarbonPolicy(budget_kg=1e6, excess_price_per_t=500.0),
        links=(Link(between=("a", "b"), bandwidth_gbit_s=10.0),),
        regions=(Region(name="west", latency_ms={"a": 5.0}),),
        inference=(tiny.service(STEPS, unserved_penalty_per_mtoken=4.0),),
        training=(
            tiny.job("rigid", duration_h=2.5),
            tiny.job("moving", kind="pausable", migratable=True, checkpoint_gb=1.0, **runs),
            tiny.job("staying", **elastic),
        ),
    )


@pytest.fixture(scope="module")
def program(everything):
    steps = np.array([1, 3])
    return build(everything, exclusive={("grid", "a", ""): steps, ("battery", "a", "store"): steps}).program


@pytest.fixture(scope="module")
def text():
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))


def test_every_row_family_is_named(program, text):
    listed = {name for line in re.findall(r"rows?: (.*)", text) for name in re.findall(r"\b([a-z_]+)\b", line)}
    in_prose = set(re.findall(r"`([a-z_]+)`", text))
    assert sorted(set(program.rows) - listed - in_prose) == []


def test_every_variable_family_is_named(program, text):
    assert sorted(set(program.variables) - set(re.findall(r"`([a-z_]+)`", text))) == []


def test_every_module_is_in_the_index():
    modules = {path.stem for path in Path(constraints.__file__).parent.glob("*.py")} - {"__init__"}
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    assert sorted(modules - set(re.findall(r"`([a-z_]+)`", index))) == []


def test_the_scenario_holds_every_family_that_the_code_can_add(program):
    """A family that is added under some condition must be in the scenario above, or its page is not checked."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(constraints.__file__).parent.glob("*.py"))
    called = set(re.findall(r"(?:add_rows|variable)\(\s*\"([a-z_]+)\"", source))
    assert sorted(called - set(program.rows) - set(program.variables)) == []
    assert len(called) > 30
