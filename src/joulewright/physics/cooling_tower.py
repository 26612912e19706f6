"""Cooling towers: wet-bulb temperature, water that evaporates, drifts and is blown down, and water-cooled chillers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.cooling import free_cooling_fraction
from joulewright.physics.ranges import checked

_WATER_KJ_KG_K = 4.186
_PRESSURE_HPA = 1013.25


def wet_bulb_c(temperature_c: ArrayLike, relative_humidity_fraction: ArrayLike) -> FloatArray:
    """Wet-bulb temperature at sea level [degC], broadcast shapes; for humidity above 5 % and -20 to 50 degC.

    References
    ----------
    Stull (2011), Journal of Applied Meteorology and Climatology 50, 2267-2269, doi:10.1175/JAMC-D-11-0143.1, eq. 1.

    Examples
    --------
    >>> round(float(wet_bulb_c(20.0, 0.5)), 1)
    13.7
    """
    air = np.asarray(temperature_c, dtype=np.float64)
    percent = 100.0 * checked(relative_humidity_fraction, "relative humidity", 0.0, 1.0)
    humid: FloatArray = (
        air * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(air + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )
    return humid


def tower_water_l_per_h(
    wet_bulb_c: ArrayLike, heat_mw: ArrayLike, *, reference_heat_mw: float, range_k: float = 5.0
) -> FloatArray:
    """Water that a cooling tower evaporates and drifts [L/h], broadcast shapes.

    Parameters
    ----------
    wet_bulb_c : array_like
        Wet-bulb temperature [degC].
    heat_mw : array_like
        Heat rejected [MW].
    reference_heat_mw : float
        Heat rejection of the tower that the regression describes [MW].
    range_k : float
        Cooling of the water in the tower [K].

    Notes
    -----
    ``0.044 T_wb + 0.3528 range + 0.101`` m3/h at the reference heat, plus 1 % drift, scaled with the heat. A water
    usage effectiveness [L/kWh] is this divided by the IT power in kW.

    References
    ----------
    Regression of the SustainDC data-centre model (Naug et al. 2024, NeurIPS Datasets and Benchmarks), here scaled.

    Examples
    --------
    >>> round(float(tower_water_l_per_h(20.0, 2.0, reference_heat_mw=2.0)), 1)  # (0.88 + 1.764 + 0.101) x 1.01
    2772.5
    """
    checked(reference_heat_mw, "reference heat", 1e-9, unit="MW")
    flow_m3 = np.maximum(0.0, 0.044 * np.asarray(wet_bulb_c, dtype=np.float64) + 0.3528 * range_k + 0.101) * 1.01
    water: FloatArray = 1000.0 * flow_m3 * checked(heat_mw, "heat", 0.0, unit="MW") / reference_heat_mw
    return water


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A wet cooling tower; the defaults of drift and concentration are those of EnergyPlus, the others typical.

    Attributes
    ----------
    approach_k : float
        Water leaves so much warmer than the wet-bulb temperature [K].
    range_k : float
        Cooling of the water in the tower [K].
    drift_fraction : float
        Droplets carried away per water circulated [-].
    concentration_cycles : float
        Dissolved solids of the blowdown per those of the makeup water [-], above 1.
    least_water_c : float
        Fans slow down so that the water stays at least so warm [degC].
    fan_fraction : float
        Fan power per heat rejected [-].

    References
    ----------
    EnergyPlus Input Output Reference, CoolingTower:VariableSpeed (drift 0.008 %, concentration ratio 3).
    """

    approach_k: float = 4.0
    range_k: float = 5.5
    drift_fraction: float = 8e-5
    concentration_cycles: float = 3.0
    least_water_c: float = 7.0
    fan_fraction: float = 0.012

    def __post_init__(self) -> None:
        checked(self.approach_k, "tower approach", 0.5, 20.0, unit="K")
        checked(self.range_k, "tower range", 1.0, 30.0, unit="K")
        checked(self.drift_fraction, "tower drift", 0.0, 0.01)
        checked(self.concentration_cycles, "cycles of concentration", 1.05, 20.0)
        checked(self.least_water_c, "least tower water", 0.0, 40.0, unit="degC")
        checked(self.fan_fraction, "tower fan_fraction", 0.0, 0.2)

    def water_c(self, wet_bulb_c: FloatArray) -> FloatArray:
        """Water that leaves the tower [degC], same shape as the wet-bulb temperature [degC]."""
        return np.maximum(wet_bulb_c + self.approach_k, self.least_water_c)


