"""Carbon-intensity series and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from joulewright.model.timeline import FloatArray

CarbonKind = Literal["average", "marginal", "residual"]
CarbonScope = Literal["direct", "lifecycle"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CarbonIntensity:
    """Carbon intensity of grid import at one site.

    Attributes
    ----------
    kind : {"average", "marginal", "residual"}
        What a MWh stands for.
    scope : {"direct", "lifecycle"}
        Stack emissions only, or with upstream and construction.
    kg_per_mwh : FloatArray
        Intensity [kg CO2e/MWh = g/kWh], shape ``(T,)``, not negative.
    estimated_fraction : float
        Share of the steps whose value the source marks as estimated or that were interpolated.
    source : str
        Where the series comes from, as shown in reports.
    """

    kind: CarbonKind
    scope: CarbonScope
    kg_per_mwh: FloatArray
    estimated_fraction: float = 0.0
    source: str = ""

    @property
    def key(self) -> str:
        """Name used in tables: ``average-direct`` and so on."""
        return f"{self.kind}-{self.scope}"
