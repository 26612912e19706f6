"""Bounds and exactness of the decision rules over random inputs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.model import CarbonPolicy, Region
from joulewright.physics.battery import next_energy_mwh, power_range_mw
from joulewright.policy.dispatch.settle import net_load_mw
from joulewright.policy.jobs.runs import (
    cheapest_runs,
    cheapest_sizes,
    cheapest_start,
    earliest_runs,
    earliest_sizes,
    sizes_by_speed,
)
from joulewright.policy.observation import GeneratorState
from joulewright.policy.registry import make
from joulewright.policy.routing.waterfill import Room, latency_preference, waterfill
from joulewright.testing.observations import facts_of, observe

powers = st.floats(0.0, 20.0)
fractions = st.floats(0.0, 1.0)
costs = st.floats(-5.0, 50.0).map(lambda value: round(value, 3))
DISPATCH = (
    "grid-first",
    "solar-first",
    "solar-first:reserve_fraction=0.3,generators=backup",
    "time-of-use",
    "time-of-use:charge_hours=12-24,discharge_hours=0-12",
    "price-threshold:low_per_mwh=30,high_per_mwh=60",
    "price-threshold:learn=forecast",
    "carbon-threshold:low_kg_per_mwh=300,high_kg_per_mwh=301",
    "peak-shaving",
    "peak-shaving:target_mw=5",
)
START = datetime(2022, 7, 4, tzinfo=UTC)


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a site observation and its generator."""
    on = draw(st.booleans())
    least = draw(st.sampled_from([0.0, 2.0, 5.0]))
    return {
        "generator": {
            "min_load_mw": least,
            "ramp_mw_per_h": draw(st.sampled_from([None, 1.0, 4.0])),
            "min_up_h": draw(st.sampled_from([0.0, 3.0])),
            "min_down_h": draw(st.sampled_from([0.0, 3.0])),
            "start_cost": draw(st.sampled_from([0.0, 50.0])),
        },
        "seen": {
            "load_mw": draw(powers),
            "renewable_mw": {"roof": draw(powers)},
            "import_limit_mw": draw(st.sampled_from([0.0, 4.0, 30.0])),
            "export_limit_mw": draw(st.sampled_from([0.0, 4.0, 30.0])),
            "import_price_per_mwh": draw(st.floats(-20.0, 120.0)),
            "export_price_per_mwh": draw(st.floats(-20.0, 90.0)),
            "carbon_kg_per_mwh": draw(st.floats(0.0, 800.0)),
            "energy_mwh": {"store": 10.0 * draw(fractions)},
            "generators": {
                "turbine": GeneratorState(
                    on=on,
                    hours=draw(st.floats(0.5, 5.0)),
                    output_mw=draw(st.floats(least, 10.0)) if on else 0.0,
                )
            },
            "usable_mw": {"turbine": draw(st.sampled_from([0.0, 4.0, 10.0]))},
            "peak_mw": draw(st.sampled_from([{}, {"month": 3.0}])),
        },
        "step": draw(st.integers(0, 23)),
    }


@pytest.mark.parametrize("text", DISPATCH)
@given(case=situations())
@settings(max_examples=60, deadline=None)
def test_dispatch_stays_within_what_devices_can_do(tiny: Any, text: str, case: dict[str, Any]) -> None:
    battery, unit = tiny.battery(), tiny.generator(24, **case["generator"])
    site = tiny.site(24, grid=tiny.grid(24), batteries=(battery,), generators=(unit,))
    scenario = tiny.scenario(site, steps=24, carbon=CarbonPolicy(price_per_t=50.0))
    seen = observe(scenario, case["step"], sites={"a": case["seen"]})
    rule, place = make(text), seen.sites["a"]
    found, _ = rule.step(rule.init(facts_of(scenario)), seen, place)
    charge, discharge = found.charge_mw.get("store", 0.0), found.discharge_mw.get("store", 0.0)
    energy = place.energy_mwh["store"]
    most_charge, most_discharge = power_range_mw(battery, energy, step_h=1.0)
    assert 0.0 <= charge <= most_charge + 1e-9
    assert 0.0 <= discharge <= most_discharge + 1e-9
    assert min(charge, discharge) == 0.0
    after = float(next_energy_mwh(battery, energy, charge, discharge, step_h=1.0))
    assert -1e-9 <= after <= battery.energy_mwh + 1e-9
    able = place.generators["turbine"].output_range(unit, usable_mw=place.usable_mw["turbine"], step_h=1.0)
    output = found.generator_mw.get("turbine")
    if output is None:
        assert able.may_stop
    else:
        assert able.may_run
        assert able.low_mw - 1e-9 <= output <= able.high_mw + 1e-9
    # Load is short only when nothing is left to give, and charging never makes it so.
    need = net_load_mw(place) + charge - discharge - (output or 0.0)
    if need > place.import_limit_mw + 1e-6:
        assert charge == 0.0
        assert discharge >= most_discharge - 1e-6
        assert output is None or output >= able.high_mw - 1e-6
    # The rules but the one that rests leave no surplus that the battery could take.
    export = 0.0 if place.export_price_per_mwh < 0.0 else place.export_limit_mw
    if text != "grid-first" and need < -export - 1e-6:
        assert discharge == 0.0
        assert charge >= most_charge - 1e-6


