"""Hard limits of a service per day, kept by refusing requests when they arrive."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from joulewright.errors import ScenarioError


@dataclass(frozen=True, kw_only=True)
class ServiceBudget:
    """Most that a service may use on each day of the trace's clock; None sets no limit.

    A request is admitted if the day's use so far, the most that requests in flight can still use, the most that this
    one can, and replicas at rest until the day or the given span ends stay within every limit, and if those in flight
    leave room for the rest of the day after. So no limit is ever exceeded, except for work repeated after preemption.

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

    Raises
    ------
    ScenarioError
        If a limit is negative or not a number, or none is given.

    Examples
    --------
    >>> ServiceBudget(energy_kwh=12.0).limits
    (12.0, inf, inf, inf)
    """

    energy_kwh: float | None = None
    carbon_g: float | None = None
    tokens: float | None = None
    gpu_h: float | None = None

    def __post_init__(self) -> None:
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        if all(value is None for value in given.values()):
            raise ScenarioError("the budget has no limit; give energy_kwh, carbon_g, tokens or gpu_h, or leave it out")
        for name, value in given.items():
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise ScenarioError(f"{name} of the budget is {value!r}; allowed is a number of at least 0")

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """Energy [kWh], carbon [g], tokens and accelerator time [h], infinite where there is none."""
        energy, carbon, tokens, gpu = (
            math.inf if value is None else float(value)
            for value in (self.energy_kwh, self.carbon_g, self.tokens, self.gpu_h)
        )
        return energy, carbon, tokens, gpu
