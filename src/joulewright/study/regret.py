"""Regret of every run of a study: what perfect foresight would have been worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from joulewright.policy.planned.regret import Regret
from joulewright.study.result import ORACLE, RunKey, RunOutcome

NO_CONTROL = "grid-first+first-fit+nearest"
"""The policy whose cost is the measure of regret: nothing waits for a better hour, batteries rest."""


def with_regret(outcomes: Iterable[RunOutcome]) -> tuple[RunOutcome, ...]:
    """Outcomes with their regret against the oracle of the same variant, year and seed.

    Parameters
    ----------
    outcomes : iterable of RunOutcome
        Of all policies and of the oracle. Where chance changes no facts there is one oracle for all seeds.

    Returns
    -------
    tuple of RunOutcome
        In the order given, those of the oracle last.

    Notes
    -----
    Regret is that of :class:`joulewright.policy.planned.regret.Regret`: the bound on the benefit of any decisions
    less the benefit of the run, as a fraction of the cost of a run without control. It is never negative but for
    rounding, and the oracle itself has the gap of its plan as regret.

    Examples
    --------
    >>> runs = [
    ...     RunOutcome(key=RunKey(variant="", policy="solar-first", seed=3), standing={"benefit": 90.0}),
    ...     RunOutcome(
    ...         key=RunKey(variant="", policy="oracle", seed=3),
    ...         standing={"benefit": 99.0, "bound": 100.0, "no_control_cost": 200.0},
    ...     ),
    ... ]
    >>> [(outcome.regret, outcome.regret_fraction) for outcome in with_regret(runs)]
    [(10.0, 0.05), (1.0, 0.005)]
    """
    listed = list(outcomes)
    oracles = {outcome.key: outcome for outcome in listed if outcome.key.policy == ORACLE}
    places = [(key.variant, key.year) for key in oracles]
    shared = {
        place: outcome for place, outcome in zip(places, oracles.values(), strict=True) if places.count(place) == 1
    }

    def oracle_of(key: RunKey) -> RunOutcome | None:
        return oracles.get(replace(key, policy=ORACLE)) or shared.get((key.variant, key.year))

    runs = [outcome for outcome in listed if outcome.key.policy != ORACLE]
    return tuple(_measured(outcome, oracle_of(outcome.key)) for outcome in (*runs, *oracles.values()))


def _measured(outcome: RunOutcome, oracle: RunOutcome | None) -> RunOutcome:
    known = {} if oracle is None else oracle.standing
    if "benefit" not in outcome.standing or "bound" not in known:
        return outcome
    found = Regret(benefit=outcome.standing["benefit"], bound=known["bound"], no_control_cost=known["no_control_cost"])
    share = found.share if found.no_control_cost > 0.0 else None
    return replace(outcome, regret=found.amount, regret_fraction=share)
