"""Which policy runs a site best when forecasts are wrong? Three policies, the same four draws of the forecast error.

Run: ``python examples/which_policy.py [SCENARIO.toml]``; without a file it writes the three-site template.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import joulewright as jw

POLICIES = ("grid-first", "solar-first", "solar-first+cheapest-window+cheapest")


def main(arguments: list[str]) -> int:
    """Print mean cost and carbon of each policy and how sure the difference to the first is."""
    if arguments:
        path = Path(arguments[0])
    else:
        path = Path(tempfile.mkdtemp()) / "scenario.toml"
        jw.write_template("three-sites", path.parent)
    request = jw.StudyRequest(scenario=path, policies=POLICIES, seeds=(0, 1, 2, 3), oracle=False)
    study = jw.run_study(request)
    for summary in study.summaries:
        cost, carbon = summary.figures["cost"], summary.figures["carbon_kg"]
        print(f"{summary.policy:36s} cost {cost.mean:10,.0f} {study.currency}  carbon {carbon.mean / 1000.0:8,.1f} t")
    for item in study.comparisons:
        if item.figure == "cost":
            low, high = item.difference.low, item.difference.high
            interval = "" if low is None or high is None else f" (95 %: {low:,.0f} to {high:,.0f})"
            print(f"{item.policy} less {item.reference}: {item.difference.mean:,.0f} {study.currency}{interval}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
