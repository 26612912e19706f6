"""Study and trajectory folders come back as they were written, or are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from joulewright.account import settle
from joulewright.errors import DataError
from joulewright.io.codec import encode
from joulewright.io.trajectory_folder import is_trajectory, read_trajectory, write_trajectory
from joulewright.model import Clip, Happening, JobRecord, Trajectory
from joulewright.study.folder import (
    is_study,
    outcomes_frame,
    read_study,
    run_names,
    write_study,
    write_trajectories,
)
from joulewright.study.regret import with_regret
from joulewright.study.result import ORACLE, Inference, RunKey, RunOutcome, StudyResult, Variant
from joulewright.study.summary import comparisons, summaries


def same(one: object, other: object) -> bool:
    """Whether two values have equal documents and arrays."""
    (first, arrays), (second, others) = encode(one), encode(other)
    return first == second and all(np.array_equal(arrays[key], others[key]) for key in arrays)


@pytest.fixture
def study(workers: ModuleType, tiny) -> StudyResult:
    keys = [
        *(RunKey(variant="", policy=policy, seed=seed, year=2021) for seed in (0, 1) for policy in ("fast", "slow")),
        RunKey(variant="", policy=ORACLE, seed=0, year=2021),
    ]
    outcomes = [*(workers.outcome_of(key) for key in keys)]
    outcomes[3] = RunOutcome(key=keys[3], status="failed", error="PolicyError: it is broken")
    found = StudyResult(
        name="tiny",
        currency="USD",
        timeline=tiny.scenario().timeline,
        variants=(Variant(),),
        policies=("fast", "slow"),
        seeds=(0, 1),
        years=(2021,),
        forecast="day-ahead",
        outcomes=with_regret(outcomes),
        inference=Inference(confidence=0.9),
        notes=("a note",),
        provenance={"versions": {"python": "3"}},
    )
    return replace(found, summaries=summaries(found), comparisons=comparisons(found))


@pytest.fixture
def trajectory(tiny) -> Trajectory:
    job = tiny.job()
    scenario = tiny.scenario(training=(job,))
    return Trajectory(
        scenario=scenario,
        schedule=tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1)]}),
        policy="grid-first",
        seed=7,
        jobs={"train": JobRecord(job="train", release_h=0.0, start_h=0.0, end_h=1.0, done_fraction=1.0)},
        clips=(Clip(step=1, component="a/store", quantity="discharge_mw", asked=9.0, allowed=5.0, count=2),),
        happenings=(Happening(start_h=0.5, end_h=1.0, kind="grid-outage", where="a"),),
        notes=("a note",),
    )


def test_a_study_comes_back(study: StudyResult, tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", study, command=["jw", "simulate"])
    assert is_study(path)
    assert same(read_study(path), study)
    manifest = json.loads((path / "study.json").read_text())
    assert manifest["command"] == ["jw", "simulate"]
    assert [run["status"] for run in manifest["runs"]] == ["ok", "ok", "ok", "failed", "ok"]
    assert manifest["runs"][0]["jobs"]["longest_wait_h"] == 0.5


def test_the_table_of_runs(study: StudyResult) -> None:
    rows = outcomes_frame(study)
    assert rows["policy"].to_list() == ["fast", "slow", "fast", "slow", "oracle"]
    assert rows["regret"].to_list() == [10.0, 20.0, 11.0, None, 0.0]
    assert rows["benefit"].dtype == pl.Float64
    assert rows["served_fraction"].null_count() == 5
    assert rows["error"][3] == "PolicyError: it is broken"


def test_what_a_study_says_of_its_runs(study: StudyResult) -> None:
    fast, slow, oracle = study.summaries
    assert (fast.figures["benefit"].count, slow.figures["benefit"].count, oracle.runs) == (2, 1, 1)
    assert slow.failed == 1
    (benefit,) = [item for item in study.comparisons if item.figure == "benefit"]
    assert (benefit.left_out, benefit.difference.count, benefit.p_value) == (1, 1, None)
    assert study.failed == (study.outcomes[3],)
    with pytest.raises(KeyError, match="no run other, seed 9"):
        study.outcome(RunKey(variant="", policy="other", seed=9))
    assert study.outcomes[0].band("facility_load_mw").values.tolist() == [1.0, 2.0]
    assert study.outcomes[0].band("unserved_mw") is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: (path / "study.json").unlink(), "is not a study folder"),
        (lambda path: (path / "study.json").write_text("{"), "cannot be read"),
        (lambda path: (path / "study.json").write_text('{"schema_version": "joulewright/study/9"}'), "run jw simulate"),
        (lambda path: (path / "state.json").write_text("{}"), "was changed after the run"),
        (lambda path: (path / "state.parquet").unlink(), "cannot be read"),
    ],
    ids=["no-manifest", "broken-manifest", "other-version", "changed", "missing"],
)
def test_damaged_studies(spoil, words: str, study: StudyResult, tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", study)
    spoil(path)
    with pytest.raises(DataError, match=words):
        read_study(path)


def test_no_folder_and_foreign_folders(study: StudyResult, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name a study folder that jw simulate wrote"):
        read_study(tmp_path / "nothing")
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a study folder: it holds"):
        write_study(tmp_path, study)
    assert not is_study(tmp_path)


def test_names_of_runs_are_unique_and_plain(study: StudyResult) -> None:
    keys = [RunKey(variant="", policy=policy, seed=0) for policy in ("a:b=1", "a:b/1", "../x")]
    names = run_names(replace(study, outcomes=tuple(RunOutcome(key=key) for key in keys)))
    assert list(names.values()) == ["a-b=1-seed-0", "a-b-1-seed-0", "x-seed-0"]
    alike = [RunKey(variant="", policy=policy, seed=0) for policy in ("a:b", "a/b", "a b")]
    names = run_names(replace(study, outcomes=tuple(RunOutcome(key=key) for key in alike)))
    assert list(names.values()) == ["a-b-seed-0", "a-b-seed-0-2", "a-b-seed-0-3"]


def test_trajectories_stand_below_the_study(study: StudyResult, trajectory: Trajectory, tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", study)
    wanted = study.outcomes[0]
    written = write_trajectories(path, study, lambda outcome: trajectory if outcome is wanted else None)
    assert written == [path / "runs" / "fast-seed-0-year-2021"]
    assert same(read_trajectory(written[0]), trajectory)
    write_study(path, study)
    assert not (path / "runs").exists(), "runs of an earlier study go with it"


def test_a_trajectory_comes_back_with_its_ledger(trajectory: Trajectory, tmp_path: Path) -> None:
    path = write_trajectory(tmp_path / "run", trajectory)
    assert is_trajectory(path)
    found = read_trajectory(path)
    assert same(found, trajectory)
    manifest = json.loads((path / "trajectory.json").read_text())
    assert manifest["headline"] == settle(trajectory.scenario, trajectory.schedule).summary()
    assert (manifest["policy"], manifest["seed"], manifest["clips"][0]["count"]) == ("grid-first", 7, 2)
    assert pl.read_parquet(path / "series.parquet").height == trajectory.scenario.timeline.steps
    with pytest.raises(DataError, match="is not a trajectory folder"):
        write_trajectory(tmp_path, trajectory)
