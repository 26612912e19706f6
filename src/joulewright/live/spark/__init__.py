"""Schedulers of jobs with precedence on a real Spark: they say which stage runs and how many executors there are."""

from joulewright.live.spark.board import Board, Decision
from joulewright.live.spark.controller import ControlRecord, Target, control
from joulewright.live.spark.plant import AbstractSparkPlant, Progress
from joulewright.live.spark.run import SparkOutcome, run_on_spark
from joulewright.live.spark.session import SparkPlant, StageCall, pools_text, require_spark, spark_settings

__all__ = [
    "AbstractSparkPlant",
    "Board",
    "ControlRecord",
    "Decision",
    "Progress",
    "SparkOutcome",
    "SparkPlant",
    "StageCall",
    "Target",
    "control",
    "pools_text",
    "require_spark",
    "run_on_spark",
    "spark_settings",
]
