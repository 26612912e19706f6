"""The public names of the package."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import joulewright

PACKAGE = Path(joulewright.__file__).parent


def test_all_is_what_the_table_offers_and_is_sorted() -> None:
    assert set(joulewright.__all__) == {"__version__", *joulewright._HOME}
    assert list(joulewright._HOME) == sorted(joulewright._HOME)


@pytest.mark.parametrize("name", joulewright.__all__)
def test_every_name_can_be_imported_and_is_documented(name: str) -> None:
    found = getattr(joulewright, name)
    assert name in dir(joulewright)
    if name != "__version__":
        assert found.__doc__
        assert getattr(importlib.import_module(joulewright._HOME[name]), name) is found or name == "plan"


def test_types_for_checkers_name_the_same_things() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    typed: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                typed |= {alias.name: str(statement.module) for alias in statement.names}
    assert typed == joulewright._HOME


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="plam"):
        joulewright.plam  # noqa: B018


@pytest.mark.parametrize(
    "order",
    [
        "import joulewright; joulewright.plan",
        "from joulewright import plan",
        "import joulewright.plan; from joulewright import plan",
        "from joulewright.plan import PlanOptions; import joulewright; joulewright.plan",
        "import joulewright.plan.inputs, joulewright; joulewright.plan.inputs; joulewright.plan",
    ],
)
def test_plan_is_callable_in_every_order_of_imports(order: str) -> None:
    """``plan`` names a function and the package it lives in."""
    code = f"{order}\nimport joulewright, joulewright.plan as p\nassert callable(joulewright.plan), joulewright.plan\n"
    code += "from joulewright.plan import PlanOptions\nassert callable(p)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", ["account", "check", "io", "model", "plan", "report", "study"])
def test_all_of_each_package_is_what_it_defines(name: str) -> None:
    module = importlib.import_module(f"joulewright.{name}")
    assert len(set(module.__all__)) == len(module.__all__)
    for item in module.__all__:
        assert hasattr(module, item), f"{name}.__all__ names {item}"
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and isinstance(value, type | FunctionType)
        and value.__module__.startswith("joulewright")
    }
    assert public <= set(module.__all__) | {"annotations"}
