"""The scenario file: its keys, checks, overrides, JSON Schema, and its resolution to the model."""

from joulewright.io.scenario_file.fields import SCHEMA_VERSION
from joulewright.io.scenario_file.reading import read_scenario
from joulewright.io.scenario_file.schema import scenario_schema

__all__ = ["SCHEMA_VERSION", "read_scenario", "scenario_schema"]
