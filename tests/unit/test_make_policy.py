"""Policies from text, the table of rules, and texts from rules."""

from __future__ import annotations

import pytest

from joulewright.errors import PolicyError
from joulewright.policy.base import CombinedPolicy
from joulewright.policy.combine import DEFAULT_RULES, make_policy, policy_table
from joulewright.policy.dispatch import GridFirst, PriceThreshold
from joulewright.policy.jobs import CarbonWindow, FirstFit
from joulewright.policy.options import check_choice, check_number, rule_text
from joulewright.policy.registry import entries, make
from joulewright.policy.routing import Cheapest, Nearest


def test_rules_are_told_apart_whatever_their_order():
    policy = make_policy(" cheapest + grid-first+carbon-window:look_ahead_h=24")
    assert isinstance(policy, CombinedPolicy)
    assert policy.dispatch == GridFirst()
    assert policy.jobs == CarbonWindow(look_ahead_h=24.0)
    assert policy.routing == Cheapest()
    assert policy.specification == "grid-first+carbon-window:look_ahead_h=24.0+cheapest"


def test_missing_kinds_get_their_defaults():
    policy = make_policy("grid-first")
    assert (policy.jobs, policy.routing) == (FirstFit(), Nearest())
    assert make_policy("nearest").specification == "+".join(DEFAULT_RULES.values())


def test_the_specification_makes_the_policy_again():
    text = "price-threshold:low_quantile=0.1,keep_peak=false,learn=forecast+first-fit:between_ticks=yes"
    policy = make_policy(text)
    assert policy.dispatch == PriceThreshold(low_quantile=0.1, keep_peak=False, learn="forecast")
    assert policy.between_ticks
    assert make_policy(policy.specification) == policy


def test_a_combination_uses_what_its_rules_use():
    assert make_policy("solar-first+nearest").uses == {"present", "forecast"}
    assert make_policy("peak-shaving").uses == {"present", "past", "forecast"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no rule; there are dispatch: carbon-threshold"),
        ("grid-first+", "names no rule"),
        ("grid-frist", "no policy 'grid-frist'; did you mean 'grid-first'?"),
        ("zzz", "there are carbon-threshold"),
        ("grid-first+solar-first", "'grid-first' and 'solar-first' both decide dispatch; keep one of them"),
        ("oracle+nearest", "'oracle' decides everything and cannot be joined"),
        ("first-fit:speed=3", "no option 'speed'"),
        ("first-fit:look_ahead_h=soon", "it takes a value of type float"),
        ("first-fit:look_ahead_h", "not of the form name=value"),
        ("first-fit:look_ahead_h=1,look_ahead_h=2", "given twice"),
    ],
)
def test_wrong_texts_say_what_is_wrong(text, message):
    with pytest.raises(PolicyError) as caught:
        make_policy(text)
    assert message in str(caught.value)


def test_the_table_has_a_row_for_every_rule():
    rows = {row["name"]: row for row in policy_table()}
    assert list(rows) == list(entries())
    assert {row["kind"] for row in rows.values()} == {"dispatch", "jobs", "routing", "policy"}
    assert rows["price-threshold"]["uses"] == ["present", "past", "forecast"]
    assert rows["grid-first"]["options"] == {"hold_h": 2.0}
    for row in rows.values():
        assert row["summary"]
        assert row["uses"]


@pytest.mark.parametrize("name", [name for name, entry in entries().items() if entry.kind != "policy"])
def test_every_rule_is_made_by_its_name_and_says_so(name):
    assert rule_text(name, make(name)) == name
    for option, value in next(row for row in policy_table() if row["name"] == name)["options"].items():
        if isinstance(value, float) and value > 0.0 and "quantile" not in option:
            changed = make(f"{name}:{option}={value / 2}")
            assert rule_text(name, changed) == f"{name}:{option}={value / 2}"


def test_checks_of_options():
    check_number("x", None)
    check_number("x", 1.0, high=1.0)
    with pytest.raises(PolicyError, match=r"option x is 2 h; allowed is 0 to 1 h"):
        check_number("x", 2.0, high=1.0, unit="h")
    check_choice("x", "a", ("a", "b"))
    with pytest.raises(PolicyError, match="option x is 'c'; allowed are a, b"):
        check_choice("x", "c", ("a", "b"))


def test_options_are_read_whether_annotations_are_postponed_or_not():
    """This module has postponed annotations; a class made by a function has types."""
    import dataclasses

    from joulewright.policy.registry import Entry, build

    fields = [
        ("hours", float, 1.0),
        ("count", int, 1),
        ("flag", bool, False),
        ("name", str, "x"),
        ("most", float | None, None),
    ]
    made = dataclasses.make_dataclass("Rule", fields, frozen=True, kw_only=True)
    entry = Entry(name="made", kind="jobs", summary="", factory=made)
    found = build(entry, {"hours": "2", "count": "3", "flag": "yes", "name": "y", "most": "4"})
    assert dataclasses.astuple(found) == (2.0, 3, True, "y", 4.0)
    assert isinstance(found.hours, float)
    with pytest.raises(PolicyError, match="it takes a value of type int"):
        build(entry, {"count": "2.5"})
