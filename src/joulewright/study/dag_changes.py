"""How runs of jobs with precedence differ from that of the base, and over how many starts that can be said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from joulewright.sim.processes.dag import DagRun, split_dag_change

CHANGES = (
    "change_cost",
    "change_work",
    "change_overhead",
    "change_shift",
    "cost_ratio",
    "work_ratio",
    "overhead_ratio",
    "shift_ratio",
    "makespan_ratio",
    "mean_completion_ratio",
    "p95_completion_ratio",
)
"""Columns that compare a run with that of the first scheduler under the same start and seed."""

AMOUNTS = CHANGES[:4]
"""Those in the unit of a cost, which every run has."""


def changes_of(base: DagRun, run: DagRun) -> dict[str, float | None]:
    """Values of :data:`CHANGES`; ratios of costs are None where one of them is not positive.

    Notes
    -----
    Positive costs are split with logarithms, see :func:`~joulewright.sim.processes.dag.split_dag_change`. Others have
    none: their cost ``W e s`` of busy time W, energy e per busy time and mean signal s changes by
    ``ds mean(W e) + mean(s) (dW mean(e) + de mean(W))``, which also leaves no residual.

    References
    ----------
    Bennet (1920), The theory of measurement of changes in cost of living, Journal of the Royal Statistical Society 83,
    doi 10.2307/2340960.
    """
    parts: dict[str, float | None] = {"change_cost": run.cost - base.cost}
    if min(base.cost, run.cost) > 0.0:
        change = split_dag_change(base, run)
        parts |= {f"change_{part}": getattr(change, part) for part in ("work", "overhead", "shift")}
        parts |= {f"{part}_ratio": getattr(change, f"{part}_ratio") for part in ("work", "overhead", "shift")}
        parts["cost_ratio"] = run.cost / base.cost
    else:
        parts |= _additive(base, run)
    before, after = base.figures(), run.figures()
    parts["makespan_ratio"] = run.makespan_ms / base.makespan_ms
    for name in ("mean_completion", "p95_completion"):
        parts[f"{name}_ratio"] = after[f"{name}_ms"] / before[f"{name}_ms"]
    return {name: parts.get(name) for name in CHANGES}


def _additive(base: DagRun, run: DagRun) -> dict[str, float | None]:
    work, energy = zip(*((item.busy_ms, float(item.energy_kwh.sum())) for item in (base, run)))
    each = [amount / time for amount, time in zip(energy, work)]
    signal = [item.cost / amount if amount else 0.0 for item, amount in zip((base, run), energy)]
    mean = sum(signal) / 2.0
    return {
        "change_work": mean * (work[1] - work[0]) * sum(each) / 2.0,
        "change_overhead": mean * (each[1] - each[0]) * sum(work) / 2.0,
        "change_shift": (signal[1] - signal[0]) * sum(energy) / 2.0,
        "work_ratio": work[1] / work[0],
        "overhead_ratio": each[1] / each[0] if each[0] else None,
    }


def complete_samples(runs: pl.DataFrame, scheduler: str, figure: str, unit: str) -> list[float]:
    """A figure of each sample whose runs all have it, the runs of a sample averaged.

    Parameters
    ----------
    runs : polars.DataFrame
        With the columns ``scheduler``, ``unit`` and ``figure``.
    scheduler, figure : str
        Whose figure, and which.
    unit : str
        Column whose values are the samples.
    """
    value = pl.col(figure).cast(pl.Float64)
    mean = pl.when(value.null_count() == 0).then(value.mean()).alias(figure)
    rows = runs.filter(pl.col("scheduler") == scheduler).group_by(unit, maintain_order=True).agg(mean)
    found: list[float] = rows[figure].drop_nulls().to_list()
    return found


def gap_notes(runs: pl.DataFrame, others: Iterable[str], *, unit: str, samples: int) -> list[str]:
    """Over how many samples changes in per cent can be given, where not over all.

    Parameters
    ----------
    runs, unit
        See :func:`complete_samples`.
    others : iterable of str
        Schedulers that are compared with the first.
    samples : int
        How many samples there are.
    """
    counts = {name: len(complete_samples(runs, name, "cost_ratio", unit)) for name in others}
    short = [f"{count} of {samples} {unit}s for {name}" for name, count in counts.items() if count < samples]
    if not short:
        return []
    return [
        "Costs that are not positive have no change in per cent and no share of headroom: changes of cost and "
        f"intensity in per cent are means over {', '.join(short)}. Amounts, and all that says how jobs were served, "
        "are over all; where costs are not positive, their change is split by differences, not by ratios."
    ]


def deadline_notes(completions: pl.DataFrame, schedulers: Sequence[str]) -> list[str]:
    """How many deadlines each scheduler missed over all runs, and by how much at most."""
    notes = []
    for name in schedulers:
        known = completions.filter(pl.col("scheduler") == name)["late_ms"].drop_nulls()
        late = known.filter(known > 0)
        if late.len():
            worst_s = float(late.cast(pl.Float64).to_numpy().max()) / 1000.0
            notes.append(
                f"{name} misses {late.len()} of {known.len()} deadlines, by up to {worst_s:,.6g} s of the run."
            )
    return notes


def late_ms(deadline_ms: int | None, completion_ms: int) -> int | None:
    """By how much a job missed its deadline [ms]: 0 if it did not, None if it has none.

    Examples
    --------
    >>> late_ms(4_000_000, 18_002_100), late_ms(5, 5), late_ms(None, 5)
    (14002100, 0, None)
    """
    return None if deadline_ms is None else max(0, completion_ms - deadline_ms)


def missed_deadlines(late: Iterable[int | None]) -> int | None:
    """How many of some jobs missed their deadline; None if none has one."""
    known = [value for value in late if value is not None]
    return sum(value > 0 for value in known) if known else None
