"""What a study report says about which policy to take, and when it says that it does not know."""

from __future__ import annotations

import re
from typing import Any

import pytest

from joulewright.report.study_decision import decision_box, headline, verdict_text
from joulewright.report.study_verdict import Verdict, common_means, leads_of, priced, state_of, verdict, wins
from joulewright.report.study_view import StudyView
from joulewright.study.result import Comparison, Estimate, Inference, Variant
from joulewright.study.summary import Samples


def judged(study: Any) -> tuple[StudyView, Verdict]:
    view = StudyView(study=study)
    return view, verdict(view, view.variants[0])


def plain(text: object) -> str:
    """Text without tags, with plain spaces."""
    return re.sub(r"<[^>]+>", " ", str(text)).replace("\u202f", " ").replace("\xa0", " ")


def box(study: Any) -> str:
    return " ".join(plain(part) for part in decision_box(StudyView(study=study)))


def test_a_clear_lead_names_policy_amount_interval_and_chance(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study())
    assert found.best is not None
    assert (found.best.policy, found.state, found.wins) == ("eager", "clear", (5,))
    (lead,) = found.leads
    assert lead.difference.mean == pytest.approx(100.0)
    text = plain(verdict_text(view, found))
    assert text.startswith("Choose eager: it earns 100 USD more per run than calm, the next best (95 % interval 96")
    assert "p below 0.0001" in text


def test_the_lead_is_taken_pair_by_pair(study_report_case: Any) -> None:
    """Seeds shift both policies alike by 10 each, which widens their own intervals and not that of the lead."""
    _, found = judged(study_report_case.make_study())
    assert found.best is not None
    own = found.best.estimate("benefit")
    assert own is not None
    assert own.half_width > 15.0
    # Differences of luck are 1, -2, 3, -4, 2: variance 8.5, half width t(0.975, 4) sqrt(8.5 / 5)
    assert found.leads[0].difference.half_width == pytest.approx(2.776445 * (8.5 / 5) ** 0.5, rel=1e-5)


def test_a_lead_within_chance_is_not_called_one(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study(luck=100.0))
    assert found.state == "unclear"
    text = plain(verdict_text(view, found))
    assert text.startswith("No policy is clearly best. eager has the highest mean benefit, but its lead of 100 USD")
    assert re.search(r"may be chance \(95 % interval −\d", text)
    assert "more seeds may tell them apart" in box(view.study)


def test_one_seed_cannot_tell_merit_from_luck(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study(seeds=(0,)))
    assert found.state == "untested"
    text = verdict_text(view, found)
    assert "A single run cannot tell merit from luck" in text
    assert "interval" not in text


def test_one_policy_has_nothing_to_beat(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study(("calm",)))
    assert found.state == "only"
    assert "There is no other policy" in verdict_text(view, found)
    alone, single = judged(study_report_case.make_study(("calm",), seeds=(1,)))
    assert "in its one run" in verdict_text(alone, single)


def test_equal_policies_are_called_alike(study_report_case: Any) -> None:
    study = study_report_case.make_study()
    by_seed = {run.key.seed: run.figures for run in study.runs(policy="calm")}
    outcomes = tuple(
        study_report_case.replace(run, figures=by_seed[run.key.seed]) if run.key.policy == "eager" else run
        for run in study.outcomes
    )
    view, found = judged(study_report_case.replace(study, outcomes=outcomes))
    assert found.state == "alike"
    assert "earn the same in every run" in verdict_text(view, found)


def test_a_constant_lead_needs_no_test(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study(luck=0.0))
    assert found.state == "clear"
    assert "chance plays no part" in verdict_text(view, found)


def test_a_policy_with_failed_runs_is_not_ranked(study_report_case: Any) -> None:
    view, found = judged(study_report_case.make_study(failed={("eager", 2): "PolicyError: broken"}))
    assert [entrant.policy for entrant in found.ranked] == ["calm"]
    assert [entrant.policy for entrant in found.left_out] == ["eager"]
    assert "eager is not ranked: 1 of 5 runs failed." in box(view.study)


def test_policies_that_all_failed_somewhere_are_compared_where_they_did_not(study_report_case: Any) -> None:
    study = study_report_case.make_study(failed={("eager", 2): "broken", ("calm", 0): "broken"})
    _, found = judged(study)
    assert [entrant.policy for entrant in found.ranked] == ["eager", "calm"]
    assert (found.leads[0].difference.count, found.leads[0].left_out) == (3, 2)


def test_nothing_finished(study_report_case: Any) -> None:
    failed = {(policy, seed): "broken" for policy in ("calm", "eager") for seed in range(5)}
    text = box(study_report_case.make_study(failed=failed, oracle=False))
    assert text == " No run finished, so there is nothing to decide. The validity box lists the errors. "


