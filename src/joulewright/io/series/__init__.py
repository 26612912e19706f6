"""Time series from CSV, gzipped CSV and Parquet files.

Diagnostic codes of this package:

====  ===============================================================================================
D001  the file does not exist
D002  the file cannot be read: damaged, not UTF-8, no permission
D003  the file is too large
D004  the file is empty
D005  a column is missing or its name is not unique
D006  a cell is not a finite number
D007  a row has more or fewer cells than the header
D008  a value lies outside the allowed range (or the code named by the reference)
D010  note: share of values that the source marks as estimated, or that were interpolated
T001  no column, or several columns, can be the time column
T002  a time stamp cannot be read
T004  the time zone is unknown
T005  rows are not in order of time
T006  an instant appears twice
T007  a local clock time occurs twice (clocks go back) and has no offset
T008  a local clock time does not exist (clocks go forward)
T009  time stamps are not equally spaced
T010  the declared step differs from the stamps
T011  values are missing
T012  warning: the label looks wrong
T013  the series does not cover the horizon
T014  a file of one row does not tell its step
T015  note: values were interpolated
T016  note or warning: the label is not declared
T017  note: values were resampled
T018  time stamps have no offset and no time zone is declared
U001  the column has no unit (U002 unknown unit, U003 another dimension or currency)
U005  note: energy per step is read as mean power
====  ===============================================================================================
"""

from joulewright.io.series.opening import forget_tables
from joulewright.io.series.reader import read_series
from joulewright.io.series.reference import SeriesReference, SeriesResult
from joulewright.io.series.rows import TableRow, read_table

__all__ = ["SeriesReference", "SeriesResult", "TableRow", "forget_tables", "read_series", "read_table"]
