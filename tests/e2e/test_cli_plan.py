"""``jw plan`` and the commands that read its runs, from scenario to report."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from joulewright.cli.main import run as run_jw
from joulewright.cli.plan import verdict
from joulewright.io import read_run

RUN_FILES = {"run.json", "state.json", "state.parquet", "series.parquet", "schedule.parquet", "ledger.parquet"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, small_text: str, series_of: Callable[[int], str]) -> Path:
    """A folder with the small scenario and one run of it, baselines included."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "series.csv").write_text(series_of(24), encoding="utf-8")
    (folder / "scenario.toml").write_text(small_text, encoding="utf-8")
    status = run_jw(
        ["plan", str(folder / "scenario.toml"), "-o", str(folder / "run"), "--baselines", "--quiet", "--json"]
    )
    assert status == 0
    return folder


@pytest.fixture
def run_copy(planned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(planned / "run", tmp_path / "copy"))


def test_a_run_holds_what_it_promises(planned: Path) -> None:
    names = {path.name for path in (planned / "run").iterdir()}
    assert names >= RUN_FILES | {"report.html"}
    document = json.loads((planned / "run" / "run.json").read_text())
    assert document["plan"]["exists"] is True
    assert document["plan"]["gap"] <= 0.001
    assert document["command"][-1] or document["command"]
    assert len(document["comparisons"]) == 5
    report = (planned / "run" / "report.html").read_text(encoding="utf-8")
    assert "two-sites" in report
    assert "greedy" in report


def test_plan_prints_figures_and_one_document(small: Path, jw, tmp_path: Path) -> None:
    outcome = jw("plan", small, "-o", tmp_path / "run", "--no-report", "--json")
    assert outcome.status == 0, outcome.stderr
    document = outcome.document
    assert document["command"] == "plan"
    assert document["violations"] == []
    figures = document["figures"]
    assert figures["gap"] <= 0.001
    assert figures["jobs_done"] == 1
    assert abs(figures["benefit"] - (figures["value"] - figures["cost"])) < 1e-6 * abs(figures["benefit"])
    assert not (tmp_path / "run" / "report.html").exists()
    assert str(tmp_path / "run") in document["written"]


