"""What schedulers that wrap another one share: a base, and a forecast that they go by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import AbstractDagScheduler, RunFacts
from joulewright.policy.dag.fixed import Fifo
from joulewright.policy.dag.outlook import Foresight
from joulewright.policy.dag.planner.timed import AbstractTimedScheduler


@dataclass(frozen=True, kw_only=True)
class AbstractWrapper(Foresight, AbstractDagScheduler):
    """A scheduler that has work wait and leaves the rest to its base.

    Attributes
    ----------
    base : AbstractDagScheduler
        Decides who gets what the wrapper lets through.

    Raises
    ------
    PolicyError
        If the base decides itself when work waits, or it or the base of the base goes by another forecast, or the
        forecast is out of range.
    """

    base: AbstractDagScheduler = field(default_factory=Fifo)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.base, AbstractTimedScheduler):
            inner, outer = type(self.base).__name__, type(self).__name__
            raise PolicyError(
                f"{inner} cannot be the base of {outer}: it decides itself when work waits, and waiting twice breaks "
                f"the ends it allows; use {inner} alone, or put {outer} over fifo, fair or another that never waits"
            )
        if isinstance(self.base, Foresight) and self.base.outlook != self.outlook:
            inner, outer = type(self.base).__name__, type(self).__name__
            raise PolicyError(
                f"{outer} goes by {_options(self)} and its base {inner} by {_options(self.base)}; "
                "a run has one forecast: give both the same"
            )

    @property
    def knows_arrivals(self) -> bool:
        """Whether its base reads jobs before they arrive."""
        return self.base.knows_arrivals

    def begun(self, facts: RunFacts) -> AbstractDagScheduler:
        """The same over the base of this run."""
        return replace(self, base=self.base.begun(facts))


def _options(foresight: Foresight) -> str:
    return f"forecast={foresight.forecast},window_h={foresight.window_h!r}"
