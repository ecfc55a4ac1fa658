"""`robust report`: runs as one HTML page with its figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from robustbench_lite.commands._options import HELP_WIDTH, PATH, setting
from robustbench_lite.evaluation.settings import SuiteSettings


@cloup.command("report", formatter_settings=HELP_WIDTH)
@cloup.argument("runs", nargs=-1, required=True, metavar="RUN...", type=PATH)
@cloup.option_group(
    "Output",
    cloup.option("--out", type=PATH, default=Path("report"), show_default=True, help="Folder of the report."),
    cloup.option("--title", default="Robustness report", show_default=True, help="Heading of the page."),
    cloup.option("--reference", is_flag=True, help="Show the rows of the paper beside the results."),
)
@cloup.option_group(
    "Example images",
    cloup.option(
        "--images",
        type=int,
        metavar="N",
        default=4,
        show_default=True,
        help="Number of images, 0 to 20; 0 for none.",
    ),
    setting(SuiteSettings, "seed", help="The seed that draws the images."),
    cloup.option("--data", type=PATH, help="Folder of the images. By default where the runs read them."),
    cloup.option("--clean-data", type=PATH, help="Folder of the clean images, where it is another one."),
    cloup.option("--frost", type=PATH, help="Folder of the frost photographs."),
    setting(SuiteSettings, "classes", type=PATH, metavar="FILE"),
)
def report_command(runs: tuple[Path, ...], **options: Any) -> None:
    """Write a report of run folders: of `robust eval`, on one suite or several, and of `robust fourier`.

    OUT/report.html is a single file that opens from disk; OUT/figures holds its figures as PNG and PDF,
    OUT/tables its tables as CSV, Markdown and LaTeX. Two runs on a suite are also compared.
    """
    from robustbench_lite.evaluation.write_report import write_report

    click.echo(write_report(runs, **options))
