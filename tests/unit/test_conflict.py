"""Every kind of limit is told in words, and proofs of infeasibility are read the right way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import InfeasibleError
from joulewright.model import CarbonPolicy, Region
from joulewright.plan import PlanOptions, plan
from joulewright.plan.changes import candidates, job_rows
from joulewright.plan.conflict import Conflict, _excess, _proof, describe_job, find_conflict, member, tell
from joulewright.plan.explanation import Explanation
from joulewright.plan.formulation import build
from joulewright.plan.infeasible import _conclude, explain_infeasibility
from joulewright.plan.relaxation import Relaxation, Slack, Trial, integer_feasible, lifted

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def told(tiny):
    """Statements about chosen rows and upper bounds of a scenario's model, as if they were a conflict."""

    def tell_all(*sites, rows=(), columns=(), steps=2, **changes):
        joint = build(tiny.scenario(*sites, steps=steps, **changes))
        members = [
            member(families, block.first + position, side)
            for families, names, side in (
                (joint.program.rows, rows, "row"),
                (joint.program.variables, columns, "upper"),
            )
            for family in names
            for block in families[family]
            for position in range(block.size)
        ]
        return tell(joint, Conflict(tuple(members), True))

    return tell_all


def test_grid_limits(told, tiny):
    grid = tiny.grid(import_limit_mw=[3.0, 4.0], ramp_mw_per_h=2.0)
    assert told(tiny.site(fleets=(), grid=grid), rows=("grid_ramp",), columns=("grid_import", "grid_export")) == (
        "site.a.grid.import_limit <= 3 to 4 MW throughout",
        "site.a.grid.export_limit <= 50 MW throughout",
        "site.a.grid.ramp <= 2 MW/h on 4 Jul 01:00-02:00",
    )


def test_generator_limits(told, tiny):
    unit = tiny.generator(min_load_mw=4.0, min_up_h=2.0, min_down_h=2.0, ramp_mw_per_h=3.0, availability=[1.0, 0.5])
    rows = ("min_load", "min_up", "min_down", "ramp_up", "ramp_down")
    assert told(tiny.site(fleets=(), generators=(unit,)), rows=rows, columns=("generator_output",)) == (
        "generator turbine at a gives at most 5 to 10 MW throughout",
        "generator a/turbine has a minimum load throughout",
        "generator a/turbine has a minimum time on throughout",
        "generator a/turbine has a minimum time off throughout",
        "generator a/turbine has a ramp limit throughout",
    )
    plain = tiny.generator(ramp_mw_per_h=3.0)
    assert told(tiny.site(fleets=(), generators=(plain,)), rows=("ramp",)) == (
        "generator a/turbine has a ramp limit throughout",
    )


def test_battery_limits(told, tiny):
    site = tiny.site(fleets=(), batteries=(tiny.battery(),))
    assert told(site, columns=("charge", "discharge", "energy")) == (
        "site.a.battery.store can discharge at most 5 MW throughout",
        "site.a.battery.store can charge at most 5 MW throughout",
        "site.a.battery.store.energy <= 10 MWh",
        "site.a.battery.store begins with 5 MWh",
    )
    joint = build(tiny.scenario(site))
    last = member(joint.program.variables, joint.program.variables["energy"][0].first + 2, "lower")
    assert tell(joint, Conflict((last,), True)) == ("site.a.battery.store must end with at least 5 MWh",)


def test_accelerators_of_jobs_and_requests(told, tiny):
    changes = {
        "training": (tiny.job(mandatory=True),),
        "inference": (tiny.service(),),
        "regions": (Region(name="west", latency_ms={"a": 5.0}),),
    }
    assert told(columns=("held",), **changes) == ("fleet a/gpus has 100 accelerators throughout",)
    assert told(columns=("served",), **changes) == ("fleet a/gpus has 100 accelerators on 4 Jul 00:00-01:00",)
    assert told(rows=("demand",), **changes) == (
        "inference 'chat' asks for 20,000 token/s throughout and may not go unserved",
    )


