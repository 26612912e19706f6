"""Builds the report of a run of ``jw infer`` from its manifest and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.report.document import render_document, write_document
from joulewright.report.figure import Figures
from joulewright.report.infer_configuration_page import configuration_masthead, configuration_sections
from joulewright.report.infer_curve_page import curve_masthead, curve_sections
from joulewright.report.infer_error_page import error_masthead, error_sections
from joulewright.report.infer_serving_page import serving_masthead, serving_sections
from joulewright.report.infer_slices_page import slices_masthead, slices_sections

_PAGES = {
    "simulate": (serving_masthead, serving_sections),
    "curve": (curve_masthead, curve_sections),
    "configure": (configuration_masthead, configuration_sections),
    "pack": (slices_masthead, slices_sections),
    "calibrate": (error_masthead, error_sections),
    "validate": (error_masthead, error_sections),
}


def render_infer_report(document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> str:
    """The report as one HTML page that needs no network.

    Parameters
    ----------
    document : mapping
        The manifest.
    tables : mapping of str to polars.DataFrame
        Frames of the folder by name.
    """
    masthead, sections = _PAGES[document["kind"]]
    figures = Figures()
    shown = sections(document, tables, figures)
    return render_document(masthead(document), shown, figures)


def write_infer_report(target: Path | str, document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Path:
    """Write the report to ``target``; the path.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier one is then unchanged.
    """
    return write_document(target, render_infer_report(document, tables))
