"""Time stamps as written in files, turned into instants in UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import numpy as np
from numpy.typing import NDArray

from joulewright.io.series.findings import SeriesError

Seconds = NDArray[np.int64]

_DAY_S = 86_400
_CLOCK = re.compile(r"(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,]0+)?)? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE)
_EXAMPLE = "write ISO 8601 with an offset, e.g. 2022-07-04T00:00:00Z or 2022-07-04 02:00+02:00"


@dataclass(frozen=True, kw_only=True)
class ClockRules:
    """How stamps without an offset are read.

    Attributes
    ----------
    column : str
        Time column, for messages.
    zone : tzinfo or None
        Their time zone; None refuses them.
    first_dst : bool
        True if the first of two equal clock times is daylight-saving time.
    """

    column: str
    zone: tzinfo | None
    first_dst: bool = False


def time_zone(name: str) -> tzinfo:
    """Time zone from an IANA name, ``UTC`` or a fixed offset such as ``+05:30``.

    Raises
    ------
    SeriesError
        With code T004 if there is no such zone.

    Examples
    --------
    >>> time_zone("+05:30").utcoffset(None)
    datetime.timedelta(seconds=19800)
    """
    offset = re.fullmatch(r"(?:UTC)?([+-])(\d\d):?(\d\d)", name)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SeriesError(
            "T004",
            f"time zone {name!r} is unknown",
            help='use an IANA name such as "Europe/Berlin", "UTC", or a fixed offset such as "+01:00"',
        ) from error


def instants(
    stamps: list[str] | tuple[Seconds, bool], rules: ClockRules, line: Callable[[int], int | None]
) -> tuple[Seconds, bool]:
    """Seconds since 1970-01-01 UTC of every stamp, and whether the stamps carried their own offset.

    Parameters
    ----------
    stamps : list of str, or (ndarray of int64, bool)
        Text, or clock seconds with a flag that is True when they are UTC.
    rules : ClockRules
        How to read stamps without offset.
    line : callable
        Line of a row in the file.

    Raises
    ------
    SeriesError
        T002 not a time stamp, T018 no time zone, T007 clock time that occurs twice, T008 clock time that does
        not exist.
    """
    if isinstance(stamps, tuple):
        clock, aware = stamps
        offsets: Seconds | None = np.zeros_like(clock) if aware else None
    else:
        clock, offsets = _parsed(stamps, rules.column, line)
    if offsets is not None:
        return clock - offsets, True
    if rules.zone is None:
        raise SeriesError(
            "T018",
            f"time stamps such as {_text(int(clock[0]))} in column {rules.column!r} have no UTC offset",
            line=line(0),
            help='declare their time zone, e.g. time_zone = "UTC" or time_zone = "Europe/Berlin"',
        )
    return clock - _zone_offsets(clock, rules, line), False


def _parsed(stamps: list[str], column: str, line: Callable[[int], int | None]) -> tuple[Seconds, Seconds | None]:
    """Clock seconds and offsets [s] of ISO 8601 text; offsets are None when no stamp has one.

    Few different clock times and offsets occur, so each is parsed once.
    """
    stamps = [stamp.strip() for stamp in stamps]
    known = {tail: _clock_and_offset(tail) for tail in {stamp[10:] for stamp in stamps}}
    clocks = {tail: parts[0] for tail, parts in known.items() if parts is not None}
    shifts = {tail: parts[1] for tail, parts in known.items() if parts is not None}
    try:
        bodies = [stamp[:10] + clocks[stamp[10:]] for stamp in stamps]
        clock = np.array(bodies, dtype="datetime64[s]").astype(np.int64)
    except (KeyError, ValueError):
        row = next(row for row, stamp in enumerate(stamps) if not _is_instant(stamp, clocks))
        raise _unreadable(stamps[row], column, line(row)) from None
    if None not in shifts.values():
        return clock, np.array([shifts[stamp[10:]] for stamp in stamps], dtype=np.int64)
    if any(shift is not None for shift in shifts.values()):
        row = next(row for row, stamp in enumerate(stamps) if shifts[stamp[10:]] is None)
        raise SeriesError(
            "T002",
            f"{stamps[row]!r} in column {column!r} has no UTC offset, but other rows have one",
            line=line(row),
            help="give every stamp an offset",
        )
    return clock, None


def _clock_and_offset(tail: str) -> tuple[str, int | None] | None:
    match = _CLOCK.fullmatch(tail)
    if match is None:
        return None
    clock = "T" + (match[1] or "00:00")
    offset = match[2]
    if offset is None or offset.upper() in ("Z", "UTC"):
        return clock, None if offset is None else 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return clock, -seconds if offset[0] == "-" else seconds


def _is_instant(stamp: str, clocks: Mapping[str, str]) -> bool:
    try:
        np.datetime64(stamp[:10] + clocks[stamp[10:]], "s")
    except (KeyError, ValueError):
        return False
    return True


def _unreadable(stamp: str, column: str, line: int | None) -> SeriesError:
    return SeriesError("T002", f"{stamp!r} in column {column!r} is not a time stamp", line=line, help=_EXAMPLE)


def _zone_offsets(clock: Seconds, rules: ClockRules, line: Callable[[int], int | None]) -> Seconds:
    """UTC offset of every clock time [s]; only days whose offset changes are looked at stamp by stamp."""
    zone = rules.zone
    days, day_of = np.unique(clock // _DAY_S, return_inverse=True)
    at_midnight = np.array([_offset_s(int(day) * _DAY_S, zone) for day in days], dtype=np.int64)
    next_midnight = np.array([_offset_s((int(day) + 1) * _DAY_S, zone) for day in days], dtype=np.int64)
    offsets = at_midnight[day_of]
    seen: set[int] = set()
    for row in np.flatnonzero((at_midnight != next_midnight)[day_of]):
        local = int(clock[row])
        early, late = _offset_s(local, zone), _offset_s(local, zone, fold=1)
        if early < late:
            raise _nonexistent(local, rules, line(int(row)))
        if early > late and not rules.first_dst:
            raise _ambiguous(local, rules, clock, line(int(row)))
        offsets[row] = late if local in seen else early
        seen.add(local)
    return offsets


def _offset_s(clock: int, zone: tzinfo | None, fold: int = 0) -> int:
    local = datetime.fromordinal(date(1970, 1, 1).toordinal() + clock // _DAY_S) + timedelta(seconds=clock % _DAY_S)
    offset = local.replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _ambiguous(local: int, rules: ClockRules, clock: Seconds, line: int | None) -> SeriesError:
    stamp = _text(local)
    times = int(np.count_nonzero(clock == local))
    fact = "appears twice" if times > 1 else "occurs twice on the clock"
    return SeriesError(
        "T007",
        f"the clock of {rules.zone} goes back on {stamp[:10]} but column {rules.column!r} has no UTC offset "
        f"({stamp[11:16]} {fact})",
        line=line,
        help='add offsets to the time stamps, or declare ambiguous = "first-dst"',
    )


def _nonexistent(local: int, rules: ClockRules, line: int | None) -> SeriesError:
    return SeriesError(
        "T008",
        f"{_text(local)} in column {rules.column!r} does not exist in {rules.zone}: the clock goes forward then",
        line=line,
        help='the stamps are not local clock time; add offsets, or declare time_zone = "UTC" or the fixed offset of '
        'standard time, e.g. "+01:00"',
    )


def _text(clock: int) -> str:
    return str(np.datetime64(clock, "s"))
