"""Power that the scheduled work draws at each site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from joulewright.model import Fleet, InferenceService, Route, Scenario, Schedule, Segment, Site, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.physics.serving import serving_draw


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteLoad:
    """Load of one site; every array has shape ``(T,)``.

    Attributes
    ----------
    training_accelerators, serving_accelerators : mapping of str to FloatArray
        Accelerators held by training jobs and busy with inference, by fleet.
    training_mw, inference_mw, idle_mw, fixed_it_mw : FloatArray
        The four parts of IT power [MW].
    facility_mw : FloatArray
        Power of the whole facility: PUE times IT power plus the fixed part behind it [MW].
    """

    training_accelerators: Mapping[str, FloatArray]
    serving_accelerators: Mapping[str, FloatArray]
    training_mw: FloatArray
    inference_mw: FloatArray
    idle_mw: FloatArray
    fixed_it_mw: FloatArray
    facility_mw: FloatArray

    @property
    def it_mw(self) -> FloatArray:
        """IT power [MW], shape ``(T,)``."""
        return self.training_mw + self.inference_mw + self.idle_mw + self.fixed_it_mw

    @property
    def accelerators_in_use(self) -> dict[str, FloatArray]:
        """Accelerators that train or serve, by fleet, each of shape ``(T,)``."""
        return {name: held + self.serving_accelerators[name] for name, held in self.training_accelerators.items()}


def site_load(scenario: Scenario, schedule: Schedule, site: Site) -> SiteLoad:
    """Load that ``schedule`` puts on ``site``.

    Notes
    -----
    With ``A`` accelerators held by training, ``y`` token/s served and ``W`` the power of training,

        P_IT = p_idle (available - A - sum y / throughput) + W + sum p_active y / throughput + fixed
        P_facility = PUE P_IT + fixed

    In the last step of a job its accelerators stay held for the whole step but draw power only for
    ``Segment.last_fraction`` of it: ``W`` is scaled by that fraction and in the rest of the step they draw
    nothing, idle power included. With ``ServiceSchedule.whole_replicas`` inference draws along its curves, see
    :func:`joulewright.physics.serving.serving_draw`.

    Raises
    ------
    KeyError
        If the schedule names a job, service or fleet that the scenario does not have.
    """
    steps = scenario.timeline.steps
    held = {fleet.name: np.zeros(steps) for fleet in site.fleets}
    serving = {fleet.name: np.zeros(steps) for fleet in site.fleets}
    training_mw, inference_mw = np.zeros(steps), np.zeros(steps)
    for job, segment in job_segments(scenario, schedule):
        if segment.site == site.name:
            window = slice(segment.first_step, min(segment.stop_step, steps))
            inside = window.stop - window.start
            each_mw = job.power_on(site.fleet(segment.fleet))
            held[segment.fleet][window] += segment.accelerators * held_fraction(segment)[:inside]
            training_mw[window] += segment.accelerators * each_mw * running_fraction(segment)[:inside]
    for _, _, fleet, busy, power_mw in served_on_fleets(scenario, schedule, site.name):
        serving[fleet.name] += busy
        inference_mw += power_mw
    idle_mw = np.zeros(steps)
    for fleet in site.fleets:
        idle_mw += fleet.idle_power_mw * (fleet.available - held[fleet.name] - serving[fleet.name])
    it_mw = training_mw + inference_mw + idle_mw + site.fixed_it_power_mw
    return SiteLoad(
        training_accelerators=held,
        serving_accelerators=serving,
        training_mw=training_mw,
        inference_mw=inference_mw,
        idle_mw=idle_mw,
        fixed_it_mw=site.fixed_it_power_mw,
        facility_mw=site.pue * it_mw + site.fixed_facility_power_mw,
    )


def running_fraction(segment: Segment) -> FloatArray:
    """Part of each step in which the segment draws power, shape ``(stop_step - first_step,)``.

    Examples
    --------
    >>> running_fraction(Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, last_fraction=0.5))
    array([1. , 1. , 0.5])
    """
    return _fractions(segment, segment.last_fraction)


def held_fraction(segment: Segment) -> FloatArray:
    """Part of each step in which the segment holds its accelerators, shape ``(stop_step - first_step,)``.

    Examples
    --------
    >>> held_fraction(Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, last_fraction=0.5))
    array([1., 1., 1.])
    """
    return _fractions(segment, segment.last_fraction if segment.frees_at_end else 1.0)


def _fractions(segment: Segment, last: float) -> FloatArray:
    fractions = np.ones(segment.stop_step - segment.first_step)
    fractions[-1:] -= 1.0 - last
    fractions[:1] -= 1.0 - segment.first_fraction
    return fractions


def job_segments(scenario: Scenario, schedule: Schedule) -> Iterator[tuple[TrainingJob, Segment]]:
    """Every segment of the schedule with its job."""
    jobs = {job.name: job for job in scenario.training}
    for name, entry in schedule.jobs.items():
        for segment in entry.segments:
            yield jobs[name], segment


def routed_demand(scenario: Scenario, schedule: Schedule) -> Iterator[tuple[InferenceService, Route, FloatArray]]:
    """Every route of the schedule with its service and the tokens served [token/s], shape ``(T,)``."""
    services = {service.name: service for service in scenario.inference}
    for name, entry in schedule.services.items():
        for route, served in zip(entry.routes, entry.served_token_s, strict=True):
            yield services[name], route, served


def served_on_fleets(
    scenario: Scenario, schedule: Schedule, only_site: str | None = None
) -> Iterator[tuple[InferenceService, Site, Fleet, FloatArray, FloatArray]]:
    """Every service on every fleet it uses, with its accelerators and their IT power [MW], each of shape ``(T,)``."""
    services = {service.name: service for service in scenario.inference}
    for name, entry in schedule.services.items():
        service = services[name]
        rates: dict[tuple[str, str], dict[int, FloatArray]] = {}
        for route, served in zip(entry.routes, entry.served_token_s, strict=True):
            if only_site in (None, route.site):
                at_points = rates.setdefault((route.site, route.fleet), {})
                at_points[route.point] = at_points.get(route.point, 0.0) + served
        for (site_name, fleet_name), at_points in rates.items():
            site = scenario.site(site_name)
            fleet = site.fleet(fleet_name)
            rate = np.zeros((len(service.points_on(fleet)), scenario.timeline.steps))
            for point, served in at_points.items():
                rate[point] = served
            yield service, site, fleet, *serving_draw(service, fleet, rate, whole_replicas=entry.whole_replicas)


@dataclass(frozen=True, kw_only=True)
class WorkEnergy:
    """Energy of a job or service [MWh]: IT energy, facility energy, and IT energy after the horizon.

    The facility figure is IT energy times PUE of each step, without idle and fixed power.
    """

    it_mwh: float = 0.0
    facility_mwh: float = 0.0
    beyond_it_mwh: float = 0.0

    def __add__(self, other: WorkEnergy) -> WorkEnergy:
        return WorkEnergy(
            it_mwh=self.it_mwh + other.it_mwh,
            facility_mwh=self.facility_mwh + other.facility_mwh,
            beyond_it_mwh=self.beyond_it_mwh + other.beyond_it_mwh,
        )


def segment_energy(scenario: Scenario, job: TrainingJob, segment: Segment) -> WorkEnergy:
    """Energy of one segment of a training job."""
    site = scenario.site(segment.site)
    power_mw = segment.accelerators * job.power_on(site.fleet(segment.fleet))
    energy_mwh = scenario.timeline.step_h * power_mw * running_fraction(segment)
    inside = max(0, scenario.timeline.steps - segment.first_step)
    pue = site.pue[segment.first_step : segment.stop_step]
    return WorkEnergy(
        it_mwh=float(energy_mwh[:inside].sum()),
        facility_mwh=float(energy_mwh[:inside] @ pue),
        beyond_it_mwh=float(energy_mwh[inside:].sum()),
    )


def job_energy(scenario: Scenario, schedule: Schedule) -> dict[str, WorkEnergy]:
    """Energy of every training job by name; zero for a rejected one."""
    energy = {name: WorkEnergy() for name in schedule.jobs}
    for job, segment in job_segments(scenario, schedule):
        energy[job.name] += segment_energy(scenario, job, segment)
    return energy


def service_energy(scenario: Scenario, schedule: Schedule) -> dict[str, WorkEnergy]:
    """Energy of every inference service by name."""
    energy = {name: WorkEnergy() for name in schedule.services}
    for service, site, _, _, power_mw in served_on_fleets(scenario, schedule):
        it_mwh = scenario.timeline.step_h * power_mw
        energy[service.name] += WorkEnergy(it_mwh=float(it_mwh.sum()), facility_mwh=float(it_mwh @ site.pue))
    return energy
