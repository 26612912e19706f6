"""The first two boxes of a report of jobs with precedence: what to take, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.dag_charts import bound_ratios
from joulewright.report.dag_figures import amount, change, length
from joulewright.report.dag_view import DagView
from joulewright.report.markup import Markup, element
from joulewright.report.numbers import number, percent, plural, quantity, whole

_FEW_SAMPLES = 5
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
    ratios = {name: view.mean(name, "cost_ratio") for name in view.others if view.clear(name, "cost_ratio")}
    less = {name: ratio for name, ratio in ratios.items() if ratio is not None and ratio < 1.0}
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
    saved = percent(1.0 - (view.mean(best, "cost_ratio") or 1.0))
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
        if name != view.found.base and key in relative:
            ratio = view.mean(name, relative[key]) or 1.0
            mood = "better" if ratio < 1.0 - 1e-9 else "worse" if ratio > 1.0 + 1e-9 else None
            note = element("span", change(ratio), class_=mood)
        yield tile(view.figures[key].title, view.figures[key].show(value), note)
    above = view.mean(name, "above_bound_fraction")
    if above is not None:
        yield tile("Above the bound", view.figures["above_bound_fraction"].show(above), "of its own makespan")


def _sentences(view: DagView, best: str | None) -> Iterator[str]:
    base = view.found.base
    if best is not None:
        work, shift = view.mean(best, "work_ratio") or 1.0, view.mean(best, "shift_ratio") or 1.0
        yield (
            f"{best}: executors are busy for {_more(work)} time, and the mean intensity of their energy is "
            f"{_lower(shift)}. Only the second is awareness of the signal."
        )
        share = view.mean(best, "headroom_share")
        makespan = view.mean(best, "makespan_ratio") or 1.0
        if share is not None:
            longer = "" if makespan <= 1.02 else f", but with a makespan of {number(makespan)} times its own"
            yield f"That is {percent(share)} of what any schedule as long as that of {base} could save{longer}."
    dearer = [
        name for name in view.others if view.clear(name, "cost_ratio") and (view.mean(name, "cost_ratio") or 0) > 1
    ]
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
    findings = [item for item in (_samples(view), _signal(view), _work(view), _bound(view), _future(view)) if item]
    notes = list(view.found.notes)
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _samples(view: DagView) -> Finding | None:
    found = view.found
    if not view.others:
        return None
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
    if view.source.exact:
        return Finding(mood="good", title="Work does not depend on the scheduler", text="Every task has one duration.")
    return Finding(
        mood="warn",
        title="Work depends on the scheduler",
        text="Tasks take longer on more executors: a scheduler saves energy merely by using fewer. Look at the split.",
    )


def _bound(view: DagView) -> Finding | None:
    above = [view.mean(name, "above_bound_fraction") for name in view.names]
    least = min((value for value in above if value is not None), default=None)
    if least is None:
        return None
    if least < -1e-6:
        return Finding(mood="bad", title="A run is below its bound", text=f"By {percent(-least)}: that cannot be.")
    nearest = view.figures["above_bound_fraction"].show(least)
    text = f"Every scheduler is at least {nearest} above the bound of its own length, on average."
    return Finding(mood="good", title="No run beats the fluid bound", text=text)


def _future(view: DagView) -> Finding | None:
    return future_finding(view.names)


def future_finding(rules: Iterable[str]) -> Finding:
    """Whether schedulers or placements, by the texts that name them, look ahead."""
    if any("=perfect" in rule or "known_arrivals=yes" in rule or "known_arrivals=true" in rule for rule in rules):
        text = "forecast=perfect and known_arrivals=yes are bounds, not policies."
        return Finding(mood="warn", title="Some schedulers know the future", text=text)
    return Finding(mood="good", title="No scheduler knows the future", text="Forecasts are made from the past.")
