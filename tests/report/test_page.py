"""The HTML report: one file that needs nothing else, says what the records say, and draws in any light."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from robustbench_lite.reference.names import SEVERITIES, TEST_CORRUPTIONS, TEST_PERTURBATIONS
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.report.content import (
    Answer,
    Content,
    ExampleRow,
    Examples,
    ModelRun,
    Reliability,
    Section,
)
from robustbench_lite.report.figures.calibration import (
    by_severity,
    plot_calibration_by_severity,
    plot_reliability,
)
from robustbench_lite.report.figures.canvas import percent
from robustbench_lite.report.figures.error_heatmap import plot_error_heatmap
from robustbench_lite.report.figures.flips import plot_flips
from robustbench_lite.report.figures.legend import legend_height
from robustbench_lite.report.figures.report_figures import section_figures
from robustbench_lite.report.figures.severity import plot_errors_by_severity, wilson
from robustbench_lite.report.figures.style import INK, looks
from robustbench_lite.report.figures.svg import inline_svg
from robustbench_lite.report.figures.text import fitted, in_lines, text_inches
from robustbench_lite.report.findings import findings
from robustbench_lite.report.fourier.fourier_map import FourierMap, RadialProfile
from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
from robustbench_lite.report.fourier.profile import plot_radial_profile
from robustbench_lite.report.tables.comparison import Comparison, ScoreDifference
from robustbench_lite.report.write_report import write_content
from robustbench_lite.results import CellResult, Results

VOID = {"meta", "link", "br", "img", "input", "hr"}


def scores(error: float) -> dict[str, float]:
    return {
        "error": error,
        "mean_confidence": 0.9,
        "rms_calibration_error": error / 2,
        "expected_calibration_error": error / 3,
        "brier_score": error,
        "nll": 2 * error,
    }


def corruption_run(title: str = "net", shift: float = 0.0, names=TEST_CORRUPTIONS, **fields) -> ModelRun:
    cells = [CellResult("clean", 0, 200, scores(0.05 + shift))]
    for place, name in enumerate(names):
        cells += [CellResult(name, s, 200, scores(0.1 + 0.02 * place + 0.05 * s + shift)) for s in SEVERITIES]
    summary = {
        "clean_error": 0.05 + shift,
        "mean_error": 0.4 + shift,
        "clean_rms_calibration_error": 0.03,
        "rms_calibration_error": 0.2,
    }
    record = {
        "spec": SUITES["cifar10-c"],
        "summary": summary,
        "intervals": {"mean_error": (0.38, 0.42)},
        "choices": {"mean_error": "a definition"},
        "provenance": {"model": {"name": title, "parameters": 1234}, "data": {"images": 200}},
    } | fields
    curve = Reliability((0.5, 0.8, 0.99), (0.4, 0.7, 0.9), (5, 40, 155))
    results = Results(protocol="official", cells=tuple(cells), **record)
    return ModelRun(title, results, dict.fromkeys(range(6), curve))


def perturbation_run(title: str = "net", difficulties=(1, 2)) -> ModelRun:
    cells = [
        CellResult(name, level, 60, {"flip_probability": 0.01 * (place + level), "frames": 31})
        for place, name in enumerate(TEST_PERTURBATIONS)
        for level in difficulties
    ]
    results = Results(
        SUITES["cifar10-p"],
        "official",
        tuple(cells),
        summary={"mfp": 0.055},
        provenance={"model": {"name": title}},
    )
    return ModelRun(title, results, flip_errors={(cell.name, cell.severity): 0.002 for cell in cells})


def fourier_map() -> FourierMap:
    radius = (0.0, 1.0, 2.0)
    profile = RadialProfile(radius, (0.1, 0.2, 0.3), (0.05, 0.1, 0.2), (0.2, 0.3, 0.4))
    return FourierMap(np.full((5, 5), 0.25), 0.1, "error", 4.0, 20, (32, 32), profile, {})


def comparison() -> Comparison:
    rows = [ScoreDifference(name, 0.3, 0.35, -0.01, 0.11, 0.4) for name in TEST_CORRUPTIONS]
    rows[0] = ScoreDifference("gaussian_noise", 0.3, 0.2, -0.15, -0.05, 0.01)
    headline = ScoreDifference("mean_error", 0.4, 0.45, 0.02, 0.08, 0.002)
    return Comparison("cifar10-c", "one", "two <b>&", "error", tuple(rows), (headline,), ("a caution",))


def examples() -> Examples:
    random = np.random.default_rng(0)
    pixels = tuple(random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(2))
    answers = {
        name: (Answer("frog", 0.91, True), Answer("ship", 0.42, False)) for name in ("one", "two <b>&")
    }
    return Examples(("Clean", "Fog 3"), (ExampleRow("frog", pixels, answers),))


def content() -> Content:
    runs = (corruption_run("one"), corruption_run("two <b>&", 0.05))
    corruptions = Section("cifar10-c", runs, comparison(), examples(), ("Something is missing.",))
    return Content((corruptions, Section("cifar10-p", (perturbation_run("one"),))), {"one": fourier_map()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_content(content(), folder, title="Title <&>")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects ids, addresses and visible text, and complains of tags that don't close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(str(attributes["id"]))
        self.addresses += [
            str(attributes[key]) for key in ("src", "href", "xlink:href", "data") if key in attributes
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"


@pytest.fixture(scope="module")
def tags(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_nothing_is_loaded_from_anywhere(page: str, tags: Tags) -> None:
    assert all(address.startswith(("#", "data:")) for address in tags.addresses)
    addresses = set(re.findall(r"https?://[^\"'\s<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<script|<link(?! rel=\"icon\" href=\"data:,\")|@import|url\((?!#)", page)


def test_names_are_unique_and_what_refers_to_them_finds_them(page: str, tags: Tags) -> None:
    assert len(set(tags.ids)) == len(tags.ids)
    used = {address[1:] for address in tags.addresses if address.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(tags.ids)


def test_names_of_models_are_text_not_markup(page: str, tags: Tags) -> None:
    assert "two <b>&" in tags.text
    assert "<b>" not in page
    assert "<title>Title &lt;&amp;&gt;</title>" in page


def test_the_page_tells_what_the_records_tell(tags: Tags) -> None:
    text = " ".join(tags.text.split())
    assert "Wrong on 40.0 % [38.0, 42.0] of the corrupted images, on 5.0 % of the clean ones." in text
    assert "Under corruption over-confident: 90.0 % sure on average" in text
    assert "Of 15 corruptions better on 1 (gaussian noise); no evidence of a difference on 14." in text
    assert "Difference in mean error: +5.0 points (95 % interval +2.0 to +8.0): worse." in text
    assert "The prediction changes in 5.5 % of the compared frame pairs." in text
    assert "Something is missing." in text
    assert "a caution" in text
    assert "a definition" in text
    assert "1,234" in text


def test_every_figure_has_a_reading_note_and_a_description(page: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) == 10
    assert all('role="img" aria-label="' in figure for figure in figures)
    assert sum("<figcaption>" in figure for figure in figures) == 9  # the Fourier profile carries its own


def test_figures_are_drawn_in_variables_so_that_dark_and_paper_can_exchange_them(page: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    for variable in ("ink", "rule", "model-0", "model-1"):
        assert f"var(--{variable})" in drawings
    assert not re.search(r"#(000000|0072b2|d55e00|c9ced4)\b", drawings)
    style = page.split("<style>")[1].split("</style>")[0]
    assert "@media (prefers-color-scheme: dark)" in style
    assert "@media print" in style
    for variable in set(re.findall(r"var\(--([a-z0-9-]+)\)", page)) - {"inches"}:
        assert f"--{variable}:" in style


def test_figures_and_tables_are_files_too(folder: Path) -> None:
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {
        "cifar10-c-severity",
        "cifar10-c-heatmap",
        "cifar10-c-reliability",
        "cifar10-c-calibration",
        "cifar10-c-examples",
        "cifar10-c-differences",
        "cifar10-p-flips",
        "cifar10-p-flips-2",
        "fourier",
        "fourier-profile",
    }
    for name in names:
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert {path.name for path in (folder / "tables").iterdir()} == {
        f"cifar10-{name}.{ending}" for name in ("c", "c-comparison", "p") for ending in ("csv", "md", "tex")
    }
    assert "gaussian_noise" in (folder / "tables" / "cifar10-c-comparison.csv").read_text()
    assert r"\toprule" in (folder / "tables" / "cifar10-c.tex").read_text()


def clean_content() -> Content:
    cells = (CellResult("clean", 0, 10, scores(0.1)),)
    results = Results(SUITES["cifar10"], "official", cells, {"clean_error": 0.1, "clean_nll": 0.2})
    return Content(
        (Section("cifar10", (ModelRun("net", results, {0: Reliability((0.9,), (0.9,), (10,))}),)),)
    )


def test_a_report_replaces_the_files_of_the_last_one_and_nothing_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "report", tmp_path / "outside.png"
    run = perturbation_run("one", (1,))
    write_content(Content((Section("cifar10-p", (run,)),)), folder)
    mine = folder / "figures" / "mine.png"
    for path in (mine, outside):
        path.write_bytes(b"kept")
    listed = json.loads((folder / "files.json").read_text())
    assert "figures/cifar10-p-flips.png" in listed
    (folder / "files.json").write_text(json.dumps([*listed, "../outside.png", str(outside), 7]))
    write_content(clean_content(), folder)
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "mine.png",
        "cifar10-reliability.png",
        "cifar10-reliability.pdf",
    }
    assert {path.stem for path in (folder / "tables").iterdir()} == {"cifar10"}
    assert outside.exists()
    (folder / "files.json").write_text("{")
    write_content(clean_content(), folder)
    assert "figures/cifar10-reliability.png" in json.loads((folder / "files.json").read_text())


def test_a_clean_run_alone_makes_a_page_and_the_same_one_twice(tmp_path: Path) -> None:
    texts = [write_content(clean_content(), tmp_path / name).read_bytes() for name in "ab"]
    assert texts[0] == texts[1]
    assert b"Wrong on 10.0" in texts[0]


def panels(figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes if axis.axison]


def test_a_panel_a_corruption_and_none_is_lost() -> None:
    runs = (corruption_run(names=TEST_CORRUPTIONS[:7]),)
    groups = {"Noise": TEST_CORRUPTIONS[:3], "Blur": TEST_CORRUPTIONS[3:7], "Weather": TEST_CORRUPTIONS[7:11]}
    figure = plot_errors_by_severity(runs, groups, looks(["net"]))
    assert len(panels(figure)) == 11
    assert sum(text.get_text() == "not evaluated" for axis in figure.axes for text in axis.texts) == 4
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [0, 1, 2, 3, 4, 5]
    assert line.get_ydata() == pytest.approx([0.05, 0.15, 0.2, 0.25, 0.3, 0.35])


def drawn_names(figure) -> list[tuple[str, Bbox]]:
    """Where models' names stand in a figure, in pixels."""
    figure.dpi = 150
    figure.canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_text().startswith(("net", "augmix", "xxx"))]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def beyond_the_paper(figure) -> list[str]:
    """Models' names that reach over an edge of the figure by more than a pixel."""
    width, height = 150 * figure.get_size_inches()
    paper = Bbox.from_extents(-1, -1, width + 1, height + 1)
    return [
        text for text, box in drawn_names(figure) if not all(paper.contains(*end) for end in box.get_points())
    ]


