"""`robust table`: finished runs as a table, without a model, images or torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from robustbench_lite.commands._options import HELP_WIDTH, format_option, titled

if TYPE_CHECKING:
    from robustbench_lite.results import Results


@cloup.command("table", formatter_settings=HELP_WIDTH)
@cloup.argument("runs", nargs=-1, required=True, metavar="[TITLE=]RUN[,RUN...]...")
@cloup.option("--reference", is_flag=True, help="Show the rows of the paper beside the results.")
@format_option
def table_command(runs: tuple[str, ...], reference: bool, style: str) -> None:
    """Print the table of run folders of `robust eval` on one suite.

    TITLE=RUN gives the row its name; TITLE=RUN,RUN,... makes one row of several trainings, their mean and
    standard deviation.
    """
    from robustbench_lite.commands._terminal import terminal_width
    from robustbench_lite.report import results_table

    rows = [_row(*titled(run)) for run in runs]
    click.echo(results_table(rows, published=reference).render(style, terminal_width()))


def _row(title: str | None, run: str) -> Results:
    """Return a run, or the mean of several, under its title."""
    from robustbench_lite.report import over_trainings
    from robustbench_lite.results import Results

    places = [run] if Path(run).exists() else run.split(",")
    results = [Results.load(Path(place)) for place in places]
    if len(results) > 1:
        return over_trainings(title or f"{results[0].model} and {len(results) - 1} more", results)
    return results[0] if title is None else results[0].renamed(title)
