"""Demand charges: one billing window for each local calendar month and time-of-use window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.horizon import LocalCalendar, local_calendar, month_hours
from joulewright.io.scenario_file.tables import Table
from joulewright.model import DemandWindow, Location, Timeline
from joulewright.model.timeline import BoolArray


def demand_windows(
    document: Document, charges: list[Table], location: Location | None, timeline: Timeline
) -> tuple[DemandWindow, ...]:
    """Billing windows of all demand charges of a site that have steps within the horizon.

    A window's share of the monthly rate is the part of the month's hours that the horizon covers, unless given.
    ``peak_so_far`` belongs to the month in which the horizon starts.
    """
    if not charges:
        return ()
    if location is None:
        message = "a demand charge follows the local calendar, but the site has no location"
        help = 'add location = { latitude = 37.4, longitude = -121.9, time_zone = "America/Los_Angeles" }'
        document.add("S003", charges[0].path, message, help=help)
        return ()
    calendar = local_calendar(timeline, location.time_zone)
    windows: list[DemandWindow] = []
    for charge in charges:
        if charge.wrong:
            continue
        own = list(_windows(charge, calendar, location.time_zone, timeline))
        if not own:
            message = f"demand charge {charge.name!r} has no step within the horizon and costs nothing"
            help = "check months, weekdays and hours; they are local time"
            document.add("T036", charge.path, message, severity="warning", help=help)
        windows.extend(own)
    return tuple(windows)


def _windows(charge: Table, calendar: LocalCalendar, time_zone: str, timeline: Timeline) -> Iterator[DemandWindow]:
    often = _recurring(charge, calendar)
    months = np.unique(calendar.month)
    for month in months:
        of_month = calendar.month == month
        members = of_month & often
        number = int(str(month)[5:7])
        if not members.any() or (charge["months"] is not None and number not in charge["months"]):
            continue
        covered = int(np.count_nonzero(of_month)) * timeline.step_h / month_hours(month, time_zone)
        yield DemandWindow(
            name=f"{charge.name} {month}",
            price_per_mw=charge["rate"],
            members=members,
            peak_so_far_mw=charge["peak_so_far"] if month == months[0] else 0.0,
            share=min(1.0, covered) if charge["share"] is None else charge["share"],
        )


def _recurring(charge: Table, calendar: LocalCalendar) -> BoolArray:
    """Steps on the charge's weekdays and within its hours, shape ``(T,)``."""
    members = np.ones(calendar.hour.size, dtype=np.bool_)
    if charge["weekdays"] is not None:
        members &= np.isin(calendar.weekday, charge["weekdays"])
    if charge["hours"] is not None:
        within = np.zeros_like(members)
        for first, last in charge["hours"]:
            after, before = calendar.hour >= first, calendar.hour < last
            within |= (after & before) if first < last else (after | before)
        members &= within
    return members
