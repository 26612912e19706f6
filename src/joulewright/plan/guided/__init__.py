"""Guided planning: LP bound, LP-guided construction and neighbourhood search."""