def overprints(figure) -> list[tuple[str, str]]:
    """Pairs of models' names that cover one another."""
    names = drawn_names(figure)
    return [
        (first, second)
        for place, (first, one) in enumerate(names)
        for second, other in names[:place]
        if one.overlaps(other)
    ]


NAMES = {
    "short": "net {}",
    "long": "augmix-wide-resnet-40-2-with-a-long-name-{}-final.pt",
    "endless": "x" * 300 + "{}",
}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("pattern", NAMES.values(), ids=NAMES)
def test_names_fit_their_figures_however_many_and_long_they_are(count: int, pattern: str) -> None:
    names = [pattern.format(place) for place in range(count)]
    runs, look = [corruption_run(name) for name in names], looks(names)
    groups = {"Noise": TEST_CORRUPTIONS[:3], "Blur": TEST_CORRUPTIONS[3:7]}
    flips = [perturbation_run(name) for name in names]
    figures = [
        plot_errors_by_severity(runs, groups, look),
        plot_error_heatmap(runs, groups),
        plot_calibration_by_severity(runs, look),
        plot_reliability(runs, look),
        plot_flips(flips, {"All": TEST_PERTURBATIONS}, look),
        plot_fourier_heatmap(dict.fromkeys(names[:5], fourier_map())),
        plot_radial_profile(dict.fromkeys(names[:5], fourier_map())),
    ]
    for figure in figures:
        assert beyond_the_paper(figure) == []
        assert overprints(figure) == []


