"""Figures of the DAG saving case from rows worked by hand: sums over grids, intervals over draws."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
BEST = "water_level"


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the case."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.case_dag_saving")


@pytest.fixture
def estimates(case: Any) -> Any:
    """Figures of rows."""
    return case._estimates


def test_slow_schemes_run_on_some_draws_over_the_whole_year(case: Any) -> None:
    assert all(set(case.SLOW) <= set(case._schemes("", draw)) for draw in (0, 3, 6))
    assert not any(set(case.SLOW) & set(case._schemes("", draw)) for draw in (1, 2, 4, 5, 7))
    assert not set(case.SLOW) & set(case._schemes("_reference", 0))
    assert {*case.SLOW, "planned_known_arrivals"} <= set(case._schemes("_small", 1))
    assert all({"spade", "sap", "water_level", "water_level_24h"} <= set(case._schemes("", draw)) for draw in range(8))


def row(sample: int, zone: str, saved: float, headroom: float, **changes: Any) -> dict[str, Any]:
    """One run that cost 100 under FIFO."""
    return {
        "sample": sample,
        "zone": zone,
        "scheme": BEST,
        "cpu_s": 1.0,
        "carbon_vs_fifo": 1.0 - saved / 100.0,
        "makespan_ratio": 1.0,
        "bound_vs_fifo": 1.0 - headroom / 100.0,
        "saved": saved,
        "headroom": headroom,
        **changes,
    }


ROWS = pl.DataFrame([row(0, "A", 30.0, 40.0), row(0, "B", 0.0, 0.0), row(1, "A", 9.0, 50.0), row(1, "B", 1.0, 10.0)])


def test_a_share_is_all_that_was_saved_over_all_headroom(estimates: Any) -> None:
    found = estimates(ROWS)
    # Draws save 30 of 40 and 10 of 60; see the test of the interval of a ratio of sums for its half width.
    share = found[f"headroom_share_{BEST}"]
    assert (share.mean, share.count) == (pytest.approx(0.4), 2)
    assert share.half_width == pytest.approx(12.70620474 * 0.28, rel=1e-8)
    assert found[f"headroom_share_{BEST}_A"].mean == pytest.approx(39.0 / 90.0)
    assert found[f"headroom_share_{BEST}_B"].mean == pytest.approx(0.1)


def test_draws_are_the_samples_and_grids_are_not(estimates: Any) -> None:
    found = estimates(ROWS)
    carbon = found[f"carbon_vs_fifo_{BEST}"]
    # 0.85 and 0.95 are the means of the two draws: 0.9 with s / sqrt(2) = 0.05.
    assert (carbon.mean, carbon.count) == (pytest.approx(0.9), 2)
    assert carbon.half_width == pytest.approx(12.70620474 * 0.05, rel=1e-8)
    assert found[f"carbon_vs_fifo_{BEST}_B"].mean == pytest.approx(0.995)
    assert found["bound_vs_fifo"].mean == pytest.approx(0.75)
    # The same draws on twice as many equal grids are no more certain.
    doubled = pl.concat([ROWS, ROWS.with_columns(zone=pl.col("zone") + "2")])
    assert estimates(doubled)[f"carbon_vs_fifo_{BEST}"] == carbon
    assert estimates(doubled)[f"headroom_share_{BEST}"].half_width == pytest.approx(12.70620474 * 0.28, rel=1e-8)


def test_schemes_without_headroom_have_no_share(estimates: Any) -> None:
    flat = pl.DataFrame([row(0, "A", 0.0, 0.0, scheme="fair"), row(0, "A", 1.0, 2.0)])
    found = estimates(flat)
    assert "headroom_share_fair" not in found
    assert found[f"headroom_share_{BEST}"].low is None
    assert "bound_vs_fifo_24h" not in found
    later = estimates(pl.concat([ROWS, ROWS.with_columns(scheme=pl.lit("planned_24h"), bound_vs_fifo=pl.lit(0.25))]))
    assert (later["bound_vs_fifo"].mean, later["bound_vs_fifo_24h"].mean) == (pytest.approx(0.75), pytest.approx(0.25))
