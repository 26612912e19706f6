"""Jobs that follow cheap or clean energy to another site when the move takes little of the time it is worth it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from joulewright.model import Link, Scenario
from joulewright.physics.break_even import NETWORK_MWH_PER_GB, PATH_MW, migration_energy_mwh
from joulewright.physics.migration import SHARE, MigrationTerms, fits_window, migration_s
from joulewright.physics.transfer import transfer_s
from joulewright.policy.base import AbstractJobRule, Information, PolicyFacts
from joulewright.policy.decision import JobAction
from joulewright.policy.jobs.calendar import Objective
from joulewright.policy.jobs.placement import Placer, Run, decide, with_margin
from joulewright.policy.jobs.rules import LOOK_AHEAD_H, MARGIN_FRACTION, by_slack, money
from joulewright.policy.jobs.task import Task, held_steps
from joulewright.policy.observation import Observation
from joulewright.policy.options import check_choice, check_number
from joulewright.policy.registry import register
from joulewright.policy.routing.waterfill import Place


@register("migrate-when-feasible", kind="jobs", summary="as cheapest-window; migratable jobs move when it pays in time")
@dataclass(frozen=True, kw_only=True)
class MigrateWhenFeasible(AbstractJobRule):
    """Place jobs as cheapest-window does, and move those that may when both conditions hold:

    1. the move takes at most ``window_fraction`` of the time for which the destination is expected to stay better;
    2. what the rest of the job costs there, with the work that the restart loses, the energy of the move and the
       price of the link, is less than what it costs here, by ``saving_fraction`` of the latter.

    Attributes
    ----------
    minimise : {"cost", "carbon"}
        What decides which site is better.
    window_fraction : float
        Largest share of the window that the move may take, in (0, 1].
    saving_fraction : float
        Least saving, as a share of the cost of staying.
    dwell_h : float
        Least time a job stays as it is before it moves [h].
    transfers_per_link : int
        Moves on one link at a time.
    goodput_fraction : float
        Useful data per nominal bandwidth.
    save_gb_s, load_gb_s : float
        Rates at which checkpoints are written and read [GB/s].
    provisioning_s, warm_up_s : float
        Time to start nodes, and after the checkpoint is read [s].
    idle_fraction : float
        Power of a stalled job per power of the running one.
    network : {"attributional", "marginal"}
        Whether a move is charged the network's energy by volume, or what the network draws more.
    network_mwh_per_gb, path_mw : float
        Network energy by volume [MWh/GB], and further power along a path [MW].
    look_ahead_h : float
        How far ahead forecasts are used [h].
    margin_fraction : float
        Part of the time to a deadline that is left free, where it can be, for forecasts that turn out wrong.

    Notes
    -----
    Information used: as cheapest-window. Guarantee: a job moves only if it is expected to end in time at its
    destination and to save more than the move takes; with ``dwell_h`` it cannot swing faster than that.
    The defaults of rates and energies are assumptions; see :mod:`joulewright.physics.migration`.

    References
    ----------
    Rebuilt from the terms named in Green Distributed AI Training (2025), arXiv:2511.16182.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "forecast"})
    minimise: str = "cost"
    window_fraction: float = SHARE
    saving_fraction: float = 0.02
    dwell_h: float = 2.0
    transfers_per_link: int = 1
    goodput_fraction: float = 0.8
    save_gb_s: float = 2.0
    load_gb_s: float = 2.0
    provisioning_s: float = 0.0
    warm_up_s: float = 0.0
    idle_fraction: float = 0.3
    network: str = "attributional"
    network_mwh_per_gb: float = NETWORK_MWH_PER_GB
    path_mw: float = PATH_MW
    look_ahead_h: float = LOOK_AHEAD_H
    margin_fraction: float = MARGIN_FRACTION

    def __post_init__(self) -> None:
        check_choice("minimise", self.minimise, ("cost", "carbon"))
        check_choice("network", self.network, ("attributional", "marginal"))
        for name in ("window_fraction", "goodput_fraction"):
            check_number(name, getattr(self, name), low=1e-6, high=1.0)
        for name in ("save_gb_s", "load_gb_s", "look_ahead_h"):
            check_number(name, getattr(self, name), low=1e-6)
        for name in ("saving_fraction", "dwell_h", "provisioning_s", "warm_up_s", "network_mwh_per_gb", "path_mw"):
            check_number(name, getattr(self, name))
        check_number("transfers_per_link", self.transfers_per_link, low=1)
        check_number("idle_fraction", self.idle_fraction, high=1.0)
        check_number("margin_fraction", self.margin_fraction, high=0.9)

    def init(self, facts: PolicyFacts) -> Any:
        """The parameters of the scenario, and where jobs that move are going, which is nowhere yet."""
        return facts.scenario, {}

    def step(self, state: Any, observation: Observation) -> tuple[tuple[JobAction, ...], Any]:
        """Actions to take now."""
        scenario, moves = state
        moving = {
            name: moves[name] for name, item in observation.jobs.items() if item.status == "moving" and name in moves
        }
        jobs = {
            name: replace(item, site=moving[name][0], fleet=moving[name][1]) if name in moving else item
            for name, item in observation.jobs.items()
        }
        actions = decide(
            scenario,
            replace(observation, jobs=jobs),
            objective=self.objective(scenario),
            key=by_slack,
            look_ahead_h=self.look_ahead_h,
            margin_fraction=self.margin_fraction,
            mover=_Desk(self, moving, observation).better_elsewhere,
        )
        begun = {action.job: (action.site, action.fleet) for action in actions if action.kind == "migrate"}
        return actions, (scenario, moving | begun)

    def objective(self, scenario: Scenario) -> Objective:
        """What is minimised."""
        return money(scenario) if self.minimise == "cost" else Objective(money=1e-6, carbon_per_kg=1.0)

    @property
    def terms(self) -> MigrationTerms:
        """What a move takes besides its link."""
        return MigrationTerms(
            goodput_fraction=self.goodput_fraction,
            save_gb_s=self.save_gb_s,
            load_gb_s=self.load_gb_s,
            provisioning_s=self.provisioning_s,
            warm_up_s=self.warm_up_s,
        )


