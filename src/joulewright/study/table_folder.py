"""Sealed folders of tables: a manifest with facts and hashes, Parquet files, and a page for people."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.io.atomic import write_folder
from joulewright.io.exports import parquet_bytes
from joulewright.io.sealed import (
    PACKAGES,
    is_sealed,
    json_bytes,
    read_manifest,
    refuse_foreign,
    seals,
    verified,
    versions,
)

_REPORT = "report.html"


@dataclass(frozen=True, kw_only=True)
class TableFolder:
    """A kind of folder.

    Attributes
    ----------
    manifest : str
        Name of the JSON file with the facts.
    schema : str
        Its schema, ``joulewright/KIND/VERSION``.
    tables : tuple of str
        All tables there may be, without ending.
    extras : tuple of str
        Names of other files there may be.
    """

    manifest: str
    schema: str
    tables: tuple[str, ...]
    extras: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """What the schemas of all versions begin with."""
        return self.schema[: self.schema.rindex("/") + 1]

    def head(self, kind: str, facts: Mapping[str, Any], *, command: Sequence[str]) -> dict[str, Any]:
        """Head of a manifest: schema, kind, command, time and versions, then the facts."""
        return {
            "schema_version": self.schema,
            "kind": kind,
            "command": list(command),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions((*PACKAGES, "numba")),
            **facts,
        }

    def write(
        self,
        path: str | Path,
        manifest: Mapping[str, Any],
        tables: Mapping[str, pl.DataFrame],
        *,
        report: str | None = None,
        extras: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Write a folder; it replaces an earlier one only when it is complete.

        Parameters
        ----------
        path : str or Path
            Folder that is new, empty or an earlier one of the same family.
        manifest : mapping
            From :meth:`head`.
        tables : mapping of str to polars.DataFrame
            By name without ending.
        report : str, optional
            Page for people.
        extras : mapping of str to bytes, optional
            Other files by name.

        Raises
        ------
        DataError
            If the path is a file, holds something else, or cannot be written.
        """
        target = Path(path)
        self.refuse(target)
        contents = {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()} | dict(extras or {})
        document = {**manifest, "files": seals(contents)}
        outdated = [*(f"{name}.parquet" for name in self.tables), _REPORT, *self.extras]
        page = {} if report is None else {_REPORT: report.encode("utf-8")}
        write_folder(target, {**contents, **page, self.manifest: json_bytes(document, indent=1)}, outdated=outdated)
        return target

    def read(self, path: str | Path, *, made_by: str) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """Manifest and tables of a folder that the command ``made_by`` writes.

        Raises
        ------
        DataError
            If it is no such folder, or a file of it was changed.
        """
        folder = Path(path)
        manifest = read_manifest(folder, self.manifest, self.schema, made_by=made_by)
        files = {name: f"{name}.parquet" for name in self.tables if f"{name}.parquet" in manifest["files"]}
        return manifest, {
            name: pl.read_parquet(io.BytesIO(verified(folder, file, manifest))) for name, file in files.items()
        }

    def holds(self, path: Path) -> bool:
        """Whether a folder is one of these, of any schema version."""
        return is_sealed(path, self.manifest, self.family)

    def refuse(self, path: Path) -> None:
        """Refuse a folder that must not be replaced.

        Raises
        ------
        DataError
            If it holds something else.
        """
        refuse_foreign(path, self.manifest, self.family)
