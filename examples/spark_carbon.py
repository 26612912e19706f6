"""What do SAP and SPADE save on a real Spark? Three jobs run while a trace of carbon plays, an hour in two seconds.

Run: ``python examples/spark_carbon.py [FOLDER]`` with ``pip install 'joulewright[spark]'`` and a Java runtime; event
logs go to the folder. Each task waits for its time and then counts, so that the energy of a task does not depend on
how many cores this machine has.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from joulewright.live.spark import SparkOutcome, StageCall, run_on_spark
from joulewright.model.dag import DagJob, DagSignal, DagStage
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import split_dag_change

EXECUTORS = 3
SCHEDULERS = {
    "agnostic": "fifo",
    "SAP": "sap:minimum=1,forecast=perfect+fifo",
    "SPADE": "spade:gamma=0.8,forecast=perfect",
}
# Hours of 2 s: three dirty ones, three clean ones, and so on.
SIGNAL = DagSignal(step_ms=2000, values=np.tile([520.0, 560.0, 540.0, 180.0, 150.0, 170.0], 20))
# Executors come and go: a quick start is worth more than fast code.
SETTINGS = {"spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def etl(name: str, arrival_ms: int, task_ms: int) -> DagJob:
    """Two loads, a join of both and a small report beside it."""
    return DagJob(
        name=name,
        arrival_ms=arrival_ms,
        stages=(
            DagStage(name="orders", task_ms=(task_ms,) * 4),
            DagStage(name="clients", task_ms=(task_ms,) * 2),
            DagStage(name="join", task_ms=(task_ms,) * 3, parents=("orders", "clients")),
            DagStage(name="report", task_ms=(task_ms,) * 2, parents=("clients",)),
        ),
    )


JOBS = (etl("north", 0, 600), etl("south", 1000, 400), etl("west", 2000, 500))


def run_stage(call: StageCall) -> int:
    """Rows of the inputs and one for each task."""
    seconds = [task_ms / 1000.0 for task_ms in call.stage.task_ms]

    def count(wait_s: float) -> int:
        time.sleep(wait_s)
        return 1

    tasks = call.context.parallelize(seconds, len(seconds)).map(count)
    return int(tasks.sum()) + sum(call.inputs.values())


def compare(folder: Path) -> Mapping[str, SparkOutcome]:
    """Run all jobs under each scheduler."""
    schedulers = {name: make_dag_scheduler(text) for name, text in SCHEDULERS.items()}
    return run_on_spark(
        JOBS, SIGNAL, schedulers, run_stage, executors=EXECUTORS, folder=folder, settings=SETTINGS, limit_s=60.0
    )


def show(outcomes: Mapping[str, SparkOutcome]) -> None:
    """Print carbon, makespan and completion time of each scheduler, and where the change comes from."""
    runs = {name: outcome.log.run.priced(SIGNAL, idle_power_kw=0.3) for name, outcome in outcomes.items()}
    for name, run in runs.items():
        record = outcomes[name].record
        wanted = " ".join(str(target.executors) for target in record.targets)
        print(
            f"{name:9s} carbon {run.cost:7,.0f} g, makespan {run.makespan_ms / 1000.0:5.1f} s, "
            f"{record.deferrals} deferrals, executors wanted {wanted}"
        )
        if name != "agnostic":
            change = split_dag_change(runs["agnostic"], run)
            print(
                f"          {change.total:+,.0f} g: work {change.work:+,.0f}, idle {change.overhead:+,.0f}, "
                f"other hours {change.shift:+,.0f}; mean completion x {change.mean_completion_ratio:.2f}"
            )


if __name__ == "__main__":
    show(compare(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())))
