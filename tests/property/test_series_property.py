"""Properties of reading series: energy is kept, units and labels do not matter, known values stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.io.series import SeriesReference, forget_tables, read_series
from joulewright.io.series.resample import fill_gaps, resample
from joulewright.model import Timeline

START = datetime(2024, 2, 28, tzinfo=UTC)
STEPS = st.sampled_from([60, 300, 900, 1200, 1800, 2700, 3600, 5400, 7200, 86_400])
FLOATS = st.floats(-1e4, 1e4, allow_nan=False, width=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("series")


def write(folder: Path, values, *, column="x_mw", step_s=3600, start=START, stamp=datetime.isoformat) -> Path:
    forget_tables()
    path = folder / "series.csv"
    rows = [f"{stamp(start + timedelta(seconds=step_s * i))},{value!r}" for i, value in enumerate(values)]
    path.write_text("\n".join([f"time,{column}", *rows]) + "\n")
    return path


def read(path: Path, *, steps: int, start=START, step_s=3600, **options):
    options = {"column": "x_mw", "dimension": "power", **options}
    timeline = Timeline(start=start, step_s=step_s, steps=steps)
    return read_series(SeriesReference(path=path, **options), timeline)


@given(values=st.lists(FLOATS, min_size=1, max_size=60), source=STEPS, target=STEPS, offset_s=st.integers(0, 7200))
def test_resampling_keeps_energy(values, source, target, offset_s):
    """Any window that both grids cover holds the same energy; means stay within the range of the source."""
    series = np.array(values)
    steps = (len(values) * source - offset_s) // target
    if steps < 1:
        return
    timeline = Timeline(start=START + timedelta(seconds=offset_s), step_s=target, steps=steps)
    result = resample(series, timeline, first_s=int(START.timestamp()), step_s=source)
    seconds = np.repeat(series, source)[offset_s : offset_s + steps * target]
    np.testing.assert_allclose(result.sum() * target, seconds.sum(), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(result, seconds.reshape(steps, target).mean(axis=1), rtol=1e-9, atol=1e-9)
    assert result.min() >= series.min() - 1e-9
    assert result.max() <= series.max() + 1e-9


@given(values=st.lists(FLOATS, min_size=1, max_size=40), parts=st.sampled_from([2, 3, 4, 12, 60]))
def test_splitting_and_averaging_again_changes_nothing(values, parts):
    series, first_s = np.array(values), int(START.timestamp())
    fine = Timeline(start=START, step_s=3600 // parts, steps=len(values) * parts)
    coarse = Timeline(start=START, step_s=3600, steps=len(values))
    held = resample(series, fine, first_s=first_s, step_s=3600)
    np.testing.assert_array_equal(held, np.repeat(series, parts))
    again = resample(held, coarse, first_s=first_s, step_s=3600 // parts)
    np.testing.assert_allclose(again, series, rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(FLOATS, min_size=2, max_size=30))
def test_units_do_not_matter(folder, values):
    steps = len(values)
    reference = read(write(folder, values), steps=steps).values
    for unit, factor in (("kW", 1000.0), ("W", 1e6), ("GW", 1e-3), ("kWh", 1000.0), ("MJ", 3600.0)):
        scaled = write(folder, [value * factor for value in values])
        np.testing.assert_allclose(read(scaled, steps=steps, unit=unit).values, reference, rtol=1e-14, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(FLOATS, min_size=2, max_size=30), step_s=st.sampled_from([300, 1800, 3600, 5400]))
def test_label_end_is_a_shifted_start(folder, values, step_s):
    ending = read(
        write(folder, values, step_s=step_s, start=START + timedelta(seconds=step_s)),
        steps=len(values), step_s=step_s, label="end",
    )  # fmt: skip
    starting = read(write(folder, values, step_s=step_s), steps=len(values), step_s=step_s, label="start")
    np.testing.assert_array_equal(ending.values, starting.values)


@given(data=st.data(), values=st.lists(FLOATS, min_size=2, max_size=60))
def test_interpolation_keeps_known_values(data, values):
    inner = st.lists(st.booleans(), min_size=len(values) - 2, max_size=len(values) - 2)
    missing = np.array([False, *data.draw(inner), False])
    series = np.where(missing, np.nan, np.array(values))
    filled = fill_gaps(series, missing)
    np.testing.assert_array_equal(filled[~missing], series[~missing])
    known = np.flatnonzero(~missing)
    for i in np.flatnonzero(missing):
        left, right = known[known < i][-1], known[known > i][0]
        low, high = sorted((series[left], series[right]))
        assert low <= filled[i] <= high


@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(6, 30))
def test_missing_rows_and_empty_cells_are_the_same(folder, data, count):
    """A gap reads alike whether its rows are absent or their cells empty, and is counted."""
    values = data.draw(st.lists(FLOATS, min_size=count, max_size=count))
    first = data.draw(st.integers(3, count - 2))
    path = write(folder, values)
    lines = path.read_text().splitlines()
    before, row, after = lines[: first + 1], lines[first + 1], lines[first + 2 :]
    for number, kept in enumerate(([*before, row.split(",")[0] + ",", *after], [*before, *after])):
        forget_tables()
        path = folder / f"gap{number}.csv"
        path.write_text("\n".join(kept))
        result = read(path, steps=count, max_gap_h=1.0)
        expected = np.array(values)
        expected[first] = (expected[first - 1] + expected[first + 1]) / 2
        np.testing.assert_allclose(result.values, expected, rtol=1e-12, atol=1e-12)
        assert result.facts["interpolated"] == 1


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/Chicago", "Australia/Sydney", "Asia/Kolkata", "America/Havana"]),
    day=st.integers(0, 366),
    step_s=st.sampled_from([1800, 3600]),
)
def test_local_clock_time_reads_as_the_instants_it_was_written_from(folder, zone, day, step_s):
    """Three days of wall-clock stamps anywhere in a leap year, clock changes included."""
    start = START + timedelta(days=day)
    steps = 72 * 3600 // step_s

    def wall_clock(instant: datetime) -> str:
        return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"

    path = write(folder, range(steps), step_s=step_s, start=start, stamp=wall_clock)
    result = read(path, steps=steps, start=start, step_s=step_s, time_zone=zone, ambiguous="first-dst")
    np.testing.assert_array_equal(result.values, np.arange(steps))


@settings(max_examples=30, deadline=None)
@given(values=st.lists(FLOATS, min_size=8, max_size=40), data=st.data())
def test_reading_a_part_equals_cutting_the_whole(folder, values, data):
    path = write(folder, values)
    first = data.draw(st.integers(0, len(values) - 1))
    steps = data.draw(st.integers(1, len(values) - first))
    whole = read(path, steps=len(values)).values
    part = read(path, steps=steps, start=START + timedelta(hours=first)).values
    np.testing.assert_array_equal(part, whole[first : first + steps])
