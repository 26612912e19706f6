"""Benchmarks of joulewright: one file per case, one document per run."""
