"""The names of joulewright.io load what they need and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import joulewright.io


def test_every_public_name_exists():
    assert sorted(joulewright.io.__all__) == sorted(joulewright.io._HOME)
    for name in joulewright.io.__all__:
        assert getattr(joulewright.io, name).__name__ == name
        assert name in dir(joulewright.io)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'read_xml'; public names are FrontPoint"):
        joulewright.io.read_xml  # noqa: B018


def test_scenarios_need_no_data_frames():
    program = (
        "import sys, joulewright.io; light = {'polars', 'numpy'} & set(sys.modules); joulewright.io.read_scenario;"
        "print(sorted(light), sorted({'polars', 'pandas', 'scipy', 'highspy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
