"""Accelerators installed at a site."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    name: str
    accelerator: str
    count: int
    availability: FloatArray
    active_power_mw: float
    idle_power_mw: float

    @property
    def available(self) -> FloatArray:
        """Usable accelerators in each step, shape ``(T,)``."""
        return self.count * self.availability
