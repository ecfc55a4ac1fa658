"""A user's own folders: the files, classes and order of torchvision's ImageFolder, and words for the rest."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.suites import CLEAN, load_custom, load_official
from robustbench_lite.suites.decode import decode_image
from robustbench_lite.suites.image_folder import walk_classes


def picture(path: Path, colour: int = 0, kind: str | None = None, side: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (colour, 0, 0)).save(path, kind)
    return path


def as_image_folder(root: Path) -> list[tuple[str, int]]:
    found = ImageFolder(str(root), allow_empty=True)
    return [(Path(path).relative_to(root).as_posix(), label) for path, label in found.samples]


def test_files_classes_and_order_are_those_of_image_folder(tmp_path: Path) -> None:
    # "b-1" sorts before "b/" as text, and after it by folders: the order of ImageFolder is that of text.
    for name in ("dog/2.png", "dog/b/1.jpg", "dog/b-1/7.png", "dog/a.PNG", "cat/x/y/z.bmp", "Ant/1.webp"):
        picture(tmp_path / name)
    outside = tmp_path.parent / f"{tmp_path.name}-linked"
    picture(outside / "far.png")
    (tmp_path / "cat" / "link").symlink_to(outside)
    (tmp_path / "linked").symlink_to(outside)
    tree = walk_classes(tmp_path)
    assert [(name, tree.classes.index(name.partition("/")[0])) for name in tree.files] == as_image_folder(
        tmp_path
    )
    assert "cat/link/far.png" in tree.files
    assert tree.notes() == ()
    suite = load_custom(tmp_path)
    assert suite.class_names == tuple(ImageFolder(str(tmp_path)).classes)
    assert suite.open(CLEAN).labels.tolist() == ImageFolder(str(tmp_path)).targets


def test_a_link_that_leads_back_is_left_out_and_told(tmp_path: Path) -> None:
    picture(tmp_path / "cat/1.png")
    (tmp_path / "cat/again").symlink_to(tmp_path / "cat")
    picture(tmp_path / "dog/1.png")
    tree = walk_classes(tmp_path)
    assert tree.files == ["cat/1.png", "dog/1.png"]
    assert "linked folder cat/again leads back to a folder above it" in tree.notes()[0]


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "@eaDir", "__MACOSX"])
@pytest.mark.parametrize("above", ["", "cat/"])
def test_hidden_folders_are_no_classes_and_hold_no_images(tmp_path: Path, hidden: str, above: str) -> None:
    picture(tmp_path / "cat/1.png")
    picture(tmp_path / "dog/1.png")
    picture(tmp_path / f"{above}{hidden}/1-checkpoint.png")
    picture(tmp_path / "dog/._1.png")
    suite = load_custom(tmp_path)
    assert (suite.images, suite.class_names) == (2, ("cat", "dog"))
    assert suite.notes == ("2 hidden files and folders are left out, which torchvision's ImageFolder reads",)


def test_every_image_that_pillow_reads_is_read_and_the_rest_is_counted(tmp_path: Path) -> None:
    for name, kind in (("1.png", "PNG"), ("2.pgm", "PPM"), ("3.jfif", "JPEG"), ("4.gif", "GIF")):
        picture(tmp_path / "cat" / name, kind=kind)
    picture(tmp_path / "cat/5", kind="JPEG")
    picture(tmp_path / "cat/img.0001", kind="PNG")
    (tmp_path / "cat/notes.txt").write_text("no image")
    (tmp_path / "cat/README").write_text("no image")
    (tmp_path / "cat/other.txt").write_text("no image")
    picture(tmp_path / "dog/1.png")
    suite = load_custom(tmp_path)
    assert suite.images == 7
    assert suite.notes == (
        "4 images that torchvision's ImageFolder does not read are in (1 without suffix, 1 .0001, 1 .gif, "
        "1 .jfif)",
        "3 files that are no images are left out (2 .txt, 1 without suffix)",
    )
    assert suite.images == len(as_image_folder(tmp_path)) + 4


def test_class_folders_that_are_whole_numbers_are_numbered_by_value_and_the_record_says_so(
    tmp_path: Path,
) -> None:
    for number in range(12):
        picture(tmp_path / str(number) / "a.png", number)
    suite = load_custom(tmp_path)
    reader = suite.open(CLEAN)
    assert reader.labels.tolist() == [0, 1, 10, 11, *range(2, 10)]
    assert (reader.read(0, 12)[:, 0, 0, 0].numpy() == reader.labels).all()
    assert suite.provenance()["class_order"] == "numeric"
    assert "numbered by value (2 before 10)" in suite.notes[0]


def test_a_class_folder_without_images_keeps_its_index(tmp_path: Path) -> None:
    picture(tmp_path / "ant/1.png")
    (tmp_path / "bee").mkdir()
    picture(tmp_path / "cat/1.png")
    suite = load_custom(tmp_path)
    assert suite.open(CLEAN).labels.tolist() == [label for _, label in as_image_folder(tmp_path)] == [0, 2]
    assert suite.notes == ("1 classes have no images: bee",)


def test_the_parts_of_a_data_set_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "val"):
        picture(tmp_path / part / "cat/1.png")
    with pytest.raises(DataError, match=r"classes found in .* are train, val, .*: give .*/val$"):
        load_custom(tmp_path)
    assert load_custom(tmp_path / "val").class_names == ("cat",)


def test_a_folder_around_the_class_folders_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "x/pets/cat/1.png")
    picture(tmp_path / "x/pets/dog/1.png")
    with pytest.raises(DataError, match=r"only class found in .* is pets, .* cat, dog: give .*/pets$"):
        load_custom(tmp_path / "x")
    (tmp_path / "x").rename(tmp_path / "pets")
    assert load_custom(tmp_path / "pets").class_names == ("cat", "dog")


def test_images_beside_the_class_folders_are_counted_and_alone_need_labels(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"has 1 images and no class folders: .* `labels=FILE`"):
        load_custom(tmp_path)
    picture(tmp_path / "cat/1.png")
    assert load_custom(tmp_path).notes == (
        "1 images beside the class folders have no class and are left out",
    )


def test_archives_and_missing_places_are_named_with_the_next_step(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("cat/1.txt", "x")
    with pytest.raises(DataError, match=r"pets\.zip is a zip archive: unpack it, and give the folder"):
        load_custom(tmp_path / "pets.zip")
    with pytest.raises(DataError, match=r"no images in class folders .*; pets\.zip there is a zip archive"):
        load_custom(tmp_path)
    with pytest.raises(DataError, match="nowhere does not exist"):
        load_custom(tmp_path / "nowhere")


def bad_file(path: Path, what: str) -> None:
    whole = picture(path.with_name("whole"), kind="JPEG" if path.suffix == ".jpg" else "PNG", side=64)
    data = whole.read_bytes()
    whole.unlink()
    if what == "empty":
        path.write_bytes(b"")
    elif what == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif what == "text":
        path.write_text("not an image at all")
    elif what == "broken link":
        path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        ("1.png", "empty", r"1\.png is empty \(0 bytes\)"),
        ("1.jpg", "empty", r"1\.jpg is empty \(0 bytes\)"),
        ("1.png", "truncated", r"1\.png is a damaged image \(.*\)"),
        ("1.jpg", "truncated", r"1\.jpg is a damaged image \(.*\)"),
        ("1.png", "text", r"1\.png is not a readable image: Pillow knows no format like it"),
        ("1.gif", "text", r"1\.gif is not a readable image"),
        ("1.png", "broken link", r"1\.png can't be read: No such file"),
    ],
)
def test_a_bad_file_is_one_sentence_with_its_name(tmp_path: Path, name: str, what: str, message: str) -> None:
    picture(tmp_path / "ant/1.png")
    (tmp_path / "cat").mkdir()
    bad_file(tmp_path / "cat" / name, what)
    with pytest.raises(DataError, match=message) as caught:
        load_custom(tmp_path).open(CLEAN).read(0, 2)
    assert "BytesIO" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_200_megapixels_is_refused_by_name(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "large", kind=kind, side=200)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(
        DataError, match=r"large has 0 million pixels, more than the 0 million .*; resize it first"
    ):
        decode_image(path.read_bytes(), "large")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_every_mode_is_converted_as_pillow_converts_it(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 21, 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("CMYK", "YCbCr", "HSV") else "PNG") if mode != "HSV" else (
        image.convert("RGB").save(buffer, "PNG")
    )
    with Image.open(io.BytesIO(buffer.getvalue())) as stored:
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "x"), expected)


def test_a_palette_with_transparent_colours_keeps_its_colours_without_a_warning() -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes(range(64)))
    with Image.open(io.BytesIO(buffer.getvalue())) as stored, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "x"), expected)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "cat/1.png")
    real = os.scandir

    def forbidden(path: object) -> object:
        if str(path).endswith("cat"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match=r"cat can't be read: Permission denied"):
        load_custom(tmp_path)


TABLES = {
    "a header": "file,label\nb.png,cat\na.png,dog\nsub/c.png,cat\n",
    "no header": "b.png,cat\na.png,dog\nsub/c.png,cat\n",
    "a byte order mark and Windows' ends": "\ufefffile;label\r\nb.png;cat\r\na.png;dog\r\nsub/c.png;cat\r\n",
    "names without suffix, more columns": "id,width,breed\nb,3,cat\na,4,dog\nc,5,cat\n",
    "spaces": "b.png cat\na.png dog\nsub/c.png cat\n",
    "indices": "filename,target\nb.png,0\na.png,1\nc.png,0\n",
}


@pytest.mark.parametrize("table", TABLES)
def test_a_flat_folder_is_read_with_a_table_of_labels(tmp_path: Path, table: str) -> None:
    for number, name in enumerate(("a.png", "b.png", "sub/c.png", "unlabelled.png")):
        picture(tmp_path / "flat" / name, number)
    (tmp_path / "labels.csv").write_bytes(TABLES[table].encode())
    suite = load_custom(tmp_path / "flat", labels=tmp_path / "labels.csv")
    reader = suite.open(CLEAN)
    assert reader.labels.tolist() == [1, 0, 0]
    assert reader.read(0, 3)[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert suite.notes == (
        f"1 images of {tmp_path / 'flat'} have no label in labels.csv and are left out: unlabelled.png",
    )
    classes = load_custom(tmp_path / "flat", labels=tmp_path / "labels.csv", classes=["dog", "Cat", "ant"])
    expected = [1, 0, 0] if table == "indices" else [0, 1, 1]
    assert classes.open(CLEAN).labels.tolist() == expected


@pytest.mark.parametrize(
    ("table", "classes", "message"),
    [
        ("a.png,cat\ngone.png,dog\n", None, r"names 1 files that are not in .*: gone\.png"),
        ("a.png,cat\na.png,cat\n", None, r"names a\.png twice"),
        ("a.png,cat\nb.png,\n", None, r"line 2: expected a file and its label, found 'b\.png,'"),
        ("a.png,1\nb.png,2\n", ["x", "y"], r"labels go from 1 to 2, expected 0 to 1; subtract 1"),
        ("a.png,1\nb.png,7\n", ["x", "y"], r"labels go from 1 to 7, expected 0 to 1$"),
        ("a.png,cat\nb.png,dog\n", ["cat", "bird"], r"dog are not in the class list of 2 names"),
        ("a.png,3,cat\n", None, r"3 columns and no header"),
        ("u,v,w\na.png,3,cat\n", None, r"has the columns u, v, w; call those with file and label"),
        ("file,label\n", None, r"has a header and no line below it"),
        ("", None, r"is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    tmp_path: Path, table: str, classes: list[str] | None, message: str
) -> None:
    picture(tmp_path / "flat/a.png")
    picture(tmp_path / "flat/b.png")
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load_custom(tmp_path / "flat", labels=tmp_path / "labels.csv", classes=classes)


def test_tables_that_cannot_be_read_or_have_no_images_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "flat/a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"table of labels .*gone\.csv can't be read"):
        load_custom(tmp_path / "flat", labels=tmp_path / "gone.csv")
    with pytest.raises(DataError, match="empty holds no images"):
        load_custom(tmp_path / "empty", labels=tmp_path / "gone.csv")
    np.savez(tmp_path / "x.npz", images=np.zeros((1, 8, 8, 3), np.uint8), labels=np.zeros(1, np.int64))
    with pytest.raises(InvalidInput, match=r"has labels of its own; `labels=FILE`"):
        load_custom(tmp_path / "x.npz", labels=tmp_path / "gone.csv")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Tiny-ImageNet in its own layout: two classes of two images."""
    root = tmp_path / "tiny-imagenet-200"
    lines = []
    for number, wnid in enumerate(("n02124075", "n01443537")):
        for copy in range(2):
            picture(root / "train" / wnid / "images" / f"{wnid}_{copy}.JPEG", side=64)
            picture(root / "val/images" / f"val_{2 * number + copy}.JPEG", 10 * number, side=64)
            lines.append(f"val_{2 * number + copy}.JPEG\t{wnid}\t0\t0\t62\t62")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("0")
    (root / "val/val_annotations.txt").write_text("\n".join(lines))
    (root / "wnids.txt").write_text("n02124075\nn01443537\n")
    return root


