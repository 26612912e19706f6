"""Hard limits of a service per day, kept by refusing requests when they arrive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewright.errors import ScenarioError

_LIMITS = ("energy_kwh", "carbon_g", "tokens", "gpu_h")
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class ServiceBudget:
    """Most that a service may use on each day; None sets no limit.

    A request is admitted if the day's use so far, the most that requests in flight can still use, the most that this
    one can, and replicas at rest until the day or the run ends stay within every limit, on this day and on later ones
    that it can reach. The run ends with the last arrival, a later end that is asked for, or what is then in flight,
    loading and transfers included; where the last arrival is not known, rest until midnight is set aside. So requests
    never exceed a limit, except by work repeated after preemption; replicas that are always on can by rest alone.

    Attributes
    ----------
    energy_kwh : float or None
        Accelerators, idle ones included, and hosts [kWh].
    carbon_g : float or None
        Their emissions [g CO2e]; needs a carbon intensity.
    tokens : float or None
        Input and output tokens of the requests admitted on the day [token].
    gpu_h : float or None
        Time of accelerators in steps [GPU-hours].
    midnight_s : float
        When the first new day begins on the clock of the trace, 0 up to 86400 [s]: a trace that starts at 18:00 in the
        time zone whose days count has its midnight at 21600 s.

    Raises
    ------
    ScenarioError
        If a limit is negative or not a number, none is given, or the midnight is not within the first day.

    Examples
    --------
    >>> ServiceBudget(energy_kwh=12.0).limits
    (12.0, inf, inf, inf)
    """

    energy_kwh: float | None = None
    carbon_g: float | None = None
    tokens: float | None = None
    gpu_h: float | None = None
    midnight_s: float = 0.0

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in _LIMITS}
        if all(value is None for value in given.values()):
            raise ScenarioError("the budget has no limit; give energy_kwh, carbon_g, tokens or gpu_h, or leave it out")
        for name, value in given.items():
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise ScenarioError(f"{name} of the budget is {value!r}; allowed is a number of at least 0")
        if not 0.0 <= self.midnight_s <= _DAY_S:
            raise ScenarioError(f"midnight_s of the budget is {self.midnight_s!r} s; allowed is 0 to {_DAY_S:g} s")

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """Energy [kWh], carbon [g], tokens and accelerator time [h], infinite where there is none."""
        energy, carbon, tokens, gpu = (
            math.inf if value is None else float(value) for value in (getattr(self, name) for name in _LIMITS)
        )
        return energy, carbon, tokens, gpu
