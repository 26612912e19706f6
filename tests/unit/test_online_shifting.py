"""Starts, windows, percentiles, scaling and capacity curves against recorded results of their authors' programs."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from joulewright.errors import InfeasibleError, PolicyError
from joulewright.policy.online import (
    CapacityPlanner,
    GaiaStart,
    PercentileRule,
    Scaling,
    WaitAwhile,
    cheapest_costs,
)

HOUR = 720  # steps of 5 s


@pytest.fixture(scope="module")
def california(shared):
    return pl.read_csv(shared / "data" / "grid" / "US-CAL-CISO_2023_carbon.csv.gz")["ci_lca_g_kwh"].to_numpy()


@pytest.fixture(scope="module")
def queue(shared):
    """Arrival and length in steps, cores, waiting limit and expected length of each recorded job."""
    table = pl.read_csv(shared / "data" / "jobs" / "gaia_pai_1k.csv")
    arrival = (table["arrival_time"].to_numpy() // 5).astype(int)
    length = (table["length"].to_numpy() // 5).astype(int)
    short = length < 2 * HOUR
    expected = np.where(short, int(length[short].mean()), int(length[~short].mean()))
    return arrival, length, table["cpus"].to_numpy(), np.where(short, 6 * HOUR, 24 * HOUR), expected


def carbon(summed, starts, length, cores):
    return float(((summed[starts + length] - summed[starts]) * cores).sum())


@pytest.mark.parametrize("begin", [0, 3500])
def test_gaia_reproduces_the_recorded_runs(california, queue, shared, begin):
    arrival, length, cores, most, expected = queue
    first = begin + 24  # the runs begin on 2 January
    steps = np.repeat(california[first : first + 720 + 48], HOUR) / 1000.0 / HOUR
    summed = np.concatenate(([0.0], np.cumsum(steps)))
    table = pl.read_csv(shared / "reference" / "dag" / "gaia_reference.csv")
    recorded = {
        (row["policy"], row["carbon_policy"], row["w"]): row["carbon"]
        for row in table.filter(pl.col("start") == begin).iter_rows(named=True)
    }
    assert carbon(summed, arrival, length, cores) == pytest.approx(recorded["carbon", "oracle", "0x0"], rel=1e-9)
    for name, rule, spacing, known in (
        ("lowest", "lowest-slot", 1, expected),
        ("waiting", "lowest-window", HOUR, expected),
        ("cst_average", "carbon-time", HOUR, expected),
        ("oracle", "lowest-window", HOUR, length),
    ):
        starts = np.empty(arrival.size, dtype=int)
        for limit in (6 * HOUR, 24 * HOUR):
            mine = most == limit
            choose = GaiaStart(rule=rule, most_waiting=limit, spacing=spacing)
            starts[mine] = choose.starts(steps, arrivals=arrival[mine], expected=known[mine])
        assert carbon(summed, starts, length, cores) == pytest.approx(recorded["carbon", name, "6x24"], rel=1e-9), name


def test_wait_awhile_and_percentile_reproduce_the_recorded_run(california, queue, shared):
    arrival, length, cores, most, _ = queue
    steps = np.repeat(california[24 : 24 + 900], HOUR) / 1000.0 / HOUR
    paused = below = 0.0
    for begin, units, core, limit in zip(arrival, length, cores, most):
        window = steps[begin : begin + units + limit]
        paused += core * float(np.sort(window)[:units].sum())
        rule = PercentileRule(work=int(units), most_waiting=int(limit))
        runs = rule.run(window, forecast=steps[begin : begin + 24 * HOUR])
        below += core * float(window[runs].sum())
    assert paused == pytest.approx(863.543631486111, rel=1e-9)
    assert below == pytest.approx(891.857465, rel=1e-9)


def test_wait_awhile_costs_of_a_nightly_job(california):
    """One hour at 01:00 moved by up to two hours, days 1 to 363: 23.12 % on California's grid of 2023."""
    nights = np.arange(1, 364) * 24 + 1
    moved = WaitAwhile(work=1).costs(california, starts=nights - 2, slots=5)
    assert 100.0 * (1.0 - moved.sum() / california[nights].sum()) == pytest.approx(23.120, abs=5e-4)