def test_a_legend_has_the_rows_that_its_names_need() -> None:
    def rows(pattern: str) -> float:
        return legend_height(looks([pattern.format(place) for place in range(5)]), 6.75)

    assert rows("net {}") == legend_height(looks(["net"]), 6.75)
    assert rows(NAMES["endless"]) > rows(NAMES["long"]) > rows(NAMES["short"])


def test_a_name_is_shortened_in_its_middle_and_broken_before_that() -> None:
    assert fitted("short", 2, 7) == "short"
    short = fitted("begin-" + "x" * 90 + "-end", 1, 7)
    assert short.startswith("begin-")
    assert short.endswith("-end")
    assert "…" in short
    assert text_inches(short, 7) <= 1
    name = "a-name-of-some-forty-letters-to-be-broken"
    assert in_lines(name, 1, 7).replace("\n", "") == name
    assert all(text_inches(line, 7) <= 1 for line in in_lines(name * 3, 1, 7).split("\n"))


def test_calibration_errors_are_ink_beside_each_model_s_marker() -> None:
    names = [str(place) for place in range(7)]
    figure = plot_reliability([corruption_run(name) for name in names], looks(names))
    numbers = [text for text in figure.axes[0].texts if text.get_text() == "2.5"]
    assert len(numbers) == 7
    assert {text.get_color() for text in numbers} == {INK}
    assert all(text.get_position()[1] > 1 for text in numbers)


