"""Time stamps: spellings, time zones, daylight saving, order, steps and the time column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from joulewright.io.series.axis import duration_text, label_of, time_column
from joulewright.io.series.clock import ClockRules, instants, time_zone
from joulewright.io.series.findings import SeriesError

BERLIN, CHICAGO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Chicago")


def local_text(zone: ZoneInfo, start: datetime, hours: int, step: timedelta = timedelta(hours=1)) -> str:
    """CSV whose stamps are the wall clock of a zone without offsets; values count the steps."""
    instants_utc = [start + i * step for i in range(int(hours * timedelta(hours=1) / step))]
    rows = [f"{instant.astimezone(zone):%Y-%m-%d %H:%M},{i}" for i, instant in enumerate(instants_utc)]
    return "\n".join(["time,load_mw", *rows]) + "\n"


@pytest.mark.parametrize(
    "stamp",
    [
        "2022-07-04T00:00:00Z",
        "2022-07-04 00:00:00+00:00",
        "2022-07-04T00:00:00.000Z",
        "2022-07-04 00:00Z",
        "2022-07-04 00:00 UTC",
        "2022-07-04T05:30+05:30",
        "2022-07-03T17:00:00-0700",
        "2022-07-03 17:00-07",
        '"2022-07-04 00:00:00z"',
    ],
)
def test_spellings_of_one_instant(read_text, stamp):
    result = read_text(f"time,load_mw\n{stamp},5\n2022-07-04T01:00:00Z,6\n", steps=2)
    assert result.values.tolist() == [5.0, 6.0]
    assert result.facts["time_zone"] == "offset"


@pytest.mark.parametrize(
    "stamp",
    [
        "04.07.2022 00:00",
        "7/4/2022",
        "2022",
        "2022-07",
        "1656892800",
        "noon",
        "",
        "2022-07-04T00:00:00.5Z",
        "2022-13-04T00:00Z",
        "2022-07-04T25:00Z",
        "2022-07-04Z00:00",
        "2023-02-29T00:00Z",
    ],
)
def test_unreadable_stamps(problem_of, stamp):
    found = problem_of(f"utc,load_mw\n2022-07-03T23:00Z,4\n{stamp},5\n2022-07-04T01:00:00Z,6\n", steps=2)
    assert (found.code, found.line) == ("T002", 3)
    assert found.message.startswith(repr(stamp))
    assert "2022-07-04T00:00:00Z" in found.help


def test_stamps_with_and_without_offset(problem_of):
    found = problem_of("time,load_mw\n2022-07-04T00:00Z,5\n2022-07-04T01:00,6\n", steps=2)
    assert (found.code, found.line) == ("T002", 3)
    assert "has no UTC offset, but other rows have one" in found.message


def test_naive_stamps_need_a_time_zone(problem_of, read_text):
    text = "time,load_mw\n2022-07-04T00:00,5\n2022-07-04T01:00,6\n"
    found = problem_of(text, steps=2)
    assert (found.code, found.line) == ("T018", 2)
    assert 'time_zone = "UTC"' in found.help
    for name in ("utc", "UTC time", "time_utc", "timestamp (UTC)", "GMT"):
        assert read_text(text.replace("time,", f"{name},"), steps=2).facts["time_zone"] == "UTC"
    assert read_text(text, steps=2, time_zone="UTC").values.tolist() == [5.0, 6.0]
    shifted = read_text(text, steps=2, time_zone="+02:00", start="2022-07-03T22:00+00:00")
    assert shifted.values.tolist() == [5.0, 6.0]
    assert shifted.facts["time_zone"] == "+02:00"


def test_offsets_win_over_a_declared_zone(read_text):
    result = read_text("time,load_mw\n2022-07-04T00:00Z,5\n2022-07-04T01:00Z,6\n", steps=2, time_zone="Europe/Berlin")
    assert result.values.tolist() == [5.0, 6.0]
    assert result.facts["time_zone"] == "offset"


@pytest.mark.parametrize("name", ["Berlin", "Europe/Berln", "../etc/passwd", "CEST?", ""])
def test_unknown_zone(problem_of, name):
    found = problem_of("time,load_mw\n2022-07-04T00:00,5\n2022-07-04T01:00,6\n", steps=2, time_zone=name)
    assert found.code == "T004"
    assert "Europe/Berlin" in found.help


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        (BERLIN, datetime(2025, 3, 29, 23, tzinfo=UTC), 23),
        (CHICAGO, datetime(2025, 3, 9, 6, tzinfo=UTC), 23),
        (ZoneInfo("America/Havana"), datetime(2025, 3, 9, 4, tzinfo=UTC), 24),
        (ZoneInfo("Australia/Lord_Howe"), datetime(2025, 10, 4, 13, 30, tzinfo=UTC), 23),
    ],
)
def test_spring_forward_local_time_is_continuous(read_text, zone, start, hours):
    """The skipped clock hour is no gap: 30 March 2025 has 23 hours in Berlin."""
    step = timedelta(minutes=30)
    result = read_text(
        local_text(zone, start, hours, step), time_zone=zone.key, step=1800, steps=2 * hours, start=start.isoformat()
    )
    assert result.values.tolist() == list(range(2 * hours))


@pytest.mark.parametrize(
    ("zone", "start", "day", "clock", "line"),
    [
        (BERLIN, datetime(2025, 10, 25, 22, tzinfo=UTC), "2025-10-26", "02:00", 4),
        (CHICAGO, datetime(2025, 11, 2, 5, tzinfo=UTC), "2025-11-02", "01:00", 3),
    ],
)
def test_autumn_hour_twice(problem_of, read_text, zone, start, day, clock, line):
    text = local_text(zone, start, 25)
    options = {"time_zone": zone.key, "steps": 25, "start": start.isoformat()}
    found = problem_of(text, **options)
    assert (found.code, found.line) == ("T007", line)
    assert f"the clock of {zone.key} goes back on {day}" in found.message
    assert f"({clock} appears twice)" in found.message
    assert found.help == 'add offsets to the time stamps, or declare ambiguous = "first-dst"'
    assert read_text(text, ambiguous="first-dst", **options).values.tolist() == list(range(25))


def test_autumn_quarter_hours_in_order(read_text):
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    text = local_text(BERLIN, start, 25, timedelta(minutes=15))
    options = {"time_zone": "Europe/Berlin", "ambiguous": "first-dst", "steps": 25, "start": start.isoformat()}
    assert read_text(text, **options).values.tolist() == [4 * hour + 1.5 for hour in range(25)]


def test_autumn_hour_given_once(problem_of):
    rows = [f"2025-10-26 {hour:02}:00,{hour}" for hour in range(24)]
    text = "\n".join(["time,load_mw", *rows])
    options = {"time_zone": "Europe/Berlin", "steps": 20, "start": "2025-10-25T22:00+00:00"}
    found = problem_of(text, **options)
    assert found.code == "T007"
    assert "02:00 occurs twice on the clock" in found.message
    found = problem_of(text, ambiguous="first-dst", **options)
    assert found.code == "T011"
    assert "no values for 1 h from 2025-10-26T01:00Z" in found.message


def test_spring_hour_that_does_not_exist(problem_of):
    rows = [f"2025-03-30 {hour:02}:00,{hour}" for hour in range(24)]
    found = problem_of("\n".join(["time,load_mw", *rows]), time_zone="Europe/Berlin", start="2025-03-30T00:00+00:00")
    assert (found.code, found.line) == ("T008", 4)
    assert "2025-03-30T02:00:00 in column 'time' does not exist in Europe/Berlin" in found.message
    assert '"+01:00"' in found.help


def test_local_stamps_declared_as_utc(problem_of):
    """Daylight saving shows up as an hour missing in spring and an instant that appears twice in autumn."""
    spring = local_text(BERLIN, datetime(2025, 3, 29, 23, tzinfo=UTC), 23)
    found = problem_of(spring, time_zone="UTC", start="2025-03-30T00:00+00:00")
    assert found.code == "T011"
    assert "clocks go forward" in found.help
    autumn = local_text(BERLIN, datetime(2025, 10, 25, 22, tzinfo=UTC), 25)
    found = problem_of(autumn, time_zone="UTC", start="2025-10-26T00:00+00:00")
    assert (found.code, found.line) == ("T006", 5)
    assert 'ambiguous = "first-dst"' in found.help


def test_label_end_in_local_time(read_text):
    """An hour-ending file of the Berlin autumn day starts its first interval at local midnight."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    text = local_text(BERLIN, start + timedelta(hours=1), 25)
    options = {"time_zone": "Europe/Berlin", "ambiguous": "first-dst", "label": "end", "steps": 25}
    assert read_text(text, start=start.isoformat(), **options).values.tolist() == list(range(25))


