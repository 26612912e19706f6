"""The benchmark cases of the microgrid at their smallest size, with and without their peer."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch):
    """Function of a module of the benchmarks that gives it, registered once and for all."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def test_parity_is_exact_wherever_it_can_be_measured(case):
    found = case("case_sim_parity").measure(True)
    keys = [f"max_abs_diff_{one}" for one in ("simple_60", "simple_5", "clc_60")]
    assert set(keys) < set(found.figures)
    assert {value for value in found.figures.values() if value is not None} <= {0.0}
    for key in keys:
        absent = found.figures[key] is None
        assert absent == found.conditions[key].startswith("not measured")


def test_parity_says_what_is_absent(case, monkeypatch, tmp_path):
    monkeypatch.setenv("JOULEWRIGHT_SHARED", str(tmp_path))
    module = case("case_sim_parity")
    monkeypatch.setattr(module, "version", lambda peer: None)
    found = module.measure(True)
    assert set(found.figures.values()) == {None}
    assert found.conditions["max_abs_diff_clc_60"] == "not measured: vessim_out_clc_60min.npz is absent"
    assert "not installed" in found.conditions["vessim"]


@pytest.mark.parametrize("minutes", [60, 5, 1])
def test_the_synthetic_year_has_the_shape_of_the_recorded_one(case, monkeypatch, tmp_path, minutes):
    monkeypatch.setenv("JOULEWRIGHT_SHARED", str(tmp_path))
    year = case("microgrid_year").read_year(minutes)
    assert year.source == "synthetic"
    assert year.load_w.size == year.solar_w.size == 525_600 // minutes
    assert year.first(2).load_w.size == 2880 // minutes
    assert 0.8e6 < year.load_w.mean() < 1.2e6
    assert set(np.unique(year.price_per_kwh)) == {0.15, 0.30}
    assert year.inputs().signals.size == year.load_w.size


def test_speed_has_no_ratio_without_its_peer(case, monkeypatch, tmp_path):
    monkeypatch.setenv("JOULEWRIGHT_SHARED", str(tmp_path))
    module = case("case_sim_speed")
    monkeypatch.setattr(module, "version", lambda peer: None)
    monkeypatch.setattr(module, "_python", lambda code, **_: '{"peak": 1.0, "growth": 0.0}' if "probe" in code else "1")
    found = module.measure(True)
    assert found.ratios == {"vs_vessim_60min": None, "vs_vessim_1min": None}
    assert found.conditions["vessim"].startswith("not measured")
    assert {"designs_1000_s", "designs_1000_cpu_s", "peak_rss_mib_1min", "compile_s"} < set(found.figures)
    assert found.figures["year_s_1min"] > 0.0


def test_speed_compares_like_with_like(case, monkeypatch):
    pytest.importorskip("vessim", reason="Vessim is not installed; it comes with the extra bench")
    module = case("case_sim_speed")
    year = case("microgrid_year").read_year(60).first(3)
    own_s, peer_s = module._pair(year, 2)
    assert own_s > 0.0
    assert peer_s > 0.0
    monkeypatch.setattr(module, "SIMPLE", case("microgrid_year").CLC)
    with pytest.raises(RuntimeError, match="Wh in Vessim"):
        module._pair(year, 1)


def test_the_memory_probe_prints_both_figures(case, capsys):
    case("microgrid_year").probe(1)
    printed = capsys.readouterr().out
    assert '"peak"' in printed
    assert '"growth"' in printed
