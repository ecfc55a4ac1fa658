"""`robust compare`: whether one model's results are better than another's."""

from __future__ import annotations

from pathlib import Path

import click
import cloup

from robustbench_lite.commands._options import HELP_WIDTH, format_option


@cloup.command("compare", formatter_settings=HELP_WIDTH)
@cloup.argument("run_a", metavar="RUN_A[,RUN_A...]")
@cloup.argument("run_b", metavar="RUN_B[,RUN_B...]")
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
def compare_command(run_a: str, run_b: str, bootstrap: int, seed: int, style: str) -> None:
    """Compare run B with run A, two folders of `robust eval` on the same suite and images.

    Several runs on both sides, A1,A2,A3 B1,B2,B3, are trainings of two methods: the variance between
    trainings counts as well.

    For each corruption or perturbation and each headline score, print the difference B - A, its 95 %
    interval, paired image by image, and whether it is evidence that B is better or worse.
    """
    from robustbench_lite.commands._terminal import terminal_width
    from robustbench_lite.evaluation.compare import compare

    comparison = compare(_runs(run_a), _runs(run_b), bootstrap=bootstrap, seed=seed)
    click.echo(comparison.report().render(style, terminal_width()))


def _runs(argument: str) -> str | list[str]:
    """One run folder, or the several that commas divide."""
    if "," not in argument or Path(argument).exists():
        return argument
    return [run for run in argument.split(",") if run]
