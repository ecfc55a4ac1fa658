"""Suites generated during an evaluation, or written to disk: the same images either way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import robustbench_lite as rb
from robustbench_lite.corruptions import corrupt, perturb
from robustbench_lite.errors import DataError, InvalidInput, UnknownName
from robustbench_lite.evaluation.sources import load_suite
from robustbench_lite.evaluation.write_suite import write_suite
from robustbench_lite.suites import Cell, load_official

QUICK = {"device": "cpu", "batch_size": 16, "bootstrap": 0}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs of several sizes in two of ImageNet's class folders, and the same as a val folder."""
    root = tmp_path_factory.mktemp("photographs")
    generator = np.random.default_rng(3)
    for number, wnid in enumerate(["n01440764", "n01443537"] * 3):
        (root / wnid).mkdir(exist_ok=True)
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((300 + 20 * number, 260), Image.Resampling.BICUBIC)
        picture.save(root / wnid / f"picture_{number}.JPEG", quality=95)
    return root


def read(name: str, cell: Cell, sources: dict[str, Any]) -> np.ndarray:
    reader = load_suite(name, **sources).open(cell)
    return reader.read(0, reader.count).numpy()


def test_a_generated_cell_is_corrupt_of_the_clean_images_by_their_index(cifar_data: Path) -> None:
    clean = np.load(cifar_data / "cifar10.npz")["images"]
    suite = load_suite("cifar10-c", clean_data=cifar_data, seed=5, corruptions=["fog"])
    got = suite.open(Cell("fog", 3)).read(10, 20).numpy()
    expected = corrupt(clean[10:20], "fog", 3, profile="cifar", seed=5, index=np.arange(10, 20))
    assert np.array_equal(got, expected)
    assert not np.array_equal(got, corrupt(clean[10:20], "fog", 3, profile="cifar", seed=5))


def test_a_written_cifar_suite_is_the_generated_one_in_the_official_layout(
    cifar_data: Path, tmp_path: Path
) -> None:
    sources = {"clean_data": cifar_data, "seed": 2, "corruptions": ["snow", "pixelate"]}
    write_suite("cifar10-c", out=tmp_path, **sources)
    stored = load_official("cifar10-c", tmp_path, corruptions=["snow", "pixelate"])
    for cell in (Cell("snow", 1), Cell("pixelate", 4)):
        reader = stored.open(cell)
        assert np.array_equal(reader.read(0, reader.count).numpy(), read("cifar10-c", cell, sources))
        assert np.array_equal(reader.labels, np.load(cifar_data / "cifar10.npz")["labels"])


def test_batch_size_and_workers_do_not_change_a_byte(cifar_data: Path, tmp_path: Path) -> None:
    names = ["gaussian_noise", "elastic_transform", "glass_blur"]
    sources = {"clean_data": cifar_data, "corruptions": names}
    one = write_suite("cifar10-c", out=tmp_path / "one", **sources, batch_size=1)
    two = write_suite("cifar10-c", out=tmp_path / "two", **sources, batch_size=64, workers=2)
    files = sorted(path.name for path in one.glob("*.npy"))
    assert files == ["elastic_transform.npy", "gaussian_noise.npy", "glass_blur.npy", "labels.npy"]
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_writing_goes_on_where_it_stopped_and_refuses_another_seed(cifar_data: Path, tmp_path: Path) -> None:
    sources = {"clean_data": cifar_data, "corruptions": ["fog", "contrast"]}
    folder = write_suite("cifar10-c", out=tmp_path, **sources)
    (folder / "fog.npy").unlink()
    kept = (folder / "contrast.npy").stat().st_mtime_ns
    write_suite("cifar10-c", out=tmp_path, **sources)
    assert (folder / "fog.npy").exists()
    assert (folder / "contrast.npy").stat().st_mtime_ns == kept
    with pytest.raises(DataError, match="other images, seed or parameters"):
        write_suite("cifar10-c", cifar_data, tmp_path, corruptions=["fog"], seed=1)
    write_suite("cifar10-c", cifar_data, tmp_path, corruptions=["snow"])


def test_written_imagenet_jpegs_are_what_on_the_fly_evaluation_sees(
    photographs: Path, tmp_path: Path
) -> None:
    sources = {"clean_data": photographs, "corruptions": ["gaussian_noise", "fog"], "severities": [3]}
    folder = write_suite("imagenet-c", out=tmp_path, **sources)
    assert len(list(folder.glob("fog/3/*/*.JPEG"))) == 6
    stored = load_official("imagenet-c", tmp_path, corruptions=["gaussian_noise", "fog"], severities=[3])
    for name in ("gaussian_noise", "fog"):
        on_disk = stored.open(Cell(name, 3)).read(0, 6).numpy()
        assert np.array_equal(on_disk, read("imagenet-c", Cell(name, 3), sources))


