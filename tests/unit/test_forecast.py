"""Forecasters with numbers worked by hand, announced events, gaps, and refusals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model import CarbonPolicy, Event, FlexibleConnection
from joulewright.model.disturbance import apply_events
from joulewright.policy.forecast import (
    AbstractExpectation,
    AbstractForecaster,
    ClimatologyForecaster,
    DayAheadForecaster,
    Facts,
    ForecastSource,
    RecordedForecaster,
    RecordedSeries,
    forecasters,
    last_known,
    make_forecaster,
    register_forecaster,
    signal_places,
    stale_steps,
)
from joulewright.policy.forecast import naming as naming_module
from joulewright.policy.signals import signal_keys, signal_series

HOURS = 96
CARBON, PRICE = "a/carbon_kg_per_mwh", "a/import_price_per_mwh"
ISSUED = ["persistence", "diurnal-persistence", "climatology", "day-ahead", "perfect"]


@pytest.fixture(scope="module")
def wavy(tiny):
    """Four days: carbon counts the hours, the price is 40 plus the hour of day."""
    hours = np.arange(HOURS, dtype=float)
    grid = tiny.grid(HOURS, carbon=hours, import_price_per_mwh=40.0 + hours % 24, export_price_per_mwh=hours % 24)
    site = tiny.site(
        HOURS,
        grid=grid,
        renewables=(tiny.plant(np.abs(np.sin(hours / 7.0)), HOURS),),
        generators=(tiny.generator(HOURS, availability=np.where(hours < 50, 1.0, 0.5)),),
        fixed_it_power_mw=1.0,
    )
    return tiny.scenario(site, steps=HOURS)


def source(forecaster, scenario, events=(), seed=0):
    made = make_forecaster(forecaster) if isinstance(forecaster, str) else forecaster
    return made.prepare(apply_events(scenario, events), scenario, events, np.random.default_rng(seed))


def test_persistence(wavy) -> None:
    assert source("persistence", wavy).issue(30).series(CARBON, 4).tolist() == [30.0, 30.0, 30.0, 30.0]


def test_diurnal_persistence(wavy) -> None:
    day = source("diurnal-persistence", wavy)
    assert day.issue(50).series(CARBON, 5).tolist() == [50.0, 27.0, 28.0, 29.0, 30.0]
    assert day.issue(50).series(CARBON, 46)[[23, 24, 25, 45]].tolist() == [49.0, 50.0, 27.0, 47.0]
    assert day.issue(3).series(CARBON, 23).tolist() == [3.0] * 21 + [0.0, 1.0]  # nothing seen before: the present


def test_weekly_persistence_takes_the_last_day_before_there_is_a_week(tiny) -> None:
    hours = np.arange(240.0)
    scenario = tiny.scenario(tiny.site(240, grid=tiny.grid(240, carbon=hours)), steps=240)
    week = source("diurnal-persistence:weekly=yes", scenario)
    assert week.issue(200).series(CARBON, 3).tolist() == [200.0, 33.0, 34.0]
    assert week.issue(100).series(CARBON, 3).tolist() == [100.0, 77.0, 78.0]


def test_persistence_of_steps_that_are_longer_than_hours(tiny) -> None:
    values = np.arange(12.0)
    scenario = tiny.scenario(tiny.site(12, grid=tiny.grid(12, carbon=values)), steps=12, step_s=6 * 3600)
    assert source("diurnal-persistence", scenario).issue(7).series(CARBON, 5).tolist() == [7.0, 4.0, 5.0, 6.0, 7.0]


def test_climatology_is_the_mean_of_the_same_hour_so_far(wavy) -> None:
    """At hour 50 the hours 3 and 4 were seen at 3, 27 and at 4, 28; hour 2 at 2, 26 and 50."""
    values = source("climatology", wavy).issue(50).series(CARBON, 25)
    assert values[:3].tolist() == [50.0, 15.0, 16.0]
    assert values[24] == 26.0


def test_climatology_of_hours_never_seen_is_the_mean_of_everything(wavy) -> None:
    assert source("climatology", wavy).issue(3).series(CARBON, 3).tolist() == [3.0, 1.5, 1.5]


def test_climatology_by_type_of_day(tiny) -> None:
    """The tiny horizon begins on a Monday: issued on Friday evening, Saturday falls back to the mean of the hour."""
    days = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0, 90.0, 92.0, 7.0], 24)
    scenario = tiny.scenario(tiny.site(192, grid=tiny.grid(192, carbon=days)), steps=192)
    issued = source("climatology:by=daytype", scenario)
    assert issued.issue(119).series(CARBON, 2).tolist() == [5.0, 3.0]
    assert issued.issue(143).series(CARBON, 49)[[1, 25, 48]].tolist() == [90.0, 3.0, 3.0]


def test_climatology_by_month(tiny) -> None:
    days = np.repeat(np.arange(60.0), 24)
    scenario = tiny.scenario(tiny.site(1440, grid=tiny.grid(1440, carbon=days)), steps=1440)
    at_night = source("climatology:by=month", scenario).issue(28 * 24 + 23)  # 1 August 23:00, days 0 to 28
    assert at_night.series(CARBON, 2)[1] == 28.0


def test_climatology_with_history(wavy) -> None:
    older = np.repeat([100.0, 104.0], 24)
    first = source(ClimatologyForecaster(history={CARBON: older}), wavy).issue(0)
    assert first.series(CARBON, 25).tolist() == [0.0, *[102.0] * 23, 68.0]  # the mean of 100, 104 and 0
    assert first.series(PRICE, 2).tolist() == [40.0, 40.0]


def test_perfect_sees_everything_and_day_ahead_without_error_does_too(wavy) -> None:
    spike = Event(kind="price-spike", site="a", start=wavy.timeline.at(60), end=wavy.timeline.at(62), price_per_mwh=9e3)
    truth = apply_events(wavy, [spike])
    for key, values in signal_series(truth).items():
        assert source("perfect", wavy, [spike]).issue(40).series(key, 48).tolist() == values[40:88].tolist()
        known = source("day-ahead:error_scale=0", wavy, [spike]).issue(60)
        assert known.series(key, 20).tolist() == pytest.approx(values[60:80].tolist())


@pytest.mark.parametrize("name", ISSUED)
def test_the_present_is_known_and_the_end_cuts(wavy, name) -> None:
    for step in (0, 41, 90, 95):
        issued = source(name, wavy).issue(step)
        for key, values in signal_series(wavy).items():
            found = issued.series(key, 48)
            assert found.shape == (min(48, HOURS - step),)
            assert found[0] == values[step]
            members = issued.members(key, 48, 3)
            assert members.shape == (3, found.size)
            assert (members[:, 0] == values[step]).all()


@pytest.mark.parametrize("name", ISSUED)
def test_a_forecast_belongs_to_the_caller(wavy, name) -> None:
    issued = source(name, wavy).issue(30)
    for key in signal_keys(wavy):
        before = issued.series(key, 5)
        issued.series(key, 5)[:] = -1.0
        assert issued.series(key, 5).tolist() == before.tolist()


CALL = {"kind": "demand-response", "site": "a", "limit_mw": 7.0}


def call(wavy, first, stop, **changes):
    return Event(**{**CALL, "start": wavy.timeline.at(first), "end": wavy.timeline.at(stop), **changes})


@pytest.mark.parametrize("name", ["persistence", "diurnal-persistence", "climatology", "day-ahead"])
def test_an_event_is_known_from_its_notice_on(wavy, name) -> None:
    issued = source(name, wavy, [call(wavy, 50, 53, notice_h=6.0)])
    limits = [issued.issue(step).series("a/import_limit_mw", 12).tolist() for step in (43, 44, 51, 53)]
    assert limits[0] == [100.0] * 12
    assert limits[1] == [100.0] * 6 + [7.0] * 3 + [100.0] * 3
    assert limits[2] == [7.0, 7.0] + [100.0] * 10
    assert limits[3] == [100.0] * 12


def test_an_event_without_notice_is_known_when_it_begins(wavy) -> None:
    issued = source("persistence", wavy, [call(wavy, 50.5, 53.0)])
    assert issued.issue(49).series("a/import_limit_mw", 3).tolist() == [100.0] * 3
    assert issued.issue(50).series("a/import_limit_mw", 4).tolist() == [7.0, 7.0, 7.0, 100.0]


def test_only_the_perfect_forecaster_sees_an_event_that_nobody_announced(wavy) -> None:
    outage = call(wavy, 50, 53, kind="grid-outage", limit_mw=None)
    assert source("perfect", wavy, [outage]).issue(49).series("a/import_limit_mw", 2).tolist() == [100.0, 0.0]
    assert source("day-ahead", wavy, [outage]).issue(49).series("a/import_limit_mw", 2).tolist() == [100.0, 100.0]


def test_an_event_leaves_no_trace_in_what_is_learned(wavy) -> None:
    outage = call(wavy, 30, 33, kind="grid-outage", limit_mw=None)
    assert (
        source("diurnal-persistence", wavy, [outage]).issue(50).series("a/import_limit_mw", 10).tolist() == [100.0] * 10
    )


def test_curtailment_and_spikes_in_a_forecast(wavy) -> None:
    site = wavy.site("a")
    terms = FlexibleConnection(
        firm_limit_mw=60.0, flexible_limit_mw=np.full(HOURS, 40.0), curtailed=np.zeros(HOURS, bool)
    )
    fee = np.arange(HOURS, dtype=float)
    grid = replace(site.grid, flexible=terms, import_fee_per_mwh=fee, export_factor=1.0, export_offset_per_mwh=-5.0)
    scenario = wavy.with_changes(sites=(replace(site, grid=grid),))
    events = [
        call(wavy, 50, 52, kind="curtailment", limit_mw=None, notice_h=9.0),
        call(wavy, 51, 53, kind="price-spike", limit_mw=None, price_per_mwh=1000.0, notice_h=9.0),
    ]
    issued = source("persistence", scenario, events).issue(49)
    assert issued.series("a/import_limit_mw", 5).tolist() == [100.0, 60.0, 60.0, 100.0, 100.0]
    assert issued.series(PRICE, 5)[2:4].tolist() == [1051.0, 1052.0]
    assert issued.series("a/export_price_per_mwh", 5)[2:4].tolist() == [995.0, 995.0]
    assert issued.members(PRICE, 5, 2)[:, 2].tolist() == [1051.0, 1051.0]


def test_telemetry_gaps(wavy) -> None:
    gap = call(wavy, 48, 52, kind="telemetry-gap", limit_mw=None, signals=("carbon_kg_per_mwh",))
    stale = stale_steps(wavy, [gap])
    assert list(stale) == [CARBON]
    assert np.flatnonzero(stale[CARBON]).tolist() == [48, 49, 50, 51]
    assert source("persistence", wavy, [gap]).issue(50).series(CARBON, 3).tolist() == [47.0] * 3
    assert source("diurnal-persistence", wavy, [gap]).issue(73).series(CARBON, 3).tolist() == [73.0, 47.0, 47.0]
    assert source("persistence", wavy, [gap]).issue(52).series(CARBON, 2).tolist() == [52.0] * 2
    whole = stale_steps(wavy, [replace(gap, signals=())])
    assert set(whole) == set(signal_keys(wavy))


def test_last_known_at_the_very_start() -> None:
    assert last_known(np.arange(4.0), np.array([True, True, False, True])).tolist() == [0.0, 0.0, 2.0, 2.0]


def test_a_window_of_what_is_expected(wavy, tiny) -> None:
    scenario = wavy.with_changes(training=(tiny.job(),), carbon=CarbonPolicy(price_per_t=10.0))
    failure = call(wavy, 52, 54, kind="generator-failure", limit_mw=None, component="turbine", notice_h=5.0)
    for name in ("persistence", "diurnal-persistence", "climatology", "day-ahead"):
        issued = source(name, scenario, [failure]).issue(48)
        window = issued.window(8)
        assert window.timeline.at(0) == scenario.timeline.at(48)
        assert (window.timeline.steps, window.training, window.events) == (8, (), ())
        assert window.carbon.price_per_t == 10.0
        for key, values in signal_series(window).items():
            assert values.tolist() == issued.series(key, 8).tolist(), key
        usable = window.site("a").generators[0].availability.tolist()
        later = 0.5 if name == "day-ahead" else 1.0  # the drop at hour 50 is a calendar, which the past does not tell
        assert usable == [1.0, 1.0, later, later, 0.0, 0.0, later, later]
    assert source("perfect", scenario, [failure]).issue(90).window(48).timeline.steps == 6


def test_members_of_forecasts_from_the_past_repeat_errors_of_one_day_in_all_signals(wavy) -> None:
    """The carbon series rises by 24 a day: the same hour of yesterday is always 24 too low."""
    issued = source("diurnal-persistence", wavy).issue(80)
    members = issued.members(CARBON, 6, 20)
    assert (members[:, 1:] == np.arange(81.0, 86.0)).all()
    assert issued.members(CARBON, 6, 20).tolist() == members.tolist()
    early = source("diurnal-persistence", wavy).issue(10)
    assert (early.members(CARBON, 6, 4) == early.series(CARBON, 6)).all()


def test_members_keep_the_correlation_between_signals(tiny) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(HOURS * 4)
    grid = tiny.grid(HOURS * 4, carbon=400.0 + 10.0 * noise, import_price_per_mwh=50.0 + 2.0 * noise)
    scenario = tiny.scenario(tiny.site(HOURS * 4, grid=grid), steps=HOURS * 4)
    issued = source("climatology", scenario).issue(300)
    carbon, price = (issued.members(key, 24, 50) - issued.series(key, 24) for key in (CARBON, PRICE))
    assert np.allclose(carbon, 5.0 * price)
    assert carbon.std() > 1.0


@pytest.mark.parametrize("name", ISSUED)
def test_wrong_requests(wavy, name) -> None:
    ready = source(name, wavy)
    for step in (-1, HOURS):
        with pytest.raises(PolicyError, match=f"step {step}; the horizon has"):
            ready.issue(step)
    issued = ready.issue(5)
    with pytest.raises(PolicyError, match="no signal 'a/price'"):
        issued.series("a/price", 3)
    for ask in (lambda: issued.series(PRICE, 0), lambda: issued.window(0), lambda: issued.members(PRICE, -1, 2)):
        with pytest.raises(PolicyError, match="at least 1"):
            ask()
    with pytest.raises(PolicyError, match="0 members"):
        issued.members(PRICE, 3, 0)


def recorded(wavy, values, issued=(0, 24), leads=(0.0, 1.0, 2.0), **changes):
    starts = wavy.timeline.starts()
    series = RecordedSeries(issued=starts[list(issued)], lead_h=np.array(leads), values=np.array(values))
    return RecordedForecaster(**({"recordings": {CARBON: series}} | changes))


def test_recorded_forecasts(wavy) -> None:
    ready = source(recorded(wavy, [[7.0, 8.0, 9.0], [17.0, 18.0, 19.0]]), wavy)
    assert ready.issue(0).series(CARBON, 4).tolist() == [0.0, 8.0, 9.0, 0.0]
    assert ready.issue(1).series(CARBON, 3).tolist() == [1.0, 9.0, 1.0]
    assert ready.issue(23).series(CARBON, 3).tolist() == [23.0, 0.0, 1.0]  # beyond the recording: the day before
    assert ready.issue(24).series(CARBON, 4).tolist() == [24.0, 18.0, 19.0, 3.0]
    assert ready.issue(24).series(PRICE, 2).tolist() == [40.0, 41.0]


def test_recorded_forecasts_of_coarser_steps_are_held(wavy) -> None:
    ready = source(recorded(wavy, [[7.0, 8.0]], issued=(0,), leads=(0.0, 3.0)), wavy)
    assert ready.issue(0).series(CARBON, 7).tolist() == [0.0, 7.0, 7.0, 8.0, 8.0, 8.0, 0.0]


def test_recorded_by_valid_time(wavy) -> None:
    values = np.arange(HOURS) + 0.5
    series = RecordedSeries.by_valid_time(wavy.timeline, values)
    ready = source(RecordedForecaster(recordings={CARBON: series}), wavy)
    assert ready.issue(94).series(CARBON, 9).tolist() == [94.0, 95.5]
    assert ready.issue(10).series(CARBON, 40)[1:].tolist() == values[11:50].tolist()


def test_a_forecast_that_is_not_a_number(wavy) -> None:
    ready = source(recorded(wavy, [[7.0, 8.0, 9.0], [17.0, 18.0, np.nan]]), wavy)
    assert ready.issue(0).series(CARBON, 5).size == 5
    assert ready.issue(24).series(CARBON, 2).size == 2
    message = r"'a/carbon_kg_per_mwh' issued at 2022-07-05T00:00 is nan for step 2022-07-05T02:00"
    with pytest.raises(PolicyError, match=message):
        ready.issue(24).series(CARBON, 4)
    with pytest.raises(PolicyError, match=message):
        ready.issue(24).window(4)


def test_a_forecaster_of_ones_own(wavy) -> None:
    class Ramp(AbstractExpectation):
        def values(self, place, step, stop):
            return np.where(place.quantity == "pue", np.inf, np.arange(stop - step, dtype=float))

        def members(self, place, step, stop, count):
            return np.tile(self.values(place, step, stop), (count, 1))

    @dataclass(frozen=True, kw_only=True)
    class RampForecaster(AbstractForecaster):
        knows: ClassVar = "record"
        slope: float = 1.0

        @property
        def specification(self) -> str:
            return "ramp"

        def prepare(self, truth, undisturbed, events, generator):
            return ForecastSource(Facts.of(truth, undisturbed, events), Ramp(), self.knows)

    register_forecaster("ramp", summary="Counts.")(RampForecaster)
    try:
        made = make_forecaster("ramp:slope=2")
        assert made == RampForecaster(slope=2.0)
        issued = source(made, wavy, [call(wavy, 42, 44, notice_h=99.0)]).issue(40)
        assert issued.series(CARBON, 3).tolist() == [40.0, 1.0, 2.0]
        assert issued.series("a/import_limit_mw", 4).tolist() == [100.0, 1.0, 2.0, 3.0]
        assert issued.members("a/import_limit_mw", 9, 1)[0, 7:].tolist() == [7.0, 8.0]
        with pytest.raises(PolicyError, match=r"'a/pue' .* is inf for step 2022-07-05T17:00"):
            issued.series("a/pue", 2)
        with pytest.raises(PolicyError, match="two forecasters are called 'ramp'"):
            register_forecaster("ramp", summary="")(RampForecaster)
    finally:
        del naming_module._ADDED["ramp"]


BAD = [
    ("day-ahed", "did you mean 'day-ahead'"),
    ("crystal", "there are day-ahead, persistence"),
    ("day-ahead:error_scale=-1", r"error_scale is -1"),
    ("day-ahead:shared_fraction=1.5", r"shared_fraction is 1.5; allowed is 0 to 1"),
    ("day-ahead:memory_h=nan", "memory_h is nan"),
    ("day-ahead:sigma=1", "no option 'sigma'"),
    ("day-ahead:error_scale", "not of the form"),
    ("climatology:by=moon", "by is 'moon'; allowed are hour, month, daytype"),
    ("climatology:history=x", "given in Python only"),
    ("diurnal-persistence:weekly=perhaps", "weekly"),
    ("recorded", "needs recordings.*read_forecast"),
    ("recorded:recordings=x", "needs recordings"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_bad_specifications(text, words) -> None:
    with pytest.raises(PolicyError, match=words):
        make_forecaster(text)


SPECIFICATIONS = ["day-ahead", "day-ahead:memory_h=5.0", "persistence", "perfect", "climatology:by=month"]


@pytest.mark.parametrize("text", [*SPECIFICATIONS, "diurnal-persistence:weekly=true"])
def test_a_specification_makes_the_forecaster_again(text) -> None:
    made = make_forecaster(text)
    assert made.specification == text
    again = make_forecaster(made.specification)
    assert again == made or again.specification == made.specification


def test_the_list_says_what_each_does() -> None:
    assert set(forecasters()) == {
        "day-ahead", "persistence", "diurnal-persistence", "climatology", "perfect", "recorded",
    }  # fmt: skip
    assert all(entry.kind == "forecast" and entry.summary.endswith(".") for entry in forecasters().values())


def test_bad_arrays(wavy) -> None:
    with pytest.raises(PolicyError, match=r"shape \(2, 3\); issue times and leads make \(2, 2\)"):
        recorded(wavy, [[7.0, 8.0, 9.0], [1.0, 2.0, 3.0]], leads=(0.0, 1.0))
    with pytest.raises(PolicyError, match="must ascend"):
        recorded(wavy, [[7.0], [8.0]], issued=(24, 0), leads=(0.0,))
    series = RecordedSeries.by_valid_time(wavy.timeline, np.ones(HOURS))
    with pytest.raises(PolicyError, match="recording of 'x/pue'"):
        source(RecordedForecaster(recordings={"x/pue": series}), wavy)
    with pytest.raises(PolicyError, match="history of 'x/pue'"):
        source(ClimatologyForecaster(history={"x/pue": np.ones(3)}), wavy)
    with pytest.raises(PolicyError, match=r"shape \(2, 2\)"):
        ClimatologyForecaster(history={CARBON: np.ones((2, 2))})
    with pytest.raises(PolicyError, match="finite"):
        ClimatologyForecaster(history={CARBON: np.array([1.0, np.nan])})


def test_who_knows_what() -> None:
    assert {name: entry.factory.knows for name, entry in forecasters().items()} == {
        "day-ahead": "truth",
        "persistence": "past",
        "diurnal-persistence": "past",
        "climatology": "past",
        "perfect": "truth",
        "recorded": "record",
    }


def test_places(wavy, tiny) -> None:
    places = signal_places(wavy.with_changes(regions=(), inference=()))
    assert list(places) == list(signal_keys(wavy))
    assert (places["a/roof/per_unit"].kind, places["a/roof/per_unit"].high) == ("solar", 1.0)
    assert places["a/pue"].low == 1.0
    assert places[PRICE].low == -np.inf


def test_a_calm_export_price_gets_no_error(wavy) -> None:
    site = wavy.site("a")
    flat = replace(site, grid=replace(site.grid, export_price_per_mwh=np.full(HOURS, 20.0)))
    issued = source("day-ahead", wavy.with_changes(sites=(flat,))).issue(10)
    assert issued.series("a/export_price_per_mwh", 40).tolist() == [20.0] * 40
    linked = source("day-ahead", wavy).issue(10)
    spread = linked.series(PRICE, 40) - linked.series("a/export_price_per_mwh", 40)
    assert spread == pytest.approx(np.full(40, 40.0))


def test_known_signals_have_no_error(wavy) -> None:
    issued = source(DayAheadForecaster(error_scale=3.0), wavy).issue(10)
    for key in ("a/import_limit_mw", "a/export_limit_mw", "a/pue"):
        assert issued.series(key, 40).tolist() == signal_series(wavy)[key][10:50].tolist()
        assert (issued.members(key, 40, 2) == signal_series(wavy)[key][10:50]).all()
