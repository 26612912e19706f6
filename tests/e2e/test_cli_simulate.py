"""``jw simulate`` and ``jw compare`` of its studies, from scenario to tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from joulewright.account import settle
from joulewright.cli.main import run as run_jw
from joulewright.io import read_trajectory
from joulewright.study import read_study

POLICIES = ("--policy", "grid-first", "--policy", "cheapest-window+cheapest")
FIRST, SECOND = "grid-first+first-fit+nearest", "solar-first+cheapest-window+cheapest"
FILES = {"study.json", "outcomes.parquet", "state.json", "state.parquet"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that no other test fills."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("JOULEWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, small_text: str, series_of: Callable[[int], str]) -> Path:
    """A folder with the small scenario and a study of two policies under three seeds."""
    folder = tmp_path_factory.mktemp("studied")
    (folder / "series.csv").write_text(series_of(24), encoding="utf-8")
    (folder / "scenario.toml").write_text(small_text, encoding="utf-8")
    options = [*POLICIES, "--seeds", "3", "--engine", "serial", "--no-cache", "-q", "--json"]
    assert run_jw(["simulate", str(folder / "scenario.toml"), *options, "-o", str(folder / "study")]) == 0
    return folder


def test_a_study_holds_what_it_promises(studied: Path) -> None:
    folder = studied / "study"
    assert {path.name for path in folder.iterdir()} >= FILES
    manifest = json.loads((folder / "study.json").read_text())
    assert manifest["schema_version"] == "joulewright/study/1"
    assert (manifest["policies"], manifest["seeds"], manifest["forecast"]) == ([FIRST, SECOND], [0, 1, 2], "day-ahead")
    rows = pl.read_parquet(folder / "outcomes.parquet")
    assert rows.height == 3 * 2 + 1
    assert rows["regret"].is_not_null().all()
    assert rows["benefit"].min() <= rows.filter(pl.col("policy") == "oracle")["benefit"][0] + 1e-6
    study = read_study(folder)
    assert [summary.policy for summary in study.summaries] == [FIRST, SECOND, "oracle"]
    assert study.summaries[1].figures["cost"].count == 3
    assert {item.test for item in study.comparisons} >= {"paired-t"}


def test_a_study_has_a_report_that_can_be_written_again(studied: Path, jw, tmp_path: Path) -> None:
    page = (studied / "study" / "report.html").read_text("utf-8")
    assert "Choose " in page or "No policy is clearly best" in page
    outcome = jw("report", studied / "study", "-o", tmp_path / "again.html", "--json")
    assert (outcome.status, outcome.document["report"]) == (0, str(tmp_path / "again.html"))
    again = (tmp_path / "again.html").read_text("utf-8")
    assert "<title>two-sites: study of policies</title>" in again
    assert "<dt>Command</dt>" in again


def test_a_single_run_has_a_report_of_its_own(studied: Path, jw, tmp_path: Path) -> None:
    scenario, folder = studied / "scenario.toml", tmp_path / "one"
    assert jw("simulate", scenario, "--policy", FIRST, "--no-oracle", "--no-report", "-o", folder, "-q").status == 0
    assert not (folder / "report.html").exists()
    run = folder / "runs" / f"{FIRST}-seed-0"
    assert jw("report", run, "-q").status == 0
    page = (run / "report.html").read_text("utf-8")
    assert "<title>two-sites: simulated run</title>" in page
    assert f"Policy: {FIRST}" in page


def test_figures_are_those_of_the_ledger(studied: Path, jw, tmp_path: Path) -> None:
    outcome = jw(
        "simulate", studied / "scenario.toml", "--policy", SECOND, "--seed", 2, "-o", tmp_path / "one", "--json"
    )
    assert outcome.status == 0, outcome.stderr
    study = read_study(tmp_path / "one")
    for name, policy in ((f"{SECOND}-seed-2", SECOND), ("oracle-seed-2", "oracle")):
        trajectory = read_trajectory(tmp_path / "one" / "runs" / name)
        ledger = settle(trajectory.scenario, trajectory.schedule).summary()
        (found,) = study.runs(policy=policy)
        assert found.figures.keys() == ledger.keys()
        for key, value in ledger.items():
            assert found.figures[key] == (value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), key
    same = next(run for run in read_study(studied / "study").runs(policy=SECOND) if run.key.seed == 2)
    assert same.figures == next(study.runs(policy=SECOND)).figures


def test_tables_and_one_document(studied: Path, jw) -> None:
    options = (studied / "scenario.toml", *POLICIES, "--seeds", 2, "--engine", "serial")
    outcome = jw("simulate", *options)
    assert outcome.status == 0, outcome.stderr
    assert f"{SECOND} less {FIRST}" in " ".join(outcome.stdout.split())
    assert "regret share" in outcome.stdout
    assert "\x1b" not in outcome.stdout + outcome.stderr
    document = jw("simulate", *options, "--json").document
    assert document["command"] == "simulate"
    assert all(run["cached"] for run in document["runs"])
    (cost,) = [item for item in document["comparisons"] if item["figure"] == "cost"]
    assert cost["difference"]["count"] == 2


def test_engines_give_the_same_study(small: Path, jw, tmp_path: Path) -> None:
    options = (*POLICIES, "--seeds", "4,9", "--series", "--no-oracle", "--no-cache", "-q")
    for engine in ("serial", "local"):
        outcome = jw("simulate", small, *options, "--engine", engine, "-o", tmp_path / engine)
        assert outcome.status == 0, outcome.stderr
    one, other = (read_study(tmp_path / engine) for engine in ("serial", "local"))
    assert [(run.key, run.figures, run.input_sha256) for run in one.outcomes] == [
        (run.key, run.figures, run.input_sha256) for run in other.outcomes
    ]
    for path in (tmp_path / "serial" / "runs").iterdir():
        twin = tmp_path / "local" / "runs" / path.name
        assert (path / "series.parquet").read_bytes() == (twin / "series.parquet").read_bytes()
    assert len(list((tmp_path / "serial" / "runs").iterdir())) == 4


def test_variants_of_a_value(small: Path, jw) -> None:
    sweep = "site.west.battery.cells.energy=0 MWh,8 MWh"
    outcome = jw("simulate", small, "--policy", "price-threshold", "--set", sweep, "--set", "carbon.price=5 USD/t",
                 "--no-oracle", "--engine", "serial", "--json")  # fmt: skip
    assert outcome.status == 0, outcome.stderr
    document = outcome.document
    names = [f"site.west.battery.cells.energy={size} MWh" for size in (0, 8)]
    assert [variant["name"] for variant in document["variants"]] == names
    used = {run["variant"]: run["discharge_mwh"] for run in document["runs"]}
    assert used[names[0]] == 0.0
    assert document["comparisons"][0]["reference_variant"] == names[0]


def test_years_need_series_that_reach_them(small: Path, series_of, jw) -> None:
    refused = jw("simulate", small, "--policy", "grid-first", "--years", "2021", "--json")
    assert refused.status == 3
    assert "the study has not started" in refused.stderr
    text = small.read_text().replace("series.csv", "series_{year}.csv")
    small.write_text(text)
    for year in (2021, 2022):
        (small.parent / f"series_{year}.csv").write_text(series_of(24).replace("2022-", f"{year}-"))
    outcome = jw("simulate", small, "--policy", "grid-first", "--years", "2021,2022", "--no-oracle", "--json")
    assert outcome.status == 0, outcome.stderr
    assert [run["year"] for run in outcome.document["runs"]] == [2021, 2022]
    costs = {run["cost"] for run in outcome.document["runs"]}
    assert len(costs) == 1, "the same series on another date"


def test_events_can_be_switched_off(edited, jw) -> None:
    event = '[[event]]\nkind = "grid-outage"\nsite = "east"\nstart = 2022-07-04T10:00:00Z\nend = 2022-07-04T14:00:00Z\n'
    scenario = edited(("[[region]]", f"{event}[[region]]"))
    options = ("simulate", scenario, "--policy", "grid-first", "--no-oracle", "--engine", "serial", "--json")
    dark, bright = (jw(*options, flag).document["runs"][0] for flag in ("--events", "--no-events"))
    assert dark["unserved_mwh"] > 0.0
    assert bright["unserved_mwh"] == 0.0


def test_a_plan_carried_out_without_disturbance_costs_what_it_said(studied: Path, jw, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    assert jw("plan", studied / "scenario.toml", "-o", plan, "--no-report", "-q").status == 0
    planned = json.loads((plan / "run.json").read_text())["headline"]
    options = ("--plan", plan, "--policy", "grid-first", "--forecast", "perfect", "--no-oracle", "--json")
    outcome = jw("simulate", studied / "scenario.toml", *options)
    assert outcome.status == 0, outcome.stderr
    (found,) = [run for run in outcome.document["runs"] if run["policy"] == f"plan {plan}"]
    for figure in ("benefit", "cost", "carbon_kg", "import_mwh", "jobs_done"):
        assert found[figure] == pytest.approx(planned[figure], rel=1e-9), figure
    assert jw("simulate", studied / "scenario.toml", "--plan", tmp_path / "none").status == 6


def test_list_shows_rules_and_forecasters(jw) -> None:
    outcome = jw("simulate", "--list")
    assert outcome.status == 0
    for name in ("receding-horizon", "cheapest-window", "nearest", "day-ahead"):
        assert name in outcome.stdout
    kinds = {row["kind"] for row in jw("simulate", "--list", "--json").document["rules"]}
    assert kinds == {"dispatch", "forecast", "jobs", "policy", "routing"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policy", "grid-frist"], "did you mean 'grid-first'"),
        (["--policy", "grid-first:power=3"], "no option 'power'"),
        (["--policy", "grid-first+solar-first"], "both decide dispatch"),
        (["--policy", "oracle"], "part of every study"),
        (["--policy", "grid-first", "--forecast", "perfekt"], "did you mean 'perfect'"),
        ([], "--policy is missing"),
        (["--policy", "grid-first", "--seeds", "3,3"], "seed 3 is given 2 times"),
        (["--policy", "grid-first", "--seeds", "0"], "allowed are 1 to 100000"),
        (["--policy", "grid-first", "--seeds", "many"], "no list of seeds"),
        (["--policy", "grid-first", "--seed", "1", "--seed", "1"], "seed 1 is given 2 times"),
        (["--policy", "grid-first", "--seed", "-1"], "seed -1 is negative"),
        (["--policy", "grid-first", "--seed", "1", "--seeds", "2"], "give one of them"),
        (["--policy", "grid-first", "--years", "2021,2021"], "year 2021 is given 2 times"),
        (["--policy", "grid-first", "--engine", "dask"], "belong together"),
        (["--policy", "grid-first", "--address", "tcp://a:1"], "belong together"),
        (["--policy", "grid-first", "--engine", "serial", "--jobs", "2"], "for the local engine"),
        (["--policy", "grid-first", "--fail-if", "colour > 3", "--no-oracle"], "no figure of a run"),
    ],
)
def test_usage_errors(options: list[str], words: str, small: Path, jw) -> None:
    outcome = jw("simulate", small, *options)
    assert outcome.status == 2
    assert words in outcome.stderr


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("site.west.battery.cells.energy=8 MWh,8 MWh", "listed twice"),
        ("site.west.battery.cels.energy=8 MWh,9 MWh", "cels"),
        ("site.west.battery.cells.energy=8 MWh,9 MW", "energy=9 MW"),
    ],
)
def test_sweeps_that_are_not_valid(override: str, words: str, small: Path, jw) -> None:
    outcome = jw("simulate", small, "--policy", "grid-first", "--set", override)
    assert outcome.status == 3
    assert words in outcome.stderr


def test_no_scenario(jw, tmp_path: Path) -> None:
    assert jw("simulate", "--policy", "grid-first").status == 2
    assert jw("simulate", tmp_path / "none.toml", "--policy", "grid-first").status == 3


def test_a_folder_that_is_no_study_is_not_replaced(small: Path, jw, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    outcome = jw("simulate", small, "--policy", "grid-first", "-o", tmp_path / "photos")
    assert outcome.status == 6
    assert "is not a study folder" in outcome.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_gate_on_means_and_ends_of_intervals(studied: Path, jw) -> None:
    options = (studied / "scenario.toml", *POLICIES, "--seeds", 2, "--engine", "serial", "-q")
    assert jw("simulate", *options, "--fail-if", "unserved_mwh > 0 or failed > 0").status == 0
    failed = jw("simulate", *options, "--fail-if", "regret_fraction >= 0", "--json")
    assert failed.status == 7
    assert failed.document["error"]["code"] == "gate-failed"
    assert jw("compare", studied / "study", "--fail-if", "cost_high < 0").status == 0
    assert jw("compare", studied / "study", "--fail-if", "cost_low > 0").status == 7


def test_an_address_nobody_answers_at_is_exit_6(small: Path, jw_process) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    options = ("--policy", "grid-first", "--engine", "dask", "--address", "tcp://127.0.0.1:9", "--json")
    outcome = jw_process("simulate", small, *options, timeout_s=30.0)
    assert outcome.status == 6
    assert "no Dask scheduler answers at" in outcome.document["error"]["message"]


PLUGIN = """
from dataclasses import dataclass
import os
from joulewright.policy.base import AbstractDispatchRule
from joulewright.policy.decision import SitePower
from joulewright.policy.registry import register

