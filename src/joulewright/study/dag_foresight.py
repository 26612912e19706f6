"""Which schedulers and placements of jobs with precedence know the future: bounds rather than policies."""

from __future__ import annotations

from collections.abc import Mapping

from joulewright.policy.dag import AbstractDagPlacement, AbstractDagScheduler


def knows_future(rule: AbstractDagScheduler | AbstractDagPlacement) -> bool:
    """Whether a rule, or what it wraps, has a perfect forecast or knows arrivals beforehand.

    Examples
    --------
    >>> from joulewright.policy.dag import make_dag_scheduler
    >>> [knows_future(make_dag_scheduler(text)) for text in ("spade", "spade:forecast= perfect")]
    [False, True]
    """
    if rule.outlook.forecast == "perfect" or getattr(rule, "known_arrivals", False):
        return True
    base = getattr(rule, "base", None)
    return isinstance(base, AbstractDagScheduler) and knows_future(base)


def seers(rules: Mapping[str, AbstractDagScheduler | AbstractDagPlacement]) -> tuple[str, ...]:
    """Names of the rules that know the future."""
    return tuple(name for name, rule in rules.items() if knows_future(rule))
