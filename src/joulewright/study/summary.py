"""Means of every policy over seeds, and paired differences between policies and between variants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from joulewright.study.result import ORACLE, Comparison, Estimate, Inference, PolicySummary, RunOutcome, StudyResult
from joulewright.study.statistics import estimate, holm, p_value, paired

COMPARED = (
    "benefit",
    "cost",
    "carbon_kg",
    "unserved_mwh",
    "curtailed_mwh",
    "peak_import_mw",
    "deadlines_met",
    "served_fraction",
)
"""Figures that policies and variants are compared by."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Independent samples of one figure.

    Attributes
    ----------
    values : mapping of int to float or None
        By seed, each the mean over the years; by year where there is one seed. None where a run failed or lacks it.
    over : {"seeds", "years"}
        What the samples are.
    """

    values: Mapping[int, float | None]
    over: Literal["seeds", "years"] = "seeds"


def samples_of(outcomes: Iterable[RunOutcome], figure: str) -> Samples:
    """Samples of a figure over the runs of one policy on one variant.

    Years share their seeds' chance and are few, so they are averaged within each seed; only a study with one seed
    takes its years for samples.
    """
    runs = list(outcomes)
    seeds = {outcome.key.seed for outcome in runs}
    over_years = len(seeds) == 1 and len(runs) > 1
    groups: dict[int, list[float | None]] = {}
    for outcome in runs:
        year = outcome.key.year
        name = year if over_years and year is not None else outcome.key.seed
        groups.setdefault(name, []).append(figure_of(outcome, figure))
    values = {name: _mean(group) for name, group in groups.items()}
    return Samples(values=values, over="years" if over_years else "seeds")


def figure_of(outcome: RunOutcome, figure: str) -> float | None:
    """A figure of a run; ``regret`` and ``regret_fraction`` count as figures."""
    if not outcome.ok:
        return None
    if figure in ("regret", "regret_fraction"):
        return outcome.regret if figure == "regret" else outcome.regret_fraction
    return outcome.figures.get(figure)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def summaries(study: StudyResult) -> tuple[PolicySummary, ...]:
    """Mean and interval of every figure, by variant and policy; the oracle stands last."""
    found = []
    for policy in (*study.policies, ORACLE):
        for variant in study.variants:
            runs = list(study.runs(variant=variant.name, policy=policy))
            if runs:
                found.append(_summary(runs, study.inference))
    return tuple(found)


def _summary(runs: Sequence[RunOutcome], inference: Inference) -> PolicySummary:
    key = runs[0].key
    return PolicySummary(
        variant=key.variant,
        policy=key.policy,
        figures=estimates_of(runs, inference),
        runs=len(runs),
        failed=sum(not outcome.ok for outcome in runs),
    )


def estimates_of(runs: Sequence[RunOutcome], inference: Inference) -> dict[str, Estimate]:
    """Mean and interval of every figure that all runs have which did not fail; regret counts as a figure."""
    good = [outcome for outcome in runs if outcome.ok]
    names = dict.fromkeys(name for outcome in good for name in outcome.figures)
    found: dict[str, Estimate] = {}
    for name in (*names, "regret", "regret_fraction"):
        values = [value for value in samples_of(runs, name).values.values() if value is not None]
        if values and all(figure_of(outcome, name) is not None for outcome in good):
            found[name] = estimate(values, inference)
    return found


def comparisons(study: StudyResult) -> tuple[Comparison, ...]:
    """Every policy against the first one, then every variant against the first one; corrected figure by figure."""
    names = [variant.name for variant in study.variants]
    pairs = [
        ((variant, policy), (variant, study.policies[0])) for variant in names for policy in study.policies[1:]
    ] + [((variant, policy), (names[0], policy)) for policy in study.policies for variant in names[1:]]
    found: list[Comparison] = []
    for figure in COMPARED:
        found += corrected(list(_of_figure(study, figure, pairs)))
    return tuple(found)


def corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons of one figure with their p-values after Holm's correction."""
    adjusted = holm([item.p_value for item in found])
    return [replace(item, adjusted_p_value=value) for item, value in zip(found, adjusted, strict=True)]


def _of_figure(
    study: StudyResult,
    figure: str,
    pairs: Iterable[tuple[tuple[str, str], tuple[str, str]]],
) -> Iterator[Comparison]:
    for (variant, policy), (reference_variant, reference) in pairs:
        one = samples_of(study.runs(variant=variant, policy=policy), figure)
        other = samples_of(study.runs(variant=reference_variant, policy=reference), figure)
        found = difference(one, other, figure, study.inference)
        if found is not None:
            yield replace(
                found, variant=variant, policy=policy, reference_variant=reference_variant, reference=reference
            )


def difference(one: Samples, other: Samples, figure: str, inference: Inference) -> Comparison | None:
    """Paired difference of two sets of samples, or None where no pair has the figure.

    Examples
    --------
    >>> found = difference(
    ...     Samples(values={1: 5.0, 2: 8.0, 3: 11.0}), Samples(values={1: 4.0, 2: 6.0, 3: 8.0}), "cost", Inference()
    ... )
    >>> found.difference.mean, round(found.p_value, 4)
    (2.0, 0.0742)
    """
    pairs, left_out = paired(one.values, other.values)
    if not pairs:
        return None
    values = list(pairs.values())
    chance, note = p_value(values, inference.test)
    return Comparison(
        variant="",
        policy="",
        reference_variant="",
        reference="",
        figure=figure,
        difference=estimate(values, inference),
        samples=one.over,
        test="none" if chance is None else inference.test,
        p_value=chance,
        left_out=left_out,
        note=note,
    )
