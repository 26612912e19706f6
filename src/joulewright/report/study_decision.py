"""The decision box of a study: which policy to take, by how much it is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulewright.report.boxes import sentence_list, tile
from joulewright.report.markup import Child, Markup, element
from joulewright.report.numbers import percent, plural, signed, whole
from joulewright.report.study_figures import (
    Figure,
    chance_text,
    coverage_text,
    figure_named,
    figures_of,
    interval_text,
    mean_and_half,
    range_text,
)
from joulewright.report.study_verdict import LEVEL, Verdict, priced, state_of, verdict
from joulewright.report.study_view import Entrant, StudyView
from joulewright.study.result import Comparison

_MOST_LISTED = 12
_TILES = ("benefit", "cost", "carbon_kg", "unserved_mwh", "regret", "served_fraction", "deadlines_met")
_MOST_TILES = 6
_NOUNS = {
    "carbon_kg": "carbon",
    "unserved_mwh": "unserved load",
    "deadlines_met": "deadlines met",
    "served_fraction": "inference served",
}
_ONLY_WHERE_ANY = ("unserved_mwh", "deadlines_met")
_TINY = 1e-6
_FEW, _MANY = 100, 10_000


def decision_box(view: StudyView) -> list[Markup]:
    """Headline, tiles, and what the runs say."""
    verdicts = [verdict(view, variant) for variant in view.variants]
    first = next((item for item in verdicts if item.best is not None), None)
    parts = [element("p", headline(view, verdicts), class_="headline")]
    if first is None or first.best is None:
        return parts
    parts.append(element("p", _tile_lead(view, first, first.best), class_="lead"))
    parts.append(element("dl", _tiles(view, first), class_="tiles"))
    said = list(_sentences(view, verdicts, first))
    return [*parts, element("h3", "What the runs say"), sentence_list(said)] if said else parts


def headline(view: StudyView, verdicts: Sequence[Verdict]) -> str:
    """The decision in a sentence or two."""
    if len(verdicts) == 1:
        return verdict_text(view, verdicts[0])
    judged = [item for item in verdicts if item.best is not None]
    if not judged:
        return verdict_text(view, verdicts[0])
    names = list(dict.fromkeys(item.best.policy for item in judged if item.best is not None))
    count = plural(len(judged), "variant")
    if len(names) > 1:
        return f"Which policy is best depends on the variant: {_joined(names)} each lead on some of {count}."
    clear = sum(item.state == "clear" for item in judged)
    if all(item.state == "only" for item in judged):
        return f"One policy was simulated on {count}: {names[0]}. There is no other to compare it with."
    if clear == len(judged):
        return f"Choose {names[0]}: it earns the most on every one of {count}, each time by more than chance."
    if all(item.state in ("untested", "only") for item in judged):
        return (
            f"{names[0]} earned the most on every one of {count}, but in single runs, which cannot tell merit from "
            "luck: run more seeds before you choose."
        )
    sure = f"on {whole(clear)} of them its lead is more than chance" if clear else "nowhere by more than chance"
    return f"{names[0]} earns the most on every one of {count}; {sure}."


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def verdict_text(view: StudyView, found: Verdict) -> str:
    """What the runs on one variant say about which policy to take."""
    best, money = found.best, figure_named("benefit", view.study.currency)
    if best is None:
        return "No run finished, so there is nothing to decide. The validity box lists the errors."
    earned = interval_text(best.estimate("benefit"), money.show)
    if found.state == "only" and view.samples == 1:
        return f"{best.policy} earned {earned} in its one run. There is no other policy to compare it with."
    if found.state == "only":
        return f"{best.policy} earns {earned} per run. There is no other policy to compare it with."
    if not found.leads:
        return f"{best.policy} earned the most, {earned} per run, but no two policies finished the same runs."
    lead = found.leads[0]
    amount = money.show(abs(lead.difference.mean))
    if found.state == "alike":
        return f"{best.policy} and {lead.reference} earn the same in every run: either will do."
    if found.state == "untested":
        return (
            f"{best.policy} earned the most in the one run of each policy, {amount} more than {lead.reference}. "
            "A single run cannot tell merit from luck: run more seeds before you choose."
        )
    if found.state == "unclear":
        return (
            f"No policy is clearly best. {best.policy} has the highest mean benefit, but its lead of {amount} over "
            f"{lead.reference} may be chance ({_certainty(lead, money)})."
        )
    return (
        f"Choose {best.policy}: it earns {amount} more per run than {lead.reference}, the next best "
        f"({_certainty(lead, money)})."
    )


def _certainty(lead: Comparison, figure: Figure) -> str:
    """Interval and p-value of a difference in brackets."""
    found = lead.difference
    if lead.adjusted_p_value is None and found.count > 1:
        return "the same in every pair: chance plays no part"
    parts = []
    if found.low is not None and found.high is not None:
        parts.append(f"{coverage_text(found.confidence)} {range_text(found, figure.show)}")
    if lead.adjusted_p_value is not None:
        parts.append(f"p\xa0{_relation(lead.adjusted_p_value)}")
    return ", ".join(parts)


def _relation(p_value: float) -> str:
    text = chance_text(p_value)
    return text if text.startswith("below") else f"=\xa0{text}"


def _tile_lead(view: StudyView, found: Verdict, best: Entrant) -> str:
    """Whose figures the tiles show, and what they are compared with."""
    other = _reference(view, found)
    where = f" on {found.variant}" if view.varied else ""
    change = "" if other is None else f", and the change against {other.policy}"
    return f"Mean per run of {best.policy}{where}{change}:"


def _tiles(view: StudyView, found: Verdict) -> Iterator[Markup]:
    """Means of the best policy, each with its change against the first policy, or the next best."""
    best = found.best
    if best is None:
        return
    other = _reference(view, found)
    keys = [key for key in _TILES if best.estimate(key) and (key not in _ONLY_WHERE_ANY or _anywhere(view, key))]
    for key in keys[:_MOST_TILES]:
        figure, value = figure_named(key, view.study.currency), best.estimate(key)
        if value is None:
            continue
        mean, *half = mean_and_half(value, figure.show)
        notes: list[Child] = [f"± {text}" for text in half]
        if key == "regret" and best.estimate("regret_fraction") is not None:
            notes.append(f"{_share(best)} of the cost without control")
        elif other is not None:
            notes.append(_change(figure, value.mean, other))
        yield tile(figure.title, mean, _lines(notes))


def _lines(notes: Sequence[Child]) -> list[Child]:
    lines: list[Child] = []
    for note in notes:
        lines += [element("br"), note] if lines else [note]
    return lines


def _share(entrant: Entrant) -> str:
    share = entrant.estimate("regret_fraction")
    return "" if share is None else percent(share.mean)


def _anywhere(view: StudyView, key: str) -> bool:
    """Whether the figure is above zero for any policy."""
    found = (entrant.estimate(key) for entrant in view.entrants)
    return any(value is not None and abs(value.mean) > _TINY for value in found)


def _reference(view: StudyView, found: Verdict) -> Entrant | None:
    """The first policy of the study, or the next best where that is the best."""
    others = [entrant for entrant in found.ranked if entrant is not found.best]
    return next((entrant for entrant in others if entrant.policy == view.study.policies[0]), next(iter(others), None))


def _change(figure: Figure, value: float, other: Entrant) -> Child:
    reference = other.estimate(figure.key)
    if reference is None:
        return None
    change = value - reference.mean
    if abs(change) <= _TINY * max(1.0, abs(reference.mean)):
        return "no change"
    mood = "better" if change * figure.better > 0 else "worse"
    return element("span", signed(figure.show(change), change), class_=mood)


def _sentences(view: StudyView, verdicts: Sequence[Verdict], first: Verdict) -> Iterator[str]:
    if view.varied:
        for item in verdicts[:_MOST_LISTED]:
            yield f"{item.variant}: {verdict_text(view, item)}"
        if len(verdicts) > _MOST_LISTED:
            yield f"{len(verdicts) - _MOST_LISTED} further variants are in the tables below."
        return
    yield from _meaning(first)
    yield from _others(view, first)
    yield from _weigh(view, first)


def _meaning(found: Verdict) -> Iterator[str]:
    """What the test says in plain words."""
    if not found.leads:
        return
    lead, count = found.leads[0], found.leads[0].difference.count
    if count >= 2:
        yield f"It beats {lead.reference} in {found.wins[0]} of {count} pairs that met the same chance."
    chance = lead.adjusted_p_value
    if chance is None or found.state == "alike":
        return
    pairs = len(found.ranked) * (len(found.ranked) - 1) // 2
    correction = f", corrected for {plural(pairs, 'pair')} of policies" if pairs > 1 else ""
    if chance < LEVEL:
        yield f"If the two were equally good, a lead this large would come up in {_odds(chance)}{correction}."
    else:
        yield (
            f"If the two were equally good, a lead this large would still come up in {_odds(chance)}{correction}: more "
            "seeds may tell them apart."
        )


def _odds(chance: float) -> str:
    """A p-value as a share of studies.

    Examples
    --------
    >>> _odds(0.2), _odds(0.002), _odds(1e-9)
    ('20 of 100 studies', '20 of 10\u202f000 studies', 'fewer than 1 of 10\u202f000 studies')
    """
    if chance < 1e-4:
        return f"fewer than 1 of {whole(_MANY)} studies"
    base = _FEW if chance * _FEW >= 1.0 else _MANY
    return f"{whole(chance * base)} of {whole(base)} studies"


def _others(view: StudyView, found: Verdict) -> Iterator[str]:
    """The lead over the policies after the next best."""
    money = figure_named("benefit", view.study.currency)
    for lead, won in list(zip(found.leads, found.wins, strict=True))[1:_MOST_LISTED]:
        amount, pairs = money.show(abs(lead.difference.mean)), lead.difference.count
        certainty = f" ({_said(lead)}: {_certainty(lead, money)})" if pairs > 1 else ""
        yield f"Its lead over {lead.reference} is {amount}{certainty}; it wins {won} of {plural(pairs, 'pair')}."
    for entrant in found.left_out:
        failed = len(entrant.runs) - len(entrant.good)
        yield f"{entrant.policy} is not ranked: {failed} of {plural(len(entrant.runs), 'run')} failed."


def _said(lead: Comparison) -> str:
    return "clearly" if state_of(lead) == "clear" else "not clearly"


def _weigh(view: StudyView, found: Verdict) -> Iterator[str]:
    """What speaks against the best policy, and what would be better still."""
    best = found.best
    if best is None:
        return
    for figure in figures_of(view.study.currency):
        if figure.key in _NOUNS:
            yield from _beaten(figure, best, found.ranked)
    yield from _priced_lead(view, found)
    regret = best.estimate("regret")
    if regret is not None:
        share = best.estimate("regret_fraction")
        part = "" if share is None else f", {percent(share.mean)} of the cost without control"
        amount = figure_named("regret", view.study.currency).show(regret.mean)
        yield f"Perfect foresight could earn up to {amount} more per run than {best.policy}{part}."


def _beaten(figure: Figure, best: Entrant, ranked: Sequence[Entrant]) -> Iterator[str]:
    """Who does better than the best policy in a figure other than benefit."""
    own = best.estimate(figure.key)
    known = [(entrant, entrant.estimate(figure.key)) for entrant in ranked]
    values = [(entrant, value.mean) for entrant, value in known if value is not None]
    if own is None or not values:
        return
    rival, value = max(values, key=lambda item: figure.better * item[1])
    if figure.better * (value - own.mean) > _TINY * max(1.0, abs(own.mean)):
        ours, theirs = figure.show(own.mean), figure.show(value)
        yield f"{rival.policy} does better in {_NOUNS[figure.key]}: {theirs} per run against {ours}."


def _priced_lead(view: StudyView, found: Verdict) -> Iterator[str]:
    """Whether another policy leads once shortages have a price."""
    values = priced(view, found.ranked)
    if found.best is None or len(values) < 2 or len(values) < len(found.ranked):
        return
    leader = max(values, key=lambda policy: values[policy].mean)
    if leader != found.best.policy:
        money = figure_named("benefit", view.study.currency)
        amount = money.show(values[leader].mean - values[found.best.policy].mean)
        yield (
            f"With a price on shortages and on energy that batteries owe at the end, {leader} is ahead instead, by "
            f"{amount} per run."
        )
