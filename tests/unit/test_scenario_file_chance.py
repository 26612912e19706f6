"""Events of the newer kinds and chances in the scenario file."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.io import scenario_schema
from joulewright.model import EventRate
from joulewright.model.disturbance import apply_events
from joulewright.model.scenario import _series

WHEN = 'site = "a"\nstart = 2022-07-04T06:00:00Z\nend = 2022-07-04T08:00:00Z\n'
CHANCE = '[[chance]]\nname = "x"\nkind = "grid-outage"\nsite = "a"\nrate = "4 1/year"\nmean_duration = "3 h"\n'
FAILURE = f'[[event]]\nkind = "accelerator-failure"\n{WHEN}component = "pod"\nlost = "25 %"\n'
GAP = f'[[event]]\nkind = "telemetry-gap"\n{WHEN}signals = ["carbon_kg_per_mwh"]\n'


def added(text: str) -> tuple[str, str]:
    return "[[link]]", f"{text}[[link]]"


def changed(text: str, *edits: tuple[str, str]) -> tuple[str, str]:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return added(text)


def test_a_chance(files) -> None:
    (chance,) = files.read(added(CHANCE)).chances
    assert chance == EventRate(name="x", kind="grid-outage", site="a", rate_per_h=4.0 / 8766.0, duration_h=3.0)


@pytest.mark.parametrize("rate", ["4 1/year", "4 /year", "4 /y", "4 1/y"])
def test_spellings_of_a_rate(files, rate) -> None:
    assert files.read(changed(CHANCE, ("4 1/year", rate))).chances[0].rate_per_h == pytest.approx(4.0 / 8766.0)
    month = files.read(changed(CHANCE, ("4 1/year", "2 /month"))).chances[0]
    assert month.rate_per_h == pytest.approx(2.0 / 730.5)


def test_a_mean_time_between_starts_and_a_fixed_duration(files) -> None:
    text = changed(
        CHANCE, ('rate = "4 1/year"', 'mean_time_between = "50 days"'), ('mean_duration = "3 h"', 'duration = "90 min"')
    )
    (chance,) = files.read(text).chances
    assert (chance.rate_per_h, chance.duration_h, chance.fixed_duration) == (1.0 / 1200.0, 1.5, True)


def test_a_chance_takes_the_keys_of_its_kind(files) -> None:
    text = changed(CHANCE, ("grid-outage", "demand-response"), ('"3 h"', '"3 h"\nlimit = "8 MW"\nnotice = "1 day"'))
    (chance,) = files.read(text).chances
    assert (chance.kind, chance.limit_mw, chance.notice_h) == ("demand-response", 8.0, 24.0)


def test_an_unnamed_chance_is_called_after_its_kind(files) -> None:
    two = changed(CHANCE + CHANCE, ('name = "x"\n', ""))
    assert [chance.name for chance in files.read(two).chances] == ["grid-outage", "grid-outage-2"]


def test_accelerators_that_fail_by_share_and_by_number(files) -> None:
    scenario = files.read(added(FAILURE))
    assert scenario.site("a").fleets[0].availability[5:9].tolist() == [1.0, 0.75, 0.75, 1.0]
    counted = files.read(changed(FAILURE, ('lost = "25 %"', "accelerators = 1024")))
    assert counted.events[0].lost_fraction == 0.25


def test_a_telemetry_gap(files) -> None:
    (gap,) = files.read(added(GAP)).events
    assert gap.signals == ("carbon_kg_per_mwh",)
    (whole,) = files.read(changed(GAP, ('signals = ["carbon_kg_per_mwh"]\n', ""))).events
    assert whole.signals == ()


ALL_KINDS = "".join(
    f'[[event]]\nkind = "{kind}"\n{WHEN}{keys}\n'
    for kind, keys in (
        ("grid-outage", ""),
        ("demand-response", 'limit = "8 MW"'),
        ("curtailment", 'limit = "9 MW"'),
        ("generator-failure", 'component = "turbine"'),
        ("price-spike", 'price = "900 USD/MWh"'),
        ("accelerator-failure", 'component = "pod"\nlost = 0.1'),
        ("telemetry-gap", ""),
    )
)


def test_reading_with_events_equals_reading_without_and_applying_them(files) -> None:
    edits = [added(ALL_KINDS), ('import_limit = "20 MW"', 'firm_limit = "12 MW"\nflexible_limit = "6 MW"')]
    edits.append(('price = "50 USD/MWh"', 'price = "50 USD/MWh"\nimport_fee = "8 USD/MWh"'))
    planned = files.read(*edits)
    from joulewright.io import read_scenario

    undisturbed = read_scenario(files.folder / "scenario.toml", use_cache=False, apply_events=False)
    assert (planned.events_applied, undisturbed.events_applied) == (True, False)
    assert undisturbed.events == planned.events
    assert undisturbed.site("a").grid.import_limit_mw.tolist() == [18.0] * 24
    for (path, one), (_, other) in zip(
        _series(planned.sites, "s"), _series(apply_events(undisturbed, undisturbed.events).sites, "s"), strict=True
    ):
        assert np.array_equal(one, other), path


def test_the_schema_knows_chances() -> None:
    chance = scenario_schema()["$defs"]["chance"]
    assert set(chance["required"]) == {"kind", "site"}
    assert "accelerator-failure" in chance["properties"]["kind"]["enum"]


BAD = [
    ("negative rate", CHANCE, [("4 1/year", "-4 1/year")], "P001", "chance.x.rate", [">= 0"]),
    ("rate without unit", CHANCE, [('"4 1/year"', "4")], "U001", "chance.x.rate", ["4"]),
    ("rate that is a time", CHANCE, [("4 1/year", "4 h")], "U003", "chance.x.rate", ["rate"]),
    ("no rate", CHANCE, [('rate = "4 1/year"\n', "")], "S003", "chance.x", ["no rate"]),
    ("both rates", CHANCE, [("rate", 'mean_time_between = "9 h"\nrate')], "S009", "chance.x.mean_time_between", []),
    ("no duration", CHANCE, [('mean_duration = "3 h"\n', "")], "S003", "chance.x", ["no mean_duration"]),
    ("negative duration", CHANCE, [('"3 h"', '"-3 h"')], "P001", "chance.x.mean_duration", ["> 0"]),
    ("unknown site", CHANCE, [('"a"', '"q"')], "S008", "chance.x.site", ["'q'"]),
    ("unknown kind", CHANCE, [("grid-outage", "meteor")], "S006", "chance.x.kind", ["'meteor'"]),
    ("no kind", CHANCE, [('kind = "grid-outage"\n', "")], "S003", "chance.x", ["no kind"]),
    ("unknown key", CHANCE, [("mean_duration", "mean_durration")], "S002", "chance.x.mean_durration", []),
    ("key of another kind", CHANCE, [("rate", 'price = "9 USD/MWh"\nrate')], "S014", "chance.x.price", []),
    ("failure of nothing", CHANCE, [("grid-outage", "generator-failure")], "S003", "chance.x", ["no component"]),
    ("two of one name", CHANCE + CHANCE, [], "S007", "chance.x.name", ["twice"]),
    ("no share", FAILURE, [('lost = "25 %"\n', "")], "S003", "event.accelerator-failure", ["no lost"]),
    ("share over one", FAILURE, [("25 %", "250 %")], "P003", "event.accelerator-failure.lost", ["0 to 1"]),
    ("percent without sign", FAILURE, [('"25 %"', "25")], "P002", "event.accelerator-failure.lost", []),
    (
        "more than there are",
        FAILURE,
        [('lost = "25 %"', "accelerators = 5000")],
        "P003",
        "event.accelerator-failure.accelerators",
        ["5000", "4096"],
    ),
    ("no accelerators", FAILURE, [('lost = "25 %"', "accelerators = 0")], "P001",
     "event.accelerator-failure.accelerators", [">= 1"]),
    ("share and number", FAILURE, [("lost", "accelerators = 2\nlost")], "S009",
     "event.accelerator-failure.accelerators", ["both"]),
    ("not a fleet", FAILURE, [('"pod"', '"turbine"')], "S008", "event.accelerator-failure.component", ["no fleet"]),
    ("unknown signal", GAP, [("carbon_kg_per_mwh", "carbon")], "S008", "event.telemetry-gap.signals", ["'carbon'"]),
    ("signals of another kind", GAP, [("telemetry-gap", "grid-outage")], "S014", "event.grid-outage.signals", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "edits", "code", "key", "words"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_input(files, text, edits, code, key, words) -> None:
    problems = files.problems(changed(text, *edits))
    found = [problem for problem in problems if problem.code == code]
    assert found, problems
    assert found[0].key in (key, key.replace("chance.x", "chance"))
    assert all(word in f"{found[0].message} {found[0].help}" for word in words), found[0]


def test_an_event_in_the_wrong_order_is_not_built(files) -> None:
    (problem,) = files.problems(changed(FAILURE, ("T08:00", "T06:00")))
    assert problem.code == "T035"
