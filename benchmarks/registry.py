"""Cases by name: a case is a function that measures and returns figures, ratios and conditions."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import benchmarks


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one run of a case found.

    Attributes
    ----------
    figures : mapping of str to float or None
        Measured numbers; the key ends in the unit.
    ratios : mapping of str to float or None
        How many times better or worse than a named peer.
    conditions : mapping
        Sizes, seeds, versions and whatever else the numbers depend on.
    """

    figures: Mapping[str, float | None]
    ratios: Mapping[str, float | None] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)


Measure = Callable[[bool], Measurement]


@dataclass(frozen=True)
class Case:
    """A named case; ``measure(smoke)`` runs it, at its smallest size when ``smoke`` is true."""

    name: str
    summary: str
    measure: Measure


_CASES: dict[str, Case] = {}


def case(name: str, summary: str) -> Callable[[Measure], Measure]:
    """Register the decorated function as the case ``name``.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(measure: Measure) -> Measure:
        if name in _CASES:
            raise ValueError(f"two benchmark cases are called {name!r}; names must be unique")
        _CASES[name] = Case(name, summary, measure)
        return measure

    return register


def cases() -> Mapping[str, Case]:
    """All cases by name, found by importing every module whose name begins with ``case_``."""
    for module in iter_modules(benchmarks.__path__):
        if module.name.startswith("case_"):
            import_module(f"benchmarks.{module.name}")
    return dict(sorted(_CASES.items()))


def machine() -> dict[str, Any]:
    """Conditions every case shares: interpreter, processor count, operating system."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def cpu_s(*, children: bool = True) -> float:
    """User and system CPU time of this process, finished children included [s]."""
    who = [resource.RUSAGE_SELF] + ([resource.RUSAGE_CHILDREN] if children else [])
    used = [resource.getrusage(item) for item in who]
    return sum(item.ru_utime + item.ru_stime for item in used)


def document(chosen: Case, *, smoke: bool) -> dict[str, Any]:
    """Run a case and return the document that describes the outcome."""
    found = chosen.measure(smoke)
    return {
        "name": chosen.name,
        "figures": dict(found.figures),
        "ratios": dict(found.ratios),
        "conditions": {"smoke": smoke, **machine(), "argv": sys.argv[1:], **found.conditions},
    }
