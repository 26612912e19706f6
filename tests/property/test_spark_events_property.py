"""Properties of every Spark event log: what is told is kept, what is not readable is named, nothing overlaps."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.io.spark_events import SparkLog, read_spark_events
from joulewright.model.dag import DagSignal
from joulewright.sim.processes.dag import price_runs

NOISE = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\x1c\x1d\x1e\x85\u2028\u2029"), max_size=30),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Event", "Job ID"]), inner),
        max_leaves=6,
    ).map(json.dumps),
)


def read(*lines: str) -> SparkLog:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
        return read_spark_events(path)


@st.composite
def applications(draw: Any, case: Any) -> tuple[list[str], int]:
    """Lines of an application that ran list schedules on executors of some cores, and its busy time [ms]."""
    cores = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    events = [case.began(), *(case.executor(str(name), 0, cores=count) for name, count in enumerate(cores))]
    free = {(str(name), core): 10 for name, count in enumerate(cores) for core in range(count)}
    busy, tasks, stages, clock = 0, 0, 0, 10
    for number in range(draw(st.integers(1, 3))):
        counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        infos = [
            case.stage(stages + at, (stages + at - 1,) if at and draw(st.booleans()) else (), tasks=count)
            for at, count in enumerate(counts)
        ]
        events.append(case.job(number, clock, infos))
        for at, count in enumerate(counts):
            for part in range(count):
                place = min(free, key=lambda item: (free[item], item))
                start, length = max(clock, free[place]), draw(st.integers(0, 50))
                free[place] = start + length
                reason = draw(st.sampled_from(["Success", "Success", "TaskKilled"])) if tasks else "Success"
                times = (start, start + length)
                events.append(case.task(tasks, stages + at, times, executor=place[0], part=part, reason=reason))
                busy, tasks = busy + length, tasks + 1
        stages, clock = stages + len(counts), max(free.values())
        events.append(case.job_end(number, clock))
    return [json.dumps(event) for event in [*events, case.ended(clock + draw(st.integers(0, 20)))]], busy


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_told_is_kept(data: Any, spark_case: Any) -> None:
    lines, busy_ms = data.draw(applications(spark_case))
    log = read(*lines)
    run = log.run
    assert (run.busy_ms, log.unreadable, log.complete) == (busy_ms, (), True)
    assert run.schedule.height == sum("TaskEnd" in line for line in lines)
    counted = run.schedule.filter(run.schedule["failed"].not_())
    assert sorted(counted["task"]) == list(range(sum(stage.tasks for job in log.jobs for stage in job.stages)))
    for _, rows in run.schedule.group_by("slot"):
        assert all(before[1] <= after[0] for before, after in pairwise(rows.select("start_ms", "finish_ms").rows()))
    assert run.idle_ms >= 0
    signal = DagSignal(step_ms=37, values=np.arange(1.0, 40.0))
    priced = run.priced(signal, idle_power_kw=0.25)
    cost = price_runs(run.schedule["start_ms"].to_numpy(), run.schedule["finish_ms"].to_numpy(), signal)
    assert run.priced(signal).cost == pytest.approx(cost)
    assert float(priced.energy_kwh.sum()) == pytest.approx((busy_ms + 0.25 * run.idle_ms) / 37)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_noise_is_named_and_changes_nothing(data: Any, spark_case: Any) -> None:
    lines, _ = data.draw(applications(spark_case))
    noise = data.draw(st.lists(NOISE, max_size=5))
    at = data.draw(st.integers(0, len(lines)))
    clean, log = read(*lines), read(*lines[:at], *noise, *lines[at:])
    assert log.jobs == clean.jobs
    assert log.run.schedule.equals(clean.run.schedule)
    named = [int(line.split("line ")[1].split(":")[0]) for line in log.unreadable]
    assert named == sorted(set(named))
    assert set(named) <= set(range(at + 1, at + len(noise) + 1))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_beginning_of_a_log_is_read_or_refused(data: Any, spark_case: Any) -> None:
    lines, _ = data.draw(applications(spark_case))
    text = "\n".join(lines)
    part = text[: data.draw(st.integers(0, len(text) - 1))]
    try:
        log = read(*part.split("\n"))
    except ScenarioError as error:
        assert "no stage with a task that succeeded" in str(error)  # noqa: PT017
        assert '"Success"' not in part or part.count("TaskEnd") <= 1
        return
    assert not log.complete
    assert log.notes[0].startswith("the application has no end")
    assert len(log.unreadable) <= 1
