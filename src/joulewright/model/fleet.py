"""Accelerators installed at a site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Fleet:
    """A group of equal accelerators at one site.

    Attributes
    ----------
    name : str
        Unique at its site.
    accelerator : str
        Catalogue name, e.g. ``H100-SXM``.
    count : int
        Accelerators installed.
    availability : FloatArray
        Usable fraction of ``count`` in each step, shape ``(T,)``, within [0, 1].
    active_power_mw : float
        IT power of one accelerator under full load with its share of the host [MW].
    idle_power_mw : float
        IT power of one powered accelerator without work, with its share of the host [MW].
    host_power_mw, host_idle_power_mw : float
        The shares of the host in these two [MW]; only the profile of an inference service tells them apart.
    """

    name: str
    accelerator: str
    count: int
    availability: FloatArray
    active_power_mw: float
    idle_power_mw: float
    host_power_mw: float = 0.0
    host_idle_power_mw: float = 0.0

    @cached_property
    def kind(self) -> str:
        """Accelerator and its powers in one text: services with a profile tell fleets apart by it."""
        powers_mw = (self.active_power_mw, self.idle_power_mw, self.host_power_mw, self.host_idle_power_mw)
        return f"{self.accelerator} of {', '.join(f'{1e6 * value:.9g}' for value in powers_mw)} W"

    @property
    def available(self) -> FloatArray:
        """Usable accelerators in each step, shape ``(T,)``."""
        return self.count * self.availability
