"""ImageNet-P and Tiny-ImageNet-P: MP4 videos in class folders on disk or in a tar."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robustbench_lite.errors import DataError, require
from robustbench_lite.suites.decode import Pixels
from robustbench_lite.suites.files import explain_impostor
from robustbench_lite.suites.images import ClassFolders, EncodedReader
from robustbench_lite.suites.spec import Cell, SuiteSpec
from robustbench_lite.suites.suite import Reader
from robustbench_lite.suites.tars import Progress

CONVERSION = "swscale's default YUV to RGB (ITU-R 601), the pixels that OpenCV's VideoCapture gives"


class ClassVideos(ClassFolders):
    """Perturbation sequences. All videos of a cell have the same number of frames."""

    def __init__(self, spec: SuiteSpec, root: Path, protocol: str, progress: Progress | None = None) -> None:
        super().__init__(spec, root, protocol, progress)
        self._av = require("av", "video", "reading MP4 videos")
        self._frames: dict[Cell, int] = {}

    def open(self, cell: Cell) -> Reader:
        """Open the videos of a perturbation as RGB frames."""
        side = self.spec.image_size
        shape = (self._frames[cell], side, side, 3)
        return EncodedReader(self._places[cell], self._listings[cell], None, shape, self._decode)

    def describe(self) -> dict[str, object]:
        """Describe places, layout, decoder and frames of each perturbation."""
        return {
            **super().describe(),
            "decoder": f"PyAV {self._av.__version__}",
            "conversion": CONVERSION,
            "frames": {str(cell): count for cell, count in sorted(self._frames.items())},
        }

    def _check_first(self, cell: Cell) -> None:
        reader = EncodedReader(self._places[cell], self._listings[cell], None, (0,), self._decode)
        try:
            name = reader.name(0)
            frames = list(self._decoded(reader.fetch(0), name))
        finally:
            reader.close()
        side = self.spec.image_size
        if len(frames) < 2 or frames[0].shape != (side, side, 3):
            shapes = {frame.shape for frame in frames}
            raise DataError(
                f"{name} has {len(frames)} frames of shapes {shapes}; {self.spec.title} has at least two of "
                f"{side} x {side}"
            )
        self._frames[cell] = len(frames)

    def _decode(self, data: bytes, name: str, out: Pixels) -> None:
        count = 0
        for frame in self._decoded(data, name):
            if count < len(out):
                if frame.shape != out.shape[1:]:
                    raise DataError(f"{name} has frames of shape {frame.shape}; expected {out.shape[1:]}")
                out[count] = frame
            count += 1
        if count != len(out):
            raise DataError(
                f"{name} has {count} frames, the first video of its perturbation {len(out)}; "
                "download it again"
            )

    def _decoded(self, data: bytes, name: str) -> Iterator[Pixels]:
        try:
            with self._av.open(io.BytesIO(data)) as container:
                stream = container.streams.video[0]
                # Our threads decode several videos at once; more threads per video would only wait.
                stream.codec_context.thread_count = 1
                for frame in container.decode(stream):
                    yield np.asarray(frame.to_ndarray(format="rgb24"))
        except (self._av.FFmpegError, IndexError) as error:
            reason = explain_impostor(data) or f"a damaged video ({error})"
            raise DataError(f"{name} is {reason}") from error