def test_dollar_signs_in_names_are_letters() -> None:
    name = r"bad $\frac$ name"
    run = corruption_run(name)
    figures = [
        plot_calibration_by_severity([run], looks([name])),
        plot_error_heatmap([run], {"Noise": ("fog",)}),
    ]
    for figure in [*figures, plot_fourier_heatmap({name: fourier_map()})]:
        assert "$" in inline_svg(figure, "name", "title")


@pytest.mark.parametrize(
    ("top", "labels"),
    [
        (0.011, ["0.0%", "0.2%", "0.4%", "0.6%", "0.8%", "1.0%"]),
        (0.101, ["0%", "2%", "4%", "6%", "8%", "10%"]),
        (0.62, ["0%", "20%", "40%", "60%"]),
    ],
)
def test_percentages_have_the_decimals_of_their_ticks(top: float, labels: list[str]) -> None:
    axis = Figure().subplots()
    axis.set_ylim(0, top)
    percent(axis.yaxis)
    formatter = axis.yaxis.get_major_formatter()
    ticks = [value for value in axis.get_yticks() if 0 <= value <= top]
    assert [formatter(value) for value in ticks] == labels
    assert ticks == pytest.approx([float(label[:-1]) / 100 for label in labels])


def test_two_models_have_a_panel_of_their_difference_and_three_have_not() -> None:
    groups = {"Noise": TEST_CORRUPTIONS[:3]}
    runs = [corruption_run(f"net {shift}", shift) for shift in (0.0, 0.05, 0.1)]
    assert panels(plot_error_heatmap(runs[:2], groups))[-1] == "difference (second - first)"
    figure = plot_error_heatmap(runs[:2], groups)
    assert {text.get_text() for text in figure.axes[2].texts} == {"+5"}
    assert panels(plot_error_heatmap(runs, groups)) == [run.title for run in runs]
    four = [*runs, corruption_run("fourth", names=TEST_CORRUPTIONS[:1])]
    assert len(panels(plot_error_heatmap(four, groups))) == 4


