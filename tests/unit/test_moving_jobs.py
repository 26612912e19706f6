"""Time, energy and sense of moving a job, against published tables worked from the definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import break_even, migration, transfer

COLD = migration.MigrationTerms(provisioning_s=300.0)
LINKS = [1.0, 10.0, 100.0]


@pytest.mark.parametrize(
    ("size_gb", "seconds"),
    [
        (1.0, [11.0, 2.0, 1.1]),
        (6.0, [66.0, 12.0, 6.6]),
        (15.0, [165.0, 30.0, 16.5]),
        (40.0, [440.0, 80.0, 44.0]),
        (100.0, [1100.0, 200.0, 110.0]),
        (400.0, [4400.0, 800.0, 440.0]),
        (0.0, [0.0, 0.0, 0.0]),
    ],
)
def test_time_of_a_migration(size_gb, seconds):
    assert migration.migration_s(size_gb, LINKS) == pytest.approx(seconds)
    assert migration.migration_s(size_gb, LINKS, COLD) == pytest.approx(np.add(seconds, 300.0))


def test_overlap_hides_the_shorter_part():
    # 40 GB at 10 Gbit/s: 20 s saving and 40 s on the link against 300 s of provisioning, then 20 s loading and 7 s.
    both = replace(COLD, overlapped=True, warm_up_s=7.0)
    assert migration.migration_s(40.0, 10.0, both) == pytest.approx(327.0)
    assert migration.migration_s(40.0, 1.0, both) == pytest.approx(20.0 + 400.0 + 27.0)


def test_shared_links_take_longer():
    alone, shared = migration.migration_s(40.0, [10.0, 10.0 / 4.0])
    assert shared - alone == pytest.approx(3.0 * 40.0)


@pytest.mark.parametrize(
    ("size_gb", "warm", "cold"),
    [
        (6.7, [0.2047, 0.0372, 0.0205], [1.0381, 0.8706, 0.8538]),
        (40.0, [1.2222, 0.2222, 0.1222], [2.0556, 1.0556, 0.9556]),
        (84.0, [2.5667, 0.4667, 0.2567], [3.4, 1.3, 1.09]),
        (400.0, [12.2222, 2.2222, 1.2222], [13.0556, 3.0556, 2.0556]),
    ],
)
def test_shortest_window(size_gb, warm, cold):
    for terms, hours in ((migration.STANDARD_TERMS, warm), (COLD, cold)):
        needed = migration.shortest_window_h(migration.migration_s(size_gb, LINKS, terms), share=0.1)
        assert needed == pytest.approx(hours, abs=5e-5)


def test_largest_checkpoint():
    assert migration.largest_checkpoint_gb(2.5, LINKS) == pytest.approx([81.82, 450.0, 818.18], abs=5e-3)
    assert migration.largest_checkpoint_gb(2.5, LINKS, COLD) == pytest.approx([54.55, 300.0, 545.45], abs=5e-3)
    # Within 0.25 h provisioning alone takes more than a tenth.
    assert migration.largest_checkpoint_gb(0.25, LINKS, COLD).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("overlapped", [False, True])
@pytest.mark.parametrize("window_h", [1.0, 2.5, 9.0])
def test_largest_checkpoint_just_fits(overlapped, window_h):
    terms = replace(COLD, overlapped=overlapped, warm_up_s=20.0)
    size = migration.largest_checkpoint_gb(window_h, LINKS, terms)
    assert migration.fits_window(migration.migration_s(size, LINKS, terms), window_h).all()
    assert not migration.fits_window(migration.migration_s(size + 1e-3, LINKS, terms), window_h).any()


def test_an_empty_window_fits_nothing():
    assert migration.fits_window(0.0, [0.0, 0.1]).tolist() == [False, True]


def test_probability_over_windows_and_bandwidths():
    lengths = [4.0, 3.0, 3.0]
    assert migration.in_time_probability(1200.0, lengths) == pytest.approx(1 / 3)
    either = migration.migration_s(100.0, [1.0, 10.0])
    # 1100 s need 3.06 h, which one window of three lasts; 200 s need 0.56 h.
    assert migration.in_time_probability(either, lengths) == pytest.approx(2 / 3)
    assert migration.in_time_probability(200.0, lengths, age_h=2.5) == pytest.approx(1 / 3)
    assert migration.in_time_probability(200.0, lengths, age_h=9.0) == 0.0


@pytest.mark.parametrize(
    ("job_kw", "size_gb", "attributional", "marginal"),
    [
        (0.4, 6.0, (0.1808, 27.12), (0.0013, 0.195)),
        (0.4, 40.0, (1.205333, 180.8), (0.008667, 1.3)),
        (0.4, 100.0, (3.013333, 452.0), (0.021667, 3.25)),
        (0.7, 40.0, (1.209333, 103.657), (0.012667, 1.0857)),
        (10.0, 40.0, (1.333333, 8.0), (0.136667, 0.82)),
    ],
)
def test_energy_break_even(job_kw, size_gb, attributional, marginal):
    stall = migration.migration_s(size_gb, 10.0)
    energies = break_even.migration_energy_mwh(
        size_gb, transfer_s=transfer.transfer_s(size_gb, 8.0), stall_s=stall, idle_mw=0.3e-3 * job_kw
    )
    for energy, (kwh, minutes) in zip(energies, (attributional, marginal), strict=True):
        assert 1000.0 * energy == pytest.approx(kwh, abs=5e-7)
        hours = break_even.energy_break_even_h(energy, 1e-3 * job_kw, 1.0)
        assert 60.0 * hours == pytest.approx(minutes, rel=5e-5)


def test_carbon_break_even():
    place = {"network_kg_per_mwh": 400.0, "source_kg_per_mwh": [500.0, 100.0], "destination_kg_per_mwh": 100.0}
    hours = break_even.carbon_break_even_h(1.2e-3, 0.4e-3, **place)
    assert hours == pytest.approx([3.0, np.inf])


def test_no_gain_never_pays():
    assert break_even.energy_break_even_h(1.0, 1.0, [0.5, 0.0, -0.5]).tolist() == [2.0, np.inf, np.inf]
    assert break_even.energy_break_even_h(0.0, 0.0, 1.0) == np.inf


def test_repeated_work():
    # Missed with 25 %: half an hour of moving and a quarter since the checkpoint at 8 MW.
    assert break_even.repeated_work_mwh([1.0, 0.75], 1800.0, 8.0, since_h=0.25) == pytest.approx([0.0, 1.5])


JOB = break_even.Move(size_gb=40.0, bandwidth_gbit_s=10.0, job_mw=0.01, idle_mw=0.003, gain_fraction=1.0)


def test_verdict_shows_both_views():
    verdict = break_even.judge_move(JOB, 2.5)
    assert verdict.feasible
    assert verdict.disruption_h == pytest.approx(80.0 / 3600.0)
    assert verdict.shortest_window_h == pytest.approx(0.2222, abs=1e-4)
    assert 60.0 * verdict.attributional_break_even_h == pytest.approx(8.0)
    assert 60.0 * verdict.marginal_break_even_h == pytest.approx(0.82)
    assert "pays after 0.1333 h" in verdict.reason


@pytest.mark.parametrize(
    ("move", "window_h", "reason"),
    [
        (JOB, None, "unknown"),
        (JOB, 0.0, "needs a window of 0.2222 h; 0 h are left"),
        (JOB, 0.2, "the move takes 0.0222 h and needs a window of 0.2222 h; 0.2 h are left"),
        (replace(JOB, gain_fraction=0.0), 9.0, "no higher renewable share"),
        (replace(JOB, job_mw=0.4e-3, idle_mw=0.12e-3), 2.5, "pays after 3.0133 h, later than the 2.5 h"),
    ],
)
def test_verdict_says_why_not(move, window_h, reason):
    verdict = break_even.judge_move(move, window_h)
    assert not verdict.feasible
    assert reason in verdict.reason


def test_verdict_depends_on_the_view_of_the_network():
    small = replace(JOB, job_mw=0.4e-3, idle_mw=0.12e-3)
    assert break_even.judge_move(small, 2.5, network="marginal").feasible
    assert not break_even.judge_move(small, 2.5, network="attributional").feasible


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: migration.MigrationTerms(goodput_fraction=1.2), "goodput is 1.2"),
        (lambda: migration.MigrationTerms(load_gb_s=0.0), "load rate is 0 GB/s"),
        (lambda: migration.MigrationTerms(provisioning_s=-1.0), "provisioning is -1 s"),
        (lambda: migration.migration_s(1.0, 0.0), "bandwidth is 0 Gbit/s"),
        (lambda: migration.migration_s(-1.0, 1.0), "checkpoint is -1 GB"),
        (lambda: migration.shortest_window_h(1.0, share=0.0), "share is 0"),
        (lambda: migration.fits_window(1.0, -1.0), "window is -1 h"),
        (lambda: break_even.energy_break_even_h(-1.0, 1.0, 1.0), "energy of the move is -1 MWh"),
        (lambda: break_even.repeated_work_mwh(1.5, 1.0, 1.0, since_h=0.0), "probability is 1.5"),
        (lambda: break_even.judge_move(JOB, np.nan), "window is nan h"),
        (lambda: break_even.judge_move(JOB, 1.0, network="both"), "network energy is 'both'"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ScenarioError, match=message):
        call()
