"""Throughput and power of a service on an accelerator type, as plans and the simulator of sites use it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.model.workload import ServingCurve, ServingPoint
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.steady import RequestShape, SteadyState, check_context, host_power_w, steady_state

_POINTS = 129
_HEADROOM = 0.9


@dataclass(frozen=True, kw_only=True)
class LatencyLimits:
    """Longest mean time to the first token and time per output token [s]; None asks for nothing."""

    ttft_s: float | None = None
    tpot_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("ttft_s", "tpot_s"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ScenarioError(f"{name} is {value} s; it must be positive")


@dataclass(frozen=True, kw_only=True)
class ServingProfile:
    """A service on one accelerator type.

    Attributes
    ----------
    deployment : Deployment
        One replica.
    curve : ServingCurve
        Power of an accelerator at every load that keeps the limits.
    points : tuple of ServingPoint
        Operating points of a plan, the highest throughput first: the corners of the least power for any mixture of
        busy and idle accelerators.
    """

    deployment: Deployment
    curve: ServingCurve
    points: tuple[ServingPoint, ...]


def serving_profile(
    deployment: Deployment,
    shape: RequestShape,
    *,
    limits: LatencyLimits | None = None,
    token_budget: int = 2048,
    max_sequences: int = 256,
) -> ServingProfile:
    """Throughput and power of a deployment within its latency limits.

    Parameters
    ----------
    deployment : Deployment
        One replica.
    shape : RequestShape
        Lengths of the requests.
    limits : LatencyLimits, optional
        On mean times in steady state.
    token_budget, max_sequences : int
        Limits of a step.

    Returns
    -------
    ServingProfile
        Rates are tokens of output per second and accelerator.

    Raises
    ------
    ScenarioError
        If a mean request is longer than the context or the cache, or even one at a time breaks a limit.

    Notes
    -----
    A replica is used up to 90 % of the rate that it could just keep up with, beyond which queues grow quickly. Power
    holds the host share, which follows the share of time in which the engine steps.

    References
    ----------
    See :func:`joulewright.physics.inference.steady.steady_state`.

    Examples
    --------
    >>> from joulewright.physics.inference.deployment import deploy
    >>> chat = RequestShape(input_tokens=330, output_tokens=397, length_factor=1.9)
    >>> one = deploy("Llama-3.1-8B", "H100")
    >>> slow, fast = (serving_profile(one, chat, limits=LatencyLimits(tpot_s=limit)) for limit in (0.025, 0.012))
    >>> slow.points[0].throughput_token_s > fast.points[0].throughput_token_s
    True
    """
    check_context(shape, deployment.model)
    k = coefficients(deployment)
    wanted = limits or LatencyLimits()

    def state_at(rate_per_s: FloatArray) -> SteadyState:
        return steady_state(k, shape, rate_per_s=rate_per_s, token_budget=token_budget, max_sequences=max_sequences)

    # Power bends most at low rates.
    grid = _HEADROOM * state_at(np.zeros(1)).limit_per_s * np.linspace(0.0, 1.0, _POINTS) ** 2
    state = state_at(grid)
    kept = np.ones(grid.size, bool)
    for found, limit in ((state.ttft_s, wanted.ttft_s), (state.tpot_s, wanted.tpot_s)):
        kept &= found <= (np.inf if limit is None else limit)
    # Times rise with the rate, so what keeps the limits is an interval from 0 on.
    count = int(kept.sum()) if kept.all() else int(np.argmin(kept))
    if count < 2:
        raise ScenarioError(
            f"{deployment.model.name} on {deployment.gpus} x {deployment.accelerator.name} takes "
            f"{1e3 * float(state.ttft_s[0]):.3g} ms to the first token and {1e3 * float(state.tpot_s[0]):.3g} ms per "
            f"token for a request alone; allowed are {_milliseconds(wanted.ttft_s)} and "
            f"{_milliseconds(wanted.tpot_s)}; use more accelerators for a replica, or relax the limit"
        )
    rate = grid[:count] * shape.output_tokens / k.gpus
    power_mw = (state.power_w[:count] + host_power_w(k, state.busy_fraction[:count])) * 1e-6
    idle_mw = (k.idle_w + k.host_idle_w) * 1e-6
    curve = ServingCurve(
        accelerators=deployment.gpus, rate_token_s=tuple(rate.tolist()), power_mw=tuple(power_mw.tolist())
    )
    corners = _corners(rate, power_mw, idle_mw)
    points = [ServingPoint(throughput_token_s=float(rate[at]), active_power_mw=float(power_mw[at])) for at in corners]
    return ServingProfile(deployment=deployment, curve=curve, points=tuple(points))


def _corners(rate: FloatArray, power_mw: FloatArray, idle_mw: float) -> list[int]:
    """Points of the lower convex hull with an idle accelerator, from the highest rate down."""
    hull: list[tuple[float, float, int]] = [(0.0, min(idle_mw, float(power_mw[0])), -1)]
    for at in range(1, rate.size):
        point = (float(rate[at]), float(power_mw[at]), at)
        while len(hull) > 1 and _bends_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return [at for _, _, at in hull[:0:-1]]


def _bends_up(one: tuple[float, float, int], two: tuple[float, float, int], three: tuple[float, float, int]) -> bool:
    """Whether the middle point lies on or above the line between the others, within what differs only by rounding."""
    line = one[1] + (three[1] - one[1]) * (two[0] - one[0]) / (three[0] - one[0])
    return two[1] >= line * (1.0 - 1e-3)


def _milliseconds(limit: float | None) -> str:
    return "any" if limit is None else f"{1e3 * limit:g} ms"
