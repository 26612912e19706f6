"""Writing files and folders so that a failure leaves what was there before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from joulewright.errors import DataError


def write_file(path: Path, content: bytes) -> None:
    """Write a file aside, force it to the disk and rename it into place.

    Parameters
    ----------
    path : Path
        Target; its folder is made where it does not exist.
    content : bytes
        All of it.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file of that name is then unchanged.
    """
    with _explained(path, "file"):
        if path.is_dir():
            raise DataError(f"{path} is a folder; name a file to write")
        make_parents(path)
        aside = _aside(path)
        try:
            _write_synced(aside, content)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def write_folder(path: Path, contents: Mapping[str, bytes], *, outdated: Collection[str] = ()) -> None:
    """Write a folder of files aside, force it to the disk and swap it with the one in place.

    Parameters
    ----------
    path : Path
        Target; an existing folder is replaced at the very end.
    contents : mapping of str to bytes
        Files by name.
    outdated : collection of str
        Files of an existing folder that are dropped; all its other files are kept.

    Raises
    ------
    DataError
        If it cannot be written; an earlier folder of that name is then unchanged.
    """
    with _explained(path, "folder"):
        if path.exists() and not path.is_dir():
            raise DataError(f"{path} is a file; name a folder that is new or empty")
        make_parents(path)
        aside = _aside(path)
        try:
            aside.mkdir()
            for name, content in contents.items():
                _write_synced(aside / name, content)
            _keep_others(aside, path, {*contents, *outdated})
            _sync_folder(aside)
            _swap(aside, path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def make_parents(path: Path) -> None:
    """Make the folder that shall hold ``path``.

    Raises
    ------
    DataError
        If a parent is a regular file.
    """
    for parent in path.absolute().parents:
        if parent.is_dir():
            break
        if parent.exists():
            raise DataError(f"{path} lies below {parent}, which is a file; choose another place")
    path.parent.mkdir(parents=True, exist_ok=True)


def _keep_others(aside: Path, path: Path, replaced: Collection[str]) -> None:
    """Copy what an existing folder holds besides the replaced files."""
    for item in path.iterdir() if path.is_dir() else ():
        if item.name in replaced:
            continue
        if item.is_dir():
            shutil.copytree(item, aside / item.name, symlinks=True)
        else:
            shutil.copy2(item, aside / item.name, follow_symlinks=False)


def _swap(aside: Path, path: Path) -> None:
    """Put ``aside`` where ``path`` is."""
    former = _aside(path)
    if path.exists():
        path.rename(former)
    try:
        aside.rename(path)
    except OSError:
        if former.exists():
            former.rename(path)
        raise
    shutil.rmtree(former, ignore_errors=True)
    with suppress(OSError):  # the new folder is in place; only its name may not be on the disk yet
        _sync_folder(path.parent)


def _aside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{uuid4().hex[:12]}.part")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    """Force names in a folder to the disk, on systems that can open a folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn an error of the system into a DataError that says what is still there."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        kept = f"; the {what} that was there is unchanged" if path.exists() else ""
        raise DataError(f"cannot write {path}: {error.strerror or error}{kept}") from error
