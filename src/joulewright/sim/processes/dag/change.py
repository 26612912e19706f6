"""An honest split of a change in cost: less work, less energy per work, or the same energy at another time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewright.sim.processes.dag.result import DagRun


@dataclass(frozen=True, kw_only=True)
class DagChange:
    """Change from a reference run; ``work + overhead + shift`` is the whole change, and so are the ratios multiplied.

    Attributes
    ----------
    work, overhead, shift : float
        Parts that follow from the time executors were busy, from the energy per busy time (idle draw), and from when
        the energy was used: only the last is awareness of the signal [g with a signal in g/kWh].
    work_ratio, overhead_ratio, shift_ratio : float
        Factors on the cost.
    makespan_ratio, mean_completion_ratio : float
        Against the reference.
    """

    work: float
    overhead: float
    shift: float
    work_ratio: float
    overhead_ratio: float
    shift_ratio: float
    makespan_ratio: float
    mean_completion_ratio: float

    @property
    def total(self) -> float:
        """Whole change; negative is a saving."""
        return self.work + self.overhead + self.shift


def split_dag_change(reference: DagRun, other: DagRun) -> DagChange:
    """Split the change of cost from ``reference`` to ``other``.

    Raises
    ------
    ValueError
        If a cost or an energy is not positive: logarithms of their ratios split the change.

    Notes
    -----
    ``C = W (E/W) (C/E)``; each factor gets ``M ln(ratio)`` with the logarithmic mean ``M = (C - C0) / ln(C / C0)``,
    which leaves no residual.

    References
    ----------
    Ang (2015), LMDI decomposition approach: a guide for implementation, Energy Policy 86,
    doi 10.1016/j.enpol.2015.07.007.
    """
    parts = []
    for run in (reference, other):
        energy = float(run.energy_kwh.sum())
        if run.cost <= 0.0 or energy <= 0.0:
            raise ValueError(f"a run costs {run.cost!r} for {energy!r} kWh; both must be positive to split a change")
        parts.append((run.busy_ms, energy / run.busy_ms, run.cost / energy, run.cost))
    before, after = parts
    ratios = [new / old for old, new in zip(before[:3], after[:3])]
    growth = math.log(after[3] / before[3])
    mean = (after[3] - before[3]) / growth if growth else after[3]
    # Through two ratios, so that the parts sum to the whole change to the last digits.
    work, overhead = mean * math.log(ratios[0]), mean * math.log(ratios[1])
    return DagChange(
        work=work,
        overhead=overhead,
        shift=(after[3] - before[3]) - work - overhead,
        work_ratio=ratios[0],
        overhead_ratio=ratios[1],
        shift_ratio=ratios[2],
        makespan_ratio=other.makespan_ms / reference.makespan_ms,
        mean_completion_ratio=float(other.completion_times_ms.mean() / reference.completion_times_ms.mean()),
    )