@register("moody", kind="dispatch", summary="gives up in a step, or takes its process along")
@dataclass(frozen=True, kw_only=True)
class Moody(AbstractDispatchRule):
    way: str = "raise"
    def step(self, state, observation, site):
        if observation.step == 5:
            if self.way == "exit":
                os._exit(9)
            raise ZeroDivisionError("moody today")
        return SitePower(), state
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """Environment in which another package has registered a policy that fails."""
    folder = tmp_path / "site"
    metadata = folder / "moody-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "moody.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[joulewright.policies]\nmoody = moody\n")
    return {"PYTHONPATH": str(folder)}


def test_a_policy_that_fails_does_not_take_others_along(small: Path, jw_process, plugin, tmp_path: Path) -> None:
    """One policy raises, another ends its process: their runs are failed, the others finish, exit code 5."""
    policies = ("--policy", "grid-first", "--policy", "moody", "--policy", "moody:way=exit")
    options = ("--seeds", "2", "--no-oracle", "--jobs", "2", "-o", "study", "--json")
    outcome = jw_process("simulate", small, *policies, *options, env=plugin)
    assert outcome.status == 5, outcome.stderr
    document = outcome.document
    assert [run["status"] for run in document["runs"]] == ["ok", "failed", "failed"] * 2
    errors = [item["error"] for item in document["failed"]]
    assert "moody today" in errors[0]
    assert errors[1] == "the worker process ended with status 9"
    assert "seed 0 failed" in outcome.stderr
    assert pl.read_parquet(tmp_path / "study" / "outcomes.parquet")["cost"].null_count() == 4


