"""A scenario cut to some of its steps."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.scenario import Scenario
from joulewright.model.timeline import Timeline


def cut_series(value: Any, first: int, stop: int) -> Any:
    """A frozen component with all its series cut to the steps ``[first, stop)``; everything else as it is."""
    if isinstance(value, np.ndarray):
        return value[first:stop]
    if isinstance(value, tuple):
        return tuple(cut_series(item, first, stop) for item in value)
    if isinstance(value, dict):
        return {key: cut_series(item, first, stop) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{item.name: cut_series(getattr(value, item.name), first, stop) for item in fields(value)}
        )
    return value


def scenario_window(scenario: Scenario, first: int, stop: int) -> Scenario:
    """The scenario on the steps ``[first, stop)`` of its timeline.

    Jobs, budgets and initial states stay as they are; the caller sets what has changed by then.

    Raises
    ------
    ScenarioError
        If the steps are none or lie outside the horizon.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
    >>> scenario_window(Scenario(name="s", timeline=day, sites=()), 6, 9).timeline.label(0)
    '2022-07-04T06:00'
    """
    timeline = scenario.timeline
    if not 0 <= first < stop <= timeline.steps:
        raise ScenarioError(f"steps [{first}, {stop}) are asked for; the horizon has [0, {timeline.steps})")
    return scenario.with_changes(
        timeline=Timeline(start=timeline.at(first), step_s=timeline.step_s, steps=stop - first),
        sites=cut_series(scenario.sites, first, stop),
        inference=cut_series(scenario.inference, first, stop),
    )
