"""Whole pages of a study and of one simulated run: order, tables, escaping, atomic writing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from joulewright.errors import DataError
from joulewright.model import Clip, Happening, JobRecord, Trajectory
from joulewright.report.course import Course, course_of, course_text
from joulewright.report.study_page import render_study_report, write_study_report
from joulewright.report.trajectory_page import render_trajectory_report, write_trajectory_report

STUDY_ORDER = ["decision", "validity", "policies", "regret", "differences", "sweep", "fans", "weeks", "timeline",
               "runs", "sources"]  # fmt: skip
STUDY_CHARTS = {"means", "regret", "differences", "sweep", "fans", "weeks", "timeline"}
HOSTILE = "<script>alert(1)</script>"


def sections(text: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', text)


def charts(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="jw-spec">(.*?)</script>', text, re.S)
    assert found is not None
    spec: dict[str, Any] = json.loads(found[1])["charts"]
    return spec


@pytest.fixture(scope="module")
def page(study_report_case: Any) -> str:
    study = study_report_case.make_study(
        ("calm", "middle", "eager"),
        variants=study_report_case.sweep(),
        seeds=(0, 1, 2),
        failed={("eager", 1): "it broke"},
    )
    return render_study_report(study, document={"command": ["jw", "simulate", "a b.toml"], "written": "2026-01-01"})


def test_sections_stand_in_reading_order(page: str) -> None:
    assert sections(page) == STUDY_ORDER
    assert re.findall(r'<a href="#(\w+)">', page) == STUDY_ORDER


def test_every_chart_has_a_title_a_label_units_and_a_table(page: str) -> None:
    spec = charts(page)
    assert set(spec) == STUDY_CHARTS
    for name, chart in spec.items():
        assert chart["label"].endswith("."), name
        counts = [len(chart["views"])]
        for stride in chart["strides"].values():
            assert counts[-1] % stride == 0
        for view in chart["views"]:
            axes = [view["axis"]] if isinstance(view["axis"], str) else [p["axis"] for p in view.get("panels", ())]
            assert all(re.search(r"\[.+\]$", axis) for axis in axes), (name, axes)
    for figure in re.findall(r"<figure>.*?</figure>", page, re.S):
        assert "<h3>" in figure
        assert "<table>" in figure


def test_selectors_offer_what_the_views_hold(page: str) -> None:
    for name, chart in charts(page).items():
        sizes = [int(group.rsplit("-", 1)[1]) for group in chart["strides"]]
        views = len(chart["views"])
        assert not sizes or views == _product(sizes), name


def _product(sizes: list[int]) -> int:
    return sizes[0] * _product(sizes[1:]) if sizes else 1


def test_provenance_names_command_files_and_versions(page: str) -> None:
    assert "jw simulate a b.toml" in page
    assert "2026-01-01" in page
    assert "joulewright 0.1.0" in page
    assert "prices.csv" in page
    assert "4f4f4f" in page
    assert "Apache ECharts" in page


def test_a_page_asks_for_nothing_from_outside(page: str) -> None:
    own = re.sub(r"<script>var echarts=.*?</script>|<pre>.*?</pre>", "", page, flags=re.S)
    assert not re.search(r"https?://", re.sub(r"/\*.*?\*/", "", own, flags=re.S))
    assert not re.search(r"<(script|img|iframe|source)\b[^>]*\ssrc=", own)


def test_names_and_errors_are_text(study_report_case: Any) -> None:
    study = study_report_case.make_study(
        (HOSTILE, "calm"), name=HOSTILE, notes=(HOSTILE,), failed={("calm", 0): HOSTILE}, forecast=HOSTILE
    )
    text = render_study_report(study)
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"policies": ("calm",), "seeds": (0,), "oracle": False},
        {"days": 1},
        {"years": (2020, 2021), "seeds": (4,)},
        {"failed": {(policy, seed): "broken" for policy in ("calm", "eager") for seed in range(5)}, "oracle": False},
        {"seeds": range(60), "days": 1},
    ],
)
def test_studies_of_all_sizes_have_a_page(study_report_case: Any, changes: dict[str, Any]) -> None:
    text = render_study_report(study_report_case.make_study(**changes))
    found = sections(text)
    assert {"decision", "validity", "runs", "sources"} <= set(found)
    assert found == [name for name in STUDY_ORDER if name in found]


def test_a_failed_write_leaves_the_earlier_page(study_report_case: Any, tmp_path: Path) -> None:
    study = study_report_case.make_study(days=1)
    target = tmp_path / "report.html"
    assert write_study_report(target, study) == target
    assert target.read_text("utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the report .*file/report.html"):
        write_study_report(tmp_path / "file" / "report.html", study)


# ---------------------------------------------------------------- one simulated run


@pytest.fixture
def trajectory(tiny: Any) -> Trajectory:
    """Three jobs on four steps: one broken by a failure, one that starts within a step, one that never ran."""
    jobs = tuple(tiny.job(name, kind="pausable", duration_h=3.0, gpus=40) for name in ("broken", "whole", "absent"))
    scenario = tiny.scenario(tiny.site(4), steps=4, training=jobs)
    fine = {"frees_at_end": True}
    schedule = tiny.schedule(
        scenario,
        jobs={
            "broken": [tiny.run(0, 1, lost_h=0.25, last_fraction=0.5, **fine), tiny.run(2, 4, **fine)],
            "whole": [tiny.run(1, 4, first_fraction=0.25, last_fraction=0.5, **fine)],
        },
    )
    return Trajectory(
        scenario=scenario,
        schedule=schedule,
        policy="grid-first",
        seed=7,
        jobs={
            "broken": JobRecord(job="broken", release_h=0.0, start_h=0.0, end_h=None, done_fraction=0.75),
            "whole": JobRecord(job="whole", release_h=0.0, start_h=1.75, end_h=3.5, done_fraction=1.0),
            "absent": JobRecord(job="absent", release_h=0.0),
        },
        clips=(Clip(step=1, component="a/store", quantity="discharge_mw", asked=9.0, allowed=5.0, count=2),),
        happenings=(
            Happening(start_h=0.5, end_h=1.0, kind="grid-outage", where="a", detail="as announced"),
            Happening(start_h=0.5, end_h=0.5, kind="job-restart", where="broken"),
        ),
        notes=("forecasts: day-ahead",),
    )


def test_a_simulated_run_has_the_sections_of_a_plan_that_make_sense(trajectory: Trajectory) -> None:
    found = sections(render_trajectory_report(trajectory))
    assert found[:4] == ["decision", "validity", "happenings", "balance"]
    assert {"jobs", "curves", "carbon", "ledger", "sources"} <= set(found)
    assert not {"rivals", "front"} & set(found)


def test_runs_of_jobs_keep_their_fractions_of_steps(trajectory: Trajectory) -> None:
    text = render_trajectory_report(trajectory)
    items = {row["name"]: row["items"][0] for row in charts(text)["jobs"]["views"][0]["rows"]}
    assert [run[:2] for run in items["broken"]["runs"]] == [[0.0, 0.5], [2.0, 4.0]]
    assert [run[:2] for run in items["whole"]["runs"]] == [[1.75, 3.5]]
    assert items["absent"]["runs"] == []
    facts = dict(items["broken"]["facts"])
    assert facts["Course"] == "2 runs with 1.5 h between them: 1 failure that undid 15 min of work"
    assert facts["At the end"] == "75\u202f% of the work is done"
    assert dict(items["whole"]["facts"])["Starts"] == "Mon 4 Jul 2022, 01:45"
    assert items["absent"]["reason"].startswith("Did not run within the horizon.")
    assert "2022-07-04 01:45" in text
    assert "2 jobs ran, 1 not finished at the end, 1 job never started, 1 run ended by a failure." in text


def test_a_run_says_what_was_cut_and_what_happened(trajectory: Trajectory) -> None:
    text = render_trajectory_report(trajectory, run_document={"command": "jw simulate x"})
    assert "Decisions cut in 2 steps" in text
    assert "a/store (discharge_mw)" in text
    assert "as announced" in text
    assert "1 of 3 training jobs finished" in text
    assert "Perfect foresight: prices" not in text
    assert "<dt>Seed</dt><dd>7</dd>" in text
    assert charts(text)["happenings"]["least"] > 0


def test_a_quiet_run_has_no_timeline(trajectory: Trajectory, study_report_case: Any, tmp_path: Path) -> None:
    quiet = study_report_case.replace(trajectory, happenings=(), clips=())
    path = write_trajectory_report(tmp_path / "run.html", quiet)
    text = path.read_text("utf-8")
    assert "happenings" not in sections(text)
    assert "No decision was cut" in text


def test_a_course_counts_moves_and_sizes(tiny: Any) -> None:
    scenario = tiny.scenario(tiny.site(9), steps=9)
    entry = tiny.schedule(scenario.with_changes(training=(tiny.job(),)), jobs={"train": []}).jobs["train"]
    runs = (tiny.run(0, 2), tiny.run(2, 3, accelerators=20.0), tiny.run(5, 6, site="b"), tiny.run(8, 9, site="b"))
    course = course_of(scenario.timeline, type(entry)(job="train", segments=runs))
    assert course == Course(runs=3, pauses=1, failures=0, resizes=1, between_h=4.0, lost_h=0.0, path=("a", "b"))
    assert course_text(course) == "3 runs with 4 h between them: 1 pause, 1 move (a → b), 1 change of size"
    assert course_text(course_of(scenario.timeline, entry)) == ""


def test_a_long_path_is_cut() -> None:
    text = course_text(Course(runs=9, path=tuple(f"s{n}" for n in range(9))))
    assert text == "9 runs: 8 moves (s0 → s1 → s2 → s3 → s4 → s5 → s6 …)"