STANDARD_TOWER = Tower()
"""The defaults."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TowerWater:
    """Water of a cooling tower [L/h], broadcast shapes.

    Attributes
    ----------
    evaporation_l_per_h, drift_l_per_h, blowdown_l_per_h : FloatArray
        Where it goes.

    References
    ----------
    See :func:`tower_water`.
    """

    evaporation_l_per_h: FloatArray
    drift_l_per_h: FloatArray
    blowdown_l_per_h: FloatArray

    @property
    def makeup_l_per_h(self) -> FloatArray:
        """Water drawn from the supply [L/h]: the sum of the three."""
        return self.evaporation_l_per_h + self.drift_l_per_h + self.blowdown_l_per_h


def tower_water(
    heat_mw: ArrayLike, temperature_c: ArrayLike, wet_bulb_c: ArrayLike, tower: Tower = STANDARD_TOWER
) -> TowerWater:
    """Evaporation, drift and blowdown of a cooling tower that rejects heat, broadcast shapes.

    Parameters
    ----------
    heat_mw : array_like
        Heat rejected [MW].
    temperature_c, wet_bulb_c : array_like
        Dry-bulb and wet-bulb temperature of the outdoor air [degC].
    tower : Tower
        Approach and range [K], drift and cycles of concentration [-].

    Raises
    ------
    ScenarioError
        If heat is negative or a temperature is out of range.

    Notes
    -----
    Air leaves saturated at the mean temperature of the water (saturated exit). With w the humidity ratio and i the
    enthalpy of moist air per kg of dry air, in from outdoors and out::

        T_out       = max(T_wb + approach, least water) + range / 2
        evaporation = heat (w_out - w_in) / (i_out - i_in)
        circulated  = heat / (c_water range)
        drift       = drift_fraction circulated
        blowdown    = max(0, evaporation / (cycles - 1) - drift)

    In cold air more of the heat leaves as warmth and less as vapour, so evaporation falls.

    References
    ----------
    EnergyPlus Engineering Reference, Cooling Towers, makeup water usage (saturated exit, drift 0.008 %,
    concentration ratio 3); moist air: ASHRAE Handbook Fundamentals (2021), chapter 1.

    Examples
    --------
    >>> water = tower_water(1.0, 30.0, 20.0)
    >>> 1200 < float(water.evaporation_l_per_h) < 1600  # all of it latent would be 3600 / 2.44 = 1475 L/h
    True
    >>> ratio = water.makeup_l_per_h / (water.drift_l_per_h + water.blowdown_l_per_h)
    >>> round(float(ratio), 9)  # cycles of concentration
    3.0
    """
    heat = checked(heat_mw, "heat", 0.0, unit="MW")
    wet = checked(wet_bulb_c, "wet-bulb temperature", -60.0, 45.0, unit="degC")
    dry = np.maximum(checked(temperature_c, "temperature", -90.0, 70.0, unit="degC"), wet)
    leaving = tower.water_c(wet) + tower.range_k / 2.0
    inside, outside = _saturated_ratio(leaving), _humidity_ratio(dry, wet)
    per_heat = (inside - outside) / (_enthalpy_kj_kg(leaving, inside) - _enthalpy_kj_kg(dry, outside))
    heat_kj_h = 3.6e6 * heat
    evaporation = heat_kj_h * np.maximum(per_heat, 0.0)
    drift = tower.drift_fraction * heat_kj_h / (_WATER_KJ_KG_K * tower.range_k)
    blowdown = np.maximum(evaporation / (tower.concentration_cycles - 1.0) - drift, 0.0)
    evaporation, drift, blowdown = np.broadcast_arrays(evaporation, drift, blowdown)
    return TowerWater(evaporation_l_per_h=evaporation, drift_l_per_h=drift, blowdown_l_per_h=blowdown)


def _saturated_ratio(temperature_c: FloatArray) -> FloatArray:
    """Humidity ratio of saturated air [kg/kg]; vapour pressure by Buck (1996), CR-1A hygrometer manual, over water."""
    vapour_hpa = 6.1121 * np.exp((18.678 - temperature_c / 234.5) * temperature_c / (257.14 + temperature_c))
    ratio: FloatArray = 0.621945 * vapour_hpa / (_PRESSURE_HPA - vapour_hpa)
    return ratio


def _humidity_ratio(dry_c: FloatArray, wet_c: FloatArray) -> FloatArray:
    """Humidity ratio [kg/kg] from dry-bulb and wet-bulb temperature, ASHRAE Fundamentals (2021), chapter 1, eq. 33."""
    above = (2501.0 - 2.326 * wet_c) * _saturated_ratio(wet_c) - 1.006 * (dry_c - wet_c)
    return np.maximum(above / (2501.0 + 1.86 * dry_c - 4.186 * wet_c), 0.0)


def _enthalpy_kj_kg(temperature_c: FloatArray, ratio: FloatArray) -> FloatArray:
    """Enthalpy of moist air per kg of dry air [kJ/kg]."""
    return 1.006 * temperature_c + ratio * (2501.0 + 1.86 * temperature_c)


@dataclass(frozen=True, kw_only=True)
class TowerPlant:
    """A water-cooled chiller plant behind a tower, with a water economiser.

    Attributes
    ----------
    tower : Tower
        Heat rejection.
    load_fraction : float
        Heat to be removed per chiller capacity at rating, in (0, 1].
    evaporator_out_c : float
        Chilled-water supply [degC]; the curves hold from 5 to 10 degC and are held at these ends.
    cop : float
        Coefficient of performance at rating (29.4 degC condenser water, 6.67 degC chilled water).
    exchanger_k : float or None
        Chilled water leaves the free-cooling exchanger so much warmer than the tower water [K]; None for none.
    free_cooling_band_k : float
        Width above the free-cooling limit in which the chillers take over linearly [K]; 0 for a switch.
    fan_fraction, pump_fraction : float
        Power of room fans and of pumps per IT power.
    electrical_loss_fraction : float
        Losses of transformers and uninterruptible supplies per IT power.

    References
    ----------
    See :func:`water_chiller_power_mw` and :func:`tower_water`.
    """

    tower: Tower = STANDARD_TOWER
    load_fraction: float = 0.7
    evaporator_out_c: float = 10.0
    cop: float = 5.5
    exchanger_k: float | None = 2.0
    free_cooling_band_k: float = 6.0
    fan_fraction: float = 0.05
    pump_fraction: float = 0.02
    electrical_loss_fraction: float = 0.05

    def __post_init__(self) -> None:
        checked(self.load_fraction, "chiller load_fraction", 0.1, 1.0)
        checked(self.evaporator_out_c, "chilled-water temperature", 4.0, 20.0, unit="degC")
        checked(self.cop, "chiller COP", 1.0, 12.0)
        checked(self.free_cooling_band_k, "free-cooling band", 0.0, 40.0, unit="K")
        for name in ("fan_fraction", "pump_fraction", "electrical_loss_fraction"):
            checked(getattr(self, name), f"cooling {name}", 0.0, 1.0)


STANDARD_TOWER_PLANT = TowerPlant()
"""The defaults: assumptions for a plant with central chillers, to be replaced by the data of the building."""

_CAPACITY_CURVE = (0.257896, 0.0389016, -0.00021708, 0.0468684, -0.00094284, -0.00034344)
_INPUT_CURVE = (0.933884, -0.058212, 0.00450036, 0.00243, 0.000486, -0.001215)
_PART_LOAD_CURVE = (0.222903, 0.313387, 0.463710)


def water_chiller_power_mw(
    heat_mw: ArrayLike,
    condenser_in_c: ArrayLike,
    *,
    capacity_mw: float,
    evaporator_out_c: float = 6.67,
    cop: float = 5.5,
) -> tuple[FloatArray, FloatArray]:
    """Electric power of a water-cooled centrifugal chiller and the heat it cannot remove [MW], broadcast shapes.

    Parameters
    ----------
    heat_mw : array_like
        Heat to be removed [MW].
    condenser_in_c : array_like
        Water that enters the condenser [degC]; held at 24 to 35 degC, the range of the curves.
    capacity_mw : float
        Cooling capacity at rating [MW].
    evaporator_out_c : float
        Chilled-water supply [degC]; held at 5 to 10 degC.
    cop : float
        Coefficient of performance at rating.

    Returns
    -------
    power_mw, unmet_mw : FloatArray
        Electric power, and heat above the available capacity.

    Notes
    -----
    With x the chilled water and y the condenser water::

        c = 0.257896 + 0.0389016 x - 0.00021708 x^2 + 0.0468684 y - 0.00094284 y^2 - 0.00034344 x y
        e = 0.933884 - 0.058212 x + 0.00450036 x^2 + 0.00243 y + 0.000486 y^2 - 0.001215 x y
        PLR = heat / (c capacity)
        f = 0.222903 + 0.313387 PLR + 0.46371 PLR^2      at least at PLR 0.2; below, the chiller cycles
        P = f e c capacity / COP

    References
    ----------
    EnergyPlus Engineering Reference, Chiller:Electric:EIR, with the DOE-2 centrifugal data set of COP 5.5.

    Examples
    --------
    >>> power, unmet = water_chiller_power_mw(1.0, 29.4, capacity_mw=1.0)  # about 1 / 5.5 at rating
    >>> round(float(power), 3), float(unmet)
    (0.182, 0.0)
    """
    heat = checked(heat_mw, "heat", 0.0, unit="MW")
    water = np.clip(checked(condenser_in_c, "condenser water", -50.0, 80.0, unit="degC"), 24.0, 35.0)
    supply = min(max(evaporator_out_c, 5.0), 10.0)
    available = capacity_mw * _biquadratic(_CAPACITY_CURVE, supply, water)
    load = np.minimum(heat / available, 1.0)
    part = np.maximum(load, 0.2)
    share = _PART_LOAD_CURVE[0] + part * (_PART_LOAD_CURVE[1] + _PART_LOAD_CURVE[2] * part)
    power = share * _biquadratic(_INPUT_CURVE, supply, water) * available / cop * np.minimum(load / 0.2, 1.0)
    return power, np.maximum(heat - available, 0.0)


def _biquadratic(curve: tuple[float, ...], x: float, y: FloatArray) -> FloatArray:
    value: FloatArray = curve[0] + x * (curve[1] + curve[2] * x) + y * (curve[3] + curve[4] * y + curve[5] * x)
    return value


@dataclass(frozen=True, kw_only=True, eq=False)
class TowerCooling:
    """What cooling by a tower plant takes per unit of IT power, broadcast shapes.

    Attributes
    ----------
    pue : FloatArray
        Facility power per IT power [-].
    water_l_per_it_kwh : FloatArray
        Makeup water per IT energy (water usage effectiveness) [L/kWh].
    free_fraction : FloatArray
        Share of the heat that the economiser removes [-].
    unmet_fraction : FloatArray
        Share of the heat that the chillers cannot remove [-].

    References
    ----------
    ISO/IEC 30134-2:2016 (PUE), ISO/IEC 30134-9:2022 (water usage effectiveness).
    """

    pue: FloatArray
    water_l_per_it_kwh: FloatArray
    free_fraction: FloatArray
    unmet_fraction: FloatArray


def tower_cooling(
    temperature_c: ArrayLike, relative_humidity_fraction: ArrayLike, plant: TowerPlant = STANDARD_TOWER_PLANT
) -> TowerCooling:
    """PUE and water of a tower plant by weather, broadcast shapes.

    Parameters
    ----------
    temperature_c : array_like
        Outdoor dry-bulb temperature [degC].
    relative_humidity_fraction : array_like
        Relative humidity within [0, 1].
    plant : TowerPlant
        Tower, chillers, economiser and shares of fans, pumps and losses.

    Raises
    ------
    ScenarioError
        If a value is out of range.

    Notes
    -----
    Tower water has ``max(T_wb + approach, least)``. The economiser does all the cooling while that plus its temperature
    difference reaches the chilled-water supply. Per unit of IT power the plant removes ``1 + fans`` of heat and the
    tower rejects it with the power of the chillers.

    References
    ----------
    ISO/IEC 30134-2:2016 (PUE), ISO/IEC 30134-9:2022 (water usage effectiveness); :func:`wet_bulb_c`,
    :func:`tower_water` and :func:`water_chiller_power_mw`.

    Examples
    --------
    >>> cooling = tower_cooling([0.0, 30.0], 0.5)
    >>> cooling.free_fraction.tolist(), bool(cooling.pue[0] < cooling.pue[1])
    ([1.0, 0.0], True)
    """
    dry = checked(temperature_c, "temperature", -90.0, 70.0, unit="degC")
    wet = np.minimum(wet_bulb_c(dry, relative_humidity_fraction), dry)
    tower_out = plant.tower.water_c(wet)
    limit = None if plant.exchanger_k is None else plant.evaporator_out_c - plant.exchanger_k
    free = free_cooling_fraction(tower_out, limit, band_k=plant.free_cooling_band_k)
    supply, cop = plant.evaporator_out_c, plant.cop
    power, unmet = water_chiller_power_mw(
        plant.load_fraction, tower_out, capacity_mw=1.0, evaporator_out_c=supply, cop=cop
    )
    heat = 1.0 + plant.fan_fraction
    chillers = (1.0 - free) * heat * power / plant.load_fraction
    rejected = heat + chillers
    fixed = 1.0 + plant.electrical_loss_fraction + plant.fan_fraction + plant.pump_fraction
    water = tower_water(rejected, dry, wet, plant.tower)
    return TowerCooling(
        pue=fixed + chillers + plant.tower.fan_fraction * rejected,
        water_l_per_it_kwh=water.makeup_l_per_h / 1000.0,
        free_fraction=free,
        unmet_fraction=(1.0 - free) * unmet / plant.load_fraction,
    )
