from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace

import pytest

from robustbench_lite import metrics, reference
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.names import (
    ALL_CORRUPTIONS,
    ALL_PERTURBATIONS,
    SEVERITIES,
    TEST_CORRUPTIONS,
    TEST_PERTURBATIONS,
)
from robustbench_lite.reference.suites import SUITES, custom_spec
from robustbench_lite.report import Column, ReportRow, Row, Table, paper_table, results_table, suite_layout
from robustbench_lite.report.tables.render import render
from robustbench_lite.results import CellResult, Results


def spec_of(suite, kind):
    return SUITES.get(suite) or replace(custom_spec(kind, 10, 32, 10), name=suite)


def error_of(name, severity):
    return 0.1 + 0.01 * TEST_CORRUPTIONS.index(name) + 0.05 * severity if name in TEST_CORRUPTIONS else 0.9


def run(suite="imagenet-c", name="net", names=TEST_CORRUPTIONS, severities=SEVERITIES, **fields):
    """A run on a -C suite with known errors."""
    cells = [CellResult(n, s, 10, {"error": error_of(n, s)}) for n in names for s in severities]
    fields = {"summary": {}, "provenance": {"model": {"name": name}}} | fields
    return Results(spec=spec_of(suite, "corruption"), protocol="official", cells=tuple(cells), **fields)


def flips(suite="imagenet-p", difficulties=(1,), value=0.02, **fields):
    """A run on a -P suite that flips as often on every perturbation."""
    cells = [
        CellResult(n, d, 10, {"flip_probability": value * d, "frames": 31})
        for n in ALL_PERTURBATIONS
        for d in difficulties
    ]
    fields = {"summary": {}, "provenance": {"model": {"name": "net"}}} | fields
    spec = spec_of(suite, "perturbation").with_test_list(
        fields.get("choices", {}).get("perturbation_list", "snow")
    )
    return Results(spec=spec, protocol="official", cells=tuple(cells), **fields)


