"""What a flexible (interruptible) grid connection delivers and withholds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.model import Scenario, Schedule
from joulewright.model.timeline import BoolArray

_THRESHOLD_MW = 1e-6


@dataclass(frozen=True, kw_only=True)
class ConnectionReport:
    """Figures of the flexible connection of one site.

    Attributes
    ----------
    site : str
        Where.
    firm_limit_mw, peak_import_mw : float
        Import that is always allowed, and the highest import of the schedule [MW].
    curtailed_h, longest_curtailment_h : float
        Hours in which the flexible part is withdrawn, and its longest uninterrupted withdrawal [h].
    curtailments : int
        Number of such withdrawals.
    withheld_mwh : float
        Energy that the withdrawn limit could have carried [MWh].
    above_firm_mwh, above_firm_h, longest_above_firm_h : float
        Energy imported above the firm limit [MWh], for how many hours, and the longest stretch [h].
    curtailed_hours_per_year : float or None
        Most hours a year the contract allows to withdraw [h].
    assumed : bool
        True where the curtailed hours are assumed, not a calendar of the operator.
    """

    site: str
    firm_limit_mw: float
    peak_import_mw: float
    curtailed_h: float
    longest_curtailment_h: float
    curtailments: int
    withheld_mwh: float
    above_firm_mwh: float
    above_firm_h: float
    longest_above_firm_h: float
    curtailed_hours_per_year: float | None
    assumed: bool


def connection_report(scenario: Scenario, schedule: Schedule) -> tuple[ConnectionReport, ...]:
    """One report for every site with a flexible connection, in file order.

    Raises
    ------
    KeyError
        If the schedule lacks such a site.
    """
    step_h = scenario.timeline.step_h
    reports = []
    for site in scenario.sites:
        if site.grid is None or site.grid.flexible is None:
            continue
        terms, imported = site.grid.flexible, schedule.sites[site.name].grid_import_mw
        above_mw = np.maximum(imported - terms.firm_limit_mw, 0.0)
        above = above_mw > _THRESHOLD_MW
        curtailments = run_lengths(terms.curtailed)
        reports.append(
            ConnectionReport(
                site=site.name,
                firm_limit_mw=terms.firm_limit_mw,
                peak_import_mw=float(imported.max()),
                curtailed_h=step_h * sum(curtailments),
                longest_curtailment_h=step_h * max(curtailments, default=0),
                curtailments=len(curtailments),
                withheld_mwh=step_h * math.fsum(terms.flexible_limit_mw[terms.curtailed].tolist()),
                above_firm_mwh=step_h * math.fsum(above_mw[above].tolist()),
                above_firm_h=step_h * int(np.count_nonzero(above)),
                longest_above_firm_h=step_h * max(run_lengths(above), default=0),
                curtailed_hours_per_year=terms.curtailed_hours_per_year,
                assumed=terms.assumed,
            )
        )
    return tuple(reports)


def run_lengths(flags: BoolArray) -> list[int]:
    """Lengths of the uninterrupted runs of True.

    Examples
    --------
    >>> run_lengths(np.array([True, False, True, True]))
    [1, 2]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return [int(length) for length in edges[1::2] - edges[::2]]
