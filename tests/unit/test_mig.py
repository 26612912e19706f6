"""Slices of accelerators: legal placements against published counts, shares of speed and power."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import catalogue, find_accelerator
from joulewright.physics.inference.mig import (
    PlacedSlice,
    legal_placements,
    maximal_mixes,
    place_slices,
    slice_accelerator,
    slice_layout,
    slice_layouts,
    split_power,
)

A100, H100, A30 = (slice_layouts()[name] for name in ("a100", "h100", "a30"))
NARROW = ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")


@pytest.mark.parametrize(
    ("profiles", "sets", "maximal", "mixes", "maximal_set_mixes"), [(NARROW, 298, 19, 38, 14), (None, 723, 78, 78, 38)]
)
def test_counts_of_placements_match_the_vendor(
    profiles: tuple[str, ...] | None, sets: int, maximal: int, mixes: int, maximal_set_mixes: int
) -> None:
    """Without 1g.20gb the 19 maximal sets are the 19 configurations that NVIDIA lists."""
    found = legal_placements(A100, profiles)
    largest = [one for one in found if not any(set(one) < set(other) for other in found)]

    def kinds(placements: list[tuple[PlacedSlice, ...]]) -> int:
        return len({tuple(sorted(item.profile for item in placed)) for placed in placements})

    assert (len(found), len(largest)) == (sets, maximal)
    assert (kinds(list(found)), kinds(largest)) == (mixes, maximal_set_mixes)
    assert found[0] == ()


@pytest.mark.parametrize(
    "wanted",
    [
        {"3g.40gb": 2},
        {"4g.40gb": 1, "3g.40gb": 1},
        {"4g.40gb": 1, "2g.20gb": 1, "1g.10gb": 1},
        {"2g.20gb": 3, "1g.10gb": 1},
        {"1g.10gb": 7},
        {"2g.20gb": 3, "1g.20gb": 1},
        {"1g.20gb": 4},
        {"3g.40gb": 1, "2g.20gb": 2},
        {"3g.40gb": 1, "1g.10gb": 4},
        {"1g.20gb": 3, "1g.10gb": 2},
    ],
)
def test_mixes_that_fit_are_placed(wanted: dict[str, int]) -> None:
    names = list(Counter(wanted).elements())
    placed = place_slices(H100, names)
    assert Counter(item.profile for item in placed) == wanted
    assert H100.problems(placed) == []


@pytest.mark.parametrize(
    "wanted", [["3g.40gb", "3g.40gb", "1g.10gb"], ["4g.40gb", "4g.40gb"], ["1g.20gb"] * 4 + ["1g.10gb"]]
)
def test_mixes_that_do_not_fit_are_refused(wanted: list[str]) -> None:
    with pytest.raises(ScenarioError, match=r"do not fit side by side|compute slices"):
        place_slices(A100, wanted)


def test_problems_of_a_placement_are_named() -> None:
    placed = [
        PlacedSlice(0, "3g.40gb"),
        PlacedSlice(2, "2g.20gb"),
        PlacedSlice(1, "3g.40gb"),
        PlacedSlice(4, "4g.40gb"),
    ]
    assert A100.problems(placed) == [
        "2g.20gb at 2 overlaps 3g.40gb at 0 in slice 2",
        "3g.40gb cannot begin at slice 1; allowed are [0, 4]",
        "4g.40gb cannot begin at slice 4; allowed are [0]",
        "the slices take 12 compute slices; there are 7",
    ]


def test_placing_agrees_with_the_list_of_legal_placements() -> None:
    mixes = {tuple(sorted(item.profile for item in placed)) for placed in legal_placements(A100)}
    for size in range(4):
        for wanted in combinations_with_replacement(sorted(A100.profiles), size):
            if wanted in mixes:
                assert A100.problems(place_slices(A100, wanted)) == []
            else:
                with pytest.raises(ScenarioError):
                    place_slices(A100, wanted)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(slice_layouts())), st.data())
def test_every_legal_placement_is_within_a_maximal_mix(name: str, data: st.DataObject) -> None:
    layout = slice_layouts()[name]
    placed = data.draw(st.sampled_from(legal_placements(layout)))
    assert layout.problems(placed) == []
    mix = Counter(item.profile for item in placed)
    assert any(mix <= Counter(most) for most in maximal_mixes(layout))


def test_counts_of_one_profile_match_the_table() -> None:
    for layout in slice_layouts().values():
        for profile in layout.profiles.values():
            most = max(mix.get(profile.name, 0) for mix in maximal_mixes(layout))
            assert most == profile.most


def test_a_slice_has_its_shares() -> None:
    slice_ = slice_accelerator(find_accelerator("H100-SXM"), "1g.10gb")
    assert slice_.memory_gb == pytest.approx(10.0)
    assert slice_.memory_bandwidth_tb_s == pytest.approx(3.35 / 8)
    assert slice_.bf16_tflop_s == pytest.approx(989 * 16 / 132)
    assert slice_.idle_power_w == pytest.approx(70 / 8)
    assert slice_.board_power_w == pytest.approx(700 * 16 / 132)
    assert slice_.embodied_mid_kg == pytest.approx(307 / 8)
    assert "slice-power-modelled" in slice_.flags
    assert slice_accelerator(find_accelerator("A30"), "2g.12gb").memory_gb == 12.0


def test_what_cannot_be_sliced_says_so() -> None:
    with pytest.raises(ScenarioError, match="L40S cannot be cut into slices"):
        slice_accelerator(find_accelerator("L40S"), "1g.10gb")
    with pytest.raises(ScenarioError, match=r"'5g.50gb' is no slice of the layout 'h100'; it has 1g.10gb"):
        slice_accelerator(find_accelerator("H100-SXM"), "5g.50gb")
    half = slice_accelerator(find_accelerator("H100-SXM"), "3g.40gb")
    with pytest.raises(ScenarioError, match="cannot be cut"):
        slice_layout(half)


def test_layouts_of_the_catalogue_exist() -> None:
    assert {row.mig_layout for row in catalogue().values()} - {None} <= set(slice_layouts())


@settings(deadline=None, max_examples=50)
@given(st.floats(0.0, 800.0), st.lists(st.floats(0.01, 1.0), min_size=7, max_size=7))
def test_shares_of_power_sum_to_the_reading(device_w: float, activity: list[float]) -> None:
    # Seven of the eight memory slices are used; the eighth keeps its idle power.
    parts = [H100.profiles["1g.10gb"]] * 7
    shares = split_power(device_w, 70.0, parts, activity)
    assert (shares >= 0.0).all()
    assert shares.sum() + min(70.0, device_w) / 8 == pytest.approx(device_w)


def test_power_without_activity_is_questioned() -> None:
    part = [A30.profiles["4g.24gb"]]
    assert split_power(30.0, 30.0, part, [0.0]).tolist() == [30.0]
    with pytest.raises(ScenarioError, match="70 W above idle, but no slice is active"):
        split_power(100.0, 30.0, part, [0.0])
    with pytest.raises(ScenarioError, match=r"give one fraction of 0 to 1 for each of 1 slices"):
        split_power(100.0, 30.0, part, [1.2])
