"""Division of a power budget: the central optimum against a general solver, and the exchange against the centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.physics.power_cap import CapCurve
from joulewright.policy.power import PowerNode, PowerTree, PowerUse, divide_budget, exchange_tokens


def use(
    draw_w: float = 400.0, *, floor_w: float = 0.0, exponent: float = 0.5, least_w: float = 50.0, **more: float
) -> PowerUse:
    curve = CapCurve(floor_w=floor_w, draw_w=draw_w, knee_w=draw_w, exponent=exponent)
    return PowerUse(curve=curve, least_w=least_w, **more)


def tree(limit_w: float, *racks: tuple[float, tuple[PowerUse, ...]]) -> PowerTree:
    parts = tuple(PowerNode(name=f"rack{at}", limit_w=limit, parts=uses) for at, (limit, uses) in enumerate(racks))
    return PowerTree(PowerNode(name="site", limit_w=limit_w, parts=parts))


USES = st.builds(
    lambda draw, floor, exponent, weight: use(
        draw, floor_w=floor, exponent=exponent, least_w=max(50.0, 1.1 * floor), weight=weight
    ),
    st.floats(200.0, 700.0),
    st.floats(0.0, 100.0),
    st.floats(0.2, 0.9),
    st.floats(0.5, 3.0),
)
RACKS = st.lists(
    st.tuples(st.floats(400.0, 2000.0), st.lists(USES, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=3
)


def test_equal_accelerators_share_alike() -> None:
    caps = divide_budget(tree(900.0, (2000.0, (use(), use(), use()))))
    assert caps.tolist() == pytest.approx([300.0] * 3)


def test_weights_move_power() -> None:
    # sqrt(x) weighted 1 and 2: slopes 1 / (2 sqrt x) and 1 / sqrt y are equal at y = 4 x.
    caps = divide_budget(tree(250.0, (2000.0, (use(), use(weight=2.0)))))
    assert caps.tolist() == pytest.approx([50.0, 200.0])


def test_a_budget_for_all_gives_all_what_they_draw() -> None:
    plenty = tree(5000.0, (4000.0, (use(), use(600.0))))
    for aim in ("throughput", "fair"):
        assert divide_budget(plenty, aim=aim).tolist() == [400.0, 600.0]  # type: ignore[arg-type]
    assert exchange_tokens(plenty, rounds=1).cap_w.tolist() == [400.0, 600.0]


def test_a_linear_curve_fills_one_after_the_other() -> None:
    straight = use(400.0, exponent=1.0)
    caps = divide_budget(tree(500.0, (2000.0, (straight, use(400.0, exponent=1.0, weight=2.0)))))
    assert caps.tolist() == pytest.approx([100.0, 400.0])


@settings(deadline=None, max_examples=40)
@given(RACKS, st.floats(0.4, 1.0))
def test_the_centre_matches_a_general_solver(racks: list[tuple[float, tuple[PowerUse, ...]]], share: float) -> None:
    total = sum(one.curve.draw_w for _, uses in racks for one in uses)
    facts = tree(share * total, *racks)
    least = np.array([one.least_w for one in facts.uses])
    assume(not facts.overloads(least * 1.01))
    caps = divide_budget(facts)
    assert facts.overloads(caps) == ()
    assert (caps >= least - 1e-9).all()
    found = minimize(
        lambda x: -facts.throughput(x),
        least * 1.005,
        bounds=[(one.least_w, one.curve.draw_w) for one in facts.uses],
        constraints=[
            {"type": "ineq", "fun": lambda x, n=node, p=part: n.limit_w - x[p].sum()} for node, part in facts.nodes
        ],
        method="SLSQP",
    )
    assert facts.throughput(caps) >= -found.fun * (1.0 - 1e-4)


@settings(deadline=None, max_examples=40)
@given(RACKS, st.floats(0.4, 1.0))
def test_fair_shares_are_equal_below_one_limit(racks: list[tuple[float, tuple[PowerUse, ...]]], share: float) -> None:
    total = sum(one.curve.draw_w for _, uses in racks for one in uses)
    facts = tree(share * total, *((1e9, uses) for _, uses in racks))
    least = np.array([one.least_w for one in facts.uses])
    assume(not facts.overloads(least * 1.01))
    caps = divide_budget(facts, aim="fair")
    shares = (caps - least) / (np.array([one.curve.knee_w for one in facts.uses]) - least)
    assert np.ptp(shares) <= 1e-6
    assert float(caps.sum()) == pytest.approx(min(share * total, total), rel=1e-6)
    assert facts.throughput(divide_budget(facts)) >= facts.throughput(caps) * (1.0 - 1e-9)


def test_the_search_of_a_rack_looks_at_that_rack_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from joulewright.policy.power import allocation

    seen: list[int] = []

    def counting(uses: Sequence[PowerUse]) -> Any:
        caps = exact(uses)

        def counted(price: Any, part: slice) -> Any:
            seen.append(price.size)
            return caps(price, part)

        return counted

    exact = allocation._throughput_caps
    monkeypatch.setattr(allocation, "_throughput_caps", counting)
    racks = [(600.0, (use(), use(600.0), use(500.0)))] * 40
    caps = divide_budget(tree(23_000.0, *racks))
    assert caps.sum() == pytest.approx(23_000.0)
    # Two levels, each of at most 300 trials of its part; all accelerators at every trial would be 40 times that.
    assert sum(seen) <= 2 * 300 * caps.size


def test_exchange_settles_at_the_fair_division() -> None:
    generator = np.random.default_rng(1)
    uses = tuple(use(float(draw), least_w=100.0) for draw in generator.uniform(300.0, 700.0, 64))
    facts = tree(22_000.0, (1e9, uses))
    near, far = (exchange_tokens(facts, rounds=4000, links=links, seed=2) for links in (2, 4))
    fair = divide_budget(facts, aim="fair")
    assert np.abs(far.cap_w - fair).max() <= 1.0
    assert far.settling_rounds is not None
    assert near.settling_rounds is None or near.settling_rounds > far.settling_rounds
    # No round breaks the budget, and tokens are neither made nor lost.
    assert far.history_w.sum(axis=1) == pytest.approx(np.full(4001, 22_000.0))


def test_exchange_keeps_the_limits_of_racks() -> None:
    eager, modest = use(700.0, least_w=100.0), use(150.0, least_w=100.0)
    facts = tree(2400.0, (900.0, (eager, eager, modest)), (2000.0, (eager, modest, modest)))
    found = exchange_tokens(facts, rounds=500, seed=3)
    for caps in found.history_w:
        assert facts.overloads(caps) == ()
    assert found.cap_w.sum() == pytest.approx(found.history_w[0].sum())


def test_small_moves_settle_later() -> None:
    uses = tuple(use(draw, least_w=100.0) for draw in (200.0, 700.0, 200.0, 700.0))
    facts = tree(1300.0, (1e9, uses))
    fast, slow = (exchange_tokens(facts, rounds=400, most_w=most, seed=4) for most in (float("inf"), 2.0))
    assert slow.settling_rounds is not None
    assert fast.settling_rounds is not None
    assert slow.settling_rounds > fast.settling_rounds
    assert np.abs(np.diff(slow.history_w, axis=0)).max() <= 2.0 + 1e-9


def test_equal_seeds_give_equal_exchanges() -> None:
    facts = tree(900.0, (1e9, (use(), use(600.0), use(300.0))))
    one, other = (exchange_tokens(facts, rounds=50, seed=9).history_w for _ in range(2))
    assert (one == other).all()


def test_smallest_caps_that_do_not_fit_name_the_node() -> None:
    facts = tree(1000.0, (90.0, (use(), use())))
    for divide in (divide_budget, exchange_tokens):
        with pytest.raises(InfeasibleError, match=r"rack0 carries 100 W; its limit is 90 W"):
            divide(facts)  # type: ignore[operator]


def test_bad_values_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"least_w is 500.0 W; allowed is above 0 W up to the draw of 400 W"):
        use(least_w=500.0)
    with pytest.raises(ScenarioError, match=r"weight is 0.0; it must be positive"):
        use(weight=0.0)
    with pytest.raises(ScenarioError, match=r"limit_w of 'rack0' is 0.0 W"):
        tree(100.0, (0.0, (use(),)))
    with pytest.raises(ScenarioError, match="'site' feeds no accelerator"):
        PowerTree(PowerNode(name="site", limit_w=1.0, parts=()))
    with pytest.raises(ScenarioError, match="aim is 'most'"):
        divide_budget(tree(900.0, (1e9, (use(),))), aim="most")  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="rounds is 0, links 3"):
        exchange_tokens(tree(900.0, (1e9, (use(),))), rounds=0, links=3)
