"""The benchmark case of online ratios at its smallest size, with and without the recorded grid."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("present", [True, False])
def test_bounds_hold_and_are_attained(monkeypatch, tmp_path, present):
    monkeypatch.syspath_prepend(str(ROOT))
    if not present:
        monkeypatch.setenv("JOULEWRIGHT_SHARED", str(tmp_path))
    module = importlib.import_module("benchmarks.case_online_ratio")
    if not present:
        assert module._trace()[1] == "a synthetic year"
        assert module._trace()[0].size == 8760
        assert module._trace()[0].min() > 0.0
        return
    found = module.measure(True)
    worst = {key: value for key, value in found.figures.items() if key.startswith("worst_over_bound_")}
    share = {key: value for key, value in found.figures.items() if key.startswith("attained_share_")}
    assert len(worst) >= 11
    assert len(share) >= 10
    assert max(worst.values()) <= 1.0
    assert min(share.values()) >= 0.98
