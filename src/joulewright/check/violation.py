"""One broken limit, and how limits are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray

_SENSE_TEXT = {"at most": "the limit is", "at least": "the least allowed is", "equal": "it must be"}


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One limit that a schedule breaks.

    Attributes
    ----------
    constraint : str
        Constraint family, a key of :data:`joulewright.check.FAMILIES`.
    where : str
        Job, service, site or ``site/component``; empty for the whole scenario.
    when : str
        Label of the worst step; empty where time plays no part.
    amount : float
        By how much the limit is broken in the worst step, in ``unit``.
    unit : str
        MW, MWh, h, steps, accelerators, token/s, kg or ``count``.
    message : str
        The value found, the limit, where and when.
    steps : int
        Number of steps in which it is broken.
    """

    constraint: str
    where: str
    when: str = ""
    amount: float
    unit: str
    message: str
    steps: int = 1

    def __str__(self) -> str:
        return f"{self.constraint}[{','.join(part for part in (self.where, self.when) if part)}]: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit as messages name it: its family, where it holds, what it bounds and in which unit."""

    constraint: str
    where: str
    quantity: str
    unit: str
    sense: Literal["at most", "at least", "equal"] = "at most"
    absolute: bool = False


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Compares found values with limits.

    A limit counts as broken when it is exceeded by more than ``tolerance x max(1, |limit|)``, or by more
    than ``tolerance`` where the limit is ``absolute``.

    Attributes
    ----------
    timeline : Timeline
        Names the steps.
    tolerance : float
        See above.
    """

    timeline: Timeline
    tolerance: float

    def series(self, limit: Limit, found: FloatArray, bound: FloatArray | float) -> Iterator[Violation]:
        """One violation at the worst step where ``found`` breaks ``bound``; both of shape ``(T,)`` or ``(T + 1,)``."""
        bounds = np.broadcast_to(np.asarray(bound, dtype=float), found.shape)
        excess = self._excess(limit, found, bounds)
        broken = excess > (self.tolerance if limit.absolute else self.tolerance * np.maximum(1.0, np.abs(bounds)))
        if not broken.any():
            return
        worst = int(np.argmax(np.where(broken, excess, -np.inf)))
        count = int(np.count_nonzero(broken))
        label = self.timeline.label(worst)
        more = f" (and {count - 1} other steps)" if count > 1 else ""
        yield Violation(
            constraint=limit.constraint,
            where=limit.where,
            when=label,
            amount=float(excess[worst]),
            unit=limit.unit,
            message=f"{self._sentence(limit, float(found[worst]), float(bounds[worst]), label)}{more}",
            steps=count,
        )

    def scalar(self, limit: Limit, found: float, bound: float, step: int | None = None) -> Iterator[Violation]:
        """A violation if one value breaks its bound; ``step`` says when."""
        excess = float(self._excess(limit, np.array(found), np.array(bound)))
        if excess > (self.tolerance if limit.absolute else self.tolerance * max(1.0, abs(bound))):
            label = "" if step is None else self.timeline.label(step)
            yield Violation(
                constraint=limit.constraint,
                where=limit.where,
                when=label,
                amount=excess,
                unit=limit.unit,
                message=self._sentence(limit, found, bound, label),
            )

    def fact(self, constraint: str, where: str, message: str, step: int | None = None) -> Violation:
        """A violation that is not a matter of degree."""
        label = "" if step is None else self.timeline.label(step)
        return Violation(constraint=constraint, where=where, when=label, amount=1.0, unit="count", message=message)

    @staticmethod
    def _excess(limit: Limit, found: FloatArray, bound: FloatArray) -> FloatArray:
        if limit.sense == "equal":
            return np.abs(found - bound)
        return found - bound if limit.sense == "at most" else bound - found

    @staticmethod
    def _sentence(limit: Limit, found: float, bound: float, label: str) -> str:
        when = f" at {label}" if label else ""
        return (
            f"{limit.quantity} of {limit.where or 'all sites'} is {found:.9g} {limit.unit}{when}; "
            f"{_SENSE_TEXT[limit.sense]} {bound:.9g} {limit.unit}"
        )
