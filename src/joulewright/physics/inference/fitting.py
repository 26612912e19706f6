"""Robust least squares of positive parameters with weak priors, and what the data cannot tell apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray

NOISE = 0.05
"""Typical relative error of a good prediction: residuals beyond it weigh less, and priors are measured in it."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A positive parameter.

    Attributes
    ----------
    name : str
        Its name.
    guess, spread : float
        Prior value, and prior standard deviation of the logarithm.
    low, high : float
        Bounds.
    """

    name: str
    guess: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Outcome of :func:`fit`.

    Attributes
    ----------
    values : mapping of str to float
        Fitted parameters.
    warnings : tuple of str
        Parameters at their bounds, that the data hardly inform, or that cannot be told apart.
    """

    values: Mapping[str, float]
    warnings: tuple[str, ...]


def fit(parameters: Sequence[Parameter], residuals: Callable[[Mapping[str, float]], FloatArray]) -> Fit:
    """Parameters that minimise robust residuals and weak priors.

    Parameters
    ----------
    parameters : sequence of Parameter
        What is fitted.
    residuals : callable
        Relative errors of the predictions with given values, shape ``(N,)``.

    Notes
    -----
    Minimises ``sum rho(r_i) + sum rho(s x_j / sigma_j)`` with x the logarithm over the guess, s :data:`NOISE` and rho
    the soft absolute value, so that a few bad runs do not decide.

    References
    ----------
    Huber (1964), Robust Estimation of a Location Parameter, doi:10.1214/aoms/1177703732; Branch et al. (1999),
    doi:10.1137/S1064827595289108 (the trust-region method of ``scipy.optimize.least_squares``).

    Examples
    --------
    >>> slope = Parameter(name="slope", guess=1.0, spread=1.0, low=0.1, high=10.0)
    >>> x = np.arange(1.0, 30.0)
    >>> round(fit([slope], lambda value: np.log(value["slope"] * x / (3.0 * x))).values["slope"], 2)
    3.0
    """
    from scipy.optimize import least_squares

    guess = np.array([item.guess for item in parameters])
    spread = np.array([item.spread for item in parameters])
    low = np.log(np.array([item.low for item in parameters]) / guess)
    high = np.log(np.array([item.high for item in parameters]) / guess)
    names = [item.name for item in parameters]

    def total(x: FloatArray) -> FloatArray:
        values = dict(zip(names, (guess * np.exp(x)).tolist()))
        return np.concatenate((residuals(values), NOISE * x / spread))

    found = least_squares(
        total,
        np.zeros(len(names)),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=NOISE,
        max_nfev=200,
        xtol=1e-7,
        ftol=1e-7,
    )
    values = dict(zip(names, (guess * np.exp(found.x)).tolist()))
    jacobian = np.asarray(found.jac, dtype=np.float64)[: -len(names)]
    at_bound = [
        f"{name} ends at its bound of {values[name]:.4g}"
        for name, x, least, most in zip(names, found.x, low, high)
        if min(x - least, most - x) < 1e-3
    ]
    return Fit(values=values, warnings=(*at_bound, *_identifiability(jacobian, names, spread)))


def _identifiability(jacobian: FloatArray, names: Sequence[str], spread: FloatArray) -> list[str]:
    """What the data alone leave open: singular directions, correlations and parameters that keep their prior."""
    values, directions = np.linalg.svd(jacobian / NOISE, full_matrices=False)[1:]
    warnings = []
    if values[-1] < 1e-3 * values[0]:
        worst = directions[-1]
        mixed = [names[item] for item in np.argsort(-np.abs(worst))[:3] if abs(worst[item]) > 0.2]
        warnings.append(f"a combination of {', '.join(mixed)} is not identifiable: no run depends on it")
    covariance = np.linalg.inv(jacobian.T @ jacobian / NOISE**2 + np.diag(1.0 / spread**2))
    deviation = np.sqrt(np.diag(covariance))
    warnings += [
        f"{name} is hardly informed by the runs (uncertain by {100.0 * math.expm1(known):.0f} %)"
        for name, known, before in zip(names, deviation, spread)
        if known > 0.7 * before
    ]
    correlation = covariance / np.outer(deviation, deviation)
    warnings += [
        f"{names[j]} and {first} cannot be told apart (correlation {correlation[i, j]:.2f})"
        for i, first in enumerate(names)
        for j in range(i)
        if abs(correlation[i, j]) > 0.9
    ]
    return warnings
