"""Folders and files whose content is verified when they are read: every part is kept with its SHA-256.

A sealed folder has a manifest in JSON with the hash of every other file; a container is one file that starts with
the hash of the rest. Values are stored as :mod:`joulewright.io.codec` documents with their arrays in Parquet.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from joulewright.errors import DataError
from joulewright.io.codec import Array, decode, encode
from joulewright.io.exports import parquet_bytes

Value = TypeVar("Value")

STATE, ARRAYS = "state.json", "state.parquet"
PACKAGES = ("joulewright", "highspy", "numpy", "scipy", "polars")

_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


def state_files(value: object) -> dict[str, bytes]:
    """A value as the two files ``state.json`` and ``state.parquet``."""
    document, arrays = encode(value)
    return {STATE: json_bytes(document), ARRAYS: arrays_bytes(arrays)}


def read_state(kind: type[Value], folder: Path, manifest: Mapping[str, Any]) -> Value:
    """The value in ``state.json`` and ``state.parquet`` of a sealed folder.

    Raises
    ------
    DataError
        If a file is missing or was changed, or the content does not fit.
    """
    document = json.loads(verified(folder, STATE, manifest))
    return decode(kind, document, arrays_from(verified(folder, ARRAYS, manifest)))


def seals(contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Size and hash of every file, for the manifest."""
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


def verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    """Content of a file of a sealed folder.

    Raises
    ------
    DataError
        If it is missing, not listed or not what was written.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{folder / name} cannot be read: {error.strerror or error}") from error
    wanted, found = manifest["files"][name]["sha256"], hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise DataError(
            f"{folder / name} was changed after the run: sha256 {found[:12]} instead of {wanted[:12]}; make it again"
        )
    return content


def read_manifest(folder: Path, name: str, schema: str, *, made_by: str) -> dict[str, Any]:
    """The manifest of a sealed folder.

    Raises
    ------
    DataError
        If there is no such folder or manifest, or it has another schema version.
    """
    kind = schema.split("/")[1]
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name a {kind} folder that {made_by} wrote with -o")
    try:
        document = json.loads((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no {name}, so it is not a {kind} folder") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / name} cannot be read: {error}") from error
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != schema:
        raise DataError(
            f"{folder / name} has schema_version {found!r}; this version reads {schema!r}: run {made_by} again"
        )
    return dict(document)


def is_sealed(folder: Path, name: str, family: str) -> bool:
    """Whether a folder has a manifest of that name whose schema starts with ``family``, of any version."""
    try:
        document = json.loads((folder / name).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and str(document.get("schema_version", "")).startswith(family)


def refuse_foreign(folder: Path, name: str, family: str) -> None:
    """Refuse to write into a folder that holds something else.

    Raises
    ------
    DataError
        If it holds files and no manifest of the family.
    """
    if not folder.is_dir() or is_sealed(folder, name, family):
        return
    names = sorted(item.name for item in folder.iterdir())
    if names:
        listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        kind = family.split("/")[1]
        raise DataError(f"{folder} is not a {kind} folder: it holds {listed}; choose a folder that is new or empty")


def pack(value: object) -> bytes:
    """A value as one container: hash, length of the document, document, arrays.

    Examples
    --------
    >>> unpack(dict, pack({"gap": 0.5}))
    {'gap': 0.5}
    """
    files = state_files(value)
    body = len(files[STATE]).to_bytes(_LENGTH_BYTES, "big") + files[STATE] + files[ARRAYS]
    return hashlib.sha256(body).digest() + body


def unpack(kind: type[Value], content: bytes) -> Value:
    """The value in a container.

    Raises
    ------
    DataError
        If a byte of it was changed or is missing, or it holds something else.
    """
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise DataError(f"the container of {len(content)} bytes is damaged: its content does not match its hash")
    length = int.from_bytes(body[:_LENGTH_BYTES], "big")
    document, arrays = body[_LENGTH_BYTES : _LENGTH_BYTES + length], body[_LENGTH_BYTES + length :]
    return decode(kind, json.loads(document), arrays_from(arrays))


def json_bytes(document: Any, indent: int | None = None) -> bytes:
    """A document as JSON without values that JSON does not have."""
    return json.dumps(document, indent=indent, allow_nan=False).encode()


def arrays_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Arrays by name as the content of a Parquet file."""
    rows = [
        {"path": path, "dtype": array.dtype.str, "shape": list(array.shape), "values": array.ravel().astype(np.float64)}
        for path, array in arrays.items()
    ]
    schema: dict[str, Any] = {
        "path": pl.String,
        "dtype": pl.String,
        "shape": pl.List(pl.Int64),
        "values": pl.List(pl.Float64),
    }
    return parquet_bytes(pl.DataFrame(rows, schema=schema))


def arrays_from(content: bytes) -> dict[str, Array]:
    """Arrays that :func:`arrays_bytes` wrote."""
    frame = pl.read_parquet(io.BytesIO(content))
    return {
        path: values.to_numpy().astype(dtype).reshape(shape)
        for path, dtype, shape, values in zip(
            *(frame[name] for name in ("path", "dtype", "shape", "values")), strict=True
        )
    }


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of installed packages, for manifests."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
