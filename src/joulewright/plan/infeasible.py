"""Why nothing is feasible, and the smallest single changes that would help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

import numpy as np

from joulewright.errors import InfeasibleError
from joulewright.model import Scenario
from joulewright.model.timeline import IntArray
from joulewright.plan.changes import candidates, job_changes, job_rows, service_changes
from joulewright.plan.conflict import Conflict, find_conflict, jobs_of, member, spans, tell
from joulewright.plan.constraints.demand import TOKEN_UNIT
from joulewright.plan.explanation import Explanation, Fix, figure
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Program
from joulewright.plan.relaxation import Relaxation, Slack, Trial, integer_feasible, lifted, shortage

_TIME_S = 45.0
_TRIED_JOBS = 3
_SHOWN_FIXES = 6
_SHOWN_COMBINATIONS = 2
_SHORT = 1e-6
_CARBON_S = 30.0
#: Kinds of changes in the order in which they are tried.
_ORDER = (
    "carbon-budget",
    "import-limit",
    "battery-power",
    "battery-energy",
    "it-limit",
    "accelerators",
    "deadline",
    "gpus",
    "allow-unserved-power",
    "allow-unserved-demand",
    "latency-limit",
    "drop-job",
)


def raise_infeasible(joint: JointProgram) -> NoReturn:
    """Explain the conflict and raise.

    Raises
    ------
    InfeasibleError
        Always.
    """
    explanation = explain_infeasibility(joint)
    raise InfeasibleError(str(explanation), explanation)


def explain_infeasibility(joint: JointProgram) -> Explanation:
    """Say which limits conflict and which single changes would restore a plan.

    Parameters
    ----------
    joint : JointProgram
        A model without a solution.

    Returns
    -------
    Explanation
        Limits from an irreducible infeasible subsystem of the linear relaxation; where the relaxation is feasible, from
        integer solves without one group of limits after the other. Every fix was solved again before it is listed.
    """
    trial = Trial(joint.inputs.scenario, joint.without, _TIME_S)
    conflict = find_conflict(joint.program)
    if not conflict.members:
        return _explain_integers(joint, trial)
    notes = ["times are in UTC"]
    if not conflict.irreducible:
        notes.append("the conflict is not proven to be the smallest: some of the limits listed may not matter")
    # A change outside the conflict leaves the conflict as it is, so it need not be tried.
    changes = list(candidates(joint, jobs_of(conflict)[:_TRIED_JOBS]))
    fixes = _find_fixes([item for item in changes if _matters(item, conflict)], trial, joint.program)
    if not fixes:
        fixes = _find_combinations(changes, trial, joint.program)
    return Explanation(
        because=tell(joint, conflict),
        conclusion=_conclude(joint, conflict),
        fixes=fixes,
        notes=(*notes, *_reservations(trial, fixes)),
    )


def with_fixes(error: InfeasibleError, scenario: Scenario, without: frozenset[str]) -> InfeasibleError:
    """The error with changes that were tried, where it is about a job or service that has no place at all."""
    explanation = error.explanation
    if not isinstance(explanation, Explanation) or explanation.basis != "window" or explanation.fixes:
        return error
    kind, name = explanation.subject
    if kind == "job":
        changes = list(job_changes(scenario, scenario.job(name)))
    else:
        changes = list(service_changes(next(item for item in scenario.inference if item.name == name)))
    trial = Trial(scenario, without, _TIME_S)
    fixes = _find_fixes(changes, trial, None)
    explanation = replace(explanation, fixes=fixes, notes=(*explanation.notes, *_reservations(trial, fixes)))
    return InfeasibleError(str(explanation), explanation)


def _matters(item: Relaxation, conflict: Conflict) -> bool:
    if item.slack is None:
        return True
    return conflict.touches(item.slack.rows, np.concatenate([item.slack.bounded, item.slack.opened]))


def _find_fixes(wanted: list[Relaxation], trial: Trial, program: Program | None) -> tuple[Fix, ...]:
    """The smallest amount of every change that helps, the simplest kinds first."""
    found: list[Fix] = []
    for item in sorted(wanted, key=lambda item: _ORDER.index(item.kind)):
        if trial.over or len(found) == _SHOWN_FIXES:
            break
        fix = trial.smallest(item, program)
        if fix is not None:
            found.append(fix)
    return tuple(found)


def _find_combinations(changes: list[Relaxation], trial: Trial, program: Program) -> tuple[Fix, ...]:
    """Changes of one kind at several places at once, for kinds that need no more than that."""
    found = []
    for kind in _ORDER:
        fix = trial.together([item for item in changes if item.kind == kind], program)
        if fix is not None:
            found.append(fix)
        if trial.over or len(found) == _SHOWN_COMBINATIONS:
            break
    return tuple(found)


def _reservations(trial: Trial, fixes: tuple[Fix, ...]) -> Iterator[str]:
    if trial.over:
        yield f"the search for changes stopped after {_TIME_S:g} s"
    elif not fixes:
        yield "no change that was tried restores a plan; limits of several kinds must be relaxed together"
    if any(fix.applicability == "relaxation-only" for fix in fixes):
        yield "a change marked with * was settled only for jobs that may run in parts"


def _conclude(joint: JointProgram, conflict: Conflict) -> str:
    """What follows, with the amount that is short where there is one."""
    families = conflict.families()
    for family, conclude in (("carbon_budget", _carbon_excess), ("balance", _power_short), ("demand", _demand_short)):
        if family in families:
            text = conclude(joint, conflict)
            if text is not None:
                return text
    if jobs_of(conflict):
        return "these jobs cannot all run in their windows"
    return "these limits cannot all hold"


def _carbon_excess(joint: JointProgram, conflict: Conflict) -> str:
    rows = _rows(conflict, "carbon_budget")
    found = shortage(joint.program, Slack(rows, separate=True, per_unit=0.001), seconds=_CARBON_S)
    if found is None:
        return "more carbon is emitted than the budget allows"
    short_t = float(found[0].sum()) / 1000.0
    least_t = short_t + float(joint.program.row_upper[rows].sum()) / 1000.0
    return f"at least {figure(least_t)} t are emitted: {figure(short_t)} t more than is left of the budget"


def _power_short(joint: JointProgram, conflict: Conflict) -> str | None:
    """Power short at the sites of the conflict, when all sites together are short of as little as can be."""
    blocks = joint.program.rows["balance"]
    found = shortage(joint.program, Slack(np.concatenate([block.index for block in blocks]), 1.0, separate=True))
    if found is None:
        return None
    short, texts = found[0].reshape(len(blocks), -1), []
    for site, row in zip((block.label(0).rsplit(",", 1)[0] for block in blocks), short, strict=True):
        if site in conflict.steps("balance") and row.max() > _SHORT:
            when = spans(joint.inputs.scenario.timeline, np.flatnonzero(row > _SHORT))
            energy_mwh = float(row.sum()) * joint.inputs.step_h
            texts.append(f"{site} is {figure(float(row.max()))} MW ({figure(energy_mwh)} MWh) short {when}")
    return f"demand cannot be met: {', '.join(texts)}" if texts else None


def _demand_short(joint: JointProgram, _conflict: Conflict) -> str | None:
    blocks = joint.program.rows["demand"]
    found = shortage(joint.program, Slack(np.concatenate([block.index for block in blocks]), 1.0, separate=True))
    if found is None:
        return None
    short = TOKEN_UNIT * found[0].reshape(len(blocks), -1).sum(axis=0)
    if short.max() <= _SHORT:
        return None
    when = spans(joint.inputs.scenario.timeline, np.flatnonzero(short > _SHORT))
    return f"requests cannot all be served: capacity for {figure(float(short.max()))} token/s is short {when}"


def _rows(conflict: Conflict, family: str) -> IntArray:
    chosen = [item.index for item in conflict.members if item.side == "row" and item.family == family]
    return np.array(chosen, dtype=np.int64)


def _explain_integers(joint: JointProgram, trial: Trial) -> Explanation:
    """Leave out one group of limits after the other; those without which a plan exists make the conflict."""
    groups = [*candidates(joint, []), *_job_groups(joint)]
    program, needed, unknown = joint.program, [], False
    for item in groups:
        if item.slack is None:
            continue
        fewer = lifted(program, item.slack)
        answer = "unknown" if trial.over else integer_feasible(fewer)
        if answer == "no":
            program = fewer
        else:
            needed.append(item)
            unknown = unknown or answer == "unknown"
    conflict = _as_conflict(joint, needed)
    notes = [
        "with jobs and generators in parts the limits could be met; only whole ones make them conflict",
        "times are in UTC",
    ]
    if unknown:
        notes.append("time ran out before every limit was tried: some of those listed may not matter")
    scenario = joint.inputs.scenario
    changes = [item for item in needed if item.kind != "job"]
    for name in jobs_of(conflict)[:_TRIED_JOBS]:
        changes += job_changes(scenario, scenario.job(name))
    later = Trial(scenario, joint.without, _TIME_S)
    fixes = _find_fixes(changes, later, None)
    return Explanation(
        because=tell(joint, conflict),
        conclusion=_conclude_integers(conflict),
        fixes=fixes,
        basis="integer",
        notes=(*notes, *_reservations(later, fixes)),
    )


def _conclude_integers(conflict: Conflict) -> str:
    if jobs_of(conflict):
        return "these jobs cannot all run in one piece within the limits"
    return "no combination of generator states satisfies these limits"


def _job_groups(joint: JointProgram) -> Iterator[Relaxation]:
    """What makes each job run, as a group of limits."""
    for group in (*joint.inputs.rigid, *joint.inputs.divisible):
        rows = job_rows(joint, group.job.name)
        if rows.size and group.job.required:
            name = group.job.name
            yield Relaxation("job", name, "", "", "", lambda old, _: old, Slack(rows, 1.0))


def _as_conflict(joint: JointProgram, groups: list[Relaxation]) -> Conflict:
    members = []
    for item in groups:
        if item.slack is not None:
            members += [member(joint.program.rows, int(row), "row") for row in item.slack.rows]
            members += [member(joint.program.variables, int(column), "upper") for column in item.slack.bounded]
    return Conflict(tuple(members), True)
