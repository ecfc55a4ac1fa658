"""What `import robustbench_lite as rb` offers, to people and to type checkers."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import robustbench_lite as rb

ROOT = Path(__file__).resolve().parents[1]

PROMISED = {
    *("evaluate", "load_model", "load_suite", "corrupt", "perturb", "compare", "train", "write_suite"),
    *("write_report", "fourier_heatmap", "plot_fourier_heatmap", "AugMix", "Results"),
    *("metrics", "reference", "augmix", "errors", "__version__"),
    *("load_plugin", "register"),
}

SNIPPET = """
import robustbench_lite as rb

results: rb.Results = rb.evaluate(
    rb.load_model("x.pt", normalize="half"), rb.load_suite("cifar10-c", data="d", clean_data="c"), seed=1
)
error: float = results.summary["mean_error"]
suite = rb.load_suite("custom-c", clean_data=([], []))
cells: int = len(suite.cells)
trained = rb.train("cifar10", data="d", epochs=1)
page = rb.write_report(["run"], "report").name.upper()
heatmap = rb.fourier_heatmap("x.pt", "cifar10", data="d").values.mean()
mix = rb.AugMix(severity=3)
try:
    rb.compare("a", "b").by_name
except rb.errors.DataError as error_of_files:
    print(error_of_files, rb.reference.baseline_means, rb.metrics.brier_score, rb.augmix.augmix_loss)
"""


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    assert dir(rb) == sorted(rb.__all__)
    assert set(rb.__all__) == PROMISED


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_public_name_loads_and_has_a_docstring(name: str) -> None:
    assert getattr(rb, name)
    if name != "__version__":
        assert (getattr(rb, name).__doc__ or "").strip()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'robustbench_lite' has no attribute 'evaluat'"):
        rb.evaluat  # noqa: B018


@pytest.mark.parametrize(
    "first", ["rb.train", "rb.compare", "rb.evaluate", "rb.write_suite", "rb.write_report"]
)
def test_a_function_is_not_a_module_even_after_other_imports(first: str) -> None:
    function = getattr(rb, first.partition(".")[2])
    importlib.import_module(function.__module__)
    assert callable(getattr(rb, first.partition(".")[2]))


def test_importing_loads_no_torch_and_no_numpy() -> None:
    code = (
        "import sys, robustbench_lite as rb; dir(rb); rb.errors.DataError; rb.Results;"
        "sys.exit(' '.join({'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_type_checkers_see_the_public_names_and_only_those(tmp_path: Path) -> None:
    mypy = pytest.importorskip("mypy.api", reason="mypy is in the group lint")
    file = tmp_path / "snippet.py"
    file.write_text(f'{SNIPPET}rb.evaluate("x.pt", "cifar10-c", bootstrap="many")\nrb.evaluat\n')
    options = ["--strict", "--follow-imports=silent", "--config-file", str(ROOT / "pyproject.toml")]
    output, _, _ = mypy.run([*options, str(file)])
    errors = [line for line in output.splitlines() if "error:" in line]
    assert len(errors) == 2, output
    assert 'Argument "bootstrap" to "evaluate" has incompatible type "str"' in errors[0]
    assert 'has no attribute "evaluat"' in errors[1]
