"""Records of Fourier sweeps and their figures."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from itertools import combinations, groupby
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.report.figures.canvas import figure_bytes
from robustbench_lite.report.figures.text import in_lines, text_inches
from robustbench_lite.report.fourier.fourier_map import (
    FourierMap,
    PerturbedImage,
    RadialProfile,
    Spectrum,
    cell_radii,
    spectra_csv,
)
from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
from robustbench_lite.report.fourier.profile import plot_radial_profile
from robustbench_lite.report.fourier.spectra import plot_spectra


@pytest.fixture
def one() -> FourierMap:
    values = np.random.default_rng(0).random((32, 32)) * 0.6
    profile = RadialProfile((0.0, 1.0, 2.0), (0.1, 0.2, 0.3), (math.nan, 0.1, 0.2), (math.nan, 0.3, 0.4))
    example = PerturbedImage((-12, -12), np.zeros((32, 32, 3), dtype=np.uint8))
    return FourierMap(values, 0.08, "error", 4.0, 500, (32, 32), profile, {"seed": 0}, (example,) * 3)


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_saved_map_is_read_back(one: FourierMap, tmp_path: Path) -> None:
    one.save(tmp_path / "new" / "folder")
    back = FourierMap.load(tmp_path / "new" / "folder")
    np.testing.assert_array_equal(back.values, one.values)
    assert back.profile.value == one.profile.value
    assert math.isnan(back.profile.low[0])
    assert (back.baseline, back.metric, back.norm, back.n) == (0.08, "error", 4.0, 500)
    assert (back.image_size, back.settings) == ((32, 32), {"seed": 0})


def test_a_saved_maps_figure_is_drawn_again_with_its_examples(one: FourierMap, tmp_path: Path) -> None:
    shades = [PerturbedImage((-12 + k, k), np.full((32, 32, 3), 80 * k, dtype=np.uint8)) for k in range(3)]
    drawn = replace(one, examples=tuple(shades))
    drawn.save(tmp_path)
    back = FourierMap.load(tmp_path)
    assert [example.frequency for example in back.examples] == [(-12, 0), (-11, 1), (-10, 2)]
    assert figure_bytes(plot_fourier_heatmap(back), "png") == figure_bytes(plot_fourier_heatmap(drawn), "png")
    replace(one, examples=()).save(tmp_path)
    assert FourierMap.load(tmp_path).examples == ()
    (tmp_path / "examples.npz").unlink()
    assert FourierMap.load(tmp_path).examples == ()


def test_what_is_no_saved_map_is_refused(one: FourierMap, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readable map"):
        FourierMap.load(tmp_path)
    one.save(tmp_path)
    (tmp_path / "heatmap.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"no readable map \(heatmap\.json, heatmap\.npy, examples\.npz\)"):
        FourierMap.load(tmp_path)
    one.save(tmp_path)
    (tmp_path / "examples.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="no readable map"):
        FourierMap.load(tmp_path)


def test_a_place_that_is_a_file_is_refused(one: FourierMap, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"can't be written: .*; choose another folder"):
        one.save(tmp_path / "file")


def test_the_csv_has_a_row_a_cell_with_its_frequency(one: FourierMap) -> None:
    rows = list(csv.DictReader(io.StringIO(one.to_csv())))
    assert len(rows) == 32 * 32
    by_cell = {(int(row["vertical"]), int(row["horizontal"])): row for row in rows}
    assert float(by_cell[0, 0]["error"]) == one.values[16, 16]
    assert float(by_cell[-16, 3]["error"]) == one.values[0, 19]
    assert float(by_cell[3, -4]["radius"]) == 5


def test_radii_count_cycles_over_the_shorter_side() -> None:
    radii = cell_radii((8, 16), (8, 16))
    assert radii[4, 8] == 0
    assert radii[4 + 2, 8] == 2
    assert radii[4, 8 + 4] == 2


def test_panels_share_one_scale_up_to_the_largest_value(one: FourierMap) -> None:
    other = replace(one, values=one.values * 1.5)
    figure = plot_fourier_heatmap({"Standard": one, "AugMix": other})
    maps = [axis.images[0] for axis in figure.axes if axis.get_title() in ("Standard", "AugMix")]
    limits = {image.get_clim() for image in maps}
    assert limits == {(0.0, math.ceil(other.values.max() * 20) / 20)}


def test_a_cell_is_drawn_at_its_own_frequency(one: FourierMap) -> None:
    figure = plot_fourier_heatmap(one, note=False, examples=False)
    axis = figure.axes[0]
    left, right, bottom, top = axis.images[0].get_extent()
    assert (left, right, bottom, top) == (-16.5, 15.5, 15.5, -16.5)
    assert axis.yaxis_inverted()


def test_examples_point_to_their_cells(one: FourierMap) -> None:
    figure = plot_fourier_heatmap(one)
    ends = {artist.xy2 for artist in figure.artists}
    assert ends == {(-12, -12)}
    assert len(plot_fourier_heatmap(one, examples=False).axes) == 2


def test_a_single_map_is_as_wide_as_a_column_and_three_as_the_text(one: FourierMap) -> None:
    assert plot_fourier_heatmap(one).get_figwidth() == 3.25
    assert plot_fourier_heatmap({"a": one, "b": one, "c": one}).get_figwidth() == 6.75
    assert picture(figure_bytes(plot_fourier_heatmap(one), "png")).shape[1] == round(3.25 * 300)


def sized(one: FourierMap, size: int) -> FourierMap:
    """A map of another size; the largest value needs the widest tick."""
    values = np.zeros((size, size))
    values[0] = 1.0
    return replace(one, values=values, image_size=(max(size, 32),) * 2)


def rows_of(axes: list[Axes]) -> list[int]:
    """How many axes stand in each row of a figure."""
    return [len(list(row)) for _, row in groupby(axes, key=lambda axis: round(axis.get_position().y0, 3))]


TITLES = {
    "short": ("Standard", "AugMix", "Mixup", "CutMix", "PixMix", "AutoAugment"),
    "long": (
        "ResNet-50 with standard augmentation, 90 epochs",
        "runs/2026-11-20/resnet50_augmix_jsd_no_blur/checkpoint-best-of-three-seeds-ema",
        "averylongnamewithoutanyplacewhereitmightbebrokenintolines" * 2,
        *("WideResNet-40-2, AugMix, k = 3" + "*" * k for k in range(3)),
    ),
}


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [1]), (2, [2]), (3, [3]), (4, [4]), (5, [3, 2]), (6, [3, 3])]
)
@pytest.mark.parametrize(
    ("size", "titles", "examples"), [(3, "short", False), (31, "short", True), (63, "long", True)]
)
def test_maps_stand_in_rows_and_no_words_touch_each_other_or_the_border(
    one: FourierMap, count: int, rows: list[int], size: int, titles: str, examples: bool
) -> None:
    maps = {title: sized(one, size) for title in TITLES[titles][:count]}
    figure = plot_fourier_heatmap(maps, examples=examples)
    assert rows_of(figure.axes[:count]) == rows
    assert_words_stand_apart(figure)


def assert_words_stand_apart(figure: Figure) -> None:
    """No two pieces of text within 2 points of each other, none within 2 points of the border."""
    boxes: list[tuple[str, Bbox]] = []

    class Noting(Text):
        def draw(self, renderer: object) -> None:
            if self.get_visible() and self.get_text().strip():
                boxes.append((self.get_text(), self.get_window_extent(renderer).padded(figure.dpi / 72)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", Noting.draw)
        figure.draw_without_rendering()
    assert len(boxes) > 5
    for word, box in boxes:
        assert figure.bbox.padded(-figure.dpi / 72).contains(box.x0, box.y0), word
        assert figure.bbox.padded(-figure.dpi / 72).contains(box.x1, box.y1), word
    for (word, box), (other, beside) in combinations(boxes, 2):
        assert not box.overlaps(beside), (word, other)


def test_a_title_breaks_between_words_and_loses_its_middle_where_it_is_too_long() -> None:
    assert in_lines("AugMix", 1.2, 7.5) == "AugMix"
    assert in_lines("runs/resnet50_augmix no blur", 1.0, 7.5).split("\n") == [
        "runs/resnet50_",
        "augmix no blur",
    ]
    lines = in_lines("wide_resnet_" * 12 + "end", 1.0, 7.5).split("\n")
    assert len(lines) == 3
    assert "…" in lines[-1]
    assert lines[-1].endswith("end")
    assert max(text_inches(line, 7.5) for line in lines) <= 1.0


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_an_examples_line_crosses_no_other_map(one: FourierMap, count: int) -> None:
    shown = tuple(replace(one.examples[0], frequency=(i, -9)) for i in (-12, 0, 12))
    figure = plot_fourier_heatmap({f"{k}": replace(one, examples=shown) for k in range(count)})
    figure.draw_without_rendering()
    maps = [axis.get_window_extent() for axis in figure.axes[:count]]
    lines = [patch.get_path().transformed(patch.get_transform()).vertices for patch in figure.artists]
    assert len(lines) == 6
    for line in lines:
        points = line[0] + np.linspace(0, 1, 50)[:, None] * (line[-1] - line[0])
        assert maps[0].contains(*points[-1])
        assert not any(other.contains(*point) for other in maps[1:] for point in points)


@pytest.mark.parametrize("draw", [plot_fourier_heatmap, plot_radial_profile])
def test_nothing_is_cut_off_at_the_border(one: FourierMap, draw: object) -> None:
    for maps in (one, {"Standard": one, "AugMix": one}):
        pixels = picture(figure_bytes(draw(maps), "png"))  # type: ignore[operator]
        for border in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
            assert (border == 255).all()


def test_the_note_says_norm_count_and_metric(one: FourierMap) -> None:
    note = " ".join(plot_fourier_heatmap(one).texts[0].get_text().split())
    for words in ("the error", "n = 500 images", "l2 norm 4", "Frequency 0 is in the centre"):
        assert words in note
    flips = " ".join(plot_fourier_heatmap(replace(one, metric="flip")).texts[0].get_text().split())
    assert "share of predictions that change" in flips


def test_the_callers_plot_settings_are_neither_used_nor_changed(one: FourierMap) -> None:
    plain = figure_bytes(plot_fourier_heatmap(one), "png")
    with matplotlib.rc_context({"font.size": 20, "image.cmap": "jet"}):
        before = dict(matplotlib.rcParams)
        assert figure_bytes(plot_fourier_heatmap(one), "png") == plain
        assert dict(matplotlib.rcParams) == before


def test_the_profile_has_a_line_a_band_and_the_clean_error(one: FourierMap) -> None:
    (axis,) = plot_radial_profile({"Standard": one, "AugMix": one}).axes
    assert [line.get_label() for line in axis.lines[::2]] == ["Standard", "AugMix"]
    assert set(axis.lines[1].get_ydata()) == {0.08}
    assert len(axis.collections) == 2


def test_a_clean_error_of_zero_lies_above_the_axis(one: FourierMap) -> None:
    for maps in (replace(one, baseline=0.0), {"a": replace(one, baseline=0.0), "b": one}):
        (axis,) = plot_radial_profile(maps).axes
        low, high = axis.get_ylim()
        assert -0.05 * high < low < -0.01 * high


def test_maps_that_measure_different_things_share_no_figure(one: FourierMap) -> None:
    for other in (
        replace(one, metric="flip"),
        replace(one, norm=1.0),
        replace(one, values=one.values[:31, :31]),
    ):
        with pytest.raises(InvalidInput, match="the same metric, norm, image size and map size"):
            plot_fourier_heatmap({"a": one, "b": other})
    with pytest.raises(InvalidInput, match="no map to draw"):
        plot_radial_profile({})


def spectrum(name: str, scale: float = 1.0) -> Spectrum:
    power = scale * (1 + np.random.default_rng(1).random((9, 9)))
    return Spectrum(name, 3, power, np.sqrt(power), 20, float(power.sum()))


def test_spectra_are_shares_on_one_scale() -> None:
    figure = plot_spectra([spectrum("fog"), spectrum("gaussian_noise", scale=50)])
    fog, noise = figure.axes[0].images[0], figure.axes[1].images[0]
    np.testing.assert_allclose(fog.get_array(), noise.get_array())
    assert float(fog.get_array().sum()) == pytest.approx(1)
    assert figure.axes[1].get_title() == "gaussian noise 3"


def test_the_shares_of_a_window_are_of_the_whole_power() -> None:
    whole = spectrum("fog")
    window = replace(whole, power=whole.power[3:6, 3:6], amplitude=whole.amplitude[3:6, 3:6])
    shares = plot_spectra([window]).axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, whole.power[3:6, 3:6] / whole.power.sum())


@pytest.mark.parametrize(("count", "rows"), [(1, [1]), (5, [5]), (6, [3, 3]), (7, [4, 3]), (15, [5, 5, 5])])
def test_spectra_stand_in_rows_of_about_one_length(count: int, rows: list[int]) -> None:
    figure = plot_spectra([spectrum(f"contrast_{k}") for k in range(count)])
    assert rows_of(figure.axes[:count]) == rows
    assert_words_stand_apart(figure)


def test_nineteen_spectra_fit_a_page_and_an_unchanged_image_draws() -> None:
    figure = plot_spectra([spectrum(f"c{k}") for k in range(18)] + [spectrum("none", scale=0.0)])
    assert figure.get_figheight() < 9
    pixels = picture(figure_bytes(figure, "png"))
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, -2:] == 255).all()


def test_no_spectrum_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no spectrum to draw"):
        plot_spectra([])


def test_the_spectra_csv_has_a_row_a_corruption_and_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(spectra_csv([spectrum("fog"), spectrum("snow")]))))
    assert len(rows) == 2 * 81
    middle = next(
        row for row in rows if (row["corruption"], row["vertical"], row["horizontal"]) == ("fog", "0", "0")
    )
    assert float(middle["power"]) == spectrum("fog").power[4, 4]
