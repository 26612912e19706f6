"""The first two boxes of a report of jobs with precedence: what to take, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.dag_charts import bound_ratios
from joulewright.report.dag_figures import amount, change, length
from joulewright.report.dag_view import DagView
from joulewright.report.markup import Markup, element
from joulewright.report.numbers import number, percent, plural, quantity, whole

_FEW_SAMPLES = 5
_ROUNDING = 1e-6
_LEAST_BOUND = 1e-9
ONE_RUN = Finding(mood="warn", title="One run", text="It has no interval: another start or seed may say otherwise.")
_TILES = ("cost", "mean_completion_ms", "p95_completion_ms", "makespan_ms", "busy_ms", "mean_stretch")


def decision_box(view: DagView) -> list[Markup]:
    """Headline, tiles of one scheduler, and what the runs say."""
    best = best_of(view)
    shown = view.found.base if best is None else best
    lead = f"Means of {shown}" + (f", and the change against {view.found.base}" if shown != view.found.base else "")
    return [
        element("p", headline(view), class_="headline"),
        element("p", f"{lead}.", class_="lead"),
        element("dl", list(_tiles(view, shown)), class_="tiles"),
        *([sentence_list(said)] if (said := list(_sentences(view, best))) else []),
    ]


def best_of(view: DagView) -> str | None:
    """The scheduler that clearly costs less than the base, most of them; None where there is none."""
    less = {name: by for name in view.others if (by := view.beyond(name)) < 0.0}
    return min(less, key=less.__getitem__, default=None)


def headline(view: DagView) -> str:
    """The finding in a sentence or two."""
    base, what = view.found.base, view.signal.quantity
    cost = amount(view.signal, view.mean(base, "cost") or 0.0)
    if not view.others:
        run = view.found.shown[base]
        energy = quantity(float(run.energy_kwh.sum()), "kWh")
        return (
            f"{plural(len(view.found.jobs), 'job')} under {base} take {length(run.makespan_ms)} and {energy}: {cost}."
        )
    best = best_of(view)
    if best is None:
        return f"No scheduler clearly costs less than {base}, whose {what} is {cost}."
    by = -view.beyond(best)
    saved = percent(by) if view.relative else amount(view.signal, by)
    slower = view.mean(best, "mean_completion_ratio") or 1.0
    return (
        f"{best} saves {saved} of the {what} of {base} ({cost}); jobs take {number(slower)} times as long on average."
    )


def _tiles(view: DagView, name: str) -> Iterator[Markup]:
    relative = {"cost": "cost_ratio", "mean_completion_ms": "mean_completion_ratio", "makespan_ms": "makespan_ratio",
                "p95_completion_ms": "p95_completion_ratio", "busy_ms": "work_ratio"}  # fmt: skip
    for key in _TILES:
        value, note = view.mean(name, key), None
        if value is None:
            continue
        if name != view.found.base and key == "cost" and not view.relative:
            by = view.mean(name, "change_cost") or 0.0
            note = element("span", view.figures["change_cost"].show(by), class_=_mood(by))
        elif name != view.found.base and key in relative:
            ratio = view.mean(name, relative[key]) or 1.0
            note = element("span", change(ratio), class_=_mood(ratio - 1.0))
        yield tile(view.figures[key].title, view.figures[key].show(value), note)
    above = view.mean(name, "above_bound_fraction")
    if above is not None and view.relative:
        yield tile("Above the bound", view.figures["above_bound_fraction"].show(above), "of its own makespan")


def _mood(by: float) -> str | None:
    return "better" if by < -1e-9 else "worse" if by > 1e-9 else None


def _sentences(view: DagView, best: str | None) -> Iterator[str]:
    base = view.found.base
    if best is not None:
        work, shift = view.mean(best, "work_ratio") or 1.0, view.mean(best, "shift_ratio") or 1.0
        intensity = f", and the mean intensity of their energy is {_lower(shift)}" if view.relative else ""
        moved = view.figures["change_shift"].show(view.mean(best, "change_shift") or 0.0)
        aware = "Only the second is awareness of the signal" if view.relative else f"{moved} come from other hours"
        yield f"{best}: executors are busy for {_more(work)} time{intensity}. {aware}."
        share = view.mean(best, "headroom_share")
        makespan = view.mean(best, "makespan_ratio") or 1.0
        if share is not None:
            longer = "" if makespan <= 1.02 else f", but with a makespan of {number(makespan)} times its own"
            yield f"That is {percent(share)} of what any schedule as long as that of {base} could save{longer}."
    dearer = [name for name in view.others if view.beyond(name) > 0.0]
    if dearer:
        yield f"More {view.signal.quantity} than {base}: {', '.join(dearer)}."
    ratios = bound_ratios(view)
    if ratios:
        reach = [f"{percent(1.0 - ratio)} {_within(hours)}" for hours, ratio in ratios.items()]
        yield f"At most this much of the {view.signal.quantity} of {base} can be saved: {', '.join(reach)}."


def _within(hours: float) -> str:
    return f"with {hours:g} h more" if hours else "at equal makespan"


def _more(ratio: float) -> str:
    return "the same" if abs(ratio - 1.0) < 1e-6 else f"{percent(abs(ratio - 1.0))} {'less' if ratio < 1 else 'more'}"


def _lower(ratio: float) -> str:
    if abs(ratio - 1.0) < 1e-6:
        return "the same"
    return f"{percent(abs(ratio - 1.0))} {'lower' if ratio < 1 else 'higher'}"


def validity_box(view: DagView) -> list[Markup]:
    """Findings and notes."""
    asked = (_samples, _signal, _work, _deadlines, _bound)
    findings = [item for item in (ask(view) for ask in asked) if item]
    findings.append(future_finding(view.found.know_future))
    notes = list(view.found.notes)
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _samples(view: DagView) -> Finding:
    found = view.found
    if len(found.starts) * len(found.seeds) == 1 and not view.others:
        return ONE_RUN
    title = f"{plural(len(found.starts), 'start')}, {plural(len(found.seeds), 'seed')}"
    if found.samples < 2:
        return Finding(mood="warn", title=title, text="One sample has no interval: another day may say otherwise.")
    text = f"Intervals of the mean over {plural(found.samples, 'start' if len(found.starts) > 1 else 'seed')}."
    if len(found.starts) < 2:
        return Finding(mood="warn", title=title, text=f"{text} All meet the same signal: another day may differ.")
    return Finding(mood="good" if found.samples >= _FEW_SAMPLES else "warn", title=title, text=text)


def _signal(view: DagView) -> Finding:
    timeline = view.signal.timeline
    text = f"{view.signal.name}; {whole(timeline.steps)} steps of {number(timeline.step_h)} h."
    if view.signal.synthetic:
        return Finding(mood="warn", title="The signal is made up", text=text)
    return Finding(mood="good", title="Signal", text=text)


def _work(view: DagView) -> Finding:
    if view.found.cluster.executors_fail:
        text = "What a failed executor ran is done again, and how much that is depends on the schedule."
        return Finding(mood="warn", title="Executors fail", text=f"Work depends on the scheduler: {text}")
    if view.source.exact:
        return Finding(mood="good", title="Work does not depend on the scheduler", text="Every task has one duration.")
    return Finding(
        mood="warn",
        title="Work depends on the scheduler",
        text="Tasks take longer on more executors: a scheduler saves energy merely by using fewer. Look at the split.",
    )


def _deadlines(view: DagView) -> Finding | None:
    return deadline_finding([view.mean(name, "missed_deadlines") for name in view.names])


def deadline_finding(missed: Iterable[float | None]) -> Finding | None:
    """Whether deadlines were missed, by how many in each run; None where no job has one."""
    known = [count for count in missed if count is not None]
    if not known:
        return None
    if any(known):
        text = "No scheduler is asked to keep deadlines; see the notes and the table of jobs."
        return Finding(mood="bad", title="Deadlines are missed", text=text)
    return Finding(mood="good", title="Every deadline is met", text="Of the jobs that have one, in every run.")


def _bound(view: DagView) -> Finding | None:
    runs = view.found.runs.drop_nulls("bound")
    above = (runs["cost"] - runs["bound"]).to_numpy()
    if not above.size:
        return None
    below = above / np.maximum(np.abs(runs["bound"].to_numpy()), _LEAST_BOUND)
    if below.min() < -_ROUNDING:
        text = f"{runs['scheduler'][int(below.argmin())]} by {amount(view.signal, -above[below.argmin()])}"
        return Finding(mood="bad", title="A run is below its bound", text=f"{text}: that cannot be.")
    text = f"Checked for {plural(above.size, 'run')}: none costs less than the bound of its own length."
    return Finding(mood="good", title="No run beats the fluid bound", text=text)


def future_finding(know: Sequence[str]) -> Finding:
    """Whether any schedulers or placements, given by name, know the future."""
    if know:
        text = f"{', '.join(know)}: a perfect forecast or known arrivals give bounds, not policies."
        return Finding(mood="warn", title="Some schedulers know the future", text=text)
    return Finding(mood="good", title="No scheduler knows the future", text="Forecasts are made from the past.")