def test_leap_day_is_kept(read_text):
    start = datetime(2024, 2, 28, tzinfo=UTC)
    text = "utc,load_mw\n" + "".join(f"{start + timedelta(hours=i):%Y-%m-%dT%H:%M},{i}\n" for i in range(72))
    assert read_text(text, start="2024-02-29T00:00+00:00", steps=24).values.tolist() == list(range(24, 48))
    assert read_text(text, start="2024-02-29T12:00+00:00", steps=24).values.tolist() == list(range(36, 60))


def test_five_minute_steps(read_text):
    start = datetime(2022, 7, 4, tzinfo=UTC)
    text = "utc,load_mw\n" + "".join(f"{start + timedelta(minutes=5 * i):%Y-%m-%d %H:%M},{i}\n" for i in range(288))
    result = read_text(text, step=300, steps=12, start="2022-07-04T06:00+00:00")
    assert result.values.tolist() == list(range(72, 84))
    assert result.facts["step_s"] == 300


@pytest.mark.parametrize(
    ("stamps", "code", "line", "words"),
    [
        ("00 02 01 03", "T005", 4, "2022-07-04T01:00:00 UTC comes after 2022-07-04T02:00:00 UTC"),
        ("00 01 01 02", "T006", 4, "2022-07-04T01:00:00 UTC appears twice"),
        ("00 01 02 03:30", "T009", 5, "lies 90 min after the row before; the other rows are 1 h apart"),
        ("00 00:59 02 03 04", "T009", 3, "lies 59 min after"),
    ],
)
def test_order_and_distance(problem_of, stamps, code, line, words):
    rows = "".join(f"2022-07-04T{stamp if ':' in stamp else stamp + ':00'},1\n" for stamp in stamps.split())
    found = problem_of("utc,load_mw\n" + rows, steps=2)
    assert (found.code, found.line) == (code, line)
    assert words in found.message
    assert found.help


