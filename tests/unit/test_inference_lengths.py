"""Means of lengths that are cut, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.inference_lengths import drawn_mean_tokens, length_notes
from joulewright.study.inference_requests import read_trace

LONG = TokenLengths(kind="lognormal", mean_tokens=200.0, most_tokens=100_000)


@pytest.mark.parametrize(("mean", "variation", "most"), [(500.0, 1.0, 500), (300.0, 0.5, 450), (40.0, 2.0, 60)])
def test_the_mean_of_what_is_drawn(mean: float, variation: float, most: int) -> None:
    lengths = TokenLengths(kind="lognormal", mean_tokens=mean, variation=variation, most_tokens=most)
    drawn = lengths.draw(np.random.default_rng(3), 200_000)
    assert drawn_mean_tokens(lengths) == pytest.approx(drawn.mean(), rel=0.005)


def test_means_of_the_other_kinds() -> None:
    assert drawn_mean_tokens(LONG) == pytest.approx(200.0, rel=1e-6)
    assert drawn_mean_tokens(TokenLengths(kind="constant", mean_tokens=7.0)) == 7.0
    assert drawn_mean_tokens(TokenLengths(kind="lognormal", mean_tokens=9.0, variation=0.0, most_tokens=5)) == 5.0
    # 1, 2 and 3 with weights 1, 1/2 and 1/3: the mean is 3 over 11/6
    assert drawn_mean_tokens(TokenLengths(kind="zipf", exponent=1.0, most_tokens=3)) == pytest.approx(18 / 11)


def test_only_means_that_are_not_the_number_given_are_noted() -> None:
    assert list(length_notes(LONG, LONG)) == []
    (note,) = length_notes(TokenLengths(kind="lognormal", mean_tokens=500.0, most_tokens=500), LONG)
    assert note == "Prompts are cut at 500 tokens, so that their mean is 338.6 instead of 500."


def test_a_trace_says_its_means() -> None:
    cut = read_trace("poisson:requests=20000,input=500,output=100,longest=500,seed=1")
    assert cut.facts()["mean_input_tokens"] == pytest.approx(338.6, rel=0.02)
    assert "mean is 338.6 instead of 500" in cut.notes[1]
    zipf = read_trace("poisson:requests=20000,lengths=zipf,input=500,output=250,seed=1")
    assert zipf.facts()["mean_input_tokens"] == pytest.approx(73.6, rel=0.05)
    assert [note.split(": ")[1] for note in zipf.notes[1:]] == ["73.61 on average.", "40.98 on average."]
    demand = read_trace("demand:rate=1,hours=0.1,lengths=zipf,input=64,output=16,seed=1")
    assert "law of Zipf" in demand.notes[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("lengths=zipf,longest=400", "longest of .* has no effect: input and output are the longest lengths of zipf"),
        ("lengths=constant,spread=0.3", "spread of .* has no effect: constant lengths have none"),
        ("lengths=zipf,input=20.5", "input of .* is 20.5; allowed is a whole number"),
    ],
)
@pytest.mark.parametrize("kind", ["poisson:requests=5", "demand:rate=1,hours=1"])
def test_settings_without_an_effect_are_refused(kind: str, settings: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_trace(f"{kind},{settings}")