def line_of(text, start):
    """The first line that begins so, as its words without the group bars."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return line.replace("|", " ").split()


def drawn(*results, **options):
    """The tables as text on one line, so that wrapped notes can be searched."""
    return " ".join(results_table(results, **options).render("text").split())


def csv_rows(report):
    return list(csv.DictReader(io.StringIO(report.render("csv"))))


def test_imagenet_c_has_the_columns_of_table_2():
    text = results_table([run()]).render("text")
    expected = (
        "Model Clean Gauss. Shot Impulse Defocus Glass Motion Zoom "
        "Snow Frost Fog Bright Contrast Elastic Pixel JPEG mCE"
    )
    assert " ".join(line_of(text, "Model")) == expected
    groups = text.splitlines()[1].replace("|", " ").split()
    assert groups == ["Noise", "Blur", "Weather", "Digital"]


def test_corruption_errors_are_the_metric_s_in_whole_percent_and_the_mean_has_a_decimal():
    errors = run().by_name()
    baseline = reference.baseline("imagenet-c")
    expected = metrics.corruption_error(errors, baseline)
    mce = metrics.mean_corruption_error(errors, baseline)
    text = results_table([run(summary={"mce": mce, "clean_error": 0.2386})]).render("text")
    printed = line_of(text, "net")
    assert printed[1] == "23.9"
    assert printed[2:17] == [f"{100 * value:.0f}" for value in expected.values()]
    assert printed[17] == f"{100 * mce:.1f}"


def test_csv_holds_every_digit_as_fractions():
    (row,) = csv_rows(results_table([run(summary={"mce": 0.123456789}, intervals={"mce": (0.12, 0.13)})]))
    expected = metrics.corruption_error(run().by_name(), reference.baseline("imagenet-c"))
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, abs=1e-15)
    assert row["mce"] == "0.123456789"
    assert (row["mce_low"], row["mce_high"]) == ("0.12", "0.13")
    assert row["source"] == "measured"


def test_cifar_has_plain_mean_errors_with_a_decimal():
    errors = metrics.unnormalized_corruption_error(run().by_name())
    text = results_table([run("cifar10-c", summary={"mean_error": 0.3211})]).render("text")
    assert line_of(text, "net")[2:18] == [*(f"{100 * value:.1f}" for value in errors.values()), "32.1"]
    assert "not normalised by a baseline" in text
    assert "mCE" not in text


def test_published_rows_are_marked_and_named():
    text = results_table([run(summary={"mce": 0.7})], published=True).render("text")
    augmix = line_of(text, "AugMix, ResNet-50")
    assert " ".join(augmix[2:]) == "† 22.4 65 66 67 70 80 66 66 75 72 67 58 58 79 69 69 68.4"
    assert "† published: AugMix (arXiv 1912.02781), Table 2;" in text
    assert "†" not in results_table([run()]).render("text")


def test_published_rows_say_their_source_in_csv():
    rows = csv_rows(results_table([run()], published=True))
    assert [row["source"] for row in rows].count("AugMix (arXiv 1912.02781), Table 2") == 8
    assert [row["model"] for row in rows[1:3]] == ["AlexNet", "Standard, ResNet-50"]


def test_alexnet_stands_beside_what_is_divided_by_it():
    report = results_table([run(names=(*TEST_CORRUPTIONS, "saturate"))], published=True)
    assert line_of(report.render("text"), "AlexNet")[1:] == ["†", "43.5", *["100"] * 15, "100.0", "100"]
    rates = line_of(results_table([flips()], published=True).render("text"), "AlexNet")
    assert rates[1:] == ["†", "—", *["100"] * 10, "100.0", *["100"] * 4]
    assert "AlexNet" not in results_table([run("cifar10-c")], published=True).render("text")
    assert "AlexNet †" not in results_table([run()]).render("text")


def test_the_star_of_autoaugment_is_explained_where_it_is_shown():
    star = "* AutoAugment without the operations that overlap"
    assert star in drawn(run(), published=True)
    assert star in drawn(run("cifar10-c"), published=True)
    assert star not in drawn(run(), published=True, paper="robustbench")


def test_models_that_lack_a_mean_for_one_reason_share_a_note():
    missing = {"names": TEST_CORRUPTIONS[:14], "missing": ("jpeg_compression/1",)}
    text = drawn(run(name="one", **missing), run(name="two", **missing))
    assert text.count("no mean for") == 1
    assert "no mean for one, two: no files for jpeg_compression/1." in text


def test_other_papers_are_offered():
    text = results_table([run()], published=True, paper="robustbench").render("text")
    assert line_of(text, "Standard_R50")[-1] == "76.4"
    with pytest.raises(UnknownName, match="unknown paper 'nobody'"):
        results_table([run()], published=True, paper="nobody")


def test_a_partial_run_prints_a_dash_for_the_mean_and_says_why():
    partial = run(names=TEST_CORRUPTIONS[:14], missing=("jpeg_compression/1", "jpeg_compression/2"))
    text = results_table([partial]).render("text")
    assert line_of(text, "net")[-2:] == ["—", "—"]
    assert "— no mean for net: no files for jpeg_compression/1, jpeg_compression/2." in text
    (row,) = csv_rows(results_table([partial]))
    assert row["mce"] == row["jpeg_compression"] == ""


def test_missing_cells_are_counted_beyond_five():
    cells = tuple(f"{name}/1" for name in TEST_CORRUPTIONS[:8])
    assert "glass_blur/1 and 3 more." in drawn(run(missing=cells))


def test_an_unfinished_run_and_a_selection_are_told_apart():
    assert "no mean for net: the run is not finished" in drawn(run(complete=False))
    assert "no mean for net: not defined for the cells that were asked for" in drawn(run())


def test_some_severities_are_shown_cell_by_cell_not_as_corruption_errors():
    asked = run(names=TEST_CORRUPTIONS[:2], severities=(1, 3), summary={"selected_mean_error": 0.205})
    text = results_table([asked]).render("text")
    assert "Impulse" not in text
    assert line_of(text, "gaussian_noise") == ["gaussian_noise", "15.0", "25.0"]


def test_a_selection_has_columns_for_what_was_asked_for_alone():
    asked = run(names=TEST_CORRUPTIONS[:2], summary={"selected_mean_error": 0.3, "clean_error": 0.2})
    lines = results_table([asked]).render("text").splitlines()
    (heading,) = (line for line in lines if line.startswith("Model"))
    assert heading.replace("|", " ").split() == ["Model", "Clean", "Gauss.", "Shot"]
    beside = results_table([asked], published=True).render("markdown")
    assert "Elastic" in beside


def test_an_estimate_of_a_selection_says_how_many_images_it_is_from():
    asked = run(names=TEST_CORRUPTIONS[:2], severities=(1,), summary={"estimated_selected_mean_error": 0.3})
    estimate = {"images": 40, "of": 200, "seed": 0}
    text = results_table([replace(asked, provenance={**asked.provenance, "estimate": estimate})]).render(
        "text"
    )
    assert "estimated from 40 of 200 images" in text.replace("\n ", "")


def test_warnings_of_a_run_stand_below_its_scores():
    warned = run(summary={"clean_error": 0.2})
    warned = replace(warned, provenance={**warned.provenance, "warnings": ["the labels are others"]})
    assert f"Warning, {warned.model}: the labels are others." in drawn(warned)


def test_validation_corruptions_stand_apart_from_the_mean():
    text = results_table([run(names=ALL_CORRUPTIONS, summary={"mce": 0.5})]).render("text")
    assert "Not in the mean" in text
    assert " ".join(line_of(text, "Model")[-6:]) == "mCE Speckle G. blur Spatter Saturate"
    # 0.9 over AlexNet's mean of the saturate errors
    assert line_of(text, "net")[-1] == f"{90 / 0.658248:.0f}"


def test_several_models_are_rows_of_one_table():
    text = results_table([run(name="one"), run(name="two")]).render("text")
    assert line_of(text, "one")[1:] == line_of(text, "two")[1:]


def test_intervals_stand_behind_the_headline_scores():
    results = run(
        summary={"mce": 0.767, "relative_mce": 1.05, "brier_score": 0.51234},
        intervals={"mce": (0.764, 0.770), "relative_mce": (1.0, 1.1), "brier_score": (0.5, 0.525)},
        choices={"calibration": "adaptive bins of 100"},
    )
    text = results_table([results]).render("text")
    assert "76.7 [76.4, 77.0]" in text
    assert "105.0 [100.0, 110.0]" in text
    assert "0.512 [0.500, 0.525]" in text
    assert "95 % interval over images" in text
    assert "Input protocol: official." in text
    assert "Calibration: adaptive bins of 100." in text


def test_flip_rates_are_the_metric_s():
    rates = metrics.flip_rate(dict.fromkeys(TEST_PERTURBATIONS, 0.02), reference.baseline("imagenet-p"))
    text = results_table([flips(summary={"mfr": 0.2345})]).render("text")
    expected = "Model Clean Gauss. Shot Motion Zoom Snow Bright Translate Rotate Tilt Scale mFR"
    assert " ".join(line_of(text, "Model")[:13]) == expected
    assert line_of(text, "net")[2:13] == [*(f"{100 * value:.0f}" for value in rates.values()), "23.4"]
    assert "mean of the ten with snow (the papers' list)" in drawn(flips())


def test_cifar_p_prints_flip_probabilities_and_the_spatter_list_by_name():
    results = flips("cifar10-p", summary={"mfp": 0.02}, choices={"perturbation_list": "spatter"})
    text = results_table([results]).render("text")
    heading = line_of(text, "Model")
    assert heading[6] == "Spatter"
    assert heading[13] == "Snow"
    assert line_of(text, "net")[2:13] == ["2.0"] * 11
    assert "mean of the ten with spatter (the official CIFAR-P script's list)" in drawn(results)


def test_each_difficulty_is_a_row_and_only_the_first_has_rates():
    summary = {"mfr": 0.3, "mfp": 0.02, "mfp_difficulty_2": 0.04}
    first, second = csv_rows(results_table([flips(difficulties=(1, 2), summary=summary)]))
    assert (first["model"], first["mfr"], first["mfp"]) == ("net", "0.3", "0.02")
    assert (second["model"], second["mfr"], second["mfp"]) == ("net (difficulty 2)", "", "0.04")
    assert second["tilt"] == ""


def test_cifar_p_has_flip_probabilities_at_every_difficulty():
    first, second = csv_rows(results_table([flips("cifar10-p", difficulties=(1, 2))]))
    assert (first["tilt"], second["tilt"]) == ("0.02", "0.04")


def test_a_run_without_headline_scores_has_the_paper_s_table_alone():
    assert len(results_table([run()]).tables) == 1


def test_a_clean_suite_has_its_scores_alone():
    results = Results(
        spec=SUITES["cifar10"],
        protocol="official",
        cells=(CellResult("clean", 0, 100, {"error": 0.083}),),
        summary={"clean_error": 0.083, "clean_nll": 0.3},
        provenance={"model": {"name": "net"}},
    )
    text = results_table([results]).render("text")
    assert text.splitlines()[0] == "CIFAR-10"
    assert line_of(text, "Error %") == ["Error", "%", "8.3"]
    assert line_of(text, "NLL") == ["NLL", "0.300"]


def test_runs_on_different_suites_are_not_one_table():
    with pytest.raises(InvalidInput, match="on one suite, but these are on: imagenet-c, cifar10-c"):
        results_table([run(), run("cifar10-c")])
    with pytest.raises(InvalidInput, match="but these are on: none"):
        results_table([])


def test_rows_may_be_made_by_hand():
    rows = [ReportRow("mine", dict.fromkeys(TEST_CORRUPTIONS, 0.5), mean=0.5, clean_error=0.25)]
    text = render([paper_table(rows, suite_layout(SUITES["imagenet-c"]))], "text")
    assert line_of(text, "mine") == ["mine", "25.0", *["50"] * 15, "50.0"]


TABLE = Table(
    "Errors & more",
    (Column("model", "Model"), Column("a_b", "A_B", "Group"), Column("c", "C", "Group")),
    (Row({"model": "x|y_1", "a_b": 0.5, "c": None}), Row({"model": "z", "a_b": 0.25, "c": 0.125})),
    ("A note of 5 %.",),
)


def test_text_is_aligned():
    assert render([TABLE], "text").splitlines() == [
        "Errors & more",
        "      |   Group",
        "Model |  A_B     C",
        "------------------",
        "x|y_1 | 50.0     —",
        "z     | 25.0  12.5",
        "A note of 5 %.",
    ]


def test_markdown_escapes_bars_and_sets_the_best_in_bold():
    assert render([TABLE], "markdown").splitlines() == [
        "**Errors & more**",
        "",
        "| Model | Group: A_B | C |",
        "| :-- | --: | --: |",
        r"| x\|y_1 | 50.0 | — |",
        "| z | **25.0** | 12.5 |",
        "",
        "- A note of 5 %.",
    ]


def test_latex_is_booktabs_and_escaped():
    assert render([TABLE], "latex").splitlines() == [
        "% Errors & more",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{Group} \\",
        r"\cmidrule(lr){2-3}",
        r"Model & A\_B & C \\",
        r"\midrule",
        r"x$|$y\_1 & 50.0 & --- \\",
        r"z & \textbf{25.0} & 12.5 \\",
        r"\bottomrule",
        r"\end{tabular}",
        "% A note of 5 %.",
    ]


MARKED = Table(
    "t",
    (Column("m", "Model"), Column("e", "E <1|2>")),
    (Row({"m": "a…b", "e": 0.5}, mark=" †"), Row({"m": "*", "estimated_e": 0.25}, mark=" ≈")),
    ("A definition.", "† published: " + "a long source, " * 5 + "an end.", "≈ estimated.", "* a star."),
)


def test_latex_sets_the_notes_of_marks_in_the_table_and_leaves_definitions_to_a_caption():
    lines = render([MARKED], "latex").splitlines()
    below = lines[lines.index(r"\bottomrule") + 1 :]
    assert below == [
        r"\multicolumn{2}{l}{\footnotesize $^\dagger$ published: a long source, a long source, a long "
        r"source, a} \\",
        r"\multicolumn{2}{l}{\footnotesize long source, a long source, an end.} \\",
        r"\multicolumn{2}{l}{\footnotesize $\approx$ estimated.} \\",
        r"\multicolumn{2}{l}{\footnotesize * a star.} \\",
        r"\end{tabular}",
        "% A definition.",
    ]
    assert r"E $<$1$|$2$>$" in lines[3]


def test_latex_compiles(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine")
    estimate = {"budget": 0.05, "images": 500, "of": 10000, "seed": 3}
    record = {"model": {"name": r"<a|b> $\frac{_^~…"}, "estimate": estimate}
    report = results_table([run(provenance=record, summary={"estimated_mce": 0.7})], published=True)
    body = report.render("latex") + "\n\n" + render([MARKED], "latex")
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}" + f"\n{body}\n" + r"\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_equal_printed_numbers_are_both_best():
    table = Table(
        "t", (Column("m", "M"), Column("e", "E")), (Row({"m": "a", "e": 0.5}), Row({"m": "b", "e": 0.50001}))
    )
    assert render([table], "markdown").count("**50.0**") == 2


def test_json_holds_rows_and_notes():
    content = json.loads(render([TABLE], "json"))
    assert content["title"] == "Errors & more"
    assert content["rows"][1] == {"model": "z", "a_b": 0.25, "c": 0.125}
    assert content["rows"][0]["c"] is None
    assert content["notes"] == ["A note of 5 %."]


def test_models_of_the_same_name_keep_their_own_rows():
    results = [run(name="net", summary={"mce": value}) for value in (0.5, 0.6)]
    assert [row["mce"] for row in csv_rows(results_table(results))] == ["0.5", "0.6"]


def test_long_notes_wrap_in_text_only():
    table = Table("t", (Column("m", "M"),), (Row({"m": "a"}),), ("word " * 40,))
    assert max(len(line) for line in render([table], "text").splitlines()) <= 110
    assert max(len(line) for line in render([table], "markdown").splitlines()) > 110


def test_a_percent_sign_stays_on_the_line_of_its_number():
    for start in range(90, 112):
        table = Table("t", (Column("m", "M"),), (Row({"m": "a"}),), ("x" * start + " 95 % of it",))
        assert "95 %" in render([table], "text")


def test_a_selection_of_which_every_cell_is_there_has_no_note_about_missing_ones():
    asked = run(names=TEST_CORRUPTIONS[:2], summary={"selected_mean_error": 0.3, "clean_error": 0.2})
    assert "not evaluated" not in drawn(asked)
    assert "mean of the 15" not in drawn(asked)
    assert "not evaluated" in drawn(asked, run(names=TEST_CORRUPTIONS[:3], summary=dict(asked.summary)))


def test_an_unknown_format_is_refused():
    with pytest.raises(UnknownName, match="unknown table format 'html'"):
        render([TABLE], "html")


def both_scores(name="net"):
    """A run with the headline scores that every model has, clean and corrupted, and their intervals."""
    summary = {"clean_error": 0.05, "mean_error": 0.29, "clean_brier_score": 0.083, "brier_score": 0.482}
    intervals = {score: (0.9 * value, 1.1 * value) for score, value in summary.items()}
    return run("cifar10-c", name, summary=summary, intervals=intervals)


def test_a_score_is_a_line_with_the_clean_one_beside_the_corrupted_one():
    text = results_table([both_scores()]).render("text")
    assert "Clean                 CIFAR-10-C" in text
    error = "Error %        |   5.0 [4.5, 5.5]       29.0 [26.1, 31.9]"
    brier = "Brier (0 to 2) | 0.083 [0.075, 0.091]  0.482 [0.434, 0.530]"
    assert error in text
    assert brier in text


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_longer_than_the_terminal(width):
    report = results_table([both_scores("one"), both_scores("two")], published=width >= 80)
    assert max(len(line) for line in report.render("text", width).splitlines()) <= width


def test_a_narrow_table_is_cut_between_groups_and_repeats_its_labels():
    report = results_table([run(summary={"mce": 0.7, "clean_error": 0.2})])
    blocks = report.render("text", 100).split("\n\n")[:2]
    first, second = (line_of(block, "Model") for block in blocks)
    assert first == ["Model", "Clean", "Gauss.", "Shot", "Impulse", "Defocus", "Glass", "Motion", "Zoom"]
    assert second[1:] == ["Snow", "Frost", "Fog", "Bright", "Contrast", "Elastic", "Pixel", "JPEG", "mCE"]
    whole = line_of(report.render("text"), "net")
    assert line_of(blocks[0], "net") + line_of(blocks[1], "net")[1:] == whole


def test_published_means_without_columns_stand_in_a_table_of_their_own():
    text = results_table([run("cifar10-c")], published=True).render("text")
    layout, means = text.split("Published means")
    assert "†" not in layout
    assert line_of(means, "AugMix, mean of four")[-4:] == ["—", "12.5", "8.5", "—"]
    assert "† published: AugMix (arXiv 1912.02781), Tables 1, 4, 5 and 6;" in means


def test_an_estimate_is_marked_wherever_it_is_printed_and_keeps_its_name_in_files():
    estimate = {"budget": 0.05, "images": 500, "of": 10000, "seed": 3}
    results = run(
        summary={"estimated_mce": 0.767, "estimated_clean_error": 0.24},
        intervals={"estimated_mce": (0.75, 0.78)},
        provenance={"model": {"name": "net"}, "estimate": estimate},
    )
    report = results_table([results])
    text = report.render("text")
    assert line_of(text, "net")[:3] == ["net", "≈", "≈24.0"]
    assert line_of(text, "net")[-1] == "≈76.7"
    assert line_of(text, "mCE %")[2:] == ["—", "≈76.7", "[75.0,", "78.0]"]
    assert "≈ estimated from 500 of 10,000 images of each cell, drawn anew for each (seed 3)." in text
    assert "≈76.7 [75.0, 78.0]" in report.render("markdown")
    assert "not evaluated" not in text
    (row,) = csv_rows(report)
    assert (row["mce"], row["clean_error"]) == ("", "")
    assert (row["estimated_mce"], row["estimated_mce_low"]) == ("0.767", "0.75")
    assert row["source"].startswith("estimated from 500 of 10,000 images")


def test_an_estimate_is_never_the_best_of_a_column():
    estimate = {"budget": 0.05, "images": 500, "of": 10000, "seed": 3}
    part = run(name="part", provenance={"model": {"name": "part"}, "estimate": estimate})
    lines = results_table([run(name="whole"), run(name="also"), part]).render("markdown").splitlines()
    assert "**" not in next(line for line in lines if line.startswith("| part"))
    assert "**" in next(line for line in lines if line.startswith("| also"))


def as_we_name_it(method):
    """The transcribed tables write methods as the paper's pages do, differently from table to table."""
    known = {"adv training": "Adversarial training", "augmix (mixing + jsd loss)": "AugMix"}
    name = (
        method.replace(" (AA)", "").replace("AUGMIX", "AugMix").replace("Random AA*", "Random AutoAugment*")
    )
    return known.get(name.lower(), name.replace("JSD Loss", "JSD loss").replace("(No", "(no"))


