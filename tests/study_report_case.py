"""Hand-made studies for the report tests: figures, series and happenings that can be worked out on paper.

Policy number ``p`` under seed ``s`` earns ``1000 + 100 p + 10 s + LUCK[p][s]``: every policy is better than the one
before by about 100, and the luck of the seeds decides how sure that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from joulewright.model import Happening, Timeline
from joulewright.study.regret import with_regret
from joulewright.study.result import (
    BAND_QUANTITIES,
    ORACLE,
    Band,
    Inference,
    JobSummary,
    RunKey,
    RunOutcome,
    StudyResult,
    Variant,
)
from joulewright.study.summary import comparisons, summaries

START = datetime(2022, 7, 4, tzinfo=UTC)
SITES = ("", "california", "texas")
LUCK = ((0.0, 1.0, -1.0, 2.0, -2.0), (1.0, -1.0, 2.0, -2.0, 0.0), (2.0, 0.0, -1.0, 1.0, -2.0))
PROVENANCE = {
    "scenario": {
        "scenario": {"file": "scenario.toml", "sha256": "0c" * 32},
        "series": [
            {"file": "prices.csv", "column": "usd", "sha256": "4f" * 32, "rows": 168, "note": "synthetic, not measured"}
        ],
    },
    "versions": {"joulewright": "0.1.0"},
}


def make_study(
    policies: Sequence[str] = ("calm", "eager"),
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    years: Sequence[int] = (),
    variants: Sequence[Variant] = (Variant(),),
    days: int = 7,
    luck: float = 1.0,
    oracle: bool = True,
    failed: Mapping[tuple[str, int], str] | None = None,
    **changes: Any,
) -> StudyResult:
    """A study of hourly series; ``luck`` scales what the seeds add, ``failed`` gives errors by policy and seed."""
    timeline = Timeline(start=START, step_s=3600, steps=24 * days)
    outcomes = []
    for variant in variants:
        for year in years or (None,):
            for seed in seeds:
                for policy in (*policies, *([ORACLE] if oracle else [])):
                    key = RunKey(variant=variant.name, policy=policy, seed=seed, year=year)
                    place = variants.index(variant)
                    outcomes.append(_outcome(key, list(policies), timeline, luck=luck, bonus=10.0 * place))
    for number, outcome in enumerate(outcomes):
        error = (failed or {}).get((outcome.key.policy, outcome.key.seed))
        if error is not None:
            outcomes[number] = RunOutcome(key=outcome.key, status="failed", error=error)
    fields: dict[str, Any] = {
        "name": "hand-made",
        "currency": "USD",
        "timeline": timeline,
        "variants": tuple(variants),
        "policies": tuple(policies),
        "seeds": tuple(seeds),
        "years": tuple(years),
        "forecast": "day-ahead",
        "inference": Inference(),
        "notes": ("a note about the study",),
        "provenance": PROVENANCE,
    }
    study = StudyResult(outcomes=with_regret(outcomes), **(fields | changes))
    return replace(study, summaries=summaries(study), comparisons=comparisons(study))


def sweep(path: str = "battery.energy", values: Sequence[str] = ("10 MWh", "20 MWh", "40 MWh")) -> tuple[Variant, ...]:
    """Variants of one setting."""
    return tuple(Variant(name=f"{path}={value}", overrides=(f"{path}={value}",)) for value in values)


def _outcome(key: RunKey, policies: list[str], timeline: Timeline, *, luck: float, bonus: float) -> RunOutcome:
    if key.policy == ORACLE:
        benefit = 2000.0 + bonus
        standing = {"benefit": benefit - 10.0, "bound": benefit, "no_control_cost": 4000.0}
        return RunOutcome(
            key=key, figures=_figures(benefit - 10.0), standing=standing, bands=_bands(timeline, 1.0, key.seed)
        )
    place = policies.index(key.policy)
    benefit = 1000.0 + 100.0 * place + 10.0 * key.seed + luck * LUCK[place % 3][key.seed % 5] + bonus
    shed = 2.0 * place
    return RunOutcome(
        key=key,
        figures=_figures(benefit) | {"unserved_mwh": shed, "carbon_kg": 5000.0 - 500.0 * place},
        standing={"benefit": benefit - 10.0 * shed},
        bands=_bands(timeline, 1.0 + 0.1 * place, key.seed),
        happenings=_happenings(place),
        jobs=JobSummary(jobs=4, started=4, finished=4 - place % 2, restarts=place, lost_h=0.5 * place, mean_wait_h=2.0),
        clips={"texas/battery discharge_mw": 3} if place else {},
        notes=("forecasts: day-ahead", "a note about the run"),
        cpu_s=1.25,
    )


def _figures(benefit: float) -> dict[str, float | None]:
    return {
        "benefit": benefit,
        "cost": 3000.0 - benefit,
        "carbon_kg": 4000.0,
        "unserved_mwh": 0.0,
        "curtailed_mwh": 1.0,
        "peak_import_mw": 9.0,
        "deadlines_met": 4.0,
        "served_fraction": 1.0,
        "jobs_unfinished": 0.0,
        "jobs_rejected": 0.0,
    }


def _bands(timeline: Timeline, size: float, seed: int) -> tuple[Band, ...]:
    """Daily swings that grow with the seed; the cost of the third day is ten times the usual in seed 3."""
    hours = np.arange(timeline.steps, dtype=float)
    swing = size * (1.0 + 0.1 * seed) * (5.0 + np.sin(2.0 * np.pi * hours / 24.0))
    cost = 100.0 * swing
    if seed == 3:
        cost[48:72] *= 10.0
    shed = np.zeros(timeline.steps)
    if size > 1.0:
        shed[60:62] = size
    series = dict.fromkeys(BAND_QUANTITIES, swing) | {
        "energy_cost_per_h": cost,
        "unserved_mw": shed,
        "state_of_charge_fraction": swing / swing.max(),
    }
    return tuple(
        Band(place=place, quantity=quantity, bin_h=1.0, values=values * (1.0 if not place else 0.5))
        for quantity, values in series.items()
        for place in SITES
    )


def _happenings(place: int) -> tuple[Happening, ...]:
    found = [
        Happening(start_h=50.0, end_h=54.0, kind="grid-outage", where="texas", detail="as announced"),
        Happening(start_h=52.0, end_h=52.0, kind="job-restart", where="tune", detail="0.5 h of work lost"),
        Happening(start_h=60.0, end_h=62.0, kind="shed-load", where="texas", detail="at most 2 MW"),
    ]
    return tuple(found[: 2 + place])
