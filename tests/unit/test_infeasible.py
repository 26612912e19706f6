"""Conflicts explained in the scenario's own terms, and changes that really restore a plan."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import InfeasibleError
from joulewright.model import CarbonPolicy, Region, Timeline
from joulewright.plan import PlanOptions, plan
from joulewright.plan.conflict import find_conflict, spans
from joulewright.plan.explanation import Explanation, Fix, figure
from joulewright.plan.formulation import build
from joulewright.plan.infeasible import explain_infeasibility, with_fixes
from joulewright.plan.relaxation import Slack, Trial, integer_feasible, round_up, shortage

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def refused(tiny):
    """Explanation with which planning a scenario ends."""

    def refuse(*sites, steps=2, **changes):
        with pytest.raises(InfeasibleError) as caught:
            plan(tiny.scenario(*sites, steps=steps, **changes), EXACT)
        explanation = caught.value.explanation
        assert isinstance(explanation, Explanation)
        assert str(caught.value) == str(explanation)
        json.dumps(explanation.as_dict())
        return explanation

    return refuse


def by_kind(explanation):
    return {fix.kind: fix for fix in explanation.fixes}


@pytest.fixture
def loaded(tiny):
    """A site without accelerators that draws a fixed load [MW] behind an import limit of 1 MW."""

    def make(load, **changes):
        steps = np.size(load)
        grid = tiny.grid(steps, import_limit_mw=1.0, **changes.pop("grid", {}))
        return tiny.site(steps, fleets=(), grid=grid, fixed_facility_power_mw=tiny.series(load, steps), **changes)

    return make


def test_power_is_short(refused, loaded):
    """1.5 MW behind 1 MW: half a MW short in the second and third of four hours, so 1 MWh in all."""
    explanation = refused(loaded([0.5, 1.5, 1.5, 0.5]), steps=4)
    assert explanation.basis == "linear"
    assert explanation.conclusion == "demand cannot be met: a is 0.5 MW (1 MWh) short on 4 Jul 01:00-03:00"
    assert any(text.startswith("site.a.grid.import_limit <= 1 MW on 4 Jul 0") for text in explanation.because)
    assert any(text.startswith("site a draws 1.5 MW without any work") for text in explanation.because)
    fixes = by_kind(explanation)
    assert fixes["import-limit"].amount == pytest.approx(0.5)
    assert fixes["import-limit"].key == "site.a.grid.import_limit"
    assert fixes["allow-unserved-power"].text == "allow 1 MWh unserved at a"
    assert {fix.applicability for fix in explanation.fixes} == {"verified"}


def test_the_text_reads_like_a_proof(refused, loaded):
    lines = str(refused(loaded([1.5, 0.5]))).splitlines()
    assert lines[0] == "error[X021]: no feasible plan."
    assert lines[1] == "  Because site.a.grid.import_limit <= 1 MW on 4 Jul 00:00-01:00"
    assert lines[2] == "  and site a draws 1.5 MW without any work on 4 Jul 00:00-01:00,"
    assert lines[3].startswith("  we can conclude that demand cannot be met: a is 0.5 MW")
    assert lines[4] == "  fix (any one): +0.5 MW import at a | allow 0.5 MWh unserved at a."
    assert lines[5] == "  note: times are in UTC"


def test_a_fix_works_and_a_smaller_one_does_not(tiny, refused, loaded):
    site = loaded([1.5, 0.5])
    amount = by_kind(refused(site))["import-limit"].amount
    for change, works in ((amount, True), (0.98 * amount, False)):
        wider = replace(site, grid=replace(site.grid, import_limit_mw=site.grid.import_limit_mw + change))
        joint = build(tiny.scenario(wider))
        assert (integer_feasible(joint.program) == "yes") is works


def test_a_battery_that_is_too_small(refused, loaded, tiny):
    """3 MWh above the limit over two hours; the store holds 2 MWh, gives 1 MW, and can charge only before."""
    store = tiny.battery(
        energy_mwh=2.0,
        initial_energy_mwh=0.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
        terminal_value_per_mwh=0.0,
        discharge_limit_mw=2.0,
    )
    explanation = refused(loaded([0.0, 0.0, 0.0, 2.5, 2.5], batteries=(store,)), steps=5)
    assert "site.a.battery.store.energy <= 2 MWh" in explanation.because
    fixes = by_kind(explanation)
    assert fixes["battery-energy"].amount == pytest.approx(1.0)
    assert fixes["battery-energy"].text == "+1 MWh battery a/store"
    slow = replace(store, energy_mwh=20.0, discharge_limit_mw=1.0)
    explanation = refused(loaded([0.0, 0.0, 0.0, 2.5, 2.5], batteries=(slow,)), steps=5)
    assert any("store can discharge at most 1 MW" in text for text in explanation.because)
    assert by_kind(explanation)["battery-power"].amount == pytest.approx(0.5)


def test_two_sites_need_two_changes(refused, loaded):
    """Each site is half a MW short: no single change helps, two together do."""
    sites = (loaded([1.5, 1.5]), replace(loaded([1.25, 1.25]), name="b"))
    explanation = refused(*sites)
    assert len(explanation.because) == 2
    first = explanation.fixes[0]
    assert (first.kind, first.target) == ("import-limit", "several")
    assert first.text == "+0.5 MW import at a with +0.25 MW import at b"


def test_an_island_is_told_apart(refused, tiny):
    explanation = refused(tiny.site(grid=None, fleets=(), fixed_facility_power_mw=1.0, renewables=(tiny.plant(0.05),)))
    assert "site a has no grid connection" in explanation.because
    assert "solar and wind at a give at most 0.5 MW throughout" not in explanation.because
    assert any(text.startswith("solar and wind at a give at most 0.5 MW on") for text in explanation.because)


def test_a_job_that_needs_more_power_than_there_is(refused, tiny):
    """40 accelerators at 10 kW behind a PUE of 1.5 draw 0.6 MW; 60 idle ones 0.09 MW; import is 0.5 MW."""
    site = tiny.site(grid=tiny.grid(import_limit_mw=0.5), fleets=(tiny.fleet(),))
    explanation = refused(site, training=(tiny.job(mandatory=True),))
    (job,) = [text for text in explanation.because if text.startswith("job")]
    assert job == "job 'train' must run 1 h on 40 accelerators (0.4 MW of IT power) between 4 Jul 00:00 and 6 Jul 00:00"
    fixes = by_kind(explanation)
    # In parts the job may spread over both hours, whole it needs 0.69 MW.
    assert fixes["import-limit"].amount >= 0.19
    assert fixes["drop-job"].text == "do not require train"
    assert fixes["gpus"].amount == pytest.approx(15.0, abs=1.0)


def test_a_deadline_that_is_too_early(refused, tiny):
    """Import of 1 MW comes back after two hours; a job of two hours must wait for it, and end two hours later."""
    grid = tiny.grid(6, import_limit_mw=[0.2, 0.2, 1.0, 1.0, 1.0, 1.0])
    job = tiny.job(mandatory=True, duration_h=2.0, deadline=tiny.at(2.0))
    explanation = refused(tiny.site(6, grid=grid), steps=6, training=(job,))
    assert by_kind(explanation)["deadline"].amount == pytest.approx(2.0)
    assert by_kind(explanation)["deadline"].text == "train.deadline +2 h"


def test_accelerators_are_short(refused, tiny):
    """Two jobs of 80 in one hour want 160 of 100 accelerators."""
    jobs = tuple(tiny.job(name, gpus=80, mandatory=True) for name in ("one", "two"))
    explanation = refused(steps=1, training=jobs)
    assert "fleet a/gpus has 100 accelerators throughout" in explanation.because
    assert any(text.startswith("2 jobs like 'one' must run") for text in explanation.because)
    assert explanation.conclusion == "these jobs cannot all run in their windows"
    assert by_kind(explanation)["accelerators"].amount == pytest.approx(60.0)


def test_the_it_limit_is_short(refused, tiny):
    """0.4 MW of work and 0.06 MW of idle power, 0.3 MW allowed."""
    explanation = refused(tiny.site(1, it_limit_mw=0.3), steps=1, training=(tiny.job(mandatory=True),))
    assert "site.a.it_limit <= 0.3 MW throughout" in explanation.because
    assert by_kind(explanation)["it-limit"].amount == pytest.approx(0.16)


def test_a_carbon_budget_that_cannot_hold(refused, loaded):
    """2 MWh at 400 kg/MWh are 0.8 t; 0.5 t are allowed."""
    explanation = refused(loaded([1.0, 1.0]), carbon=CarbonPolicy(budget_kg=500.0))
    assert explanation.because[0] == "carbon.budget <= 0.5 t" or "carbon.budget <= 0.5 t" in explanation.because
    assert explanation.conclusion == "at least 0.8 t are emitted: 0.3 t more than is left of the budget"
    assert by_kind(explanation)["carbon-budget"].text == "+0.3 t carbon budget"


def test_a_site_budget_that_cannot_hold(refused, loaded):
    explanation = refused(loaded([1.0, 1.0], carbon_budget_kg=500.0))
    assert "site.a.carbon_budget <= 0.5 t" in explanation.because
    assert by_kind(explanation)["carbon-budget"].key == "site.a.carbon_budget"


def test_requests_that_cannot_be_served(refused, tiny):
    """150,000 token/s for 100 accelerators of 1000 token/s: 50,000 short in both hours, 360 Mtoken."""
    explanation = refused(
        inference=(tiny.service(demand=1.5e5),), regions=(Region(name="west", latency_ms={"a": 5.0}),)
    )
    assert any(text.startswith("inference 'chat' asks for 150,000 token/s") for text in explanation.because)
    assert "capacity for 50,000 token/s is short throughout" in explanation.conclusion
    assert by_kind(explanation)["allow-unserved-demand"].text == "allow 360 Mtoken of chat unserved"
    assert by_kind(explanation)["accelerators"].amount == pytest.approx(50.0)


def test_only_whole_jobs_conflict(refused, tiny):
    """Three jobs of 60 for 2 h in 4 h: in parts they fill 90 of 100 accelerators, whole only two fit."""
    jobs = tuple(tiny.job(name, gpus=60, duration_h=2.0, mandatory=True) for name in ("one", "two", "three"))
    site = tiny.site(4)
    explanation = refused(site, steps=4, training=jobs)
    assert explanation.basis == "integer"
    assert "only whole ones make them conflict" in explanation.notes[0]
    assert "fleet a/gpus has 100 accelerators throughout" in explanation.because
    assert any("3 jobs like 'one'" in text for text in explanation.because)
    assert not any("import" in text for text in explanation.because)
    fixes = by_kind(explanation)
    assert fixes["accelerators"].amount == pytest.approx(20.0)
    assert fixes["drop-job"].target == "one"


def test_a_generator_that_cannot_run_low_enough(refused, tiny):
    """An island of 3 MW with a unit of at least 4 MW: in parts it could run, as a whole it cannot."""
    unit = tiny.generator(min_load_mw=4.0)
    explanation = refused(tiny.site(grid=None, fleets=(), fixed_facility_power_mw=3.0, generators=(unit,)))
    assert explanation.basis == "integer"
    assert explanation.conclusion == "no combination of generator states satisfies these limits"


def test_a_required_job_without_any_start(refused, tiny):
    """3 h do not fit into 2 h; an hour more does."""
    job = tiny.job(mandatory=True, duration_h=3.0, deadline=tiny.at(2.0))
    explanation = refused(tiny.site(6), steps=6, training=(job,))
    assert explanation.basis == "window"
    assert explanation.subject == ("job", "train")
    assert explanation.because[0] == "job 'train' must run for 3 h on 40 accelerators"
    assert "it may use a/gpus with 100 accelerators" in explanation.because
    assert by_kind(explanation)["deadline"].amount == pytest.approx(1.0)
    assert "gpus" not in by_kind(explanation)


def test_a_required_divisible_job_larger_than_every_fleet(refused, tiny):
    job = tiny.job(kind="pausable", mandatory=True, gpus=150)
    explanation = refused(training=(job,))
    assert "it may use a/gpus with 100 accelerators" in explanation.because
    assert [fix.kind for fix in explanation.fixes] == ["drop-job"]


def test_demand_without_any_site(refused, tiny):
    service = tiny.service(latency_limit_ms=10.0)
    explanation = refused(inference=(service,), regions=(Region(name="west", latency_ms={"a": 25.0}),))
    assert explanation.subject == ("service", "chat")
    assert "from west the nearest site is 25 ms away" in explanation.because
    assert by_kind(explanation)["latency-limit"].amount == pytest.approx(15.0)
    assert by_kind(explanation)["allow-unserved-demand"].text == "give chat an unserved_penalty"
    nowhere = refused(inference=(tiny.service(sites=("a",)),), regions=(Region(name="west"),))
    assert "from west no site is listed" in nowhere.because
    assert "latency-limit" not in by_kind(nowhere)


def test_other_errors_pass_unchanged(tiny):
    for error in (InfeasibleError("no"), InfeasibleError("no", Explanation(because=(), conclusion="no"))):
        assert with_fixes(error, tiny.scenario(), frozenset()) is error


def test_time_that_runs_out_is_admitted(monkeypatch, tiny, loaded):
    monkeypatch.setattr("joulewright.plan.infeasible._TIME_S", 0.0)
    explanation = explain_infeasibility(build(tiny.scenario(loaded([1.5, 0.5]))))
    assert explanation.fixes == ()
    assert explanation.notes[-1] == "the search for changes stopped after 0 s"
    jobs = tuple(tiny.job(name, gpus=60, duration_h=2.0, mandatory=True) for name in ("one", "two", "three"))
    explanation = explain_infeasibility(build(tiny.scenario(tiny.site(4), steps=4, training=jobs)))
    assert "time ran out before every limit was tried" in explanation.notes[2]


def test_a_conflict_that_is_not_reduced_is_admitted(monkeypatch, tiny, loaded):
    monkeypatch.setattr("joulewright.plan.conflict._TIME_S", 0.0)
    scenario = tiny.scenario(
        *(replace(loaded([1.0] * 30, batteries=(tiny.battery(),)), name=name) for name in ("a", "b", "c")),
        steps=30,
        carbon=CarbonPolicy(budget_kg=100.0),
    )
    conflict = find_conflict(build(scenario).program)
    if not conflict.irreducible:
        explanation = explain_infeasibility(build(scenario))
        assert "not proven to be the smallest" in explanation.notes[1]
        assert "carbon.budget <= 0.1 t" in explanation.because
    assert "carbon_budget" in conflict.families()


def test_a_feasible_program_has_no_conflict(tiny):
    assert find_conflict(build(tiny.scenario()).program).members == ()


def test_shortage_is_none_when_the_slack_does_not_help(tiny, loaded):
    joint = build(tiny.scenario(loaded([1.5, 0.5])))
    assert shortage(joint.program, Slack(joint.program.rows["balance"][0].index, 1.0, separate=True))[
        0
    ] == pytest.approx([0.5, 0.0])
    assert shortage(joint.program, Slack()) is None


def test_a_trial_without_time_offers_nothing(tiny, loaded):
    scenario = tiny.scenario(loaded([1.5, 0.5]))
    trial = Trial(scenario, frozenset(), 0.0)
    assert trial.over
    assert trial.feasible(scenario) == "no"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0, 1, 2], "on 4 Jul 00:00-03:00"),
        ([22, 23, 24], "on 4 Jul 22:00 to 5 Jul 01:00"),
        ([1, 3], "on 4 Jul 01:00-02:00 and 4 Jul 03:00-04:00"),
        ([0, 2, 4, 6, 8], "on 4 Jul 00:00-01:00, 4 Jul 02:00-03:00, 4 Jul 04:00-05:00 and 2 more spells"),
        (range(48), "throughout"),
    ],
)
def test_spans(tiny, steps, expected):
    assert spans(Timeline(start=tiny.start, step_s=3600, steps=48), steps) == expected


def test_amounts():
    assert [figure(value) for value in (0.0, 0.1234567, 12.0, 1234567.0)] == ["0", "0.1235", "12", "1,234,567"]
    assert [round_up(value) for value in (-1.0, 0.0012341, 99.91, 12345.0)] == [0.0, 0.00124, 100.0, 12400.0]


def test_an_explanation_without_a_chain_still_reads():
    fix = Fix(kind="gpus", target="x", amount=1.0, unit="accelerators", key="training.x.gpus", text="x.gpus -1")
    text = str(Explanation(because=("one limit",), conclusion="nothing works", fixes=(fix,)))
    assert "  Because one limit,\n  we can conclude that nothing works.\n  fix (any one): x.gpus -1." in text
    assert "  Nothing works." in str(Explanation(because=(), conclusion="nothing works"))
