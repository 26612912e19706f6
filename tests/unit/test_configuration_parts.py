"""Needs, spaces and the plan of replicas over a day, by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.models import find_language_model
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.configuration import ConfigurationSpace, Operation, QuantileObjectives, ServiceNeed, Verification
from joulewright.study.configuration.day import ReplicaCosts, plan_day, replica_costs

SMALL = find_language_model("Llama-3.1-8B")
EVEN = TokenLengths(mean_tokens=100.0)


def need(rate: object, **changes: object) -> ServiceNeed:
    given: dict[str, object] = {"model": SMALL, "rate_per_s": rate, "input_tokens": EVEN, "output_tokens": EVEN}
    return ServiceNeed(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ([1.0, -0.5], "rate_per_s of 'service' is -0.5 1/s"),
        ([1.0, float("nan")], "rate_per_s of 'service' is nan"),
        ([1.0, float("inf")], "is not finite in hour 1"),
        ([], "give one rate for each hour"),
        ([[1.0]], "give one rate for each hour"),
    ],
)
def test_rates_are_checked(rate: object, message: str) -> None:
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(")):
        need(rate)


def test_requests_longer_than_the_context_are_refused() -> None:
    long = TokenLengths(kind="lognormal", mean_tokens=1000.0)
    with pytest.raises(ScenarioError, match=r"can have 131172 tokens; the context of Llama-3.1-8B holds 131072"):
        need([1.0], input_tokens=long)
    assert need([1.0], input_tokens=TokenLengths(kind="lognormal", most_tokens=500)).longest_tokens == 600


@pytest.mark.parametrize(
    "wrong", [{"ttft_s": 0.0}, {"tpot_s": -1.0}, {"ttft_s": float("nan")}, {"quantile": 1.0}, {"quantile": 0.0}]
)
def test_objectives_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match=next(iter(wrong))):
        QuantileObjectives(**wrong)


def test_statistics_of_objectives() -> None:
    times = np.array([1.0, 2.0, 3.0, 10.0])
    assert QuantileObjectives(quantile=None).statistic(times) == 4.0
    assert QuantileObjectives(quantile=0.5).statistic(times) == 2.5
    assert QuantileObjectives().statistic(times[:0]) == 0.0
    limits = QuantileObjectives(ttft_s=1.0)
    assert limits.met(0.9, 99.0, margin_fraction=0.1)
    assert not limits.met(0.91, 0.0, margin_fraction=0.1)


def test_space_lists_all_problems() -> None:
    with pytest.raises(ScenarioError) as caught:
        ConfigurationSpace(accelerators=(), power_caps_fraction=(0.26, 1.1), clock_fractions=(0.0,), gpus_available=-1)
    text = str(caught.value)
    assert [part in text for part in ("accelerators is empty", "holds 0.26", "holds 1.1", "holds 0.0", "is -1")] == [
        True
    ] * 5


def test_space_combines_and_counts() -> None:
    space = ConfigurationSpace(accelerators=("H100", "L40S"), gpus_available={"H100": 4, "L40S": 0})
    labels = [candidate.label for candidate in space.candidates()]
    assert len(labels) == len(set(labels)) == 2 * 4 * 2
    assert labels[0] == "H100-SXM 64/2048"
    assert "L40S tp8 256/2048" in labels
    assert [space.available(device) for device in space.devices] == [4, 0]
    with pytest.raises(ScenarioError, match="does not say how many A100-SXM"):
        space.available(find_accelerator("A100"))


def test_a_cap_of_a_slice_is_a_share_of_the_slice() -> None:
    space = ConfigurationSpace(
        accelerators=("H100",), tensor_parallel=(1,), slices=("3g.40gb",), power_caps_fraction=(0.5,)
    )
    found = next(space.candidates()).deployment(SMALL)
    assert found.power_cap_w == pytest.approx(0.5 * 700.0 * 60 / 132)


@pytest.mark.parametrize(
    "wrong",
    [
        {"off": "away"},
        {"least_replicas": -1},
        {"load_s": 3600.0},
        {"load_s": float("nan")},
        {"load_bytes_s": 0.0},
        {"lifetime_h": 0.0},
        {"utilisation_fraction": 0.0},
        {"utilisation_fraction": 1.5},
    ],
)
def test_operation_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ScenarioError, match=next(iter(wrong))):
        Operation(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": 10},
        {"warm_up_fraction": 1.0},
        {"margin_fraction": -0.1},
        {"capacity_fraction": 0.0},
        {"most_replicas": 0},
        {"router": "random"},
    ],
)
def test_verification_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ScenarioError, match="random" if "router" in wrong else next(iter(wrong))):
        Verification(**wrong)  # type: ignore[arg-type]


def test_replica_costs_by_hand() -> None:
    # 141.2 GB at 2 GB/s and 30 s more are 100.6 s; an H100 waits at 90 + 125 W and loads at 90 + 190 W.
    found = deploy("Llama-3.1-70B", "H100", tensor_parallel=4)
    costs = replica_costs(found, coefficients(found), Operation(utilisation_fraction=0.5, lifetime_h=1000.0))
    assert costs.standby_w == 4 * (90.0 + 125.0)
    assert costs.off_w == 0.0
    assert costs.load_s == pytest.approx(100.6)
    assert costs.load_kwh == pytest.approx(4 * 280.0 * 100.6 / 3.6e6)
    assert costs.embodied_kg_per_h == pytest.approx((4 * 164 / 500, 4 * 307 / 500, 4 * 575 / 500))
    idle = replica_costs(found, coefficients(found), Operation(off="idle", accelerator_price_per_h={"H100-SXM": 2.0}))
    assert (idle.off_w, idle.price_per_h) == (4 * (70.0 + 125.0), 8.0)


def test_replica_costs_refuse_what_they_cannot_know() -> None:
    found = deploy("Llama-3.1-8B", "H100", slice="3g.40gb")
    with pytest.raises(ScenarioError, match="does not name H100-SXM; it names A100-SXM"):
        replica_costs(found, coefficients(found), Operation(accelerator_price_per_h={"A100-SXM": 1.0}))
    half = replica_costs(found, coefficients(found), Operation(accelerator_price_per_h={"H100-SXM": 3.0}))
    assert half.price_per_h == pytest.approx(1.5)
    with pytest.raises(ScenarioError, match="raise load_bytes_s"):
        replica_costs(found, coefficients(found), Operation(load_bytes_s=1e6))
    unknown = deploy("Llama-3.1-8B", "RTX-4090", precision="fp8")
    assert replica_costs(unknown, coefficients(unknown), Operation()).embodied_kg_per_h is None


def test_short_gaps_are_bridged_where_loading_costs_more() -> None:
    # An hour of waiting costs 0.2 kWh, one load 0.5 kWh: the gap of two hours is bridged, that of three is not.
    costs = ReplicaCosts(200.0, 0.0, 0.5, 60.0, None, 0.0)
    serving = np.array([2, 1, 1, 2, 1, 1, 1])
    plan = plan_day(serving, costs, least=0, kwh_weight=np.ones(7), hour_weight=0.0)
    assert plan.loaded.tolist() == [2, 2, 2, 2, 1, 1, 1]
    assert plan.loads.tolist() == [1, 0, 0, 0, 0, 0, 0]
    # Clean hours make waiting free, and loading dear where only the last hour of the gap is dirty.
    clean = plan_day(serving, costs, least=0, kwh_weight=np.array([1, 0, 0, 1, 0, 0, 1.0]), hour_weight=0.0)
    assert clean.loaded.tolist() == [2, 1, 1, 2, 2, 2, 2]
    # A price of an hour counts only when money is minimised.
    dear = plan_day(serving, costs._replace(price_per_h=9.0), least=0, kwh_weight=np.ones(7), hour_weight=1.0)
    assert dear.loads.sum() == 2


def test_least_replicas_stay_on() -> None:
    costs = ReplicaCosts(200.0, 0.0, 0.01, 60.0, None, 0.0)
    nothing = np.zeros(3, dtype=np.int64)
    assert plan_day(nothing, costs, least=0, kwh_weight=np.ones(3), hour_weight=0.0).loaded.tolist() == [0, 0, 0]
    assert plan_day(nothing, costs, least=2, kwh_weight=np.ones(3), hour_weight=0.0).loaded.tolist() == [2, 2, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=2, max_size=5),
    st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5),
    st.floats(0.0, 0.5),
    st.sampled_from([0.0, 120.0]),
)
def test_plan_of_a_day_is_the_cheapest(serving: list[int], weight: list[float], load_kwh: float, off_w: float) -> None:
    hours, most = len(serving), max(serving)
    wanted, kwh = np.array(serving), np.array(weight[:hours])
    costs = ReplicaCosts(200.0, off_w, load_kwh, 60.0, None, 0.0)

    def cost(loaded: np.ndarray) -> float:
        before = np.roll(loaded, 1)
        starts = np.roll(np.maximum(loaded - before, 0), -1)
        watt = (loaded - wanted) * 200.0 + (most - loaded) * off_w
        return float(kwh @ (watt / 1e3 + starts * load_kwh))

    plan = plan_day(wanted, costs, least=0, kwh_weight=kwh, hour_weight=0.0)
    every = (np.array(item) for item in product(range(most + 1), repeat=hours))
    assert cost(plan.loaded) == pytest.approx(min(cost(item) for item in every if (item >= wanted).all()), abs=1e-12)
    assert plan.loads.tolist() == np.maximum(plan.loaded - np.roll(plan.loaded, 1), 0).tolist()
