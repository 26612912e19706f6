"""What a policy decides: actions on jobs and routes, then power at every site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from joulewright.model import Route

ActionKind = Literal["start", "pause", "resize", "migrate", "reject"]


@dataclass(frozen=True, kw_only=True)
class JobAction:
    """One action on one job.

    Attributes
    ----------
    job : str
        Which job.
    kind : {"start", "pause", "resize", "migrate", "reject"}
        ``start`` also resumes a paused job; ``migrate`` stops it, moves its checkpoint and resumes it at ``site``.
    site, fleet : str or None
        Where to start or move to.
    accelerators : float or None
        Accelerators to hold; None takes the size of the job.
    """

    job: str
    kind: ActionKind
    site: str | None = None
    fleet: str | None = None
    accelerators: float | None = None


@dataclass(frozen=True, kw_only=True)
class WorkDecision:
    """What runs where.

    Attributes
    ----------
    actions : tuple of JobAction
        Carried out in this order, now.
    routes_token_s : mapping of str to mapping of Route to float, or None
        Demand served on each route by service [token/s]; None keeps the shares of the step before.
    """

    actions: tuple[JobAction, ...] = ()
    routes_token_s: Mapping[str, Mapping[Route, float]] | None = None


@dataclass(frozen=True, kw_only=True)
class SitePower:
    """Power at one site in this step [MW]; the grid closes the balance.

    Attributes
    ----------
    charge_mw, discharge_mw : mapping of str to float
        By battery; unlisted batteries rest.
    generator_mw : mapping of str to float
        Output of generators that run; an unlisted generator is off.
    export_limit_mw : float or None
        Most export wanted; surplus above it is curtailed. None leaves it to the connection.
    import_limit_mw : float or None
        Most import wanted; load above it is shed. None leaves it to the connection.
    renewable_limit_mw : mapping of str to float
        Most to use of a plant; unlisted plants are used as far as they can be.
    """

    charge_mw: Mapping[str, float] = field(default_factory=dict)
    discharge_mw: Mapping[str, float] = field(default_factory=dict)
    generator_mw: Mapping[str, float] = field(default_factory=dict)
    export_limit_mw: float | None = None
    import_limit_mw: float | None = None
    renewable_limit_mw: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PowerDecision:
    """Power at every site; an unlisted site uses no battery and no generator."""

    sites: Mapping[str, SitePower] = field(default_factory=dict)
