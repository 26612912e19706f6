"""What the sections of a study report read: entrants, places, samples and the axis of the series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray
from joulewright.report.figure import Selector
from joulewright.report.palette import site_key
from joulewright.study.result import ORACLE, Band, Estimate, PolicySummary, RunOutcome, StudyResult

ALL_SITES = "All sites"


@dataclass(frozen=True, kw_only=True, eq=False)
class Entrant:
    """A policy on a variant with its runs.

    Attributes
    ----------
    variant, policy : str
        Which.
    key : str
        Colour of the policy.
    runs : tuple of RunOutcome
        All of them, failed ones as well.
    summary : PolicySummary or None
        Means and intervals; None where it never ran.
    """

    variant: str
    policy: str
    key: str
    runs: tuple[RunOutcome, ...]
    summary: PolicySummary | None

    @property
    def good(self) -> tuple[RunOutcome, ...]:
        """Runs that have figures."""
        return tuple(run for run in self.runs if run.ok)

    def estimate(self, figure: str) -> Estimate | None:
        """Mean and interval of a figure, where every good run has it."""
        return None if self.summary is None else self.summary.figures.get(figure)

    def bands(self, quantity: str, place: str) -> FloatArray | None:
        """One series of every good run, shape ``(N, B)``; None where no run kept it."""
        return stacked([run.band(quantity, place) for run in self.good])


def stacked(bands: Sequence[Band | None]) -> FloatArray | None:
    """Values of bands above each other, cut to the shortest, shape ``(N, B)``; None without any."""
    rows = [band.values for band in bands if band is not None]
    if not rows:
        return None
    shortest = min(row.size for row in rows)
    return np.array([row[:shortest] for row in rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyView:
    """A study prepared for the sections."""

    study: StudyResult

    @cached_property
    def entrants(self) -> tuple[Entrant, ...]:
        """Every policy on every variant, variants one after the other; the oracle is not among them."""
        return tuple(self._entrant(variant, policy) for variant in self.variants for policy in self.study.policies)

    @cached_property
    def oracles(self) -> tuple[Entrant, ...]:
        """Perfect foresight on every variant where it has runs."""
        found = (self._entrant(variant, ORACLE) for variant in self.variants)
        return tuple(entrant for entrant in found if entrant.runs)

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants."""
        return tuple(variant.name for variant in self.study.variants)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Places of the series: all sites together and, where there are several, each site."""
        found = dict.fromkeys(band.place for run in self.study.outcomes for band in run.bands)
        sites = [place for place in found if place]
        return ("", *sites) if len(sites) > 1 else ("",) if "" in found else tuple(sites)

    @cached_property
    def bin_h(self) -> float:
        """Length of a piece of the series [h]; a step where no run kept any."""
        lengths = (band.bin_h for run in self.study.outcomes for band in run.bands)
        return next(lengths, self.study.timeline.step_h)

    @cached_property
    def bins(self) -> int:
        """Pieces of the shortest series."""
        return min((band.values.size for run in self.study.outcomes for band in run.bands), default=0)

    @property
    def samples(self) -> int:
        """Independent samples of a policy: seeds, or years where there is one seed."""
        return len(self.study.seeds) if len(self.study.seeds) > 1 else max(1, len(self.study.years))

    @property
    def scenario_facts(self) -> Mapping[str, Any]:
        """Provenance of the scenario: its file, its series and their hashes."""
        found = self.study.provenance.get("scenario")
        return found if isinstance(found, Mapping) else {}

    @property
    def varied(self) -> bool:
        """Whether there are several variants."""
        return len(self.variants) > 1

    def at(self, variant: str) -> tuple[Entrant, ...]:
        """Policies on a variant."""
        return tuple(entrant for entrant in self.entrants if entrant.variant == variant)

    def axis(self, first: int = 0, stop: int | None = None) -> dict[str, Any]:
        """Time axis of pieces ``[first, stop)`` in UTC."""
        timeline, end = self.study.timeline, self.bins if stop is None else stop
        return utc_axis(timeline, step_h=self.bin_h, first=first, steps=end - first)

    def run_name(self, run: RunOutcome) -> str:
        """Seed and year of a run.

        Years are named only where there are some.
        """
        return sample_name(run.key.seed, run.key.year)

    def _entrant(self, variant: str, policy: str) -> Entrant:
        order = (*self.study.policies, ORACLE)
        found = (item for item in self.study.summaries if (item.variant, item.policy) == (variant, policy))
        return Entrant(
            variant=variant,
            policy=policy,
            key="work" if policy == ORACLE else site_key(order.index(policy)),
            runs=tuple(self.study.runs(variant=variant, policy=policy)),
            summary=next(found, None),
        )


def sample_name(seed: int, year: int | None) -> str:
    """A seed and its year in words.

    Examples
    --------
    >>> sample_name(3, None), sample_name(3, 2021)
    ('seed 3', 'seed 3, 2021')
    """
    return f"seed {seed}" if year is None else f"seed {seed}, {year}"


def utc_axis(timeline: Timeline, *, step_h: float, first: int, steps: int) -> dict[str, Any]:
    """Time axis of a chart in UTC whose steps need not be those of the scenario."""
    start_s = timeline.start.timestamp() + first * step_h * 3600.0
    return {
        "start_ms": round(start_s * 1000.0),
        "step_s": step_h * 3600.0,
        "steps": steps,
        "offsets": [[0, 0]],
        "zone": "UTC",
    }


def spread(items: Sequence[str], most: int) -> Iterator[str]:
    """At most ``most`` items, the first and the last among them, evenly spread.

    Examples
    --------
    >>> list(spread("abcdefg", 3))
    ['a', 'd', 'g']
    """
    if len(items) <= most:
        yield from items
        return
    for place in np.linspace(0, len(items) - 1, max(1, most)).round().astype(int):
        yield items[place]


def choice(kind: str, title: str, choices: Sequence[str]) -> Selector:
    """A selector that charts share when they offer the same number of choices of the same kind.

    Lists of one kind and length are equal: policies with or without the oracle, and variants from :func:`spread`.
    """
    return Selector(group=f"{kind}-{len(choices)}", title=title, choices=list(choices))
