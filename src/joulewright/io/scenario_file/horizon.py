"""The horizon: ``[time]`` as a timeline, and the local calendar of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from joulewright.io.scenario_file.document import Document, FieldError
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray

_MOST_STEPS = 10_000_000
_DAY_S = 86_400


def read_horizon(document: Document, time: Table | None) -> Timeline | None:
    """Timeline of the ``[time]`` table, or None after reporting why there is none."""
    if time is None or time.wrong or not {"start", "end"} <= time.given.keys():
        return None
    start, end, step_h = time["start"], time["end"], time["step"]
    step_s = round(step_h * 3600.0)
    if abs(step_h * 3600.0 - step_s) > 1e-6 or not 1 <= step_s <= _DAY_S:
        document.add(
            "T023",
            time.at("step"),
            f"the step is {step_h * 3600.0:g} s; allowed are whole seconds from 1 s to 1 day",
            help='write step = "15 min" or step = "1 h"',
        )
        return None
    seconds = (end - start).total_seconds()
    if seconds <= 0:
        message = f"end {_iso(end)} is not after start {_iso(start)}"
        document.add("T022", time.at("end"), message, help="end is the first instant after the horizon")
        return None
    if seconds % step_s:
        whole = end - timedelta(seconds=seconds % step_s)
        message = f"the horizon of {seconds / 3600:g} h is not a whole number of steps of {step_h:g} h"
        suggestion = whole if whole > start else start + timedelta(seconds=step_s)
        document.add("T024", time.at("end"), message, help=f"set end = {_iso(suggestion)}")
        return None
    if seconds / step_s > _MOST_STEPS:
        message = f"the horizon has {seconds / step_s:.0f} steps; allowed are {_MOST_STEPS}"
        document.add("T025", time.at("end"), message, help="lengthen step or bring end closer")
        return None
    return Timeline(start=start, step_s=step_s, steps=int(seconds // step_s))


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def zone(name: str) -> ZoneInfo:
    """Time zone of an IANA name.

    Raises
    ------
    FieldError
        ``T004`` if there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise FieldError(
            "T004", f"time zone {name!r} is unknown", help="use an IANA name such as Europe/Berlin"
        ) from error


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalCalendar:
    """Local date and clock of every step's start; all arrays have shape ``(T,)``.

    Attributes
    ----------
    month : ndarray of datetime64[M]
        Calendar month.
    weekday : ndarray of int
        0 for Monday to 6 for Sunday.
    hour : FloatArray
        Clock time [h], within [0, 24).
    """

    month: NDArray[np.datetime64]
    weekday: NDArray[np.int64]
    hour: FloatArray


def local_calendar(timeline: Timeline, time_zone: str) -> LocalCalendar:
    """Calendar of the steps in a time zone, daylight saving included.

    Examples
    --------
    >>> week = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=8)
    >>> local_calendar(week, "America/Los_Angeles").hour.tolist()
    [17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 0.0]
    """
    utc = timeline.starts().astype("datetime64[s]").astype(np.int64)
    local = utc + _offsets_s(utc, zone(time_zone))
    days = local // _DAY_S
    return LocalCalendar(
        month=days.astype("datetime64[D]").astype("datetime64[M]"),
        weekday=(days + 3) % 7,
        hour=(local - days * _DAY_S) / 3600.0,
    )


def month_hours(month: np.datetime64, time_zone: str) -> float:
    """Length of a local calendar month [h]; 743 or 721 where the clocks change.

    Examples
    --------
    >>> month_hours(np.datetime64("2025-03"), "Europe/Berlin"), month_hours(np.datetime64("2025-07"), "Europe/Berlin")
    (743.0, 744.0)
    """
    bounds = [
        datetime.fromisoformat(f"{instant}-01").replace(tzinfo=zone(time_zone)).astimezone(UTC)
        for instant in (month, month + np.timedelta64(1, "M"))
    ]
    return (bounds[1] - bounds[0]).total_seconds() / 3600.0


def _offsets_s(utc: NDArray[np.int64], where: ZoneInfo) -> NDArray[np.int64]:
    """UTC offset of every instant [s]; only days on which it changes are looked at one by one."""
    days, of_day = np.unique(utc // _DAY_S, return_inverse=True)
    edges = {int(day): _offset_s(int(day) * _DAY_S, where) for day in np.union1d(days, days + 1)}
    morning = np.array([edges[int(day)] for day in days], dtype=np.int64)
    night = np.array([edges[int(day) + 1] for day in days], dtype=np.int64)
    offsets = morning[of_day]
    for step in np.flatnonzero((morning != night)[of_day]):
        offsets[step] = _offset_s(int(utc[step]), where)
    return offsets


def _offset_s(utc: int, where: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(utc, tz=where).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
