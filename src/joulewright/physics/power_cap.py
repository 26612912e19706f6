"""What a power cap on an accelerator costs in speed and saves in energy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray

_NEAR_FLOOR = 1.05


@dataclass(frozen=True, kw_only=True)
class CapCurve:
    """Speed of one workload on one accelerator under a power cap.

    Attributes
    ----------
    floor_w : float
        Power at which the work stands still [W].
    draw_w : float
        Power of the workload without a cap [W].
    knee_w : float
        Cap above which speed is kept, at most the draw [W].
    exponent : float
        Of the speed below the knee [-].

    Raises
    ------
    ScenarioError
        If the powers are not in the order ``0 <= floor < knee <= draw`` or the exponent is not in (0, 1].

    Notes
    -----
    ``speed = ((min(cap, P_k) - P_s) / (P_k - P_s))^a``, concave in the cap. Training and prompt processing slow down
    from the draw on (``P_k = P``); decoding, bound by memory, keeps its speed down to about three quarters of it.

    References
    ----------
    Fitted on the power traces of You et al. (2023), Zeus, NSDI (V100, A40, RTX 6000, P100; errors of 2 to 6 %).

    Examples
    --------
    >>> curve = CapCurve(floor_w=64.0, draw_w=200.0, knee_w=200.0, exponent=0.326)
    >>> round(float(curve.speed_fraction(150.0)), 4)
    0.8612
    """

    floor_w: float
    draw_w: float
    knee_w: float
    exponent: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor_w < self.knee_w <= self.draw_w < math.inf:
            raise ScenarioError(
                f"a cap curve has floor {self.floor_w} W, knee {self.knee_w} W and draw {self.draw_w} W; "
                "allowed is 0 <= floor < knee <= draw"
            )
        if not 0.0 < self.exponent <= 1.0:
            raise ScenarioError(f"exponent is {self.exponent}; allowed is above 0 up to 1, so that speed is concave")

    @property
    def least_cap_w(self) -> float:
        """Lowest cap that :meth:`speed_fraction` accepts, 5 % above the floor [W]."""
        return _NEAR_FLOOR * self.floor_w

    def speed_fraction(self, cap_w: ArrayLike) -> FloatArray:
        """Speed relative to no cap [-].

        Raises
        ------
        ScenarioError
            If a cap is not above :attr:`least_cap_w`: devices do not keep such caps.
        """
        cap = np.asarray(cap_w, dtype=float)
        if not (cap > self.least_cap_w).all():
            raise ScenarioError(
                f"a cap of {float(cap.min()):g} W is too close to the {self.floor_w:g} W at which the device stands "
                f"still; allowed is above {self.least_cap_w:g} W"
            )
        return np.asarray(
            ((np.minimum(cap, self.knee_w) - self.floor_w) / (self.knee_w - self.floor_w)) ** self.exponent
        )

    def power_w(self, cap_w: ArrayLike) -> FloatArray:
        """Power under a cap [W]; a cap above the draw changes nothing."""
        return np.asarray(np.minimum(np.asarray(cap_w, dtype=float), self.draw_w))

    def energy_fraction(self, cap_w: ArrayLike) -> FloatArray:
        """Energy per unit of work relative to no cap [-].

        Examples
        --------
        >>> curve = CapCurve(floor_w=0.0, draw_w=400.0, knee_w=400.0, exponent=0.5)
        >>> float(curve.energy_fraction(100.0))
        0.5
        """
        return np.asarray(self.power_w(cap_w) / self.draw_w / self.speed_fraction(cap_w))

    def thriftiest_cap_w(self) -> float:
        """Cap at which a unit of work takes the least energy [W].

        Notes
        -----
        Below the knee energy is ``x / (x - P_s)^a``, least at ``P_s / (1 - a)``; at the knee the branch above it
        begins, on which energy only rises.

        Examples
        --------
        >>> CapCurve(floor_w=100.0, draw_w=400.0, knee_w=400.0, exponent=0.5).thriftiest_cap_w()
        200.0
        """
        best = math.inf if self.exponent == 1.0 else self.floor_w / (1.0 - self.exponent)
        return min(max(best, self.least_cap_w * (1.0 + 1e-9)), self.knee_w)


@dataclass(frozen=True, kw_only=True)
class CapFit:
    """A published or fitted cap behaviour: floor as a share of the board limit, knee as a share of the draw."""

    floor_fraction: float
    knee_fraction: float
    exponent: float
    error_fraction: float | None
    source: str

    def curve(self, board_power_w: float, draw_w: float) -> CapCurve:
        """The curve of a workload that draws ``draw_w`` on a board with that limit."""
        return CapCurve(
            floor_w=self.floor_fraction * board_power_w,
            draw_w=draw_w,
            knee_w=self.knee_fraction * draw_w,
            exponent=self.exponent,
        )


_ZEUS = "You et al. (2023), Zeus, NSDI: power traces of training jobs"
TRAINING_FITS: Mapping[str, CapFit] = MappingProxyType(
    {
        name: CapFit(floor_fraction=floor, knee_fraction=1.0, exponent=exponent, error_fraction=error, source=_ZEUS)
        for name, floor, exponent, error in (
            ("V100", 0.256, 0.326, 0.037),
            ("A40", 0.294, 0.484, 0.063),
            ("RTX6000", 0.350, 0.268, 0.045),
            ("Tesla-P100", 0.350, 0.166, 0.024),
        )
    }
)
"""Training under a cap by device."""


def default_fit(phase: str) -> CapFit:
    """Behaviour of a device that nobody has measured.

    Parameters
    ----------
    phase : {"training", "prefill", "decode"}
        Work that is bound by operations, or decoding, which is bound by memory.

    Raises
    ------
    ScenarioError
        If there is no such phase.

    Notes
    -----
    A guess from the devices that were measured; not verified on H100, H200 or B200.

    Examples
    --------
    >>> default_fit("decode").knee_fraction
    0.75
    """
    if phase not in ("training", "prefill", "decode"):
        raise ScenarioError(f"there is no phase {phase!r}; use training, prefill or decode")
    knee = 0.75 if phase == "decode" else 1.0
    return CapFit(floor_fraction=0.25, knee_fraction=knee, exponent=0.40, error_fraction=None, source="not measured")
