"""Horizon, local calendar, demand charges, events and flexible connections."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.io.scenario_file.document import FieldError
from joulewright.io.scenario_file.horizon import local_calendar, month_hours, zone
from joulewright.model import DemandWindow, Timeline

PRICE = 'price = "50 USD/MWh"'
LIMIT = 'import_limit = "20 MW"'


def hours(start: datetime, count: int, step_s: int = 3600) -> Timeline:
    return Timeline(start=start, step_s=step_s, steps=count)


def test_local_calendar_of_a_summer_day() -> None:
    """Monday 4 July 2022, 00:00 UTC is Sunday 17:00 in Los Angeles."""
    calendar = local_calendar(hours(datetime(2022, 7, 4, tzinfo=UTC), 24), "America/Los_Angeles")
    assert calendar.hour.tolist() == [float((17 + hour) % 24) for hour in range(24)]
    assert calendar.weekday.tolist() == [6] * 7 + [0] * 17
    assert set(calendar.month.astype(str)) == {"2022-07"}


@pytest.mark.parametrize(
    ("start", "clock"),
    [
        (datetime(2025, 3, 29, 23, tzinfo=UTC), [0, 1, 3, 4]),  # the clock jumps from 2 to 3
        (datetime(2025, 10, 25, 22, tzinfo=UTC), [0, 1, 2, 2]),  # 2 o'clock happens twice
        (datetime(2025, 10, 26, 0, tzinfo=UTC), [2, 2, 3, 4]),
        (datetime(2025, 7, 1, 12, tzinfo=UTC), [14, 15, 16, 17]),
    ],
)
def test_local_clock_where_it_changes(start: datetime, clock: list[int]) -> None:
    assert local_calendar(hours(start, 4), "Europe/Berlin").hour.tolist() == clock


def test_half_hour_zones_and_short_steps() -> None:
    calendar = local_calendar(hours(datetime(2022, 1, 1, tzinfo=UTC), 3, 300), "Asia/Kolkata")
    assert calendar.hour.tolist() == pytest.approx([5.5, 5.5 + 1 / 12, 5.5 + 2 / 12])


def test_a_leap_day_is_a_day() -> None:
    calendar = local_calendar(hours(datetime(2024, 2, 28, tzinfo=UTC), 72), "UTC")
    assert calendar.weekday[::24].tolist() == [2, 3, 4]
    assert calendar.month.astype(str)[::24].tolist() == ["2024-02", "2024-02", "2024-03"]


@pytest.mark.parametrize(
    ("month", "where", "length"),
    [
        ("2025-03", "Europe/Berlin", 743.0),
        ("2025-10", "Europe/Berlin", 745.0),
        ("2025-07", "Europe/Berlin", 744.0),
        ("2025-10", "Australia/Sydney", 743.0),
        ("2024-02", "UTC", 696.0),
        ("2025-02", "UTC", 672.0),
        ("2025-12", "America/Chicago", 744.0),
    ],
)
def test_month_hours(month: str, where: str, length: float) -> None:
    assert month_hours(np.datetime64(month), where) == length


def test_a_year_of_months_has_a_year_of_hours() -> None:
    for year, total in ((2024, 8784.0), (2025, 8760.0)):
        months = np.arange(f"{year}-01", f"{year + 1}-01", dtype="datetime64[M]")
        assert sum(month_hours(month, "Europe/Berlin") for month in months) == total


def test_unknown_zone() -> None:
    with pytest.raises(FieldError) as caught:
        zone("Mars/Olympus")
    assert caught.value.code == "T004"


def windows(files, charge: str, *edits: tuple[str, str], **options) -> tuple[DemandWindow, ...]:
    scenario = files.read((PRICE, f"{PRICE}\ndemand_charge = {charge}"), *edits, **options)
    return scenario.site("a").grid.demand_windows


def test_a_plain_demand_charge_covers_its_part_of_the_month(files) -> None:
    """The local day starts in July as well, so 24 of 744 hours are covered."""
    (window,) = windows(files, '"12 USD/kW/month"')
    assert window.name == "demand 2022-07"
    assert window.price_per_mw == 12_000.0
    assert window.members.all()
    assert window.share == pytest.approx(24.0 / 744.0)
    assert window.peak_so_far_mw == 0.0


def test_a_horizon_over_two_local_months(files) -> None:
    """Midnight of 1 August in Los Angeles is 07:00 UTC: 31 hours of July, 17 hours of August."""
    edits = [("2022-07-04T00", "2022-07-31T00"), ("2022-07-05T00", "2022-08-02T00")]
    edits += [
        ("release = 2022-07-04T02", "release = 2022-07-31T02"),
        ("deadline = 2022-07-04", "deadline = 2022-07-31"),
    ]
    first, second = windows(files, '[{ rate = "12 USD/kW/month", peak_so_far = "9 MW" }]', *edits)
    assert (first.name, second.name) == ("demand 2022-07", "demand 2022-08")
    assert first.members.tolist() == [True] * 31 + [False] * 17
    assert (first.members ^ second.members).all()
    assert first.share == pytest.approx(31.0 / 744.0)
    assert second.share == pytest.approx(17.0 / 744.0)
    assert (first.peak_so_far_mw, second.peak_so_far_mw) == (9.0, 0.0)


def test_time_of_use_windows(files) -> None:
    """Local hours 16 to 21 of Monday are 23:00 UTC to 04:00 UTC of the next day."""
    charge = (
        '[{ rate = "5 USD/kW/month" }, '
        '{ name = "peak", rate = "20 USD/kW/month", hours = [16, 21], weekdays = ["weekday"], months = [6, 7, 8, 9], '
        "share = 1 }]"
    )
    plain, peak = windows(files, charge)
    assert plain.members.all()
    assert peak.name == "peak 2022-07"
    assert np.flatnonzero(peak.members).tolist() == [23]
    assert peak.share == 1.0


@pytest.mark.parametrize(
    ("hours_text", "local"),
    [
        ("[22, 6]", {22, 23, 0, 1, 2, 3, 4, 5}),
        ("[[0, 2], [12, 14]]", {0, 1, 12, 13}),
        ("[16, 24]", set(range(16, 24))),
        ("[15.5, 17]", {16}),
    ],
)
def test_hours_of_a_window(files, hours_text: str, local: set[int]) -> None:
    (window,) = windows(files, f'[{{ rate = "5 USD/kW/month", hours = {hours_text} }}]')
    assert {(int(step) + 17) % 24 for step in np.flatnonzero(window.members)} == local


def test_weekends(files) -> None:
    (window,) = windows(files, '[{ rate = "5 USD/kW/month", weekdays = ["weekend"] }]')
    assert np.flatnonzero(window.members).tolist() == [0, 1, 2, 3, 4, 5, 6]
    (monday,) = windows(files, '[{ rate = "5 USD/kW/month", weekdays = "mon" }]')
    assert (window.members ^ monday.members).all()


def test_a_charge_of_another_season_is_reported(files) -> None:
    scenario = files.read((PRICE, PRICE + '\ndemand_charge = [{ rate = "5 USD/kW/month", months = [1] }]'))
    assert scenario.site("a").grid.demand_windows == ()
    assert [item.code for item in scenario.diagnostics if item.severity == "warning"] == ["T036"]


def test_a_daylight_saving_day_has_its_own_length(files) -> None:
    """The local day of 6 November 2022 has 25 hours; the month has 721."""
    edits = [("2022-07-04T00:00", "2022-11-06T07:00"), ("2022-07-05T00:00", "2022-11-07T08:00")]
    edits += [("release = 2022-07-04T02:00:00Z\ndeadline = 2022-07-04T20:00:00Z\n", "")]
    (window,) = windows(files, '"12 USD/kW/month"', *edits)
    assert window.members.size == 25
    assert window.share == pytest.approx(25.0 / 721.0)


EVENTS = '[[event]]\nsite = "a"\nstart = 2022-07-04T06:00:00Z\nend = 2022-07-04T08:00:00Z\n'


def with_event(files, keys: str, *edits: tuple[str, str]):
    return files.read(("[[link]]", f"{EVENTS}{keys}\n[[link]]"), *edits).site("a")


def steps(values: np.ndarray, usual: float) -> list[int]:
    return np.flatnonzero(np.asarray(values) != usual).tolist()


def test_grid_outage(files) -> None:
    grid = with_event(files, 'kind = "grid-outage"').grid
    assert steps(grid.import_limit_mw, 20.0) == [6, 7]
    assert grid.import_limit_mw[6] == 0.0
    assert steps(grid.export_limit_mw, 5.0) == [6, 7]


def test_demand_response(files) -> None:
    scenario = files.read(
        ("[[link]]", f'{EVENTS}kind = "demand-response"\nlimit = "8 MW"\nnotice = "30 min"\n[[link]]')
    )
    grid = scenario.site("a").grid
    assert grid.import_limit_mw[5:9].tolist() == [20.0, 8.0, 8.0, 20.0]
    assert steps(grid.export_limit_mw, 5.0) == []
    event = scenario.events[0]
    assert (event.kind, event.limit_mw, event.notice_h) == ("demand-response", 8.0, 0.5)
    assert event.start == datetime(2022, 7, 4, 6, tzinfo=UTC)


def test_a_call_above_the_limit_changes_nothing(files) -> None:
    grid = with_event(files, 'kind = "demand-response"\nlimit = "80 MW"').grid
    assert steps(grid.import_limit_mw, 20.0) == []


def test_price_spike_moves_fees_and_relative_export_prices_with_it(files) -> None:
    grid = with_event(
        files, 'kind = "price-spike"\nprice = "2000 USD/MWh"', (PRICE, PRICE + '\nimport_fee = "8 USD/MWh"')
    ).grid
    assert grid.import_price_per_mwh[5:8].tolist() == [58.0, 2008.0, 2008.0]
    assert grid.export_price_per_mwh[5:8].tolist() == [24.0, 999.0, 999.0]


def test_generator_failure(files) -> None:
    site = with_event(files, 'kind = "generator-failure"\ncomponent = "turbine"')
    assert steps(site.generators[0].availability, 1.0) == [6, 7]
    assert site.generators[0].availability[6] == 0.0
    assert steps(site.fleets[0].availability, 1.0) == []


def test_failure_of_a_fleet(files) -> None:
    site = with_event(files, 'kind = "generator-failure"\ncomponent = "pod"')
    assert steps(site.fleets[0].availability, 1.0) == [6, 7]
    assert steps(site.generators[0].availability, 1.0) == []


def test_site_loss(files) -> None:
    site = with_event(
        files, 'kind = "site-loss"', ("cooling", 'fixed_it_power = "1 MW"\nfixed_facility_power = "2 MW"\ncooling')
    )
    for values, usual in (
        (site.grid.import_limit_mw, 20.0),
        (site.grid.export_limit_mw, 5.0),
        (site.fleets[0].availability, 1.0),
        (site.generators[0].availability, 1.0),
        (site.renewables[0].per_unit, 0.25),
        (site.fixed_it_power_mw, 1.0),
        (site.fixed_facility_power_mw, 2.0),
    ):
        assert steps(values, usual) == [6, 7]
        assert values[6] == 0.0


def test_an_event_of_another_site_changes_nothing(files) -> None:
    site = files.read(("[[link]]", EVENTS.replace('"a"', '"b"') + 'kind = "grid-outage"\n[[link]]')).site("a")
    assert steps(site.grid.import_limit_mw, 20.0) == []


def test_an_event_holds_every_step_it_touches(files) -> None:
    event = EVENTS.replace("T06:00", "T06:30").replace("T08:00", "T08:01")
    grid = files.read(("[[link]]", event + 'kind = "grid-outage"\n[[link]]')).site("a").grid
    assert steps(grid.import_limit_mw, 20.0) == [6, 7, 8]


def test_an_event_may_reach_over_the_horizon(files) -> None:
    event = EVENTS.replace("start = 2022-07-04T06", "start = 2022-07-03T06").replace("04T08", "04T02")
    grid = files.read(("[[link]]", event + 'kind = "grid-outage"\n[[link]]')).site("a").grid
    assert steps(grid.import_limit_mw, 20.0) == [0, 1]


FLEXIBLE = 'firm_limit = "12 MW"\nflexible_limit = "6 MW"'


def test_flexible_connection_without_calls(files) -> None:
    grid = files.read((LIMIT, FLEXIBLE)).site("a").grid
    assert grid.import_limit_mw.tolist() == [18.0] * 24
    assert grid.flexible.firm_limit_mw == 12.0
    assert grid.flexible.flexible_limit_mw.tolist() == [6.0] * 24
    assert not grid.flexible.curtailed.any()
    assert (grid.flexible.curtailed_hours_per_year, grid.flexible.assumed) == (None, False)


def test_flexible_connection_with_a_calendar_of_calls(files) -> None:
    event = EVENTS + 'kind = "curtailment"\n[[link]]'
    grid = files.read((LIMIT, FLEXIBLE + '\ncurtailed_hours = "200 h"'), ("[[link]]", event)).site("a").grid
    assert steps(grid.import_limit_mw, 18.0) == [6, 7]
    assert grid.import_limit_mw[6] == 12.0
    assert grid.flexible.curtailed.sum() == 2
    assert (grid.flexible.curtailed_hours_per_year, grid.flexible.assumed) == (200.0, False)


def test_curtailment_with_a_limit_of_its_own(files) -> None:
    event = EVENTS + 'kind = "curtailment"\nlimit = "3 MW"\n[[link]]'
    assert files.read((LIMIT, FLEXIBLE), ("[[link]]", event)).site("a").grid.import_limit_mw[6] == 3.0
    assert files.read(("[[link]]", event)).site("a").grid.import_limit_mw[6] == 3.0


def test_curtailed_hours_alone_take_the_dearest_hours_pro_rata(files) -> None:
    """730 h of 8760 h a year are 2 h of a day; the dearest two are 21:00 and 22:00."""
    name = files.hourly({"p_usd_mwh": [10.0] * 21 + [90.0, 95.0, 20.0]})
    scenario = files.read(
        (PRICE, f'price = {{ file = "{name}", column = "p_usd_mwh" }}'),
        (LIMIT, FLEXIBLE + "\ncurtailed_hours = 730"),
    )
    grid = scenario.site("a").grid
    assert steps(grid.import_limit_mw, 18.0) == [21, 22]
    assert grid.flexible.assumed
    (note,) = [item for item in scenario.diagnostics if item.code == "S011" and item.severity == "note"]
    assert "2 dearest steps" in note.message
    assert "730 h of 8760 h" in note.message


def test_curtailed_hours_of_equal_price_take_the_first(files) -> None:
    grid = files.read((LIMIT, FLEXIBLE + '\ncurtailed_hours = "366 h"')).site("a").grid
    assert steps(grid.import_limit_mw, 18.0) == [0, 1]  # 1.003 h, rounded up to whole steps


def test_a_leap_year_has_8784_hours(files) -> None:
    edits = [("2022-07-04T", "2024-07-04T"), ("2022-07-05T", "2024-07-05T")]
    scenario = files.read((LIMIT, FLEXIBLE + '\ncurtailed_hours = "732 h"'), *edits)
    assert scenario.site("a").grid.flexible.curtailed.sum() == 2
    assert any("8784 h" in item.message for item in scenario.diagnostics)


def test_flexible_limit_may_be_a_series(files) -> None:
    name = files.hourly({"flex_mw": np.arange(24)})
    flexible = f'firm_limit = "12 MW"\nflexible_limit = {{ file = "{name}", column = "flex_mw" }}'
    assert files.read((LIMIT, flexible)).site("a").grid.import_limit_mw[3] == 15.0


@pytest.mark.parametrize(
    ("step", "count"), [("15 min", 96), ("5 min", 288), ("1 s", 86_400), ("1 day", 1), ("12 h", 2)]
)
def test_steps(files, step: str, count: int) -> None:
    edits = [
        ('step = "1 h"', f'step = "{step}"'),
        ("release = 2022-07-04T02:00:00Z\ndeadline = 2022-07-04T20:00:00Z\n", ""),
    ]
    edits += [('duration = "6 h"', 'duration = "1 s"')]
    assert files.read(*edits).timeline.steps == count


def test_local_offsets_of_the_horizon_are_kept_in_utc(files) -> None:
    edits = [("start = 2022-07-04T00:00:00Z", "start = 2022-07-03T17:00:00-07:00")]
    assert files.read(*edits).timeline.start == datetime(2022, 7, 4, tzinfo=UTC)
