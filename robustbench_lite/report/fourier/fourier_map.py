"""The result of a Fourier sweep as plain arrays, and its files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError
from robustbench_lite.report.folder import write_files

Floats = npt.NDArray[np.float64]

METRICS: Final[Mapping[str, str]] = {
    "error": "Error",
    "flip": "Changed predictions",
    "confidence": "Loss of confidence",
}
"""Metric -> its name in a figure.

error: the share of images whose prediction is not the label. flip: the share of images whose prediction
differs from that on the unperturbed image. confidence: the mean fall of the probability of the class that was
predicted on the unperturbed image.
"""


@dataclass(frozen=True)
class RadialProfile:
    """The mean of the map over rings of equal spatial frequency, with bootstrap bands over images.

    Attributes:
        radius: the radius of each ring, in cycles over the image's shorter side; ring r holds [r - 1/2, r +
            1/2).
        value: mean over the cells of the ring.
        low: lower end of the 95 % interval; NaN without a bootstrap.
        high: upper end.
    """

    radius: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class PerturbedImage:
    """One image perturbed at one frequency: (vertical, horizontal) and uint8 pixels (H, W, 3)."""

    frequency: tuple[int, int]
    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FourierMap:
    """The Fourier sensitivity of one model: a metric for each frequency of the perturbation.

    Attributes:
        values: (rows, columns), fractions; zero frequency at [rows // 2, columns // 2]. Row r has the
            vertical frequency r - rows // 2, column c the horizontal frequency c - columns // 2.
        baseline: the same metric on the unperturbed images; 0 for "flip" and "confidence".
        metric: one of METRICS.
        norm: l2 norm of the perturbation of each channel.
        n: number of images.
        image_size: (height, width) in pixels.
        profile: the map against the radius.
        settings: everything else that the numbers depend on, for the record.
        examples: perturbed images for the figure.
    """

    values: Floats
    baseline: float
    metric: str
    norm: float
    n: int
    image_size: tuple[int, int]
    profile: RadialProfile
    settings: Mapping[str, Any]
    examples: tuple[PerturbedImage, ...] = field(default=(), compare=False)

    @property
    def vertical(self) -> tuple[int, ...]:
        """The vertical frequency of each row, in cycles over the height."""
        return _frequencies(self.values.shape[0])

    @property
    def horizontal(self) -> tuple[int, ...]:
        """The horizontal frequency of each column, in cycles over the width."""
        return _frequencies(self.values.shape[1])

    def to_json(self) -> str:
        """Return settings, baseline and profile as JSON; the values are in the other files."""
        record = {
            "metric": self.metric,
            "norm": self.norm,
            "n": self.n,
            "image_size": list(self.image_size),
            "map_size": list(self.values.shape),
            "layout": "rows vertical, columns horizontal, cycles an image; zero at [rows // 2, columns // 2]",
            "baseline": self.baseline,
            "mean": float(self.values.mean()),
            "profile": {
                name: [None if math.isnan(value) else value for value in values]
                for name, values in asdict(self.profile).items()
            },
            "settings": dict(self.settings),
        }
        return json.dumps(record, indent=2) + "\n"

    def to_csv(self) -> str:
        """Return one CSV row for each cell: vertical and horizontal frequency, radius, value."""
        radii = cell_radii(self.image_size, self.values.shape)
        rows = (
            (i, j, f"{radii[row, column]:.4f}", repr(float(self.values[row, column])))
            for row, i in enumerate(self.vertical)
            for column, j in enumerate(self.horizontal)
        )
        return _csv(("vertical", "horizontal", "radius", self.metric), rows)

    def save(self, folder: str | Path) -> None:
        """Write heatmap.npy, heatmap.csv, heatmap.json and examples.npz, each of them atomically.

        Raises:
            DataError: the folder can't be written.
        """
        write_files(
            Path(folder),
            {
                "examples.npz": _examples_bytes(self.examples),
                "heatmap.npy": npy_bytes(self.values),
                "heatmap.csv": self.to_csv().encode(),
                "heatmap.json": self.to_json().encode(),
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> FourierMap:
        """Read the files of `save`; without examples.npz there are no examples.

        Raises:
            DataError: files are missing or damaged.
        """
        place = Path(folder)
        try:
            record = json.loads((place / "heatmap.json").read_text())
            values = np.load(place / "heatmap.npy", allow_pickle=False)
            profile = {
                name: tuple(math.nan if value is None else value for value in record["profile"][name])
                for name in ("radius", "value", "low", "high")
            }
            return cls(
                values=values.astype(np.float64),
                baseline=record["baseline"],
                metric=record["metric"],
                norm=record["norm"],
                n=record["n"],
                image_size=(record["image_size"][0], record["image_size"][1]),
                profile=RadialProfile(**profile),
                settings=record["settings"],
                examples=_read_examples(place / "examples.npz"),
            )
        except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, BadZipFile) as error:
            raise DataError(
                f"{place} holds no readable map (heatmap.json, heatmap.npy, examples.npz): {error}"
            ) from error


@dataclass(frozen=True)
class Spectrum:
    """The change that a corruption makes, by frequency.

    Attributes:
        name: the corruption.
        severity: 1 to 5.
        power: (rows, columns), mean of |F|^2 over images and channels, centred like a heatmap; F is the
            orthonormal transform of corrupted - clean, both in [0, 1].
        amplitude: (rows, columns), mean of |F|.
        n: number of images.
        total: sum of the power over all frequencies, including those outside a window.
    """

    name: str
    severity: int
    power: Floats
    amplitude: Floats
    n: int
    total: float


def spectra_csv(spectra: Sequence[Spectrum]) -> str:
    """Return one CSV row for each corruption and cell: frequencies, power, amplitude."""
    rows = (
        (
            one.name,
            one.severity,
            i,
            j,
            repr(float(one.power[row, column])),
            repr(float(one.amplitude[row, column])),
        )
        for one in spectra
        for row, i in enumerate(_frequencies(one.power.shape[0]))
        for column, j in enumerate(_frequencies(one.power.shape[1]))
    )
    return _csv(("corruption", "severity", "vertical", "horizontal", "power", "amplitude"), rows)


def cell_radii(image_size: tuple[int, int], map_size: tuple[int, ...]) -> Floats:
    """Return the spatial frequency of each cell of a map, in cycles over the image's shorter side."""
    short = min(image_size)
    down = np.array(_frequencies(map_size[0])) * (short / image_size[0])
    across = np.array(_frequencies(map_size[1])) * (short / image_size[1])
    radii: Floats = np.hypot(down[:, None], across[None, :])
    return radii


def npy_bytes(values: Floats) -> bytes:
    """Return an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def _examples_bytes(examples: Sequence[PerturbedImage]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        frequencies=np.array([example.frequency for example in examples], dtype=np.int64).reshape(-1, 2),
        pixels=np.array([example.pixels for example in examples], dtype=np.uint8),
    )
    return buffer.getvalue()


def _read_examples(path: Path) -> tuple[PerturbedImage, ...]:
    if not path.exists():
        return ()
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        pairs = zip(stored["frequencies"].tolist(), stored["pixels"], strict=True)
        return tuple(PerturbedImage((i, j), pixels) for (i, j), pixels in pairs)


def _frequencies(count: int) -> tuple[int, ...]:
    return tuple(range(-(count // 2), count - count // 2))


def _csv(header: Sequence[str], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
