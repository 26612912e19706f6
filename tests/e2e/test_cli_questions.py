"""What a plan must also answer on the command line: go on from a run, explain a job or a conflict, compare."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def first(small: Path, jw, tmp_path: Path) -> Path:
    """A run of the small scenario."""
    run = tmp_path / "first"
    assert jw("plan", small, "-o", run, "--no-report").status == 0
    return run


def job_of(run: Path) -> dict[str, object]:
    from joulewright.io import read_run

    found = read_run(run)
    segment = found.result.schedule.jobs["tune"].segments[0]
    return {"site": segment.site, "start": found.scenario.timeline.at(segment.first_step), "scenario": found.scenario}


def test_a_job_that_runs_goes_on_from_there(edited, first: Path, jw, tmp_path: Path) -> None:
    """An hour after its start the job stays where it is, without a break; what is done is not planned again."""
    before = job_of(first)
    hour = before["start"].hour + 1
    later = edited(("start = 2022-07-04T00:00:00Z", f"start = 2022-07-04T{hour:02d}:00:00Z"))
    outcome = jw("plan", later, "--from", first, "-o", tmp_path / "second", "--no-report", "--json")
    assert outcome.status == 0, outcome.stderr
    after = job_of(tmp_path / "second")
    assert after["site"] == before["site"]
    assert after["start"].hour == hour
    assert [job.running_since for job in after["scenario"].training] == [before["start"]]
    notes = [item for item in outcome.document["diagnostics"] if item["code"] == "T039"]
    assert "goes on" in notes[0]["message"]


def test_a_job_that_has_ended_is_not_planned_again(edited, first: Path, jw, tmp_path: Path) -> None:
    hour = job_of(first)["start"].hour + 5
    later = edited(("start = 2022-07-04T00:00:00Z", f"start = 2022-07-04T{hour:02d}:00:00Z"))
    outcome = jw("plan", later, "--from", first, "--json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.document["figures"]["jobs_done"] == 0
    assert "ended at" in str(outcome.document["diagnostics"])


def test_a_run_at_a_site_that_is_gone_is_refused(edited, first: Path, jw) -> None:
    before = job_of(first)
    later = edited(
        ("start = 2022-07-04T00:00:00Z", f"start = 2022-07-04T{before['start'].hour + 1:02d}:00:00Z"),
        (f'name = "{before["site"]}"', 'name = "north"'),
        (f'"{before["site"]}"', '"north"'),
        (f"{before['site']} =", "north ="),
    )
    outcome = jw("plan", later, "--from", first, "--json")
    assert outcome.status == 3, outcome.stderr
    assert "training.tune runs on" in outcome.stderr


def test_why_a_job_runs_there_and_then(first: Path, jw) -> None:
    outcome = jw("explain", first, "--job", "tune", "--json")
    explanation = outcome.document["explanation"]
    assert explanation["job"] == "tune"
    changes = [item["benefit_change"] for item in explanation["alternatives"] if item["benefit_change"] is not None]
    assert changes == sorted(changes, reverse=True)
    assert max(changes) <= 1.0
    assert any(item["what"] == "rejected" for item in explanation["alternatives"])


def test_the_changes_of_an_infeasible_scenario_work(edited, small: Path, jw) -> None:
    """The first change that is offered, applied with --set, makes the scenario feasible."""
    scenario = edited(
        ('value = "50000 USD"', 'mandatory = true\nsite = "west"'),
        ('import_limit = "12 MW"', 'import_limit = "1 MW"'),
    )
    refused = jw("plan", scenario, "--json")
    assert refused.status == 4
    assert refused.stderr.startswith("error[X021]: no feasible plan.")
    explanation = refused.document["explanation"]
    assert explanation["code"] == "X021"
    assert any("site.west.grid.import_limit <= 1 MW" in line for line in explanation["because"])
    fix = next(item for item in explanation["fixes"] if item["kind"] == "import-limit")
    assert fix["applicability"] == "verified"
    wider = f"{fix['key']}={1.0 + fix['amount']} MW"
    assert jw("plan", scenario, "--set", wider).status == 0
    narrower = f"{fix['key']}={1.0 + 0.5 * fix['amount']} MW"
    assert jw("plan", scenario, "--set", narrower).status == 4


def test_every_baseline_is_compared(small: Path, jw) -> None:
    outcome = jw("plan", small, "--baselines", "--json")
    assert outcome.status == 0, outcome.stderr
    joint = outcome.document["figures"]["benefit"]
    for name, figures in outcome.document["comparisons"].items():
        assert figures["violations"] or figures["benefit"] <= joint + 0.001 * figures["cost"], name
        assert figures["gap"] is None


def test_the_front_names_the_cost_of_a_tonne(small: Path, jw) -> None:
    outcome = jw("plan", small, "--pareto", 3, "--gap", "1e-6", "--json")
    points = outcome.document["pareto"]
    assert {"benefit", "cost", "carbon_kg", "abatement_cost_per_t", "gap"} == set(points[0])
    assert points[0]["abatement_cost_per_t"] == 0.0
    assert points[-1]["abatement_cost_per_t"] > 0.0
    assert points[-1]["carbon_kg"] < points[0]["carbon_kg"]