class _Desk:
    """Looks for better sites within one decision and counts the transfers on each link."""

    def __init__(self, rule: MigrateWhenFeasible, moving: Mapping[str, Place], observation: Observation) -> None:
        self._rule, self._now = rule, observation
        self._busy = [
            frozenset((item.site, moving[name][0]))
            for name, item in observation.jobs.items()
            if item.status == "moving" and name in moving
        ]

    def better_elsewhere(self, placer: Placer, task: Task, home: Run | None) -> Run | None:
        """A run at another site that pays for the move, or None."""
        item, step_h = task.item, placer.calendar.step_h
        movable = item.job.migratable and item.status in ("running", "paused") and item.job.kind != "rigid"
        if not movable or held_steps(task, step_h) or item.status_h < self._rule.dwell_h or item.site is None:
            return None
        stay = math.inf if home is None else home.cost
        best: Run | None = None
        for place, link in self._destinations(placer.scenario, task):
            run = self._run_there(placer, task, place, link)
            limit = stay - self._rule.saving_fraction * abs(stay) if math.isfinite(stay) else stay
            if run is not None and run.cost < min(limit, math.inf if best is None else best.cost):
                best = run
        if best is not None:
            self._busy.append(frozenset((item.site, best.place[0])))
        return best

    def _destinations(self, scenario: Scenario, task: Task) -> Iterator[tuple[Place, Link]]:
        item = task.item
        for site, fleet in scenario.fleets():
            link = None if item.site is None else scenario.link(item.site, site.name)
            if link is None or site.name == item.site or not (item.job.allows(site.name) and item.job.fits(fleet)):
                continue
            if self._busy.count(frozenset(link.between)) < self._rule.transfers_per_link:
                yield (site.name, fleet.name), link

    def _run_there(self, placer: Placer, task: Task, place: Place, link: Link) -> Run | None:
        rule, job = self._rule, task.item.job
        stall_s = float(migration_s(job.checkpoint_gb, link.bandwidth_gbit_s, rule.terms))
        if not bool(fits_window(stall_s, _window_h(placer, task, place), share=rule.window_fraction)):
            return None
        delay = math.ceil(stall_s / 3600.0 / placer.calendar.step_h)
        lost_h = job.restart_loss_h if task.item.status == "running" else 0.0
        early = with_margin(task, placer.margin_fraction)
        run = placer.run_at(early, place, delay_steps=delay, extra_h=lost_h)
        if run is None:
            return None
        return replace(run, cost=run.cost + self._price(placer, task, place, (link, stall_s)), moves=True)

    def _price(self, placer: Placer, task: Task, place: Place, move: tuple[Link, float]) -> float:
        """What the move costs in the objective: its energy at the mean of both grids, and the price of the link."""
        rule, item, (link, stall_s) = self._rule, task.item, move
        fleet = placer.scenario.site(place[0]).fleet(place[1])
        energies = migration_energy_mwh(
            item.job.checkpoint_gb,
            transfer_s=transfer_s(item.job.checkpoint_gb, rule.goodput_fraction * link.bandwidth_gbit_s),
            stall_s=stall_s,
            idle_mw=rule.idle_fraction * item.job.gpus * item.job.power_on(fleet),
            network_mwh_per_gb=rule.network_mwh_per_gb,
            path_mw=rule.path_mw,
        )
        weights = placer.objective or Objective()
        ends = [self._now.sites[name] for name in (item.site or place[0], place[0])]
        per_mwh = [
            weights.money * end.import_price_per_mwh + weights.carbon_per_kg * end.carbon_kg_per_mwh for end in ends
        ]
        energy = float(energies[rule.network == "marginal"])
        return energy * sum(per_mwh) / len(ends) + weights.money * link.cost_per_gb * item.job.checkpoint_gb


def _window_h(placer: Placer, task: Task, place: Place) -> float:
    """Time from now for which running at ``place`` is expected to cost less than where the job is [h]."""
    calendar, job = placer.calendar, task.item.job
    here, there = (
        calendar.sites[at[0]].running_cost(
            job.gpus * calendar.extra_mw(at, job, placer.scenario), placer.objective or Objective()
        )
        for at in ((task.item.site or place[0], task.item.fleet or place[1]), place)
    )
    worse = np.flatnonzero(there >= here)
    return (int(worse[0]) if worse.size else calendar.steps) * calendar.step_h
