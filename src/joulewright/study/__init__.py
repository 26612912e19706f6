"""Putting several plans of one scenario side by side."""

from joulewright.study.comparison import compare, figures

__all__ = ["compare", "figures"]