@given(load=powers, sun=powers, stored=fractions)
@settings(max_examples=60, deadline=None)
def test_self_consumption_uses_the_battery_first(tiny: Any, load: float, sun: float, stored: float) -> None:
    site = tiny.site(48, grid=tiny.grid(48), batteries=(tiny.battery(),))
    scenario = tiny.scenario(site, steps=48)
    changes = {"load_mw": load, "renewable_mw": {"roof": sun}, "energy_mwh": {"store": 10.0 * stored}}
    seen = observe(scenario, sites={"a": changes})
    rule = make("solar-first")
    found, _ = rule.step(rule.init(facts_of(scenario)), seen, seen.sites["a"])
    room, give = power_range_mw(tiny.battery(), 10.0 * stored, step_h=1.0)
    assert found.charge_mw.get("store", 0.0) == pytest.approx(min(max(sun - load, 0.0), float(room)))
    assert found.discharge_mw.get("store", 0.0) == pytest.approx(min(max(load - sun, 0.0), float(give)))


# Runs of jobs


@st.composite
def boards(draw: st.DrawFn, most: int = 8) -> tuple[np.ndarray, np.ndarray]:
    steps = draw(st.integers(1, most))
    cost = np.array(draw(st.lists(costs, min_size=steps, max_size=steps)))
    fits = np.array(draw(st.lists(st.booleans(), min_size=steps, max_size=steps)), dtype=bool)
    return cost, fits | (draw(st.integers(0, 2)) > 0)


def run_cost(mask: Any, cost: np.ndarray, restart: float, *, running: bool) -> float:
    """Cost of the marked steps and of every begin of a run; the run that is under way began before."""
    begins = np.diff(np.concatenate(([int(running)], np.asarray(mask, dtype=int)))) == 1
    return float(np.asarray(mask, dtype=float) @ cost + restart * begins.sum())


def allowed(mask: tuple[int, ...], fits: np.ndarray, work: int, shortest: int, held: int | None) -> bool:
    if sum(mask) != work or not all(mask[: min(held or 0, work)]):
        return False
    if any(on and not fit for on, fit in list(zip(mask, fits))[held or 0 :]):
        return False
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask, [0]))))
    return all(
        stop - begin >= shortest or not any(mask[stop:]) or (begin == 0 and held is not None)
        for begin, stop in zip(edges[::2], edges[1::2])
    )


@given(
    board=boards(),
    work=st.integers(1, 5),
    shortest=st.integers(1, 3),
    held=st.sampled_from([None, 0, 1, 2]),
    restart=st.sampled_from([0.0, 0.5, 20.0]),
)
@settings(max_examples=150, deadline=None)
def test_cheapest_runs_are_the_cheapest(board: Any, work: int, shortest: int, held: int | None, restart: float) -> None:
    cost, fits = board
    found = cheapest_runs(cost, fits, work=work, shortest=shortest, held=held, restart_cost=restart)
    choices = [
        mask for mask in itertools.product((0, 1), repeat=cost.size) if allowed(mask, fits, work, shortest, held)
    ]
    if not choices:
        # Runs that follow each other without a gap may be cheaper to see as one: only masks matter here.
        assert found is None or allowed(tuple(found.astype(int)), fits, work, shortest, held)
        return
    assert found is not None
    assert found.sum() == work
    best = min(run_cost(mask, cost, restart, running=held is not None) for mask in choices)
    assert run_cost(found, cost, restart, running=held is not None) <= best + 1e-6


