"""The part of a file's time axis that a horizon needs, and the gaps in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.io.series.axis import Axis, duration_text
from joulewright.io.series.findings import SeriesError
from joulewright.io.series.reference import Label
from joulewright.io.series.resample import gaps
from joulewright.io.series.table import ColumnTable
from joulewright.model import Timeline
from joulewright.model.timeline import BoolArray


@dataclass(frozen=True, kw_only=True)
class Window:
    """Steps of a file that are read: those of the horizon, and neighbours to interpolate from.

    Attributes
    ----------
    first_s : int
        Start of the first step read [s since 1970-01-01 UTC].
    step_s : int
        Step of the file [s].
    first, stop : int
        Half-open range of axis positions read.
    inside : slice
        Steps of the window that overlap the horizon.
    """

    first_s: int
    step_s: int
    first: int
    stop: int
    inside: slice

    @property
    def size(self) -> int:
        """Steps read."""
        return self.stop - self.first

    def rows(self, axis: Axis) -> tuple[int, int]:
        """Half-open range of file rows in the window."""
        first, stop = np.searchsorted(axis.position, (self.first, self.stop))
        return int(first), int(stop)


def cut(axis: Axis, label: Label, timeline: Timeline, *, max_gap_h: float) -> Window:
    """The window that covers the horizon.

    Raises
    ------
    SeriesError
        With code T013 if the file begins after the horizon or ends before it.
    """
    step_s = axis.step_s
    origin_s = axis.first_s - (step_s if label == "end" else 0)
    start_s, end_s = int(timeline.start.timestamp()), int(timeline.end.timestamp())
    first, stop = (start_s - origin_s) // step_s, -((origin_s - end_s) // step_s)
    if first < 0 or stop > axis.count:
        covered = f"{utc_text(origin_s)} to {utc_text(origin_s + axis.count * step_s)}"
        raise SeriesError(
            "T013",
            f"the series covers {covered}; the horizon needs {utc_text(start_s)} to {utc_text(end_s)}",
            help="extend the file or shorten the horizon ([time] start and end)",
        )
    margin = math.ceil(max_gap_h * 3600 / step_s) + 1 if max_gap_h > 0 else 0
    low, high = max(0, first - margin), min(axis.count, stop + margin)
    return Window(
        first_s=origin_s + low * step_s, step_s=step_s, first=low, stop=high, inside=slice(first - low, stop - low)
    )


def check_gaps(missing: BoolArray, window: Window, *, max_gap_h: float, table: ColumnTable, axis: Axis) -> None:
    """Refuse runs of missing values that may not or cannot be interpolated.

    Raises
    ------
    SeriesError
        With code T011 and the first such gap.
    """
    runs = [run for run in gaps(missing) if run[1] > window.inside.start and run[0] < window.inside.stop]
    edge = (0, window.size)
    refused = [
        run for run in runs if (run[1] - run[0]) * window.step_s > max_gap_h * 3600 or run[0] == 0 or run[1] == edge[1]
    ]
    if not refused:
        return
    first, stop = refused[0]
    length_s = (stop - first) * window.step_s
    start_s = window.first_s + first * window.step_s
    longest_s = max(last - begin for begin, last in refused) * window.step_s
    count = "" if len(refused) == 1 else f"; {len(refused)} such gaps in all, the longest {duration_text(longest_s)}"
    row = min(int(np.searchsorted(axis.position, window.first + first)), table.rows - 1)
    at_edge = [position for position in edge if any(position in run for run in refused)]
    if at_edge and longest_s <= max_gap_h * 3600:
        help = "there is no value beside the gap to interpolate from; fill it in the file"
    else:
        help = (
            f'fill the file, or declare max_gap = "{duration_text(longest_s)}" to interpolate; it is counted and shown'
        )
    if length_s == 3600 and axis.time_zone == "UTC" and axis.position[row] != window.first + first:
        help += "; an hour missing on the day clocks go forward means local clock time: declare its time_zone"
    raise SeriesError(
        "T011",
        f"no values for {duration_text(length_s)} from {utc_text(start_s)} to {utc_text(start_s + length_s)}{count}",
        line=table.line(row),
        help=help,
    )


def utc_text(seconds: int) -> str:
    """Instant for messages, e.g. ``2022-07-04T00:00Z``."""
    return str(np.datetime64(seconds, "s")).removesuffix(":00") + "Z"
