"""Results drawn as the papers' tables, from records alone: no torch, no GPU."""

from __future__ import annotations

from robustbench_lite.report.contact_sheet import contact_sheet
from robustbench_lite.report.layouts import Layout, suite_layout
from robustbench_lite.report.rows import ReportRow, measured_rows, published_row
from robustbench_lite.report.table import Column, Row, Table
from robustbench_lite.report.tables import Report, cell_table, paper_table, results_table, score_table
from robustbench_lite.report.trainings import over_trainings

__all__ = [
    "Column",
    "Layout",
    "Report",
    "ReportRow",
    "Row",
    "Table",
    "cell_table",
    "contact_sheet",
    "measured_rows",
    "over_trainings",
    "paper_table",
    "published_row",
    "results_table",
    "score_table",
    "suite_layout",
]