def test_an_evening_job_in_one_window_or_in_parts(california):
    """Eight hours from 18:00 with 12 h of slack: 0.0139 % and 0.2320 %."""
    begin = np.arange(362) * 24 + 18
    base = sum(float(california[hour : hour + 8].sum()) for hour in begin)
    for interruptible, saving in ((False, 0.0139), (True, 0.2320)):
        costs = WaitAwhile(work=8, interruptible=interruptible).costs(california, starts=begin, slots=20)
        assert 100.0 * (1.0 - costs.sum() / base) == pytest.approx(saving, abs=6e-5)


def test_sliding_windows_equal_sorting_each():
    draw = np.random.default_rng(2)
    trace = draw.integers(0, 6, 60).astype(float)  # many equal values
    starts = np.concatenate((np.arange(30), [3, 4, 5, 49, 0]))
    found = cheapest_costs(trace, starts=starts, slots=11, works=[1, 5, 11])
    want = [[np.sort(trace[first : first + 11])[:work].sum() for work in (1, 5, 11)] for first in starts]
    np.testing.assert_allclose(found, want)


def test_plans_are_followed_step_by_step():
    rule = WaitAwhile(work=2)
    state, runs = rule.init([5.0, 1.0, 9.0, 1.0]), []
    for _ in range(4):
        state, now = rule.step(3.0, state)
        runs.append(now)
    assert runs == [False, True, False, True]
    with pytest.raises(PolicyError, match="deadline after 4 slots"):
        rule.step(3.0, state)
    choose = GaiaStart(rule="lowest-window", most_waiting=2)
    start, seen = choose.init([9.0, 9.0, 1.0, 1.0], arrival=0, expected=1), []
    for _ in range(3):
        start, now = choose.step(start)
        seen.append(now)
    assert seen == [False, False, True]


def test_percentile_steps_as_it_runs_and_a_flat_signal_waits():
    draw = np.random.default_rng(4)
    rule = PercentileRule(work=5, most_waiting=6)
    prices, forecast = draw.uniform(size=11), draw.uniform(size=24)
    state, chosen = rule.init(forecast), []
    for price in prices:
        state, runs = rule.step(price, state)
        chosen.append(runs)
    np.testing.assert_array_equal(chosen, rule.run(prices, forecast=forecast))
    flat = rule.run(np.ones(11), forecast=np.ones(24))
    assert flat.tolist() == [False] * 6 + [True] * 5


@pytest.fixture(scope="module")
def profile(shared):
    table = pl.read_csv(shared / "data" / "jobs" / "carbonscaler_nbody10k.csv")
    return table["throughput"].to_numpy(), table["power"].to_numpy() / 1000.0


