"""Purposes of the random numbers of a run."""

ANSWER, DURATION, MEASURED, FAILURE, FAILURE_PART, OUTAGE = range(1, 7)
