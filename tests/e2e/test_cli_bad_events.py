"""Bad events and chances through the command line: exit 3, all problems at once."""

from __future__ import annotations

import pytest

WHEN = 'site = "west"\nstart = 2022-07-04T06:00:00Z\nend = 2022-07-04T08:00:00Z\n'
EVENT = f'[[event]]\nkind = "grid-outage"\n{WHEN}'
CHANCE = '[[chance]]\nname = "x"\nkind = "grid-outage"\nsite = "west"\nrate = "4 1/year"\nmean_duration = "3 h"\n'

BAD = [
    ("negative rate", CHANCE.replace("4 1", "-4 1"), ["chance", "-4 1/year", ">= 0"]),
    ("rate without unit", CHANCE.replace('"4 1/year"', "4"), ["4 has no unit"]),
    ("chance at an unknown site", CHANCE.replace("west", "wset"), ["wset", "did you mean 'west'"]),
    ("chance of an unknown component", CHANCE.replace("grid-outage", "generator-failure") + 'component = "t"\n',
     ["'t'"]),
    ("chance that never ends", CHANCE.replace('mean_duration = "3 h"\n', ""), ["no mean_duration"]),
    ("event ends before it starts", EVENT.replace("T08", "T05"), ["T035", "2022-07-04T05:00"]),
    ("event at an unknown site", EVENT.replace("west", "north"), ["north"]),
    ("more accelerators than there are", EVENT.replace("grid-outage", "accelerator-failure")
     + 'component = "pod"\naccelerators = 99999\n', ["99999", "4096"]),
    ("gap of an unknown signal", EVENT.replace("grid-outage", "telemetry-gap") + 'signals = ["ci"]\n', ["'ci'"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_events(text, words, edited, jw) -> None:
    outcome = jw("check", edited(("[[link]]", f"{text}[[link]]")))
    assert outcome.status == 3, outcome.stderr
    assert all(word in outcome.stderr for word in words), outcome.stderr


def test_all_problems_at_once(edited, jw) -> None:
    text = "".join(case[1].replace('name = "x"', f'name = "x{number}"') for number, case in enumerate(BAD))
    outcome = jw("check", edited(("[[link]]", f"{text}[[link]]")))
    assert outcome.status == 3
    assert outcome.stderr.count("error[") >= len(BAD)


def test_an_event_outside_the_horizon_is_a_warning(edited, jw) -> None:
    outcome = jw("check", edited(("[[link]]", EVENT.replace("07-04", "09-04") + "[[link]]")))
    assert outcome.status == 0
    assert "T036" in outcome.stdout + outcome.stderr


def test_chances_leave_a_plan_as_it_is(edited, jw) -> None:
    plain = jw("plan", edited(), "--json").document["figures"]
    chancy = jw("plan", edited(("[[link]]", f"{CHANCE}[[link]]")), "--json").document["figures"]
    assert {**plain, "cpu_s": 0.0, "wall_s": 0.0} == {**chancy, "cpu_s": 0.0, "wall_s": 0.0}
