"""CIFAR-10/100-C and -P: the official arrays, read in place, and what is said of damaged ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from robustbench_lite.errors import DataError, InvalidInput, UnknownName
from robustbench_lite.suites import SUITES, Cell, load_official

MakeCopy = Callable[..., Path]


def all_pixels(suite_root: Path, suite: str = "cifar10-c") -> dict[Cell, torch.Tensor]:
    loaded = load_official(suite, suite_root)
    return {cell: (reader := loaded.open(cell)).read(0, reader.count) for cell in loaded.cells}


def save(path: Path, array: np.ndarray) -> None:
    path.unlink(missing_ok=True)
    np.save(path, array)


def test_severity_s_is_the_s_th_fifth_of_the_rows(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c(images=6)
    suite = load_official("cifar10-c", folder)
    rows = np.load(folder / "frost.npy")
    for severity in range(1, 6):
        reader = suite.open(Cell("frost", severity))
        assert reader.count == 6
        assert reader.shape == (32, 32, 3)
        expected = rows[6 * (severity - 1) : 6 * severity]
        np.testing.assert_array_equal(reader.read(0, 6).numpy(), expected)
        np.testing.assert_array_equal(reader.read(2, 5).numpy(), expected[2:5])


def test_labels_are_the_first_fifth_of_labels_npy(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c(images=6)
    labels = load_official("cifar10-c", folder).open(Cell("snow", 4)).labels
    assert labels is not None
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, np.load(folder / "labels.npy")[:6])


def test_the_default_cells_are_the_15_test_corruptions_at_5_severities(make_cifar_c: MakeCopy) -> None:
    suite = load_official("cifar10-c", make_cifar_c())
    assert len(suite.cells) == 75
    assert suite.cells[:6] == (*(Cell("gaussian_noise", s) for s in range(1, 6)), Cell("shot_noise", 1))
    assert {cell.name for cell in suite.cells} == set(SUITES["cifar10-c"].test)
    assert suite.missing == ()


def test_a_selection_comes_in_canonical_order(make_cifar_c: MakeCopy) -> None:
    suite = load_official("cifar10-c", make_cifar_c(), corruptions=["saturate", "fog"], severities=[5, 1])
    assert suite.cells == (Cell("fog", 1), Cell("fog", 5), Cell("saturate", 1), Cell("saturate", 5))


@pytest.mark.parametrize("place", ["suite folder", "its parent", "tar", "folder with the tar"])
def test_every_way_to_name_the_root_gives_the_same_pixels(
    place: str, make_cifar_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = make_cifar_c()
    expected = all_pixels(folder)
    fingerprint = load_official("cifar10-c", folder).fingerprint()
    tar = make_tar(folder, tmp_path / "tars" / "CIFAR-10-C.tar")
    root = {
        "suite folder": folder,
        "its parent": folder.parent,
        "tar": tar,
        "folder with the tar": tar.parent,
    }
    if place in ("tar", "folder with the tar"):
        shutil.rmtree(folder)
    found = all_pixels(root[place])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[cell], expected[cell]) for cell in expected)
    assert load_official("cifar10-c", root[place]).fingerprint() == fingerprint


def test_images_are_mapped_and_not_loaded(make_cifar_c: MakeCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_cifar_c()
    mapped: list[object] = []
    original = np.memmap.__new__

    def spy(cls: type, *args: object, **kwargs: object) -> np.memmap:
        mapped.append(args[0])
        return original(cls, *args, **kwargs)

    monkeypatch.setattr(np.memmap, "__new__", spy)
    load_official("cifar10-c", folder).open(Cell("fog", 1))
    assert mapped == [folder / "labels.npy", folder / "fog.npy"]


def test_one_flipped_bit_in_a_sampled_block_changes_the_fingerprint(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c()
    before = load_official("cifar10-c", folder).fingerprint()
    content = bytearray((folder / "fog.npy").read_bytes())
    content[-1] ^= 1
    (folder / "fog.npy").write_bytes(content)
    assert load_official("cifar10-c", folder).fingerprint() != before


def test_provenance_says_that_a_small_copy_has_not_the_official_count(make_cifar_c: MakeCopy) -> None:
    record = load_official("cifar10-c", make_cifar_c(images=6)).provenance()
    assert (record["images"], record["official_images"], record["official_count"]) == (6, 10_000, False)
    assert record["protocol"] == "official"


def test_reading_after_close_is_an_error(make_cifar_c: MakeCopy) -> None:
    reader = load_official("cifar10-c", make_cifar_c()).open(Cell("fog", 1))
    reader.close()
    with pytest.raises(DataError, match=r"fog\.npy was closed"):
        reader.read(0, 1)


def test_opening_a_cell_that_was_not_selected_is_an_error(make_cifar_c: MakeCopy) -> None:
    suite = load_official("cifar10-c", make_cifar_c(), corruptions=["fog"])
    with pytest.raises(InvalidInput, match="frost 1 is not among the 5 cells"):
        suite.open(Cell("frost", 1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"suite": "cifar10c"}, UnknownName, "unknown suite 'cifar10c'; did you mean cifar10-c"),
        ({"suite": "cifar10-c", "protocol": "offical"}, UnknownName, "input protocol 'offical'.*official"),
        ({"suite": "cifar10-c", "corruptions": ["frosty"]}, UnknownName, "corruption of cifar10-c 'frosty'"),
        (
            {"suite": "cifar10-c", "severities": [6]},
            InvalidInput,
            "severity 6 is not one of cifar10-c's",
        ),
        ({"suite": "cifar10-c", "corruptions": []}, InvalidInput, "selection of cifar10-c is empty"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    arguments: dict[str, object], error: type[Exception], message: str, make_cifar_c: MakeCopy
) -> None:
    with pytest.raises(error, match=message):
        load_official(root=make_cifar_c(), **arguments)


def test_missing_cells_are_listed_in_one_line_with_the_command_that_gets_them(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c()
    (folder / "frost.npy").unlink()
    (folder / "fog.npy").unlink()
    with pytest.raises(
        DataError,
        match=r"^10 of 75 cells of CIFAR-10-C are missing in .*: frost 1-5, fog 1-5; "
        r"get it with `robust data download cifar10-c --data .*`, or .*`allow_partial=True`$",
    ):
        load_official("cifar10-c", folder)


def test_allow_partial_keeps_what_is_there_and_names_the_rest(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c()
    (folder / "frost.npy").unlink()
    suite = load_official("cifar10-c", folder, allow_partial=True)
    assert len(suite.cells) == 70
    assert suite.missing == tuple(Cell("frost", s) for s in range(1, 6))
    assert suite.provenance()["missing"] == [["frost", s] for s in range(1, 6)]


@pytest.mark.parametrize("allow_partial", [False, True])
def test_an_empty_folder_is_an_error_even_if_partial_is_allowed(tmp_path: Path, allow_partial: bool) -> None:
    with pytest.raises(DataError, match=r"no files of CIFAR-100-C were found.*download cifar100-c"):
        load_official("cifar100-c", tmp_path, allow_partial=allow_partial)


def test_a_root_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; .*Drive folder\s1Tpssw4Vn6X"):
        load_official("cifar100-p", tmp_path / "nowhere")


def truncate(folder: Path) -> None:
    path = folder / "fog.npy"
    path.write_bytes(path.read_bytes()[:-100])


def lfs_pointer(folder: Path) -> None:
    (folder / "fog.npy").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def html_page(folder: Path) -> None:
    (folder / "fog.npy").write_text("\n<!DOCTYPE html><html>Quota exceeded</html>")


def python_objects(folder: Path) -> None:
    save(folder / "fog.npy", np.array([{}], dtype=object))


def fortran_order(folder: Path) -> None:
    save(folder / "fog.npy", np.asfortranarray(np.load(folder / "fog.npy")))


def shorter_than_the_rest(folder: Path) -> None:
    save(folder / "fog.npy", np.load(folder / "fog.npy")[:-5])


def float_pixels(folder: Path) -> None:
    save(folder / "fog.npy", np.load(folder / "fog.npy") / np.float32(255))


def channels_first(folder: Path) -> None:
    save(folder / "fog.npy", np.load(folder / "fog.npy").transpose(0, 3, 1, 2).copy())


def sequences(folder: Path) -> None:
    save(folder / "fog.npy", np.zeros((30, 31, 32, 32, 3), np.uint8))


def no_labels(folder: Path) -> None:
    (folder / "labels.npy").unlink()


def labels_of_one_severity(folder: Path) -> None:
    save(folder / "labels.npy", np.load(folder / "labels.npy")[:6])


def labels_not_repeated(folder: Path) -> None:
    labels = np.load(folder / "labels.npy")
    labels[-1] = (labels[-1] + 1) % 10
    save(folder / "labels.npy", labels)


def labels_of_100_classes(folder: Path) -> None:
    save(folder / "labels.npy", np.full(30, 99, np.uint8))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"fog\.npy is damaged: it has 92188 bytes, but its header .* needs 92288"),
        (lfs_pointer, r"fog\.npy is a Git LFS pointer.*git lfs pull"),
        (html_page, r"fog\.npy is an HTML page"),
        (python_objects, r"fog\.npy holds Python objects"),
        (fortran_order, r"fog\.npy holds elements in Fortran order"),
        (shorter_than_the_rest, r"differ in length: most have 30 rows, fog\.npy has 25"),
        (float_pixels, r"fog\.npy holds float32 .* has uint8"),
        (channels_first, r"fog\.npy holds uint8 of shape \(30, 3, 32, 32\); .*\(50000, 32, 32, 3\)"),
        (sequences, r"looks like cifar10-p"),
        (no_labels, r"labels\.npy is missing"),
        (labels_of_one_severity, r"labels\.npy holds uint8 of shape \(6,\); .*\(30,\)"),
        (labels_not_repeated, r"labels of the 5 severities differ"),
        (labels_of_100_classes, r"labels from 99 to 99; CIFAR-10-C has classes 0 to 9"),
    ],
)
def test_damage_is_found_before_anything_is_read(
    damage: Callable[[Path], None], message: str, make_cifar_c: MakeCopy
) -> None:
    folder = make_cifar_c(images=6)
    damage(folder)
    with pytest.raises(DataError, match=message):
        load_official("cifar10-c", folder)


def test_rows_that_do_not_divide_by_5_are_refused(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c(names=["fog"])
    save(folder / "fog.npy", np.zeros((31, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match="has 31 rows, not a positive multiple of 5"):
        load_official("cifar10-c", folder, corruptions=["fog"])


@pytest.mark.parametrize("spelling", ["CIFAR10-C", "cifar-10-c", "Cifar_10_C", "CIFAR-10-C/CIFAR-10-C"])
def test_spellings_that_differ_in_case_and_hyphens_and_a_doubled_folder_are_taken(
    make_cifar_c: MakeCopy, tmp_path: Path, spelling: str
) -> None:
    folder = make_cifar_c(names=["fog", "gaussian_noise"])
    (folder / "gaussian_noise.npy").rename(folder / "Gaussian-Noise.npy")
    (tmp_path / "there" / spelling).parent.mkdir(parents=True)
    folder.rename(tmp_path / "there" / spelling)
    suite = load_official("cifar10-c", tmp_path / "there", corruptions=["fog", "gaussian_noise"])
    assert len(suite.cells) == 10


def test_a_file_whose_rows_are_one_severity_of_the_test_images_is_refused(tmp_path: Path) -> None:
    # Balanced labels repeat five times, so that they look like five severities of 2,000 images.
    np.save(tmp_path / "fog.npy", np.zeros((10_000, 32, 32, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.tile(np.arange(10), 1000))
    with pytest.raises(DataError, match=r"fog\.npy has 10000 rows, one for each test image, .* one severity"):
        load_official("cifar10-c", tmp_path, corruptions=["fog"])


@pytest.mark.parametrize("severities", [1, 5])
def test_where_labels_repeat_the_pixels_tell_one_severity_from_five(tmp_path: Path, severities: int) -> None:
    rng = np.random.default_rng(0)
    images = 200 // severities
    coarse = rng.integers(0, 256, (images, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    noise = rng.normal(0, 60, (severities, images, 32, 32, 3))
    rows = np.clip(coarse + noise, 0, 255).astype(np.uint8).reshape(-1, 32, 32, 3)
    np.save(tmp_path / "fog.npy", rows)
    np.save(tmp_path / "labels.npy", np.tile(np.arange(10), 20))
    if severities == 5:
        assert load_official("cifar10-c", tmp_path, corruptions=["fog"]).images == 40
        return
    with pytest.raises(DataError, match=r"rows 0 to 39 and 40 to 79 hold different images, so the 200 rows"):
        load_official("cifar10-c", tmp_path, corruptions=["fog"])


def test_labels_repeated_one_by_one_are_refused(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c(images=6)
    labels = np.load(folder / "labels.npy")[:6]
    save(folder / "labels.npy", np.repeat(labels, 5))
    with pytest.raises(DataError, match="the labels of the 5 severities differ; each must repeat the first"):
        load_official("cifar10-c", folder)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("plain", "suite-files is taken for CIFAR-100-P: files of CIFAR-10-P and CIFAR-100-P"),
        ("named", None),
        ("other", "CIFAR-10-P by its name; the suite is CIFAR-100-P"),
    ],
)
def test_only_the_place_distinguishes_perturbations_of_cifar10_and_cifar100(
    make_cifar_p: MakeCopy, tmp_path: Path, place: str, said: str | None
) -> None:
    folder = make_cifar_p("cifar10-p")
    if place == "other":
        with pytest.raises(DataError, match=said):
            load_official("cifar100-p", folder)
        return
    renamed = folder.rename(tmp_path / {"plain": "suite-files", "named": "CIFAR100-P"}[place])
    notes = load_official("cifar100-p", renamed).notes
    assert notes == () if said is None else said in notes[0]


def test_the_error_for_a_missing_suite_lists_the_content_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no files of CIFAR-10-C were found in .*: the folder is empty"):
        load_official("cifar10-c", tmp_path)
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match=r"it holds pictures/, readme\.txt; get it with"):
        load_official("cifar10-c", tmp_path)
    (tmp_path / "CIFAR-10-C.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"CIFAR-10-C\.tar\.gz there is compressed with gzip: unpack it"):
        load_official("cifar10-c", tmp_path)
    with pytest.raises(DataError, match=r"is compressed \(gzip\), .*: decompress it first"):
        load_official("cifar10-c", tmp_path / "CIFAR-10-C.tar.gz")


def test_full_size_labels_with_too_few_classes_are_another_data_set(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c("cifar100-c", images=1, names=[])
    with (folder / "fog.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (50_000, 32, 32, 3)}
        )
        file.truncate(file.tell() + 50_000 * 3072)
    save(folder / "labels.npy", np.tile(np.arange(10, dtype=np.uint8), 5000))
    with pytest.raises(DataError, match=r"labels\.npy has 10 classes; CIFAR-100-C has 100"):
        load_official("cifar100-c", folder, corruptions=["fog"])


def test_perturbations_keep_the_frames_of_their_files(make_cifar_p: MakeCopy) -> None:
    folder = make_cifar_p()
    suite = load_official("cifar10-p", folder.parent)
    assert suite.cells == tuple(Cell(name, 1) for name in SUITES["cifar10-p"].test)
    for name, frames in (("motion_blur", 21), ("translate", 16), ("snow", 31)):
        reader = suite.open(Cell(name, 1))
        assert reader.labels is None
        assert reader.shape == (frames, 32, 32, 3)
        np.testing.assert_array_equal(reader.read(1, 3).numpy(), np.load(folder / f"{name}.npy")[1:3])
    frames = suite.provenance()["frames"]
    assert isinstance(frames, dict)
    assert frames["translate"] == 16


def test_noise_difficulties_are_files_and_the_others_are_not(make_cifar_p: MakeCopy) -> None:
    folder = make_cifar_p()
    suite = load_official("cifar10-p", folder, corruptions=["shot_noise", "tilt"], severities=[2])
    noise, tilt = (suite.open(cell).read(0, 3).numpy() for cell in suite.cells)
    np.testing.assert_array_equal(noise, np.load(folder / "shot_noise_2.npy"))
    np.testing.assert_array_equal(tilt, np.load(folder / "tilt.npy"))


def test_validation_perturbations_are_found_in_extra_and_in_the_tar(
    make_cifar_p: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = make_cifar_p()
    cell = Cell("spatter", 1)
    expected = load_official("cifar10-p", folder, corruptions=["spatter"]).open(cell).read(0, 3)
    tar = make_tar(folder, tmp_path / "CIFAR-10-P.tar")
    assert torch.equal(
        load_official("cifar10-p", tar, corruptions=["spatter"]).open(cell).read(0, 3), expected
    )


def test_a_corruption_array_is_not_a_perturbation(make_cifar_c: MakeCopy) -> None:
    folder = make_cifar_c()
    with pytest.raises(DataError, match="looks like cifar10-c"):
        load_official("cifar10-p", folder, corruptions=["snow"])


def test_a_sequence_of_one_frame_is_refused(make_cifar_p: MakeCopy) -> None:
    folder = make_cifar_p()
    save(folder / "snow.npy", np.zeros((3, 1, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match="at least two frames"):
        load_official("cifar10-p", folder)