@pytest.mark.parametrize(
    ("suite", "mean", "tables", "count"),
    [
        ("cifar10-c", "mean_error", [1, 4, 5, 6], 100),
        ("cifar100-c", "mean_error", [1, 4], 35),
        ("imagenet-c", "mce", [2], 136),
        ("imagenet-p", "mfr", [3], 96),
        ("cifar10-p", "mfp", [6], 61),
    ],
)
def test_reference_rows_are_the_paper_s_tables_number_by_number(shared, suite, mean, tables, count):
    measured = flips(suite) if suite.endswith("-p") else run(suite)
    rows = {row["model"]: row for row in csv_rows(results_table([measured], published=True))}
    clean = suite[:-2]
    keys = {(suite, name): mean for name in ("error", "mCE", "mFR", "mFP")}
    keys |= {
        (clean, "clean_error"): "clean_error",
        (clean, "rms_calibration_error"): "clean_rms_calibration_error",
    }
    checked = 0
    for number in tables:
        path = shared / "reference" / f"augmix_paper_table{number}.csv"
        for record in csv.DictReader(path.read_text().splitlines()):
            dataset, metric = record["dataset"].lower().replace("r-1", "r1"), record["metric"]
            if dataset not in (suite, clean) or not record["value"]:
                continue
            key = keys.get((dataset, metric), metric.removeprefix("CE_").removeprefix("FR_"))
            architecture = "mean of four" if record["architecture"] == "mean" else record["architecture"]
            row = rows[f"{as_we_name_it(record['method'])}, {architecture}"]
            assert float(row[key]) == pytest.approx(float(record["value"]) / 100), record
            checked += 1
    assert checked >= count


def test_two_models_of_one_name_are_told_by_their_files() -> None:
    runs = [
        Results(
            spec=SUITES["cifar10"],
            protocol="official",
            cells=(),
            summary={"clean_error": error},
            provenance={"model": {"name": "net.pt", "source": f"{folder}/net.pt"}},
        )
        for folder, error in (("first", 0.1), ("second", 0.2))
    ]
    text = results_table(runs).render("csv")
    assert "first/net.pt" in text
    assert "second/net.pt" in text
    assert "first" not in results_table(runs[:1]).render("csv")
