"""Tables, figures and reports, drawn from the records of evaluations. No torch, no GPU."""

from __future__ import annotations

from robustbench_lite.report.figures.contact_sheet import contact_sheet
from robustbench_lite.report.tables.layout import TableLayout, suite_layout
from robustbench_lite.report.tables.paper_table import cell_table, paper_table
from robustbench_lite.report.tables.results_table import Report, results_table
from robustbench_lite.report.tables.rows import ReportRow, measured_rows, published_row
from robustbench_lite.report.tables.score_tables import score_table
from robustbench_lite.report.tables.table import Column, Row, Table
from robustbench_lite.report.tables.trainings import over_trainings

__all__ = [
    "Column",
    "Report",
    "ReportRow",
    "Row",
    "Table",
    "TableLayout",
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
