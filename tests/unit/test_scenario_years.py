"""The same scenario in another year: dates, leap days, jobs, events and files that follow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file import read_scenario
from joulewright.io.scenario_file.years import in_year

LEAP_WEEK = (
    ("start = 2022-07-04T00:00:00Z", "start = 2024-02-26T00:00:00Z"),
    ("end = 2022-07-05T00:00:00Z", "end = 2024-03-04T00:00:00Z"),
    ("release = 2022-07-04T02:00:00Z", "release = 2024-02-29T06:00:00Z"),
    ("deadline = 2022-07-04T20:00:00Z", "deadline = 2024-03-03T00:00:00Z"),
)


def test_horizon_and_jobs_move_together(files) -> None:
    path = files.path(files.edit())
    moved = read_scenario(path, year=2019, use_cache=False)
    assert moved.timeline.start == datetime(2019, 7, 4, tzinfo=UTC)
    assert moved.timeline.end == datetime(2019, 7, 5, tzinfo=UTC)
    assert moved.job("tune").release == datetime(2019, 7, 4, 2, tzinfo=UTC)
    assert moved.job("tune").deadline == datetime(2019, 7, 4, 20, tzinfo=UTC)
    same = read_scenario(path, year=2022, use_cache=False)
    assert same.timeline == read_scenario(path, use_cache=False).timeline


def test_a_leap_day_is_lost_and_its_instants_move_to_march(files) -> None:
    path = files.path(files.edit(*LEAP_WEEK))
    assert read_scenario(path, use_cache=False).timeline.hours == 7 * 24
    moved = read_scenario(path, year=2023, use_cache=False)
    assert moved.timeline.hours == 6 * 24
    assert moved.timeline.end == datetime(2023, 3, 4, tzinfo=UTC)
    assert moved.job("tune").release == datetime(2023, 3, 1, 6, tzinfo=UTC)


def test_a_calendar_year_gains_its_leap_day(files) -> None:
    edits = (
        ("start = 2022-07-04T00:00:00Z", "start = 2022-01-01T00:00:00Z"),
        ("end = 2022-07-05T00:00:00Z", "end = 2023-01-01T00:00:00Z"),
    )
    path = files.path(files.edit(*edits))
    assert read_scenario(path, year=2024, use_cache=False).timeline.steps == 8784
    assert read_scenario(path, year=2023, use_cache=False).timeline.steps == 8760


def test_events_and_jobs_of_a_table_move(files) -> None:
    files.series(
        "name,gpus,duration,release,deadline\ntune,1024,6 h,2022-07-04T03:00:00Z,2022-07-04T20:00:00Z\n", "jobs.csv"
    )
    text = files.edit()
    head, _, rest = text.partition("[[training]]")
    tail = rest[rest.index("[[inference]]") :]
    event = '[[event]]\nkind = "grid-outage"\nsite = "a"\nstart = 2022-07-04T05:00:00Z\nend = 2022-07-04T06:00:00Z\n'
    currency = 'currency = "USD"\n'
    text = head.replace(currency, currency + 'training = { file = "jobs.csv" }\n') + event + tail
    moved = read_scenario(files.path(text), year=2021, use_cache=False)
    assert moved.events[0].start == datetime(2021, 7, 4, 5, tzinfo=UTC)
    assert moved.job("tune").release == datetime(2021, 7, 4, 3, tzinfo=UTC)


def test_overrides_move_as_well(files) -> None:
    path = files.path(files.edit())
    moved = read_scenario(path, ["time.end=2022-07-04T12:00:00Z"], year=2020, use_cache=False)
    assert moved.timeline.end == datetime(2020, 7, 4, 12, tzinfo=UTC)


def test_file_names_follow_the_year(files) -> None:
    for year, price in ((2022, 40), (2021, 90)):
        rows = "".join(f"{year}-07-04T{hour:02d}:00Z,{price}\n" for hour in range(24))
        files.series(f"utc,price_usd_mwh\n{rows}", f"price_{year}.csv")
    edit = ('price = "50 USD/MWh"', 'price = { file = "price_{year}.csv", column = "price_usd_mwh" }')
    path = files.path(files.edit(edit))
    assert read_scenario(path, use_cache=False).site("a").grid.import_price_per_mwh[0] == 40.0
    moved = read_scenario(path, year=2021, use_cache=False)
    assert moved.site("a").grid.import_price_per_mwh[0] == 90.0
    assert {fact["file"] for fact in moved.provenance["series"]} == {"price_2021.csv"}


def test_a_series_that_does_not_reach_the_year(files) -> None:
    name = files.hourly({"price_usd_mwh": 40.0})
    path = files.path(files.edit(('price = "50 USD/MWh"', f'price = {{ file = "{name}", column = "price_usd_mwh" }}')))
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, year=2021, use_cache=False)
    assert "T013" in {problem.code for problem in caught.value.problems}


@pytest.mark.parametrize("year", [0, 10_000])
def test_years_that_do_not_exist(year: int, files) -> None:
    with pytest.raises(ScenarioError, match=f"year {year} is asked for; allowed are 1 to 9999"):
        read_scenario(files.path(files.edit()), year=year)


@pytest.mark.parametrize("start", ["", 'start = "soon"'])
def test_a_wrong_start_is_reported_as_ever(start: str, files) -> None:
    text = files.edit(("start = 2022-07-04T00:00:00Z", start))
    with pytest.raises(ScenarioError) as caught:
        read_scenario(files.path(text), year=2021)
    assert {problem.code for problem in caught.value.problems} & {"S003", "S004"}


@pytest.mark.parametrize(("year", "wanted"), [(2000, "2000-02-29"), (1900, "1900-03-01"), (2028, "2028-02-29")])
def test_leap_days_of_centuries(year: int, wanted: str) -> None:
    assert in_year(datetime(2024, 2, 29), year).date().isoformat() == wanted
