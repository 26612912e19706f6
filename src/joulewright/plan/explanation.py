"""Why nothing is feasible, as data: the conflict, its conclusion, and changes that would help."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Basis = Literal["linear", "integer", "window"]


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A single change of the scenario after which a plan exists.

    Attributes
    ----------
    kind : str
        ``import-limit``, ``battery-energy``, ``battery-power``, ``accelerators``, ``it-limit``, ``carbon-budget``,
        ``allow-unserved-power``, ``allow-unserved-demand``, ``deadline``, ``gpus`` or ``drop-job``.
    target : str
        Site, component, job or service.
    amount : float
        By how much, in ``unit``.
    unit : str
        MW, MWh, t, h, accelerators, Mtoken or empty.
    key : str
        Scenario key to change.
    text : str
        The change in words.
    applicability : {"verified", "relaxation-only"}
        Whether an integral plan was found after the change, or only a solution of the linear relaxation in the time
        there was.
    """

    kind: str
    target: str
    amount: float
    unit: str
    key: str
    text: str
    applicability: Literal["verified", "relaxation-only"] = "verified"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why no plan exists.

    Attributes
    ----------
    because : tuple of str
        Limits that conflict, each with its value and when it counts.
    conclusion : str
        What follows from them.
    fixes : tuple of Fix
        Single changes, each tried before it is offered; smallest of every kind.
    basis : {"linear", "integer", "window"}
        ``linear``: even the relaxation with divisible jobs is infeasible, and the limits are an irreducible set.
        ``integer``: only whole jobs and generator states make it infeasible. ``window``: a job or service has no place
        at all.
    subject : tuple of str
        ``("job", name)`` or ``("service", name)`` where the conflict is about one; else empty.
    notes : tuple of str
        What a reader must know, e.g. that time ran out.
    """

    because: tuple[str, ...]
    conclusion: str
    fixes: tuple[Fix, ...] = ()
    basis: Basis = "linear"
    subject: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    code: str = "X021"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {"severity": "error", "message": f"no feasible plan: {self.conclusion}", **asdict(self)}

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: no feasible plan."]
        if self.because:
            first, *others = self.because
            lines.append(f"  Because {first}" + ("" if others else ","))
            lines += [f"  and {line}" + ("," if line is others[-1] else "") for line in others]
            lines.append(f"  we can conclude that {self.conclusion}.")
        else:
            lines.append(f"  {self.conclusion[:1].upper()}{self.conclusion[1:]}.")
        if self.fixes:
            lines.append(f"  fix (any one): {' | '.join(fix.text for fix in self.fixes)}.")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def figure(amount: float) -> str:
    """An amount as people write it.

    Examples
    --------
    >>> figure(4.13), figure(18300000.0), figure(1e-7)
    ('4.13', '18,300,000', '0')
    """
    if abs(amount) < 5e-5:
        return "0"
    return f"{amount:,.0f}" if abs(amount) >= 1000.0 else f"{amount:.4g}"
