"""Policies from text: one that decides everything, or rules joined by ``+`` that decide side by side."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from joulewright.errors import PolicyError
from joulewright.policy.base import AbstractPolicy, CombinedPolicy, Information
from joulewright.policy.options import rule_text
from joulewright.policy.registry import RuleKind, entries, make, parse

DEFAULT_RULES: dict[RuleKind, str] = {"dispatch": "solar-first", "jobs": "first-fit", "routing": "nearest"}
"""Rules that decide what a combination leaves out."""


def make_policy(text: str) -> AbstractPolicy:
    """The policy that ``text`` asks for.

    Parameters
    ----------
    text : str
        ``receding-horizon:window_h=48``, or rules joined by ``+`` in any order, at most one of each kind:
        ``grid-first+carbon-window+cheapest``. What is left out is ``solar-first``, ``first-fit`` and ``nearest``.

    Returns
    -------
    AbstractPolicy
        Its ``specification`` names all its rules and the options that differ from their defaults.

    Raises
    ------
    PolicyError
        If a name or an option is unknown, a kind is named twice, or a whole policy is joined with something.

    Examples
    --------
    >>> make_policy("carbon-window:look_ahead_h=48").specification
    'solar-first+carbon-window:look_ahead_h=48.0+nearest'
    """
    parts = [part.strip() for part in text.split("+")]
    if not all(parts):
        raise PolicyError(f"policy {text!r} names no rule{_choices()}")
    known = entries()
    chosen: dict[RuleKind, str] = {}
    for part in parts:
        name = parse(part)[0]
        if name not in known:
            make(part)
        kind = known[name].kind
        if kind == "policy" and len(parts) > 1:
            raise PolicyError(f"{name!r} decides everything and cannot be joined with other rules; use it alone")
        if kind in chosen:
            raise PolicyError(f"{chosen[kind]!r} and {part!r} both decide {kind}; keep one of them")
        chosen[kind] = part
    if "policy" in chosen:
        policy: AbstractPolicy = make(chosen["policy"])
        return policy
    rules = {kind: make(chosen.get(kind, default), kind) for kind, default in DEFAULT_RULES.items()}
    texts = [rule_text(parse(chosen.get(kind, default))[0], rules[kind]) for kind, default in DEFAULT_RULES.items()]
    return CombinedPolicy(**rules, specification_text="+".join(texts))


def policy_table() -> list[dict[str, Any]]:
    """One row for each registered rule: name, kind, summary, the information it uses, and its options with defaults.

    Examples
    --------
    >>> [row["uses"] for row in policy_table() if row["name"] == "peak-shaving"]
    [['present', 'past']]
    """
    order = get_args(Information)
    rows = []
    for entry in entries().values():
        options = dataclasses.fields(entry.factory)  # type: ignore[arg-type]
        rows.append(
            {
                "name": entry.name,
                "kind": entry.kind,
                "summary": entry.summary,
                "uses": sorted(getattr(entry.factory, "uses", ()), key=order.index),
                "options": {option.name: option.default for option in options if option.init},
            }
        )
    return rows


def _choices() -> str:
    kinds: dict[str, list[str]] = {}
    for entry in entries().values():
        kinds.setdefault(entry.kind, []).append(entry.name)
    return "; there are " + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in sorted(kinds.items()))
