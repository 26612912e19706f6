"""Variants from overrides with several values, and requests that make no sense."""

from __future__ import annotations

import pytest

from joulewright.errors import ScenarioError
from joulewright.study.request import StudyRequest
from joulewright.study.result import Variant
from joulewright.study.sweep import split_values, variants_of


def test_no_override_is_one_variant_without_a_name() -> None:
    assert variants_of([]) == (Variant(),)
    assert variants_of(["carbon.price=80 USD/t"]) == (Variant(overrides=("carbon.price=80 USD/t",)),)


def test_all_combinations_the_last_varying_fastest() -> None:
    found = variants_of(["a.energy=1 MWh,2 MWh", "carbon.price=80 USD/t", "a.power=3 MW, 4 MW"])
    assert [item.overrides for item in found] == [
        ("a.energy=1 MWh", "carbon.price=80 USD/t", "a.power=3 MW"),
        ("a.energy=1 MWh", "carbon.price=80 USD/t", "a.power=4 MW"),
        ("a.energy=2 MWh", "carbon.price=80 USD/t", "a.power=3 MW"),
        ("a.energy=2 MWh", "carbon.price=80 USD/t", "a.power=4 MW"),
    ]
    assert found[1].name == "a.energy=1 MWh, a.power=4 MW"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("100MWh,200MWh", ["100MWh", "200MWh"]),
        ('["a", "b"]', ['["a", "b"]']),
        ('["a", "b"],["a"]', ['["a", "b"]', '["a"]']),
        ("{ factor = 0.9, offset = '-1, 0' },5 MW", ["{ factor = 0.9, offset = '-1, 0' }", "5 MW"]),
        ('"one, two"', ['"one, two"']),
        ("it's, fine", ["it's, fine"]),
        ("a],b", ["a]", "b"]),
        ("", [""]),
    ],
)
def test_commas_that_separate(text: str, parts: list[str]) -> None:
    assert split_values(text) == parts


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["battery"], "is not path=value"),
        (["=5 MW"], "is not path=value"),
        (["a.power=1 MW,,2 MW"], "is not path=value"),
        (["a.power=1 MW,2 MW,1 MW"], "'1 MW' is listed twice"),
        (["a.power=1 MW,2 MW", "a.power=3 MW"], "set twice"),
        ([f"a.p{i}=" + ",".join(map(str, range(11))) for i in range(4)], "14641 variants; allowed are 10000"),
    ],
)
def test_sweeps_that_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        variants_of(overrides)


def test_an_override_given_twice_with_one_value_keeps_its_meaning() -> None:
    """The later one wins when they are applied, as in every other command."""
    assert variants_of(["a.power=1 MW", "a.power=2 MW"])[0].overrides == ("a.power=1 MW", "a.power=2 MW")


def test_a_request_collects_its_problems(tiny) -> None:
    with pytest.raises(ScenarioError) as caught:
        StudyRequest(
            scenario=tiny.scenario(),
            policies=("a", "b", "a"),
            seeds=(1, 1, 1, -2),
            years=(2021, 2021),
            overrides=("a=1",),
        )
    found = [str(problem) for problem in caught.value.problems]
    assert "policy a is given 2 times; give every policy once" in found
    assert "seed 1 is given 3 times; give every seed once" in found
    assert "year 2021 is given 2 times; give every year once" in found
    assert "seed -2 is negative; allowed are 0 and above" in found
    assert any("apply to scenario files only" in problem for problem in found)


@pytest.mark.parametrize(("changes", "words"), [({"policies": ()}, "0 policies"), ({"seeds": ()}, "0 seeds")])
def test_an_empty_request(changes, words: str, tiny) -> None:
    with pytest.raises(ScenarioError, match=words):
        StudyRequest(**{"scenario": tiny.scenario(), "policies": ("a",), **changes})
