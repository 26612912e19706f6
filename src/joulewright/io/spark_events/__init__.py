"""Event logs of Spark: the jobs they tell of, and the schedule that was executed."""

from joulewright.io.spark_events.log import (
    AFTER_PROPERTY,
    ARRIVAL_PROPERTY,
    JOB_PROPERTY,
    STAGE_PROPERTY,
    SparkLog,
    read_spark_events,
)
from joulewright.io.spark_events.run import ExecutedRun, SparkRun

__all__ = [
    "AFTER_PROPERTY",
    "ARRIVAL_PROPERTY",
    "JOB_PROPERTY",
    "STAGE_PROPERTY",
    "ExecutedRun",
    "SparkLog",
    "SparkRun",
    "read_spark_events",
]
