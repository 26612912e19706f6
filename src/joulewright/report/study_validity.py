"""How far a study can be trusted: seeds, failed runs, cut decisions, forecasts, foresight, and what was not served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from joulewright.model import CARBON_BUDGET
from joulewright.report.boxes import Finding, finding_list, sentence_list
from joulewright.report.markup import Markup, details, table
from joulewright.report.numbers import energy, number, percent, plural, whole
from joulewright.report.sources import files_of
from joulewright.report.study_figures import coverage_text
from joulewright.report.study_view import StudyView
from joulewright.study.result import ORACLE

_FEW_SAMPLES = 5
_SMALL_GAP = 0.01
_MOST_ROWS = 200
_MOST_NAMES = 6
_TINY = 1e-6
_FORESEES, _FORECASTS = "perfect", "forecasts: "
_INTERVALS = {"t": "Student's intervals of the mean", "bootstrap": "intervals from resampled means"}
_TESTS = {"paired-t": "paired t tests", "wilcoxon": "Wilcoxon's signed-rank tests"}


def validity_box(view: StudyView) -> list[Markup]:
    """Findings, notes, and the lists behind them."""
    parts = [finding_list(findings(view))]
    notes = list(_notes(view))
    if notes:
        parts.append(sentence_list(notes))
    failed = view.study.failed
    if failed:
        rows = [[str(outcome.key), outcome.error or "no reason was given"] for outcome in failed[:_MOST_ROWS]]
        parts.append(
            details(
                f"Failed runs ({whole(len(failed))})",
                table("Failed runs", ["Run", "Error"], rows, text=(0, 1)),
                open_=True,
            )
        )
    cut = _cuts(view)
    if cut:
        header = ["Policy", "What was cut", "Runs", "Steps"]
        rows = [[policy, what, whole(runs), whole(steps)] for (policy, what), (runs, steps) in cut.items()]
        listed = table("Decisions cut to what physics allows", header, rows[:_MOST_ROWS], text=(0, 1))
        parts.append(details(f"Decisions that were cut ({whole(len(rows))})", listed))
    return parts


def findings(view: StudyView) -> tuple[Finding, ...]:
    """Findings in the order of the box."""
    found = (
        _seeds(view),
        _failures(view),
        _clips(view),
        _forecaster(view),
        _oracle(view),
        _unserved(view),
        _budget(view),
        _years(view),
        _synthetic(view),
    )
    return tuple(item for item in found if item is not None)


def _seeds(view: StudyView) -> Finding:
    study = view.study
    what = "seed" if len(study.seeds) > 1 or not study.years else "year"
    title = plural(view.samples, what)
    if view.samples < 2:
        return Finding(
            mood="warn", title=title, text="No intervals and no tests: differences may be luck. Ask for more seeds."
        )
    text = (
        f"{coverage_text(study.inference.confidence)}s: {_INTERVALS[study.inference.interval]}. Differences are taken "
        f"pair by pair; {_TESTS[study.inference.test]}, corrected for their number by Holm's method."
    )
    if not _chance_matters(view):
        return Finding(
            mood="warn", title=f"{title}, all alike", text="Every seed gave the same figures: chance plays no part."
        )
    mood = "good" if view.samples >= _FEW_SAMPLES else "warn"
    few = "" if mood == "good" else " These are few: intervals are wide and rest on the shape of the distribution."
    return Finding(mood="good" if mood == "good" else "warn", title=title, text=f"{text}{few}")


def _chance_matters(view: StudyView) -> bool:
    """Whether any policy has different benefits under different seeds."""
    for entrant in view.entrants:
        values = [run.figures.get("benefit") for run in entrant.good]
        if len(set(values)) > 1:
            return True
    return not any(entrant.good for entrant in view.entrants)


def _failures(view: StudyView) -> Finding:
    total, failed = len(view.study.outcomes), len(view.study.failed)
    cached = sum(outcome.cached for outcome in view.study.outcomes)
    kept = f" {whole(cached)} of them were finished before and not run again." if cached else ""
    if not failed:
        return Finding(mood="good", title=f"All {plural(total, 'run')} finished", text=f"None failed.{kept}")
    reasons = Counter(outcome.error.partition(":")[0] or "unknown" for outcome in view.study.failed)
    listed = ", ".join(f"{whole(count)} × {reason}" for reason, count in reasons.most_common(_MOST_NAMES))
    return Finding(
        mood="bad",
        title=f"{whole(failed)} of {plural(total, 'run')} failed",
        text=f"{listed}. Means are over the runs that finished; the errors are listed below.{kept}",
    )


def _cuts(view: StudyView) -> dict[tuple[str, str], tuple[int, int]]:
    """Runs and steps in which a decision was cut, by policy and what was cut, most steps first."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for entrant in view.entrants:
        for run in entrant.good:
            for what, steps in run.clips.items():
                runs, total = found.get((entrant.policy, what), (0, 0))
                found[entrant.policy, what] = (runs + 1, total + steps)
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def _clips(view: StudyView) -> Finding:
    cut = _cuts(view)
    if not cut:
        return Finding(
            mood="good", title="No decision was cut", text="Physics allowed all that the policies asked for."
        )
    runs = sum(bool(run.clips) for entrant in view.entrants for run in entrant.good)
    steps = sum(total for _, total in cut.values())
    policies = list(dict.fromkeys(policy for policy, _ in cut))
    more = " and others" if len(policies) > _MOST_NAMES else ""
    return Finding(
        mood="warn",
        title=f"Decisions cut in {plural(steps, 'step')}",
        text=f"In {plural(runs, 'run')} a policy asked for more than physics allows: "
        f"{', '.join(policies[:_MOST_NAMES])}{more}. What was cut is listed below.",
    )


