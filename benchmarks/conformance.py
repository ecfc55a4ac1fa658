"""How closely `corrupt` reproduces the official scripts' outputs, per corruption and profile.

    python -m benchmarks.conformance --shared DIR [--json FILE]

DIR holds the official outputs and the draws that made them (vectors/). For each corruption, over all images
and severities there: the largest difference in levels, and the shares of values that differ at all and by
more than one.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.errors import DataError
from tests.oracles.official import redrawn

Row = dict[str, float | int | str]


def differences(folder: Path, profile: str) -> dict[str, list[tuple[int, np.ndarray]]]:
    """The absolute differences from every official output, by corruption, each with its severity."""
    official = np.load(folder / f"vectors/{profile}_c_official.npz")
    meta = json.loads((folder / f"vectors/{profile}_c_official_meta.json").read_text())
    found = defaultdict(list)
    for key in official.files:
        if key.startswith("clean_"):
            continue
        name, severity, image = key.removeprefix("stoch_").rsplit("_", 2)
        level, clean = int(severity[1:]), official[f"clean_{image}"]
        draws = None
        if key in meta["stochastic"]:
            arrays = redrawn(
                name, clean, CORRUPTIONS[name].levels(profile)[level - 1], meta["stochastic"][key]
            )
            draws = RecordedDraws([arrays])
        try:
            ours = corrupt(clean[None], name, level, profile=profile, draws=draws)[0]
        except DataError as error:
            print(f"{name} skipped: {error}")
            continue
        found[name].append((level, np.abs(ours.astype(int) - official[key])))
    return found


def rows(folder: Path) -> list[Row]:
    result: list[Row] = []
    for profile in ("imagenet", "cifar"):
        found = differences(folder, profile)
        for name in CORRUPTIONS:
            if name not in found:
                continue
            severities = sorted({level for level, _ in found[name]})
            values = np.concatenate([gap.ravel() for _, gap in found[name]])
            result.append(
                {
                    "profile": profile,
                    "corruption": name,
                    "severities": "".join(map(str, severities)),
                    "outputs": len(found[name]),
                    "max": int(values.max()),
                    "differ": float((values > 0).mean()),
                    "beyond_one": float((values > 1).mean()),
                }
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = rows(arguments.shared)
    columns = "{:10}{:20}{:>11}{:>9}{:>5}{:>10}{:>10}"
    print(columns.format("profile", "corruption", "severities", "outputs", "max", "differ", "beyond 1"))
    for row in table:
        shares = f"{row['differ']:.4%}", f"{row['beyond_one']:.4%}"
        print(columns.format(*list(row.values())[:5], *shares))
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
