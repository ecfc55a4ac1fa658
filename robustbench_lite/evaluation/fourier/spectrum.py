"""The power spectra of the changes that corruptions make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.corruptions import corrupt
from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.fourier.images import ImageSet
from robustbench_lite.evaluation.fourier.sweep import SweepProgress, map_layout
from robustbench_lite.report.fourier.fourier_map import Spectrum
from robustbench_lite.runtime import environment, resolve_device

BATCH: Final = 64


def corruption_spectra(
    images: ImageSet,
    names: Sequence[str],
    severity: int = 3,
    *,
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    frost: Path | None = None,
    progress: SweepProgress | None = None,
) -> tuple[Spectrum, ...]:
    """Compute at which frequencies each corruption changes the images.

    With F the orthonormal transform of corrupted - clean (both in [0, 1]), `power` is the mean of |F|^2 over
    images and channels, and `amplitude` is the mean of |F|. The sum of the power is the mean squared l2 norm
    of a channel's change. Each corruption is tried on one image first, so that errors come at once.

    Args:
        images: The clean images, uint8, as `open_images` returns them.
        names: The corruptions, names of `CORRUPTIONS`.
        severity: The severity, 1 to 5.
        size: The number of rows and columns of the window around frequency 0; by default all.
        seed: The seed of the corruptions' draws.
        device: The device that computes.
        frost: The folder of the frost photographs.
        progress: Called with the number of finished images and the total number.

    Raises:
        UnknownName: There is no such corruption.
        InvalidInput: There are no names, the severity or the window does not exist, or the images are not
            uint8, or too small or too large for a corruption.
        DataError: The frost photographs are missing.

    Source: Yin et al. 2019, figure 2 (which shows the amplitude).
    """
    if not names:
        raise InvalidInput("there is no spectrum to compute; name at least one corruption")
    map_layout(images.size, size)
    where = resolve_device(device)
    first = _uint8(images.read(0, 1, where))
    for name in names:
        corrupt(first, name, severity, seed=seed, frost=frost)
    spectra: list[Spectrum] = []
    for name in names:
        power, amplitude = (torch.zeros(images.size, dtype=torch.float64) for _ in range(2))
        for start in range(0, len(images), BATCH):
            stop = min(start + BATCH, len(images))
            clean = _uint8(images.read(start, stop, where))
            index = images.index[start:stop]
            changed = corrupt(clean, name, severity, seed=seed, index=index, frost=frost)
            change = (changed.to(torch.float32) - clean.to(torch.float32)).div_(255)
            magnitude = torch.fft.fft2(change, norm="ortho").abs()
            power += magnitude.square().sum(dim=(0, 1)).cpu()
            amplitude += magnitude.sum(dim=(0, 1)).cpu()
            if progress is not None:
                progress(len(spectra) * len(images) + stop, len(names) * len(images))
        count = 3 * len(images)
        centred = [_centred(total / count, size) for total in (power, amplitude)]
        total = float(power.sum()) / count
        spectra.append(Spectrum(name, severity, centred[0], centred[1], len(images), total))
    return tuple(spectra)


def spectra_record(
    spectra: Sequence[Spectrum], images: ImageSet, *, seed: int = 0, device: str = "auto"
) -> dict[str, Any]:
    """Return a JSON-able record of the settings of `corruption_spectra` and each change's total power."""
    return {
        "layout": "corruptions, rows vertical, columns horizontal; zero at [rows // 2, columns // 2]",
        "spectra": [
            {"corruption": one.name, "severity": one.severity, "total_power": one.total} for one in spectra
        ],
        "n": len(images),
        "image_size": list(images.size),
        "map_size": list(spectra[0].power.shape),
        "seed": seed,
        "data": images.source,
        "run": environment(resolve_device(device), None, tf32=False),
    }


def _uint8(images: torch.Tensor) -> torch.Tensor:
    pixels = images * 255
    rounded = pixels.round()
    if bool((pixels - rounded).abs().max() > 1e-3):
        raise InvalidInput("corruptions are made on 8 bit images; give uint8 images (N, H, W, 3)")
    return rounded.to(torch.uint8)


def _centred(values: torch.Tensor, size: int | None) -> npt.NDArray[np.float64]:
    shifted: npt.NDArray[np.float64] = torch.fft.fftshift(values).numpy()
    if size is None:
        return shifted
    top, left = (side // 2 - size // 2 for side in shifted.shape)
    return shifted[top : top + size, left : left + size]
