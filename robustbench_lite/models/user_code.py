"""A network, or a function, that a user's own Python file or module builds: FILE.py:BUILDER(depth=16)."""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput, ModelError, RobustBenchError

_REFERENCE = re.compile(
    r"(?P<place>.+\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<builder>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*(?P<call>\(.*\))?",
    re.DOTALL,
)
# These prefixes name collections of weights, never a module: the module torchvision has no builder anyway.
LIBRARIES = ("torchvision", "timm", "hf")
SHOWN_NAMES = 3


@dataclass(frozen=True)
class Reference:
    """What a user wrote for a network of his own.

    Attributes:
        text: the reference as the user wrote it.
        place: a Python file, or the dotted name of a module.
        builder: a name in it; "Net.small" is an attribute of an attribute.
        arguments: positional arguments.
        keywords: keyword arguments.
        called: whether arguments, or empty parentheses, were written.
    """

    text: str
    place: str
    builder: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    called: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the place is a file."""
        return self.place.endswith(".py")


def parse_reference(text: str) -> Reference | None:
    """Read FILE.py:BUILDER, package.module:BUILDER, and either with arguments; None for any other text.

    Args:
        text: the arguments are literals of Python (numbers, strings, tuples, lists, dictionaries, True,
            None); nothing in them is executed.

    Raises:
        InvalidInput: the arguments are no literals.
    """
    match = _REFERENCE.fullmatch(text.strip())
    if match is None or match["place"] in LIBRARIES:
        return None
    call = match["call"]
    if call is None:
        return Reference(text, match["place"], match["builder"])
    try:
        node = ast.parse(f"builder{call}", mode="eval").body
        if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(call)
        arguments = tuple(ast.literal_eval(value) for value in node.args)
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InvalidInput(
            f"the arguments in {text!r} must be literals such as depth=16, name='a' or sizes=(3, 4); "
            "write a function without arguments in your file for anything else"
        ) from error
    return Reference(text, match["place"], match["builder"], arguments, keywords, True)


def code_sha256(reference: Reference) -> str:
    """Return the SHA-256 of the file that a reference names, in hexadecimal.

    Raises:
        InvalidInput: there is no such file or module.
    """
    if reference.is_file:
        return hashlib.sha256(_source(reference)).hexdigest()
    with _importable(Path.cwd()):
        spec = _module_spec(reference)
    if spec is None:
        raise InvalidInput(f"there is no module {reference.place!r} to build {reference.builder} from")
    origin = Path(spec.origin or "")
    return hashlib.sha256(origin.read_bytes() if origin.is_file() else b"").hexdigest()


def _module_spec(reference: Reference) -> Any:
    try:
        return importlib.util.find_spec(reference.place)
    except (ImportError, ValueError, AttributeError):
        return None


def _source(reference: Reference) -> bytes:
    path = Path(reference.place).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"there is no file {reference.place} to build {reference.builder} from ({error.strerror})"
        ) from error


def build_network(
    reference: Reference, num_classes: int | None = None, *, images: bool = False
) -> nn.Module | Callable[[Tensor], object]:
    """Execute a user's file, or import the module, and call the builder in it.

    Args:
        reference: the result of `parse_reference`.
        num_classes: passed on where the builder has an argument of this name that was not written.
        images: whether the builder may itself be a function from images to logits, which is then returned:
            one with a single argument that must be given, where no arguments were written.

    Returns:
        A module, or another callable from images to logits.

    Raises:
        InvalidInput: no such file, module or builder, or arguments that it does not take.
        ModelError: the code fails, or builds something that can't be called; the message has the line.
    """
    target = _target(reference)
    network: nn.Module | Callable[[Tensor], object]
    if isinstance(target, nn.Module):
        return target
    if not callable(target):
        raise ModelError(
            f"{reference.builder} in {reference.place} is {_article(target)}, expected a class, or a "
            "function that returns a network"
        )
    keywords = dict(reference.keywords)
    parameters = _parameters(target)
    required = [p.name for p in parameters.values() if _is_required(p)]
    takes_images = len(required) == 1 and required != ["num_classes"] and not inspect.isclass(target)
    if images and takes_images and not reference.called:
        network = target
        return network
    if num_classes is not None and takes_num_classes(reference):
        keywords["num_classes"] = num_classes
    try:
        inspect.signature(target).bind(*reference.arguments, **keywords)
    except TypeError as error:
        raise InvalidInput(
            f"{reference.builder} in {reference.place} can't be called so: {error}; it takes "
            f"{reference.place}:{reference.builder}({_example(parameters)})"
        ) from error
    except ValueError:  # a builtin without a signature
        pass
    with _one_error(reference), _importable(_folder(reference)):
        network = target(*reference.arguments, **keywords)
    if not callable(network):
        raise ModelError(
            f"{reference.builder} in {reference.place} returned {_article(network)}, expected a network: a "
            "module, or a function from images to logits"
        )
    return network


def takes_num_classes(reference: Reference) -> bool:
    """Return whether the builder has an argument num_classes that was not written."""
    target = _target(reference)
    if isinstance(target, nn.Module) or not callable(target):
        return False
    names = list(_parameters(target))[len(reference.arguments) :]
    return "num_classes" in names and "num_classes" not in reference.keywords


def _parameters(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return {}


def _is_required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable


def _example(parameters: dict[str, inspect.Parameter]) -> str:
    return ", ".join(
        f"{p.name}=..." if _is_required(p) else str(p).split(":")[0] for p in parameters.values()
    )


def _article(value: object) -> str:
    name = "None" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _target(reference: Reference) -> Any:
    """The object that the reference names."""
    target: Any = _module(reference)
    for part in reference.builder.split("."):
        if not hasattr(target, part):
            known = [name for name, value in vars(target).items() if _is_builder(name, value)]
            near = difflib.get_close_matches(part, known, n=SHOWN_NAMES, cutoff=0.5) or known[:SHOWN_NAMES]
            hint = f"did you mean {' or '.join(near)}?" if near else "it defines none"
            raise InvalidInput(f"{reference.place} has no builder {part!r}; {hint}")
        target = getattr(target, part)
    return target


def _is_builder(name: str, value: object) -> bool:
    return callable(value) and not name.startswith("_") and not isinstance(value, types.ModuleType)


def _module(reference: Reference) -> types.ModuleType:
    """The executed file, or the imported module; a file is executed again only where its text has changed."""
    if not reference.is_file:
        code_sha256(reference)
        with _one_error(reference), _importable(Path.cwd()):
            return importlib.import_module(reference.place)
    source = _source(reference)
    path = Path(reference.place).expanduser().resolve()
    digest = hashlib.sha256(str(path).encode() + source).hexdigest()
    name = f"robustbench_lite_user_{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}_{digest[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(path)
    # pickle and inspect find the classes of the file by the name of their module.
    sys.modules[name] = module
    try:
        with _one_error(reference), _importable(path.parent):
            exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _folder(reference: Reference) -> Path:
    return Path(reference.place).expanduser().resolve().parent if reference.is_file else Path.cwd()


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let code import what lies beside it, as a script can."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


@contextlib.contextmanager
def _one_error(reference: Reference) -> Iterator[None]:
    """Turn whatever a user's code raises into one sentence with its type, text and line."""
    try:
        yield
    except RobustBenchError:
        raise
    except SyntaxError as error:
        raise ModelError(
            f"{reference.place} has a syntax error in line {error.lineno} of {error.filename}: {error.msg}"
        ) from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = str(Path(reference.place).expanduser().resolve()) if reference.is_file else None
        frame = next((f for f in reversed(frames) if f.filename == own), frames[-1])
        text = " ".join(str(error).split()) or "without a text"
        raise ModelError(
            f"{reference.text} fails: {type(error).__name__}: {text} "
            f"(line {frame.lineno} of {Path(frame.filename).name})"
        ) from error
