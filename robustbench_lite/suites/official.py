"""The official files of each suite: names, sizes, checksums, and where to get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robustbench_lite.reference.names import CORRUPTION_GROUPS, VALIDATION_CORRUPTIONS
from robustbench_lite.suites.spec import SuiteSpec

TORONTO: Final = "https://www.cs.toronto.edu/~kriz/"
FROST: Final = "https://raw.githubusercontent.com/hendrycks/robustness/master/ImageNet-C/create_c/"


@dataclass(frozen=True)
class OfficialFile:
    """A file as its authors published it.

    Attributes:
        name: The file name.
        folder: The folder of the file below the data folder; empty for the data folder itself.
        url: The address of the publication.
        md5: The checksum, published or confirmed twice.
        size: The size in bytes; None where no source states it.
        content: What the file contains.
        extra: Whether the file holds validation corruptions only, which no headline number needs.
    """

    name: str
    folder: str
    url: str
    md5: str
    size: int | None
    content: str
    extra: bool = False

    @property
    def path(self) -> str:
        """The path below the data folder, and below the address of a mirror."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def _file(url: str, md5: str, size: int | None, content: str, folder: str = "") -> OfficialFile:
    name = url.rpartition("/")[2]
    return OfficialFile(name, folder, url, md5, size, content, extra=name.endswith("extra.tar"))


def _zenodo(
    record: int, name: str, md5: str, size: int | None, content: str, folder: str = ""
) -> OfficialFile:
    return _file(f"https://zenodo.org/records/{record}/files/{name}", md5, size, content, folder)


def _imagenet_c(name: str, md5: str, size: int, content: tuple[str, ...]) -> OfficialFile:
    return _zenodo(2235448, name, md5, size, ", ".join(content), "ImageNet-C")


def _imagenet_p(group: str, md5: str) -> OfficialFile:
    # No source states which of the ten perturbations each of the four tars holds.
    return _zenodo(3565846, f"{group}.tar", md5, None, f"perturbations ({group})", "ImageNet-P")


def _frost(name: str, md5: str, size: int) -> OfficialFile:
    return _file(FROST + name, md5, size, "frost photograph", "frost")


BOTH: Final = "15 test and 4 validation corruptions"
TRAIN_TEST: Final = "training and test images"

RESOURCES: Final[Mapping[str, tuple[OfficialFile, ...]]] = {
    "cifar10": (
        _file(TORONTO + "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", 170498071, TRAIN_TEST),
    ),
    "cifar10-c": (_zenodo(2535967, "CIFAR-10-C.tar", "56bf5dcef84df0e2308c6dcbcbbd8499", 2918471680, BOTH),),
    "cifar10-p": (
        _zenodo(2535967, "CIFAR-10-P.tar", "125d6775afc5846ea84584d7524dedff", None, "perturbations"),
    ),
    "cifar100": (
        _file(TORONTO + "cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", 169001437, TRAIN_TEST),
    ),
    "cifar100-c": (
        _zenodo(3555552, "CIFAR-100-C.tar", "11f0ed0f1191edbf9fa23466ae6021d3", 2918473216, BOTH),
    ),
    "imagenet-c": (
        _imagenet_c("noise.tar", "e80562d7f6c3f8834afb1ecf27252745", 22565673785, CORRUPTION_GROUPS["noise"]),
        _imagenet_c("blur.tar", "2d8e81fdd8e07fef67b9334fa635e45c", 7112704951, CORRUPTION_GROUPS["blur"]),
        _imagenet_c(
            "weather.tar", "33ffea4db4d93fe4a428c40a6ce0c25d", 12797438995, CORRUPTION_GROUPS["weather"]
        ),
        _imagenet_c(
            "digital.tar", "89157860d7b10d5797849337ca2e5c03", 7757510705, CORRUPTION_GROUPS["digital"]
        ),
        _imagenet_c("extra.tar", "d492dfba5fc162d8ec2c3cd8ee672984", 15789490144, VALIDATION_CORRUPTIONS),
    ),
    "imagenet-p": (
        _imagenet_p("noise", "619b37b5139ce764f77ce3bed3aee837"),
        _imagenet_p("blur", "869b2d2fb1604d1baa4316b5ecc9fdea"),
        _imagenet_p("weather", "a597ff6db8c6fb0dbcd6eb12ed620002"),
        _imagenet_p("digital", "8c1f73e4912812788e2fdb637cd55372"),
    ),
    "tiny-imagenet-c": (
        _zenodo(
            2536630,
            "Tiny-ImageNet-C.tar",
            "f9c9a9dbdc11469f0b850190f7ad8be1",
            1794775040,
            "15 test corruptions",
        ),
        _zenodo(
            8206060,
            "Tiny-ImageNet-C-extra.tar",
            "0db0588d243cf403ef93449ec52b70eb",
            None,
            "4 validation corruptions",
        ),
    ),
    "frost": (
        _frost("frost1.png", "6ead634ace1f366d77e87078b465863c", 1199930),
        _frost("frost2.png", "98f0d2b1d74a048d3bc9c7ecfd886939", 299002),
        _frost("frost3.png", "b3ed8eb147824261888e730f916c0d8b", 299002),
        _frost("frost4.jpg", "d70b9d6aa0b1fe7bd8133b113787e078", 36734),
        _frost("frost5.jpg", "50984ae2c871b7df2c28f1d71ca460a0", 155150),
        _frost("frost6.jpg", "bd01b8fc7c34a4ff3265c6fb476cff7b", 90185),
    ),
}
"""Suite, or "frost" for the photographs that the frost corruption needs -> its files.

Source: the Zenodo records. The checksums of the tars are those of torch-uncertainty and pytorch-ood, those of
clean CIFAR are torchvision's. The checksums of the photographs are computed from the copies in
imagecorruptions-imaug 1.1.5, which are taken to be the original ones.
"""

ELSEWHERE: Final[Mapping[str, str]] = {
    "cifar100-p": (
        "CIFAR-100-P has no public record: its authors keep it in the Google Drive folder "
        "1Tpssw4Vn6X_4hmIW8KK5LzkKCZpAaae8; put its .npy files into CIFAR-100-P/"
    ),
    "imagenet": (
        "image-net.org gives the ImageNet validation images to registered users; sort them into "
        "class folders: imagenet/val/n01440764/ILSVRC2012_val_00000293.JPEG"
    ),
    "tiny-imagenet": (
        "put images of 64 x 64 pixels into the 200 class folders tiny-imagenet/val/<wnid>/ (the matching "
        "clean set of Tiny-ImageNet-C is not the validation set of Tiny-ImageNet)"
    ),
    "tiny-imagenet-p": (
        "the authors name Zenodo record 2536630 for Tiny-ImageNet-P but no file in it; put its videos into "
        "Tiny-ImageNet-P/<perturbation>/<wnid>/"
    ),
}
"""Suites without an open record to download from -> what to do instead."""


def find_file(file: OfficialFile, data: Path) -> Path | None:
    """Return the path of an official file below `data`, or in `data` where that is the suite's folder."""
    places = [data / file.path, data / file.name] if data.name == file.folder else [data / file.path]
    return next((path for path in places if path.is_file()), None)


def how_to_get(spec: SuiteSpec, root: Path) -> str:
    """Say in one clause how to get the files of a suite."""
    if spec.name in ELSEWHERE:
        return ELSEWHERE[spec.name]
    folder = root.parent if root.suffix == ".tar" else root
    return f"get it with `robust data download {spec.name} --data {folder}`"
