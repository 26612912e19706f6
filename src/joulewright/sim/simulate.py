"""``simulate``: what a policy would have done, and what would have come of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulewright.errors import JoulewrightError, PolicyError
from joulewright.model import CARBON_BUDGET, Clip, Event, Happening, JobRecord, Scenario, Trajectory
from joulewright.model.disturbance import apply_events, event_steps
from joulewright.policy.base import AbstractPolicy, PolicyFacts
from joulewright.policy.combine import make_policy
from joulewright.policy.forecast import make_forecaster
from joulewright.policy.forecast.base import AbstractForecaster
from joulewright.sim.chance import draw_events
from joulewright.sim.observe import Observer, announcement, first_step
from joulewright.sim.random import stream
from joulewright.sim.recorder import AbstractRecorder, Ending, Run, SeriesRecorder
from joulewright.sim.rows import Notebook
from joulewright.sim.tick import Player, Ticker, World

_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """What came of a run.

    Attributes
    ----------
    trajectory : Trajectory or None
        Everything that was done; None where the recorder did not keep it.
    figures : mapping of str to float or None
        Headline figures with the keys of :meth:`joulewright.account.Ledger.summary`; empty without a recorder.
    policy, forecaster : str
        Specifications.
    seed : int
        Seed of every random draw.
    jobs : mapping of str to JobRecord
        How the training jobs went.
    clips : tuple of Clip
        Decisions that were cut to what physics allows.
    happenings : tuple of Happening
        Events, failures, migrations, shed load, in order of time.
    """

    trajectory: Trajectory | None
    figures: Mapping[str, float | None]
    policy: str
    forecaster: str
    seed: int
    jobs: Mapping[str, JobRecord]
    clips: tuple[Clip, ...]
    happenings: tuple[Happening, ...]


def simulate(
    scenario: Scenario,
    policy: AbstractPolicy | str,
    *,
    seed: int = 0,
    forecaster: AbstractForecaster | str = "day-ahead",
    events: Sequence[Event] | None = None,
    recorder: AbstractRecorder | None = None,
) -> Simulation:
    """Simulate one policy over the horizon of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The facts without disturbances.
    policy : AbstractPolicy or str
        A policy, or its specification such as ``"grid-first+first-fit+nearest"``.
    seed : int
        Seed of every random draw; equal arguments give equal results.
    forecaster : AbstractForecaster or str
        What the policy is told about the future.
    events : sequence of Event, optional
        What happens. By default the events of the scenario and those that chance brings at its rates.
    recorder : AbstractRecorder, optional
        What is kept; by default every series.

    Returns
    -------
    Simulation
        Settle its trajectory with :func:`joulewright.account.settle` for every figure of the ledger.

    Raises
    ------
    PolicyError
        If the policy is unknown, cannot run the scenario, fails, or decides what cannot be interpreted; the message
        names the policy, the time and the limit.
    ScenarioError
        If an event does not fit the scenario.

    Notes
    -----
    The order of things within a step stands at the top of :mod:`joulewright.sim.tick`. A policy that is not asked
    between ticks works under the conventions of a plan: accelerators stay held to the end of a job's last step.
    """
    policy = make_policy(policy) if isinstance(policy, str) else policy
    forecaster = make_forecaster(forecaster) if isinstance(forecaster, str) else forecaster
    recorder = SeriesRecorder() if recorder is None else recorder
    truth, happening = _disturbed(scenario, events, seed)
    if "future" in policy.uses:
        policy = policy.informed(truth)
    source = forecaster.prepare(truth, scenario, happening, stream(seed, "forecast"))
    known = first_step(scenario)
    player = Player(policy=policy, state=_initial_state(policy, known, truth.timeline.steps, seed))
    notebook = Notebook(len(truth.sites)) if recorder.block_steps else None
    ticker = Ticker(truth, player, Observer(truth, known, happening, source), notebook)
    run = Run(scenario=truth, layout=ticker.world.layout, policy=policy.specification, seed=seed)
    recording = recorder.open(run)
    try:
        for step in range(truth.timeline.steps):
            if ticker.run(step) >= recorder.block_steps > 0 and notebook is not None:
                recording.add(notebook.block())
        if notebook is not None and notebook.waiting:
            recording.add(notebook.block())
        ending = _ending(ticker.world, happening, forecaster.specification)
        trajectory, figures = recording.close(ending)
    finally:
        recording.discard()
    return Simulation(
        trajectory=trajectory,
        figures=figures,
        policy=policy.specification,
        forecaster=forecaster.specification,
        seed=seed,
        jobs=ending.records,
        clips=ending.clips,
        happenings=ending.happenings,
    )


def _disturbed(scenario: Scenario, events: Sequence[Event] | None, seed: int) -> tuple[Scenario, tuple[Event, ...]]:
    """The scenario as it turns out, and what happens in it."""
    if events is not None:
        return apply_events(scenario, events), tuple(events)
    drawn = draw_events(scenario, scenario.chances, seed)
    if scenario.events_applied and not drawn:
        return scenario, scenario.events
    happening = (*scenario.events, *drawn)
    return apply_events(scenario, happening), happening


def _initial_state(policy: AbstractPolicy, known: Scenario, steps: int, seed: int) -> Any:
    try:
        return policy.init(PolicyFacts(scenario=known, steps=steps, generator=stream(seed, "policy")))
    except JoulewrightError as error:
        raise PolicyError(f"{policy.specification} at {known.timeline.start.isoformat()}: {error}") from error


def _ending(world: World, events: Sequence[Event], forecaster: str) -> Ending:
    """What there is to say after the last step."""
    timeline = world.truth.timeline
    world.jobs.observe(timeline.hours)
    told = [_happening(world.truth, event) for event in events]
    happenings = [*told, *world.jobs.happenings, *world.journal.happenings(), *_overspent(world)]
    return Ending(
        jobs=world.jobs.segments(),
        records=world.jobs.records(),
        clips=world.journal.clips(),
        happenings=tuple(sorted(happenings, key=lambda item: item.start_h)),
        notes=(f"forecasts: {forecaster}",),
    )


def _overspent(world: World) -> Iterator[Happening]:
    """Carbon budgets that were exceeded; no policy is stopped by one."""
    policy, end_h = world.truth.carbon, world.truth.timeline.hours
    spent = {site.site.name: (site.carbon_kg, site.site.carbon_budget_kg) for site in world.sites}
    total_kg = policy.used_kg + math.fsum(used_kg for used_kg, _ in spent.values())
    for where, (used_kg, budget_kg) in {**spent, "all sites": (total_kg, policy.budget_kg)}.items():
        if budget_kg is not None and used_kg > budget_kg * (1.0 + _ROUNDING):
            detail = f"{used_kg / 1000.0:.6g} t of a budget of {budget_kg / 1000.0:.6g} t"
            yield Happening(start_h=end_h, end_h=end_h, kind=CARBON_BUDGET, where=where, detail=detail)


def _happening(scenario: Scenario, event: Event) -> Happening:
    first, stop = event_steps(scenario.timeline, event)
    step_h = scenario.timeline.step_h
    where = event.site if event.component is None else f"{event.site}/{event.component}"
    return Happening(
        start_h=first * step_h, end_h=stop * step_h, kind=event.kind, where=where, detail=announcement(event)
    )
