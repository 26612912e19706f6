"""Round trips of random values through the codec."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from joulewright.io.codec import decode, encode
from joulewright.model import (
    BatterySchedule,
    GeneratorSchedule,
    JobSchedule,
    Route,
    Schedule,
    Segment,
    ServiceSchedule,
    SiteSchedule,
)
from joulewright.model.timeline import FloatArray

NAMES = st.text(max_size=6)
SHAPES = numpy_strategies.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4)
FLOATS = numpy_strategies.arrays(np.float64, SHAPES)
FLAGS = numpy_strategies.arrays(np.bool_, SHAPES)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)

SEGMENTS = st.builds(
    Segment,
    site=NAMES,
    fleet=NAMES,
    first_step=st.integers(0, 99),
    stop_step=st.integers(0, 199),
    accelerators=st.floats(0, 1e5),
    last_fraction=st.floats(0, 1),
)
SITES = st.builds(
    SiteSchedule,
    grid_import_mw=FLOATS,
    grid_export_mw=FLOATS,
    unserved_mw=FLOATS,
    renewable_used_mw=st.dictionaries(NAMES, FLOATS, max_size=2),
    batteries=st.dictionaries(
        NAMES, st.builds(BatterySchedule, charge_mw=FLOATS, discharge_mw=FLOATS, energy_mwh=FLOATS), max_size=2
    ),
    generators=st.dictionaries(NAMES, st.builds(GeneratorSchedule, output_mw=FLOATS, on=FLAGS), max_size=2),
)
SCHEDULES = st.builds(
    Schedule,
    planner=NAMES,
    jobs=st.dictionaries(
        NAMES, st.builds(JobSchedule, job=NAMES, segments=st.lists(SEGMENTS, max_size=3).map(tuple)), max_size=3
    ),
    services=st.dictionaries(
        NAMES,
        st.builds(
            ServiceSchedule,
            routes=st.lists(st.builds(Route, region=NAMES, site=NAMES, fleet=NAMES), max_size=2).map(tuple),
            served_token_s=FLOATS,
            unserved_token_s=st.dictionaries(NAMES, FLOATS, max_size=2),
        ),
        max_size=2,
    ),
    sites=st.dictionaries(NAMES, SITES, max_size=2),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Note:
    when: datetime
    value: float
    facts: Mapping[str, Any]
    series: FloatArray | None = None


def identical(one: Any, other: Any) -> bool:
    """Equal documents and arrays, bit for bit."""
    (first, mine), (second, yours) = encode(one), encode(other)
    return (
        first == second
        and list(mine) == list(yours)
        and all(
            a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
            for a, b in zip(mine.values(), yours.values(), strict=True)
        )
    )


def rebuilt(value: Any) -> Any:
    document, arrays = encode(value)
    return decode(type(value), json.loads(json.dumps(document, allow_nan=False)), arrays)


@settings(max_examples=60, deadline=None)
@given(schedule=SCHEDULES)
def test_schedules(schedule):
    assert identical(rebuilt(schedule), schedule)


@given(
    when=st.datetimes(timezones=ZONES),
    value=st.floats(allow_nan=False),
    facts=st.dictionaries(st.text(max_size=4), JSON, max_size=4),
    series=st.none() | FLOATS,
)
def test_untyped_facts_times_and_floats(when, value, facts, series):
    note = rebuilt(Note(when=when, value=value, facts=facts, series=series))
    assert (note.when, note.value, note.facts) == (when, value, facts)
    assert note.when.utcoffset() == when.utcoffset()
    assert identical(note, Note(when=when, value=value, facts=facts, series=series))
