"""What is each flexibility of a scenario worth? Plan it as it is, then without batteries, export, routing and so on.

Run: ``python examples/what_is_a_battery_worth.py [SCENARIO.toml]``; without a file it writes the three-site template.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import joulewright as jw

FLEXIBILITIES = ("battery", "export", "routing", "shifting", "generation")


def main(arguments: list[str]) -> int:
    """Print one line per flexibility."""
    if arguments:
        path = Path(arguments[0])
    else:
        path = Path(tempfile.mkdtemp()) / "scenario.toml"
        jw.write_template("three-sites", path.parent)
    scenario = jw.read_scenario(path)
    plans = {"everything": jw.plan(scenario, jw.PlanOptions(gap=0.02, time_limit_s=15.0))}
    for name in FLEXIBILITIES:
        options = jw.PlanOptions(gap=0.02, time_limit_s=15.0, without=frozenset({name}))
        plans[f"without {name}"] = jw.plan(scenario, options)
    table = jw.compare(plans)
    for row in table.iter_rows(named=True):
        print(
            f"{row['plan']:20s} benefit {row['benefit']:14,.0f} {scenario.currency}  "
            f"difference {row['benefit_to_first']:12,.0f}  carbon {row['carbon_t']:9,.0f} t  gap {row['gap']:.2%}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
