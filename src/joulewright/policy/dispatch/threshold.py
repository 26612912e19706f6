"""Rules that charge below a low threshold of price or carbon and discharge above a high one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from joulewright.errors import PolicyError
from joulewright.policy.base import Information, PolicyFacts
from joulewright.policy.dispatch.settle import AbstractStorageRule, Wish
from joulewright.policy.dispatch.simple import cover, take
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.options import check_choice, check_number
from joulewright.policy.registry import register
from joulewright.policy.signals import signal_keys


@dataclass(frozen=True, kw_only=True)
class AbstractThresholdRule(AbstractStorageRule):
    """Charge from the grid when a signal is low, cover the load from the batteries when it is high.

    Attributes
    ----------
    low_quantile, high_quantile : float
        Quantiles of the signal that serve as thresholds where none is given, in [0, 1].
    window_h : float
        Hours that the quantiles are taken over [h].
    learn : {"past", "forecast"}
        Whether from what was observed in the last ``window_h`` hours or from what is expected in the next ones.
    keep_peak : bool
        True not to charge above the metered peak of the demand windows of the step.
    """

    low_quantile: float = 0.25
    high_quantile: float = 0.75
    window_h: float = 48.0
    learn: str = "past"
    keep_peak: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("low_quantile", self.low_quantile, high=1.0)
        check_number("high_quantile", self.high_quantile, low=self.low_quantile, high=1.0)
        check_number("window_h", self.window_h, low=1e-6, unit="h")
        check_choice("learn", self.learn, ("past", "forecast"))
        low, high = self.given()
        if low is not None and high is not None and low > high:
            raise PolicyError(f"the low threshold is {low:g}, above the high one, {high:g}; exchange them")

    @abstractmethod
    def given(self) -> tuple[float | None, float | None]:
        """Thresholds that were given as options."""

    @abstractmethod
    def signal(self, site: SiteObservation) -> tuple[str, float]:
        """Key and present value of the signal."""

    @abstractmethod
    def worth_cycling(self, site: SiteObservation, low: float, high: float) -> bool:
        """Whether a cycle from ``low`` to ``high`` gains more than it loses."""

    def begin(self, facts: PolicyFacts) -> Any:
        """Signals that can be forecast, and no value yet."""
        return frozenset(signal_keys(facts.scenario)), ()

    def wish(self, memory: Any, observation: Observation, site: SiteObservation) -> tuple[Wish, Any]:
        """Compare the present value with the thresholds."""
        key, value = self.signal(site)
        steps = max(1, round(self.window_h / observation.step_h))
        keys, before = memory
        past: tuple[float, ...] = (*before, value)[-steps:]
        low, high = self.given()
        useful = True
        if low is None or high is None:
            ahead = self.learn == "forecast" and key in keys
            values = observation.forecast.series(key, min(steps, observation.steps_left)) if ahead else past
            learned = np.quantile(values, (self.low_quantile, self.high_quantile))
            low = float(learned[0]) if low is None else low
            high = float(learned[1]) if high is None else high
            useful = self.worth_cycling(site, low, high)
        if useful and value >= high:
            return cover(site), (keys, past)
        return take(site, from_grid=useful and value <= low, keep_peak=self.keep_peak), (keys, past)


@register("price-threshold", kind="dispatch", summary="charge at low import prices, discharge at high ones")
@dataclass(frozen=True, kw_only=True)
class PriceThreshold(AbstractThresholdRule):
    """Charge when the import price is low, cover the load from the batteries when it is high.

    Where a threshold is learned, the batteries rest while the spread does not pay for their losses and wear.

    Attributes
    ----------
    low_per_mwh, high_per_mwh : float or None
        Thresholds [currency/MWh]; None learns them.

    Notes
    -----
    Information used: the present and past prices; with ``learn=forecast`` expected ones. With both thresholds given it
    needs neither. Guarantee: energy is bought for storage only at or below the low threshold.

    A single threshold at the geometric mean of known price bounds L and U is within a factor ``sqrt(U / L)`` of the
    best single purchase (El-Yaniv, Fiat, Karp and Turpin 2001, Algorithmica 30, 101-139,
    doi:10.1007/s00453-001-0003-0).
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "past", "forecast"})
    low_per_mwh: float | None = None
    high_per_mwh: float | None = None

    def given(self) -> tuple[float | None, float | None]:
        """Thresholds that were given as options [currency/MWh]."""
        return self.low_per_mwh, self.high_per_mwh

    def signal(self, site: SiteObservation) -> tuple[str, float]:
        """The import price."""
        return f"{site.site.name}/import_price_per_mwh", site.import_price_per_mwh

    def worth_cycling(self, site: SiteObservation, low: float, high: float) -> bool:
        """Whether the spread pays for losses and wear of the best battery."""
        return any(
            high * battery.charge_efficiency * battery.discharge_efficiency - low > battery.wear_cost_per_mwh
            for battery in site.site.batteries
        )


@register("carbon-threshold", kind="dispatch", summary="charge at low grid carbon intensity, discharge at high one")
@dataclass(frozen=True, kw_only=True)
class CarbonThreshold(AbstractThresholdRule):
    """Charge when the deciding carbon intensity of the grid is low, cover the load from the batteries when it is high.

    Where a threshold is learned, the batteries rest while losses would cost more carbon than the spread saves.

    Attributes
    ----------
    low_kg_per_mwh, high_kg_per_mwh : float or None
        Thresholds [kg/MWh]; None learns them.

    Notes
    -----
    Information used: the present and past intensities; with ``learn=forecast`` expected ones. With both thresholds
    given it needs neither. Guarantee: energy is bought for storage only at or below the low threshold.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "past", "forecast"})
    low_kg_per_mwh: float | None = None
    high_kg_per_mwh: float | None = None

    def given(self) -> tuple[float | None, float | None]:
        """Thresholds that were given as options [kg/MWh]."""
        return self.low_kg_per_mwh, self.high_kg_per_mwh

    def signal(self, site: SiteObservation) -> tuple[str, float]:
        """The deciding carbon intensity."""
        return f"{site.site.name}/carbon_kg_per_mwh", site.carbon_kg_per_mwh

    def worth_cycling(self, site: SiteObservation, low: float, high: float) -> bool:
        """Whether a cycle of the best battery saves carbon."""
        return any(
            high * battery.charge_efficiency * battery.discharge_efficiency > low for battery in site.site.batteries
        )
