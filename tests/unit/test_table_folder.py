"""Folders of tables: what is in them, what is refused, what an earlier one leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from joulewright.errors import DataError
from joulewright.study.dag_folder import DAG_FOLDER, DAG_RUN_SCHEMA, is_dag_run
from joulewright.study.inference_folder import INFER_FOLDER
from joulewright.study.table_folder import TableFolder

KIND = TableFolder(
    manifest="own.json", schema="joulewright/own/3", tables=("first", "second"), extras=("constants.json",)
)
FRAME = pl.DataFrame({"value": [1.5, 2.5]})


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    head = KIND.head("trial", {"figures": {"cost": 2.0}}, command=("jw", "own"))
    folder = KIND.write(tmp_path / "run", head, {"first": FRAME}, report="<p>", extras={"constants.json": b"{}"})
    assert sorted(item.name for item in folder.iterdir()) == [
        "constants.json", "first.parquet", "own.json", "report.html",
    ]  # fmt: skip
    document, tables = KIND.read(folder, made_by="jw own")
    assert list(tables) == ["first"]
    assert tables["first"].equals(FRAME)
    assert (document["schema_version"], document["kind"]) == ("joulewright/own/3", "trial")
    assert (document["command"], document["figures"]) == (["jw", "own"], {"cost": 2.0})
    assert sorted(document["files"]) == ["constants.json", "first.parquet"]
    assert "numba" in document["versions"]
    assert KIND.holds(folder)
    assert not DAG_FOLDER.holds(folder)


def test_a_new_folder_leaves_nothing_of_the_earlier_one(tmp_path: Path) -> None:
    head = KIND.head("trial", {}, command=())
    tables = {"first": FRAME, "second": FRAME}
    KIND.write(tmp_path / "run", head, tables, report="<p>", extras={"constants.json": b"{}"})
    folder = KIND.write(tmp_path / "run", head, {"second": FRAME})
    assert sorted(item.name for item in folder.iterdir()) == ["own.json", "second.parquet"]


def test_folders_that_are_refused(tmp_path: Path) -> None:
    head = KIND.head("trial", {}, command=())
    other = DAG_FOLDER.write(tmp_path / "dag", DAG_FOLDER.head("simulate", {}, command=()), {"runs": FRAME})
    assert is_dag_run(other)
    with pytest.raises(DataError, match=r"is not a own folder: it holds dag\.json, runs\.parquet"):
        KIND.write(other, head, {})
    with pytest.raises(DataError, match=r"holds no own\.json"):
        KIND.read(other, made_by="jw own")
    folder = KIND.write(tmp_path / "run", head, {"first": FRAME})
    (folder / "first.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match="was changed after the run"):
        KIND.read(folder, made_by="jw own")
    later = json.loads((folder / "own.json").read_text()) | {"schema_version": "joulewright/own/4"}
    (folder / "own.json").write_text(json.dumps(later))
    KIND.refuse(folder)
    with pytest.raises(DataError, match="joulewright/own/3"):
        KIND.read(folder, made_by="jw own")


def test_formats_on_disk_stay() -> None:
    assert (DAG_FOLDER.manifest, DAG_FOLDER.family) == ("dag.json", "joulewright/dag-run/")
    assert DAG_FOLDER.schema == DAG_RUN_SCHEMA == "joulewright/dag-run/1"
    assert (INFER_FOLDER.manifest, INFER_FOLDER.schema) == ("infer.json", "joulewright/serving-run/2")
    assert INFER_FOLDER.extras == ("calibration.json",)
