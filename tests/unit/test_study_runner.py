"""Studies with a function in the place of the simulator: what is run, kept, compared and said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from joulewright.errors import Diagnostic, PolicyError, ScenarioError
from joulewright.model import EventRate
from joulewright.policy.forecast import RecordedForecaster, RecordedSeries
from joulewright.policy.planned import FollowPlan
from joulewright.study import runner
from joulewright.study.engines import LocalEngine, SerialEngine
from joulewright.study.request import NamedPolicy, StudyRequest, policies_of
from joulewright.study.result import ORACLE, Inference, RunKey, StudyResult
from joulewright.study.runner import StudyProgress, run_study
from joulewright.study.store import RunStore, identity_of

Study = Callable[..., StudyResult]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one line for every run that was carried out."""
    path = tmp_path / "log.txt"
    path.write_text("")
    monkeypatch.setenv("STUDY_LOG", str(path))
    return path


@pytest.fixture
def study(tmp_path: Path, workers: ModuleType, log: Path, tiny, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Runs a study of the tiny scenario; policies need not exist."""
    monkeypatch.setattr(runner, "policies_of", lambda request: {name: name for name in request.policies})
    scenario = tiny.scenario()

    def run(*policies: str, engine: Any = None, progress: Any = None, **options: Any) -> StudyResult:
        request = StudyRequest(policies=policies, **{"scenario": scenario, **options})
        store = RunStore(tmp_path / "runs")
        engine = engine or SerialEngine()
        return run_study(request, engine=engine, store=store, progress=progress, function=workers.run_by_hand)

    return run


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


def test_every_policy_meets_every_seed_and_the_oracle_once(study: Study, log: Path) -> None:
    found = study("fast", "slow", seeds=(0, 1, 2))
    assert [str(outcome.key) for outcome in found.outcomes] == [
        *(f"{policy}, seed {seed}" for seed in (0, 1, 2) for policy in ("fast", "slow")),
        "oracle, seed 0",
    ]
    assert sorted(lines(log)) == sorted(str(outcome.key) for outcome in found.outcomes)
    assert lines(log)[0] == "oracle, seed 0", "what takes longest starts first"
    assert any("one oracle serves all seeds" in note for note in found.notes)


def test_regret_is_measured_against_the_oracle(study: Study) -> None:
    found = study("fast", "slow", seeds=(0, 1))
    assert [outcome.regret for outcome in found.runs(policy="fast")] == [10.0, 11.0]
    assert [outcome.regret_fraction for outcome in found.runs(policy="slow")] == [0.4, 0.62]
    assert found.outcome(RunKey(variant="", policy=ORACLE, seed=0)).regret == 0.0


def test_chance_gives_every_seed_its_own_oracle(study: Study, tiny) -> None:
    rate = EventRate(name="outages", kind="grid-outage", site="a", rate_per_h=0.01, duration_h=1.0)
    scenario = tiny.scenario().with_changes(chances=(rate,))
    assert len(list(study("fast", seeds=(3, 5), scenario=scenario).runs(policy=ORACLE))) == 2
    assert len(list(study("fast", seeds=(3, 5), scenario=scenario, events=False).runs(policy=ORACLE))) == 1


def test_without_an_oracle_there_is_no_regret(study: Study) -> None:
    found = study("fast", oracle=False)
    assert [outcome.regret for outcome in found.outcomes] == [None]
    assert "regret" not in found.summaries[0].figures


def test_differences_are_paired(study: Study) -> None:
    """The slow policy loses 10 under seed 0, 20 under seed 1, 30 under seed 2."""
    found = study("fast", "slow", seeds=(0, 1, 2))
    (benefit,) = [item for item in found.comparisons if item.figure == "benefit"]
    assert (benefit.policy, benefit.reference, benefit.samples, benefit.test) == ("slow", "fast", "seeds", "paired-t")
    assert benefit.difference.mean == -20.0
    assert benefit.difference.half_width == pytest.approx(4.302652729911275 * 10.0 / 3.0**0.5)
    assert benefit.p_value == pytest.approx(0.07417990022744853, rel=1e-9)
    assert benefit.significant() is False
    (carbon,) = [item for item in found.comparisons if item.figure == "carbon_kg"]
    assert carbon.p_value == 1.0, "equal in every pair"
    assert not [item for item in found.comparisons if item.figure == "served_fraction"], "no run has it"


def test_one_seed_has_no_interval_and_says_so(study: Study) -> None:
    found = study("fast", "slow")
    assert any("no confidence interval" in note for note in found.notes)
    assert all(item.low is None for summary in found.summaries for item in summary.figures.values())
    assert all(item.p_value is None and "more seeds" in item.note for item in found.comparisons)


def test_inference_is_that_of_the_request(study: Study) -> None:
    inference = Inference(interval="bootstrap", test="wilcoxon", confidence=0.9)
    found = study("fast", "slow", seeds=tuple(range(6)), inference=inference)
    assert found.summaries[0].figures["benefit"].method == "bootstrap"
    assert {item.test for item in found.comparisons if item.figure == "benefit"} == {"wilcoxon"}
    assert found.comparisons[0].p_value == pytest.approx(2 / 64)
    assert found.inference == inference


def test_a_failed_run_is_marked_and_the_others_finish(study: Study, log: Path) -> None:
    found = study("fast", "broken", seeds=(0, 1))
    assert [str(outcome.key) for outcome in found.failed] == ["broken, seed 0", "broken, seed 1"]
    assert found.failed[0].error == "PolicyError: it is broken"
    assert found.summaries[1].failed == found.summaries[1].runs == 2
    assert found.summaries[1].figures == {}
    assert found.comparisons == ()
    before = len(lines(log))
    study("fast", "broken", seeds=(0, 1))
    assert lines(log)[before:] == ["broken, seed 0", "broken, seed 1"], "failures are tried again, the rest is kept"


def test_the_same_study_again_runs_nothing(study: Study, log: Path) -> None:
    first = study("fast", "slow", seeds=(0, 1))
    before = lines(log)
    again = study("fast", "slow", seeds=(0, 1), engine=LocalEngine(jobs=2))
    assert lines(log) == before
    assert all(outcome.cached for outcome in again.outcomes)
    assert [outcome.figures for outcome in again.outcomes] == [outcome.figures for outcome in first.outcomes]
    assert again.comparisons == first.comparisons


def test_more_seeds_run_only_what_is_new(study: Study, log: Path) -> None:
    study("fast", seeds=(0, 1))
    before = len(lines(log))
    assert len(study("fast", seeds=(1, 2, 0)).outcomes) == 4
    assert lines(log)[before:] == ["fast, seed 2"], "the oracle of seed 0 serves seed 1 as well"


def test_both_engines_give_the_same_study(study: Study, tmp_path: Path) -> None:
    one = study("fast", "slow", seeds=(0, 1, 2))
    shutil.rmtree(tmp_path / "runs")
    other = study("fast", "slow", seeds=(0, 1, 2), engine=LocalEngine(jobs=2))
    assert not any(outcome.cached for outcome in other.outcomes)
    assert [outcome.key for outcome in other.outcomes] == [outcome.key for outcome in one.outcomes]
    assert [outcome.figures for outcome in other.outcomes] == [outcome.figures for outcome in one.outcomes]
    assert (other.summaries, other.comparisons) == (one.summaries, one.comparisons)


def test_damaged_results_are_computed_again(study: Study, log: Path, tmp_path: Path) -> None:
    study("fast", seeds=(0, 1))
    before = len(lines(log))
    victim = next(iter((tmp_path / "runs").rglob("*.run")))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    found = study("fast", seeds=(0, 1))
    assert len(lines(log)) == before + 1
    assert [note for note in found.notes if "was damaged; it was computed again" in note]
    assert not [note for note in study("fast", seeds=(0, 1)).notes if "damaged" in note]


def test_a_store_that_cannot_be_written_does_not_stop_the_study(study: Study, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    found = study("fast", seeds=(0, 1, 2))
    assert not found.failed
    assert sum("are not kept for a later study" in note for note in found.notes) >= 1


def test_progress_counts_and_expects(study: Study) -> None:
    states: list[StudyProgress] = []
    study("fast", seeds=(0, 1), progress=states.append)
    assert [(state.done, state.total, state.found) for state in states] == [(0, 3, 0), (1, 3, 0), (2, 3, 0), (3, 3, 0)]
    assert states[0].eta_s is None
    assert states[-1].eta_s == 0.0
    study("fast", "broken", seeds=(0, 1), progress=states.append)
    assert (states[-1].done, states[-1].found, states[-1].failed) == (5, 3, 2)


def test_variants_and_years(study: Study, files) -> None:
    path = files.path(files.edit())
    found = study(
        "fast",
        "slow",
        scenario=path,
        years=(2021, 2022),
        overrides=("site.a.battery.energy=8 MWh,16 MWh",),
        seeds=(0, 1),
    )
    small, large = (variant.name for variant in found.variants)
    assert (small, large) == ("site.a.battery.energy=8 MWh", "site.a.battery.energy=16 MWh")
    assert len(found.outcomes) == 2 * 2 * 2 * 2 + 2 * 2
    assert {outcome.key.year for outcome in found.outcomes} == {2021, 2022}
    assert found.summaries[0].figures["benefit"].count == 2, "years are averaged within each seed"
    assert any("means over 2 years" in note for note in found.notes)
    across = [item for item in found.comparisons if item.variant != item.reference_variant]
    assert {(item.variant, item.reference_variant, item.policy) for item in across} == {
        (large, small, "fast"),
        (large, small, "slow"),
    }


def test_years_are_samples_where_there_is_one_seed(study: Study, files) -> None:
    found = study("fast", "slow", scenario=files.path(files.edit()), years=(2020, 2021, 2022))
    assert {item.samples for item in found.comparisons} == {"years"}
    assert found.summaries[0].figures["benefit"].count == 3
    assert any("3 years are taken for independent samples" in note for note in found.notes)


def test_a_variant_that_is_not_valid_stops_the_study_before_it_starts(study: Study, files, log: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        study("fast", scenario=files.path(files.edit()), overrides=("site.a.battery.energy=8 MWh,8 MW",))
    assert "those of site.a.battery.energy=8 MW; the study has not started" in str(caught.value)
    assert lines(log) == []


def test_policies_are_checked_and_spelled_out(tiny) -> None:
    request = StudyRequest(scenario=tiny.scenario(), policies=("grid-first",))
    assert tuple(policies_of(request)) == ("grid-first+first-fit+nearest",)
    with pytest.raises(PolicyError, match="did you mean 'grid-first'"):
        policies_of(replace(request, policies=("grid-frist",)))
    with pytest.raises(PolicyError, match="did you mean 'perfect'"):
        policies_of(replace(request, forecast="perfekt"))
    with pytest.raises(PolicyError, match="part of every study"):
        policies_of(replace(request, policies=("grid-first", "oracle")))
    with pytest.raises(ScenarioError, match="are the same"):
        policies_of(replace(request, policies=("grid-first", "grid-first+nearest")))


def test_policies_and_forecasters_that_no_text_can_make(tiny, tmp_path: Path) -> None:
    """A plan that is followed, and a forecaster with arrays: both count with what they hold."""
    steps = 4
    scenario = tiny.scenario(tiny.site(steps, batteries=(tiny.battery(),)), steps=steps)
    plans = [
        tiny.schedule(scenario, flows={"a": {"batteries": {"store": ([power, 0, 0, 0], [0, 0, 0, 0])}}})
        for power in (1.0, 2.0)
    ]
    prices = tiny.series([50.0, 60.0, 70.0, 80.0], steps)
    recorded = RecordedForecaster(
        recordings={"a/import_price_per_mwh": RecordedSeries.by_valid_time(scenario.timeline, prices)}
    )
    followed = [NamedPolicy(name="plan", policy=FollowPlan(schedule=schedule, facts=scenario)) for schedule in plans]
    assert len({identity_of(item.policy) for item in followed}) == 2
    request = StudyRequest(scenario=scenario, policies=("grid-first", followed[0]), forecast=recorded, oracle=False)
    store = RunStore(tmp_path / "runs")
    one = run_study(request, engine=SerialEngine(), store=store)
    assert not one.failed, one.failed[0].error
    assert one.policies == ("grid-first+first-fit+nearest", "plan")
    assert one.forecast == "recorded of a/import_price_per_mwh"
    changed = replace(request, policies=("grid-first", followed[1]))
    assert [outcome.cached for outcome in run_study(changed, engine=SerialEngine(), store=store).outcomes] == [
        True,
        False,
    ]
    same = [outcome.cached for outcome in run_study(request, engine=LocalEngine(jobs=1), store=store).outcomes]
    assert same == [True, True]


def test_warnings_of_the_scenario_are_counted(study: Study, tiny) -> None:
    warning = Diagnostic(code="T036", severity="warning", message="the event lies outside the horizon")
    found = study("fast", scenario=tiny.scenario(diagnostics=(warning,)))
    assert "the scenario has 1 warning; jw check lists them" in found.notes