@pytest.mark.parametrize(
    ("start", "hours", "slots", "whole", "partial", "exact"),
    [
        (0, 24, 24, 179.851735, 179.745252, 179.851735),
        (0, 24, 36, 179.312634, 179.206268, 179.312634),
        (0, 24, 48, 160.636958, 160.540490, 160.636958),
        (0, 8, 16, 75.943106, 75.943106, 75.943106),
        (120, 24, 24, 213.328195, 211.312598, 212.244630),
        (120, 24, 36, 205.808051, 202.162282, 202.655176),
        (240, 24, 24, 279.162627, 273.802516, 274.418608),
        (480, 24, 36, 166.185930, 162.257055, 162.644157),
    ],
)
def test_scaling_matches_the_table(shared, profile, start, hours, slots, whole, partial, exact):
    trace = pl.read_csv(shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz")["carbon_intensity"].to_numpy()
    done, power = profile[0][:5], profile[1][:5]
    job = Scaling(throughput=done, power=power, work=hours * done[1])
    prices = trace[start : start + slots]
    assert job.greedy(prices, partial_credit=False).cost == pytest.approx(whole, abs=6e-7)
    assert job.greedy(prices).cost == pytest.approx(partial, abs=6e-7)
    assert job.exact(prices).cost == pytest.approx(partial, abs=6e-7)
    assert job.exact(prices, whole_slots=True).cost == pytest.approx(exact, rel=1e-4)


def test_scaling_reproduces_recorded_schedules(shared):
    recorded = json.loads((shared / "reference" / "dag" / "carbonscaler_reference.json").read_text())
    prices = np.array(recorded["ci_first_48"])
    tables = {
        name: pl.read_csv(shared / "data" / "jobs" / f"carbonscaler_{name}.csv") for name in ("nbody10k", "nbody100k")
    }
    for row in recorded["cases"]:
        table, most = tables[row["profile"]], row["max_nodes"] + 1
        done = table["throughput"].to_numpy()[:most]
        power = table["power"].to_numpy()[:most] / 1000.0
        job = Scaling(throughput=done, power=power, work=row["length_h"] * done[1])
        found = job.greedy(prices[: row["T"]], partial_credit=False)
        assert found.workers.tolist() == row["schedule"]
        assert found.cost == pytest.approx(row["emissions_g"], abs=6e-4)


def test_a_profile_that_is_not_monotone_leaves_greedy_behind(shared, profile):
    trace = pl.read_csv(shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz")["carbon_intensity"].to_numpy()
    job = Scaling(throughput=profile[0], power=profile[1], work=24 * profile[0][1])
    gaps = [
        job.greedy(trace[at : at + 12]).cost / job.exact(trace[at : at + 12]).cost - 1.0 for at in range(0, 960, 48)
    ]
    assert min(gaps) >= -1e-9
    assert 1e-6 < max(gaps) <= 1e-3


@pytest.mark.parametrize(
    ("weight", "carbon_kg", "peak_mw"),
    [(0.0, 535.8499998389, 110.0), (1.0, 542.7350817168, 99.8445208126), (10.0, 576.0, 80.0)],
)
def test_capacity_curve(weight, carbon_kg, peak_mw):
    hour = np.arange(24)
    forecast = 300.0 + 100.0 * np.cos(2.0 * np.pi * (hour - 20) / 24.0)
    fixed = 60.0 + 10.0 * np.sin(2.0 * np.pi * (hour - 6) / 24.0)
    # Powers in kW and intensity in kg per kWh in the source: here MW and kg per MWh, carbon a thousandth.
    planner = CapacityPlanner(inflexible_mw=fixed, flexible_mwh=480.0, limit_mw=110.0)
    found = planner.plan(forecast / 1000.0, peak_price_per_mw=weight)
    assert found.peak_mw == pytest.approx(peak_mw, abs=1e-6)
    assert found.carbon_kg == pytest.approx(carbon_kg, abs=1e-6)
    assert found.power_mw.sum() == pytest.approx(480.0 + fixed.sum())


def test_bad_input_is_named():
    with pytest.raises(PolicyError, match="rule is 'best'"):
        GaiaStart(rule="best", most_waiting=1)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="most_waiting is -1"):
        GaiaStart(rule="carbon-time", most_waiting=-1)
    with pytest.raises(PolicyError, match="the trace has 4"):
        GaiaStart(rule="lowest-window", most_waiting=3).start([1.0] * 4, arrival=0, expected=2)
    with pytest.raises(PolicyError, match="expected lengths from 0"):
        GaiaStart(rule="carbon-time", most_waiting=0).start([1.0] * 4, arrival=0, expected=0)
    with pytest.raises(PolicyError, match="percentile is 120"):
        PercentileRule(work=1, most_waiting=1, percentile=120.0)
    with pytest.raises(PolicyError, match="do not fit"):
        PercentileRule(work=3, most_waiting=9).run([1.0, 1.0, 1.0], forecast=[0.0])
    with pytest.raises(PolicyError, match="work is 0"):
        WaitAwhile(work=0)
    with pytest.raises(PolicyError, match="do not fit into windows of 2"):
        WaitAwhile(work=3).costs([1.0] * 5, starts=[0], slots=2)
    with pytest.raises(PolicyError, match="0 first"):
        Scaling(throughput=np.array([1.0, 2.0]), power=np.array([0.0, 1.0]), work=1.0)
    with pytest.raises(PolicyError, match="work is 0"):
        Scaling(throughput=np.array([0.0, 2.0]), power=np.array([0.0, 1.0]), work=0.0)
    job = Scaling(throughput=np.array([0.0, 2.0]), power=np.array([0.0, 1.0]), work=5.0)
    with pytest.raises(PolicyError, match=r"needs 2\.5 slots and only 2"):
        job.greedy([1.0, 1.0])
    planner = CapacityPlanner(inflexible_mw=np.full(2, 4.0), flexible_mwh=4.0, limit_mw=5.0)
    with pytest.raises(InfeasibleError, match="limit_mw = 5"):
        planner.plan([1.0, 2.0], peak_price_per_mw=0.0)
    with pytest.raises(PolicyError, match="shape"):
        planner.plan([1.0], peak_price_per_mw=0.0)
    with pytest.raises(PolicyError, match="not finite"):
        planner.plan([1.0, math.nan], peak_price_per_mw=0.0)
