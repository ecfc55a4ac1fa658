"""Class lists in the forms that people keep them; names are matched whatever their capitals and hyphens."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robustbench_lite.errors import DataError
from robustbench_lite.reference.classes import imagenet_wnids
from robustbench_lite.suites.inventory import fold

SHOWN: Final = 5
WNID: Final = re.compile(r"n\d{8}")
_NUMBER_FIRST: Final = re.compile(r"(\d+)\s*[\s,;:=]\s*(.+)")
_NUMBER_LAST: Final = re.compile(r"(.+?)\s*[\s,;:=]\s*(\d+)")
_SAME_CATEGORIES: Final = 950

_ALIASES: Final = {"plane": "airplane", "car": "automobile"}


@dataclass(frozen=True)
class ClassList:
    """The classes of a model or a data set, in the order of their indices.

    Attributes:
        names: the name of each class.
        aliases: further names of each class; a WordNet id beside a word, for example.
    """

    names: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def _exact(self) -> dict[str, list[int]]:
        return _places((name, number) for number, name in enumerate(self.names))

    @functools.cached_property
    def _folded(self) -> dict[str, list[int]]:
        pairs = [(fold(name), number) for number, name in enumerate(self.names)]
        for number, others in enumerate(self.aliases or [()] * len(self.names)):
            pairs += [(fold(other), number) for other in others]
        pairs += [(fold(_ALIASES[name]), number) for name, number in pairs if name in _ALIASES]
        return _places(pairs)

    def place(self, name: str) -> int | None:
        """The index of a class: by its exact name, else without capitals, spaces, hyphens and underscores.

        None where no class, or more than one, has that name.
        """
        exact = self._exact.get(name, ())
        if len(exact) == 1:
            return exact[0]
        folded = self._folded.get(fold(_ALIASES.get(name, name)), ())
        return folded[0] if len(folded) == 1 else None

    def places(self, names: Sequence[str], what: str) -> list[int]:
        """The index of every class of another list.

        Whole numbers are indices where the list itself has other names: 0 ... K - 1, or 1 ... K.

        Args:
            names: the names of the other list.
            what: what these are, for the message: "the folders of /data/pets".

        Raises:
            DataError: names without a counterpart; the message lists them.
        """
        places = [self.place(name) for name in names]
        if None in places and (numbers := self._numbers(names)) is not None:
            return numbers
        strange = [name for name, place in zip(names, places, strict=True) if place is None]
        if strange:
            raise DataError(self._differences(strange, names, what))
        if len(set(places)) != len(places):
            double = [name for name, place in zip(names, places, strict=True) if places.count(place) > 1]
            raise DataError(f"{what}: {', '.join(double[:SHOWN])} are one class of the class list")
        return [place for place in places if place is not None]

    def _numbers(self, names: Sequence[str]) -> list[int] | None:
        if not all(name.isdecimal() for name in names) or any(name.isdecimal() for name in self.names):
            return None
        numbers = [int(name) for name in names]
        if set(numbers) == set(range(1, len(self) + 1)):
            return [number - 1 for number in numbers]
        return numbers if max(numbers) < len(self) and len(set(numbers)) == len(numbers) else None

    def _differences(self, strange: list[str], names: Sequence[str], what: str) -> str:
        taken = {self.place(name) for name in names}
        free = [name for number, name in enumerate(self.names) if number not in taken]
        nearest = {name: difflib.get_close_matches(name, free, n=1) for name in strange[:SHOWN]}
        shown = [f"{name} (nearest: {near[0]})" if near else name for name, near in nearest.items()]
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        rest = f"; without a counterpart in the list: {', '.join(free[:SHOWN])}" if free else ""
        return (
            f"{what}: {', '.join(shown)}{more} are not in the class list of {len(self)} names{rest}. Rename "
            "them, or give a class list with these names in the order of the model's outputs"
        )


def _places(pairs: Any) -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    for name, number in pairs:
        places = table.setdefault(name, [])
        if number not in places:
            places.append(number)
    return table


def class_list(classes: str | Path | Sequence[str]) -> ClassList:
    """The classes from a sequence of names, or from a file.

    A file has one name a line, with or without its index before or after it ("0 cat", "cat,0"), or is JSON:
    a list of names, name -> index, index -> name, index -> [WordNet id, name], or a model's config.json with
    `id2label`. Lines may begin with a WordNet id, which then is the name. A byte order mark and Windows' line
    ends are taken. ImageNet's 1000 names in their order are found by their WordNet ids, too.

    Raises:
        DataError: the file can't be read, or names occur twice.
    """
    if isinstance(classes, str | Path):
        listed = _parse(_text(Path(classes).expanduser()), classes)
        where = f"the class list {classes}"
    else:
        listed, where = ClassList(tuple(map(str, classes))), "the class list"
    if not len(listed) or len(set(listed.names)) != len(listed):
        raise DataError(f"{where} has {len(listed)} names, {len(set(listed.names))} of them different")
    return with_imagenet_aliases(listed)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return raw.decode("utf-16")
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the class list {path} can't be read: {error}") from error


def _parse(text: str, source: str | Path) -> ClassList:
    if text.lstrip().startswith(("{", "[")):
        try:
            return _from_json(json.loads(text), source)
        except json.JSONDecodeError as error:
            if str(source).endswith(".json"):
                raise DataError(f"the class list {source} is no valid JSON: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ordered = _numbered(lines)
    return _with_wnids(lines if ordered is None else ordered)


def _numbered(lines: Sequence[str]) -> list[str] | None:
    """The names in the order of the indices beside them; None where the lines carry no such indices."""
    for pattern, number, name in ((_NUMBER_FIRST, 1, 2), (_NUMBER_LAST, 2, 1)):
        matches = [pattern.fullmatch(line) for line in lines]
        pairs = [(int(match[number]), match[name]) for match in matches if match is not None]
        numbers, names = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
        counted = numbers in (set(range(len(lines))), set(range(1, len(lines) + 1)))
        if len(pairs) == len(lines) == len(names) and counted:
            return [name for _, name in sorted(pairs)]
    return None


def _with_wnids(lines: Sequence[str]) -> ClassList:
    """Lines that begin with a WordNet id: the id is the name, the words after it are aliases."""
    split = [re.split(r"[\s,;:=]+", line, maxsplit=1) for line in lines]
    if not all(WNID.fullmatch(parts[0]) for parts in split):
        return ClassList(tuple(lines), tuple(map(synonyms, lines)))
    words = tuple(synonyms(parts[1]) if len(parts) > 1 else () for parts in split)
    return ClassList(tuple(parts[0] for parts in split), words)


def synonyms(name: str) -> tuple[str, ...]:
    """The single names in "tench, Tinca tinca"."""
    return tuple(part.strip() for part in name.split(",")) if "," in name else (name,)


def _from_json(content: Any, source: str | Path) -> ClassList:
    if isinstance(content, Mapping):
        for key in ("id2label", "label2id"):
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return _with_wnids(content)
    if isinstance(content, Mapping) and content:
        keys, values = list(content), list(content.values())
        if all(isinstance(value, int) for value in values):
            pairs: list[tuple[int, Any]] = [(value, key) for key, value in content.items()]
        elif all(str(key).isdecimal() for key in keys):
            pairs = [(int(key), value) for key, value in content.items()]
        else:
            pairs = []
        if pairs and {number for number, _ in pairs} == set(range(len(pairs))):
            return _from_values([value for _, value in sorted(pairs, key=lambda pair: pair[0])])
    raise DataError(
        f"the class list {source} is JSON, but neither a list of names nor names with the indices 0 to K - 1"
    )


def _from_values(values: Sequence[Any]) -> ClassList:
    if all(isinstance(value, list) and value for value in values):
        names = tuple(str(value[0]) for value in values)
        return ClassList(names, tuple(tuple(map(str, value[1:])) for value in values))
    return _with_wnids([str(value) for value in values])


def with_imagenet_aliases(classes: ClassList) -> ClassList:
    """The same list, with the WordNet ids beside the names where these are ImageNet's 1000 in their order.

    Source: the categories that torchvision's weights carry.
    """
    wnids = imagenet_wnids()
    if len(classes) != len(wnids) or classes.names[0] == wnids[0]:
        return classes
    from torchvision.models import ResNet50_Weights

    categories = ResNet50_Weights.DEFAULT.meta["categories"]
    own = classes.aliases or [()] * len(classes)
    same = sum(
        fold(category) in {fold(one) for one in (name, *synonyms(name), *others)}
        for category, name, others in zip(categories, classes.names, own, strict=True)
    )
    if same < _SAME_CATEGORIES:
        return classes
    return ClassList(classes.names, tuple((*others, wnid) for others, wnid in zip(own, wnids, strict=True)))


def numeric(names: Sequence[str]) -> bool:
    """Whether all names are whole numbers, of which no two are equal."""
    return all(name.isdecimal() for name in names) and len({int(name) for name in names}) == len(names)


def sorted_classes(names: Sequence[str]) -> tuple[list[str], str]:
    """Class names in the order of their indices, and what that order is: "numeric" or "text"."""
    if numeric(names):
        return sorted(names, key=int), "numeric"
    return sorted(names), "text"
