"""Each setting is one fact: in its class, in the signatures of Python, on the command line."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import robustbench_lite as rb
from robustbench_lite.cli import COMMANDS, LazyGroup
from robustbench_lite.commands._options import descriptions
from robustbench_lite.evaluation.settings import EvaluationSettings, ModelSettings, SuiteSettings
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.sources import open_dataset

FUNCTIONS = {
    "evaluate": (rb.evaluate, (ModelSettings, SuiteSettings, EvaluationSettings)),
    "load_suite": (rb.load_suite, (SuiteSettings,)),
    "train": (rb.train, (TrainingSettings,)),
}

PARTIAL = {
    "fourier_heatmap": (rb.fourier_heatmap, (ModelSettings, SuiteSettings, EvaluationSettings)),
    "write_suite": (rb.write_suite, (SuiteSettings,)),
    "load_model": (rb.load_model, (ModelSettings,)),
}

# Option -> why Python has no such keyword.
OF_THE_TERMINAL = {
    "models": "evaluate and fourier_heatmap take one model, or several as one ensemble",
    "ensemble": "a sequence of models is an ensemble",
    "reference": "results_table prints",
    "style": "results_table prints",
    "vmax": "plot_fourier_heatmap draws",
    "spectrum": "fourier --spectrum draws without a model",
    "severity": "of --spectrum",
    "frost": "of --spectrum",
    "contact_sheet": "corrupt changes images, it draws none",
    "no_jsd": "a short way to name the method",
    "max_blur_pool": "a short way to name the architecture",
    "suites": "evaluate follows train",
}

PAIRS: dict[str, tuple[Callable[..., Any], set[str]]] = {
    "eval": (rb.evaluate, {"models", "ensemble", "reference", "style"}),
    "fourier": (rb.fourier_heatmap, {"models", "spectrum", "severity", "frost", "vmax"}),
    "train-augmix": (rb.train, {"no_jsd", "max_blur_pool", "suites"}),
    "report": (rb.write_report, set()),
    "corrupt": (rb.write_suite, {"contact_sheet"}),
    "compare": (rb.compare, {"style"}),
}
"""Command -> the function that it calls, and its options that belong to the terminal."""

# Keyword -> why the command line has no such option.
OF_PYTHON = {
    "model": "--model TITLE=FILE, one or several",
    "name": "TITLE in --model TITLE=FILE",
    "progress": "the terminal draws bars",
    "test_data": "goes with images in memory",
    "labels": "goes with images in memory",
    "first": "an argument",
    "second": "an argument",
    "runs": "an argument",
}


def command(name: str) -> click.Command:
    found = LazyGroup().get_command(click.Context(click.Group()), name)
    assert found is not None
    return found


def options(name: str) -> dict[str, click.Option]:
    return {str(one.name): one for one in command(name).params if isinstance(one, click.Option)}


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_signature_has_every_field_of_its_settings_with_its_default(name: str) -> None:
    function, settings = FUNCTIONS[name]
    given = keywords(function)
    for field in (field for one in settings for field in dataclasses.fields(one)):
        assert given[field.name] == field.default, field.name


@pytest.mark.parametrize("name", PARTIAL)
def test_a_signature_with_some_fields_has_their_defaults(name: str) -> None:
    function, settings = PARTIAL[name]
    given = keywords(function)
    both = [field for one in settings for field in dataclasses.fields(one) if field.name in given]
    assert len(both) >= 4
    for field in both:
        if given[field.name] is not inspect.Parameter.empty:
            assert given[field.name] == field.default, field.name


def test_train_has_every_field_of_the_recipe_and_leaves_its_value_to_the_paper() -> None:
    given = keywords(rb.train)
    assert {given[field.name] for field in dataclasses.fields(TrainingRecipe)} == {None}
    data = keywords(open_dataset)
    assert all(given[name] == default for name, default in data.items() if name not in ("name", "data"))


@pytest.mark.parametrize(
    "function", [rb.evaluate, rb.train, rb.fourier_heatmap, rb.load_suite, rb.write_suite]
)
def test_every_keyword_is_written_out_and_described(function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert not [one for one in parameters if one.kind is inspect.Parameter.VAR_KEYWORD]
    text = inspect.getdoc(function) or ""
    section = text.partition("Args:\n")[2].partition("\n\nR")[0]
    missing = [one.name for one in parameters if f"    {one.name}: " not in f"{section}\n"]
    assert missing == []


@pytest.mark.parametrize(
    "settings", [ModelSettings, SuiteSettings, EvaluationSettings, TrainingSettings, TrainingRecipe]
)
def test_every_field_is_described_by_a_sentence(settings: type) -> None:
    texts = descriptions(settings)
    assert list(texts) == [field.name for field in dataclasses.fields(settings)]
    assert all(text[0].isupper() and text.endswith((".", "]")) for text in texts.values())


@pytest.mark.parametrize("name", PAIRS)
def test_an_option_is_called_as_its_keyword(name: str) -> None:
    function, terminal = PAIRS[name]
    given, offered = keywords(function), options(name)
    # A plug-in is loaded before the command runs.
    assert set(offered) - terminal - {"plugin", "plugins"} <= set(given)
    assert set(given) - set(offered) - set(OF_PYTHON) == {
        argument.name for argument in command(name).params if isinstance(argument, click.Argument)
    } & set(given) - set(OF_PYTHON)
    for keyword, option in offered.items():
        if keyword not in terminal:
            longest = max(option.opts, key=len)
            names = {other.lstrip("-").replace("-", "_") for other in option.opts}
            assert keyword in names or keyword in {"plugin", "plugins", "style"}, (keyword, longest)


@pytest.mark.parametrize("name", PAIRS)
def test_an_option_and_its_keyword_have_one_default(name: str) -> None:
    function, terminal = PAIRS[name]
    given = keywords(function)
    for keyword, option in options(name).items():
        if keyword in terminal or keyword not in given or given[keyword] is inspect.Parameter.empty:
            continue
        default = option.get_default(click.Context(command(name)))
        if not isinstance(default, str | int | float | tuple | Path):  # click's sign for "unset"
            default = None
        if option.is_flag and default is False:
            assert given[keyword] in (False, None), keyword
        elif option.multiple:
            assert tuple(given[keyword]) == tuple(default or ()), keyword
        elif keyword != "out":  # Each command has a folder of its own where none is named.
            assert default == given[keyword], keyword


def test_the_options_of_the_terminal_have_a_reason() -> None:
    assert set().union(*(terminal for _, terminal in PAIRS.values())) == set(OF_THE_TERMINAL)
    assert set(PAIRS) <= set(COMMANDS)


@pytest.mark.parametrize("name", ["eval", "fourier", "train-augmix", "corrupt"])
@pytest.mark.parametrize("width", [80, 120])
def test_help_begins_with_the_five_options_that_most_people_need(name: str, width: int) -> None:
    context = command(name).make_context(name, [], resilient_parsing=True, terminal_width=width)
    text = command(name).get_help(context)
    groups = [block for block in text.split("\n\n") if re.match(r"[A-Z][\w ]+:\n", block)]
    assert groups[0].partition("\n")[0].strip().startswith(("Most used", "Positional"))
    used = next(block for block in groups if block.startswith("Most used"))
    assert sum(line.startswith("  --") for line in used.splitlines()) == 5
    assert len(groups) >= 4
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": "a"}, "`seed='a'` must be a whole number"),
        ({"bootstrap": 200.5}, "`bootstrap=200.5` must be a whole number"),
        ({"budget": "5%"}, r"`budget='5%'` must be a number, for example 0\.05"),
        ({"corruptions": 5}, "corruptions is a sequence of names, got 5"),
    ],
)
def test_a_setting_of_another_type_is_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(rb.errors.InvalidInput, match=message):
        rb.evaluate("none.pt", "custom-c", clean_data="none.npz", **settings)
