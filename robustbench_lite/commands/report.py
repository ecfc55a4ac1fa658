"""`robust report`: runs as one HTML page with its figures and tables."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report"),
    show_default=True,
    help="Folder of the report.",
)
@click.option("--title", default="Robustness report", show_default=True, help="Heading of the page.")
@click.option("--reference", is_flag=True, help="Show the paper's own rows beside the results.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The images, for examples; by default where the runs found them.",
)
@click.option(
    "--clean-data", type=click.Path(path_type=Path), help="The clean images, where they lie elsewhere."
)
@click.option("--frost", "textures", type=click.Path(path_type=Path), help="Folder of the frost photographs.")
@click.option(
    "--classes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own images: class names, one a line.",
)
@click.option(
    "--images",
    type=click.IntRange(min=0, max=20),
    default=4,
    show_default=True,
    help="Example images; 0 for none.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the examples.")
def report_command(
    runs: tuple[Path, ...],
    out: Path,
    title: str,
    reference: bool,
    data: Path | None,
    clean_data: Path | None,
    textures: Path | None,
    classes: Path | None,
    images: int,
    seed: int,
) -> None:
    """Write a report of run folders: of `robust eval`, on one suite or several, and of `robust fourier`.

    OUT/report.html is a single file that opens from disk; OUT/figures holds its figures as PNG and PDF,
    OUT/tables its tables as CSV, Markdown and LaTeX. Two runs on a suite are also compared.
    """
    from robustbench_lite.evaluation.example_images import Places
    from robustbench_lite.evaluation.report_content import gather
    from robustbench_lite.report.write_report import write_report

    names = None if classes is None else classes.read_text(encoding="utf-8").splitlines()
    content = gather(runs, Places(data, clean_data, textures, names, images, seed))
    click.echo(write_report(content, out, title=title, published=reference))
