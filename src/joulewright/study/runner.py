"""Carrying out a study: what is finished is taken from the store, the rest goes to an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joulewright.errors import DataError
from joulewright.io.sealed import versions
from joulewright.policy.base import AbstractPolicy
from joulewright.study.engines import AbstractEngine, Crash, LocalEngine, Work
from joulewright.study.engines.base import Function
from joulewright.study.regret import with_regret
from joulewright.study.request import Case, StudyRequest, cases_of, forecaster_of, keys_of, policies_of
from joulewright.study.result import ORACLE, RunKey, RunOutcome, StudyResult
from joulewright.study.store import RunStore, identity_of, run_digest, scenario_digest, software
from joulewright.study.summary import comparisons, summaries
from joulewright.study.task import RunReturn, RunTask, freeze, run_task


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """How far a study is.

    Attributes
    ----------
    done, total : int
        Runs that have an outcome, and all runs.
    found, failed : int
        Of those done: how many were finished before, and how many failed.
    elapsed_s : float
        Wall-clock time since the first run started [s].
    eta_s : float or None
        Expected time until the end [s]; None before the first run ends.
    """

    done: int
    total: int
    found: int
    failed: int
    elapsed_s: float
    eta_s: float | None


Report = Callable[[StudyProgress], None]


def run_study(
    request: StudyRequest,
    *,
    engine: AbstractEngine | None = None,
    store: RunStore | None = None,
    progress: Report | None = None,
    function: Function = run_task,
) -> StudyResult:
    """Carry out a study.

    Every finished run is kept in the store at once. A study that was killed goes on where it was when it is asked
    for again, whatever engine it is given.

    Parameters
    ----------
    request : StudyRequest
        What to do.
    engine : AbstractEngine, optional
        Where to do it; a pool of processes on this machine when absent.
    store : RunStore, optional
        Where finished runs are kept; the cache folder of the user when absent.
    progress : callable, optional
        Called with a :class:`StudyProgress` at the start and after every run.
    function : callable
        What carries out a task.

    Returns
    -------
    StudyResult
        Runs that failed are in it, with what they failed of.

    Raises
    ------
    ScenarioError
        If the scenario is not valid in some variant and year.
    PolicyError
        If a policy or the forecaster does not exist or has wrong options.
    DataError
        If the engine cannot be reached.
    """
    policies = policies_of(request)
    cases = tuple(cases_of(request))
    book = _Book(store=store or RunStore.of_user(), request=request, tasks=_tasks(cases, request, policies))
    book.look_up()
    _carry_out(book, cases, engine or LocalEngine(), function=function, progress=progress)
    study = StudyResult(
        name=cases[0].scenario.name,
        currency=cases[0].scenario.currency,
        timeline=cases[0].scenario.timeline,
        variants=tuple(dict.fromkeys(case.variant for case in cases)),
        policies=tuple(policies),
        seeds=request.seeds,
        years=request.years,
        forecast=forecaster_of(request).specification,
        outcomes=with_regret([book.outcomes[task.key] for _, task, _ in book.tasks]),
        inference=request.inference,
        notes=(*book.notes, *_notes(request, cases)),
        provenance={
            "scenario": cases[0].scenario.provenance,
            "versions": versions(),
            "software_sha256": software(),
        },
    )
    return replace(study, summaries=summaries(study), comparisons=comparisons(study))


_Task = tuple[int, RunTask, str]


def _tasks(cases: Sequence[Case], request: StudyRequest, policies: Mapping[str, str | AbstractPolicy]) -> list[_Task]:
    """Every task with the position of its case and the hash of its inputs."""
    digests = [scenario_digest(case.scenario) for case in cases]
    known, mine = {ORACLE: ORACLE, **policies}, software()
    identities = {name: identity_of(policy) for name, policy in known.items()}
    forecast = identity_of(request.forecast)
    found = []
    for position, key in keys_of(cases, request, policies):
        task = RunTask(
            key=key, policy=known[key.policy], forecast=request.forecast, series=request.series, software=mine
        )
        identity: dict[str, Any] = {"policy": identities[key.policy], "seed": key.seed, "forecast": forecast}
        if key.policy == ORACLE:
            # It needs no forecast, and without chance one oracle serves all seeds, whichever was asked for.
            identity |= {"forecast": "", "seed": key.seed if cases[position].random else None}
        found.append((position, task, run_digest(digests[position], identity)))
    return found


@dataclass(kw_only=True)
class _Book:
    """Outcomes so far, and what there is to say about them."""

    store: RunStore
    request: StudyRequest
    tasks: list[_Task]
    outcomes: dict[RunKey, RunOutcome] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def look_up(self) -> None:
        """Take what the store has of runs that are finished."""
        for _, task, digest in self.tasks:
            found = self.store.find(digest, series=self.request.series)
            if found.damaged:
                self.notes.append(f"the kept result of {task.key} was damaged; it was computed again")
            if found.outcome is not None:
                self.outcomes[task.key] = replace(found.outcome, key=task.key, cached=True, input_sha256=digest)

    def enter(self, task: RunTask, digest: str, result: RunReturn | Crash) -> None:
        """Keep the outcome of one task, on disk unless it failed."""
        if isinstance(result, Crash):
            result = RunReturn(outcome=RunOutcome(key=task.key, status="failed", error=result.reason))
        self.outcomes[task.key] = replace(result.outcome, input_sha256=digest)
        if not result.outcome.ok:
            return
        try:
            self.store.keep(digest, result.outcome, result.trajectory)
        except DataError as error:
            note = f"finished runs are not kept for a later study: {error}"
            if note not in self.notes:
                self.notes.append(note)


def _carry_out(
    book: _Book, cases: Sequence[Case], engine: AbstractEngine, *, function: Function, progress: Report | None
) -> None:
    """Have the engine do what the store did not have."""
    left = [entry for entry in book.tasks if entry[1].key not in book.outcomes]
    needed = sorted({position for position, _, _ in left})
    shared = [freeze(cases[position].scenario) for position in needed]
    work = [Work(shared=needed.index(position), payload=task) for position, task, _ in left]
    clock = _Clock(total=len(book.tasks), found=len(book.outcomes))
    report = progress or (lambda state: None)
    report(clock.state(book.outcomes.values()))
    if not work:
        return
    for number, result in engine.run(function, shared, work):
        _, task, digest = left[number]
        book.enter(task, digest, result)
        report(clock.state(book.outcomes.values()))


@dataclass(kw_only=True)
class _Clock:
    total: int
    found: int
    started_s: float = field(default_factory=time.monotonic)

    def state(self, outcomes: Iterable[RunOutcome]) -> StudyProgress:
        """Progress, with the rest expected to go as fast as what was done since the start."""
        listed = list(outcomes)
        fresh, elapsed_s = len(listed) - self.found, time.monotonic() - self.started_s
        eta_s = elapsed_s / fresh * (self.total - len(listed)) if fresh else None
        failed = sum(not outcome.ok for outcome in listed)
        return StudyProgress(
            done=len(listed), total=self.total, found=self.found, failed=failed, elapsed_s=elapsed_s, eta_s=eta_s
        )


def _notes(request: StudyRequest, cases: Sequence[Case]) -> list[str]:
    """What a reader must know about the numbers of the study."""
    found = []
    warnings = {str(item) for case in cases for item in case.scenario.diagnostics if item.severity == "warning"}
    if warnings:
        found.append(f"the scenario has {len(warnings)} warning{'s' if len(warnings) > 1 else ''}; jw check lists them")
    if len(request.seeds) == 1 and len(request.years) < 2:
        found.append("one seed: figures have no confidence interval and differences are not tested")
    elif len(request.seeds) == 1:
        found.append(f"one seed: the {len(request.years)} years are taken for independent samples")
    elif len(request.years) > 1:
        found.append(f"figures are means over {len(request.years)} years within each seed; intervals are over seeds")
    if request.oracle and not any(case.random for case in cases) and len(request.seeds) > 1:
        found.append("chance changes no facts of this scenario, so one oracle serves all seeds")
    return found
