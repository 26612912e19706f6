"""Observations built by hand, for tests of one decision without a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model import Scenario, Site, scenario_window
from joulewright.model.timeline import FloatArray
from joulewright.policy.base import PolicyFacts
from joulewright.policy.observation import (
    AbstractForecast,
    GeneratorState,
    JobObservation,
    Observation,
    SiteObservation,
)
from joulewright.policy.signals import signal_series


@dataclass(frozen=True, eq=False)
class KnownForecast:
    """The series of a scenario from ``step`` on, as a forecast without error."""

    scenario: Scenario
    step: int

    def series(self, key: str, steps: int) -> FloatArray:
        """Values of a signal, shape ``(steps,)``."""
        found: FloatArray = signal_series(self.scenario)[key][self.step : self.step + steps].copy()
        return found

    def window(self, steps: int) -> Scenario:
        """The scenario on the next steps, without training jobs."""
        stop = min(self.step + steps, self.scenario.timeline.steps)
        return scenario_window(self.scenario, self.step, stop).with_changes(training=())

    def members(self, key: str, steps: int, count: int) -> FloatArray:
        """The same future ``count`` times, shape ``(count, steps)``."""
        return np.tile(self.series(key, steps), (count, 1))


@dataclass(frozen=True, eq=False)
class PresentOnly:
    """A forecast that tells the present and refuses everything behind it."""

    known: AbstractForecast

    def series(self, key: str, steps: int) -> FloatArray:
        """The present value, shape ``(1,)``.

        Raises
        ------
        PolicyError
            If more than the present is asked for.
        """
        _refuse(steps)
        return self.known.series(key, 1)

    def window(self, steps: int) -> Scenario:
        """The present step.

        Raises
        ------
        PolicyError
            If more than the present is asked for.
        """
        _refuse(steps)
        return self.known.window(1)

    def members(self, key: str, steps: int, count: int) -> FloatArray:
        """The present value ``count`` times.

        Raises
        ------
        PolicyError
            If more than the present is asked for.
        """
        _refuse(steps)
        return self.known.members(key, 1, count)


def _refuse(steps: int) -> None:
    if steps > 1:
        raise PolicyError(f"{steps} steps of a forecast are asked for; declare 'forecast' in `uses` or ask for 1")


def facts_of(scenario: Scenario, seed: int = 0) -> PolicyFacts:
    """What a policy may know before the first step of ``scenario``."""
    known = tuple(job for job in scenario.training if job.release <= scenario.timeline.start)
    first = scenario_window(scenario, 0, 1).with_changes(training=known)
    return PolicyFacts(scenario=first, steps=scenario.timeline.steps, generator=np.random.default_rng(seed))


def observe(
    scenario: Scenario,
    step: int = 0,
    *,
    jobs: Iterable[JobObservation] | None = None,
    sites: Mapping[str, Mapping[str, Any]] | None = None,
    forecast: AbstractForecast | None = None,
) -> Observation:
    """What a policy sees at the start of a step.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    step : int
        Which step.
    jobs : iterable of JobObservation, optional
        Jobs as they stand; by default all released ones wait with all their work left.
    sites : mapping of str to mapping, optional
        Fields of :class:`SiteObservation` to set, by site; the others follow from the scenario: batteries and
        generators as at the start, load of idle accelerators, fixed power and the jobs that run.
    forecast : AbstractForecast, optional
        By default the series of the scenario themselves.

    Examples
    --------
    >>> from joulewright.testing.trials import trial_scenario
    >>> seen = observe(trial_scenario(), 3, sites={"east": {"import_limit_mw": 0.0}})
    >>> seen.steps_left, seen.sites["east"].import_limit_mw, sorted(seen.jobs)
    (9, 0.0, ['elastic', 'must', 'pausable', 'rigid'])
    """
    now = scenario.timeline.at(step)
    if jobs is None:
        released = sorted((job for job in scenario.training if job.release <= now), key=lambda job: job.release)
        jobs = [JobObservation(job=job, status="waiting", remaining_h=job.duration_h) for job in released]
    listed = {item.job.name: item for item in jobs}
    given = sites or {}
    return Observation(
        step=step,
        time=now,
        step_h=scenario.timeline.step_h,
        steps_left=scenario.timeline.steps - step,
        sites={
            site.name: replace(_site(scenario, site, step, listed), **given.get(site.name, {}))
            for site in scenario.sites
        },
        jobs=listed,
        demand_token_s={
            service.name: {region: float(rate[step]) for region, rate in service.demand_token_s.items()}
            for service in scenario.inference
        },
        forecast=KnownForecast(scenario, step) if forecast is None else forecast,
    )


def _site(scenario: Scenario, site: Site, step: int, jobs: Mapping[str, JobObservation]) -> SiteObservation:
    held = dict.fromkeys((fleet.name for fleet in site.fleets), 0.0)
    extra_mw = 0.0
    for item in jobs.values():
        if item.site == site.name and item.fleet is not None and item.accelerators > 0.0:
            fleet = site.fleet(item.fleet)
            held[item.fleet] += item.accelerators
            extra_mw += item.accelerators * (item.job.power_on(fleet) - fleet.idle_power_mw)
    available = {fleet.name: float(fleet.available[step]) for fleet in site.fleets}
    idle_mw = sum(available[fleet.name] * fleet.idle_power_mw for fleet in site.fleets)
    fixed_mw = float(site.pue[step] * site.fixed_it_power_mw[step] + site.fixed_facility_power_mw[step])
    return SiteObservation(
        site=scenario_window(scenario, 0, 1).site(site.name),
        renewable_mw={plant.name: float(plant.available_mw[step]) for plant in site.renewables},
        pue=float(site.pue[step]),
        energy_mwh={battery.name: battery.initial_energy_mwh for battery in site.batteries},
        generators={
            unit.name: GeneratorState(on=unit.initially_on, hours=unit.initial_hours, output_mw=unit.initial_output_mw)
            for unit in site.generators
        },
        usable_mw={unit.name: unit.capacity_mw * float(unit.availability[step]) for unit in site.generators},
        fuel_cost_per_mwh={unit.name: float(unit.fuel_cost_per_mwh[step]) for unit in site.generators},
        free_accelerators={name: available[name] - held[name] for name in available},
        available_accelerators=available,
        load_mw=fixed_mw + float(site.pue[step]) * (idle_mw + extra_mw),
        critical_mw=fixed_mw,
        **_grid_facts(scenario, site, step),
    )


def _grid_facts(scenario: Scenario, site: Site, step: int) -> dict[str, Any]:
    grid, intensity = site.grid, scenario.deciding_intensity(site)
    names = ("import_limit_mw", "export_limit_mw", "import_price_per_mwh", "export_price_per_mwh")
    windows = () if grid is None else grid.demand_windows
    return {
        **{name: 0.0 if grid is None else float(getattr(grid, name)[step]) for name in names},
        "carbon_kg_per_mwh": 0.0 if intensity is None else float(intensity.kg_per_mwh[step]),
        "peak_mw": {window.name: window.peak_so_far_mw for window in windows if window.members[step]},
    }