@given(board=boards(), work=st.integers(1, 5), shortest=st.integers(1, 3), held=st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_earliest_runs_keep_the_rules(board: Any, work: int, shortest: int, held: int) -> None:
    _, fits = board
    found = earliest_runs(fits, work=work, shortest=shortest, held=held)
    if found is not None:
        assert found.sum() == work
        assert fits[held:][found[held:]].all()
        if shortest == 1 and held == 0:
            assert found.tolist() == (fits & (np.cumsum(fits) <= work)).tolist()
    elif shortest == 1 and held == 0:
        assert fits.sum() < work


@given(board=boards(), length=st.floats(0.1, 5.0), starts=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_cheapest_start_is_the_cheapest(board: Any, length: float, starts: int) -> None:
    cost, fits = board
    found = cheapest_start(cost, fits, length=length, starts=starts)
    padded = np.concatenate((cost, np.full(6, cost.mean())))
    open_ = np.concatenate((fits, np.ones(6, dtype=bool)))
    whole = int(length + 1e-9)
    part = length - whole
    totals = {}
    for begin in range(min(starts, cost.size)):
        covered = whole + (part > 1e-9)
        if open_[begin : begin + covered].all():
            last = part * padded[begin + whole] if part > 1e-9 else 0.0
            totals[begin] = padded[begin : begin + whole].sum() + last
    if not totals:
        assert found is None
    else:
        assert found is not None
        assert found[1] == pytest.approx(min(totals.values()), abs=1e-6)
        assert totals[found[0]] == pytest.approx(found[1], abs=1e-6)


@st.composite
def speeds(draw: st.DrawFn) -> list[tuple[float, float]]:
    sizes = sorted(draw(st.sets(st.integers(1, 20), min_size=2, max_size=4)))
    slopes = sorted(draw(st.lists(st.floats(0.05, 1.0), min_size=len(sizes), max_size=len(sizes))), reverse=True)
    first = draw(st.sampled_from([1.0, 0.1]))  # the step from off to the least size may be a bad one
    rises = np.diff(np.concatenate(([0], sizes))) * slopes
    rises[0] *= first
    return [(float(size), float(speed)) for size, speed in zip(sizes, np.cumsum(rises))]


@given(points=speeds())
def test_the_hull_is_concave_and_above_the_points(points: list[tuple[float, float]]) -> None:
    hull = [(0.0, 0.0), *sizes_by_speed(points)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(hull)]
    assert all(one >= other - 1e-9 for one, other in itertools.pairwise(slopes))
    assert set(hull[1:]) <= set(points)
    xs, ys = zip(*hull)
    assert all(np.interp(size, xs, ys) >= speed - 1e-9 for size, speed in points)


@given(
    points=speeds(),
    cost=st.lists(st.floats(0.0, 50.0), min_size=6, max_size=6),
    room=st.lists(st.floats(0.0, 25.0), min_size=6, max_size=6),
    work=st.floats(0.1, 20.0),
)
@settings(max_examples=120, deadline=None)
def test_sizes_of_elastic_jobs_fit_and_do_the_work(
    points: Any, cost: list[float], room: list[float], work: float
) -> None:
    most = np.array(room)
    xs, ys = (np.array(values) for values in zip(*points))
    usable = sizes_by_speed(points)[0][0]  # smaller sizes give less for an accelerator and are left out
    for found, least in (
        (cheapest_sizes(points, np.array(cost), most, work=work), usable),
        (earliest_sizes(points, most, work=work), xs[0]),
    ):
        if found is None:
            largest = np.where(most >= least, np.minimum(most, xs[-1]), 0.0)
            assert np.interp(largest[largest > 0.0], xs, ys).sum() <= work + 1e-6
            continue
        running = found > 0.0
        assert (found[running] >= xs[0] - 1e-9).all()
        assert (found <= np.minimum(most, xs[-1]) + 1e-6).all()
        assert np.interp(found[running], xs, ys).sum() >= work - 1e-6


@given(
    demand=st.lists(st.floats(0.0, 2e5), min_size=2, max_size=2),
    free=st.lists(st.floats(0.0, 200.0), min_size=2, max_size=2),
    far=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_filling_serves_demand_or_uses_all_room(tiny: Any, demand: list[float], free: list[float], far: bool) -> None:
    sites = [tiny.site(name=name) for name in "ab"]
    regions = (
        Region(name="west", latency_ms={"a": 5.0, "b": 40.0}),
        Region(name="east", latency_ms={"b": 5.0} | ({"a": 50.0} if far else {})),
    )
    service = tiny.service(demand_token_s={"west": np.zeros(2), "east": np.zeros(2)})
    scenario = tiny.scenario(*sites, inference=(service,), regions=regions)
    wanted = {"chat": {"west": np.array([demand[0]]), "east": np.array([demand[1]])}}
    room = Room(accelerators={(name, "gpus"): np.array([count]) for name, count in zip("ab", free)})
    found = waterfill(scenario, wanted, room, latency_preference(scenario))["chat"]
    used = {name: sum(float(rate[0]) for route, rate in found.items() if route.site == name) for name in "ab"}
    for name, count in zip("ab", free):
        assert used[name] <= 1000.0 * count + 1e-6
        assert float(room.accelerators[name, "gpus"][0]) == pytest.approx(count - used[name] / 1000.0, abs=1e-6)
    for region, rate in zip(("west", "east"), demand):
        served = sum(float(value[0]) for route, value in found.items() if route.region == region)
        assert served <= rate + 1e-6
        if served < rate - 1e-3:
            reach = "ab" if region == "west" or far else "b"
            assert all(float(room.accelerators[name, "gpus"][0]) <= 1e-6 for name in reach)
