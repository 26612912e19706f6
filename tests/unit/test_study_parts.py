"""Containment of what policies raise, planned records, tables for a terminal, contenders, lazy names."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import pytest

import joulewright.study
from joulewright.errors import PolicyError, ScenarioError
from joulewright.report.study_terminal import contender_table, difference_tables, study_table
from joulewright.report.terminal import as_text
from joulewright.study.containment import Containment
from joulewright.study.contest import Contender, contenders_of, gate_rows, refuse_unlike, versus_first
from joulewright.study.regret import with_regret
from joulewright.study.result import (
    ORACLE,
    Comparison,
    Estimate,
    Inference,
    RunKey,
    RunOutcome,
    StudyResult,
    Variant,
)
from joulewright.study.store import software
from joulewright.study.summary import comparisons, summaries
from joulewright.study.task import RunTask, freeze, planned_records, run_task


def make_study(
    workers: ModuleType, tiny, *policies: str, seeds=(0, 1, 2), variants=("",), years=(None,)
) -> StudyResult:
    keys = [
        RunKey(variant=variant, policy=policy, seed=seed, year=year)
        for variant in variants
        for policy in (*policies, ORACLE)
        for seed in seeds
        for year in years
    ]
    study = StudyResult(
        name="tiny",
        currency="USD",
        timeline=tiny.scenario().timeline,
        variants=tuple(Variant(name=name) for name in variants),
        policies=policies,
        seeds=seeds,
        years=tuple(year for year in years if year is not None),
        outcomes=with_regret(workers.outcome_of(key) for key in keys),
    )
    return replace(study, summaries=summaries(study), comparisons=comparisons(study))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PolicyError("grid-first at noon: 3 MW"), "PolicyError: grid-first at noon: 3 MW"),
        (ZeroDivisionError("one"), "ZeroDivisionError: one\nin test_what_is_contained, line "),
        (MemoryError(), "MemoryError: \nin "),
    ],
)
def test_what_is_contained(error: Exception, words: str) -> None:
    with Containment() as attempt:
        raise error
    assert attempt.error.startswith(words)


def test_what_is_not_contained() -> None:
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error), Containment():
            raise error
    with Containment() as attempt:
        pass
    assert attempt.error == ""


def task(policy: str, **changes: object) -> RunTask:
    key = RunKey(variant="", policy=policy, seed=0)
    return RunTask(
        **{"key": key, "policy": policy, "forecast": "perfect", "series": False, "software": software(), **changes}
    )


def test_a_run_of_the_simulator(tiny) -> None:
    scenario = tiny.scenario(tiny.site(24), steps=24)
    found = run_task(freeze(scenario), task("grid-first+first-fit+nearest"))
    assert found.outcome.ok, found.outcome.error
    assert found.trajectory is None
    assert found.outcome.figures["facility_load_mwh"] == pytest.approx(24 * 0.15)
    assert found.outcome.standing["benefit"] == pytest.approx(-24 * 0.15 * 50.0)
    assert found.outcome.band("grid_import_mw", "a").values == pytest.approx([0.15] * 24)


def test_the_oracle_is_what_regret_is_measured_by(tiny) -> None:
    scenario = tiny.scenario(tiny.site(4), steps=4)
    found = run_task(freeze(scenario), task(ORACLE, series=True))
    assert found.outcome.ok, found.outcome.error
    assert found.trajectory is not None
    cost = 4 * 0.15 * 50.0
    assert found.outcome.standing["no_control_cost"] == pytest.approx(cost)
    assert found.outcome.standing["bound"] == pytest.approx(-cost, rel=1e-6)
    (measured,) = with_regret([found.outcome])
    assert measured.regret == pytest.approx(0.0, abs=1e-4)


def test_other_software_refuses(tiny) -> None:
    found = run_task(freeze(tiny.scenario()), task("grid-first", software="other"))
    assert found.outcome.status == "failed"
    assert "install the same versions on all workers" in found.outcome.error


def test_a_scenario_that_is_none_fails_its_run() -> None:
    assert run_task(b"nonsense", task("grid-first")).outcome.status == "failed"


def test_planned_records(tiny) -> None:
    jobs = [tiny.job(name, release=tiny.at(1.0)) for name in ("whole", "late", "never")]
    scenario = tiny.scenario(tiny.site(4), tiny.site(4, name="b"), steps=4, training=tuple(jobs))
    pieces = {
        "whole": [tiny.run(1, 2), tiny.run(2, 4, site="b", last_fraction=0.5)],
        "late": [tiny.run(2, 6)],
    }
    found = planned_records(scenario, tiny.schedule(scenario, jobs=pieces))
    assert (found["whole"].start_h, found["whole"].end_h, found["whole"].restarts, found["whole"].moves) == (
        1,
        3.5,
        1,
        1,
    )
    assert (found["late"].start_h, found["late"].end_h) == (2.0, None)
    assert (found["never"].start_h, found["never"].end_h, found["never"].release_h) == (None, None, 1.0)


def test_the_table_of_a_study(workers: ModuleType, tiny) -> None:
    text = as_text(study_table(make_study(workers, tiny, "fast", "slow", variants=("small", "large"))))
    assert "± 95 % interval" in text
    assert [row.strip() for row in text.splitlines() if row.strip() in ("small", "large")] == ["small", "large"]
    assert "89.0 USD ± 2.48 USD" in " ".join(text.split())
    assert "unserved" not in text, "no run has any"


def test_a_study_with_failures_says_how_many(workers: ModuleType, tiny) -> None:
    study = make_study(workers, tiny, "fast", seeds=(0, 1))
    broken = (replace(study.outcomes[0], status="failed", figures={}), *study.outcomes[1:])
    study = replace(study, outcomes=broken)
    assert "1 of 2" in as_text(study_table(replace(study, summaries=summaries(study))))


def test_tables_of_differences(workers: ModuleType, tiny) -> None:
    study = make_study(workers, tiny, "fast", "slow")
    (table,) = difference_tables(study.comparisons, "USD")
    text = " ".join(as_text(table).split())
    assert text.startswith("slow less fast")
    assert "−20.0 USD −44.8 USD to 4.84 USD 0.074 3" in text
    assert "carbon" not in text, "it is the same in every pair"
    assert difference_tables([], "USD") == []


def test_a_difference_without_chance(workers: ModuleType, tiny) -> None:
    alike = Estimate(mean=5.0, low=5.0, high=5.0, count=3, method="t")
    single = Estimate(mean=5.0)
    rows = [
        Comparison(variant=v, policy="p", reference_variant=r, reference="q", figure="odd", difference=difference)
        for v, r, difference in (("a", "a", alike), ("b", "a", single))
    ]
    first, second = (" ".join(as_text(table).split()) for table in difference_tables(rows, "USD"))
    assert first.startswith("a: p less q")
    assert "all pairs alike not tested" in first
    assert second.startswith("p: b less a")
    assert "none not tested" in second


def test_contenders_of_studies_and_plans(workers: ModuleType, tiny) -> None:
    study = make_study(workers, tiny, "fast", "slow")
    plan = Contender(name="run", constant={"benefit": 85.0, "cost": 5.0, "gap": None})
    contenders = (*contenders_of(study, "one"), plan)
    assert [item.name for item in contenders] == ["one: fast", "one: slow", "one: oracle", "run"]
    found = {item.policy: item for item in versus_first(contenders, Inference()) if item.figure == "benefit"}
    assert found.keys() == {"one: slow", "run"}
    assert found["run"].difference.mean == 85.0 - 89.0
    assert found["run"].difference.count == 3
    rows = gate_rows(contenders, Inference())
    assert (rows["run"]["benefit"], rows["run"]["benefit_low"], rows["run"]["failed"]) == (85.0, None, 0.0)
    assert rows["one: fast"]["benefit_low"] < rows["one: fast"]["benefit"] < rows["one: fast"]["benefit_high"]
    text = as_text(contender_table({item.name: item.estimates(Inference()) for item in contenders}, "USD"))
    assert "one: slow" in text


def test_a_plan_may_come_first_and_two_plans_have_one_difference(workers: ModuleType, tiny) -> None:
    plans = [Contender(name=name, constant={"benefit": value}) for name, value in (("a", 80.0), ("b", 85.0))]
    found = versus_first([*plans, *contenders_of(make_study(workers, tiny, "fast"))], Inference())
    by_name = {item.policy: item for item in found}
    assert (by_name["b"].difference.mean, by_name["b"].p_value) == (5.0, None)
    assert (by_name["fast"].difference.mean, by_name["fast"].difference.count) == (9.0, 3)


def test_studies_that_cannot_be_compared(workers: ModuleType, tiny) -> None:
    one = make_study(workers, tiny, "fast")
    with pytest.raises(ScenarioError, match="b has currency EUR and a has USD"):
        refuse_unlike({"a": one, "b": replace(one, currency="EUR")})
    years = make_study(workers, tiny, "fast", seeds=(0,), years=(2021, 2022))
    with pytest.raises(ScenarioError, match=r"samples over years and .* over seeds"):
        versus_first([*contenders_of(one, "a"), *contenders_of(years, "b")], Inference())


def test_an_oracle_that_failed_leaves_no_regret() -> None:
    runs = [
        RunOutcome(key=RunKey(variant="", policy="p", seed=0), standing={"benefit": 1.0}),
        RunOutcome(key=RunKey(variant="", policy=ORACLE, seed=0), status="failed"),
    ]
    assert [outcome.regret for outcome in with_regret(runs)] == [None, None]


def test_a_run_without_control_that_costs_nothing_has_no_share() -> None:
    standing = {"benefit": 9.0, "bound": 10.0, "no_control_cost": 0.0}
    (found,) = with_regret([RunOutcome(key=RunKey(variant="", policy=ORACLE, seed=0), standing=standing)])
    assert (found.regret, found.regret_fraction) == (1.0, None)


def test_names_of_the_package_are_imported_on_first_use() -> None:
    assert sorted(joulewright.study.__all__) == sorted(joulewright.study._HOME)
    for name in joulewright.study.__all__:
        assert getattr(joulewright.study, name).__name__ == name
        assert name in dir(joulewright.study)
    with pytest.raises(AttributeError, match="no attribute 'sweep_all'"):
        joulewright.study.sweep_all  # noqa: B018
    program = "import sys, joulewright.study; print(sorted({'numpy', 'polars', 'scipy', 'highspy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
