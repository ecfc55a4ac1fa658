"""The suites by name, and the cells that an evaluation goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from robustbench_lite.errors import UnknownName
from robustbench_lite.reference.suites import DATASETS as DATASETS
from robustbench_lite.reference.suites import SUITES as SUITES
from robustbench_lite.suite_spec import Dataset as Dataset
from robustbench_lite.suite_spec import Kind as Kind
from robustbench_lite.suite_spec import SuiteSpec as SuiteSpec


@dataclass(frozen=True, order=True)
class Cell:
    """One unit of evaluation: a corruption at a severity, a perturbation at a difficulty, or the clean set.

    Attributes:
        name: corruption or perturbation; "clean" for the clean set.
        severity: 1 to 5 for corruptions, difficulty 1 to 3 for perturbations, 0 for the clean set.
    """

    name: str
    severity: int

    def __str__(self) -> str:
        return self.name if self.severity == 0 else f"{self.name} {self.severity}"


CLEAN: Final = Cell("clean", 0)


def perturbation_file(spec: SuiteSpec, cell: Cell) -> str:
    """The name of the file or folder of a perturbation at a difficulty.

    Noises have one for each difficulty; the difficulty of the others is a step over the same frames.
    """
    separate = cell.severity > 1 and cell.name in spec.against_first
    return f"{cell.name}_{cell.severity}" if separate else cell.name


def suite_spec(name: str) -> SuiteSpec:
    """The suite of that name.

    Raises:
        UnknownName: there is no such suite; the message names the nearest.
    """
    if name not in SUITES:
        raise UnknownName("suite", name, SUITES)
    return SUITES[name]
