"""How the functions of the compiled loop are compiled, and how the cache on disk notices a change in any of them.

Only the loop itself is kept on disk; what it calls is compiled into it. The cache notices a change of the file of a
function by itself, and compares the values that the function encloses: the loop encloses a stamp of all files it may
be made of, so that a change in any of them compiles it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

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
kept = _jit(cache=True)
"""For a loop that encloses a stamp; on disk."""


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