def test_what_speaks_against_the_best_is_said(study_report_case: Any) -> None:
    text = box(study_report_case.make_study())
    assert "calm does better in unserved load: 0 MWh per run against 2.00 MWh." in text
    assert "does better in carbon" not in text
    assert "It beats calm in 5 of 5 pairs" in text
    assert "Perfect foresight could earn up to" in text


def test_a_price_on_shortages_can_turn_the_order(study_report_case: Any) -> None:
    """Each of the 2 MWh that eager sheds costs 10, so its lead of 100 falls to 80; at 100 each it is lost."""
    study = study_report_case.make_study()
    view = StudyView(study=study)
    values = priced(view, view.at(""))
    assert values["eager"].mean - values["calm"].mean == pytest.approx(80.0)
    assert "is ahead instead" not in box(study)
    dear = tuple(
        study_report_case.replace(
            run, standing={"benefit": run.figures["benefit"] - 100.0 * run.figures["unserved_mwh"]}
        )
        for run in study.outcomes
    )
    assert "calm is ahead instead, by 100 USD per run" in box(study_report_case.replace(study, outcomes=dear))


def test_tiles_compare_with_the_first_policy(study_report_case: Any) -> None:
    text = box(study_report_case.make_study(("calm", "middle", "eager")))
    assert "Mean per run of eager, and the change against calm" in text
    assert "+200 USD" in text
    assert "Its lead over calm is 200 USD (clearly" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Choose eager: it earns the most on every one of 3 variants, each time by more than chance."),
        ({"luck": 100.0}, "nowhere by more than chance"),
        ({"seeds": (0,)}, "but in single runs, which cannot tell merit from luck"),
    ],
)
def test_variants_are_judged_one_by_one(study_report_case: Any, changes: dict[str, Any], words: str) -> None:
    study = study_report_case.make_study(variants=study_report_case.sweep(), **changes)
    view = StudyView(study=study)
    verdicts = [verdict(view, variant) for variant in view.variants]
    assert words in headline(view, verdicts)
    assert "battery.energy=20 MWh: " in box(study)


def test_one_policy_on_variants(study_report_case: Any) -> None:
    study = study_report_case.make_study(("calm",), variants=study_report_case.sweep())
    assert "There is no other to compare it with." in box(study)


def test_leaders_that_differ_between_variants_are_both_named(study_report_case: Any) -> None:
    study = study_report_case.make_study(variants=(Variant(name="x=1"), Variant(name="x=2")))
    outcomes = tuple(
        study_report_case.replace(run, figures={**run.figures, "benefit": 5000.0 + run.key.seed})
        if (run.key.variant, run.key.policy) == ("x=2", "calm")
        else run
        for run in study.outcomes
    )
    text = box(study_report_case.replace(study, outcomes=outcomes))
    assert "Which policy is best depends on the variant: eager and calm each lead on some of 2 variants." in text


def test_means_over_common_samples_and_over_own_ones() -> None:
    apart = {"a": Samples(values={1: 4.0, 2: None}), "b": Samples(values={2: 7.0})}
    assert common_means(apart) == {"a": 4.0, "b": 7.0}


def test_tests_count_every_pair_of_policies() -> None:
    """Three policies make three pairs, so the smallest of three p-values is multiplied by three."""
    base = {0: 10.0, 1: 11.0, 2: 12.5}
    samples = {
        "a": Samples(values=base),
        "b": Samples(values={key: value - 5.0 - 0.1 * key for key, value in base.items()}),
        "c": Samples(values={key: value - 6.0 + 0.5 * key for key, value in base.items()}),
    }
    leads = leads_of(["a", "b", "c"], samples, Inference())
    assert [lead.reference for lead in leads] == ["b", "c"]
    assert leads[0].p_value is not None
    assert leads[0].adjusted_p_value == pytest.approx(3.0 * leads[0].p_value)


def test_wins_ignore_rounding_and_missing_pairs() -> None:
    one = Samples(values={0: 2.0, 1: 1.0 + 1e-12, 2: None, 3: 5.0})
    other = Samples(values={0: 1.0, 1: 1.0, 2: 0.0})
    assert wins(one, other) == 1


@pytest.mark.parametrize(
    ("count", "mean", "chance", "state"),
    [(1, 3.0, None, "untested"), (4, 3.0, None, "clear"), (4, 0.0, 1.0, "alike"), (4, 3.0, 0.2, "unclear")],
)
def test_states(count: int, mean: float, chance: float | None, state: str) -> None:
    lead = Comparison(
        variant="",
        policy="a",
        reference_variant="",
        reference="b",
        figure="benefit",
        difference=Estimate(mean=mean, count=count),
        adjusted_p_value=chance,
    )
    assert state_of(lead) == state