def test_long_lists_of_jobs_and_of_limits_are_cut(told, tiny):
    """Jobs differ in their windows, so that they are not one group: five are told, three counted."""
    jobs = tuple(tiny.job(f"job{n}", gpus=n + 1, mandatory=True) for n in range(8))
    found = told(training=jobs, rows=("assignment",))
    assert len(found) == 6
    assert found[-1] == "3 more jobs must run"
    sites = [tiny.site(name=f"s{n}", fleets=(), renewables=(tiny.plant(0.5),)) for n in range(5)]
    found = told(*sites, columns=("grid_import", "grid_export", "renewable_used"))
    assert len(found) == 10
    assert found[-1] == "6 more limits of sites and plants"


def test_budgets(told, tiny):
    site = tiny.site(carbon_budget_kg=1500.0)
    found = told(site, carbon=CarbonPolicy(budget_kg=2500.0, used_kg=500.0), rows=("carbon_budget",))
    assert set(found) == {"carbon.budget <= 2.5 t", "site.a.carbon_budget <= 1.5 t"}


def test_rows_without_words_say_nothing(told, tiny):
    """Continuity and stored energy are physics: they cannot be relaxed, so they are not told."""
    assert told(training=(tiny.job(),), rows=("continuity",)) == ()


def test_a_row_that_does_not_exist(tiny):
    joint = build(tiny.scenario())
    with pytest.raises(IndexError, match="no row or column 99999"):
        member(joint.program.rows, 99_999, "row")


def test_the_proof_has_the_right_sign(tiny):
    """The rows of a proof ask for more than the bounds of the columns can give, by a positive amount."""
    site = tiny.site(fleets=(), fixed_facility_power_mw=2.0, grid=tiny.grid(import_limit_mw=1.0))
    program = build(tiny.scenario(site)).program
    weights = _proof(program)
    assert _excess(program, weights) > 0.0
    assert _excess(program, -weights) <= 0.0
    assert not _proof(build(tiny.scenario()).program).any()
    only_upper = replace(program, row_lower=np.full_like(program.row_lower, -np.inf))
    assert _excess(only_upper, np.ones(program.shape[0])) == -np.inf


def test_a_divisible_job_in_a_conflict(tiny):
    """Two hours of work in two hours at 60 of 50 accelerators that are up."""
    site = tiny.site(fleets=(tiny.fleet(availability=0.5),))
    job = tiny.job(kind="pausable", gpus=60, duration_h=2.0, mandatory=True)
    joint = build(tiny.scenario(site, training=(job,)))
    conflict = find_conflict(joint.program)
    assert conflict.irreducible
    explanation = explain_infeasibility(joint)
    assert describe_job(joint, "train") in explanation.because
    assert explanation.conclusion == "these jobs cannot all run in their windows"
    assert {joint.program.row_name(int(row)) for row in job_rows(joint, "train")} == {"one_fleet[train]", "work[train]"}


def test_a_pinned_job_in_a_conflict(tiny):
    """It must run in the first hour, in which no accelerator is up; its other rows do not matter."""
    site = tiny.site(fleets=(tiny.fleet(availability=[0.0, 1.0]),))
    job = tiny.job(kind="pausable", start=tiny.start, mandatory=True)
    explanation = explain_infeasibility(build(tiny.scenario(site, training=(job,))))
    assert any(text.startswith("fleet a/gpus has 0") for text in explanation.because)
    assert "job 'train' must run" in " ".join(explanation.because)


def test_limits_of_which_none_is_a_budget_load_or_job(tiny):
    joint = build(tiny.scenario(tiny.site(fleets=(), batteries=(tiny.battery(),))))
    energy = member(joint.program.variables, joint.program.variables["energy"][0].first, "upper")
    assert _conclude(joint, Conflict((energy,), True)) == "these limits cannot all hold"


def test_a_battery_that_leaks_on_an_island(tiny):
    """Nothing can refill the store, which must end as full as it began."""
    site = tiny.site(grid=None, fleets=(), batteries=(tiny.battery(self_discharge_per_h=0.1),))
    with pytest.raises(InfeasibleError) as caught:
        plan(tiny.scenario(site), EXACT)
    explanation = caught.value.explanation
    assert isinstance(explanation, Explanation)
    assert "site.a.battery.store must end with at least 5 MWh" in explanation.because
    assert "site a has no grid connection" in explanation.because or explanation.because