def test_declared_step(problem_of, read_text):
    text = "utc,load_mw\n2022-07-04T00:00,1\n2022-07-04T00:30,2\n2022-07-04T01:00,3\n2022-07-04T01:30,4\n"
    assert read_text(text, steps=2, step_s=1800).values.tolist() == [1.5, 3.5]
    found = problem_of(text, steps=2, step_s=3600)
    assert (found.code, found.message) == ("T010", "the stamps are 30 min apart, but step declares 1 h")
    assert found.help == 'set step = "30 min", or leave it out'


def test_one_row_needs_a_step(problem_of, read_text):
    text = "utc,load_mw\n2022-07-04T00:00,1\n"
    assert problem_of(text, steps=1).code == "T014"
    assert read_text(text, steps=2, step_s=7200).values.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (("utc", "x"), "utc"),
        (("UTC time", "carbon_intensity"), "UTC time"),
        (("local_time", "utc_time", "x"), "utc_time"),
        (("x", "timestamp"), "timestamp"),
        (("", "x"), ""),
        (("interval_start_utc", "interval_end_utc", "x"), "interval_start_utc"),
        (("Hour Ending", "x_mw"), "Hour Ending"),
        (("snapshot", "x_mw"), "snapshot"),
        (("datetime", "temp_c"), "datetime"),
    ],
)
def test_time_column(columns, wanted):
    assert time_column(columns) == wanted


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("a", "b"), "no column is named like a time: 'a', 'b'"),
        (("date", "hour", "x"), "several columns may hold the time stamps: 'date', 'hour'"),
    ],
)
def test_time_column_is_not_guessed(columns, words):
    with pytest.raises(SeriesError, match=words) as caught:
        time_column(columns)
    assert caught.value.diagnostic.code == "T001"
    assert 'time = "utc"' in caught.value.diagnostic.help


def test_declared_time_column(read_text, problem_of):
    text = "when,date,load_mw\n2022-07-04T00:00Z,x,1\n2022-07-04T01:00Z,x,2\n"
    assert read_text(text, steps=2, time="when").values.tolist() == [1.0, 2.0]
    assert "did you mean 'when'?" in problem_of(text, steps=2, time="whenn").help


def test_names_of_labels():
    assert [label_of(name) for name in ("hour_ending", "Interval End", "period_start", "utc")] == [
        "end",
        "end",
        "start",
        None,
    ]


def test_zones_and_offsets():
    assert time_zone("utc") is UTC
    assert time_zone("UTC-03:30").utcoffset(None) == -timedelta(hours=3, minutes=30)
    clock = np.array([0, 3600], dtype=np.int64)
    rules = ClockRules(column="t", zone=time_zone("-03:30"))
    seconds, aware = instants((clock, False), rules, lambda row: None)
    assert (seconds.tolist(), aware) == ([12_600, 16_200], False)
    seconds, aware = instants((clock, True), rules, lambda row: None)
    assert (seconds.tolist(), aware) == ([0, 3600], True)


def test_durations():
    assert [duration_text(seconds) for seconds in (86_400, 3600, 900, 1)] == ["24 h", "1 h", "15 min", "1 s"]
