"""placeholder"""
from __future__ import annotations
from joulewright.plan.exact import solve_exact as solve_guided
__all__=["solve_guided"]
