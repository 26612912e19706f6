"""What happened: the outcome of decisions and chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from joulewright.model.scenario import Scenario
from joulewright.model.schedule import Schedule

CARBON_BUDGET = "carbon-budget"
"""Kind of the happening that says by how much a carbon budget was exceeded; it stands at the end of the horizon."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A decision that physics did not allow and what was done instead.

    Attributes
    ----------
    step : int
        First step in which it happened.
    component : str
        ``site/battery``, ``site/generator``, ``site`` or a job or service name.
    quantity : str
        What was asked for, e.g. ``discharge_mw``.
    asked, allowed : float
        The two values in that step, in the unit of ``quantity``.
    count : int
        Steps in which this quantity of this component was clipped.
    """

    step: int
    component: str
    quantity: str
    asked: float
    allowed: float
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something worth a line in a report: an outage, a failure, a shed load, a migration.

    Attributes
    ----------
    start_h, end_h : float
        Hours after the start of the horizon.
    kind, where, detail : str
        ``grid-outage``, ``job-restart``, ``migration``...; the site, component or job; one sentence.
    """

    start_h: float
    end_h: float
    kind: str
    where: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """How one training job went.

    Attributes
    ----------
    job : str
        Its name.
    release_h, start_h, end_h : float or None
        Hours after the start of the horizon; None where it did not happen within it.
    restarts, moves : int
        Runs after the first one, and how many of them at another site.
    lost_h : float
        Work done twice because of failures and restarts, as hours at the reference size [h].
    done_fraction : float
        Share of the work delivered, in [0, 1].
    """

    job: str
    release_h: float
    start_h: float | None = None
    end_h: float | None = None
    restarts: int = 0
    moves: int = 0
    lost_h: float = 0.0
    done_fraction: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What a policy did and what came of it.

    Attributes
    ----------
    scenario : Scenario
        The facts as they turned out, disturbances applied: what the ledger settles against.
    schedule : Schedule
        What was done; its planner is the policy.
    policy : str
        Specification of the policy, e.g. ``receding-horizon:window_h=48``.
    seed : int
        Seed of every random draw.
    jobs : mapping of str to JobRecord
        One entry for each training job.
    clips : tuple of Clip
        Decisions that were cut to what physics allows.
    happenings : tuple of Happening
        Events, failures, restarts, migrations, shed load, in order of time.
    notes : tuple of str
        What a reader must know.
    """

    scenario: Scenario
    schedule: Schedule
    policy: str
    seed: int = 0
    jobs: Mapping[str, JobRecord] = field(default_factory=dict)
    clips: tuple[Clip, ...] = ()
    happenings: tuple[Happening, ...] = ()
    notes: tuple[str, ...] = ()
