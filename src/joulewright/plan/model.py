"""What the constraint families share while the joint model is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joulewright.plan.inputs import Inputs, Placement
from joulewright.plan.program import Block, Builder, Labeller, Program, Term, find_block

Exclusive = Mapping[tuple[str, str, str], NDArray[np.int64]]


@dataclass(eq=False)
class Model:
    """The joint model under construction.

    Families add variables and rows through ``builder`` and hand their share of a common balance to
    the lists below; the family that owns the balance writes the rows.

    Attributes
    ----------
    inputs : Inputs
        Flat solver inputs.
    without : frozenset of str
        Flexibilities that are switched off.
    exclusive : mapping
        Steps that need a binary, by ``("grid", site, "")`` or ``("battery", site, battery)``.
    capacity : list per fleet of Term
        Accelerators used; rows are steps.
    it_power : list per site of Term
        IT power above idle [MW]; rows are steps.
    supply : list per site of Term
        Power delivered to the site's bus, use counted negative [MW]; rows are steps.
    carbon : list per site of Term
        Operational carbon [kg]; the single row 0.
    starts : StartColumns or None
        Start columns of rigid jobs.
    runs : dict of str to tuple of Run
        Columns of every pausable or elastic job, one entry per fleet.
    """

    inputs: Inputs
    without: frozenset[str] = frozenset()
    exclusive: Exclusive = field(default_factory=dict)
    builder: Builder = field(default_factory=Builder)
    capacity: list[list[Term]] = field(default_factory=list)
    it_power: list[list[Term]] = field(default_factory=list)
    supply: list[list[Term]] = field(default_factory=list)
    carbon: list[list[Term]] = field(default_factory=list)
    starts: StartColumns | None = None
    runs: dict[str, tuple[Run, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sites = len(self.inputs.scenario.sites)
        self.capacity = [[] for _ in self.inputs.fleets]
        self.it_power = [[] for _ in range(sites)]
        self.supply = [[] for _ in range(sites)]
        self.carbon = [[] for _ in range(sites)]

    @property
    def steps(self) -> NDArray[np.int64]:
        """Step numbers 0..T-1."""
        return np.arange(self.inputs.steps, dtype=np.int64)

    def label(self, *prefix: str, first: int = 0) -> Labeller:
        """Labeller ``prefix,step`` for a family of one element per step from ``first`` on."""
        timeline, head = self.inputs.scenario.timeline, "".join(f"{part}," for part in prefix)
        return lambda position: f"{head}{timeline.label(first + position)}"

    def block_for(self, family: str, head: str) -> Block | None:
        """Variables of a family whose labels begin with ``head`` and a comma, or None."""
        return find_block(self.builder.variables, family, head)

    def add_load(self, site_position: int, columns: Block, it_mw: float | NDArray[np.float64]) -> None:
        """Let ``columns`` (one per step) draw ``it_mw`` of IT power each at a site."""
        self.it_power[site_position].append(Term(self.steps, columns.index, it_mw))

    def carbon_of_columns(self, columns: int) -> NDArray[np.float64]:
        """Operational carbon per unit of every column [kg], shape ``(columns,)``."""
        total = np.zeros(columns)
        for term in (term for terms in self.carbon for term in terms):
            np.add.at(total, np.asarray(term.columns), term.values)
        return total

    def emit(self, site_position: int, columns: Block, kg: float | NDArray[np.float64]) -> None:
        """Let ``columns`` emit ``kg`` each at a site."""
        self.carbon[site_position].append(Term(0, columns.index, kg))


@dataclass(frozen=True, eq=False)
class StartColumns:
    """The start variables of rigid jobs as flat arrays, one entry per column.

    Attributes
    ----------
    block : Block
        The variables.
    group, fleet, step : IntArray
        Job group, fleet and start step.
    length : IntArray
        Steps the run takes.
    placements : sequence of Placement
        Placement of each column.
    """

    block: Block
    group: NDArray[np.int64]
    fleet: NDArray[np.int64]
    step: NDArray[np.int64]
    length: NDArray[np.int64]
    gpus: NDArray[np.float64]
    power_mw: NDArray[np.float64]
    last_fraction: NDArray[np.float64]
    placements: Sequence[Placement]


@dataclass(frozen=True, eq=False)
class Run:
    """Columns of a pausable or elastic job on one fleet, one per step of its window.

    Attributes
    ----------
    place : Placement
        The fleet.
    name : str
        ``job,site/fleet``.
    first : int
        First step of the window.
    running : Block
        On or off.
    sizes : tuple of Block
        Weights of an elastic job's (accelerators, speed) points; empty for a pausable job.
    begun : Block or None
        First steps of uninterrupted runs, where they matter.
    """

    place: Placement
    name: str
    first: int
    running: Block
    sizes: tuple[Block, ...] = ()
    begun: Block | None = None

    @property
    def count(self) -> int:
        """Steps of the window."""
        return self.running.size


@dataclass(frozen=True, eq=False)
class JointProgram:
    """A compiled joint model with what is needed to read its solutions.

    Attributes
    ----------
    program : Program
        The mixed-integer linear program.
    inputs : Inputs
        What it was built from.
    starts : StartColumns or None
        Start columns of rigid jobs.
    carbon_kg : FloatArray
        Operational carbon per unit of every column [kg].
    without : frozenset of str
        Flexibilities that were switched off.
    runs : mapping of str to tuple of Run
        Columns of every pausable or elastic job, one entry per fleet.
    """

    program: Program
    inputs: Inputs
    starts: StartColumns | None
    carbon_kg: NDArray[np.float64]
    without: frozenset[str] = frozenset()
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
