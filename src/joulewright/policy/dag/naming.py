"""DAG schedulers by name: ``fifo``, ``spade:gamma=0.3``, ``sap:minimum=10+weighted-fair``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import AbstractDagScheduler
from joulewright.policy.dag.fixed import CriticalPath, Fair, Fifo, ShortestWork, WeightedFair
from joulewright.policy.dag.learned import Learned
from joulewright.policy.dag.planner import Planned, WaterLevel
from joulewright.policy.dag.quota import GreenHadoop, Sap
from joulewright.policy.dag.sampled import Softmax
from joulewright.policy.dag.spade import Spade
from joulewright.policy.registry import Entry, build, parse

_ENTRIES = {
    name: Entry(name=name, kind="dag", summary=summary, factory=factory)
    for name, factory, summary in (
        ("fifo", Fifo, "jobs in order of arrival, each with the whole cluster"),
        ("fair", Fair, "equal shares of the cluster"),
        ("weighted-fair", WeightedFair, "shares in proportion to weights"),
        ("shortest-work", ShortestWork, "the job with the least remaining work first"),
        ("critical-path", CriticalPath, "the stage with the longest chain behind it first"),
        ("learned", Learned, "stages drawn with the probabilities of a trained network, and limits on their jobs"),
        ("softmax", Softmax, "stages drawn with probabilities from a score"),
        ("sap", Sap, "a quota on the cluster that falls as the signal rises, over any scheduler"),
        ("green-hadoop", GreenHadoop, "a quota that follows the renewable share, over any scheduler"),
        ("spade", Spade, "unimportant stages wait while the signal is high, over a scheduler that draws"),
        ("planned", Planned, "stages timed by a linear program within allowed ends, planned again as the run goes on"),
        ("water-level", WaterLevel, "stages wait while the signal is above the level that the remaining work needs"),
    )
}


def dag_schedulers() -> Mapping[str, str]:
    """Summary of every scheduler by name."""
    return {name: entry.summary for name, entry in _ENTRIES.items()}


def make_dag_scheduler(text: str) -> AbstractDagScheduler:
    """The scheduler that a text names, with its options; ``+`` wraps the first around what follows.

    Raises
    ------
    PolicyError
        If there is no such scheduler, an option is unknown or out of range, or one that wraps nothing has a ``+``.

    Examples
    --------
    >>> make_dag_scheduler("sap:minimum=10+fair").base
    Fair()
    """
    first, plus, rest = text.partition("+")
    name, options = parse(first)
    if name not in _ENTRIES:
        close = get_close_matches(name, _ENTRIES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(_ENTRIES)}"
        raise PolicyError(f"there is no DAG scheduler {name!r}{hint}")
    if "base" in options:
        raise PolicyError(f"{name!r} takes its base behind a plus, not as base={options['base']!r}: {name}+fifo")
    made: Any = build(_ENTRIES[name], options)
    if plus:
        if not hasattr(made, "base"):
            raise PolicyError(f"{name!r} wraps no other scheduler, so nothing can follow it in {text!r}")
        made = dataclasses.replace(made, base=make_dag_scheduler(rest))
    scheduler: AbstractDagScheduler = made
    return scheduler
