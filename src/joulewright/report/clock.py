"""Wall-clock time of a site for labels and calendars."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars
from numpy.typing import NDArray

from joulewright.model import Site, Timeline

Instants = NDArray[np.datetime64]


def zone_of(site: Site) -> str:
    """IANA time zone of the site, UTC where it has no location."""
    return "UTC" if site.location is None else site.location.time_zone


def zone_label(zone: str) -> str:
    """Short reader-facing name of a time zone.

    Examples
    --------
    >>> zone_label("America/Los_Angeles"), zone_label("UTC")
    ('Los Angeles time', 'UTC')
    """
    if zone in ("UTC", "Etc/UTC", "GMT"):
        return "UTC"
    return f"{zone.rsplit('/', 1)[-1].replace('_', ' ')} time"


def local_starts(timeline: Timeline, zone: str) -> Instants:
    """Local wall clock at the start of every step as ``datetime64[s]``, shape ``(T,)``.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=2)
    >>> [str(instant) for instant in local_starts(day, "America/Los_Angeles")]
    ['2022-07-03T17:00:00', '2022-07-03T18:00:00']
    """
    utc = polars.Series(timeline.starts().astype("datetime64[ms]")).dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(zone).dt.replace_time_zone(None).to_numpy().astype("datetime64[s]")


def offsets(timeline: Timeline, local: Instants, first: int, stop: int) -> list[list[int]]:
    """Where the distance from UTC changes between two steps: ``[step - first, minutes east of UTC]``."""
    minutes = ((local[first:stop] - timeline.starts()[first:stop]) / np.timedelta64(60, "s")).astype(int)
    changes = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
    return [[int(step), int(minutes[step])] for step in changes]


def stamp(instant: datetime, zone: str) -> str:
    """Instant in local time for sentences.

    Examples
    --------
    >>> from datetime import UTC
    >>> stamp(datetime(2022, 7, 5, 2, 0, tzinfo=UTC), "America/Los_Angeles")
    'Mon 4 Jul 2022, 19:00'
    """
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"


def at_position(timeline: Timeline, position: float) -> datetime:
    """Instant at a position in steps from the start of the horizon, to the second.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
    >>> at_position(day, 2.25).isoformat()
    '2022-07-04T02:15:00+00:00'
    """
    return timeline.start + timedelta(seconds=round(position * timeline.step_s))


def step_stamp(timeline: Timeline, step: int, zone: str) -> str:
    """Start of a step (or a boundary) in local time."""
    return stamp(timeline.at(step), zone)


def span_text(hours: float) -> str:
    """Length of time in the unit that reads best.

    Examples
    --------
    >>> span_text(0.5), span_text(36.0), span_text(168.0), span_text(1.0)
    ('30 min', '36 h', '7 days', '1 h')
    """
    if hours < 1.0:
        return f"{round(60 * hours)} min"
    if hours >= 72.0 and hours % 24.0 == 0.0:
        return f"{round(hours / 24)} days"
    return f"{hours:.4g} h"
