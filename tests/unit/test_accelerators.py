"""Catalogue of accelerators, lookups and data transfer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import accelerator, transfer

CATALOGUE = accelerator.catalogue()


def test_known_rows():
    h100 = CATALOGUE["H100-SXM"]
    assert (h100.board_power_w, h100.idle_power_w, h100.memory_gb) == (700.0, 70.0, 80.0)
    assert (h100.bf16_tflop_s, h100.fp8_tflop_s, h100.memory_bandwidth_tb_s) == (989.0, 1979.0, 3.35)
    assert (h100.embodied_low_kg, h100.embodied_mid_kg, h100.embodied_high_kg) == (164.0, 307.0, 575.0)
    # 700 W board and 190 W host share; 70 W and 125 W when idle.
    assert h100.active_power_mw == pytest.approx(890e-6)
    assert h100.powered_idle_mw == pytest.approx(195e-6)
    assert CATALOGUE["A100-SXM"].fp8_tflop_s is None


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.name)
def test_every_row_is_complete_and_plausible(row):
    assert row.source
    assert 0.0 < row.idle_power_w < 0.3 * row.board_power_w
    assert 0.0 < row.host_idle_power_w <= row.host_power_w
    assert row.powered_idle_mw < row.active_power_mw
    assert row.fp8_tflop_s is None or row.fp8_tflop_s == pytest.approx(2.0 * row.bf16_tflop_s, rel=0.02)
    carbon = (row.embodied_low_kg, row.embodied_mid_kg, row.embodied_high_kg)
    assert carbon == (None, None, None) or carbon == tuple(sorted(carbon))


def test_unpublished_idle_power_is_flagged():
    published = {name for name, row in CATALOGUE.items() if not any(flag.startswith("idle-") for flag in row.flags)}
    assert published == {"A100-SXM"}


def test_aliases_are_unique_and_found_in_any_case():
    words = [word.lower() for row in CATALOGUE.values() for word in (row.name, *row.aliases)]
    assert len(words) == len(set(words))
    assert accelerator.find_accelerator("h100-sxm5").name == "H100-SXM"
    assert accelerator.find_accelerator("MI300X-oam").name == "MI300X"


def test_unknown_names_offer_the_closest():
    with pytest.raises(ScenarioError, match=r"accelerator 'H100-SMX' is not in the catalogue; did you mean H100-SXM"):
        accelerator.find_accelerator("H100-SMX")
    with pytest.raises(ScenarioError, match="known are A100-SXM, H100-SXM"):
        accelerator.find_accelerator("abacus")


def test_the_catalogue_needs_no_numpy():
    script = (
        "import sys; from joulewright.physics.accelerator import catalogue; catalogue(); "
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_transfer_time():
    # 980 GB are 7840 Gbit: 78.4 s at 100 Gbit/s.
    assert transfer.transfer_h(980.0, 100.0) == pytest.approx(78.4 / 3600.0)
    assert transfer.transfer_h(0.0, 10.0) == 0.0
    with pytest.raises(ScenarioError, match="bandwidth is 0 Gbit/s"):
        transfer.transfer_h(1.0, 0.0)
    with pytest.raises(ScenarioError, match="size is -1 GB"):
        transfer.transfer_h(-1.0, 10.0)


def test_checkpoint_size():
    assert transfer.checkpoint_gb(70.0) == 980.0
    assert transfer.checkpoint_gb(8.0, bytes_per_parameter=2.0) == 16.0
