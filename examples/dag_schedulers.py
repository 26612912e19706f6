"""Which scheduler of jobs with precedence saves carbon, and how much of that is another time rather than less work?

Run: ``python examples/dag_schedulers.py [JOBS]``; without a file it generates ten jobs. The signal is a made-up year.
"""

from __future__ import annotations

import sys

from joulewright.model.dag import DagCluster
from joulewright.study.dag import compare_dag
from joulewright.study.dag_inputs import read_dag_input
from joulewright.study.dag_signal import synthetic_signal

SCHEDULERS = ("fifo", "fair", "spade:gamma=0.5", "sap:minimum=5+fair")


def main(arguments: list[str]) -> int:
    """Print the change of carbon against the first scheduler, its parts, and what any schedule could reach."""
    source = read_dag_input(arguments[0] if arguments else "generated:tpch-like,jobs=10,seed=1")
    signal = synthetic_signal("DE-LU", hour_ms=60_000)
    starts = range(0, 8000, 1009)
    found = compare_dag(source.jobs, DagCluster(executors=20), signal.signal, SCHEDULERS, starts=tuple(starts))
    means = {(row["scheduler"], row["figure"]): row["mean"] for row in found.summary().to_dicts()}
    for name in SCHEDULERS:
        carbon_kg, work_kg, shift_kg = (means[name, key] / 1000.0 for key in ("cost", "change_work", "change_shift"))
        print(
            f"{name:22s} {carbon_kg:6.1f} kg: work {work_kg:+6.2f} kg, shift {shift_kg:+6.2f} kg, "
            f"{means[name, 'above_bound_fraction']:6.1%} above the bound, "
            f"jobs take {means[name, 'mean_completion_ratio']:.2f} times as long"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
