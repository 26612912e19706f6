"""Packing of workloads on sliced accelerators, against hand-worked cases and exhaustive search."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult

from joulewright.errors import InfeasibleError, ScenarioError, SolverError
from joulewright.physics.inference.mig import maximal_mixes, slice_layouts
from joulewright.plan.slice_packing import Packing, SliceOption, SliceWorkload, fewest_devices, pack_slices

H100, A30 = slice_layouts()["h100"], slice_layouts()["a30"]


def work(name: str, rate: float, **options: tuple[float, float]) -> SliceWorkload:
    chosen = {key.replace("_", ".")[1:]: SliceOption(rate_token_s=q, cost=c) for key, (q, c) in options.items()}
    return SliceWorkload(name=name, rate_token_s=rate, options=chosen)


def is_legal(packing: Packing, workloads: list[SliceWorkload], layout: object = H100) -> None:
    served: Counter[str] = Counter()
    for device in packing.devices:
        assert H100.problems(device.slices) == [] if layout is H100 else A30.problems(device.slices) == []
        for item, owner in zip(device.slices, device.workloads, strict=True):
            options = next(work.options for work in workloads if work.name == owner)
            served[owner] += options[item.profile].rate_token_s  # type: ignore[assignment]
    assert all(served[work.name] >= work.rate_token_s - 1e-6 for work in workloads)


def test_two_kinds_share_accelerators() -> None:
    # Three halves and four tenths: 3g + 3g on one; 3g + 4 x 1g on another (3 + 4 = 7 compute slices).
    items = [work("large", 300.0, p3g_40gb=(100.0, 0.0)), work("small", 40.0, p1g_10gb=(10.0, 0.0))]
    packing = pack_slices(H100, items)
    is_legal(packing, items)
    assert packing.cost == 2.0
    assert Counter(owner for device in packing.devices for owner in device.workloads) == {"large": 3, "small": 4}


def test_the_cheaper_profile_is_taken() -> None:
    # Ten of 1g at 1 W each for 10 token/s beat two of 3g at 8 W each, while accelerators are free.
    items = [work("w", 100.0, p1g_10gb=(10.0, 1.0), p3g_40gb=(50.0, 8.0))]
    assert pack_slices(H100, items, device_cost=0.0).cost == 10.0
    # An accelerator at 100 W turns it round: one with two halves costs 116, two with ten tenths cost 210.
    assert pack_slices(H100, items, device_cost=100.0).cost == 116.0


def test_too_few_accelerators_say_how_many_are_needed() -> None:
    items = [work("large", 500.0, p3g_40gb=(100.0, 0.0))]
    with pytest.raises(InfeasibleError, match="2 accelerators are too few for large; at least 3 are needed"):
        pack_slices(H100, items, devices=2)
    assert len(pack_slices(H100, items, devices=3).devices) == 3


def test_the_number_that_is_needed_does_not_depend_on_what_slices_cost() -> None:
    """A half serves 100 token/s at a cost of 1000, a tenth 10 at none: 200 are on one accelerator, at whatever cost."""
    items = [work("w", 200.0, p3g_40gb=(100.0, 1000.0), p1g_10gb=(10.0, 0.0))]
    assert fewest_devices(H100, items) == 1
    assert len(pack_slices(H100, items).devices) == 3
    with pytest.raises(InfeasibleError, match="0 accelerators are too few for w; at least 1 are needed"):
        pack_slices(H100, items, devices=0)
    assert len(pack_slices(H100, items, devices=1).devices) == 1


def test_rates_of_any_size_are_served() -> None:
    for scale in (1e-9, 1e9):
        items = [work("w", 250.0 * scale, p3g_40gb=(100.0 * scale, 0.0))]
        assert len(pack_slices(H100, items).devices) == 2
    assert fewest_devices(H100, []) == 0
    mixed = [work("w", 1e5, p3g_40gb=(1.0, 0.0))]
    assert fewest_devices(H100, mixed) == 50_000


def test_a_solver_that_stops_is_an_error_not_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> OptimizeResult:
        return OptimizeResult(x=None, status=4, message="numerical trouble")

    monkeypatch.setattr("scipy.optimize.milp", stopped)
    with pytest.raises(SolverError, match="slices cannot be chosen: numerical trouble"):
        pack_slices(H100, [work("w", 1.0, p3g_40gb=(1.0, 0.0))], devices=1)


def test_no_work_needs_no_accelerator() -> None:
    assert pack_slices(H100, []).devices == ()
    assert pack_slices(H100, [work("idle", 0.0, p1g_10gb=(10.0, 1.0))]).devices == ()


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (work("w", -1.0, p1g_10gb=(10.0, 0.0)), "rate_token_s of 'w' is -1.0"),
        (work("w", float("nan"), p1g_10gb=(10.0, 0.0)), "rate_token_s of 'w' is nan"),
        (work("w", float("inf"), p1g_10gb=(10.0, 0.0)), "rate_token_s of 'w' is inf"),
        (work("w", 1.0, p1g_10gb=(float("inf"), 0.0)), "has inf token/s"),
        (work("w", 1.0, p1g_10gb=(1.0, float("inf"))), "at cost inf"),
        (work("w", 1.0, p1g_10gb=(float("nan"), 0.0)), "has nan token/s"),
        (work("w", 1e9, p1g_10gb=(1.0, 0.0)), "needs more than 1e"),
        (work("w", 1.0), "'w' fits no slice of 'h100'"),
        (work("w", 1.0, p1g_10gb=(0.0, 0.0)), "the rate must be positive"),
        (work("w", 1.0, p1g_10gb=(1.0, -2.0)), "cost -2.0"),
        (work("w", 1.0, p9g_90gb=(1.0, 0.0)), "'9g.90gb' is no slice"),
    ],
)
def test_bad_workloads_are_named(workload: SliceWorkload, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        pack_slices(H100, [workload])


def test_bad_costs_and_numbers_of_accelerators() -> None:
    for cost in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ScenarioError, match="device_cost is"):
            pack_slices(H100, [], device_cost=cost)
    with pytest.raises(ScenarioError, match="devices is -1"):
        pack_slices(H100, [], devices=-1)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(2, 5)), min_size=1, max_size=2),
    st.integers(0, 9),
)
def test_packing_matches_exhaustive_search(numbers: list[tuple[int, int, int]], device_cost: int) -> None:
    items = [
        work(f"w{position}", float(rate), p1g_6gb=(1.0, 1.0), p2g_12gb=(float(fast), float(cost)))
        for position, (rate, fast, cost) in enumerate(numbers)
    ]
    packing = pack_slices(A30, items, device_cost=float(device_cost))
    is_legal(packing, items, A30)
    assert packing.cost == pytest.approx(_exhaustive(items, device_cost))


def _exhaustive(items: list[SliceWorkload], device_cost: int) -> float:
    """Least cost over all numbers of slices up to what each workload could need, and all sets of accelerators."""
    mixes = [Counter(mix) for mix in maximal_mixes(A30)]
    best = float("inf")
    for counts in product(*(range(5) for _ in items for _ in range(2))):
        pairs = list(zip(counts[::2], counts[1::2], strict=True))
        if any(
            small * item.options["1g.6gb"].rate_token_s + large * item.options["2g.12gb"].rate_token_s
            < item.rate_token_s
            for item, (small, large) in zip(items, pairs, strict=True)
        ):
            continue
        need = Counter({"1g.6gb": sum(p[0] for p in pairs), "2g.12gb": sum(p[1] for p in pairs)})
        slices = sum(
            small * item.options["1g.6gb"].cost + large * item.options["2g.12gb"].cost
            for item, (small, large) in zip(items, pairs, strict=True)
        )
        for size in range(5):
            chosen = combinations_with_replacement(mixes, size)
            if any(need <= sum(one, Counter()) for one in chosen):
                best = min(best, slices + device_cost * size)
                break
    return best
