"""How the functions of the compiled loop are compiled, and how the cache on disk notices a change in any of them.

Only the loop itself is kept on disk; what it calls is compiled into it. The cache notices a change of the file of a
function by itself, and compares the values that the function encloses: the loop encloses a stamp of all files it may
be made of, so that a change in any of them compiles it again. Compiling takes long enough to wonder, so it is logged.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import event

_log = logging.getLogger(__name__)
_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without reference counts: nothing is created, and counting those of the arrays of a world takes most of the time."""


def _jit(**options: Any) -> Callable[[_Function], _Function]:
    compiler: Any = numba.njit
    return cast(Callable[[_Function], _Function], compiler(**_OPTIONS, **options))


compiled = _jit()
"""For what a loop calls now and then."""
inlined = _jit(forceinline=True)
"""For what every event calls."""
_KEPT: set[str] = set()
"""Names of the loops that are kept."""


class _Announcement(event.Listener):
    """Says that a loop is compiled, which happens only where none is on disk."""

    def on_start(self, event: Any) -> None:
        """Log the name of the loop."""
        name = event.data["dispatcher"].py_func.__qualname__
        if name in _KEPT:
            _log.info("compiling %s: some 15 to 30 seconds, once per machine and version", name.rpartition(".")[2])

    def on_end(self, event: Any) -> None:
        """Say nothing at the end."""


_register: Any = event.register
_register("numba:compile", _Announcement())


def kept(function: _Function) -> _Function:
    """Compile a loop that encloses a stamp, and keep it on disk."""
    _KEPT.add(function.__qualname__)
    return _jit(cache=True)(function)


def source_stamp(*paths: Path) -> int:
    """A number below 2^62 that changes with the name or content of any of some files.

    Parameters
    ----------
    *paths : Path
        Files, and folders of which all Python files count, sub-folders left out.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            content = file.read_bytes()
            digest.update(f"{file.name}:{len(content)}:".encode())
            digest.update(content)
    return int.from_bytes(digest.digest(), "big") >> 2
