"""How good forecasts are: errors by signal and lead time, and the skill against persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model import Scenario
from joulewright.model.disturbance import apply_events
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractForecaster
from joulewright.policy.forecast.past import PersistenceForecaster
from joulewright.policy.signals import signal_series


@dataclass(frozen=True, kw_only=True)
class SkillRow:
    """Errors of the forecasts of one signal at one lead time, in the unit of the signal unless said otherwise.

    Attributes
    ----------
    signal : str
        Key of the signal.
    lead_h : float
        Time between the issue and the start of the step that is forecast [h].
    count : int
        Number of forecasts.
    mae, rmse, bias : float
        Mean absolute error, root mean square error and mean of forecast less actual.
    nmae_fraction : float or None
        Mean absolute error over the mean absolute actual value; None where that is zero.
    mape_fraction : float or None
        Mean of absolute errors over actual values; None where an actual value is zero.
    skill : float or None
        ``1 - mae / mae of persistence``: 1 is perfect, 0 no better than persistence; None where that has no error.
    """

    signal: str
    lead_h: float
    count: int
    mae: float
    rmse: float
    bias: float
    nmae_fraction: float | None
    mape_fraction: float | None
    skill: float | None


def skill(
    forecaster: AbstractForecaster,
    scenario: Scenario,
    seed: int,
    *,
    leads_h: Sequence[float] = (1.0, 6.0, 24.0),
    every_h: float = 1.0,
) -> tuple[SkillRow, ...]:
    """Score a forecaster on a scenario.

    Parameters
    ----------
    forecaster : AbstractForecaster
        What to score.
    scenario : Scenario
        What happens; without its events applied, they happen here.
    seed : int
        Seed of the forecaster's random numbers.
    leads_h : sequence of float
        Lead times to score [h], rounded to whole steps, at least one step.
    every_h : float
        Time between two issues [h].

    Returns
    -------
    tuple of SkillRow
        One for each signal that changes over time and each lead time that fits the horizon.

    Raises
    ------
    PolicyError
        If a lead time or the time between issues is not positive, or a forecast is not finite.

    References
    ----------
    Hyndman and Koehler (2006), Int. J. Forecasting 22:679-688, doi 10.1016/j.ijforecast.2006.03.001 (the measures).
    """
    if every_h <= 0.0 or not leads_h or min(leads_h) <= 0.0:
        raise PolicyError(f"leads are {list(leads_h)} h and issues {every_h:g} h apart; both must be above 0")
    truth = scenario if scenario.events_applied else apply_events(scenario, scenario.events)
    timeline = scenario.timeline
    leads = sorted({max(1, round(lead / timeline.step_h)) for lead in leads_h})
    leads = [lead for lead in leads if lead < timeline.steps]
    issues = range(0, timeline.steps - 1, max(1, round(every_h / timeline.step_h)))
    actual = {key: values for key, values in signal_series(truth).items() if np.ptp(values) > 0.0}
    both = [
        _forecasts(one, (scenario, truth), seed, issues=issues, keys=tuple(actual), leads=leads)
        for one in (forecaster, PersistenceForecaster())
    ]
    return tuple(
        _row(key, lead * timeline.step_h, values[np.array(issues)[: found.size] + lead], (found, naive))
        for key, values in actual.items()
        for lead, found, naive in zip(leads, both[0][key], both[1][key], strict=True)
    )


def _forecasts(
    forecaster: AbstractForecaster,
    scenarios: tuple[Scenario, Scenario],
    seed: int,
    *,
    issues: range,
    keys: Sequence[str],
    leads: Sequence[int],
) -> dict[str, list[FloatArray]]:
    """Forecasts by signal and lead, each of the issues from which the lead stays within the horizon."""
    undisturbed, truth = scenarios
    source = forecaster.prepare(truth, undisturbed, undisturbed.events, np.random.default_rng(seed))
    table = {key: np.full((len(issues), len(leads)), np.nan) for key in keys}
    for row, step in enumerate(issues):
        issued = source.issue(step)
        for key in keys:
            values = issued.series(key, leads[-1] + 1) if leads else np.zeros(0)
            inside = [lead for lead in leads if lead < values.size]
            table[key][row, : len(inside)] = values[inside]
    fits = [sum(step + lead < truth.timeline.steps for step in issues) for lead in leads]
    return {key: [values[:count, column] for column, count in enumerate(fits)] for key, values in table.items()}


def _row(key: str, lead_h: float, actual: FloatArray, forecasts: tuple[FloatArray, FloatArray]) -> SkillRow:
    found, naive = (values - actual for values in forecasts)
    mae, naive_mae, scale = (float(np.mean(np.abs(values))) for values in (found, naive, actual))
    return SkillRow(
        signal=key,
        lead_h=lead_h,
        count=actual.size,
        mae=mae,
        rmse=float(np.sqrt(np.mean(found**2))),
        bias=float(np.mean(found)),
        nmae_fraction=mae / scale if scale > 0.0 else None,
        mape_fraction=float(np.mean(np.abs(found / actual))) if (actual != 0.0).all() else None,
        skill=1.0 - mae / naive_mae if naive_mae > 0.0 else None,
    )
