"""Import and export, or charge and discharge, never in the same step.

Constraint (11). Binaries are added only for steps in which a relaxed solution used both directions:
``in <= in_limit z`` and ``out <= out_limit (1 - z)`` with the tight limits of that step.
"""

from __future__ import annotations

import numpy as np

from joulewright.plan.model import Model
from joulewright.plan.program import Term

_PAIRS = {"grid": ("grid_import", "grid_export"), "battery": ("charge", "discharge")}


def add_exclusivity(model: Model) -> None:
    """Add the direction binaries of ``model.exclusive``."""
    for (kind, site, part), chosen in model.exclusive.items():
        head = f"{site}/{part}" if part else site
        inward, outward = (model.block_for(family, head) for family in _PAIRS[kind])
        if inward is None or outward is None or not chosen.size:
            continue

        def label(position: int, name: str = head, chosen: np.ndarray = chosen) -> str:
            return f"{name},{model.inputs.step_label(int(chosen[position]))}"

        direction = model.builder.variable("direction", chosen.size, label, upper=1.0, integer=True)
        rows = np.arange(chosen.size)
        limits = [model.builder.upper_of(block)[chosen] for block in (inward, outward)]
        model.builder.add_rows(
            "inward",
            chosen.size,
            label,
            [Term(rows, inward.index[chosen], 1.0), Term(rows, direction.index, -limits[0])],
            upper=0.0,
        )
        model.builder.add_rows(
            "outward",
            chosen.size,
            label,
            [Term(rows, outward.index[chosen], 1.0), Term(rows, direction.index, limits[1])],
            upper=limits[1],
        )
