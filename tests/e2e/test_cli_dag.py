"""``jw dag simulate``, ``compare`` and ``bound``: files, tables, documents, and every kind of bad input."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.io.dag_files import write_dag_jobs
from joulewright.model.dag import DagJob, DagStage

GENERATED = "generated:fork-join,jobs=4,seed=1"
TWO = ("--scheduler", "fifo", "--scheduler", "spade:gamma=0.5")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Two days of carbon intensity with clean nights."""
    rows = [
        f"2022-07-{4 + hour // 24:02d}T{hour % 24:02d}:00Z,{100 if hour % 24 < 8 else 400},{hour % 24 * 4}"
        for hour in range(48)
    ]
    path = tmp_path / "signal.csv"
    path.write_text("utc,ci_g_kwh,renewable_pct\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    return write_dag_jobs(tmp_path / "jobs.json", generate_dag_jobs("layered", jobs=3, seed=2))


def test_simulate_without_any_file(jw, tmp_path: Path) -> None:
    outcome = jw("dag", "simulate", GENERATED, "--executors", 8, "-o", tmp_path / "run")
    assert outcome.status == 0, outcome.stderr
    assert "Mean completion time" in outcome.stdout
    for words in ("jobs are made up", "An hour of the signal takes 1 min", "synthetic year of DE-LU", "written:"):
        assert words in outcome.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    tables = {"runs", "summary", "jobs", "bounds", "tasks", "steps"}
    assert names == {"dag.json", "report.html", *(f"{name}.parquet" for name in tables)}


def test_what_a_folder_holds_agrees(jw, jobs: Path, series: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--signal", series, "--hour", "1 min", "--executors", 6, "--power", "500 W", "--idle-power", "0.1 kW")
    outcome = jw("dag", "simulate", jobs, *options, "-o", folder, "--json", "-q")
    assert outcome.stderr == ""
    document = outcome.document
    manifest = json.loads((folder / "dag.json").read_text("utf-8"))
    assert (manifest["schema_version"], manifest["kind"]) == ("joulewright/dag-run/1", "simulate")
    for name, seal in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == seal["sha256"]
    assert manifest["jobs"]["sha256"] == hashlib.sha256(jobs.read_bytes()).hexdigest()
    assert manifest["signal"]["sha256"] == hashlib.sha256(series.read_bytes()).hexdigest()
    assert document["cluster"]["busy_power_kw"] == pytest.approx(0.5)
    (run,) = document["runs"]
    steps, tasks = pl.read_parquet(folder / "steps.parquet"), pl.read_parquet(folder / "tasks.parquet")
    assert steps["cost"].sum() == pytest.approx(run["cost"])
    assert steps["busy_ms"].sum() == run["busy_ms"] == (tasks["finish_ms"] - tasks["start_ms"]).sum()
    assert tasks["finish_ms"].max() == run["makespan_ms"]
    ends = pl.read_parquet(folder / "jobs.parquet")
    assert tasks.group_by("job").agg(pl.col("finish_ms").max()).sort("job")["finish_ms"].to_list() == (
        ends.sort("job")["completion_ms"].to_list()
    )
    assert document["written"] == [str(folder), str(folder / "report.html")]


def test_compare_splits_the_change_and_has_intervals(jw, tmp_path: Path) -> None:
    options = ("--executors", 8, "--starts", 4, "--zone", "US-CAL-CISO")
    outcome = jw("dag", "compare", GENERATED, *TWO, *options, "-o", tmp_path / "run", "--json")
    assert outcome.status == 0, outcome.stderr
    document = outcome.document
    assert len(document["starts"]) == 4
    assert len(document["runs"]) == 8
    for row in document["runs"]:
        base = next(item for item in document["runs"] if item["start"] == row["start"])
        parts = row["change_work"] + row["change_overhead"] + row["change_shift"]
        assert parts == pytest.approx(row["cost"] - base["cost"], abs=1e-9 * row["cost"])
    summary = {(row["scheduler"], row["figure"]): row for row in document["summary"]}
    ratio = summary["spade:gamma=0.5", "cost_ratio"]
    assert ratio["low"] < ratio["mean"] < ratio["high"]
    assert ratio["count"] == 4
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "4 starts, 1 seed" in page


def test_names_in_a_document_end_in_their_unit(jw, jobs: Path, series: Path) -> None:
    """But for costs, whose unit is that of the signal, and numbers without one."""
    outcome = jw("dag", "compare", jobs, "--signal", series, "--hour", "1 min", *TWO, "--json", "-q")
    document = outcome.document
    assert document["signal"]["cost_unit"] == "0.001 kg CO2e"
    assert document["know_future"] == []
    costs = {"cost", "change_cost", "change_work", "change_overhead", "change_shift", "bound", "saved", "headroom",
             "reference"}  # fmt: skip
    bare = {"scheduler", "start", "seed", "steps", "mean_signal", "mean_stretch", "headroom_share", "deferrals",
            "failed_attempts", "executor_failures", "missed_deadlines", "executors"}  # fmt: skip
    units = ("_ms", "_s", "_h", "_kwh", "_kw", "_ratio", "_fraction")
    found = {*document["runs"][0], *document["bounds"][0], *document["cluster"]}
    assert {name for name in found - costs - bare if not name.endswith(units)} == set()


def test_missed_deadlines_are_told(jw, series: Path, tmp_path: Path) -> None:
    """Ten tasks of an hour on two executors end long after 4,000 s."""
    stages = (DagStage(name="s", task_ms=(3_600_000,) * 10),)
    path = write_dag_jobs(
        tmp_path / "late.json", [DagJob(name="a", arrival_ms=0, stages=stages, deadline_ms=4_000_000)]
    )
    outcome = jw("dag", "simulate", path, "--signal", series, "--executors", 2, "-o", tmp_path / "run")
    assert "fifo misses 1 of 1 deadlines, by up to 14,00" in outcome.stderr
    assert "Missed deadlines" in outcome.stdout
    (row,) = pl.read_parquet(tmp_path / "run" / "jobs.parquet").to_dicts()
    assert row["late_ms"] == row["completion_ms"] - 4_000_000 > 14_000_000
    sites = ("--site", "east", "--site", "west", "--placement", "round-robin")
    several = jw("dag", "simulate", path, "--signal", series, "--executors", 2, *sites, "-o", tmp_path / "sites")
    assert "misses 1 of 1 deadlines" in several.stderr
    assert "Missed deadlines" in several.stdout
    assert pl.read_parquet(tmp_path / "sites" / "jobs.parquet")["late_ms"].to_list() == [row["late_ms"]]
    assert "Deadlines are missed" in (tmp_path / "sites" / "report.html").read_text("utf-8")


def test_compare_prints_two_tables(jw, jobs: Path, series: Path) -> None:
    outcome = jw("dag", "compare", jobs, *TWO, "--signal", series, "--hour", "10 s", "--start", "8", "--start", "20")
    assert outcome.status == 0, outcome.stderr
    for words in ("Change of carbon", "from other hours", "Above the bound", "Makespan", "Mean stretch"):
        assert words in outcome.stdout


def test_jobs_of_a_file_meet_the_signal_in_real_time(jw, jobs: Path, series: Path) -> None:
    document = jw("dag", "simulate", jobs, "--signal", series, "--json", "-q").document
    assert document["signal"]["step_ms"] == 3_600_000
    fast = jw("dag", "simulate", jobs, "--signal", series, "--hour", "1 min", "--json", "-q").document
    assert fast["signal"]["step_ms"] == 60_000


def test_the_start_moves_the_signal(jw, jobs: Path, series: Path) -> None:
    options = ("--signal", series, "--json", "-q", "--scheduler", "fifo")
    night = jw("dag", "simulate", jobs, *options, "--start", "2022-07-04T00:00Z").document["runs"][0]
    noon = jw("dag", "simulate", jobs, *options, "--start", "12").document["runs"][0]
    assert night["mean_signal"] == pytest.approx(100.0)
    assert noon["mean_signal"] == pytest.approx(400.0)


def test_green_hadoop_reads_the_renewable_share(jw, jobs: Path, series: Path) -> None:
    options = ("--signal", series, "--hour", "1 min", "--scheduler", "green-hadoop")
    refused = jw("dag", "simulate", jobs, *options)
    assert refused.status == 3
    assert "renewable" in refused.stderr
    assert jw("dag", "simulate", jobs, *options, "--renewable", "renewable_pct").status == 0


def test_executors_that_fail(jw, jobs: Path, series: Path) -> None:
    options = ("--signal", series, "--executors", 6, "--json", "-q")
    steady = jw("dag", "simulate", jobs, *options).document
    failing = jw("dag", "simulate", jobs, *options, "--mean-up", "20 s", "--repair", "5 s").document
    assert steady["cluster"]["mean_up_ms"] is None
    assert (failing["cluster"]["mean_up_ms"], failing["cluster"]["repair_ms"]) == (20_000.0, 5000)
    assert failing["runs"][0]["failed_attempts"] > steady["runs"][0]["failed_attempts"] == 0


def test_bound(jw, tmp_path: Path) -> None:
    outcome = jw("dag", "bound", GENERATED, "--executors", 8, "-o", tmp_path / "run", "--json", "--allow", "24,0")
    assert outcome.status == 0, outcome.stderr
    rows = outcome.document["bounds"]
    assert [row["allowance_h"] for row in rows] == [0.0, 24.0]
    assert rows[1]["cost"] <= rows[0]["cost"] <= outcome.document["reference"]
    work = pl.read_parquet(tmp_path / "run" / "steps.parquet")
    assert work.group_by("allowance_h").agg(pl.col("executors").sum())["executors"].n_unique() in (1, 2)
    assert "fluid bound" in (tmp_path / "run" / "report.html").read_text("utf-8")
    plain = jw("dag", "bound", GENERATED, "--executors", 8, "--end", "30 h")
    assert "horizon: 30 h of the signal (30 steps), as given" in plain.stdout
    again = jw("dag", "bound", GENERATED, "--executors", 8, "-o", tmp_path / "run", "--no-report")
    assert again.status == 0
    assert not (tmp_path / "run" / "report.html").exists()


def test_the_schedulers_are_listed(jw) -> None:
    outcome = jw("dag", "simulate", "--list", "--json")
    assert {"fifo", "sap", "spade"} <= {row["name"] for row in outcome.document["schedulers"]}


def test_a_spark_event_log(jw, tmp_path: Path) -> None:
    log = Path(__file__).parents[1] / "data" / "spark_events.jsonl"
    outcome = jw("dag", "compare", log, *TWO, "--executors", 4, "--hour", "10 s", "-o", tmp_path / "run", "--json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.document["jobs"]["kind"] == "spark"


def test_a_table_of_queries(jw, shared: Path, tmp_path: Path) -> None:
    table = shared / "data" / "dag" / "tpch_dags_2g_10g_50g.json"
    grid = shared / "data" / "grid" / "DE-LU_2022.csv.gz"
    if not (table.is_file() and grid.is_file()):
        pytest.skip("the table of queries or the grid data are not among the reference data")
    options = ("--draw", "jobs=4,seed=2", "--signal", grid, "--column", "ci_direct_g_kwh")
    outcome = jw("dag", "compare", table, *TWO, *options, "--starts", 3, "-o", tmp_path / "run")
    assert outcome.status == 0, outcome.stderr
    assert "jobs=4, seed=2" in outcome.stderr


CYCLE = {
    "schema_version": "joulewright/dag-jobs/1",
    "jobs": [
        {
            "name": "round",
            "arrival_ms": 0,
            "stages": [
                {"name": "a", "parents": ["b"], "task_ms": [5]},
                {"name": "b", "parents": ["a"], "task_ms": [5]},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("simulate",), 2, ["JOBS is missing", "generated:tpch-like"]),
        (("simulate", "absent.json"), 6, ["absent.json", "cannot be read"]),
        (("simulate", "CYCLE"), 3, ["form a cycle: ", "a -> b -> a"]),
        (("simulate", "NOISE"), 3, ["is not JSON", "correct the input"]),
        (("simulate", GENERATED, "--scheduler", "fivo"), 2, ["no DAG scheduler 'fivo'", "did you mean 'fifo'"]),
        (("simulate", GENERATED, "--scheduler", "spade:gamma=2"), 2, ["gamma is 2.0", "allowed is 0"]),
        (("simulate", GENERATED, "--scheduler", "fifo+fair"), 2, ["wraps no other scheduler"]),
        (("simulate", GENERATED, "--executors", "0"), 2, ["--executors", "0 is not in the range"]),
        (("simulate", GENERATED, "--executors", "4", "--scheduler", "sap:minimum=9"), 3, ["minimum of the quota is 9"]),
        (("simulate", GENERATED, "--hour", "0 s"), 3, ["must be a whole number of at least 1"]),
        (("simulate", GENERATED, "--hour", "1 MW"), 2, ["--hour", "MW"]),
        (("simulate", GENERATED, "--moving-delay", "-2 s"), 2, ["is negative"]),
        (("simulate", GENERATED, "--mean-up", "0 s"), 3, ["mean_up_ms of the cluster is 0.0"]),
        (("simulate", GENERATED, "--zone", "MARS"), 3, ["no zone 'MARS'"]),
        (("simulate", GENERATED, "--column", "ci"), 2, ["--column belongs to --signal"]),
        (("simulate", GENERATED, "--start", "99999"), 3, ["lies outside the signal"]),
        (("simulate", GENERATED, "--seed", "-1"), 2, ["--seed"]),
        (("simulate", GENERATED, "--draw", "jobs=3"), 3, ["behind the kind"]),
        (("simulate", "generated:layered,jbs=3"), 3, ["did you mean 'jobs'"]),
        (("simulate", GENERATED, "--signal", "absent.csv"), 3, ["absent.csv"]),
        (("simulate", GENERATED, "--signal", "SIGNAL", "--start", "46", "--executors", "1"), 3,
         ["needs", "which holds 2 h from its start"]),
        (("compare", GENERATED), 2, ["--scheduler"]),
        (("compare", GENERATED, *TWO, "--scheduler", "fifo"), 2, ["'fifo' is given 2 times"]),
        (("compare", GENERATED, *TWO, "--starts", "3", "--start", "5"), 2, ["--starts 3 and --start"]),
        (("compare", GENERATED, *TWO, "--starts", "0"), 2, ["--starts"]),
        (("compare", GENERATED, *TWO, "--starts", "40", "--signal", "SIGNAL"), 3, ["40 starts", "holds 48 h"]),
        (("bound", GENERATED, "--allow", "soon"), 2, ["no list of hours"]),
        (("bound", GENERATED, "--allow", "-3"), 2, ["not at least 0"]),
        (("bound", GENERATED, "--end", "soon"), 2, ["--end", "soon"]),
        (("bound", GENERATED, "--executors", "1", "--end", "1 h"), 4, ["fit into 1 step: the 1 executor can do"]),
        (("bound", "generated:fork-join,waves=true"), 3, ["depend on the number of executors", "waves=false"]),
        (("simulate", GENERATED, "-o", "SIGNAL"), 6, ["is a file"]),
        (("simulate", GENERATED, "-o", "."), 6, ["is not a dag-run folder"]),
        (("nonsense",), 2, ["nonsense"]),
    ],
)  # fmt: skip
def test_bad_input(
    arguments: tuple[str, ...], status: int, words: list[str], jw, series: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "cycle.json").write_text(json.dumps(CYCLE), encoding="utf-8")
    (tmp_path / "noise.json").write_text("{", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    files = {"CYCLE": "cycle.json", "NOISE": "noise.json", "SIGNAL": series.name}
    given = [files.get(item, item) for item in arguments]
    before = sorted(path.name for path in tmp_path.iterdir())
    target = [] if "-o" in given or given[0] == "nonsense" else ["-o", "run"]
    outcome = jw("dag", *given, *target)
    assert outcome.status == status, outcome.stderr
    assert outcome.stdout == ""
    for word in words:
        assert word in outcome.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    if given[0] != "nonsense":
        document = jw("dag", *given, *target, "--json").document
        assert document["error"]["message"]


STAGE = {"name": "a", "task_ms": [500, 400]}


@pytest.mark.parametrize(
    ("stages", "facts", "words"),
    [
        ([{**STAGE, "parents": ["a"]}], {}, "form a cycle: a -> a"),
        ([{**STAGE, "parents": ["z"]}], {}, "has parent 'z', which is no stage of the job"),
        ([{**STAGE, "task_ms": [5, 0]}], {}, "task 1 takes 0 ms; durations are at least 1 ms"),
        ([{**STAGE, "task_ms": [-3]}], {}, "task 0 takes -3 ms"),
        ([{**STAGE, "task_ms": []}], {}, "stage 'a' of job 'one' has no task"),
        ([], {}, "job 'one' has no stage"),
        ([STAGE], {"max_executors": 99}, "asks for 99 executors, but the cluster has 50"),
        ([STAGE], {"deadline_ms": 499}, "critical path takes 500 ms, so it cannot end by its deadline of 499 ms"),
    ],
)
def test_bad_jobs_are_named_also_where_little_is_said(
    stages: list[dict[str, object]], facts: dict[str, int], words: str, jw, tmp_path: Path
) -> None:
    path = tmp_path / "jobs.json"
    job = {"name": "one", "arrival_ms": 0, "stages": stages, **facts}
    path.write_text(json.dumps({"schema_version": "joulewright/dag-jobs/1", "jobs": [job]}), encoding="utf-8")
    outcome = jw("dag", "simulate", path, "-q", "-o", tmp_path / "run")
    assert (outcome.status, outcome.stdout) == (3, "")
    assert words in outcome.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("scheduler", ["fifo", "sap:minimum=2+learned", "spade", "planned", "water-level"])
def test_every_kind_of_scheduler_meets_failures_idle_draw_and_a_flat_signal(
    scheduler: str, jw, jobs: Path, tmp_path: Path
) -> None:
    """A flat signal has L = U: nothing is deferred for long and nothing divides by zero."""
    flat = tmp_path / "flat.csv"
    rows = [f"2022-07-{4 + hour // 24:02d}T{hour % 24:02d}:00Z,300" for hour in range(96)]
    flat.write_text("utc,ci_g_kwh\n" + "\n".join(rows) + "\n", encoding="utf-8")
    options = (
        "--mean-up",
        "1 min",
        "--idle-power",
        "100 W",
        "--task-failures",
        "0.1",
        "--executors",
        6,
        "--hour",
        "1 min",
    )
    outcome = jw("dag", "simulate", jobs, "--scheduler", scheduler, "--signal", flat, *options, "--json", "-q")
    assert (outcome.status, outcome.stderr) == (0, "")
    (run,) = outcome.document["runs"]
    assert run["executor_failures"] > 0
    assert run["mean_signal"] == pytest.approx(300.0)


def test_references_of_a_run(jw, jobs: Path) -> None:
    outcome = jw("dag", "compare", jobs, *TWO, "--json")
    assert "reference: Lechowicz, A. et al., Carbon- and Precedence-Aware" in outcome.stderr
    assert [item["key"] for item in outcome.document["references"]] == ["lechowicz2025"]
    bound = jw("dag", "bound", jobs, "--json").document
    assert bound["references"] == []


def test_an_earlier_run_survives_a_failure(jw, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert jw("dag", "simulate", GENERATED, "-o", folder, "-q").status == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert jw("dag", "simulate", GENERATED, "--start", "8759", "--executors", 1, "-o", folder, "-q").status == 3
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "mine.txt").write_text("kept", encoding="utf-8")
    assert jw("dag", "bound", GENERATED, "-o", folder, "-q").status == 0
    assert not (folder / "tasks.parquet").exists()
    assert (folder / "mine.txt").read_text("utf-8") == "kept"


def test_help_needs_no_heavy_modules(tmp_path: Path) -> None:
    code = (
        "import sys; from joulewright.cli.main import run\n"
        "for words in (['dag'], ['dag', 'compare'], ['dag', 'bound']): assert run([*words, '--help']) == 0\n"
        "heavy = {'numpy', 'polars', 'numba', 'scipy', 'rich'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
