"""Moving a job to another site: how long it takes, and whether a window of surplus is long enough for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.physics.ranges import checked
from joulewright.physics.transfer import transfer_s
from joulewright.physics.windows import residual_survival

SHARE = 0.1
"""Largest share of a window that the disruption of a job may take [-]: an assumption."""


@dataclass(frozen=True, kw_only=True)
class MigrationTerms:
    """What moving a job takes besides its link; the defaults are assumptions, not measurements.

    Attributes
    ----------
    goodput_fraction : float
        Useful data per nominal bandwidth [-].
    save_gb_s, load_gb_s : float
        Rates at which the checkpoint is written and read [GB/s].
    provisioning_s : float
        Time to start nodes at the destination [s]; 0 where they are warm.
    warm_up_s : float
        Compilation and loading of data after the checkpoint is read [s].
    overlapped : bool
        True if the destination starts its nodes while the checkpoint is saved and moved.

    References
    ----------
    See :func:`migration_s`.
    """

    goodput_fraction: float = 0.8
    save_gb_s: float = 2.0
    load_gb_s: float = 2.0
    provisioning_s: float = 0.0
    warm_up_s: float = 0.0
    overlapped: bool = False

    def __post_init__(self) -> None:
        checked(self.goodput_fraction, "goodput", 1e-6, 1.0)
        checked(self.save_gb_s, "save rate", 1e-9, unit="GB/s")
        checked(self.load_gb_s, "load rate", 1e-9, unit="GB/s")
        checked(self.provisioning_s, "provisioning", 0.0, unit="s")
        checked(self.warm_up_s, "warm-up", 0.0, unit="s")


STANDARD_TERMS = MigrationTerms()
"""The defaults."""


def migration_s(size_gb: ArrayLike, bandwidth_gbit_s: ArrayLike, terms: MigrationTerms = STANDARD_TERMS) -> FloatArray:
    """Time from stopping a job at one site until it runs at the other [s], broadcast shapes.

    Parameters
    ----------
    size_gb : array_like
        Checkpoint [GB].
    bandwidth_gbit_s : array_like
        Nominal bandwidth that this transfer gets [Gbit/s]; m transfers at once get 1/m of a link each.
    terms : MigrationTerms
        Rates [GB/s], goodput [-], provisioning and warm-up [s].

    Notes
    -----
    With S the checkpoint, w and r the rates of writing and reading, phi the goodput and B the bandwidth::

        T_transfer = 8 S / (phi B)
        T = T_provisioning + S / w + T_transfer + S / r + T_warm-up              one after the other
        T = max(T_provisioning, S / w + T_transfer) + S / r + T_warm-up          overlapped

    References
    ----------
    Rebuilt from the terms named in Green Distributed AI Training (2025), arXiv:2511.16182.

    Examples
    --------
    >>> float(migration_s(40.0, 10.0)), float(migration_s(40.0, 10.0, MigrationTerms(provisioning_s=300.0)))
    (80.0, 380.0)
    """
    size = checked(size_gb, "checkpoint", 0.0, unit="GB")
    out = size / terms.save_gb_s + transfer_s(size, terms.goodput_fraction * np.asarray(bandwidth_gbit_s))
    ready = np.maximum(terms.provisioning_s, out) if terms.overlapped else terms.provisioning_s + out
    total: FloatArray = ready + size / terms.load_gb_s + terms.warm_up_s
    return total


def shortest_window_h(disruption_s: ArrayLike, *, share: float = SHARE) -> FloatArray:
    """Shortest window in which a disruption takes at most a share of it [h], same shape.

    Parameters
    ----------
    disruption_s : array_like
        Time in which the job does not run [s].
    share : float
        Largest share alpha [-], within (0, 1].

    Notes
    -----
    ``W = T / alpha``.

    References
    ----------
    See :func:`migration_s`.

    Examples
    --------
    >>> round(float(shortest_window_h(80.0, share=0.1)), 4)
    0.2222
    """
    part = checked(share, "share", 1e-6, 1.0)
    window: FloatArray = checked(disruption_s, "disruption", 0.0, unit="s") / part / 3600.0
    return window


def fits_window(disruption_s: ArrayLike, window_h: ArrayLike, *, share: float = SHARE) -> BoolArray:
    """Whether a disruption [s] takes at most a share [-] of what is left of a window [h], broadcast shapes.

    References
    ----------
    See :func:`shortest_window_h`.

    Examples
    --------
    >>> fits_window(380.0, [1.0, 1.1], share=0.1).tolist()  # 380 s need 1.056 h
    [False, True]
    """
    left = checked(window_h, "window", 0.0, unit="h")
    fits: BoolArray = (shortest_window_h(disruption_s, share=share) <= left * (1.0 + 1e-12)) & (left > 0.0)
    return fits


def largest_checkpoint_gb(
    window_h: ArrayLike, bandwidth_gbit_s: ArrayLike, terms: MigrationTerms = STANDARD_TERMS, *, share: float = SHARE
) -> FloatArray:
    """Largest checkpoint that can be moved within a share of a window [GB], broadcast shapes; 0 where none can.

    Parameters
    ----------
    window_h : array_like
        What is left of the window [h].
    bandwidth_gbit_s : array_like
        As in :func:`migration_s` [Gbit/s].
    terms : MigrationTerms
        As in :func:`migration_s`.
    share : float
        Largest share alpha of the window [-].

    Notes
    -----
    ``S = (alpha W - T_provisioning - T_warm-up) / (1/w + 1/r + 8/(phi B))``; overlapped, provisioning binds on its
    own: ``S / r <= alpha W - T_provisioning - T_warm-up``.

    References
    ----------
    See :func:`migration_s`.

    Examples
    --------
    >>> largest_checkpoint_gb([2.5, 0.25], 10.0, MigrationTerms(provisioning_s=300.0)).round(6).tolist()
    [300.0, 0.0]
    """
    part = float(checked(share, "share", 1e-6, 1.0))
    spare = 3600.0 * part * checked(window_h, "window", 0.0, unit="h") - terms.warm_up_s
    per_gb = 1.0 / terms.save_gb_s + transfer_s(1.0, terms.goodput_fraction * np.asarray(bandwidth_gbit_s))
    per_gb = per_gb + 1.0 / terms.load_gb_s
    if terms.overlapped:
        size = np.minimum(spare / per_gb, (spare - terms.provisioning_s) * terms.load_gb_s)
    else:
        size = (spare - terms.provisioning_s) / per_gb
    return np.maximum(size, 0.0)


def in_time_probability(
    disruption_s: ArrayLike,
    length_h: ArrayLike,
    *,
    age_h: float = 0.0,
    share: float = SHARE,
    open_ended: ArrayLike = False,
) -> float:
    """Probability that a window lasts long enough for a move, over equally likely disruptions [-].

    Parameters
    ----------
    disruption_s : array_like
        Disruption for every equally likely bandwidth [s], any shape.
    length_h, open_ended : array_like
        Observed windows [h] and whether the data cut them short, shape ``(W,)``.
    age_h : float
        How long the window has lasted already [h].
    share : float
        Largest share of the rest of the window [-].

    Notes
    -----
    ``P = E_B[S_W(a + T(B) / alpha)] / S_W(a)``.

    References
    ----------
    See :func:`migration_s`; survival as in :func:`joulewright.physics.windows.window_survival`.

    Examples
    --------
    >>> round(in_time_probability([1200.0], [4.0, 3.0, 3.0]), 6)  # one window of three lasts 3.33 h
    0.333333
    """
    needed = shortest_window_h(disruption_s, share=share)
    return float(np.mean(residual_survival(length_h, age_h, needed, open_ended=open_ended)))
