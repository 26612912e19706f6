"""Flat solver inputs: the scenario's parts numbered and its jobs grouped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from joulewright.account import coefficients
from joulewright.model import Fleet, InferenceService, Scenario, Schedule, Site, TrainingJob

FLEXIBILITIES = ("battery", "export", "routing", "shifting", "generation")


@dataclass(frozen=True, eq=False)
class FleetIndex:
    """A fleet with its position among all fleets and that of its site."""

    position: int
    site_position: int
    site: Site
    fleet: Fleet


@dataclass(frozen=True, eq=False)
class Placement:
    """A fleet that a group of equal jobs may use.

    Attributes
    ----------
    fleet : FleetIndex
        Where.
    starts : range
        Steps in which a rigid run may start.
    steps : int
        Steps a rigid run takes.
    last_fraction : float
        Part of its last step in which it draws power.
    power_mw : float
        IT power of one accelerator [MW].
    """

    fleet: FleetIndex
    starts: range
    steps: int
    last_fraction: float
    power_mw: float


@dataclass(frozen=True, eq=False)
class JobGroup:
    """Jobs that are equal in all but their name, planned as one integer count.

    Attributes
    ----------
    job : TrainingJob
        Their common description.
    names : tuple of str
        Members in file order.
    placements : tuple of Placement
        Fleets they may use.
    before : tuple of (str, str, int) or None
        Site, fleet and start step in the previous plan.
    """

    job: TrainingJob
    names: tuple[str, ...]
    placements: tuple[Placement, ...]
    before: tuple[str, str, int] | None = None

    @property
    def count(self) -> int:
        """Number of members."""
        return len(self.names)


@dataclass(frozen=True, eq=False)
class RouteIndex:
    """A service's demand from a set of regions that may be served by the same fleets.

    Regions with equal options are planned as one; ``regions`` keeps them in file order.
    """

    service: InferenceService
    regions: tuple[str, ...]
    fleets: tuple[FleetIndex, ...]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything the constraint families need, in one place.

    Attributes
    ----------
    scenario : Scenario
        The facts.
    fleets : tuple of FleetIndex
        All fleets in file order.
    rigid, divisible : tuple of JobGroup
        Groups of rigid jobs, and of pausable and elastic jobs (one member each).
    routes : tuple of RouteIndex
        Inference demand by service and set of options.
    finished : tuple of TrainingJob
        Jobs that run already and have no work left.
    churn_cost : float
        Price of a job that leaves its place in the previous plan [currency].
    """

    scenario: Scenario
    fleets: tuple[FleetIndex, ...]
    rigid: tuple[JobGroup, ...]
    divisible: tuple[JobGroup, ...]
    routes: tuple[RouteIndex, ...] = field(default=())
    finished: tuple[TrainingJob, ...] = ()
    churn_cost: float = 0.0

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return self.scenario.timeline.steps

    @property
    def step_h(self) -> float:
        """Length of a step [h]."""
        return self.scenario.timeline.step_h

    def site_fleets(self, site_position: int) -> Iterator[FleetIndex]:
        """Fleets of one site."""
        return (fleet for fleet in self.fleets if fleet.site_position == site_position)

    def step_label(self, step: int) -> str:
        """Name of a step in rows and columns."""
        return self.scenario.timeline.label(step)


def build_inputs(scenario: Scenario, previous: Schedule | None = None, churn_cost: float = 0.0) -> Inputs:
    """Number the parts of a scenario and group its jobs."""
    fleets = tuple(
        FleetIndex(position, site_position, site, fleet)
        for position, (site_position, site, fleet) in enumerate(
            (site_position, site, fleet) for site_position, site in enumerate(scenario.sites) for fleet in site.fleets
        )
    )
    groups = _job_groups(scenario, fleets, previous if churn_cost > 0.0 else None)
    return Inputs(
        scenario=scenario,
        fleets=fleets,
        rigid=tuple(group for group in groups if group.job.kind == "rigid"),
        divisible=tuple(group for group in groups if group.job.kind != "rigid"),
        routes=tuple(_routes(scenario, fleets)),
        finished=tuple(job for job in scenario.training if _is_finished(scenario, job)),
        churn_cost=churn_cost,
    )


def _job_groups(scenario: Scenario, fleets: tuple[FleetIndex, ...], previous: Schedule | None) -> list[JobGroup]:
    alike: dict[str, list[TrainingJob]] = {}
    before = {job.name: _before(previous, job.name) for job in scenario.training}
    for job in (job for job in scenario.training if not _is_finished(scenario, job)):
        key = repr((replace(job, name=""), before[job.name])) if job.kind == "rigid" else job.name
        alike.setdefault(key, []).append(job)
    return [
        JobGroup(
            jobs[0],
            tuple(job.name for job in jobs),
            tuple(_placements(scenario, jobs[0], fleets)),
            before[jobs[0].name],
        )
        for jobs in alike.values()
    ]


def _is_finished(scenario: Scenario, job: TrainingJob) -> bool:
    """Whether a job that runs already has no work left at the start of the horizon."""
    left_h = [job.duration_on(fleet, scenario.timeline) for site, fleet in scenario.fleets() if job.allows(site.name)]
    return job.running_since is not None and bool(left_h) and max(left_h) <= 0.0


def _before(previous: Schedule | None, name: str) -> tuple[str, str, int] | None:
    """Place and start of a job in the previous plan."""
    if previous is None or name not in previous.jobs or previous.jobs[name].rejected:
        return None
    first = previous.jobs[name].segments[0]
    return first.site, first.fleet, first.first_step


def _placements(scenario: Scenario, job: TrainingJob, fleets: tuple[FleetIndex, ...]) -> Iterator[Placement]:
    timeline = scenario.timeline
    for index in fleets:
        if not (job.allows(index.site.name) and job.fits(index.fleet)):
            continue
        duration_h = job.duration_on(index.fleet, timeline)
        steps = timeline.steps_for(duration_h)
        starts = job.start_range(index.fleet, timeline)
        if steps == 0 or (job.kind == "rigid" and not starts):
            continue
        fraction = duration_h / timeline.step_h - (steps - 1)
        yield Placement(index, starts, steps, 1.0 if fraction > 1.0 - 1e-9 else fraction, job.power_on(index.fleet))


def _routes(scenario: Scenario, fleets: tuple[FleetIndex, ...]) -> Iterator[RouteIndex]:
    for service in scenario.inference:
        alike: dict[tuple[int, ...], list[str]] = {}
        for name in service.demand_token_s:
            region = scenario.region(name)
            options = tuple(
                index.position
                for index in fleets
                if service.runs_on(index.fleet)
                and service.reaches(index.site.name, region.latency_ms, region.residency)
            )
            alike.setdefault(options, []).append(name)
        for options, regions in alike.items():
            yield RouteIndex(service, tuple(regions), tuple(fleets[position] for position in options))


__all__ = [
    "FLEXIBILITIES",
    "FleetIndex",
    "Inputs",
    "JobGroup",
    "Placement",
    "RouteIndex",
    "build_inputs",
    "coefficients",
]
