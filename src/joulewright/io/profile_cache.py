"""Computed solar and wind profiles kept on disk, found again by a hash of everything they depend on."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray

ENVIRONMENT = "JOULEWRIGHT_CACHE"
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Folder of the cache: ``$JOULEWRIGHT_CACHE``, else the platform's cache folder of the user."""
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "joulewright"


def cached_profile(
    modules: tuple[str, ...],
    timeline: Timeline,
    inputs: Mapping[str, Any],
    compute: Callable[[], FloatArray],
    *,
    use_cache: bool = True,
) -> FloatArray:
    """The profile from the cache, or computed and kept there.

    A file that is damaged, or a folder that cannot be written, never stops a run: the profile is computed.

    Parameters
    ----------
    modules : tuple of str
        Modules whose source decides the result; a change of any of them makes old profiles unused.
    timeline : Timeline
        Steps of the profile.
    inputs : mapping of str to object
        Every argument of the computation: numbers, text, None, tuples and arrays.
    compute : callable
        Returns the profile, shape ``(T,)``.
    use_cache : bool
        False neither reads nor writes the cache.
    """
    if not use_cache:
        return compute()
    path = cache_folder() / "profiles" / f"{profile_key(modules, timeline, inputs)}.bin"
    found = _read(path, timeline.steps)
    if found is None:
        found = compute()
        _write(path, found)
    return found


def profile_key(modules: tuple[str, ...], timeline: Timeline, inputs: Mapping[str, Any]) -> str:
    """Hash of the code, the steps and all inputs."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(_fingerprint(module))
    digest.update(f"{timeline.start.isoformat()} {timeline.step_s} {timeline.steps}".encode())
    for name in sorted(inputs):
        value = inputs[name]
        digest.update(f"\0{name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value, dtype=np.float64).tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


@cache
def _fingerprint(module: str) -> bytes:
    """Hash of a module's source, found without importing it."""
    spec = find_spec(module)
    source = Path(spec.origin).read_bytes() if spec is not None and spec.origin is not None else module.encode()
    return hashlib.sha256(source).digest()


def _read(path: Path, steps: int) -> FloatArray | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    body = raw[_DIGEST_BYTES:]
    if len(body) != 8 * steps or hashlib.sha256(body).digest() != raw[:_DIGEST_BYTES]:
        return None
    return np.frombuffer(body, dtype="<f8").astype(np.float64)


def _write(path: Path, profile: FloatArray) -> None:
    """Write beside the target, then rename, so that no reader sees half a file."""
    body = profile.astype("<f8").tobytes()
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_bytes(hashlib.sha256(body).digest() + body)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
