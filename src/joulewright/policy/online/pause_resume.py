"""Online pause and resume: k-search with a cost for every start and every stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.online.double_threshold import AbstractThresholdRule
from joulewright.policy.online.guarantee import Guarantee, check_bounds, check_switching, check_work
from joulewright.policy.online.search import geometric_thresholds, maximum_ratio, minimum_ratio
from joulewright.policy.online.worst_ratio import worst_ratio


@dataclass(frozen=True, kw_only=True)
class PauseResume(AbstractThresholdRule):
    """OPR-min and OPR-max: a running job goes on at a price up to 2 beta worse than the one it starts at.

    Attributes
    ----------
    switching_cost : float
        beta: cost of each start and each stop, 2 beta < high - low, and for ``max`` also < work x low
        [price times slot].

    Notes
    -----
    OPR-min: ``u_i = U - B q^(i-1)``, ``l_i = u_i - 2 beta`` with q = 1 + 1/(alpha k) and ``B = U (1 - 1/alpha) - 2 beta
    (1 - 1/k + 1/(k alpha))``. alpha solves l_{k+1} = L. OPR-max mirrors it: ``l_i = L + B q^(i-1)``, ``u_i = l_i + 2
    beta``. With beta = 0 both are k-search. Guarantee: OPR-max keeps omega on every input within the bounds. OPR-min
    can exceed the published alpha; what it keeps, and attains, is :func:`joulewright.policy.online.worst_ratio`.

    References
    ----------
    Lechowicz et al. (2023), arXiv:2303.17551.

    Examples
    --------
    >>> rule = PauseResume(low=15.0, high=181.0, work=10, switching_cost=20.0)
    >>> round(rule.guarantee().published, 9)
    3.943558234
    >>> rule.running_thresholds().round(3)[:3]
    array([82.912, 80.425, 77.874])
    """

    switching_cost: float
    sources: ClassVar[tuple[str, ...]] = ("lechowicz2023", "lorenz2009")

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)
        check_work(self.work)
        check_switching(self.switching_cost, (self.high - self.low) / 2.0, "half of high - low")
        if self.sense == "max" and self.work * self.low <= 2.0 * self.switching_cost:
            raise PolicyError(
                f"switching_cost is {self.switching_cost:g}; with sense 'max' it must be below work x low / 2 = "
                f"{self.work * self.low / 2.0:g}, or a job may not pay at all"
            )

    @property
    def cost_of_switching(self) -> float:
        """beta."""
        return self.switching_cost

    def idle_thresholds(self) -> FloatArray:
        """l_i for costs, u_i for gains."""
        return geometric_thresholds(self.low, self.high, self.work, self.switching_cost, self.sense)

    def running_thresholds(self) -> FloatArray:
        """u_i for costs, l_i for gains."""
        return self.idle_thresholds() + self._sign * 2.0 * self.switching_cost

    def guarantee(self) -> Guarantee:
        """Published and provable ratio."""
        holds = "low <= price <= high, off before the first slot and after the last"
        if self.sense == "max":
            omega = maximum_ratio(self.low, self.high, self.work, self.switching_cost)
            return Guarantee(published=omega, provable=omega, holds=holds, sources=self.sources)
        provable = worst_ratio(self.idle_thresholds(), low=self.low, high=self.high, switching_cost=self.switching_cost)
        published = minimum_ratio(self.low, self.high, self.work, self.switching_cost)
        return Guarantee(published=published, provable=provable, holds=holds, sources=self.sources)