def test_scores_by_severity_are_means_over_the_test_corruptions() -> None:
    results = corruption_run(names=("fog", "snow", "saturate")).results
    means = by_severity(results, "error")
    assert means[0] == 0.05
    assert means[3] == pytest.approx((0.1 + 0.15 + 0.12 + 0.15) / 2)


def test_calibration_errors_of_a_sample_are_not_drawn() -> None:
    estimate = {"images": 20, "of": 200, "seed": 0}
    run = corruption_run(provenance={"model": {"name": "net"}, "estimate": estimate})
    assert by_severity(run.results, "rms_calibration_error") == {}
    assert len(by_severity(run.results, "brier_score")) == 6
    axes = plot_calibration_by_severity([run], looks(["net"])).axes
    drawn = [len(axis.lines[0].get_xdata()) for axis in axes if axis.lines]
    assert drawn == [6, 6]


def test_bands_are_wilson_s_intervals() -> None:
    assert wilson(0.1, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0.0, 20)[0] == 0


def test_seven_models_look_different_without_their_colours() -> None:
    styles = looks([str(place) for place in range(7)])
    assert len({look.colour for look in styles.values()}) == 7
    assert len({look.marker for look in styles.values()}) == 7


def test_a_drawing_is_well_formed_and_the_same_each_time() -> None:
    figure = plot_error_heatmap([corruption_run("a & b")], {"Noise": TEST_CORRUPTIONS[:3]})
    text = inline_svg(figure, "name", 'says "this" & <that>')
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"] == 'says "this" & <that>'
    assert "width" not in root.attrib
    assert text == inline_svg(figure, "name", 'says "this" & <that>')


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"summary": {"estimated_mean_error": 0.3}}, "Wrong on about 30.0 % of the corrupted images."),
        ({"summary": {"selected_mean_error": 0.3}}, "Wrong on 30.0 % of the images of the cells that were"),
        ({"spec": SUITES["imagenet-c"], "summary": {"mce": 0.767}}, "mCE, with AlexNet at 100 %: 76.7 %."),
    ],
)
def test_findings_say_what_kind_of_number_it_is(fields: dict[str, object], words: str) -> None:
    ((lead, text),) = findings(Section("cifar10-c", (corruption_run(**fields),)))
    assert lead == "net"
    assert words in text


def test_confidence_and_accuracy_are_told_of_the_cells_that_the_calibration_error_is_of() -> None:
    run = corruption_run()
    sure = [CellResult("saturate", s, 200, scores(0.0) | {"mean_confidence": 0.1}) for s in SEVERITIES]
    more = replace(run, results=replace(run.results, cells=(*run.results.cells, *sure)))
    sentences = [
        findings(Section("cifar10-c", (one,)))[0][1].partition("Under corruption")[2] for one in (run, more)
    ]
    assert sentences[0] == sentences[1] != ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("selected_mean_error", "Difference in the error of the selection: +5.0 points"),
        ("selected_mfp", "Difference in the flip probability of the selection: +5.0 points"),
    ],
)
def test_the_difference_of_a_selection_is_told(name: str, words: str) -> None:
    headline = ScoreDifference(name, 0.4, 0.45, 0.02, 0.08, 0.002)
    section = Section("cifar10-c", (corruption_run(),), replace(comparison(), headlines=(headline,)))
    assert words in findings(section)[-1][1]


def test_corruptions_that_no_run_has_are_left_out_of_the_figures() -> None:
    section = Section("cifar10-c", (corruption_run(names=("fog", "saturate")),))
    severity, heatmap = (one.figure for one in section_figures(section, looks(["net"]))[:2])
    assert panels(severity) == ["Fog", "Saturate"]
    assert len({axis.get_position().y0 for axis in severity.axes}) == 1
    assert [label.get_text() for label in heatmap.axes[0].get_yticklabels()] == ["Fog", "Saturate"]
