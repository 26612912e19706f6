"""What the planner says about durations that are not whole steps."""

from __future__ import annotations

from joulewright.plan.rounding_notes import rounding_notes


def notes(tiny, *jobs, generator=None, step_s=3600):
    site = tiny.site(4, generators=() if generator is None else (generator,))
    return rounding_notes(tiny.scenario(site, steps=4, step_s=step_s, training=jobs))


def test_whole_steps_need_no_note(tiny):
    assert notes(tiny, tiny.job(duration_h=3.0), generator=tiny.generator(4, min_up_h=2.0)) == ()


def test_a_rounded_duration_says_by_how_much(tiny):
    assert notes(tiny, tiny.job("j", duration_h=2.25)) == (
        "1 job durations are rounded up to whole steps of 1 h: j +0.75 h",
    )


def test_a_finer_step_rounds_less(tiny):
    (note,) = notes(tiny, tiny.job("j", duration_h=0.6), step_s=900)
    assert note == "1 job durations are rounded up to whole steps of 0.25 h: j +0.15 h"


def test_only_three_are_named(tiny):
    (note,) = notes(tiny, *(tiny.job(f"j{n}", duration_h=1.5) for n in range(5)))
    assert note.startswith("5 job durations")
    assert note.endswith("j0 +0.5 h, j1 +0.5 h, j2 +0.5 h and more")


def test_minimum_times_of_generators_have_their_own_note(tiny):
    generator = tiny.generator(4, min_up_h=1.5, min_down_h=0.25)
    assert notes(tiny, generator=generator) == (
        "2 minimum times are rounded up to whole steps of 1 h: a/turbine.min_up_h +0.5 h, a/turbine.min_down_h +0.75 h",
    )


def test_jobs_and_generators_are_two_notes(tiny):
    found = notes(tiny, tiny.job(duration_h=0.5), generator=tiny.generator(4, min_up_h=0.5))
    assert [note.split(" are ")[0] for note in found] == ["1 job durations", "1 minimum times"]
