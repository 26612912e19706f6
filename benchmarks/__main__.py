"""``python -m benchmarks list`` and ``python -m benchmarks run NAME [--json] [--smoke]``."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.registry import cases, document


def main() -> int:
    """Run the command; 0 when the case ran, whatever it measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure joulewright.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the cases")
    run = commands.add_parser("run", help="run one case")
    run.add_argument("name")
    run.add_argument("--json", action="store_true", help="print one JSON document")
    run.add_argument("--smoke", action="store_true", help="run the smallest size")
    wanted = parser.parse_args()
    known = cases()
    if wanted.command == "list":
        for name, found in known.items():
            print(name if not sys.stdout.isatty() else f"{name:16s} {found.summary}")
        return 0
    if wanted.name not in known:
        parser.error(f"there is no case {wanted.name!r}; there are {', '.join(known)}")
    outcome = document(known[wanted.name], smoke=wanted.smoke)
    if wanted.json:
        print(json.dumps(outcome, indent=2))
        return 0
    for part in ("figures", "ratios", "conditions"):
        for key, value in outcome[part].items():
            print(f"{part[:-1]:10s} {key:28s} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
