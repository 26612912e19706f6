"""Lengths and futures of a moving plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HorizonOptions:
    """What a moving plan looks like, in steps.

    Attributes
    ----------
    window : int
        Steps that are planned.
    every : int
        Steps between plans; the steps up to the next plan are kept.
    far, far_every : int
        Steps of the long view and between long views.
    members : int
        Futures; one is the forecast itself.
    risk_aversion, tail_fraction : float
        See :class:`joulewright.plan.two_stage.TwoStageWindow`.
    """

    window: int
    every: int
    far: int
    far_every: int
    members: int = 1
    risk_aversion: float = 0.0
    tail_fraction: float = 0.1
