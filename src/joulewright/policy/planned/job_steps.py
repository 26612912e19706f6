"""From planned segments of jobs to the actions of a step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from joulewright.model import JobSchedule, Segment
from joulewright.physics.transfer import transfer_h
from joulewright.policy.base import AbstractJobRule, PolicyFacts
from joulewright.policy.decision import ActionKind, JobAction
from joulewright.policy.observation import JobObservation, Observation
from joulewright.policy.registry import make

_TOLERANCE = 1e-6
_SOON, _CHEAP = "earliest-deadline", "cheapest-window"
_FREES_FIRST = ("reject", "pause", "migrate", "resize", "start")


class PlannedJobs:
    """Brings jobs to where their plans have them.

    A job without a plan, or with work left after its plan, runs as soon as possible, by the rule
    ``earliest-deadline``. State is moved as late as the next planned segment at another site allows.

    Parameters
    ----------
    facts : PolicyFacts
        What a policy may know before the first step.
    """

    def __init__(self, facts: PolicyFacts) -> None:
        self._scenario = facts.scenario
        self._rules: dict[str, AbstractJobRule] = {name: make(name, "jobs") for name in (_SOON, _CHEAP)}
        self._states: dict[str, Any] = {name: rule.init(facts) for name, rule in self._rules.items()}

    def actions(
        self,
        observation: Observation,
        plans: Mapping[str, JobSchedule],
        *,
        patient: Collection[str] = (),
        long: Collection[str] = (),
    ) -> tuple[JobAction, ...]:
        """Actions of this step, as far as accelerators go.

        Parameters
        ----------
        observation : Observation
            The present.
        plans : mapping of str to JobSchedule
            Plans by job, in steps of the horizon; a plan without segments turns an optional job away.
        patient : collection of str
            Jobs without a plan that wait instead of running as soon as possible.
        long : collection of str
            Jobs without a plan that run when the rule ``cheapest-window`` says so.

        Returns
        -------
        tuple of JobAction
            Those that free accelerators come first. What does not fit is left out and comes up again in the next step.
        """
        actions: list[JobAction] = []
        late: set[str] = set()
        for name, item in observation.jobs.items():
            entry = plans.get(name)
            if item.status == "moving" or (entry is None and (name in patient or name in long)):
                continue
            if entry is None or _has_ended(entry, item, observation.step):
                late.add(name)
            elif entry.rejected:
                if item.status == "waiting" and not item.job.required:
                    actions.append(JobAction(job=name, kind="reject"))
            elif item.job.kind == "rigid":
                actions += _rigid(entry, item, observation.step)
            else:
                actions += self._divisible(entry, item, observation.step)
        waiting = [name for name in late if observation.jobs[name].status != "running"]
        actions += [*self._by_rule(_SOON, observation, waiting), *self._by_rule(_CHEAP, observation, long)]
        return tuple(_fitting(observation, sorted(actions, key=lambda action: _FREES_FIRST.index(action.kind))))

    def _by_rule(self, rule: str, observation: Observation, names: Collection[str]) -> list[JobAction]:
        """What a rule does with these jobs."""
        if not names:
            return []
        actions, self._states[rule] = self._rules[rule].step(self._states[rule], observation)
        return [action for action in actions if action.job in names]

    def _divisible(self, entry: JobSchedule, item: JobObservation, step: int) -> Iterator[JobAction]:
        """The action that brings a pausable or elastic job to where its plan has it."""
        name, runs = item.job.name, item.status == "running"
        target = next(part for part in entry.segments if step < part.stop_step)
        begun = target.first_step <= step
        if item.site is not None and (item.site, item.fleet) != (target.site, target.fleet):
            if step >= target.first_step - self._transfer_steps(item, target):
                yield _to(name, "migrate", target)
            elif runs:
                yield JobAction(job=name, kind="pause")
        elif runs and not begun:
            yield JobAction(job=name, kind="pause")
        elif begun and not runs:
            yield _to(name, "start", target)
        elif begun and abs(item.accelerators - target.accelerators) > _TOLERANCE:
            yield _to(name, "resize", target)

    def _transfer_steps(self, item: JobObservation, target: Segment) -> int:
        """Steps that its state takes to the site of ``target``."""
        link = self._scenario.link(str(item.site), target.site)
        if link is None or item.site == target.site:
            return 0
        return self._scenario.timeline.steps_for(transfer_h(item.job.checkpoint_gb, link.bandwidth_gbit_s))


def _has_ended(entry: JobSchedule, item: JobObservation, step: int) -> bool:
    """Whether a job has work left after its plan, or a rigid one must run again after a failure."""
    if entry.rejected:
        return item.job.required
    if item.job.kind == "rigid":
        return item.status != "running" and item.site is not None
    return step >= entry.segments[-1].stop_step


def _rigid(entry: JobSchedule, item: JobObservation, step: int) -> Iterator[JobAction]:
    part = entry.segments[0]
    if item.status == "waiting" and part.first_step <= step:
        yield JobAction(job=item.job.name, kind="start", site=part.site, fleet=part.fleet)


def _to(job: str, kind: ActionKind, part: Segment) -> JobAction:
    return JobAction(job=job, kind=kind, site=part.site, fleet=part.fleet, accelerators=part.accelerators)


def _fitting(observation: Observation, actions: Iterable[JobAction]) -> Iterator[JobAction]:
    """Actions for which accelerators are free, in their order."""
    room: dict[tuple[str, str], float] = {}
    for name, site in observation.sites.items():
        room |= {(name, fleet): free for fleet, free in site.free_accelerators.items()}
    for action in actions:
        item = observation.jobs[action.job]
        held, here = item.accelerators, (item.site or "", item.fleet or "")
        # State on its way to another site needs no accelerators before it arrives.
        travels = action.kind == "migrate" and action.site != item.site
        if action.kind in ("start", "resize", "migrate") and not travels:
            place = (action.site or here[0], action.fleet or here[1])
            size = float(item.job.gpus) if action.accelerators is None else action.accelerators
            needed = size - (held if place == here else 0.0)
            if needed > room.get(place, 0.0) + _TOLERANCE:
                continue
            room[place] = room.get(place, 0.0) - size
        if held > 0.0:
            room[here] = room.get(here, 0.0) + held
        yield action
