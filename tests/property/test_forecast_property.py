"""Forecasts never see the future, depend on the seed alone, stay within physical bounds and err as declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.model import Event, Scenario
from joulewright.model.disturbance import apply_events
from joulewright.policy.forecast import forecasters, make_forecaster, signal_places
from joulewright.policy.forecast.error_paths import KIND_CORRELATION, KINDS, ErrorPaths
from joulewright.policy.signals import replace_signals, signal_series

STEPS = 60
BLIND = sorted(name for name, entry in forecasters().items() if entry.factory.knows == "past")
SPECIFICATIONS = [*BLIND, "diurnal-persistence:weekly=yes", "climatology:by=month", "climatology:by=daytype"]


def made_up(tiny, seed: int) -> Scenario:
    rng = np.random.default_rng(seed)
    price = rng.normal(40.0, 30.0, STEPS)
    grid = tiny.grid(
        STEPS,
        carbon=rng.uniform(0.0, 800.0, STEPS),
        import_limit_mw=rng.uniform(10.0, 90.0, STEPS),
        import_price_per_mwh=price,
        export_price_per_mwh=0.9 * price - 2.0,
    )
    solar, wind = tiny.plant(rng.uniform(0.0, 1.0, STEPS), STEPS), tiny.plant(rng.beta(1, 3, STEPS), STEPS, "mast")
    site = tiny.site(
        STEPS,
        grid=grid,
        renewables=(solar, replace(wind, kind="wind")),
        generators=(tiny.generator(STEPS, availability=rng.uniform(0, 1, STEPS), fuel_cost_per_mwh=rng.random(STEPS)),),
        fleets=(tiny.fleet(STEPS, availability=rng.uniform(0, 1, STEPS)),),
        pue=rng.uniform(1.05, 1.6, STEPS),
        fixed_it_power_mw=rng.uniform(0, 3, STEPS),
        it_limit_mw=rng.uniform(5, 9, STEPS),
    )
    from joulewright.model import Region

    service = tiny.service(STEPS, demand=rng.uniform(0, 1e5, STEPS))
    return tiny.scenario(site, steps=STEPS, inference=(service,), regions=(Region(name="west", latency_ms={"a": 5.0}),))


def another_future(scenario: Scenario, other: Scenario, step: int) -> Scenario:
    """The scenario up to and including ``step`` and everything of ``other`` after it."""

    def joined(one, two):
        if isinstance(one, np.ndarray):
            return np.where(np.arange(STEPS) <= step, one, two)
        if isinstance(one, tuple):
            return tuple(joined(a, b) for a, b in zip(one, two, strict=True))
        if isinstance(one, dict):
            return {key: joined(one[key], two[key]) for key in one}
        if hasattr(one, "__dataclass_fields__"):
            return replace(one, **{k: joined(getattr(one, k), getattr(two, k)) for k in one.__dataclass_fields__})
        return one

    return scenario.with_changes(
        sites=joined(scenario.sites, other.sites), inference=joined(scenario.inference, other.inference)
    )


def events_of(scenario: Scenario, first: int, length: int, notice_h: float) -> list[Event]:
    start, end = scenario.timeline.at(first), scenario.timeline.at(first + length)
    common = {"site": "a", "start": start, "end": end, "notice_h": notice_h}
    return [
        Event(kind="demand-response", limit_mw=3.0, **common),
        Event(kind="price-spike", price_per_mwh=999.0, **common),
        Event(kind="accelerator-failure", component="gpus", lost_fraction=0.3, **common),
        Event(kind="generator-failure", component="turbine", **common),
    ]


def issue(specification: str, scenario: Scenario, events, step: int, seed: int = 0):
    truth = apply_events(scenario, events)
    source = make_forecaster(specification).prepare(truth, scenario, events, np.random.default_rng(seed))
    return source.issue(step)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 50), step=st.integers(0, STEPS - 2), late=st.integers(1, 20), notice=st.floats(0.0, 6.0))
def test_another_future_changes_no_forecast(tiny, specification, seed, step, late, notice) -> None:
    scenario, other = made_up(tiny, seed), made_up(tiny, seed + 1000)
    changed = another_future(scenario, other, step)
    unannounced = events_of(scenario, step + late + int(notice) + 1, 3, notice)
    one = issue(specification, scenario, [], step)
    two = issue(specification, changed, unannounced, step)
    for key in signal_series(scenario):
        assert np.array_equal(one.series(key, 40), two.series(key, 40)), key
        assert np.array_equal(one.members(key, 20, 4), two.members(key, 20, 4)), key
    first, second = one.window(12), two.window(12)
    assert np.array_equal(first.site("a").generators[0].availability, second.site("a").generators[0].availability)
    assert np.array_equal(first.site("a").fleets[0].availability, second.site("a").fleets[0].availability)
    assert np.array_equal(first.site("a").it_limit_mw, second.site("a").it_limit_mw)
    fuel = [window.site("a").generators[0].fuel_cost_per_mwh for window in (first, second)]
    assert np.array_equal(*fuel)


@pytest.mark.parametrize("specification", ["day-ahead", "perfect"])
def test_forecasts_that_use_the_truth_do_change_with_it(tiny, specification) -> None:
    """The test above can fail: it does for forecasters that declare that they use the truth."""
    scenario, other = made_up(tiny, 0), made_up(tiny, 1)
    changed = another_future(scenario, other, 5)
    values = [issue(specification, one, [], 5).series("a/pue", 9) for one in (scenario, changed)]
    assert not np.array_equal(*values)


@pytest.mark.parametrize("specification", [*SPECIFICATIONS, "day-ahead", "day-ahead:error_scale=4", "perfect"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 50), step=st.integers(0, STEPS - 1), first=st.integers(-5, STEPS), length=st.integers(1, 30))
def test_forecasts_stay_within_physical_bounds_and_never_lift_announced_limits(
    tiny, specification, seed, step, first, length
) -> None:
    scenario = made_up(tiny, seed)
    events = events_of(scenario, first, length, 1e3)
    issued = issue(specification, scenario, events, step, seed)
    for key, place in signal_places(scenario).items():
        for values in (issued.series(key, 30), issued.members(key, 30, 3)):
            assert np.isfinite(values).all()
            assert (values >= place.low).all()
            assert (values <= place.high).all()
    called = [index for index in range(min(30, STEPS - step)) if first <= step + index < first + length]
    assert (issued.series("a/import_limit_mw", 30)[called] <= 3.0).all()
    assert (issued.series("a/import_price_per_mwh", 30)[called] == 999.0).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), step=st.integers(0, STEPS - 2), order=st.randoms(use_true_random=False))
def test_equal_seeds_give_equal_errors_in_whatever_order_they_are_read(tiny, seed, step, order) -> None:
    scenario = made_up(tiny, 3)
    keys = list(signal_series(scenario))
    one, two = (issue("day-ahead", scenario, [], step, seed) for _ in range(2))
    expected = {key: (one.series(key, 30), one.members(key, 30, 2)) for key in keys}
    order.shuffle(keys)
    for key in keys:
        members = two.members(key, 30, 2)
        assert np.array_equal(two.series(key, 30), expected[key][0])
        assert np.array_equal(members, expected[key][1])
        assert np.array_equal(two.series(key, 7), expected[key][0][:7])


def test_another_seed_gives_other_errors(tiny) -> None:
    scenario = made_up(tiny, 3)
    one, two = (issue("day-ahead", scenario, [], 5, seed).series("a/carbon_kg_per_mwh", 30) for seed in (0, 1))
    assert (one[1:] != two[1:]).all()


def test_fewer_signals_leave_the_errors_of_a_site_as_they_are(tiny) -> None:
    scenario = made_up(tiny, 3)
    bare = scenario.with_changes(sites=(replace(scenario.site("a"), renewables=(), generators=()),))
    one, two = (issue("day-ahead", each, [], 5).series("a/carbon_kg_per_mwh", 30) for each in (scenario, bare))
    assert np.array_equal(one, two)


PATHS = {"memory_h": 8.0, "shared_fraction": 0.3}
COUNT = 40_000


@pytest.fixture(scope="module")
def paths() -> ErrorPaths:
    return ErrorPaths(2, 1.0, **PATHS, entropy=7)


def sample(paths: ErrorPaths, kind, lead: int, place: int = 0) -> np.ndarray:
    """Errors at one lead of forecasts issued 37 steps apart."""
    return np.array([paths.errors(place, kind, step, step + lead + 1)[lead] for step in range(0, COUNT, 37)])


@pytest.mark.parametrize("lead", [0, 1, 4, 24, 72])
def test_the_spread_grows_with_lead_time_as_declared(paths, lead) -> None:
    phi = np.exp(-1.0 / 8.0)
    expected = np.sqrt(1.0 - phi ** (2 * lead))
    found = np.concatenate([sample(paths, kind, lead) for kind in KINDS])
    assert found.std() == pytest.approx(expected, rel=0.06, abs=1e-12)
    assert abs(found.mean()) < 0.12 * max(expected, 1e-12)


def test_errors_are_correlated_between_kinds_places_and_lead_times(paths) -> None:
    for (one, other), wanted in KIND_CORRELATION.items():
        found = np.corrcoef(sample(paths, one, 24), sample(paths, other, 24))[0, 1]
        assert found == pytest.approx(wanted, abs=0.12), (one, other)
    places = [sample(paths, "carbon", 24, place) for place in (0, 1)]
    assert np.corrcoef(*places)[0, 1] == pytest.approx(0.3, abs=0.12)
    near = np.corrcoef(sample(paths, "carbon", 24), sample(paths, "carbon", 25))[0, 1]
    assert near == pytest.approx(np.exp(-1.0 / 8.0), abs=0.05)


@given(first=st.integers(0, 9000), length=st.integers(2, 5000), later=st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_forecasts_of_one_time_are_revised_not_redrawn(paths, first, length, later) -> None:
    """What is learned between two issues, ``Z(k + n) phi^lead``, is the whole difference of their errors."""
    phi = np.exp(-1.0 / 8.0)
    stop = first + later + length
    early = paths.errors(0, "price", first, stop)
    late = paths.errors(0, "price", first + later, stop)
    assert np.allclose(late, early[later:] - early[later] * phi ** np.arange(length), atol=1e-12)


def test_blocks_can_be_read_backwards(paths) -> None:
    fresh = ErrorPaths(2, 1.0, **PATHS, entropy=7)
    far = fresh.errors(1, "wind", 90_000, 90_010)
    near = fresh.errors(1, "wind", 1020, 1030)
    assert np.array_equal(far, paths.errors(1, "wind", 90_000, 90_010))
    assert np.array_equal(near, paths.errors(1, "wind", 1020, 1030))


def test_without_memory_errors_are_white() -> None:
    white = ErrorPaths(1, 1.0, 0.0, entropy=1)
    found = white.errors(0, "carbon", 10, 4000)[1:]
    assert found.std() == pytest.approx(1.0, rel=0.05)
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.05


def test_half_hours_have_the_memory_of_hours() -> None:
    hourly, halves = (ErrorPaths(1, step_h, 8.0, entropy=1) for step_h in (1.0, 0.5))
    assert halves.decay(9)[::2] == pytest.approx(hourly.decay(5))


def test_the_mean_of_an_ensemble_is_the_forecast(tiny) -> None:
    scenario = replace_signals(made_up(tiny, 3), {"a/carbon_kg_per_mwh": np.full(STEPS, 300.0)})
    issued = issue("day-ahead", scenario, [], 4)
    members = issued.members("a/carbon_kg_per_mwh", 24, 4000)
    assert members.mean(axis=0) == pytest.approx(issued.series("a/carbon_kg_per_mwh", 24), rel=0.02)
    assert members[:, 20].std() == pytest.approx(0.19 * issued.series("a/carbon_kg_per_mwh", 24)[20], rel=0.1)


def test_the_forecast_has_no_bias(tiny) -> None:
    flat = replace_signals(made_up(tiny, 3), {"a/carbon_kg_per_mwh": np.full(STEPS, 300.0)})
    found = [issue("day-ahead", flat, [], 4, seed).series("a/carbon_kg_per_mwh", 30)[-1] for seed in range(120)]
    assert np.mean(found) == pytest.approx(300.0, rel=0.06)
