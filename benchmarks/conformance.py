"""How many values of `corrupt` and `perturb` differ from those of the official scripts, as Markdown tables.

    python -m benchmarks.conformance --shared DIR [--json FILE]

DIR, or its folder vectors, holds official outputs and the draws that made them: `PROFILE_c_official.npz` with
`PROFILE_c_official_meta.json`, and `PROFILE_p_official.npz`. Photographs are compared with them. Plain
images (flat, checkered, graded, noise with a constant channel) and the sequences without official frames are
compared with the scripts restated in tests/oracles, which get the same draws. Each cell is the share of
unequal values and, where it isn't 0, the largest difference in levels of 255.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robustbench_lite.corruptions import CORRUPTIONS, PERTURBATIONS, corrupt, perturb
from robustbench_lite.corruptions.perturbations import FRAME_SIDES
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.errors import DataError
from robustbench_lite.reference.names import SEVERITIES
from tests.oracles import perturbations as sequence_oracle
from tests.oracles.images import plain
from tests.oracles.official import published, redrawn
from tests.oracles.weather import Recorder

Levels = NDArray[np.uint8]
Key = tuple[str, str, str, int]
"""Corruption or sequence, profile, images, severity or difficulty."""

SIDES = {"imagenet": 224, "cifar": 32}
FRAME_STEPS = {"imagenet": 5, "cifar": 1}  # ImageNet-P's recorded frames are every fifth


class Counts:
    """How many values were compared, how many differ, and the largest difference."""

    def __init__(self) -> None:
        self.values = self.unequal = self.largest = 0

    def add(self, ours: Levels, expected: Levels) -> None:
        """Compare two images or sequences."""
        gap = np.abs(ours.astype(int) - expected)
        self.values += gap.size
        self.unequal += int((gap > 0).sum())
        self.largest = max(self.largest, int(gap.max()))

    def cell(self) -> str:
        """The share of unequal values and the largest difference, for a table."""
        return f"{self.unequal / self.values:.4%} ({self.largest})" if self.unequal else "0"


def recorded(folder: Path, profile: str) -> Iterator[tuple[Key, Levels, Levels]]:
    """Our outputs and the official ones for photographs."""
    official = np.load(folder / f"{profile}_c_official.npz")
    draws_of = json.loads((folder / f"{profile}_c_official_meta.json").read_text())["stochastic"]
    for key in official.files:
        if key.startswith("clean_"):
            continue
        name, severity, image = key.removeprefix("stoch_").rsplit("_", 2)
        level, clean = int(severity[1:]), official[f"clean_{image}"]
        draws = None
        if key in draws_of:
            parameters = CORRUPTIONS[name].levels(profile)[level - 1]
            draws = RecordedDraws([redrawn(name, clean, parameters, draws_of[key])])
        ours = corrupt(clean[None], name, level, profile=profile, draws=draws)[0]
        yield (name, profile, "photographs", level), ours, official[key]


def restated(profile: str) -> Iterator[tuple[Key, Levels, Levels]]:
    """Our outputs and the restated scripts' for plain images."""
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            for seed, image in enumerate(plain(SIDES[profile]).values()):
                expected, arrays = published(image, name, severity, profile, seed)
                draws = RecordedDraws([arrays])
                ours = corrupt(image[None], name, severity, profile=profile, draws=draws)[0]
                yield (name, profile, "plain", severity), ours, expected


def recorded_sequences(folder: Path, profile: str) -> Iterator[tuple[Key, Levels, Levels]]:
    """Our frames and the official ones for photographs."""
    official = np.load(folder / f"{profile}_p_official.npz")
    for key in official.files:
        name, _, image = key.rpartition("_")
        if name in PERTURBATIONS:
            source = official[f"clean_{image}" if profile == "cifar" else f"src_resize256_{image}"]
            ours = perturb(source[None], name, profile=profile)[0, :: FRAME_STEPS[profile]]
            yield (name, profile, "photographs", 1), ours, official[key]


def restated_sequences(profile: str) -> Iterator[tuple[Key, Levels, Levels]]:
    """Our frames and the restated scripts' for plain images."""
    side = FRAME_SIDES[profile]
    images = plain(256 if side else SIDES[profile])
    chosen = ("white", "checkered", "constant channel") if side else tuple(images)
    for name in PERTURBATIONS:
        for difficulty, parameters in enumerate(PERTURBATIONS[name].levels(profile), start=1):
            for seed, image in enumerate(chosen):
                rng = Recorder(seed)
                expected = getattr(sequence_oracle, name)(images[image], side, parameters, rng)
                draws = RecordedDraws([rng.arrays])
                batch = images[image][None]
                ours = perturb(batch, name, profile=profile, difficulty=difficulty, draws=draws)[0]
                yield (name, profile, "plain", difficulty), ours, expected


def count(comparisons: Iterator[tuple[Key, Levels, Levels]], counts: dict[Key, Counts]) -> None:
    for key, ours, expected in comparisons:
        counts[key].add(ours, expected)


def table(counts: dict[Key, Counts], first: str, levels: tuple[int, ...]) -> str:
    """A Markdown table with a row for each name, profile and kind of images, and a column for each level."""
    heading = [first, "profile", "images", *map(str, levels)]
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    for row in dict.fromkeys(key[:3] for key in counts):
        cells = [counts[*row, level].cell() if (*row, level) in counts else "—" for level in levels]
        lines.append("| " + " | ".join([*row, *cells]) + " |")
    return "\n".join(lines)


def total(counts: dict[Key, Counts], what: str) -> str:
    values, unequal = (sum(getattr(c, field) for c in counts.values()) for field in ("values", "unequal"))
    largest = max((c.largest for c in counts.values()), default=0)
    names = len({key[0] for key in counts})
    return f"{names} {what}: {unequal:,} of {values:,} values differ, at most by {largest} of 255 levels"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder of the official outputs")
    parser.add_argument("--json", type=Path, help="file for the counts")
    arguments = parser.parse_args()
    folder = arguments.shared / "vectors" if (arguments.shared / "vectors").is_dir() else arguments.shared
    corruptions: dict[Key, Counts] = defaultdict(Counts)
    sequences: dict[Key, Counts] = defaultdict(Counts)
    np.seterr(invalid="ignore")  # spatter divides 0 by 0 where no drop falls, as published
    try:
        for profile in SIDES:
            if (folder / f"{profile}_c_official.npz").is_file():
                count(recorded(folder, profile), corruptions)
            count(restated(profile), corruptions)
            if (folder / f"{profile}_p_official.npz").is_file():
                count(recorded_sequences(folder, profile), sequences)
            count(restated_sequences(profile), sequences)
    except DataError as error:
        parser.exit(1, f"{error}\n")
    print(table(corruptions, "corruption", tuple(SEVERITIES)), "\n")
    print(table(sequences, "sequence, by difficulty", (1, 2, 3)), "\n")
    print(total(corruptions, "corruptions"), total(sequences, "sequences"), sep="\n")
    if arguments.json:
        merged = {**corruptions, **sequences}
        arguments.json.write_text(json.dumps([[*key, vars(merged[key])] for key in merged], indent=1))


if __name__ == "__main__":
    main()
