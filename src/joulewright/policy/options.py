"""Checks of the options of a rule, and the text that makes the rule again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from joulewright.errors import PolicyError


def check_number(name: str, value: float | None, *, low: float = 0.0, high: float = math.inf, unit: str = "") -> None:
    """Raise unless ``value`` is None or a number within ``[low, high]``; infinity is no number.

    Raises
    ------
    PolicyError
        If it is outside, infinite or not a number.

    Examples
    --------
    >>> check_number("reserve_fraction", 0.2, high=1.0)
    """
    if value is None or (low <= value <= high and math.isfinite(value)):
        return
    allowed = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
    suffix = unit and f" {unit}"
    raise PolicyError(f"option {name} is {value:g}{suffix}; allowed is {allowed}{suffix}")


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise unless ``value`` is one of ``allowed``.

    Raises
    ------
    PolicyError
        If it is not.
    """
    if value not in allowed:
        raise PolicyError(f"option {name} is {value!r}; allowed are {', '.join(allowed)}")


def rule_text(name: str, rule: Any) -> str:
    """``name:option=value,...`` with the options of a registered dataclass that differ from their defaults.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Rule:
    ...     window_h: float = 24.0
    >>> rule_text("rule", Rule()), rule_text("rule", Rule(window_h=6.0))
    ('rule', 'rule:window_h=6.0')
    """
    changed = []
    for item in dataclasses.fields(rule):
        value = getattr(rule, item.name)
        if item.init and value != item.default:
            changed.append(f"{item.name}={str(value).lower() if isinstance(value, bool) else value}")
    return f"{name}:{','.join(changed)}" if changed else name
