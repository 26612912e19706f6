"""Event logs of Spark: jobs, the executed run, and lines that say nothing."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.errors import DataError, MissingExtraError, ScenarioError, TraceError
from joulewright.io.spark_events import SparkLog, read_spark_events
from joulewright.model.dag import DagCluster, DagSignal
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import price_runs, simulate_dag, split_dag_change

RECORDED = Path(__file__).resolve().parents[1] / "data" / "spark_events.jsonl"


@pytest.fixture
def read(tmp_path: Path, spark_case: Any) -> Any:
    """Read a log of some events."""

    def call(*events: Any) -> SparkLog:
        return read_spark_events(spark_case.write(tmp_path / "log", *events))

    return call


def test_a_simple_log(read: Any, spark_case: Any) -> None:
    log = read(*spark_case.simple())
    (job,) = log.jobs
    assert (job.name, job.arrival_ms) == ("job-0", 100)
    assert [(stage.name, stage.task_ms, stage.parents) for stage in job.stages] == [
        ("0-map0", (40, 60), ()),
        ("1-map1", (30,), ("0-map0",)),
    ]
    run = log.run
    assert run.schedule.rows() == [
        ("job-0", "0-map0", 0, "0", 0, "default", 100, 140, False),
        ("job-0", "0-map0", 1, "1", 1, "default", 100, 160, False),
        ("job-0", "1-map1", 2, "0", 0, "default", 165, 195, False),
    ]
    assert run.executors.rows() == [("0", 0, 50, 250), ("1", 1, 90, 250)]
    assert (run.slots, run.busy_ms, run.idle_ms, run.completion_ms.tolist()) == (2, 130, 230, [200])
    assert run.origin == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (log.unreadable, log.notes, log.complete) == ((), (), True)


def test_carbon_of_a_simple_log(read: Any, spark_case: Any) -> None:
    """Steps of 100 ms that stand for an hour: busy 0, 130 and 0 ms; slots held 60, 200 and 100 ms."""
    signal = DagSignal(step_ms=100, values=np.array([500.0, 100.0, 300.0]))
    spark = read(*spark_case.simple()).run
    busy = spark.priced(signal)
    assert busy.busy_per_step_ms.tolist() == [0, 130, 0]
    assert busy.cost == pytest.approx(1.3 * 100.0)
    assert busy.cost == pytest.approx(price_runs(spark.schedule["start_ms"], spark.schedule["finish_ms"], signal))
    idle = spark.priced(signal, busy_power_kw=2.0, idle_power_kw=0.5)
    # Slots are there for 50 + 10, 200 and 100 ms, of which 0, 130 and 0 ms are busy.
    assert idle.energy_kwh == pytest.approx([0.3, 2.6 + 0.35, 0.5])
    assert idle.cost == pytest.approx(150.0 + 295.0 + 150.0)
    assert idle.figures()["held_ms"] == idle.held_ms == 360
    assert (idle.makespan_ms, idle.completion_times_ms.tolist()) == (200, [100])
    with pytest.raises(TraceError, match="the run ends at 195 ms"):
        _ = spark.priced(DagSignal(step_ms=100, values=np.ones(1))).cost


def test_jobs_of_a_log_can_be_simulated_and_compared(read: Any, spark_case: Any) -> None:
    log = read(*spark_case.simple())
    signal = DagSignal(step_ms=100, values=np.array([500.0, 100.0, 300.0]))
    cluster = DagCluster(executors=2, moving_delay_ms=0)
    again = simulate_dag(log.jobs, cluster, signal, make_dag_scheduler("fifo"), engine="plain")
    change = split_dag_change(log.run.priced(signal), again)
    assert again.busy_ms == log.run.busy_ms == 130
    assert change.work == pytest.approx(0.0)
    assert change.total == pytest.approx(again.cost - 130.0)


def test_the_recorded_log() -> None:
    """Numbers taken from the file by hand."""
    log = read_spark_events(RECORDED)
    assert [(job.name, job.arrival_ms) for job in log.jobs] == [
        ("job-0", 13811),
        ("job-1", 21192),
        ("job-2", 21436),
        ("sql-0", 23500),
    ]
    first, second, third, query = (job.stages for job in log.jobs)
    # Two finishes lie behind the next start on their one-core executor: 655933 becomes 655900, 659904 becomes 659897.
    assert first[0].task_ms == (655900 - 650667, 655996 - 650768, 656333 - 655900)
    assert first[1].task_ms == (656880 - 656376, 656861 - 656381)
    assert first[1].parents == ("0-reduceByKey",)
    assert [stage.task_ms for stage in second] == [(169, 167)]
    assert [stage.task_ms for stage in third] == [(131, 213)]
    # The query is four Spark jobs, linked by the stages that later ones skip.
    assert [(stage.name[:2], stage.task_ms, [name[:1] for name in stage.parents]) for stage in query] == [
        ("5-", (634,), []),
        ("6-", (1226, 741), []),
        ("8-", (180,), ["6"]),
        ("11", (68,), ["8"]),
    ]
    assert log.run.schedule.filter("failed")["finish_ms"].to_list() == [657512 - 635743]
    assert set(log.run.schedule.filter(log.run.schedule["job"] == "job-1")["pool"]) == {"blue"}
    # One attempt failed after 328 ms. Executor 1 was held to the end of the application, executor 0 until it was gone.
    busy_ms = (5233 + 5228 + 433) + (504 + 480) + (169 + 167) + (131 + 213 + 328) + 634 + (1226 + 741) + 180 + 68
    assert log.run.busy_ms == busy_ms == 15735
    assert log.run.idle_ms == (662691 - 649542) + (662290 - 649736) - busy_ms
    assert log.run.completion_ms.tolist() == [21150, 21407, 21907, 25377]
    assert log.notes == (
        "4 stages were skipped, since their output existed",
        "1 attempts of tasks did not count: failed, killed or done again",
        "2 finishes were cut by up to 33 ms: the slot had its next task by then",
    )


def test_a_truncated_log_is_read_as_far_as_it_goes(read: Any, spark_case: Any) -> None:
    events = [json.dumps(event) for event in spark_case.simple()[:-2]]
    start = spark_case.task(3, 1, (170, 0), part=1) | {"Event": "SparkListenerTaskStart"}
    log = read(*events[:-1], start, events[-1][:60])
    assert not log.complete
    (line,) = log.unreadable
    assert line.startswith('log, line 8: not JSON: \'{"Event"')
    assert [stage.task_ms for stage in log.jobs[0].stages] == [(40, 60)]
    assert log.notes == ("the application has no end: 1 jobs and 1 tasks ran on", "1 stages never began")
    # Without an end the executors count to the last time told, and the job to its last task.
    assert log.run.executors["removed_ms"].to_list() == [170, 170]
    assert log.run.completion_ms.tolist() == [160]


def test_attempts_that_do_not_count(read: Any, spark_case: Any) -> None:
    case = spark_case
    events = case.simple()
    again = [
        case.task(3, 0, (200, 210), part=0, reason="FetchFailed"),
        case.task(4, 0, (210, 235), part=0),  # its first output was lost
        case.task(5, 1, (236, 238), part=1, reason="ExceptionFailure"),
    ]
    log = read(*events[:-1], *again, case.removed("0", 300), case.ended(300))
    assert [stage.task_ms for stage in log.jobs[0].stages] == [(25, 60), (30,)]
    rows = log.run.schedule.select("task", "start_ms", "failed").rows()
    assert rows == [(0, 100, True), (1, 100, False), (2, 165, False), (0, 200, True), (0, 210, False), (-1, 236, True)]
    assert log.notes == (
        "1 tasks never succeeded; the jobs hold the others",
        "3 attempts of tasks did not count: failed, killed or done again",
    )


def test_jobs_that_share_stages(read: Any, spark_case: Any) -> None:
    case = spark_case
    log = read(
        case.began(),
        case.executor("0", 0, cores=2),
        case.job(0, 10, [case.stage(0)]),
        case.job(1, 12, [case.stage(0), case.stage(1, (0,)), case.stage(2, (1,))]),
        case.job(2, 13, []),
        case.task(0, 0, (15, 20)),
        case.task(1, 1, (20, 30)),
        case.job_end(0, 20),
        case.job_end(1, 30, "JobFailed"),
        case.job_end(2, 14),
        case.ended(40),
    )
    assert [(job.name, [stage.name for stage in job.stages]) for job in log.jobs] == [
        ("job-0", ["0-map0"]),
        ("job-1", ["1-map1"]),
    ]
    assert log.jobs[1].stages[0].parents == ()
    assert log.notes == (
        "1 jobs failed",
        "1 stages never began",
        "1 jobs ran no task of their own",
        "1 stages waited for a stage of another job, which the jobs do not show",
    )
    assert log.run.slots == 2


def test_declared_precedence(read: Any, spark_case: Any) -> None:
    case = spark_case
    arrival = str(case.START + 5)

    def properties(stage: str, after: str) -> dict[str, str]:
        names = {"joulewright__job": "etl", "joulewright__stage": stage, "joulewright__after": after}
        return names | {"joulewright__arrival_ms": arrival, "spark__scheduler__pool": "green"}

    log = read(
        case.began(),
        case.job(0, 10, [case.stage(0), case.stage(1, (0,))], **properties("load", "")),
        case.job(1, 10, [case.stage(2)], **properties("other", "")),
        case.job(2, 50, [case.stage(3)], **properties("join", "load,other")),
        case.task(0, 0, (10, 20)),
        case.task(1, 1, (20, 30)),
        case.task(2, 2, (10, 30), executor="1"),
        case.task(3, 3, (50, 50)),
        case.job_end(2, 60),
        case.ended(70),
    )
    (job,) = log.jobs
    assert (job.name, job.arrival_ms) == ("etl", 5)
    assert [(stage.name, stage.parents) for stage in job.stages] == [
        ("0-load", ()),
        ("1-load", ("0-load",)),
        ("2-other", ()),
        ("3-join", ("1-load", "2-other")),
    ]
    assert job.stages[3].task_ms == (1,)
    assert "1 tasks took less than 1 ms and count as 1 ms" in log.notes
    assert "2 executors were never added; they count from their first task" in log.notes
    assert set(log.run.schedule["pool"]) == {"green"}


def test_slots_of_an_executor(read: Any, spark_case: Any) -> None:
    """Two CPUs for each task: four cores are two slots; a slot is given on when its executor is gone."""
    case = spark_case
    log = read(
        case.began(),
        {"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": {"spark.task.cpus": "2"}},
        case.executor("a", 0, cores=4),
        case.job(0, 0, [case.stage(0, tasks=4)]),
        case.task(0, 0, (0, 10), executor="a", part=0),
        case.task(1, 0, (0, 21), executor="a", part=1),
        case.task(2, 0, (10, 30), executor="a", part=2),
        case.removed("a", 30),
        case.executor("b", 30, cores=2),
        case.task(3, 0, (30, 40), executor="b", part=3),
        case.job_end(0, 40),
        case.ended(50),
    )
    assert log.run.schedule["slot"].to_list() == [0, 1, 0, 0]
    assert log.run.executors.rows() == [("a", 0, 0, 30), ("a", 1, 0, 30), ("b", 0, 30, 50)]


BAD_LINES = [
    ("{", "not JSON: '{'"),
    ("[1]", "no event"),
    ('{"Event": 3}', "no event"),
    ('{"Event": "SparkListenerJobStart", "Job ID": 7}', "no Stage Infos"),
    ('{"Event": "SparkListenerJobStart", "Job ID": 7, "Stage Infos": {}}', "expected a list"),
    ('{"Event": "SparkListenerJobStart", "Job ID": true, "Stage Infos": []}', "Job ID is True; expected a whole"),
    ('{"Event": "SparkListenerJobStart", "Job ID": 7, "Stage Infos": [1], "Submission Time": 1}', "no Parent IDs"),
    ('{"Event": "SparkListenerJobEnd", "Job ID": 9, "Completion Time": 1}', "job 9 ends without having begun"),
    ('{"Event": "SparkListenerTaskEnd", "Stage ID": 0}', "no Task Info"),
    ('{"Event": "SparkListenerExecutorAdded", "Executor ID": "9"}', "no Executor Info / Total Cores"),
    ('{"Event": "SparkListenerApplicationEnd", "Timestamp": -1}', "Timestamp is -1; expected a whole number from 0"),
    (
        '{"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": {"spark.task.cpus": "0"}}',
        "spark.task.cpus is '0'",
    ),
    ("9" * 5000, "not JSON"),
    ("[" * 100_000, "not JSON"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_lines_that_say_nothing(read: Any, spark_case: Any, line: str, words: str) -> None:
    events = spark_case.simple()
    log = read(*events[:3], line, "", *events[3:])
    (told,) = log.unreadable
    assert told.startswith("log, line 4: ")
    assert words in told
    assert len(told) < 150
    assert log.jobs == read(*events).jobs


def test_times_that_run_backwards(read: Any, spark_case: Any) -> None:
    case = spark_case
    log = read(*case.simple(), case.task(9, 1, (180, 170)), case.job_end(0, 99))
    assert [line.split(": ")[1][:6] for line in log.unreadable] == ["task 9", "job 0 "]


def test_a_log_without_any_stage(read: Any, spark_case: Any) -> None:
    with pytest.raises(
        ScenarioError, match=r"holds no stage .* in 2 lines, 1 of them unreadable; the first: log, line 1"
    ):
        read("free text", spark_case.began())
    with pytest.raises(ScenarioError, match="in 0 lines, 0 of them unreadable; give the event log"):
        read()
    only = [event for event in spark_case.simple() if event["Event"] != "SparkListenerTaskEnd"]
    with pytest.raises(ScenarioError, match="no stage with a task that succeeded"):
        read(*only)


def test_an_origin(tmp_path: Path, spark_case: Any) -> None:
    path = spark_case.write(tmp_path / "log", *spark_case.simple())
    late = datetime.fromtimestamp(spark_case.START / 1000 + 0.08, tz=UTC)
    log = read_spark_events(path, origin=late)
    assert log.jobs[0].arrival_ms == 20
    assert log.run.origin == late
    assert log.run.executors["added_ms"].to_list() == [0, 10]
    with pytest.raises(ScenarioError, match="no stage"):
        read_spark_events(path, origin=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_part_of_a_log(tmp_path: Path, spark_case: Any) -> None:
    """One of three jobs, and executors only while they were there in that time."""
    case = spark_case
    events = [case.began(), case.executor("0", 0), case.executor("1", 0), case.executor("2", 300)]
    for number, at_ms in enumerate((10, 100, 200)):
        place = str(number % 2)
        events += [
            case.job(number, at_ms, [case.stage(number)]),
            case.task(number, number, (at_ms, at_ms + 50), executor=place),
            case.job_end(number, at_ms + 50),
        ]
    path = case.write(tmp_path / "log", *events, case.removed("0", 160), case.ended(400))
    moments = [datetime.fromtimestamp((case.START + at_ms) / 1000, tz=UTC) for at_ms in (90, 200)]
    log = read_spark_events(path, origin=moments[0], until=moments[1])
    assert [(job.name, job.arrival_ms) for job in log.jobs] == [("job-1", 10)]
    assert log.run.schedule.select("executor", "start_ms", "finish_ms").rows() == [("1", 10, 60)]
    assert log.run.executors.rows() == [("0", 0, 0, 70), ("1", 1, 0, 110)]
    assert log.notes == ("2 jobs were submitted outside the time asked for",)


@pytest.mark.parametrize("ending", ["gz", "zstd", "zstd.inprogress"])
def test_compressed_logs(tmp_path: Path, spark_case: Any, ending: str) -> None:
    import pyarrow as arrow

    content = spark_case.text(*spark_case.simple()).encode()
    data = gzip.compress(content) if ending == "gz" else arrow.compress(content, "zstd", asbytes=True)
    path = tmp_path / f"app-1.{ending}"
    path.write_bytes(data)
    assert len(read_spark_events(path).jobs[0].stages) == 2


def long_log(spark_case: Any) -> bytes:
    """A log too long for one block of a compressed file."""
    note = "".join(f"{(number * 7919) % 100_003:05d}" for number in range(100_000))
    passed = [{"Event": "Other", "note": note[index : index + 5000]} for index in range(0, len(note), 5000)]
    return spark_case.text(*spark_case.simple(), *passed).encode()


@pytest.mark.parametrize("ending", ["gz", "zstd"])
def test_compressed_logs_that_are_cut_off(tmp_path: Path, spark_case: Any, ending: str) -> None:
    import pyarrow as arrow

    content = long_log(spark_case)
    data = gzip.compress(content) if ending == "gz" else arrow.compress(content, "zstd", asbytes=True)
    path = tmp_path / f"app-1.{ending}"
    path.write_bytes(data[:-1000])
    log = read_spark_events(path)
    assert len(log.jobs[0].stages) == 2
    assert log.notes[0].startswith(f"app-1.{ending} is cut off after line ")


def test_an_incomplete_log_without_the_means_to_read_it(
    tmp_path: Path, spark_case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    import pyarrow as arrow

    path = tmp_path / "app-1.zstd"
    path.write_bytes(arrow.compress(long_log(spark_case), "zstd", asbytes=True)[:-1000])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"joulewright\[pandas\]"):
        read_spark_events(path)


def test_rolled_logs(tmp_path: Path, spark_case: Any) -> None:
    lines = [json.dumps(event) + "\n" for event in spark_case.simple()]
    folder = tmp_path / "eventlog_v2_app-1"
    folder.mkdir()
    (folder / "appstatus_app-1").write_text("", encoding="utf-8")
    (folder / "events_2_app-1").write_text("".join(lines[4:8]), encoding="utf-8")
    (folder / "events_10_app-1").write_text("x\n" + lines[8], encoding="utf-8")
    (folder / "events_1_app-1").write_text("".join(lines[:4]), encoding="utf-8")
    log = read_spark_events(folder)
    assert log.complete
    assert log.unreadable == ("events_10_app-1, line 1: not JSON: 'x'",)
    assert read_spark_events(tmp_path).jobs == log.jobs
    # A compacted file replaces itself and what came before.
    (folder / "events_2_app-1.compact").write_text("".join(lines[:8]), encoding="utf-8")
    (folder / "events_1_app-1").write_text("x", encoding="utf-8")
    assert read_spark_events(folder).jobs == log.jobs


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_spark_events(tmp_path / "none")
    with pytest.raises(DataError, match=r"0 folders eventlog_v2_\* and no file"):
        read_spark_events(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"eventlog_v2_{name}").mkdir()
    with pytest.raises(DataError, match="holds 2 folders"):
        read_spark_events(tmp_path)
    for name, words in (
        ("a.lz4", "spark.eventLog.compression.codec=zstd"),
        ("a.gz", "cannot be read"),
        ("a.zst", "a.zst"),
    ):
        (tmp_path / name).write_bytes(b"\x28\xb5\x2f\xfd garbage")
        with pytest.raises(DataError, match=words):
            read_spark_events(tmp_path / name)
