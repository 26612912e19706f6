"""Cooling: an air-cooled electric chiller with free cooling, and the PUE that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked, per_step

MODELS: dict[str, str] = {
    "constant": "one PUE for all steps",
    "points": "PUE by outdoor temperature, linear between the given points",
    "chiller": "air-cooled electric chiller with free cooling",
    "pue-temperature": "the same as chiller",
}
"""Names of the cooling models with one line each."""


@dataclass(frozen=True, kw_only=True)
class ChillerPlant:
    """An air-cooled chiller plant with free cooling, fans, pumps and electrical losses.

    The defaults describe a mid-size chilled-water plant (PUE 1.11 in free cooling, 1.34 at 20 degC, 1.36 at
    30 degC). They are assumptions, not measurements: replace them by the data of the building.

    Attributes
    ----------
    load_fraction : float
        Heat to be removed per chiller capacity at rating, in (0, 1]; fixed so that PUE does not depend on load.
    evaporator_out_c : float
        Chilled-water supply [degC]; the curves hold up to about 12 degC.
    cop : float
        Coefficient of performance at rating (35 degC outdoors, 6.67 degC chilled water).
    highest_cop : float
        Cap on the resulting coefficient of performance; the curves promise too much in mild weather.
    condenser_hold_c : float
        Below this outdoor temperature the condenser pressure is held, so the power falls no further [degC].
    free_cooling_below_c : float or None
        Outdoor temperature up to which outside air does all the cooling [degC]; None for no economiser.
    free_cooling_band_k : float
        Width above it in which the chillers take over linearly [K].
    fan_fraction, pump_fraction : float
        Power of room fans and of pumps per IT power; the fans' heat must be removed too.
    electrical_loss_fraction : float
        Losses of transformers and uninterruptible supplies per IT power.
    """

    load_fraction: float = 0.5
    evaporator_out_c: float = 10.0
    cop: float = 3.0
    highest_cop: float = 8.0
    condenser_hold_c: float = 20.0
    free_cooling_below_c: float | None = 12.0
    free_cooling_band_k: float = 8.0
    fan_fraction: float = 0.05
    pump_fraction: float = 0.01
    electrical_loss_fraction: float = 0.05

    def __post_init__(self) -> None:
        checked(self.load_fraction, "chiller load_fraction", 0.01, 1.0)
        checked(self.evaporator_out_c, "chilled-water temperature", 4.0, 15.0, unit="degC")
        checked(self.cop, "chiller COP", 1.0, 12.0)
        checked(self.highest_cop, "chiller highest COP", 1.0, 30.0)
        checked(self.free_cooling_band_k, "free-cooling band", 0.0, 40.0, unit="K")
        for name in ("fan_fraction", "pump_fraction", "electrical_loss_fraction"):
            checked(getattr(self, name), f"cooling {name}", 0.0, 1.0)


STANDARD_PLANT = ChillerPlant()
"""The defaults."""


def chiller_power_mw(
    heat_mw: ArrayLike,
    temperature_c: ArrayLike,
    *,
    capacity_mw: float,
    evaporator_out_c: float = 6.67,
    cop: float = 3.0,
    highest_cop: float = 8.0,
) -> tuple[FloatArray, FloatArray]:
    """Electric power of an air-cooled chiller and the heat it cannot remove [MW], broadcast shapes.

    Parameters
    ----------
    heat_mw : array_like
        Heat to be removed [MW].
    temperature_c : array_like
        Outdoor (condenser inlet) temperature [degC].
    capacity_mw : float
        Cooling capacity at rating [MW].
    evaporator_out_c : float
        Chilled-water supply [degC].
    cop, highest_cop : float
        Coefficient of performance at rating, and the cap on the result.

    Returns
    -------
    power_mw, unmet_mw : FloatArray
        Electric power, and heat above the available capacity.

    Notes
    -----
    With dT = (T - 35)/2.778 - (T_evap - 6.67)::

        c = 0.944836 - 0.0570088 dT + 0.00185486 dT^2          available capacity per rating
        PLR = clip(heat / (c capacity), 0.05, 1)               part load
        f = 0.03303 + 0.6852 PLR + 0.2818 PLR^2                share of full-load power
        r = 2.333 - 1.975 c + 0.6121 c^2                       full-load power ratio
        P = f r c capacity / COP                               cycling below 5 % load scales P with the load

    References
    ----------
    EnergyPlus Engineering Reference, Chiller:Electric, with the coefficients of its air-cooled example.

    Examples
    --------
    >>> power, unmet = chiller_power_mw(0.5, 35.0, capacity_mw=1.0)
    >>> round(float(power), 5), float(unmet)
    (0.15146, 0.0)
    """
    heat = checked(heat_mw, "heat", 0.0, unit="MW")
    lift = (np.asarray(temperature_c, dtype=np.float64) - 35.0) / 2.778 - (evaporator_out_c - 6.67)
    ratio = 0.944836 + lift * (-0.0570088 + 0.00185486 * lift)
    available = ratio * capacity_mw
    load = heat / available
    part = np.clip(load, 0.05, 1.0)
    share = 0.03303 + part * (0.6852 + 0.2818 * part)
    full = (2.333 + ratio * (-1.975 + 0.6121 * ratio)) * available / cop
    power = share * full * np.minimum(load / 0.05, 1.0)
    removed = np.minimum(heat, available)
    return np.maximum(power, removed / highest_cop), heat - removed


def free_cooling_fraction(temperature_c: ArrayLike, below_c: float | None, *, band_k: float = 0.0) -> FloatArray:
    """Share of the heat that free cooling removes, same shape; a switch where the band is 0.

    Parameters
    ----------
    temperature_c : array_like
        Temperature that decides [degC]: outdoor air for an air economiser, tower water for a water one.
    below_c : float or None
        Up to which it does all the cooling [degC]; None for no economiser.
    band_k : float
        Width above it in which the chillers take over linearly [K].

    Notes
    -----
    ``1 - clip((T - below) / band, 0, 1)``.

    References
    ----------
    ANSI/ASHRAE/IES Standard 90.1-2022, section 6.5.1 (economisers); the linear hand-over is our own.

    Examples
    --------
    >>> free_cooling_fraction([10.0, 14.0, 30.0], 12.0, band_k=8.0).tolist()
    [1.0, 0.75, 0.0]
    """
    outdoor = np.asarray(temperature_c, dtype=np.float64)
    if below_c is None:
        return np.zeros_like(outdoor)
    share: FloatArray = 1.0 - np.clip((outdoor - below_c) / max(band_k, 1e-9), 0.0, 1.0)
    return share


def chiller_pue(temperature_c: ArrayLike, plant: ChillerPlant = STANDARD_PLANT) -> tuple[FloatArray, FloatArray]:
    """PUE of a chiller plant and the share of heat it cannot remove, same shape as the temperature [degC].

    Parameters
    ----------
    temperature_c : array_like
        Outdoor dry-bulb temperature [degC].
    plant : ChillerPlant
        Chillers, economiser and shares [-] of fans, pumps and electrical losses.

    Notes
    -----
    Per unit of IT power the plant removes ``1 + fans`` of heat, so that
    ``PUE = 1 + losses + fans + pumps + (1 - free) (1 + fans) P_chiller / heat``, where ``free`` is 1 up to the
    free-cooling limit and falls linearly to 0 over the band.

    References
    ----------
    ISO/IEC 30134-2:2016 (PUE); chiller as in :func:`chiller_power_mw`.

    Examples
    --------
    >>> pue, unmet = chiller_pue([5.0, 20.0, 30.0])
    >>> pue.round(3).tolist()
    [1.11, 1.338, 1.358]
    """
    outdoor = checked(temperature_c, "temperature", -90.0, 70.0, unit="degC")
    held = np.maximum(outdoor, plant.condenser_hold_c)
    power, unmet = chiller_power_mw(
        plant.load_fraction,
        held,
        capacity_mw=1.0,
        evaporator_out_c=plant.evaporator_out_c,
        cop=plant.cop,
        highest_cop=plant.highest_cop,
    )
    chilled = 1.0 - free_cooling_fraction(outdoor, plant.free_cooling_below_c, band_k=plant.free_cooling_band_k)
    fixed = 1.0 + plant.electrical_loss_fraction + plant.fan_fraction + plant.pump_fraction
    pue = fixed + chilled * (1.0 + plant.fan_fraction) * power / plant.load_fraction
    return pue, chilled * unmet / plant.load_fraction


def pue_profile(
    model: str,
    temperature_c: ArrayLike | None = None,
    *,
    steps: int,
    pue: ArrayLike | None = None,
    points: Sequence[tuple[float, float]] = (),
    plant: ChillerPlant = STANDARD_PLANT,
) -> tuple[FloatArray, tuple[Diagnostic, ...]]:
    """PUE of every step, shape ``(T,)``, at least 1, with notes on what was assumed.

    Parameters
    ----------
    model : str
        Key of :data:`MODELS`.
    temperature_c : array_like, optional
        Outdoor temperature [degC], shape ``(T,)``; needed by all models but ``constant``.
    steps : int
        Number of steps T.
    pue : array_like, optional
        PUE of model ``constant``: one value or shape ``(T,)``.
    points : sequence of (float, float)
        (temperature [degC], PUE) of model ``points``; held flat beyond the first and last.
    plant : ChillerPlant
        Plant of model ``chiller``.

    Returns
    -------
    pue : FloatArray
        Facility power per IT power [-].
    diagnostics : tuple of Diagnostic
        ``P018`` where points were held flat beyond their range, ``P019`` where the chillers cannot keep up.

    Raises
    ------
    ScenarioError
        If the model is unknown, its input is missing, or a PUE lies below 1.

    References
    ----------
    ISO/IEC 30134-2:2016 (PUE).

    Examples
    --------
    >>> pue_profile("points", [0.0, 20.0, 40.0], steps=3, points=[(10, 1.1), (30, 1.3)])[0].round(6).tolist()
    [1.1, 1.2, 1.3]
    """
    if model not in MODELS:
        raise ScenarioError(f"cooling model is {model!r}; allowed are {sorted(MODELS)}")
    if model == "constant":
        if pue is None:
            raise ScenarioError('cooling model "constant" gives no pue; add e.g. pue = 1.2')
        return per_step(pue, "PUE", 1.0, 5.0, steps=steps).copy(), ()
    if temperature_c is None:
        raise ScenarioError(f'cooling model "{model}" needs a temperature series; add one or use model = "constant"')
    outdoor = per_step(temperature_c, "temperature", -90.0, 70.0, steps=steps, unit="degC")
    if model == "points":
        return _interpolated(outdoor, points)
    values, unmet = chiller_pue(outdoor, plant)
    short = int((unmet > 0.0).sum())
    if not short:
        return values, ()
    message = f"the chillers cannot remove all heat in {short} of {steps} steps (up to {unmet.max():.1%} of it)"
    help_ = f"lower load_fraction ({plant.load_fraction:g}): install more chiller capacity for the same heat"
    return values, (Diagnostic(code="P019", severity="warning", message=message, help=help_),)


def _interpolated(
    outdoor: FloatArray, points: Sequence[tuple[float, float]]
) -> tuple[FloatArray, tuple[Diagnostic, ...]]:
    table = np.asarray(sorted(points), dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] != 2:
        raise ScenarioError(f"cooling points have shape {table.shape}; give at least two [temperature in degC, PUE]")
    if (np.diff(table[:, 0]) <= 0.0).any():
        raise ScenarioError(f"cooling points repeat a temperature: {table[:, 0].tolist()} degC")
    values = np.interp(outdoor, table[:, 0], checked(table[:, 1], "PUE", 1.0, 5.0))
    outside = int(((outdoor < table[0, 0]) | (outdoor > table[-1, 0])).sum())
    if not outside:
        return values, ()
    message = (
        f"{outside} of {outdoor.size} temperatures lie outside the PUE points "
        f"({table[0, 0]:g} to {table[-1, 0]:g} degC); the nearest PUE is held"
    )
    reach = f"{outdoor.min():.1f} to {outdoor.max():.1f} degC"
    return values, (Diagnostic(code="P018", severity="note", message=message, help=f"add points that span {reach}"),)
