"""What one unit of every decision costs, earns and emits.

The planner's objective and the ledger both read these numbers, so they cannot disagree. All
per-step figures already hold the step length: multiply by the mean power of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model import Battery, DemandWindow, Generator, InferenceService, Scenario, Site, TrainingJob
from joulewright.model.timeline import FloatArray

_MTOKEN_PER_TOKEN_S_HOUR = 3600.0 / 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class GridCoefficients:
    """Cost and carbon of one MW exchanged during a step; arrays of shape ``(T,)``.

    Attributes
    ----------
    import_cost, export_revenue : FloatArray
        [currency/MW].
    import_carbon_kg, export_credit_kg : FloatArray
        Deciding intensity [kg/MW]; the credit is zero unless the scenario asks for it.
    """

    import_cost: FloatArray
    export_revenue: FloatArray
    import_carbon_kg: FloatArray
    export_credit_kg: FloatArray


def grid_coefficients(scenario: Scenario, site: Site) -> GridCoefficients | None:
    """Coefficients of grid exchange at ``site``; None for an islanded site."""
    if site.grid is None:
        return None
    step_h = scenario.timeline.step_h
    series = scenario.deciding_intensity(site)
    intensity = np.zeros(scenario.timeline.steps) if series is None else series.kg_per_mwh
    return GridCoefficients(
        import_cost=step_h * site.grid.import_price_per_mwh,
        export_revenue=step_h * site.grid.export_price_per_mwh,
        import_carbon_kg=step_h * intensity,
        export_credit_kg=step_h * intensity * float(scenario.carbon.credit_export),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratorCoefficients:
    """Cost [currency] and carbon [kg] of a generator per MW-step, per step on and per start."""

    output_cost: FloatArray
    on_cost: float
    start_cost: float
    output_carbon_kg: float
    on_carbon_kg: float
    start_carbon_kg: float


def generator_coefficients(scenario: Scenario, generator: Generator) -> GeneratorCoefficients:
    """Coefficients of one generator; ``output_cost`` has shape ``(T,)``."""
    step_h = scenario.timeline.step_h
    return GeneratorCoefficients(
        output_cost=step_h * generator.fuel_cost_per_mwh,
        on_cost=step_h * generator.no_load_cost_per_h,
        start_cost=generator.start_cost,
        output_carbon_kg=step_h * generator.emission_kg_per_mwh,
        on_carbon_kg=step_h * generator.no_load_emission_kg_per_h,
        start_carbon_kg=generator.start_emission_kg,
    )


def battery_wear_per_mw(scenario: Scenario, battery: Battery) -> float:
    """Wear cost of one MW charged or discharged during a step [currency/MW].

    The wear of a full cycle's MWh is split evenly between its two directions.
    """
    return scenario.timeline.step_h * battery.wear_cost_per_mwh / 2.0


def demand_charge_per_mw(window: DemandWindow) -> float:
    """Cost of one MW of peak above the peak so far [currency/MW]."""
    return window.price_per_mw * window.share


def unserved_power_cost_per_mw(scenario: Scenario, site: Site) -> float | None:
    """Penalty of one MW of facility load unserved during a step [currency/MW]; None forbids it."""
    penalty = site.unserved_power_penalty_per_mwh
    return None if penalty is None else scenario.timeline.step_h * penalty


def served_revenue_per_token_s(scenario: Scenario, service: InferenceService) -> float:
    """Revenue of serving one token/s during a step [currency per token/s].

    Examples
    --------
    One token/s for an hour is 0.0036 Mtoken; at 0.4 USD/Mtoken that earns 0.00144 USD.
    """
    return scenario.timeline.step_h * _MTOKEN_PER_TOKEN_S_HOUR * service.revenue_per_mtoken


def unserved_cost_per_token_s(scenario: Scenario, service: InferenceService) -> float | None:
    """Penalty of one token/s left unserved during a step [currency per token/s]; None forbids it."""
    penalty = service.unserved_penalty_per_mtoken
    return None if penalty is None else scenario.timeline.step_h * _MTOKEN_PER_TOKEN_S_HOUR * penalty


def carbon_price_per_kg(scenario: Scenario) -> float:
    """Price of operational carbon [currency/kg]."""
    return scenario.carbon.price_per_t / 1000.0


def excess_carbon_price_per_kg(scenario: Scenario) -> float | None:
    """Price of carbon above a budget [currency/kg]; None makes budgets hard."""
    price = scenario.carbon.excess_price_per_t
    return None if price is None else price / 1000.0


def beyond_cost_per_it_mwh(scenario: Scenario, site: Site) -> float:
    """Value of IT energy that a job uses after the horizon [currency/MWh of IT energy].

    Mean PUE times the mean import price of the horizon, carbon price included; zero without a grid.
    """
    if site.grid is None:
        return 0.0
    series = scenario.deciding_intensity(site)
    carbon = 0.0 if series is None else float(series.kg_per_mwh.mean()) * carbon_price_per_kg(scenario)
    return float(site.pue.mean()) * (float(site.grid.import_price_per_mwh.mean()) + carbon)


def earliest_end(scenario: Scenario, job: TrainingJob) -> int:
    """Earliest boundary at which the job could end on any fleet it may use."""
    timeline = scenario.timeline
    fastest = job.speed_points[-1][1] if job.kind == "elastic" else 1.0
    steps = [
        timeline.steps_for(job.duration_on(fleet, timeline) / fastest)
        for site, fleet in scenario.fleets()
        if job.allows(site.name) and job.fits(fleet)
    ]
    return job.first_step(timeline) + min(steps, default=0)


def delay_cost(scenario: Scenario, job: TrainingJob, end_boundary: int) -> float:
    """Cost of ending at ``end_boundary`` instead of the earliest possible end [currency]."""
    if job.delay_cost_per_h == 0.0:
        return 0.0
    late_steps = max(0, end_boundary - earliest_end(scenario, job))
    return job.delay_cost_per_h * late_steps * scenario.timeline.step_h


def transfer_cost(scenario: Scenario, job: TrainingJob, origin: str, destination: str) -> float:
    """Cost of moving the job's checkpoint between two sites [currency]; zero within a site."""
    link = scenario.link(origin, destination)
    return 0.0 if link is None or origin == destination else link.cost_per_gb * job.checkpoint_gb
