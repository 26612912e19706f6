"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from joulewright.errors import DataError
from joulewright.io import atomic
from joulewright.io.atomic import write_file, write_folder


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def full_disk(monkeypatch, *, after: int = 0, calls: str = "fsync"):
    """Let the system report a full disk from the given call on."""
    count = 0
    genuine = getattr(os, calls)

    def fail(*args, **kwargs):
        nonlocal count
        count += 1
        if count > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return genuine(*args, **kwargs)

    monkeypatch.setattr(atomic.os, calls, fail)


def test_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "new" / "folder" / "a.json"
    write_file(path, b"one")
    write_file(path, b"two")
    assert listing(tmp_path) == {"new/folder/a.json": b"two"}


def test_folder_is_written_and_replaced(tmp_path):
    run = tmp_path / "runs" / "a"
    write_folder(run, {"run.json": b"1", "old.parquet": b"x"})
    (run / "report.html").write_bytes(b"stale")
    (run / "my notes.txt").write_bytes(b"keep me")
    (run / "sub").mkdir()
    (run / "sub" / "b").write_bytes(b"too")
    write_folder(run, {"run.json": b"2"}, outdated=("old.parquet", "report.html"))
    assert listing(tmp_path) == {"runs/a/run.json": b"2", "runs/a/my notes.txt": b"keep me", "runs/a/sub/b": b"too"}


def test_new_folder_follows_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        write_folder(tmp_path / "run", {"a": b""})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "run" / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize("after", [0, 1, 2])
def test_full_disk_leaves_the_former_folder(tmp_path, monkeypatch, after):
    """Each of two files and the folder itself is forced to the disk; a failure of any leaves what was there."""
    run = tmp_path / "run"
    write_folder(run, {"run.json": b"1", "a": b"x"})
    full_disk(monkeypatch, after=after)
    with pytest.raises(DataError, match="No space left on device; the folder that was there is unchanged"):
        write_folder(run, {"run.json": b"2", "b": b"y"})
    assert listing(tmp_path) == {"run/run.json": b"1", "run/a": b"x"}


def test_full_disk_without_a_former_folder_leaves_nothing(tmp_path, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(DataError, match=r"cannot write .*run: No space left on device$"):
        write_folder(tmp_path / "run", {"run.json": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "plan.csv"
    write_file(path, b"one")
    full_disk(monkeypatch)
    with pytest.raises(DataError, match="No space left on device; the file that was there is unchanged"):
        write_file(path, b"two")
    assert listing(tmp_path) == {"plan.csv": b"one"}


def test_failing_swap_puts_the_former_folder_back(tmp_path, monkeypatch):
    run = tmp_path / "run"
    write_folder(run, {"run.json": b"1"})
    genuine, calls = Path.rename, []

    def rename(self, target):
        calls.append(self.name)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        return genuine(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(DataError, match="Input/output error"):
        write_folder(run, {"run.json": b"2"})
    assert listing(tmp_path) == {"run/run.json": b"1"}
    assert len(calls) == 3


def test_failing_swap_of_a_new_folder_leaves_nothing(tmp_path, monkeypatch):
    def rename(self, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(DataError, match=r"Input/output error$"):
        write_folder(tmp_path / "run", {"run.json": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_confirm_the_name_is_no_failure(tmp_path, monkeypatch):
    run = tmp_path / "run"
    full_disk(monkeypatch, after=2)
    write_folder(run, {"run.json": b"2"})
    assert listing(tmp_path) == {"run/run.json": b"2"}


def test_interruption_leaves_the_former_folder(tmp_path, monkeypatch):
    run = tmp_path / "run"
    write_folder(run, {"run.json": b"1"})

    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_folder(run, {"run.json": b"2"})
    assert listing(tmp_path) == {"run/run.json": b"1"}


def test_the_system_itself_refuses_to_write_more(tmp_path):
    """A limit on file size makes the kernel fail in the middle of a write."""
    program = f"""
        import resource
        from pathlib import Path
        from joulewright.errors import DataError
        from joulewright.io.atomic import write_folder
        run = Path({str(tmp_path)!r}) / "run"
        write_folder(run, {{"run.json": b"1", "series": b"x" * 1000}})
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            write_folder(run, {{"run.json": b"2", "series": b"y" * 100_000}})
        except DataError as error:
            print(str(error).partition(": ")[2])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("File too large; the folder that was there is unchanged\n", "")
    assert listing(tmp_path) == {"run/run.json": b"1", "run/series": b"x" * 1000}


@pytest.mark.parametrize("write", [lambda path: write_file(path, b""), lambda path: write_folder(path, {"a": b""})])
def test_path_below_a_file(tmp_path, write):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file/b/c lies below .*file, which is a file; choose another place"):
        write(tmp_path / "file" / "b" / "c")


def test_kind_of_target_must_fit(tmp_path):
    (tmp_path / "file").write_bytes(b"keep")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="file is a file; name a folder that is new or empty"):
        write_folder(tmp_path / "file", {"a": b""})
    with pytest.raises(DataError, match="folder is a folder; name a file to write"):
        write_file(tmp_path / "folder", b"")
    assert listing(tmp_path) == {"file": b"keep"}


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(Path("run"), {"a": b"1"})
    write_file(Path("b"), b"2")
    assert listing(tmp_path) == {"run/a": b"1", "b": b"2"}
