"""A -C or -P suite that is generated from clean images during the evaluation."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite import __version__
from robustbench_lite.corruptions import CORRUPTIONS, PERTURBATIONS, corrupt
from robustbench_lite.corruptions.digital import jpeg_round_trip
from robustbench_lite.corruptions.frost import PHOTOGRAPHS, find_photographs
from robustbench_lite.corruptions.perturbations import frame_count, perturb
from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.own_corruptions import with_own
from robustbench_lite.evaluation.resident import Resident, fits
from robustbench_lite.evaluation.subset import read_at
from robustbench_lite.plugins import corruption_digests
from robustbench_lite.suites import CLEAN, Cell, ImageFiles, Reader, Suite, SuiteSpec, select_cells

STORED_QUALITY = 85


@dataclass(frozen=True)
class GenerationRecipe:
    """The settings of generated images. They and the clean files decide every pixel.

    Attributes:
        profile: The table of parameters: "imagenet", "tiny-imagenet" or "cifar".
        seed: The seed of the draws. An image's draws depend only on seed, corruption, severity and image
            index.
        as_stored: Encode and decode each image as a JPEG of quality 85, as the files of ImageNet-C were.
        frost: The folder of the frost photographs, where they are not in one of the usual places.
    """

    profile: str
    seed: int = 0
    as_stored: bool = False
    frost: str | None = None


def generated_suite(
    spec: SuiteSpec,
    clean: Suite,
    recipe: GenerationRecipe,
    device: torch.device,
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
) -> Suite:
    """Return a -C or -P suite whose images are made from clean images, on the device, when they are read.

    Args:
        spec: The record of the suite to make.
        clean: The clean images.
        recipe: The parameters, the seed and the storage.
        device: The device that corrupts the images and runs the model.
        corruptions: The corruptions or perturbations; None takes the test names of the suite.
        severities: The severities or difficulties; None takes all severities or the first difficulty.

    Raises:
        UnknownName: There is no such corruption.
        InvalidInput: There is no such severity.
    """
    spec = with_own(spec, corruptions)
    cells = select_cells(spec, corruptions, severities)
    _check_kernels(spec, {cell.name for cell in cells})
    source = _Source(clean, recipe, device, videos=spec.kind == "perturbation")
    return Suite(spec, clean.root, clean.protocol, cells, (), source, clean)


def _check_kernels(spec: SuiteSpec, names: Iterable[str]) -> None:
    """Check that each corruption or perturbation can be made.

    Raises:
        InvalidInput: One has no record.
    """
    records = PERTURBATIONS if spec.kind == "perturbation" else CORRUPTIONS
    lacking = sorted(name for name in names if name not in records)
    if lacking:
        files = "" if spec.own else ", or evaluate the files of the suite with `data=DIR`"
        raise InvalidInput(
            f"the suite {spec.name!r} lists {', '.join(lacking)}, which no record makes from clean images; "
            f"load the plugin that registers it{files}"
        )


class _Source:
    """Cells that are made when they are read."""

    def __init__(self, clean: Suite, recipe: GenerationRecipe, device: torch.device, *, videos: bool) -> None:
        self._clean = clean
        self._recipe = recipe
        self._device = device
        self._videos = videos
        self._resident: Reader | None = None

    def to(self, device: torch.device) -> _Source:
        """The same source, which makes its images on the device."""
        return _Source(self._clean, self._recipe, device, videos=self._videos)

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return all cells."""
        return tuple(cells)

    def check(self, cells: Sequence[Cell]) -> int:
        """Return the number of images of the clean set."""
        return self._clean.images

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Return a digest of the clean files, the recipe and the version of this package."""
        # The photographs are identified below by their content; "textures" keeps the digests of version 0.1.
        recipe = {name: value for name, value in asdict(self._recipe).items() if name != "frost"}
        text = json.dumps({**recipe, "textures": None, "version": __version__}, sort_keys=True)
        digest = hashlib.sha256(f"{self._clean_fingerprint} {text}".encode())
        if not self._videos and any(CORRUPTIONS[cell.name].needs_photographs for cell in cells):
            digest.update(json.dumps(self._photographs).encode())
        own = corruption_digests(dict.fromkeys(cell.name for cell in cells))
        digest.update(json.dumps(own).encode() if own else b"")
        return digest.hexdigest()

    @functools.cached_property
    def _clean_fingerprint(self) -> str:
        return self._clean.fingerprint()

    @functools.cached_property
    def _photographs(self) -> dict[str, str]:
        """Return the SHA-256 of each frost photograph in use."""
        folder = find_photographs(self._recipe.frost)
        return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in PHOTOGRAPHS}

    def describe(self) -> dict[str, object]:
        """Describe the source of the generated images and their settings."""
        video = (
            {"video_coding": "none: frames are not the decoded MP4 of the release"} if self._videos else {}
        )
        return {"mode": "generated", **asdict(self._recipe), **video, "from": self._clean.provenance()}

    def open(self, cell: Cell) -> Reader:
        """Open a cell."""
        if self._videos:
            return _Sequences(self._clean.open(CLEAN), cell, self._recipe, self._device)
        clean = self._resident or self._clean.open(CLEAN)
        if self._resident is None and fits(clean):
            self._resident = clean = Resident(clean)
        return _Images(clean, cell, self._recipe, self._device)


class _Images:
    """Clean images that pass through one corruption."""

    def __init__(self, clean: Reader, cell: Cell, recipe: GenerationRecipe, device: torch.device) -> None:
        self._clean, self._cell, self._recipe, self._device = clean, cell, recipe, device
        self.count = clean.count
        self.labels: npt.NDArray[np.int64] | None = clean.labels
        self.shape: tuple[int, ...] = clean.shape

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Make corrupted images start to stop - 1, uint8 (n, H, W, 3), on the device."""
        return self.read_at(np.arange(start, stop))

    def read_at(self, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        """Make the corrupted images of these indices, as one batch."""
        images = read_at(self._clean, indices).to(self._device).permute(0, 3, 1, 2)
        corrupted = corrupt(
            images,
            self._cell.name,
            self._cell.severity,
            profile=self._recipe.profile,
            seed=self._recipe.seed,
            index=indices,
            frost=self._recipe.frost,
        )
        if self._recipe.as_stored:
            corrupted = jpeg_round_trip(corrupted, STORED_QUALITY)
        return corrupted.permute(0, 2, 3, 1)

    def close(self) -> None:
        """Close the clean files."""
        self._clean.close()


class _Sequences:
    """Clean images that become the sequences of one perturbation.

    The ImageNet profile makes frames of 224 pixels from photographs whose shorter side is 256. Their sizes
    differ, so it works on one photograph at a time; a sequence of frames is large enough for one batch.
    """

    def __init__(self, clean: Reader, cell: Cell, recipe: GenerationRecipe, device: torch.device) -> None:
        self._clean, self._cell, self._recipe, self._device = clean, cell, recipe, device
        self.count = clean.count
        self.labels = None
        self.shape: tuple[int, ...] = (frame_count(cell.name, recipe.profile), *clean.shape)

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Make sequences start to stop - 1, uint8 (n, frames, H, W, 3), on the device."""
        return self.read_at(np.arange(start, stop))

    def read_at(self, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        """Make the sequences of these indices."""
        if self._recipe.profile != "imagenet":
            images = read_at(self._clean, indices).to(self._device).permute(0, 3, 1, 2)
            return self._sequences(images, indices).permute(0, 1, 3, 4, 2)
        if not isinstance(self._clean, ImageFiles):
            raise InvalidInput(
                "ImageNet-P is made from photographs, not from images that are cropped already"
            )
        videos = []
        for number in indices:
            photograph = torch.from_numpy(self._clean.photograph(int(number)).copy()).to(self._device)
            videos.append(self._sequences(photograph.permute(2, 0, 1)[None], number[None]))
        return torch.cat(videos).permute(0, 1, 3, 4, 2)

    def _sequences(self, images: torch.Tensor, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        harder_draws = PERTURBATIONS[self._cell.name].against_first
        return perturb(
            images,
            self._cell.name,
            difficulty=self._cell.severity if harder_draws else 1,
            profile=self._recipe.profile,
            seed=self._recipe.seed,
            index=indices,
        )

    def close(self) -> None:
        """Close the clean files."""
        self._clean.close()
