"""Observers of a run: nothing, headline figures, every series in memory, or every series in a Parquet file."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulewright.account import settle
from joulewright.errors import DataError
from joulewright.model import Clip, Happening, JobRecord, JobSchedule, Scenario, Schedule, Trajectory
from joulewright.model.timeline import FloatArray
from joulewright.sim.metrics import RunningTotals
from joulewright.sim.rows import Block, Layout

if TYPE_CHECKING:
    import polars

Figures = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What a recorder is told before the first step.

    Attributes
    ----------
    scenario : Scenario
        The facts as they turn out.
    layout : Layout
        What the rows hold.
    policy : str
        Specification of the policy.
    seed : int
        Seed of the run.
    """

    scenario: Scenario
    layout: Layout
    policy: str
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Ending:
    """What a recorder is told after the last step: how the jobs went, and what was clipped or happened."""

    jobs: Mapping[str, JobSchedule]
    records: Mapping[str, JobRecord]
    clips: tuple[Clip, ...]
    happenings: tuple[Happening, ...]
    notes: tuple[str, ...] = ()


class AbstractRecording(ABC):
    """A recorder at work on one run."""

    @abstractmethod
    def add(self, block: Block) -> None:
        """Take in some steps; blocks come in order and without gaps."""

    @abstractmethod
    def close(self, ending: Ending) -> tuple[Trajectory | None, Figures]:
        """The trajectory, where it was kept, and the figures of :meth:`joulewright.account.Ledger.summary`."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing behind of a run that failed."""


class AbstractRecorder(ABC):
    """Parameters of a way to record; frozen, so that one object serves many runs.

    Attributes
    ----------
    block_steps : int
        Steps handed over at a time; 0 where none are wanted.
    """

    block_steps: int = 4096

    @abstractmethod
    def open(self, run: Run) -> AbstractRecording:
        """Get ready for one run."""


@dataclass(frozen=True, kw_only=True)
class NoRecorder(AbstractRecorder):
    """Keep nothing but clips and happenings."""

    block_steps: int = 0

    def open(self, run: Run) -> AbstractRecording:
        """A recording without figures."""
        return _Nothing()


@dataclass(frozen=True, kw_only=True)
class SeriesRecorder(AbstractRecorder):
    """Keep every series in memory: the whole trajectory, settled by the ledger.

    Attributes
    ----------
    block_steps : int
        Steps that are plain numbers before they become arrays.
    """

    block_steps: int = 4096

    def open(self, run: Run) -> AbstractRecording:
        """A recording that gives a trajectory."""
        return _Series(run)


@dataclass(frozen=True, kw_only=True)
class MetricsRecorder(AbstractRecorder):
    """Keep running totals only, so that memory does not grow with the number of steps.

    Attributes
    ----------
    block_steps : int
        Steps that the ledger settles at a time.
    """

    block_steps: int = 4096

    def open(self, run: Run) -> AbstractRecording:
        """A recording that gives figures."""
        return _Metrics(run)


@dataclass(frozen=True, kw_only=True)
class ParquetRecorder(AbstractRecorder):
    """Write every series to a Parquet file, a block of steps at a time, and keep running totals.

    The file has one row for each step: ``start`` and then ``SITE/QUANTITY`` or ``SITE/COMPONENT/QUANTITY`` and
    ``SERVICE/REGION/SITE/FLEET/served_token_s``. Stored energy is that at the end of the step.

    Attributes
    ----------
    path : str or Path
        Target; it appears when the run is complete. Blocks stand in a folder beside it until then.
    block_steps : int
        Steps of a row group.
    """

    path: str | Path
    block_steps: int = 4096

    def open(self, run: Run) -> AbstractRecording:
        """A recording that writes.

        Raises
        ------
        DataError
            If the folder cannot be written.
        """
        return _Parquet(run, Path(self.path), self.block_steps)


class _Nothing(AbstractRecording):
    def add(self, block: Block) -> None:
        """Nothing is kept."""

    def close(self, ending: Ending) -> tuple[Trajectory | None, Figures]:
        return None, {}

    def discard(self) -> None:
        """Nothing is left."""


class _Series(AbstractRecording):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._blocks: list[Block] = []

    def add(self, block: Block) -> None:
        self._blocks.append(block)

    def close(self, ending: Ending) -> tuple[Trajectory | None, Figures]:
        run, layout = self._run, self._run.layout
        whole = Block.joined(self._blocks)
        self._blocks = []
        schedule = Schedule(
            planner=run.policy,
            jobs=ending.jobs,
            services=layout.services(whole),
            sites={
                site.name: layout.site_schedule(
                    position, whole, [battery.initial_energy_mwh for battery in site.batteries]
                )
                for position, site in enumerate(run.scenario.sites)
            },
        )
        trajectory = Trajectory(
            scenario=run.scenario,
            schedule=schedule,
            policy=run.policy,
            seed=run.seed,
            jobs=ending.records,
            clips=ending.clips,
            happenings=ending.happenings,
            notes=ending.notes,
        )
        return trajectory, settle(run.scenario, schedule).summary()

    def discard(self) -> None:
        self._blocks = []


class _Metrics(AbstractRecording):
    def __init__(self, run: Run) -> None:
        self._totals = RunningTotals(run.scenario, run.layout)

    def add(self, block: Block) -> None:
        self._totals.add(block)

    def close(self, ending: Ending) -> tuple[Trajectory | None, Figures]:
        return None, self._totals.summary(ending.jobs)

    def discard(self) -> None:
        """Nothing is left."""


class _Parquet(AbstractRecording):
    def __init__(self, run: Run, path: Path, block_steps: int) -> None:
        self._totals = RunningTotals(run.scenario, run.layout)
        self._run, self._path, self._block_steps = run, path, block_steps
        self._folder = path.with_name(f".{path.name}.{os.getpid()}.parts")
        self._parts: list[Path] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    def add(self, block: Block) -> None:
        self._totals.add(block)
        part = self._folder / f"{block.first:012d}.parquet"
        try:
            _frame(self._run, block).write_parquet(part)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self._parts.append(part)

    def close(self, ending: Ending) -> tuple[Trajectory | None, Figures]:
        import polars

        whole = self._folder / "whole"
        try:
            polars.scan_parquet(self._parts).sink_parquet(whole, row_group_size=self._block_steps, maintain_order=True)
            os.replace(whole, self._path)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.discard()
        return None, self._totals.summary(ending.jobs)

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot write {path}: {error.strerror or error}; choose another place")


def _frame(run: Run, block: Block) -> polars.DataFrame:
    import polars

    timeline = run.scenario.timeline
    first = np.datetime64(timeline.at(block.first).replace(tzinfo=None), "us")
    starts = first + np.arange(block.steps) * np.timedelta64(timeline.step_s, "s")
    columns: dict[str, Sequence[float] | FloatArray | polars.Series] = {
        "start": polars.Series(starts).dt.replace_time_zone("UTC")
    }
    for site, values, names in zip(run.scenario.sites, block.sites, run.layout.site_columns, strict=True):
        columns |= {f"{site.name}/{name}": values[:, position] for position, name in enumerate(names)}
    columns |= {name: block.serving[:, position] for position, name in enumerate(run.layout.serving_columns)}
    return polars.DataFrame(columns)
