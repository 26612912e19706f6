"""Peak shaving: import is kept under a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from joulewright.policy.base import Information
from joulewright.policy.dispatch.settle import AbstractStorageRule, Wish, net_load_mw
from joulewright.policy.dispatch.store import store_of
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.options import check_number
from joulewright.policy.registry import register


class _Memory(NamedTuple):
    """Net load of the last steps [MW] and the highest import the rule could not avoid so far [MW]."""

    loads_mw: tuple[float, ...] = ()
    peak_mw: float = 0.0


@register("peak-shaving", kind="dispatch", summary="batteries keep import under a given or learned target")
@dataclass(frozen=True, kw_only=True)
class PeakShaving(AbstractStorageRule):
    """Discharge for import above a target, recharge below it.

    Without a given target it is the peak metered so far in the demand windows of the step (without demand charges the
    highest import so far), but at least the mean net load of the last ``window_h`` hours: below that a battery cannot
    hold import.

    Attributes
    ----------
    target_mw : float or None
        Import to stay under [MW]; None learns it.
    window_h : float
        Hours of the mean net load [h].

    Notes
    -----
    Information used: the present and past loads. Guarantee: charging never lifts import above the target, and import
    exceeds it only when the batteries are at their power limit or empty. Energy prices play no part.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "past"})
    target_mw: float | None = None
    window_h: float = 24.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("target_mw", self.target_mw, unit="MW")
        check_number("window_h", self.window_h, low=1e-6, unit="h")

    def wish(self, memory: Any, observation: Observation, site: SiteObservation) -> tuple[Wish, Any]:
        """Discharge above the target, charge up to it."""
        net = net_load_mw(site)
        before: _Memory = memory or _Memory()
        steps = max(1, round(self.window_h / observation.step_h))
        loads = (*before.loads_mw, net)[-steps:]
        target = self.target_mw
        if target is None:
            metered = min(site.peak_mw.values()) if site.peak_mw else before.peak_mw
            target = max(metered, sum(loads) / len(loads), 0.0)
        over = max(0.0, net - target)
        room = max(0.0, min(target, site.import_limit_mw) - net)
        left = over - min(over, store_of(observation, site, self.reserve_fraction).total_give_mw)
        memory = _Memory(loads, max(before.peak_mw, min(net, target) + left))
        return Wish(charge_mw=room, discharge_mw=over), memory
