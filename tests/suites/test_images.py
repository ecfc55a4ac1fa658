"""ImageNet-C, Tiny-ImageNet-C and clean ImageNet: the official folders and tars, decoded as Pillow does."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from robustbench_lite.errors import DataError, MissingData
from robustbench_lite.reference import imagenet_wnids, tiny_imagenet_wnids
from robustbench_lite.suites import CLEAN, Cell, Suite, load_official
from robustbench_lite.suites.decode import decode_image, image_size, resize_and_crop

MakeCopy = Callable[..., Path]
NAMES = ("gaussian_noise", "frost", "contrast")


def load(root: Path, suite: str = "imagenet-c", **options: object) -> Suite:
    return load_official(suite, root, **({"corruptions": NAMES} | options))


def pixels(suite: Suite) -> dict[Cell, torch.Tensor]:
    return {cell: (reader := suite.open(cell)).read(0, reader.count) for cell in suite.cells}


def pillow(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def real_images(shared: Path) -> Iterator[Path]:
    return iter(sorted((shared / "data/imagenet-sample").glob("*/*.JPEG")))


def test_pixels_and_order_are_those_of_a_folder_read_with_pillow(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c()
    reader = load(folder).open(Cell("frost", 3))
    files = sorted((folder / "frost/3").glob("*/*.JPEG"))
    expected = np.stack([np.asarray(pillow(path)) for path in files])
    assert reader.shape == (224, 224, 3)
    np.testing.assert_array_equal(reader.read(0, 6).numpy(), expected)
    np.testing.assert_array_equal(reader.read(1, 4).numpy(), expected[1:4])


def test_a_label_is_the_place_among_all_1000_classes_not_among_the_folders(make_imagenet_c: MakeCopy) -> None:
    labels = load(make_imagenet_c()).open(Cell("frost", 1)).labels
    assert labels is not None
    assert labels.dtype == np.int64
    wnids = imagenet_wnids()
    expected = [wnids.index(wnid) for wnid in ("n01440764", "n02085782", "n15075141") for _ in range(2)]
    assert labels.tolist() == expected == [0, 0, 152, 152, 999, 999]


@pytest.mark.parametrize(
    "layout", ["parent", "grouped folders", "group tars", "group tars in ImageNet-C", "one tar", "tar itself"]
)
def test_every_layout_gives_the_same_pixels_and_fingerprint(
    layout: str, make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = make_imagenet_c()
    expected, fingerprint = pixels(load(folder)), load(folder).fingerprint()
    place = tmp_path / "there"
    if layout == "parent":
        root = folder.parent
    elif layout == "grouped folders":
        root = make_imagenet_c(parent="grouped", grouped=True)
    elif layout.startswith("group tars"):
        root = place
        place = place / "ImageNet-C" if layout.endswith("ImageNet-C") else place
        for group, names in (("noise", NAMES[:1]), ("weather", NAMES[1:2]), ("digital", NAMES[2:])):
            make_tar(folder, place / f"{group}.tar", prefix="", only=names)
    else:
        tar = make_tar(folder, place / "ImageNet-C.tar")
        root = tar if layout == "tar itself" else place
    if layout != "parent":
        shutil.rmtree(folder)
    suite = load(root)
    found = pixels(suite)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[cell], expected[cell]) for cell in expected)
    assert suite.fingerprint() == fingerprint


def test_only_the_tars_that_are_needed_are_indexed(
    make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = make_imagenet_c(names=["fog"])
    make_tar(folder, tmp_path / "tars/weather.tar", prefix="")
    (tmp_path / "tars/noise.tar").write_bytes(b"not read")
    indexed: list[Path] = []
    suite = load(tmp_path / "tars", corruptions=["fog"], progress=lambda tar, done, size: indexed.append(tar))
    assert len(suite.cells) == 5
    assert set(indexed) == {tmp_path / "tars/weather.tar"}


def test_a_tar_of_videos_with_the_same_name_is_passed_over(
    make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    (videos / "frost/n01440764").mkdir(parents=True)
    (videos / "frost/n01440764/ILSVRC2012_val_00000001.mp4").write_bytes(b"a video")
    make_tar(videos, tmp_path / "both/weather.tar", prefix="")
    indexed: list[Path] = []
    with pytest.raises(DataError, match="no files of ImageNet-C were found"):
        load(tmp_path / "both", corruptions=["frost"], progress=lambda tar, done, size: indexed.append(tar))
    assert indexed == []


def test_official_and_robustbench_change_no_pixel_of_a_released_image(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    path = sorted((folder / "frost/1").glob("*/*.JPEG"))[0]
    for protocol, transform in (
        ("official", transforms.CenterCrop(224)),
        ("robustbench", transforms.Resize([224, 224])),
    ):
        reader = load(folder, corruptions=["frost"], protocol=protocol).open(Cell("frost", 1))
        np.testing.assert_array_equal(reader.read(0, 1)[0].numpy(), np.asarray(transform(pillow(path))))


def test_augmix_enlarges_and_crops_exactly_as_torchvision_does(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    suite = load(folder, corruptions=["frost"], protocol="augmix")
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for row, path in zip(
        suite.open(Cell("frost", 2)).read(0, 6), sorted((folder / "frost/2").glob("*/*")), strict=True
    ):
        np.testing.assert_array_equal(row.numpy(), np.asarray(transform(pillow(path))))
    assert suite.provenance()["transform"] == "Resize(256, bilinear), CenterCrop(224)"


def test_real_images_decode_and_resize_bit_for_bit_as_pillow_and_torchvision(shared: Path) -> None:
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for path in list(real_images(shared))[::4]:
        decoded = decode_image(path.read_bytes(), str(path))
        image = pillow(path)
        np.testing.assert_array_equal(decoded, np.asarray(image), err_msg=str(path))
        np.testing.assert_array_equal(
            resize_and_crop(decoded), np.asarray(transform(image)), err_msg=str(path)
        )


def test_a_clean_folder_of_real_images_loads_with_its_labels(shared: Path) -> None:
    suite = load_official("imagenet", shared / "data/imagenet-sample")
    (cell,) = suite.cells
    reader = suite.open(cell)
    assert (cell.name, cell.severity, reader.count) == ("clean", 0, 200)
    assert reader.labels is not None
    assert reader.labels[:3].tolist() == [2, 7, 12]
    assert reader.read(0, 20).shape == (20, 224, 224, 3)
    assert suite.provenance()["official_count"] is False


@pytest.mark.parametrize(
    ("height", "width"), [(256, 256), (256, 300), (300, 256), (600, 257), (100, 90), (375, 500)]
)
def test_every_shape_is_resized_and_cropped_as_torchvision_does(height: int, width: int) -> None:
    array = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    np.testing.assert_array_equal(resize_and_crop(array), np.asarray(transform(Image.fromarray(array))))


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("L", "JPEG", {}),
        ("CMYK", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
        ("RGB", "JPEG", {"subsampling": 1}),
        ("RGB", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("P", "PNG", {}),
    ],
)
def test_odd_encodings_decode_as_pillow_converts_them(
    mode: str, kind: str, options: dict[str, object]
) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (60, 61, 3), dtype=np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "x"), expected)


def test_a_png_under_the_name_of_a_jpeg_is_read_as_pillow_reads_it(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    path = folder / "frost/1/n01440764/ILSVRC2012_val_00000002.JPEG"
    expected = np.asarray(pillow(path))
    Image.fromarray(expected).save(path, "PNG")
    found = load(folder, corruptions=["frost"]).open(Cell("frost", 1)).read(1, 2)
    np.testing.assert_array_equal(found[0].numpy(), expected)


def test_reads_from_many_threads_agree(make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    folder = make_imagenet_c(names=["frost"])
    tar = make_tar(folder, tmp_path / "ImageNet-C.tar")
    reader = load(tar, corruptions=["frost"]).open(Cell("frost", 5))
    expected = reader.read(0, 6)
    with ThreadPoolExecutor(4) as pool:
        for row, part in enumerate(pool.map(lambda i: reader.read(i % 6, i % 6 + 1), range(60))):
            assert torch.equal(part[0], expected[row % 6])


def test_tiny_imagenet_numbers_classes_among_its_200(make_imagenet_c: MakeCopy) -> None:
    wnids = tiny_imagenet_wnids()
    folder = make_imagenet_c("tiny-imagenet-c", classes=wnids[5:8])
    suite = load(folder, "tiny-imagenet-c")
    reader = suite.open(Cell("frost", 1))
    assert reader.labels is not None
    assert reader.labels.tolist() == [5, 5, 6, 6, 7, 7]
    assert reader.read(0, 2).shape == (2, 64, 64, 3)


def test_frost_of_tiny_imagenet_with_all_1000_classes_counts_only_the_200(make_imagenet_c: MakeCopy) -> None:
    wnids = tiny_imagenet_wnids()
    folder = make_imagenet_c("tiny-imagenet-c", classes=wnids[:2])
    other = next(wnid for wnid in imagenet_wnids() if wnid not in wnids)
    for severity in range(1, 6):
        shutil.copytree(folder / f"frost/{severity}/{wnids[0]}", folder / f"frost/{severity}/{other}")
    suite = load(folder, "tiny-imagenet-c")
    assert suite.images == 4
    assert suite.provenance()["ignored_classes"] == {"frost": 1}


def rename_class(folder: Path) -> None:
    (folder / "frost/2/n01440764").rename(folder / "frost/2/n99999999")


def lose_a_file(folder: Path) -> None:
    (folder / "frost/2/n01440764/ILSVRC2012_val_00000001.JPEG").unlink()


def add_a_file(folder: Path) -> None:
    source = folder / "frost/2/n01440764/ILSVRC2012_val_00000001.JPEG"
    shutil.copy(source, source.with_name("ILSVRC2012_val_00049999.JPEG"))


def other_size(folder: Path) -> None:
    path = folder / "frost/2/n01440764/ILSVRC2012_val_00000001.JPEG"
    pillow(path).resize((299, 299)).save(path)


def html_page(folder: Path) -> None:
    (folder / "frost/2/n01440764/ILSVRC2012_val_00000001.JPEG").write_text("<html>no</html>")


def lfs_pointer(folder: Path) -> None:
    path = folder / "frost/2/n01440764/ILSVRC2012_val_00000001.JPEG"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def empty_everything(folder: Path) -> None:
    for path in folder.rglob("*.JPEG"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rename_class, r"1 folders for frost 2 that are not classes of imagenet: n99999999"),
        (
            lose_a_file,
            r"frost 2 has 5, .* 6; in frost 2 are 1 missing \(n01440764/ILSVRC2012_val_00000001.JPEG",
        ),
        (add_a_file, r"frost 2 has 7, gaussian_noise 1 has 6; in frost 2 are 1 surplus \(n01440764/.*49999"),
        (other_size, r"00000001.JPEG has 299 x 299 pixels, the released images 224 x 224"),
        (html_page, r"00000001.JPEG is an HTML page"),
        (lfs_pointer, r"00000001.JPEG is a Git LFS pointer"),
        (empty_everything, r"the class folders in .* hold no files of the suite"),
    ],
)
def test_damage_is_found_before_anything_is_read(
    damage: Callable[[Path], None], message: str, make_imagenet_c: MakeCopy
) -> None:
    folder = make_imagenet_c()
    damage(folder)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_a_file_that_breaks_off_is_named_when_it_is_read(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    path = folder / "frost/1/n02085782/ILSVRC2012_val_00000012.JPEG"
    path.write_bytes(path.read_bytes()[:-400])
    reader = load(folder, corruptions=["frost"]).open(Cell("frost", 1))
    reader.read(0, 3)
    with pytest.raises(DataError, match=r"00000012\.JPEG is a damaged image"):
        reader.read(0, 6)


def test_a_later_file_of_another_size_is_named_when_it_is_read(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    path = folder / "frost/1/n02085782/ILSVRC2012_val_00000012.JPEG"
    pillow(path).resize((200, 230)).save(path)
    reader = load(folder, corruptions=["frost"]).open(Cell("frost", 1))
    with pytest.raises(DataError, match=r"00000012\.JPEG has 200 x 230 pixels"):
        reader.read(0, 6)


def test_a_file_that_vanishes_is_named(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c(names=["frost"])
    reader = load(folder, corruptions=["frost"]).open(Cell("frost", 1))
    (folder / "frost/1/n02085782/ILSVRC2012_val_00000012.JPEG").unlink()
    with pytest.raises(DataError, match=r"00000012\.JPEG can't be read: No such file"):
        reader.read(0, 6)


def test_reading_after_close_is_an_error(make_imagenet_c: MakeCopy) -> None:
    reader = load(make_imagenet_c()).open(Cell("frost", 1))
    reader.close()
    with pytest.raises(DataError, match=r"frost/1 was closed"):
        reader.read(0, 1)


def test_missing_severities_are_listed(make_imagenet_c: MakeCopy) -> None:
    folder = make_imagenet_c()
    shutil.rmtree(folder / "frost/2")
    shutil.rmtree(folder / "contrast")
    with pytest.raises(
        DataError, match=r"6 of 15 cells of ImageNet-C are missing .*: frost 2, contrast 1-5; "
    ):
        load(folder)
    assert load(folder, allow_partial=True).missing[0] == Cell("frost", 2)


def test_clean_images_are_read_from_a_tar_of_class_folders(
    shared: Path, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = tmp_path / "val"
    for wnid in ("n01484850", "n01531178", "n13054560"):
        source = shared / "data/imagenet-sample" / wnid
        if source.is_dir():
            shutil.copytree(source, folder / wnid)
    tar = make_tar(folder, tmp_path / "tars/val.tar")
    expected, found = load_official("imagenet", folder), load_official("imagenet", tar.parent)
    assert torch.equal(pixels(found)[CLEAN], pixels(expected)[CLEAN])
    assert found.fingerprint() == expected.fingerprint()


@pytest.mark.parametrize(
    ("suite", "tar_name", "prefix"),
    [
        ("imagenet-c", "blur.tar", ""),
        ("imagenet-c", "blur.tar", "blur"),
        ("tiny-imagenet-c", "Tiny-ImageNet-C.tar", "Tiny-ImageNet-C"),
    ],
)
def test_no_part_of_a_tar_of_corrupted_images_is_a_clean_set(
    suite: str, tar_name: str, prefix: str, make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    wnids = tiny_imagenet_wnids()[:2]
    folder = make_imagenet_c(suite, classes=wnids, names=["defocus_blur"])
    tar = make_tar(folder, tmp_path / "tars" / tar_name, prefix=prefix)
    assert len(load_official(suite, tar, corruptions=["defocus_blur"]).cells) == 5
    clean = suite.removesuffix("-c")
    for root in (tar, folder):
        with pytest.raises(MissingData, match=r"no files of .* were found"):
            load_official(clean, root)
    for cell in (folder / "defocus_blur", folder / "defocus_blur/5"):
        part = make_tar(cell, tmp_path / "parts" / f"{cell.name}.tar")
        with pytest.raises(MissingData, match=r"no files of .* were found"):
            load_official(clean, part)


def test_of_a_tar_with_training_and_validation_images_the_validation_images_are_clean(
    make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    source = make_imagenet_c(names=["fog"]) / "fog"
    (tmp_path / "all").mkdir()
    (source / "1").rename(tmp_path / "all/train")
    (source / "2").rename(tmp_path / "all/val")
    tar = make_tar(tmp_path / "all", tmp_path / "tars/all.tar", prefix="")
    expected = load_official("imagenet", tmp_path / "all/val").open(CLEAN).read(0, 6)
    assert torch.equal(load_official("imagenet", tar).open(CLEAN).read(0, 6), expected)
    (tmp_path / "all/val").rename(tmp_path / "all/one")
    (tmp_path / "all/train").rename(tmp_path / "all/two")
    with pytest.raises(DataError, match="has class folders in one, two: unpack it"):
        load_official("imagenet", make_tar(tmp_path / "all", tmp_path / "tars/both.tar", prefix=""))


@pytest.mark.parametrize("spelling", ["imagenet-c", "ImageNetC", "ImageNet-C/ImageNet-C"])
def test_spellings_of_the_suites_folder_and_a_doubled_folder_are_taken(
    make_imagenet_c: MakeCopy, tmp_path: Path, spelling: str
) -> None:
    folder = make_imagenet_c(names=["fog"])
    (folder / "fog").rename(folder / "Fog")
    (tmp_path / "there" / spelling).parent.mkdir(parents=True)
    folder.rename(tmp_path / "there" / spelling)
    assert len(load_official("imagenet-c", tmp_path / "there", corruptions=["fog"]).cells) == 5


def test_clean_tiny_images_stay_as_they_are(make_imagenet_c: MakeCopy, tmp_path: Path) -> None:
    wnids = tiny_imagenet_wnids()[:2]
    folder = make_imagenet_c("tiny-imagenet-c", classes=wnids, names=["fog"]) / "fog/1"
    folder.rename(tmp_path / "val")
    reader = load_official("tiny-imagenet", tmp_path).open(CLEAN)
    files = sorted((tmp_path / "val").glob("*/*"))
    np.testing.assert_array_equal(reader.read(0, 4).numpy(), np.stack([pillow(path) for path in files]))


@pytest.mark.parametrize("layout", ["folder", "tar"])
def test_flat_validation_images_are_refused_and_the_error_says_what_to_do(
    layout: str, tmp_path: Path, make_tar: MakeCopy
) -> None:
    flat = tmp_path / "val"
    flat.mkdir()
    (flat / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"\xff\xd8")
    root = (
        tmp_path if layout == "folder" else make_tar(flat, tmp_path / "x/ILSVRC2012_img_val.tar", prefix="")
    )
    with pytest.raises(DataError, match="without class folders, so their labels are unknown: move each"):
        load_official("imagenet", root)


def test_what_is_no_image_has_no_size() -> None:
    with pytest.raises(DataError, match="x is not a readable image"):
        image_size(b"nothing", "x")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_images_of_more_than_8_bits_are_refused(dtype: type) -> None:
    # Pillow's RGB would be white wherever a value is above 255.
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 4000, dtype)).save(file, "TIFF")
    with pytest.raises(DataError, match=r"scan\.tif has more than 8 bits per value \(mode [IF]"):
        decode_image(file.getvalue(), "scan.tif")
