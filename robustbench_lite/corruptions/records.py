"""A corruption or a perturbation as one record, which holds every fact about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from torch import Tensor

from robustbench_lite.corruptions.difficulty import Difficulties, SequenceParameters
from robustbench_lite.corruptions.parameters import Levels, Parameters
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.names import DIFFICULTIES, SEVERITIES, SHORT_NAMES

PROFILES: Final = ("imagenet", "cifar", "tiny-imagenet")
"""The profiles of parameters that the published corruptions have."""

Kernel = Callable[..., Tensor]
"""kernel(images, parameters, draws) -> corrupted images; see `Corruption`."""

Generator = Callable[..., Iterator[Tensor]]
"""generator(images, window, parameters, draws) -> frames; see `Perturbation`."""


@dataclass(frozen=True)
class Corruption:
    """One corruption: an entry of `CORRUPTIONS`.

    The kernel is called as `kernel(images, parameters, draws)`. It takes images, uint8 (N, 3, H, W) with any
    strides (`.contiguous()` gives planes), the parameters of one severity, and the only source of randomness
    that it may use (`random.Draws`). It returns a new tensor of the same dtype, shape and device, and leaves
    the images as they are. An image's pixels must not depend, to the bit, on the other images of the batch.
    It runs in inference mode; on a CPU a batch arrives in chunks of a few images.

    Attributes:
        kernel: the function.
        parameters: profile -> parameters of the severities 1 to 5; or these alone, which then hold for every
            profile. `parameters.levels` makes them.
        short_name: heading of the column in tables; by default made from the name.
        group: the group of the papers: "noise", "blur", "weather" or "digital", or another name.
        smallest_side: the shorter side, in pixels, that images need; a number, or a function of the
            parameters.
        chunk_factor: how many times the usual number of images the kernel gets at once on a CPU: more than 1
            for a kernel of many small steps.
        keywords: the keywords of `corrupt` that the kernel takes too, for example "frost".

    Raises:
        InvalidInput: the kernel can't be called like this, or there are not five severities.
    """

    kernel: Kernel
    parameters: Mapping[str, Levels] | Levels
    short_name: str = ""
    group: str = ""
    smallest_side: int | Callable[[Parameters], int] = 8
    chunk_factor: int = 1
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_call("kernel", self.kernel, ("images", "parameters", "draws"), self.keywords)
        object.__setattr__(self, "parameters", _by_profile(self.parameters))
        for profile in self.profiles:
            count = len(self.levels(profile))
            if count != len(SEVERITIES):
                raise InvalidInput(
                    f"expected parameters of {len(SEVERITIES)} severities, got {count} (profile {profile})"
                )

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the profiles."""
        return tuple(cast("Mapping[str, Levels]", self.parameters))

    def levels(self, profile: object) -> Levels:
        """The parameters of the severities with one profile.

        Raises:
            UnknownName: there are none for this profile.
        """
        return cast(Levels, _of_profile(self.parameters, profile))

    @property
    def needs_photographs(self) -> bool:
        """Whether the kernel reads the photographs of frost."""
        return "frost" in self.keywords

    def least_side(self, parameters: Parameters) -> int:
        """The shorter side that images need with these parameters, in pixels."""
        side = self.smallest_side
        return side if isinstance(side, int) else side(parameters)