def settled_count(cache: Path) -> int:
    """Finished runs once processes of a killed study have ended theirs."""
    counts = [-1]
    while len(counts) < 20 or len(set(counts[-20:])) > 1:
        counts.append(len(list(cache.rglob("*.run"))))
        time.sleep(0.05)
    return counts[-1]


def heed_interrupts() -> None:
    """What runs in the background of a shell ignores interrupts, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_killed_study_goes_on_where_it_was(small: Path, own_cache: Path, jw) -> None:
    arguments = ["simulate", str(small), "--policy", "cheapest-window", "--seeds", "60", "--no-oracle"]
    command = [sys.executable, "-m", "joulewright.cli.main", *arguments, "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60.0
    while len(list(own_cache.rglob("*.run"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = settled_count(own_cache)
    assert 3 <= kept < 60
    victim = sorted(own_cache.rglob("*.run"))[0]
    victim.write_bytes(victim.read_bytes()[:-1])
    outcome = jw(*arguments, "--engine", "serial", "--json")
    assert outcome.status == 0, outcome.stderr
    runs = outcome.document["runs"]
    assert len(runs) == 60
    assert sum(run["cached"] for run in runs) == kept - 1
    assert sum("was damaged; it was computed again" in note for note in outcome.document["notes"]) == 1
    assert not list(own_cache.rglob("*.part"))


def test_interrupt_keeps_what_is_finished(small: Path, own_cache: Path) -> None:
    command = [sys.executable, "-m", "joulewright.cli.main", "simulate", str(small), "--policy", "cheapest-window",
               "--seeds", "200", "--no-oracle", "--jobs", "2"]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    deadline = time.monotonic() + 60.0
    while not list(own_cache.rglob("*.run")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to go on" in errors


def test_a_terminal_gets_a_progress_line_and_a_pipe_none(small: Path) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals exist on POSIX systems only")
    command = [sys.executable, "-m", "joulewright.cli.main", "simulate", str(small), "--policy", "grid-first",
               "--seeds", "8", "--no-oracle", "--engine", "serial", "--no-cache"]  # fmt: skip
    master, terminal = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, timeout=120, check=False)
        os.set_blocking(master, False)
        drawn = os.read(master, 1 << 16).decode()
    finally:
        os.close(master)
        os.close(terminal)
    assert "\r\x1b[2K" in drawn
    assert "/8 runs" in drawn
    piped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "\x1b" not in piped.stderr
    assert "/8 runs" not in piped.stderr


def test_compare_puts_studies_and_plans_side_by_side(studied: Path, small: Path, jw, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    assert jw("plan", studied / "scenario.toml", "-o", plan, "--no-report", "-q").status == 0
    outcome = jw("compare", studied / "study", plan)
    assert outcome.status == 0, outcome.stderr
    text = " ".join(outcome.stdout.split())
    assert f"{SECOND} less {FIRST}" in text
    assert f"less {FIRST}" in text
    document = jw("compare", studied / "study", plan, "--json").document
    assert list(document["plans"]) == [FIRST, SECOND, "oracle", str(plan)]
    (cost,) = [item for item in document["comparisons"] if item["figure"] == "cost" and item["policy"] == str(plan)]
    plans = document["plans"]
    assert cost["difference"]["mean"] == pytest.approx(plans[str(plan)]["cost"] - plans[FIRST]["cost"])
    assert cost["difference"]["count"] == 3


def test_compare_pairs_two_studies_by_seed(studied: Path, jw, tmp_path: Path) -> None:
    other = tmp_path / "other"
    options = (
        "--policy",
        "price-threshold",
        "--seeds",
        "1,2,7",
        "--no-oracle",
        "--engine",
        "serial",
        "-o",
        other,
        "-q",
    )
    assert jw("simulate", studied / "scenario.toml", *options).status == 0
    outcome = jw("compare", studied / "study", other, "--json")
    assert outcome.status == 0, outcome.stderr
    found = [item for item in outcome.document["comparisons"] if item["policy"].startswith(str(other))]
    assert {(item["difference"]["count"], item["left_out"]) for item in found} == {(2, 2)}


def test_compare_refuses_what_is_unlike(studied: Path, edited, jw, tmp_path: Path) -> None:
    scenario = edited(("end = 2022-07-05T00:00:00Z", "end = 2022-07-04T22:00:00Z"))
    options = ("--policy", "grid-first", "--no-oracle", "--engine", "serial", "-q")
    assert jw("simulate", scenario, *options, "-o", tmp_path / "short").status == 0
    assert jw("plan", scenario, "-o", tmp_path / "plan", "--no-report", "-q").status == 0
    for other in ("short", "plan"):
        outcome = jw("compare", studied / "study", tmp_path / other)
        assert outcome.status == 3
        assert "timeline" in outcome.stderr
    assert jw("compare", studied / "study", "--baselines").status == 2


def test_a_changed_study_is_refused(studied: Path, jw, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(studied / "study", tmp_path / "copy"))
    state = copy / "state.json"
    state.write_text(state.read_text().replace("two-sites", "two-sitez"))
    outcome = jw("compare", copy)
    assert outcome.status == 6
    assert "was changed" in outcome.stderr


def test_an_earlier_study_is_replaced_as_a_whole(small: Path, jw, tmp_path: Path) -> None:
    target = tmp_path / "study"
    options = ("--no-oracle", "--engine", "serial", "-q", "-o", target)
    assert jw("simulate", small, "--policy", "grid-first", *options).status == 0
    assert len(list((target / "runs").iterdir())) == 1
    assert jw("simulate", small, *POLICIES, *options).status == 0
    assert not (target / "runs").exists()
    assert read_study(target).policies == (FIRST, SECOND)


def test_a_study_from_a_script(small: Path, tmp_path: Path) -> None:
    """The same from Python, with processes of its own below a guard."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from joulewright.study import StudyRequest, run_study
            from joulewright.study.engines import LocalEngine

            if __name__ == "__main__":
                request = StudyRequest(scenario={str(small)!r}, policies=("grid-first",), seeds=(0, 1), oracle=False)
                study = run_study(request, engine=LocalEngine(jobs=2))
                print(len(study.outcomes), study.failed)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "2 ()\n", done.stderr