def _budget(view: StudyView) -> Finding | None:
    """Runs that emitted more than a carbon budget allows; nothing to say where there are none."""
    over = {
        entrant.policy: sum(any(item.kind == CARBON_BUDGET for item in run.happenings) for run in entrant.good)
        for entrant in view.entrants
    }
    listed = ", ".join(f"{policy} in {whole(runs)}" for policy, runs in over.items() if runs)
    if not listed:
        return None
    total = sum(over.values())
    text = f"{listed}. Policies pace a budget by a price and are not stopped by it; what is over has no price here."
    return Finding(mood="warn", title=f"Carbon budget exceeded in {plural(total, 'run')}", text=text)


def _forecaster(view: StudyView) -> Finding:
    name = view.study.forecast or "none"
    if name.partition(":")[0] == _FORESEES:
        return Finding(
            mood="warn",
            title="Perfect forecasts",
            text="Policies that look ahead knew the future: no real forecast would let them do as well.",
        )
    return Finding(
        mood="good", title=f"Forecasts: {name}", text="No policy sees the future; each gets what the forecaster issues."
    )


def _oracle(view: StudyView) -> Finding:
    gaps = [run.regret_fraction for entrant in view.oracles for run in entrant.good if run.regret_fraction is not None]
    if not gaps:
        return Finding(
            mood="warn",
            title="No regret",
            text="No plan with perfect foresight was made, so nobody knows how much better a policy could be.",
        )
    most = max(gaps)
    return Finding(
        mood="good" if most <= _SMALL_GAP else "warn",
        title=f"Perfect foresight within {percent(most, 2)}",
        text="How far the plan with perfect foresight may be from the best there is, in the worst of "
        f"{plural(len(gaps), 'plan')}. Regret is measured to the bound, so it is too high by at most that.",
    )


def _unserved(view: StudyView) -> Finding:
    worst: tuple[float, str] = (0.0, "")
    undone = 0
    for entrant in view.entrants:
        for run in entrant.good:
            shed = run.figures.get("unserved_mwh") or 0.0
            undone += (run.figures.get("jobs_unfinished") or 0.0) + (run.figures.get("jobs_rejected") or 0.0) > 0.5
            worst = max(worst, (shed, f"{entrant.policy}, {view.run_name(run)}"))
    if worst[0] <= _TINY and not undone:
        return Finding(mood="good", title="All load is served", text="No run shed load, and every job was finished.")
    shed_text = (
        f"At most {energy(worst[0])} of load was shed ({worst[1]})." if worst[0] > _TINY else "No load was shed."
    )
    jobs_text = f" Jobs were left undone in {plural(undone, 'run')}." if undone else ""
    return Finding(mood="warn", title="Left unserved", text=f"{shed_text}{jobs_text}")


def _years(view: StudyView) -> Finding | None:
    years = view.study.years
    if not years:
        return None
    listed = ", ".join(map(str, years[:_MOST_NAMES])) + (" and others" if len(years) > _MOST_NAMES else "")
    return Finding(
        mood="good",
        title=plural(len(years), "year"),
        text=f"The horizon was moved to {listed}; charts over time show the dates of the scenario.",
    )


def _synthetic(view: StudyView) -> Finding | None:
    files = [file.path for file in files_of(view.scenario_facts) if file.synthetic]
    if not files:
        return None
    listed = ", ".join(files[:_MOST_NAMES]) + (" and others" if len(files) > _MOST_NAMES else "")
    return Finding(
        mood="warn",
        title="Synthetic data",
        text=f"Generated, not measured: {listed}. Good for trying things out, not for decisions.",
    )


def _notes(view: StudyView) -> Iterator[str]:
    """Notes of the study, then those of its runs with how many runs have them."""
    yield from (_sentence(note) for note in view.study.notes)
    good = [outcome for outcome in view.study.outcomes if outcome.ok and outcome.key.policy != ORACLE]
    counts = Counter(note for outcome in good for note in dict.fromkeys(outcome.notes) if not _is_known(note))
    for note, count in counts.most_common(2 * _MOST_NAMES):
        where = "" if count == len(good) else f" ({number(count)} of {plural(len(good), 'run')})"
        yield _sentence(f"{note}{where}")


def _is_known(note: str) -> bool:
    """Whether a finding says the same as a note."""
    return note.startswith(_FORECASTS)


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
