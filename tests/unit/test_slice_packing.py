"""Packing of workloads on sliced accelerators, against hand-worked cases and exhaustive search."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.physics.inference.mig import maximal_mixes, slice_layouts
from joulewright.plan.slice_packing import Packing, SliceOption, SliceWorkload, pack_slices

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


def test_no_work_needs_no_accelerator() -> None:
    assert pack_slices(H100, []).devices == ()
    assert pack_slices(H100, [work("idle", 0.0, p1g_10gb=(10.0, 1.0))]).devices == ()


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (work("w", -1.0, p1g_10gb=(10.0, 0.0)), "rate_token_s of 'w' is -1.0"),
        (work("w", float("nan"), p1g_10gb=(10.0, 0.0)), "rate_token_s of 'w' is nan"),
        (work("w", 1.0), "'w' fits no slice of 'h100'"),
        (work("w", 1.0, p1g_10gb=(0.0, 0.0)), "the rate must be positive"),
        (work("w", 1.0, p1g_10gb=(1.0, -2.0)), "cost -2.0"),
        (work("w", 1.0, p9g_90gb=(1.0, 0.0)), "'9g.90gb' is no slice"),
    ],
)
def test_bad_workloads_are_named(workload: SliceWorkload, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        pack_slices(H100, [workload])


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
