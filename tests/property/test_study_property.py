"""Laws of intervals, tests, sweeps, aggregates and containers."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from joulewright.errors import DataError
from joulewright.io.scenario_file.years import in_year
from joulewright.io.sealed import pack, unpack
from joulewright.model import Timeline
from joulewright.study.bands import bin_hours, binned
from joulewright.study.result import Inference, RunKey, RunOutcome
from joulewright.study.statistics import estimate, holm, p_value
from joulewright.study.sweep import split_values, variants_of

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: round(value, 3))
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=30)
CHANCES = st.lists(st.one_of(st.none(), st.floats(0.0, 1.0)), max_size=12)
INSTANTS = st.datetimes(datetime(1904, 1, 1), datetime(2096, 1, 1), timezones=st.just(UTC))


@given(SAMPLES, st.floats(0.5, 0.99))
def test_the_interval_is_that_of_scipy_and_holds_the_mean(values: list[float], confidence: float) -> None:
    found = estimate(values, Inference(confidence=confidence))
    assert found.low <= found.mean <= found.high
    spread = np.std(values, ddof=1) / math.sqrt(len(values))
    half = stats.t.ppf(0.5 + confidence / 2.0, len(values) - 1) * spread
    assert found.half_width == pytest.approx(half, rel=1e-6, abs=1e-6)


@given(SAMPLES, st.floats(0.1, 10.0), NUMBERS)
def test_units_and_offsets_carry_over(values: list[float], scale: float, offset: float) -> None:
    plain, changed = estimate(values), estimate([scale * value + offset for value in values])
    assert changed.mean == pytest.approx(scale * plain.mean + offset, rel=1e-9, abs=1e-6)
    assert changed.half_width == pytest.approx(scale * plain.half_width, rel=1e-6, abs=1e-5)


@given(st.lists(NUMBERS, min_size=5, max_size=20))
def test_a_bootstrap_interval_lies_within_the_samples(values: list[float]) -> None:
    found = estimate(values, Inference(interval="bootstrap"))
    tolerance = 1e-9 * max(1.0, max(map(abs, values)))
    assert min(values) - tolerance <= found.low <= found.high <= max(values) + tolerance


@given(SAMPLES)
def test_a_p_value_is_a_chance_and_has_no_sign(values: list[float]) -> None:
    found, note = p_value(values)
    mirrored, _ = p_value([-value for value in values])
    assert (found is None) == bool(note)
    if found is not None:
        assert 0.0 <= found <= 1.0
        assert mirrored == pytest.approx(found)


@given(CHANCES)
def test_holm_never_lowers_a_chance_and_keeps_their_order(chances: list[float | None]) -> None:
    found = holm(chances)
    known = sorted((one, other) for one, other in zip(chances, found, strict=True) if one is not None)
    assert [one is None for one in chances] == [other is None for other in found]
    assert all(one <= other <= 1.0 for one, other in known)
    assert [other for _, other in known] == sorted(other for _, other in known)
    if known:
        assert known[0][1] == min(1.0, len(known) * known[0][0])


WORDS = st.text(
    st.characters(blacklist_characters=",\"'[]{}()=", blacklist_categories=("C", "Z")), min_size=1, max_size=6
)


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_what_is_joined_by_commas_comes_apart(words: list[str]) -> None:
    assert split_values(",".join(words)) == words
    assert split_values(f"[{','.join(words)}]") == [f"[{','.join(words)}]"]


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4, unique=True), min_size=1, max_size=3))
def test_a_sweep_is_every_combination_once(axes: list[list[str]]) -> None:
    found = variants_of([f"key{i}={','.join(values)}" for i, values in enumerate(axes)])
    assert len(found) == math.prod(len(values) for values in axes)
    assert len({item.overrides for item in found}) == len(found)
    assert len({item.name for item in found}) == len(found)


@given(st.integers(1, 3000), st.sampled_from([60, 900, 3600, 7200, 86_400]), st.integers(0, 2**32))
def test_pieces_hold_what_the_steps_hold(steps: int, step_s: int, seed: int) -> None:
    line = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=step_s, steps=steps)
    values = np.random.default_rng(seed).normal(size=steps)
    length_h = bin_hours(line)
    found = binned(values, line, length_h)
    assert found.size == math.ceil(line.hours / length_h - 1e-9)
    counts = np.full(found.size, length_h / line.step_h)
    counts[-1] = steps - counts[:-1].sum()
    assert float(found @ counts) == pytest.approx(values.sum(), abs=1e-8 * steps)


@given(INSTANTS, st.integers(1904, 2095))
def test_moving_by_years_keeps_date_and_clock(instant: datetime, year: int) -> None:
    moved = in_year(instant, year)
    assert (moved.year, moved.time()) == (year, instant.time())
    leap_day = (instant.month, instant.day) == (2, 29)
    if leap_day and moved.month == 3:
        assert moved.day == 1
        assert (moved - timedelta(days=1)).day == 28
    else:
        assert (moved.month, moved.day) == (instant.month, instant.day)


YEARS = st.none() | st.integers(1, 9999)
OUTCOMES = st.builds(
    RunOutcome,
    key=st.builds(RunKey, variant=st.text(max_size=8), policy=WORDS, seed=st.integers(0, 99), year=YEARS),
    figures=st.dictionaries(WORDS, st.none() | st.floats(allow_nan=False), max_size=5),
    notes=st.lists(st.text(max_size=9), max_size=3).map(tuple),
)


@given(OUTCOMES, st.data())
def test_a_container_comes_back_whole_or_not_at_all(outcome: RunOutcome, data: st.DataObject) -> None:
    content = pack(outcome)
    found = unpack(RunOutcome, content)
    assert (found.key, found.figures, found.notes) == (outcome.key, outcome.figures, outcome.notes)
    position = data.draw(st.integers(0, len(content) - 1))
    spoilt = bytearray(content)
    spoilt[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DataError, match="is damaged"):
        unpack(RunOutcome, bytes(spoilt))