def test_tiny_imagenets_own_layout_is_read_as_own_images(tiny: Path) -> None:
    suite = load_custom(tiny / "val")
    assert suite.class_names == ("n01443537", "n02124075")
    assert suite.open(CLEAN).labels.tolist() == [1, 1, 0, 0]
    assert load_custom(tiny / "val/images").open(CLEAN).labels.tolist() == [1, 1, 0, 0]
    assert load_custom(tiny / "val", classes=tiny / "wnids.txt").open(CLEAN).labels.tolist() == [0, 0, 1, 1]
    assert load_custom(tiny / "train").open(CLEAN).labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match=r"are train, val, .*: give .*/val"):
        load_custom(tiny)


def test_tiny_imagenets_own_layout_is_read_as_the_clean_suite(tiny: Path) -> None:
    suite = load_official("tiny-imagenet", tiny.parent)
    reader = suite.open(CLEAN)
    assert reader.labels.tolist() == [0, 0, 64, 64] or len(set(reader.labels.tolist())) == 2
    assert reader.read(0, 4)[:, 5, 5, 0].tolist() == [10, 10, 0, 0]
    assert suite.provenance()["layout"] == "val_annotations.txt"
    assert "Tiny-ImageNet-C was made from other images" in suite.notes[0]
    assert load_official("tiny-imagenet", tiny / "train").images == 4


def test_annotations_that_do_not_fit_are_told(tiny: Path) -> None:
    annotations = tiny / "val/val_annotations.txt"
    annotations.write_text("val_9.JPEG\tn01443537\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt does not fit the files .*val_9\.JPEG"):
        load_custom(tiny / "val")
    with pytest.raises(DataError, match=r"val_9\.JPEG can't be read"):
        load_official("tiny-imagenet", tiny.parent)
    annotations.write_text("val_0.JPEG cat\n")
    with pytest.raises(
        DataError, match=r"has the line 'val_0\.JPEG cat'; expected a file name and a WordNet"
    ):
        load_official("tiny-imagenet", tiny.parent)