def test_as_stored_is_pillows_jpeg_of_quality_85(photographs: Path) -> None:
    cell = Cell("contrast", 2)
    raw = read("imagenet-c", cell, {"clean_data": photographs, "as_stored": False})
    stored = read("imagenet-c", cell, {"clean_data": photographs})
    buffer = io.BytesIO()
    Image.fromarray(raw[1]).save(buffer, "JPEG", quality=85, optimize=True)
    assert np.array_equal(stored[1], np.asarray(Image.open(buffer)))
    assert not np.array_equal(stored[1], raw[1])


def test_imagenet_sequences_are_made_from_the_uncropped_photograph(photographs: Path) -> None:
    frames = read("imagenet-p", Cell("rotate", 1), {"clean_data": photographs, "corruptions": ["rotate"]})
    assert frames.shape == (6, 31, 224, 224, 3)
    # Sorted by class, then name, picture 2 is the second; resizing its 340 x 260 to a side of 256 leaves 334.
    picture = Image.open(photographs / "n01440764" / "picture_2.JPEG").resize(
        (334, 256), Image.Resampling.BILINEAR
    )
    expected = perturb(np.asarray(picture)[None], "rotate", profile="imagenet", index=[1])
    assert np.array_equal(frames[1], expected[0])


def test_written_videos_hold_the_generated_frames_but_for_the_codec(
    photographs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="videos need the extra [video]")
    sources = {"clean_data": photographs, "corruptions": ["brightness"]}
    write_suite("imagenet-p", out=tmp_path, **sources)
    stored = load_official("imagenet-p", tmp_path, corruptions=["brightness"]).open(Cell("brightness", 1))
    made = read("imagenet-p", Cell("brightness", 1), sources)
    decoded = stored.read(0, 6).numpy()
    assert decoded.shape == made.shape
    assert np.abs(decoded.astype(int) - made).mean() < 3


def test_generated_perturbations_follow_the_difficulty(cifar_data: Path) -> None:
    sources = {"clean_data": cifar_data, "corruptions": ["gaussian_noise"], "severities": [1, 3]}
    clean = np.load(cifar_data / "cifar10.npz")["images"].astype(int)
    change = [
        np.abs(read("cifar10-p", Cell("gaussian_noise", level), sources)[:, 1:] - clean[:, None]).mean()
        for level in (1, 3)
    ]
    assert change[1] > 2 * change[0]


def test_only_clean_data_means_generated_and_the_record_says_so(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(
        model,
        "cifar10-c",
        clean_data=cifar_data / "cifar10.npz",
        corruptions=["fog"],
        severities=[1],
        **QUICK,
    )
    assert results.provenance["data"]["mode"] == "generated"
    assert results.provenance["data"]["profile"] == "cifar"
    released = rb.evaluate(model, "cifar10-c", data=cifar_data, corruptions=["fog"], severities=[1], **QUICK)
    assert released.provenance["data"]["mode"] == "unverified"  # 40 images, the release has 10,000


def test_how_many_images_the_release_has_is_told_of_a_generated_suite_too(cifar_data: Path) -> None:
    sources = {"clean_data": cifar_data, "corruptions": ["fog"]}
    record = load_suite("cifar10-c", **sources).provenance()
    assert (record["images"], record["official_images"], record["official_count"]) == (40, 10_000, False)


def test_ones_own_images_get_a_c_and_a_p(cifar_data: Path, tmp_path: Path) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    np.savez(tmp_path / "mine.npz", images=archive["images"], labels=archive["labels"] % 4)
    model = lambda images: torch.stack([images.mean((1, 2, 3)) * k for k in range(4)], 1)  # noqa: E731
    common = {"clean_data": tmp_path / "mine.npz", "force": True, **QUICK}
    some = rb.evaluate(model, "custom-c", corruptions=["contrast", "fog"], **common)
    assert [cell.n for cell in some.cells] == [40] * 11
    sequences = rb.evaluate(model, "custom-p", corruptions=["translate"], **common)
    assert sequences.cell("translate", 1).scores["frames"] == 16


def test_mistakes_about_the_source_are_named(cifar_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUSTBENCH_LITE_DATA", raising=False)
    with pytest.raises(DataError, match="`clean_data=DIR`"):
        load_suite("cifar10-c", generate=True)
    with pytest.raises(UnknownName, match="profile"):
        read("cifar10-c", Cell("fog", 1), {"clean_data": cifar_data, "profile": "mnist"})
    with pytest.raises(InvalidInput, match="all five severities"):
        write_suite("cifar10-c", cifar_data, cifar_data / "out", corruptions=["fog"], severities=[1])
    with pytest.raises(InvalidInput, match="is a clean set"):
        write_suite("cifar10", cifar_data, cifar_data / "out")
