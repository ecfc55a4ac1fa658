"""ImageNet-P: MP4 videos in the official layout, frame for frame the pixels that OpenCV reads."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_lite.errors import DataError, MissingExtra
from robustbench_lite.suites import Cell, Suite, load_official

MakeCopy = Callable[..., Path]


def encode(frames: int = 5, side: int = 224, seed: int = 0) -> bytes:
    """A video as the published script wrote them: libx264, crf 20, yuv420p."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    scene = np.asarray(coarse.resize((side + frames, side), Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "20", "threads": "1"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for shift in range(frames):
            frame = np.ascontiguousarray(scene[:, shift : shift + side])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def opencv(path: Path) -> np.ndarray:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (answer := capture.read())[0]:
        frames.append(answer[1][:, :, ::-1])
    return np.stack(frames)


@pytest.fixture
def make_imagenet_p(tmp_path: Path) -> MakeCopy:
    def make(
        frames: Mapping[str, int] | None = None, suite_folder: str = "ImageNet-P", side: int = 224
    ) -> Path:
        folder = tmp_path / "data" / suite_folder
        for seed, (name, count) in enumerate((frames or {"gaussian_noise": 4, "translate": 6}).items()):
            for number, wnid in enumerate(("n01440764", "n01443537")):
                (folder / name / wnid).mkdir(parents=True)
                video = folder / name / wnid / f"ILSVRC2012_val_{number:08d}.mp4"
                video.write_bytes(encode(count, side, seed + 10 * number))
        return folder

    return make


def load(root: Path, *names: str, **options: object) -> Suite:
    return load_official("imagenet-p", root, corruptions=names or ("gaussian_noise", "translate"), **options)


def test_frames_are_bit_for_bit_those_of_opencv(make_imagenet_p: MakeCopy) -> None:
    folder = make_imagenet_p()
    reader = load(folder).open(Cell("translate", 1))
    expected = np.stack([opencv(path) for path in sorted((folder / "translate").glob("*/*.mp4"))])
    assert (reader.count, reader.shape, reader.labels) == (2, (6, 224, 224, 3), None)
    np.testing.assert_array_equal(reader.read(0, 2).numpy(), expected)


def test_the_number_of_frames_is_read_from_each_perturbation(make_imagenet_p: MakeCopy) -> None:
    record = load(make_imagenet_p().parent).provenance()
    assert record["frames"] == {"gaussian_noise 1": 4, "translate 1": 6}
    assert "OpenCV" in str(record["conversion"])


def test_tars_hold_the_same_frames_also_beside_tars_of_imagenet_c(
    make_imagenet_p: MakeCopy, make_imagenet_c: MakeCopy, make_tar: MakeCopy, tmp_path: Path
) -> None:
    folder = make_imagenet_p()
    root = tmp_path / "tars"
    make_tar(make_imagenet_c(names=["gaussian_noise"]), root / "noise.tar", prefix="")
    make_tar(folder, root / "ImageNet-P/noise.tar", prefix="", only=["gaussian_noise"])
    make_tar(folder, root / "ImageNet-P/digital.tar", prefix="", only=["translate"])
    cell = Cell("gaussian_noise", 1)
    suite = load(root)
    assert torch.equal(suite.open(cell).read(0, 2), load(folder).open(cell).read(0, 2))
    assert suite.fingerprint() == load(folder).fingerprint()
    assert load_official("imagenet-c", root, corruptions=["gaussian_noise"]).images == 6


def test_a_difficulty_of_noise_is_a_folder_and_of_others_the_same_one(make_imagenet_p: MakeCopy) -> None:
    folder = make_imagenet_p({"shot_noise_3": 3, "tilt": 4})
    suite = load(folder, "shot_noise", "tilt", severities=[3])
    assert [suite.open(cell).shape[0] for cell in suite.cells] == [3, 4]


def test_tiny_imagenet_p_has_frames_of_64_pixels(make_imagenet_p: MakeCopy) -> None:
    folder = make_imagenet_p(suite_folder="Tiny-ImageNet-P", side=64)
    reader = load_official("tiny-imagenet-p", folder.parent, corruptions=["translate"]).open(
        Cell("translate", 1)
    )
    assert reader.shape == (6, 64, 64, 3)


def test_a_video_with_other_frames_than_the_first_is_named(make_imagenet_p: MakeCopy) -> None:
    folder = make_imagenet_p()
    (folder / "translate/n01443537/ILSVRC2012_val_00000001.mp4").write_bytes(encode(5))
    reader = load(folder).open(Cell("translate", 1))
    with pytest.raises(DataError, match=r"00000001\.mp4 has 5 frames, the first video .* 6"):
        reader.read(0, 2)


def test_a_video_of_another_size_is_named(make_imagenet_p: MakeCopy) -> None:
    folder = make_imagenet_p()
    (folder / "translate/n01443537/ILSVRC2012_val_00000001.mp4").write_bytes(encode(6, 160))
    with pytest.raises(DataError, match=r"00000001\.mp4 has frames of shape \(160, 160, 3\)"):
        load(folder).open(Cell("translate", 1)).read(0, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html></html>", "is an HTML page"),
        (b"no video at all", "is a damaged video"),
        (encode(1), "has 1 frames of shapes"),
        (encode(3, 160), r"has 3 frames of shapes .*160.*at least two of 224 x 224"),
    ],
    ids=["html", "noise", "one frame", "small"],
)
def test_a_wrong_first_video_is_found_before_anything_is_read(
    content: bytes, message: str, make_imagenet_p: MakeCopy
) -> None:
    folder = make_imagenet_p()
    (folder / "translate/n01440764/ILSVRC2012_val_00000000.mp4").write_bytes(content)
    with pytest.raises(DataError, match=rf"00000000\.mp4 {message}"):
        load(folder)


def test_without_pyav_the_extra_to_install_is_named(
    make_imagenet_p: MakeCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_imagenet_p()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"reading MP4 videos needs av.*robustbench-lite\[video\]"):
        load(folder)