@dataclass(frozen=True)
class Perturbation:
    """One perturbation: an entry of `PERTURBATIONS`.

    The generator is called as `generator(images, window, parameters, draws)`. It takes images, uint8
    (N, 3, H, W), the window (top, left, height, width) of them that a frame shows, the parameters of one
    difficulty and the only source of randomness that it may use. It yields `parameters.frames` frames, uint8
    (N, 3, height, width). An image's frames must not depend, to the bit, on the other images of the batch.

    Attributes:
        generator: the function.
        parameters: profile -> parameters of the difficulties, from 1 on; or these alone, which then hold for
            every profile. `parameters.levels` makes them. The first field is `frames`, their number.
        short_name: heading of the column in tables; by default made from the name.
        group: the group of the papers: "noise", "blur", "weather" or "digital", or another name.
        against_first: whether each frame is compared with the first one, as for noise, instead of with the
            frame before it.
        chunk_factor: how many times the usual number of images the generator gets at once on a CPU.
        keywords: the keywords of `perturb` that the generator takes too.

    Raises:
        InvalidInput: the generator can't be called like this, the first field is not `frames`, or the number
            of difficulties is not 1 to 3 (1 where frames are compared with the frame before).
    """

    generator: Generator
    parameters: Mapping[str, Difficulties] | Difficulties
    short_name: str = ""
    group: str = ""
    against_first: bool = False
    chunk_factor: int = 1
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_call("generator", self.generator, ("images", "window", "parameters", "draws"), self.keywords)
        object.__setattr__(self, "parameters", _by_profile(self.parameters))
        most = len(DIFFICULTIES) if self.against_first else 1
        for profile in self.profiles:
            rows = self.levels(profile)
            if not 1 <= len(rows) <= most:
                raise InvalidInput(
                    f"expected parameters of 1 to {most} difficulties, got {len(rows)} (profile {profile}); "
                    "only a perturbation with against_first has several"
                )
            for parameters in rows:
                _check_frames(parameters)

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the profiles."""
        return tuple(cast("Mapping[str, Difficulties]", self.parameters))

    def levels(self, profile: object) -> Difficulties:
        """The parameters of the difficulties with one profile.

        Raises:
            UnknownName: there are none for this profile.
        """
        return cast(Difficulties, _of_profile(self.parameters, profile))

    def frames(self, profile: object) -> int:
        """How many frames a sequence has.

        Raises:
            UnknownName: there are no parameters for this profile.
        """
        return int(self.levels(profile)[0][0])


Record = TypeVar("Record", Corruption, Perturbation)


def with_headings(records: Mapping[str, Record], groups: Mapping[str, tuple[str, ...]]) -> dict[str, Record]:
    """The published records with the group and the heading that `reference.names` holds for each name."""
    group_of = {name: group for group, names in groups.items() for name in names}
    return {
        name: replace(record, short_name=SHORT_NAMES[name], group=group_of.get(name, ""))
        for name, record in records.items()
    }


def _of_profile(parameters: Any, profile: object) -> Any:
    if not isinstance(profile, str) or profile not in parameters:
        raise UnknownName("profile", profile, parameters)
    return parameters[profile]


def _by_profile(parameters: Any) -> Mapping[str, Any]:
    """Parameters by profile; those without a profile hold for every one."""
    if isinstance(parameters, tuple | list):
        parameters = dict.fromkeys(PROFILES, tuple(parameters))
    if not isinstance(parameters, Mapping) or not parameters:
        raise InvalidInput(
            "expected parameters from levels(...), or a mapping from profiles to them, got "
            f"{type(parameters).__name__}"
        )
    for profile, levels in parameters.items():
        rows = levels if isinstance(levels, tuple | list) else ()
        if not rows or not all(isinstance(row, tuple) for row in rows):
            raise InvalidInput(f"expected levels(...) as parameters of {profile!r}, got {levels!r}")
    return {profile: tuple(levels) for profile, levels in parameters.items()}


def _check_frames(parameters: SequenceParameters) -> None:
    fields = getattr(parameters, "_fields", ("frames",))
    if fields[:1] != ("frames",):
        raise InvalidInput(f"expected `frames` as the first field of the parameters, got {fields}")
    frames = parameters[0]
    if not isinstance(frames, int) or frames < 2:
        raise InvalidInput(f"expected `frames` to be a whole number of at least 2, got {frames!r}")


def _check_call(what: str, function: object, names: tuple[str, ...], keywords: tuple[str, ...]) -> None:
    """Refuse a function that can't take these arguments."""
    if not callable(function):
        raise InvalidInput(f"expected a function as {what}, got {type(function).__name__}")
    try:
        inspect.signature(function).bind(*names, **dict.fromkeys(keywords))
    except TypeError as error:
        raise InvalidInput(
            f"the {what} {place_of(function)} is called as {what}({', '.join((*names, *keywords))}), which "
            f"its signature does not allow: {error}"
        ) from error
    except ValueError:  # a builtin without a signature
        return


def place_of(function: object) -> str:
    """A function's name, file and line, as far as they are known."""
    name = getattr(function, "__qualname__", type(function).__name__)
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}, line {code.co_firstlineno})"
