"""`robust compare`: whether one model's results are better than another's."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from robustbench_lite.commands._options import HELP_WIDTH, format_option


@cloup.command("compare", formatter_settings=HELP_WIDTH)
@cloup.argument("run_a", type=click.Path(path_type=Path))
@cloup.argument("run_b", type=click.Path(path_type=Path))
@cloup.option(
    "--bootstrap",
    type=int,
    metavar="N",
    default=4000,
    show_default=True,
    help="Number of bootstrap replicates, at least 1000.",
)
@cloup.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Seed of the bootstrap.")
@format_option
def compare_command(run_a: Path, run_b: Path, bootstrap: int, seed: int, style: str) -> None:
    """Compare run B with run A, two folders of `robust eval` on the same suite and images.

    For each corruption or perturbation and each headline score, print the difference B - A, its 95 %
    interval, paired image by image, and whether it is evidence that B is better or worse.
    """
    from robustbench_lite.commands._terminal import terminal_width
    from robustbench_lite.evaluation.compare import compare

    comparison = compare(run_a, run_b, bootstrap=bootstrap, seed=seed)
    click.echo(comparison.report().render(style, terminal_width()))