def test_lifting_a_limit(tiny):
    """Without its lower side a balance row lets load go unserved; without the bound of import there is enough."""
    site = tiny.site(fleets=(), fixed_facility_power_mw=2.0, grid=tiny.grid(import_limit_mw=1.0))
    program = build(tiny.scenario(site)).program
    assert integer_feasible(program) == "no"
    balance = program.rows["balance"][0].index
    assert integer_feasible(lifted(program, Slack(balance, 1.0))) == "yes"
    assert integer_feasible(lifted(program, Slack(bounded=program.variables["grid_import"][0].index))) == "yes"
    assert integer_feasible(lifted(program, Slack(balance, -1.0))) == "no"


def test_candidates_cover_every_limit(tiny):
    site = tiny.site(batteries=(tiny.battery(),), it_limit_mw=2.0, carbon_budget_kg=10.0)
    scenario = tiny.scenario(
        site,
        training=(tiny.job(mandatory=True, deadline=tiny.at(1.0)),),
        inference=(tiny.service(),),
        regions=(Region(name="west", latency_ms={"a": 5.0}),),
        carbon=CarbonPolicy(budget_kg=20.0),
    )
    found = {item.kind for item in candidates(build(scenario), ["train"])}
    assert found == {
        "import-limit",
        "battery-energy",
        "battery-power",
        "accelerators",
        "it-limit",
        "carbon-budget",
        "allow-unserved-power",
        "allow-unserved-demand",
        "deadline",
        "gpus",
        "drop-job",
    }
    priced = scenario.with_changes(carbon=CarbonPolicy(budget_kg=20.0, excess_price_per_t=9.0))
    assert "carbon-budget" not in {item.kind for item in candidates(build(priced), [])}


def test_changes_can_be_made_one_after_the_other(tiny):
    """Each changes its own part of whatever scenario it is given."""
    scenario = tiny.scenario(
        tiny.site(batteries=(tiny.battery(),), it_limit_mw=2.0), carbon=CarbonPolicy(budget_kg=20.0)
    )
    changed = scenario
    for item in candidates(build(scenario), []):
        changed = item.change(changed, 2.0)
    site = changed.sites[0]
    assert site.grid.import_limit_mw == pytest.approx([102.0, 102.0])
    assert site.it_limit_mw == pytest.approx([4.0, 4.0])
    assert site.fleets[0].count == 102
    assert site.unserved_power_penalty_per_mwh > 0.0
    assert changed.carbon.budget_kg == pytest.approx(2020.0)
    assert site.batteries[0].charge_limit_mw == site.batteries[0].discharge_limit_mw == pytest.approx(7.0)
    assert site.batteries[0].energy_mwh == pytest.approx(12.0)


def test_a_change_that_never_helps_is_given_up(tiny):
    """Import does not help where accelerators are short, however much it is."""
    jobs = tuple(tiny.job(name, gpus=80, mandatory=True) for name in ("one", "two"))
    scenario = tiny.scenario(steps=1, training=jobs)
    trial = Trial(scenario, frozenset(), 30.0)
    (wider,) = [item for item in candidates(build(scenario), []) if item.kind == "import-limit"]
    assert trial.smallest(wider, build(scenario).program) is None
    assert trial.smallest(replace(wider, step=1e6), None) is None
    assert trial.together([wider], build(scenario).program) is None


def test_a_search_stays_below_its_largest_amount(tiny):
    scenario = tiny.scenario(tiny.site(fleets=(), fixed_facility_power_mw=2.0, grid=tiny.grid(import_limit_mw=1.0)))

    def change(old, amount):
        grid = old.sites[0].grid
        wider = replace(grid, import_limit_mw=grid.import_limit_mw + amount)
        return old.with_changes(sites=(replace(old.sites[0], grid=wider),))

    item = Relaxation("import-limit", "a", "MW", "", "+{} MW", change, step=0.3, largest=0.9)
    trial = Trial(scenario, frozenset(), 30.0)
    assert trial.smallest(item, None) is None
    found = trial.smallest(replace(item, largest=5.0), None)
    assert found.amount == pytest.approx(1.2)
    assert found.text == "+1.2 MW"
