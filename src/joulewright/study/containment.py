"""The boundary to code of others: whatever a policy raises becomes a sentence about its run."""

from __future__ import annotations

import traceback
from types import TracebackType

from joulewright.errors import JoulewrightError


class Containment:
    """Keeps the error that ended a block instead of passing it on; Ctrl-C and exits of the process pass.

    Attributes
    ----------
    error : str
        What was raised, and where unless the error explains itself; empty where nothing was.

    Examples
    --------
    >>> with Containment() as attempt:
    ...     int("many")
    >>> attempt.error.splitlines()[0]
    "ValueError: invalid literal for int() with base 10: 'many'"
    """

    def __init__(self) -> None:
        self.error = ""

    def __enter__(self) -> Containment:
        """The containment itself, to be asked for its error afterwards."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep an error of any class that stands for a failure of the block."""
        if not isinstance(error, Exception):
            return False
        self.error = f"{type(error).__name__}: {error}"
        if not isinstance(error, JoulewrightError):
            last = traceback.extract_tb(trace)[-1]
            self.error += f"\nin {last.name}, line {last.lineno} of {last.filename}"
        return True
