"""Real Spark: settings of a session that is to be commanded, and the adapter to it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from joulewright.errors import LiveError, MissingExtraError
from joulewright.io.spark_events import AFTER_PROPERTY, ARRIVAL_PROPERTY, JOB_PROPERTY, STAGE_PROPERTY
from joulewright.live.spark.plant import AbstractSparkPlant, Progress
from joulewright.model.dag import DagJob, DagStage

_EXCERPT = 300
_WARM_UP_TASKS = 8


@dataclass(frozen=True, kw_only=True)
class StageCall:
    """What an action gets to run one stage.

    Attributes
    ----------
    context : pyspark.SparkContext
        The session; tasks are started on it, about ``stage.tasks`` of them.
    job, stage
        What to run.
    inputs : mapping of str to object
        What the actions of the parents returned, by their names.
    """

    context: Any
    job: DagJob
    stage: DagStage
    inputs: Mapping[str, Any]


Action = Callable[[StageCall], Any]


def require_spark() -> Any:
    """The module pyspark.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    LiveError
        If there is no Java runtime for it.
    """
    try:
        import pyspark
    except ImportError as error:
        raise MissingExtraError("pyspark is not installed; run: pip install 'joulewright[spark]'") from error
    home = environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (home and (Path(home) / "bin" / "java").exists()):
        raise LiveError(
            "Spark needs a Java runtime and none was found on the path or in JAVA_HOME; install one, for example "
            "openjdk-17-jre-headless"
        )
    return pyspark


def pools_text(jobs: Sequence[DagJob], executors: int) -> str:
    """Fair scheduler file: for each job a pool for every number of executors, with that weight and minimum share.

    Weights of pools are fixed when a session begins, so a stage takes the pool that fits what it is given.

    Examples
    --------
    >>> job = DagJob(name="etl", arrival_ms=0, stages=(DagStage(name="load", task_ms=(5,)),))
    >>> print(pools_text([job], 1).splitlines()[2])
    <pool name="etl/1"><schedulingMode>FIFO</schedulingMode><weight>1</weight><minShare>1</minShare></pool>
    """
    pools = [
        f"<pool name={quoteattr(pool_name(job, count))}><schedulingMode>FIFO</schedulingMode>"
        f"<weight>{count}</weight><minShare>{count}</minShare></pool>"
        for job in jobs
        for count in range(1, executors + 1)
    ]
    return '<?xml version="1.0"?>\n<allocations>\n' + "\n".join(pools) + "\n</allocations>\n"


def pool_name(job: DagJob, executors: int) -> str:
    """Pool of the stages of a job that are given so many executors."""
    return f"{job.name}/{executors}"


def spark_settings(master: str, folder: Path) -> dict[str, str]:
    """Settings of a session that a controller can command; event log and pools lie in ``folder``."""
    here = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return {
        "spark.master": master,
        "spark.app.name": "joulewright",
        "spark.scheduler.mode": "FAIR",
        "spark.scheduler.allocation.file": (folder / "pools.xml").as_uri(),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": folder.as_uri(),
        # The controller is the one who asks for executors and lets them go.
        "spark.dynamicAllocation.enabled": "false",
        "spark.decommission.enabled": "true",
        # An executor runs one task at a time, as schedulers count.
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "FATAL",
        **(here if master.startswith("local") else {}),
    }


class SparkPlant(AbstractSparkPlant):
    """A Spark session as the controller sees it; use as a context manager.

    It goes through the ``ExecutorAllocationClient`` of the session, as Spark's own dynamic allocation does. Executors
    that are too many are decommissioned, idle ones first: they end the tasks they have and take no others.

    Parameters
    ----------
    jobs : sequence of DagJob
        What will be run.
    action : callable
        Runs one stage, see :class:`StageCall`; called in a thread of its own.
    master : str
        ``local-cluster[4,1,512]`` (workers, cores and memory of each [MiB]) or ``spark://...`` of a standalone master.
    executors : int
        How many there are at most.
    folder : Path
        Where event log and pools go; must exist.
    settings : mapping of str to str
        Further settings of Spark; they go before those of :func:`spark_settings`.
    poll_s : float
        How often to look [s].

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    LiveError
        If there is no Java runtime, Spark does not start, the executors do not come or Spark is lost.
    """

    def __init__(
        self,
        jobs: Sequence[DagJob],
        action: Action,
        *,
        master: str,
        executors: int,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        poll_s: float = 0.2,
    ) -> None:
        self._pyspark = require_spark()
        self._jobs, self._action, self._master, self._executors = jobs, action, master, executors
        self._folder, self._poll_s = folder.resolve(), poll_s
        self._settings = {**spark_settings(master, self._folder), **(settings or {})}
        self._pool = ThreadPoolExecutor(max_workers=sum(len(job.stages) for job in jobs))
        self._futures: dict[int, Future[None]] = {}
        self._results: dict[tuple[str, str], Any] = {}
        self._wanted, self._runs = executors, 0
        self.began_ms = 0
        """When the trace began to play [ms since the epoch]."""

    def __enter__(self) -> SparkPlant:
        (self._folder / "pools.xml").write_text(pools_text(self._jobs, self._executors), encoding="utf-8")
        conf = self._pyspark.SparkConf()
        for key, value in self._settings.items():
            conf.set(key, value)
        from py4j.protocol import Py4JError

        try:
            self._context = self._pyspark.SparkContext(conf=conf)
        except (Py4JError, RuntimeError, ValueError) as error:
            raise LiveError(f"Spark does not start with master {self._master!r}: {_told(error)}") from error
        self._context.pythonExec = sys.executable
        self._application = self._context.applicationId
        self._backend = self._context._jsc.sc().schedulerBackend()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from py4j.protocol import Py4JError

        jvm = self._context._jvm
        self._context.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._master.startswith("local-cluster"):
            # Workers inside the driver keep what executors printed below the installation of Spark.
            home = Path(jvm.java.lang.System.getenv("SPARK_HOME") or ".")
            shutil.rmtree(home / "work" / self._application, ignore_errors=True)
        if isinstance(error, Py4JError):
            raise LiveError(f"Spark with master {self._master!r} was lost: {_told(error)}") from error

    def begin(self, *, limit_s: float = 120.0) -> None:
        """Wait for all executors, each with a Python worker, forget what ran before, and let a trace begin."""
        self._runs += 1
        self._futures, self._results = {}, {}
        end = time.monotonic() + limit_s
        while len(self._present()) < self._executors:
            if time.monotonic() > end:
                raise LiveError(
                    f"{len(self._present())} of {self._executors} executors came within {limit_s} s; look at the "
                    f"workers of {self._master}, or ask for fewer"
                )
            self.resize(self._executors)
            self.wait()
        count = _WARM_UP_TASKS * self._executors
        self._context.parallelize(range(count), count).foreach(_short_task)
        self.began_ms = _epoch_ms()

    def now_ms(self) -> int:
        """Time since the trace began to play [ms]."""
        return _epoch_ms() - self.began_ms

    def wait(self) -> None:
        """Sleep for a moment."""
        time.sleep(self._poll_s)

    def submit(self, number: int, job: DagJob, stage: DagStage, executors: int) -> None:
        """Start a stage in a thread of its own, in the pool of its job that fits the executors it is given."""
        properties = {
            "spark.scheduler.pool": pool_name(job, executors),
            JOB_PROPERTY: job.name,
            STAGE_PROPERTY: stage.name,
            AFTER_PROPERTY: ",".join(stage.parents),
            ARRIVAL_PROPERTY: str(self.began_ms + job.arrival_ms),
        }

        self._futures[number] = self._pool.submit(self._run_action, number, job, stage, properties)

    def _run_action(self, number: int, job: DagJob, stage: DagStage, properties: Mapping[str, str]) -> None:
        for key, value in properties.items():
            self._context.setLocalProperty(key, value)
        self._context.setJobGroup(self._group(number), f"{job.name}: {stage.name}")
        inputs = {parent: self._results[job.name, parent] for parent in stage.parents}
        result = self._action(StageCall(context=self._context, job=job, stage=stage, inputs=inputs))
        self._results[job.name, stage.name] = result

    def progress(self) -> Mapping[int, Progress]:
        """Progress of the stages submitted, from Spark's status tracker; of one that ended only the first time."""
        found = {}
        for number, future in list(self._futures.items()):
            ended = future.done()
            error = future.exception() if ended else None
            if ended:
                del self._futures[number]
            started, done = self._tasks(number)
            found[number] = Progress(started=started, done=done, ended=ended, error=_told(error) if error else "")
        return found

    def _group(self, number: int) -> str:
        return f"{self._runs}-{number}"

    def _tasks(self, number: int) -> tuple[int, int]:
        tracker = self._context.statusTracker()
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(self._group(number))]
        stages = [tracker.getStageInfo(stage) for job in jobs if job is not None for stage in job.stageIds]
        done = sum(stage.numCompletedTasks for stage in stages if stage is not None)
        return done + sum(stage.numActiveTasks for stage in stages if stage is not None), done

    def resize(self, executors: int) -> None:
        """Ask for executors that lack, decommission those that are too many."""
        spark, jvm, present = self._context._jsc.sc(), self._context._jvm, self._present()
        if executors != self._wanted:
            spark.requestTotalExecutors(executors, 0, jvm.PythonUtils.toScalaMap({}))
            self._wanted = executors
        spare = len(present) - executors
        if spare <= 0:
            return
        busy = spark.taskScheduler().isExecutorBusy
        reason = jvm.org.apache.spark.scheduler.ExecutorDecommissionInfo("signal", jvm.scala.Option.empty())
        for name in sorted(present, key=lambda item: (busy(item), -int(item)))[:spare]:
            self._backend.decommissionExecutor(name, reason, False, False)

    def _present(self) -> list[str]:
        """Executors that are there and not on their way out."""
        names = self._backend.getExecutorIds()
        known = [names.apply(index) for index in range(names.size())]
        return [name for name in known if self._backend.isExecutorActive(name)]


def _epoch_ms() -> int:
    return round(time.time() * 1000.0)


def _told(error: BaseException) -> str:
    """Kind and first words of an error, which in Java are long."""
    return f"{type(error).__name__}: {error}"[:_EXCERPT]


def _short_task(_: int) -> None:
    """Long enough that one executor does not take all of them."""
    time.sleep(0.05)
