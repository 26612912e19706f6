"""How close plans come to a certified bound, beside HiGHS alone on the same program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.registry import Measurement, case

_ROOT = Path(__file__).resolve().parents[1]
_SEEDS = 3
_SMALL = {"sites": 3, "hours": 24, "jobs": 6}
_BASE = {"sites": 5, "hours": 168, "jobs": 60}
_BIG = {"sites": 10, "hours": 336, "jobs": 200}
_YEAR = {"sites": 3, "hours": 8760, "jobs": 300}


@case("plan-gap", "certified gap of guided and rolling plans, and of HiGHS alone at equal CPU time")
def measure(smoke: bool) -> Measurement:
    """Worst of the seeds for every figure; each solve is a fresh process.

    ``JOULEWRIGHT_BENCH_SEEDS`` sets the number of seeds; the whole case takes over an hour with three.
    """
    seeds = range(1 if smoke else int(os.environ.get("JOULEWRIGHT_BENCH_SEEDS", _SEEDS)))
    small = [_solve(_SMALL, seed, cpu=10.0) for seed in seeds]
    figures = {"gap_small": _worst(small, "gap"), "cpu_s_small": _worst(small, "cpu_s")}
    conditions: dict[str, Any] = {"seeds": len(seeds), "small": small}
    if smoke:
        return Measurement(figures=figures, ratios={"gap_vs_highs_base": None}, conditions=conditions)
    base = [_solve(_BASE, seed, cpu=300.0, checkpoint=60.0) for seed in seeds]
    highs = [
        _solve(_BASE, seed, cpu=max(1.0, ours["cpu_s"]), strategy="highs", checkpoint=60.0)
        for seed, ours in zip(seeds, base, strict=True)
    ]
    big = [_solve(_BIG, seed, cpu=600.0) for seed in seeds]
    year = _solve(_YEAR, 0, cpu=1200.0, strategy="rolling")
    early = [run["checkpoints"][0] for run in base if run["checkpoints"]]
    figures |= {
        "gap_base_60s": _worst(early, "gap"),
        "cpu_s_base_60s": _worst(early, "cpu_s"),
        "gap_base_300s": _worst(base, "gap"),
        "cpu_s_base_300s": _worst(base, "cpu_s"),
        "gap_big": _worst(big, "gap"),
        "cpu_s_big": _worst(big, "cpu_s"),
        "peak_rss_mib_big": _worst(big, "peak_rss_mib"),
        "rolling_gap": year["gap"],
        "cpu_s_rolling": year["cpu_s"],
    }
    pairs = list(zip(highs, base, strict=True))
    ratios = {
        "gap_vs_highs_base": min(_ratio(other["checkpoints"][0], ours["checkpoints"][0]) for other, ours in pairs),
        "gap_vs_highs_base_300s": min(_ratio(other, ours) for other, ours in pairs),
    }
    conditions |= {"base": base, "highs_base": highs, "big": big, "year": year}
    return Measurement(figures=figures, ratios=ratios, conditions=conditions)


def _ratio(other: dict[str, Any], ours: dict[str, Any]) -> float:
    """How many times larger the other gap is; both at the same CPU time."""
    return float(other["gap"]) / max(float(ours["gap"]), 1e-9)


def _worst(runs: Iterable[dict[str, Any]], key: str) -> float:
    return max((float(run[key]) for run in runs if run[key] is not None), default=float("nan"))


def _solve(
    size: dict[str, int], seed: int, *, cpu: float, strategy: str = "guided", checkpoint: float | None = None
) -> dict[str, Any]:
    """One instance in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.solve_instance", "--seed", str(seed), "--cpu", str(cpu)]
    command += [part for name, value in size.items() for part in (f"--{name}", str(value))]
    command += ["--strategy", strategy] + ([] if checkpoint is None else ["--checkpoint", str(checkpoint)])
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ends with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
