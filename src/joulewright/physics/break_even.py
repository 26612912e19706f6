"""What moving a job costs in energy, when it has paid for itself, and whether a move makes sense at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.migration import SHARE, STANDARD_TERMS, MigrationTerms, migration_s, shortest_window_h
from joulewright.physics.ranges import checked
from joulewright.physics.transfer import transfer_s

NETWORK_MWH_PER_GB = 3e-5
"""Attributional network energy per volume [MWh/GB], 0.03 kWh/GB: an assumption, published values differ by a factor of
ten (Aslan et al. 2018, Journal of Industrial Ecology 22(4), 785-798, doi:10.1111/jiec.12630)."""

PATH_MW = 3e-4
"""Further power of the devices along a path while data move [MW], 0.3 kW: an assumption."""


def migration_energy_mwh(
    size_gb: ArrayLike,
    *,
    transfer_s: ArrayLike,
    stall_s: ArrayLike,
    idle_mw: float,
    network_mwh_per_gb: float = NETWORK_MWH_PER_GB,
    path_mw: float = PATH_MW,
) -> tuple[FloatArray, FloatArray]:
    """Energy of a move by attributional and by marginal network energy [MWh], broadcast shapes.

    Parameters
    ----------
    size_gb : array_like
        Data moved [GB].
    transfer_s, stall_s : array_like
        Time on the link, and time in which the job does not run [s].
    idle_mw : float
        Power of the stalled job at each end [MW].
    network_mwh_per_gb : float
        Share of the network's whole energy per volume [MWh/GB].
    path_mw : float
        Further power along the path while data move [MW].

    Returns
    -------
    attributional_mwh, marginal_mwh : FloatArray
        The first charges the network by volume, the second only what it draws more.

    Notes
    -----
    ``E = e_net S + 2 P_idle T_stall`` and ``E = P_path T_transfer + 2 P_idle T_stall``. They differ by a factor of a
    hundred and more: always look at both.

    References
    ----------
    See :data:`NETWORK_MWH_PER_GB` and :func:`joulewright.physics.migration.migration_s`.

    Examples
    --------
    >>> costs = migration_energy_mwh(40.0, transfer_s=40.0, stall_s=80.0, idle_mw=0.12e-3)
    >>> [round(1000.0 * float(cost), 6) for cost in costs]  # kWh
    [1.205333, 0.008667]
    """
    idle = 2.0 * float(checked(idle_mw, "idle power", 0.0, unit="MW")) * np.asarray(stall_s, dtype=np.float64) / 3600.0
    volume = float(checked(network_mwh_per_gb, "network energy", 0.0, unit="MWh/GB"))
    path = float(checked(path_mw, "path power", 0.0, unit="MW"))
    attributional: FloatArray = volume * checked(size_gb, "size", 0.0, unit="GB") + idle
    marginal: FloatArray = path * np.asarray(transfer_s, dtype=np.float64) / 3600.0 + idle
    return attributional, marginal


def energy_break_even_h(energy_mwh: ArrayLike, job_mw: float, renewable_gain_fraction: ArrayLike) -> FloatArray:
    """Time after which a move has saved the energy it took [h], broadcast shapes; infinite without a gain.

    Parameters
    ----------
    energy_mwh : array_like
        Energy of the move [MWh].
    job_mw : float
        Power of the job [MW].
    renewable_gain_fraction : array_like
        Renewable share of supply at the destination less that at the source [-].

    Notes
    -----
    ``T = E / (P (rho_destination - rho_source))``.

    References
    ----------
    See :func:`joulewright.physics.migration.migration_s`.

    Examples
    --------
    >>> round(60.0 * float(energy_break_even_h(1.205333e-3, 0.4e-3, 1.0)), 2)  # minutes
    180.8
    """
    gain = float(checked(job_mw, "job power", 0.0, unit="MW")) * np.asarray(renewable_gain_fraction, dtype=np.float64)
    return _payback_h(checked(energy_mwh, "energy of the move", 0.0, unit="MWh"), gain)


def carbon_break_even_h(
    energy_mwh: ArrayLike,
    job_mw: float,
    *,
    network_kg_per_mwh: float,
    source_kg_per_mwh: ArrayLike,
    destination_kg_per_mwh: ArrayLike,
) -> FloatArray:
    """Time after which a move has saved the carbon it took [h], broadcast shapes; infinite without a gain.

    Parameters
    ----------
    energy_mwh : array_like
        Energy of the move [MWh].
    job_mw : float
        Power of the job [MW].
    network_kg_per_mwh, source_kg_per_mwh, destination_kg_per_mwh : float or array_like
        Carbon intensity of the network and of both sites [kg/MWh], all average or all marginal.

    Notes
    -----
    ``T = E c_net / (P (c_source - c_destination))``.

    References
    ----------
    See :func:`joulewright.physics.migration.migration_s`.

    Examples
    --------
    >>> place = {"network_kg_per_mwh": 400.0, "source_kg_per_mwh": 500.0, "destination_kg_per_mwh": 100.0}
    >>> round(60.0 * float(carbon_break_even_h(1.2e-3, 0.4e-3, **place)), 6)  # minutes
    180.0
    """
    saved = np.asarray(source_kg_per_mwh, dtype=np.float64) - np.asarray(destination_kg_per_mwh, dtype=np.float64)
    cost = checked(energy_mwh, "energy of the move", 0.0, unit="MWh") * network_kg_per_mwh
    return _payback_h(cost, float(checked(job_mw, "job power", 0.0, unit="MW")) * saved)


def _payback_h(cost: FloatArray, gain_per_h: FloatArray) -> FloatArray:
    cost, gain = np.broadcast_arrays(cost, gain_per_h)
    hours: FloatArray = np.divide(cost, gain, out=np.full(cost.shape, np.inf), where=gain > 0.0)
    return hours


def repeated_work_mwh(probability: ArrayLike, disruption_s: ArrayLike, job_mw: float, *, since_h: float) -> FloatArray:
    """Expected energy of work that is done again because the window shut too early [MWh], broadcast shapes.

    Parameters
    ----------
    probability : array_like
        Probability that the window lasts long enough [-].
    disruption_s : array_like
        Time of the move [s].
    job_mw : float
        Power of the job [MW].
    since_h : float
        Time since the last checkpoint [h].

    Notes
    -----
    ``(1 - p) (T + T_since) P``.

    References
    ----------
    See :func:`joulewright.physics.migration.migration_s`.

    Examples
    --------
    >>> float(repeated_work_mwh(0.75, 1800.0, 8.0, since_h=0.5))  # 0.25 x 1 h x 8 MW
    2.0
    """
    missed = 1.0 - checked(probability, "probability", 0.0, 1.0)
    hours = checked(disruption_s, "disruption", 0.0, unit="s") / 3600.0 + checked(since_h, "checkpoint age", 0.0)
    loss: FloatArray = missed * hours * float(checked(job_mw, "job power", 0.0, unit="MW"))
    return loss


@dataclass(frozen=True, kw_only=True)
class Move:
    """A move that is considered.

    Attributes
    ----------
    size_gb : float
        Checkpoint [GB].
    bandwidth_gbit_s : float
        Nominal bandwidth that it gets [Gbit/s].
    job_mw, idle_mw : float
        Power of the job while it runs, and at each end while it is stalled [MW].
    gain_fraction : float
        Renewable share at the destination less that at the source [-].
    terms : MigrationTerms
        Rates, provisioning and warm-up.

    References
    ----------
    See :func:`joulewright.physics.migration.migration_s`.
    """

    size_gb: float
    bandwidth_gbit_s: float
    job_mw: float
    idle_mw: float
    gain_fraction: float
    terms: MigrationTerms = STANDARD_TERMS


@dataclass(frozen=True, kw_only=True)
class MoveVerdict:
    """Whether a move makes sense, and why.

    Attributes
    ----------
    feasible : bool
        True if time and energy both allow it.
    reason : str
        One sentence with the figures that decided.
    disruption_h, shortest_window_h : float
        Time of the move, and the window it needs [h].
    attributional_break_even_h, marginal_break_even_h : float
        Energy break-even under both views of the network [h]; infinite without a gain.

    References
    ----------
    See :func:`judge_move`.
    """

    feasible: bool
    reason: str
    disruption_h: float
    shortest_window_h: float
    attributional_break_even_h: float
    marginal_break_even_h: float


def judge_move(
    move: Move,
    window_h: float | None,
    *,
    share: float = SHARE,
    network: Literal["attributional", "marginal"] = "attributional",
) -> MoveVerdict:
    """Whether a job may move into what is left of a window.

    Parameters
    ----------
    move : Move
        Checkpoint [GB], link [Gbit/s] and powers [MW].
    window_h : float or None
        What is left of the window at the destination [h]; None where it is unknown, which is no.
    share : float
        Largest share of the window that the disruption may take [-].
    network : {"attributional", "marginal"}
        Which energy of the network decides; the verdict shows both break-evens.

    Raises
    ------
    ScenarioError
        If a value is out of range or the view of the network is unknown.

    Notes
    -----
    Yes if ``T <= alpha W`` and the break-even comes before the window closes, the disruption included.

    References
    ----------
    See :func:`joulewright.physics.migration.migration_s`.

    Examples
    --------
    >>> job = Move(size_gb=40.0, bandwidth_gbit_s=10.0, job_mw=0.01, idle_mw=0.003, gain_fraction=1.0)
    >>> print(judge_move(job, 0.2).reason)
    the move takes 0.0222 h and needs a window of 0.2222 h; 0.2 h are left
    >>> judge_move(job, 2.5).feasible
    True
    """
    if network not in ("attributional", "marginal"):
        raise ScenarioError(f"network energy is {network!r}; allowed are 'attributional' and 'marginal'")
    disruption = float(migration_s(move.size_gb, move.bandwidth_gbit_s, move.terms))
    needed_h = float(shortest_window_h(disruption, share=share))
    goodput = move.terms.goodput_fraction * move.bandwidth_gbit_s
    energies = migration_energy_mwh(
        move.size_gb, transfer_s=transfer_s(move.size_gb, goodput), stall_s=disruption, idle_mw=move.idle_mw
    )
    paybacks = [float(energy_break_even_h(energy, move.job_mw, move.gain_fraction)) for energy in energies]
    payback_h = paybacks[network == "marginal"]
    feasible, reason = _verdict(window_h, (disruption / 3600.0, needed_h, payback_h), network)
    return MoveVerdict(
        feasible=feasible,
        reason=reason,
        disruption_h=disruption / 3600.0,
        shortest_window_h=needed_h,
        attributional_break_even_h=paybacks[0],
        marginal_break_even_h=paybacks[1],
    )


def _verdict(window_h: float | None, times_h: tuple[float, float, float], network: str) -> tuple[bool, str]:
    disruption_h, needed_h, payback_h = times_h
    if window_h is None:
        return False, "how long the window lasts is unknown"
    left_h = float(checked(window_h, "window", 0.0, unit="h"))
    if left_h <= 0.0 or needed_h > left_h * (1.0 + 1e-12):
        needs = f"the move takes {disruption_h:.4f} h and needs a window of {needed_h:.4f} h"
        return False, f"{needs}; {left_h:g} h are left"
    if math.isinf(payback_h):
        return False, "the destination has no higher renewable share than the source, so the move never pays"
    if disruption_h + payback_h > left_h:
        paid = f"by {network} network energy the move pays after {payback_h:.4f} h"
        return False, f"{paid}, later than the {left_h:g} h that are left"
    return (
        True,
        f"the move takes {disruption_h:.4f} h and pays after {payback_h:.4f} h of the {left_h:g} h that are left",
    )
