"""What a microgrid meets: load, renewable power, prices, carbon intensity and limits, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import per_step
from joulewright.sim.microgrid.records import SIGNALS, VESSIM_SIGNALS, RecordArray

_MOST = 1e15


@dataclass(frozen=True, kw_only=True, eq=False)
class MicrogridInputs:
    """Checked signals of one microgrid in MW, made by :func:`microgrid_inputs`.

    Attributes
    ----------
    step_s : int
        Length of a step [s].
    signals : RecordArray
        Load, prices, carbon intensity and limits, one record per step, shape ``(T,)``; fields end in their unit.
    plants : tuple of str
        Names of the renewable plants.
    profiles : FloatArray
        Power available per MW of each plant, shape ``(plants, T)``.
    absent : frozenset of str
        Figures that are left out because their series was not given.
    """

    step_s: int
    signals: RecordArray
    plants: tuple[str, ...] = ()
    profiles: FloatArray
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, eq=False)
class VessimInputs:
    """Checked signals of one microgrid in W, made by :func:`vessim_inputs`.

    Attributes
    ----------
    step_s, last_step_s : float
        Length of a step and of the last one, which the horizon may cut short [s].
    signals : RecordArray
        Load, solar power, prices and carbon intensity, one record per step, shape ``(T,)``; fields end in their unit.
    absent : frozenset of str
        Figures that are left out because their series was not given.
    """

    step_s: float
    last_step_s: float
    signals: RecordArray
    absent: frozenset[str] = field(default_factory=frozenset)


def microgrid_inputs(
    *,
    step_s: int,
    load_mw: ArrayLike,
    per_unit: Mapping[str, ArrayLike] | None = None,
    import_price_per_mwh: ArrayLike | None = None,
    export_price_per_mwh: ArrayLike | None = None,
    carbon_kg_per_mwh: ArrayLike | None = None,
    import_limit_mw: ArrayLike = math.inf,
    export_limit_mw: ArrayLike = math.inf,
) -> MicrogridInputs:
    """Check the signals of a microgrid; a number stands for a constant series.

    Parameters
    ----------
    step_s : int
        Length of a step [s], 1 s to 1 day.
    load_mw : array_like
        Load of each step [MW], shape ``(T,)``, not negative.
    per_unit : mapping of str to array_like
        Power available per MW of a plant, e.g. ``solar`` and ``wind`` [-], shape ``(T,)``, not negative.
    import_price_per_mwh, export_price_per_mwh : array_like or None
        Price paid for import and received for export [currency/MWh], shape ``(T,)``; without one the figure is left
        out.
    carbon_kg_per_mwh : array_like or None
        Carbon intensity of import [kg/MWh], shape ``(T,)``; without it the figure is left out.
    import_limit_mw, export_limit_mw : array_like
        Limits of the grid connection [MW], shape ``(T,)``; infinite by default, 0 for an island.

    Raises
    ------
    ScenarioError
        If a value is not finite or out of range, or a series has another length than the load.

    Examples
    --------
    >>> microgrid_inputs(step_s=3600, load_mw=[1.0, 2.0], import_limit_mw=1.5).signals["import_limit_mw"].tolist()
    [1.5, 1.5]
    """
    if not 1 <= step_s <= 86_400:
        raise ScenarioError(f"step is {step_s} s; allowed are 1 s to 1 day")
    steps = _steps(load_mw, "load_mw")
    profiles = np.empty((len(per_unit or {}), steps))
    for row, (name, values) in zip(profiles, (per_unit or {}).items(), strict=True):
        row[:] = per_step(values, f"per_unit[{name!r}]", 0.0, _MOST, steps=steps, unit="MW/MW")
    signals = np.zeros(steps, SIGNALS)
    signals["load_mw"] = per_step(load_mw, "load_mw", 0.0, _MOST, steps=steps, unit="MW")
    for name, limit in (("import_limit_mw", import_limit_mw), ("export_limit_mw", export_limit_mw)):
        signals[name] = per_step(limit, name, 0.0, steps=steps, unit="MW")
    rates = {
        "import_price_per_mwh": import_price_per_mwh,
        "export_price_per_mwh": export_price_per_mwh,
        "carbon_kg_per_mwh": carbon_kg_per_mwh,
    }
    return MicrogridInputs(
        step_s=step_s,
        signals=signals,
        plants=tuple(per_unit or {}),
        profiles=profiles,
        absent=_fill_rates(signals, rates, unit="/MWh"),
    )


def vessim_inputs(
    *,
    step_s: int,
    load_w: ArrayLike,
    solar_w: ArrayLike = 0.0,
    import_price_per_kwh: ArrayLike | None = None,
    export_price_per_kwh: ArrayLike | None = None,
    carbon_kg_per_kwh: ArrayLike | None = None,
    horizon_s: float | None = None,
) -> VessimInputs:
    """Check the signals of a microgrid in the units of Vessim; a number stands for a constant series.

    Parameters
    ----------
    step_s : int
        Length of a step [s], at least 1 s.
    load_w : array_like
        Load of each step [W], shape ``(T,)``, not negative.
    solar_w : array_like
        Power produced in each step [W], shape ``(T,)``, not negative.
    import_price_per_kwh, export_price_per_kwh : array_like or None
        Price paid for import and received for export [currency/kWh], shape ``(T,)``; without one the figure is left
        out.
    carbon_kg_per_kwh : array_like or None
        Carbon intensity of import [kg/kWh], shape ``(T,)``; without it the figure is left out.
    horizon_s : float or None
        End of the run [s], within the last step; None ends with the last step.

    Raises
    ------
    ScenarioError
        If a value is not finite or out of range, or a series has another length than the load.

    Examples
    --------
    >>> vessim_inputs(step_s=3600, load_w=[1e6, 2e6], horizon_s=5400).last_step_s
    1800.0
    """
    if not step_s >= 1:
        raise ScenarioError(f"step is {step_s} s; allowed is at least 1 s")
    steps = _steps(load_w, "load_w")
    last_s = float(step_s if horizon_s is None else horizon_s - (steps - 1) * step_s)
    if not 0.0 < last_s <= step_s:
        raise ScenarioError(
            f"horizon_s is {horizon_s} s; {steps} steps of {step_s} s end after "
            f"{(steps - 1) * step_s} s and at most {steps * step_s} s"
        )
    signals = np.zeros(steps, VESSIM_SIGNALS)
    for name, power in (("load_w", load_w), ("solar_w", solar_w)):
        signals[name] = per_step(power, name, 0.0, _MOST, steps=steps, unit="W")
    rates = {
        "import_price_per_kwh": import_price_per_kwh,
        "export_price_per_kwh": export_price_per_kwh,
        "carbon_kg_per_kwh": carbon_kg_per_kwh,
    }
    absent = _fill_rates(signals, rates, unit="/kWh")
    return VessimInputs(step_s=float(step_s), last_step_s=last_s, signals=signals, absent=absent)


def _steps(load: ArrayLike, name: str) -> int:
    shape = np.shape(load)
    if len(shape) != 1 or shape[0] < 1:
        raise ScenarioError(f"{name} has shape {shape}; give one value for each step, shape (T,)")
    return int(shape[0])


def _fill_rates(signals: RecordArray, rates: Mapping[str, ArrayLike | None], *, unit: str) -> frozenset[str]:
    """Fill in the rates that are given; the figures of the others."""
    figures = ("import_cost", "export_revenue", "carbon_kg")
    for name, values in rates.items():
        if values is not None:
            low, measure = (0.0, "kg") if name.startswith("carbon") else (-_MOST, "")
            signals[name] = per_step(values, name, low, _MOST, steps=signals.size, unit=measure + unit)
    return frozenset(figure for figure, values in zip(figures, rates.values(), strict=True) if values is None)
