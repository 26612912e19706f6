"""Which policy is best on a variant, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from joulewright.report.study_view import Entrant, StudyView
from joulewright.study.result import Comparison, Estimate, Inference
from joulewright.study.statistics import estimate
from joulewright.study.summary import Samples, corrected, difference, samples_of

State = Literal["none", "only", "alike", "untested", "unclear", "clear"]

LEVEL = 0.05
"""Chance of a false alarm that a clear difference stays below."""

_FIGURE = "benefit"
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What the runs say about the policies on one variant.

    Attributes
    ----------
    variant : str
        Which.
    state : str
        ``none`` (no run finished), ``only`` (nothing to compare with), ``alike`` (no difference in any pair),
        ``untested`` (too few samples), ``unclear`` or ``clear``.
    ranked : tuple of Entrant
        Policies without failed runs by mean benefit, the best first; all with a good run where every one failed
        somewhere.
    leads : tuple of Comparison
        Benefit of the first less that of each other, nearest first, corrected for all pairs of policies.
    wins : tuple of int
        In how many pairs the first is better, in the order of ``leads``.
    left_out : tuple of Entrant
        Policies that are not ranked because runs failed.
    """

    variant: str
    state: State
    ranked: tuple[Entrant, ...] = ()
    leads: tuple[Comparison, ...] = ()
    wins: tuple[int, ...] = ()
    left_out: tuple[Entrant, ...] = ()

    @property
    def best(self) -> Entrant | None:
        """The policy with the highest mean benefit."""
        return self.ranked[0] if self.ranked else None


def verdict(view: StudyView, variant: str) -> Verdict:
    """Rank the policies on a variant by mean benefit and test the lead of the first one."""
    entrants = [entrant for entrant in view.at(variant) if entrant.good]
    sound = [entrant for entrant in entrants if len(entrant.good) == len(entrant.runs)] or entrants
    if not sound:
        return Verdict(variant=variant, state="none")
    samples = {entrant.policy: samples_of(entrant.runs, _FIGURE) for entrant in sound}
    means = common_means(samples)
    ranked = tuple(sorted(sound, key=lambda entrant: -means[entrant.policy]))
    left_out = tuple(entrant for entrant in view.at(variant) if entrant not in sound)
    if len(ranked) < 2:
        return Verdict(variant=variant, state="only", ranked=ranked, left_out=left_out)
    leads = leads_of([entrant.policy for entrant in ranked], samples, view.study.inference)
    return Verdict(
        variant=variant,
        state=state_of(leads[0]) if leads else "untested",
        ranked=ranked,
        leads=tuple(leads),
        wins=tuple(wins(samples[ranked[0].policy], samples[lead.reference]) for lead in leads),
        left_out=left_out,
    )


def common_means(samples: Mapping[str, Samples]) -> dict[str, float]:
    """Mean of each policy over the samples that all of them have; over its own where they share none.

    Examples
    --------
    >>> common_means({"a": Samples(values={1: 4.0, 2: 8.0}), "b": Samples(values={2: 7.0, 3: 9.0})})
    {'a': 8.0, 'b': 7.0}
    """
    known = {
        policy: {key: value for key, value in item.values.items() if value is not None}
        for policy, item in samples.items()
    }
    shared = set.intersection(*(set(values) for values in known.values()))
    found = {}
    for policy, values in known.items():
        chosen = [values[key] for key in sorted(shared)] if shared else list(values.values())
        found[policy] = math.fsum(chosen) / len(chosen) if chosen else -math.inf
    return found


def leads_of(ranked: Sequence[str], samples: Mapping[str, Samples], inference: Inference) -> list[Comparison]:
    """Paired differences of the first policy less each other, nearest first, corrected for all pairs of policies.

    The first is the best of several, so its tests count as if every pair had been tested.
    """
    found = []
    for one, other in combinations(ranked, 2):
        item = difference(samples[one], samples[other], _FIGURE, inference)
        if item is not None:
            found.append(replace(item, policy=one, reference=other))
    return [item for item in corrected(found) if item.policy == ranked[0]]


def state_of(lead: Comparison) -> State:
    """How sure a lead is.

    Examples
    --------
    >>> from joulewright.study.result import Comparison, Estimate
    >>> pair = {"variant": "", "policy": "a", "reference_variant": "", "reference": "b", "figure": "benefit"}
    >>> state_of(Comparison(**pair, difference=Estimate(mean=3.0, count=9), adjusted_p_value=0.01))
    'clear'
    """
    if lead.difference.count < 2:
        return "untested"
    if lead.adjusted_p_value is None:
        return "clear"  # the same difference in every pair: chance has no part in it
    if lead.difference.mean == 0.0 and lead.adjusted_p_value == 1.0:
        return "alike"
    return "clear" if lead.adjusted_p_value < LEVEL else "unclear"


def wins(one: Samples, other: Samples) -> int:
    """In how many pairs ``one`` is higher than ``other``."""
    pairs = ((value, other.values.get(key)) for key, value in one.values.items())
    return sum(a is not None and b is not None and a > b + _SAME * abs(b) for a, b in pairs)


def priced(view: StudyView, ranked: Sequence[Entrant]) -> dict[str, Estimate]:
    """Mean benefit with shortages and missing stored energy priced, of policies whose good runs all have it."""
    found = {}
    for entrant in ranked:
        values = [run.standing.get("benefit") for run in entrant.good]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[entrant.policy] = estimate(known, view.study.inference)
    return found