def test_plan_without_output_writes_nothing(small: Path, jw, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    outcome = jw("plan", small)
    assert outcome.status == 0, outcome.stderr
    assert "certified gap" in outcome.stdout
    assert "proven" in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_quiet_leaves_stderr_empty(small: Path, jw) -> None:
    outcome = jw("plan", small, "--quiet")
    assert outcome.status == 0
    assert outcome.stderr == ""
    assert "\x1b" not in outcome.stdout


@pytest.mark.parametrize("strategy", ["guided", "exact"])
def test_strategies_agree(strategy: str, small: Path, jw, planned: Path) -> None:
    wanted = json.loads((planned / "run" / "run.json").read_text())["headline"]["benefit"]
    found = jw("plan", small, "--strategy", strategy, "--json").document["figures"]["benefit"]
    assert found == pytest.approx(wanted, rel=0.002)


def test_same_seed_and_work_limit_give_the_same_plan(small: Path, jw) -> None:
    options = ("--seed", 3, "--threads", 1, "--work-limit", 50, "--json")
    one, two = (jw("plan", small, *options).document["figures"] for _ in range(2))
    assert {**one, "cpu_s": 0} == {**two, "cpu_s": 0}


def test_without_a_battery_the_plan_is_no_better(small: Path, jw, planned: Path) -> None:
    best = json.loads((planned / "run" / "run.json").read_text())["headline"]["benefit"]
    outcome = jw("plan", small, "--without", "battery,export", "--without", "routing", "--json")
    assert outcome.status == 0
    assert outcome.document["figures"]["benefit"] <= best * 1.002
    assert outcome.document["figures"]["discharge_mwh"] == 0.0
    assert outcome.document["figures"]["export_mwh"] == 0.0


def test_set_changes_one_value(small: Path, jw) -> None:
    bigger = jw("plan", small, "--set", "site.west.battery.cells.energy=0 MWh", "--json")
    assert bigger.status == 0
    assert bigger.document["figures"]["discharge_mwh"] == 0.0


def test_exports(small: Path, jw, tmp_path: Path) -> None:
    targets = [tmp_path / f"schedule{suffix}" for suffix in (".csv", ".parquet", ".json")]
    outcome = jw("plan", small, *(item for target in targets for item in ("--export", target)), "--json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.document["written"] == [str(target) for target in targets]
    assert pl.read_csv(targets[0]).height == pl.read_parquet(targets[1]).height
    assert json.loads(targets[2].read_text())["jobs"][0]["name"] == "tune"


def test_pareto_front_trades_cost_for_carbon(small: Path, jw, tmp_path: Path) -> None:
    series = tmp_path / "series.csv"
    header = "west_g_kwh,east_g_kwh"
    series.write_text(series.read_text().replace(header, "east_g_kwh,west_g_kwh"))  # cheap nights become dirty
    outcome = jw("plan", small, "-o", tmp_path / "run", "--pareto", 4, "--no-report", "--json")
    assert outcome.status == 0, outcome.stderr
    points = sorted(outcome.document["pareto"], key=lambda point: point["carbon_kg"])
    assert len(points) >= 2
    benefits = [point["benefit"] for point in points]
    assert benefits == sorted(benefits)
    assert all(0.0 <= point["gap"] <= 0.001 for point in points)
    assert outcome.stderr.count("point of the front:") >= len(points)
    assert [point.gap for point in read_run(tmp_path / "run").pareto] == [
        point["gap"] for point in outcome.document["pareto"]
    ]


def test_the_plan_is_written_before_its_alternatives(small: Path, jw, tmp_path: Path, monkeypatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit(143)

    monkeypatch.setattr("joulewright.plan.pareto.pareto_front", killed)
    with pytest.raises(SystemExit):
        jw("plan", small, "-o", tmp_path / "run", "--pareto", 4)
    assert read_run(tmp_path / "run").result.schedule is not None
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_better_plan_on_the_front_is_told(small: Path, jw, monkeypatch) -> None:
    def better(*_: object, **__: object) -> list[object]:
        plain = SimpleNamespace(cost=1.0, abatement_cost_per_t=0.0, gap=0.0)
        return [SimpleNamespace(benefit=worth, carbon_kg=1e3, **vars(plain)) for worth in (1e12, 2e12)]

    monkeypatch.setattr("joulewright.plan.pareto.pareto_front", better)
    told = jw("plan", small, "--pareto", 2).stderr
    assert told.count("the front has a plan that is worth more") == 1
    monkeypatch.setattr(
        "joulewright.plan.pareto.pareto_front",
        lambda *_, **__: [SimpleNamespace(benefit=-1e12, carbon_kg=1.0, cost=1.0, abatement_cost_per_t=0.0, gap=0.0)],
    )
    assert "worth more" not in jw("plan", small, "--pareto", 2).stderr


def test_from_keeps_what_runs(small: Path, jw, planned: Path) -> None:
    outcome = jw("plan", small, "--from", planned / "run", "--churn-cost", "500 USD", "--json")
    assert outcome.status == 0, outcome.stderr
    other = jw("plan", small, "--from", planned / "run", "--churn-cost", "500 EUR")
    assert other.status == 3
    assert "EUR" in other.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gap", "1.5"], "0.1 %"),
        (["--gap", "tight"], "0.1 %"),
        (["--time-limit", "soon"], "5 min"),
        (["--time-limit", "0"], "above 0"),
        (["--work-limit", "-1"], "work-limit"),
        (["--without", "batery"], "battery"),
        (["--strategy", "magic"], "guided"),
        (["--threads", "0"], "threads"),
        (["--export", "schedule.xls"], ".parquet"),
        (["--pareto", "1"], "pareto"),
        (["--churn-cost", "500 USD"], "--from"),
        (["--sed", "1"], "--seed"),
    ],
)
def test_usage_errors(options: list[str], words: str, small: Path, jw) -> None:
    outcome = jw("plan", small, *options)
    assert outcome.status == 2
    assert words in outcome.stderr
    assert jw("plan", small, *options, "--json").document["error"]["code"] == "usage"


def test_output_below_a_file_stops_before_the_search(small: Path, jw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "file", tmp_path / "file" / "run"):
        outcome = jw("plan", small, "-o", target, "--json")
        assert outcome.status == 6
        assert "is a file" in outcome.document["error"]["message"] or "which is a file" in outcome.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_no_run_is_not_replaced(small: Path, jw, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    outcome = jw("plan", small, "-o", tmp_path / "photos")
    assert outcome.status == 6
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_disk_full_leaves_the_earlier_run_intact(small: Path, run_copy: Path, jw) -> None:
    """A limit on the size of files stands for a full disk: writing fails in the middle."""
    before = {path.name: path.read_bytes() for path in run_copy.iterdir()}
    command = [sys.executable, "-m", "joulewright.cli.main", "plan", str(small), "-o", str(run_copy), "--seed", "7"]
    done = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        env={"PATH": "/usr/bin:/bin", "JOULEWRIGHT_CACHE": str(small.parent / "cache"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "unchanged" in done.stderr
    assert {path.name: path.read_bytes() for path in run_copy.iterdir()} == before
    assert jw("compare", run_copy).status == 0


def test_infeasible_is_explained(edited, jw, tmp_path: Path) -> None:
    scenario = edited(
        ('value = "50000 USD"', 'mandatory = true\nsite = "west"'),
        ('import_limit = "12 MW"', 'import_limit = "1 MW"'),
    )
    outcome = jw("plan", scenario, "-o", tmp_path / "run", "--json")
    assert outcome.status == 4, outcome.stderr
    assert "because" in outcome.stderr.lower()
    assert outcome.document["error"]["code"] == "infeasible"
    assert outcome.document["explanation"]
    assert not (tmp_path / "run").exists()


def test_limit_without_a_plan_claims_none(jw, tmp_path: Path) -> None:
    assert jw("init", tmp_path).status == 0
    limits = ("--strategy", "exact", "--time-limit", "0.001")
    outcome = jw("plan", tmp_path / "scenario.toml", "-o", tmp_path / "run", *limits, "--json")
    assert outcome.status == 5
    assert outcome.document["error"]["code"] == "limit-reached"
    assert "without a plan" in outcome.document["error"]["message"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["exists"] is False
    for command in ("report", "compare"):
        assert jw(command, tmp_path / "run").status == 6


@pytest.mark.parametrize(
    ("status", "gap", "plan", "code", "words"),
    [
        ("optimal", 0.0, True, 0, "proven"),
        ("gap-reached", 0.0009, True, 0, "proven"),
        ("time-limit", 0.02, True, 5, "above the 0.100% asked for"),
        ("time-limit", 0.0005, True, 0, "proven"),
        ("work-limit", 0.02, True, 5, "work limit reached"),
        ("search-ended", 0.02, True, 5, "--time-limit makes the search go on): gap 2.000%"),
        ("interrupted", 0.02, True, 130, "best plan found is kept"),
        ("interrupted", None, False, 130, "no plan was found"),
    ],
)
def test_verdict(status: str, gap: float | None, plan: bool, code: int, words: str) -> None:
    result = SimpleNamespace(status=status, gap=gap, schedule=object() if plan else None, violations=(), seconds=3.0)
    found, sentence = verdict(result, 0.001)
    assert int(found) == code
    assert words in sentence


def test_a_plan_that_breaks_a_limit_is_no_success() -> None:
    result = SimpleNamespace(status="optimal", gap=0.0, schedule=object(), violations=("balance broken",), seconds=1.0)
    assert int(verdict(result, 0.001)[0]) == 1


def test_interrupt_keeps_the_best_plan(tmp_path: Path, jw) -> None:
    assert jw("init", tmp_path / "week").status == 0
    command = [sys.executable, "-m", "joulewright.cli.main", "plan", "week/scenario.toml", "-o", "run", "--gap", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(8.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["plan"]["status"] == "interrupted"


def test_compare_prints_the_baselines_of_the_run(planned: Path, jw) -> None:
    outcome = jw("compare", planned / "run")
    assert outcome.status == 0, outcome.stderr
    for name in ("compute-only", "energy-only", "sequential", "carbon-agnostic", "greedy"):
        assert name in outcome.stdout


def test_compare_adds_another_run_to_the_report(run_copy: Path, small: Path, jw, tmp_path: Path) -> None:
    assert jw("plan", small, "-o", tmp_path / "other", "--without", "battery").status == 0
    outcome = jw("compare", run_copy, tmp_path / "other", "--json")
    assert outcome.status == 0, outcome.stderr
    assert str(tmp_path / "other") in outcome.document["plans"]
    assert str(tmp_path / "other") in (run_copy / "report.html").read_text(encoding="utf-8")


def test_compare_runs_baselines_on_demand(small: Path, jw, tmp_path: Path) -> None:
    assert jw("plan", small, "-o", tmp_path / "run", "--no-report").status == 0
    outcome = jw("compare", tmp_path / "run", "--baselines", "--json")
    assert outcome.status == 0, outcome.stderr
    assert len(outcome.document["plans"]) == 6
    joint = outcome.document["plans"][str(tmp_path / "run")]["benefit"]
    for name, figures in outcome.document["plans"].items():
        assert figures["violations"] or figures["benefit"] <= joint + 0.001 * abs(joint), name
    assert "greedy" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_gate(planned: Path, jw) -> None:
    run = planned / "run"
    assert jw("compare", run, "--fail-if", "gap > 0.5 or unserved_mwh > 1e9").status == 0
    failed = jw("compare", run, "--fail-if", "benefit <= first_benefit", "--json")
    assert failed.status == 7
    assert failed.document["error"]["code"] == "gate-failed"
    assert jw("compare", run, "--fail-if", "gapp > 1").status == 2


def test_runs_of_other_horizons_are_not_compared(run_copy: Path, edited, jw, tmp_path: Path) -> None:
    scenario = edited(("end = 2022-07-05T00:00:00Z", "end = 2022-07-04T22:00:00Z"))
    assert jw("plan", scenario, "-o", tmp_path / "short", "--no-report").status == 0
    outcome = jw("compare", run_copy, tmp_path / "short")
    assert outcome.status == 3
    assert "timeline" in outcome.stderr


def test_report_can_go_elsewhere(planned: Path, jw, tmp_path: Path) -> None:
    outcome = jw("report", planned / "run", "-o", tmp_path / "page.html", "--json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.document["bytes"] == (tmp_path / "page.html").stat().st_size < 2.5e6


def test_explain_job_and_hour(planned: Path, jw) -> None:
    job = jw("explain", planned / "run", "--job", "tune")
    assert job.status == 0, job.stderr
    assert "tune" in job.stdout
    hour = jw("explain", planned / "run", "--hour", "2022-07-04T05:30Z")
    assert hour.status == 0, hour.stderr
    assert "west" in hour.stdout
    assert jw("explain", planned / "run", "--hour", "2022-07-04T05:30Z", "--json").document["explanation"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--job", "tume"], "did you mean 'tune'"),
        (["--hour", "2023-01-01T00:00Z"], "covers 2022-07-04"),
        (["--hour", "noon"], "2022-07-05T12:00Z"),
        ([], "--job NAME"),
        (["--job", "tune", "--hour", "2022-07-04T05:00Z"], "--job NAME"),
    ],
)
def test_explain_refuses(options: list[str], words: str, planned: Path, jw) -> None:
    outcome = jw("explain", planned / "run", *options)
    assert outcome.status == 2
    assert words in outcome.stderr


@pytest.mark.parametrize("command", [["compare"], ["report"], ["explain", "--hour", "2022-07-04T05:00Z"]])
def test_no_run_is_exit_6(command: list[str], jw, tmp_path: Path) -> None:
    outcome = jw(command[0], tmp_path / "nothing", *command[1:], "--json")
    assert outcome.status == 6
    assert outcome.document["error"]["code"] == "unavailable"


def test_a_changed_run_is_refused(run_copy: Path, jw) -> None:
    state = run_copy / "state.json"
    state.write_text(state.read_text().replace("two-sites", "two-sitez"))
    outcome = jw("compare", run_copy)
    assert outcome.status == 6
    assert "was changed" in outcome.stderr


def test_describe_a_run(planned: Path, jw) -> None:
    outcome = jw("data", "describe", planned / "run")
    assert outcome.status == 0
    assert "ledger.parquet" in outcome.stdout
    assert set(jw("data", "describe", planned / "run", "--json").document["files"]) >= RUN_FILES


def test_a_terminal_gets_a_gap_line_and_a_pipe_none(small: Path) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals exist on POSIX systems only")
    command = [sys.executable, "-m", "joulewright.cli.main", "plan", str(small), "--gap", "0"]
    master, terminal = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, timeout=120, check=False)
        os.set_blocking(master, False)
        drawn = os.read(master, 1 << 16).decode()
    finally:
        os.close(master)
        os.close(terminal)
    assert "\r\x1b[2K" in drawn
    assert "bound" in drawn
    piped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "\x1b" not in piped.stderr
