"""Self-contained HTML reports and terminal tables of plans."""

from joulewright.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
