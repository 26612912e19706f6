"""Policies of several studies, and plans, against the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulewright.errors import ScenarioError
from joulewright.study.result import ORACLE, Comparison, Estimate, Inference, RunOutcome, StudyResult
from joulewright.study.statistics import estimate
from joulewright.study.summary import COMPARED, Samples, corrected, difference, estimates_of, samples_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    """Runs of one policy on one variant, or a single plan.

    Attributes
    ----------
    name : str
        Unique among those compared.
    runs : tuple of RunOutcome
        Its runs; empty for a plan.
    constant : mapping of str to float or None
        Figures of a plan, on which chance has no part; empty for a policy.
    """

    name: str
    runs: tuple[RunOutcome, ...] = ()
    constant: Mapping[str, float | None] | None = None

    @property
    def foresees(self) -> bool:
        """Whether it is an oracle, which no policy can be asked to beat."""
        return any(outcome.key.policy == ORACLE for outcome in self.runs)

    def samples(self, figure: str, like: Samples | None = None) -> Samples:
        """Samples of a figure; a plan has its one value in the place of each of ``like``."""
        if self.constant is None:
            return samples_of(self.runs, figure)
        value = self.constant.get(figure)
        pattern = like or Samples(values={0: None})
        return Samples(values=dict.fromkeys(pattern.values, value), over=pattern.over)

    def estimates(self, inference: Inference) -> dict[str, Estimate]:
        """Mean and interval of every figure that all good runs have."""
        if self.constant is not None:
            return {name: estimate([value]) for name, value in self.constant.items() if value is not None}
        return estimates_of(self.runs, inference)


def contenders_of(study: StudyResult, name: str = "") -> tuple[Contender, ...]:
    """Every policy on every variant, the oracle last; ``name`` stands in front where there are several studies."""
    found = []
    for policy in (*study.policies, ORACLE):
        for variant in study.variants:
            runs = tuple(study.runs(variant=variant.name, policy=policy))
            if runs:
                title = ": ".join(part for part in (name, variant.name, policy) if part)
                found.append(Contender(name=title, runs=runs))
    return tuple(found)


def refuse_unlike(studies: Mapping[str, StudyResult]) -> None:
    """Refuse to compare studies of other currency or horizon.

    Raises
    ------
    ScenarioError
        With every difference to the first study.
    """
    (name, first), *others = studies.items()
    problems = [
        f"{other} has {what} {getattr(study, what)} and {name} has {getattr(first, what)}; they cannot be compared"
        for other, study in others
        for what in ("currency", "timeline", "years")
        if getattr(study, what) != getattr(first, what)
    ]
    if problems:
        raise ScenarioError(problems)


def versus_first(contenders: Sequence[Contender], inference: Inference) -> tuple[Comparison, ...]:
    """Paired differences of each contender to the first one; the oracle is no contender here.

    Runs of different studies are paired by seed (or year), whose chance they share when their scenarios have the
    same sources of it.
    """
    first, *others = [item for item in contenders if not item.foresees]
    found: list[Comparison] = []
    for figure in COMPARED:
        compared = [_against(first, other, figure, inference) for other in others]
        found += corrected([item for item in compared if item is not None])
    return tuple(found)


def _against(first: Contender, other: Contender, figure: str, inference: Inference) -> Comparison | None:
    theirs = other.samples(figure, None if first.constant is not None else first.samples(figure))
    ours = first.samples(figure, theirs)
    if ours.over != theirs.over:
        raise ScenarioError(
            f"{other.name} has samples over {theirs.over} and {first.name} over {ours.over}; compare studies with the "
            "same seeds and years"
        )
    found = difference(theirs, ours, figure, inference)
    return None if found is None else replace(found, policy=other.name, reference=first.name)


def gate_rows(contenders: Iterable[Contender], inference: Inference) -> dict[str, dict[str, float | None]]:
    """Figures for conditions: the mean under its name, the ends of the interval as ``..._low`` and ``..._high``."""
    rows: dict[str, dict[str, float | None]] = {}
    for item in contenders:
        found = item.estimates(inference)
        rows[item.name] = {
            **{name: value.mean for name, value in found.items()},
            **{f"{name}_low": value.low for name, value in found.items()},
            **{f"{name}_high": value.high for name, value in found.items()},
            "failed": float(sum(not outcome.ok for outcome in item.runs)),
        }
    return rows
