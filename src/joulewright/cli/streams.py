"""Streams that fall silent once nobody reads them any more, so that a command keeps its own exit status."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


class Unbroken:
    """A text stream that throws away what is written after the reader of its pipe has gone, as ``head`` does.

    Parameters
    ----------
    stream : TextIO
        The stream of the process.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``, or nothing where nobody reads; the number of characters."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        """Let the descriptor lead nowhere: what is still buffered is flushed again when Python ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def keep_exit_status() -> None:
    """Make stdout and stderr of this process :class:`Unbroken`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is not None:
            setattr(sys, name, Unbroken(getattr(sys, name)))
