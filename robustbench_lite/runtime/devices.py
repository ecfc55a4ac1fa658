"""The device and the precision that a model runs with."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Literal

import torch

from robustbench_lite import __version__
from robustbench_lite.errors import InvalidInput

Amp = Literal["bf16", "fp16"]

_AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_RECORDED_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "simplejpeg", "av", "timm", "onnxruntime")


def resolve_device(name: str) -> torch.device:
    """Return the device of a name. Under torchrun, "auto" and "cuda" are the GPU of this process.

    Raises:
        InvalidInput: The name is not a device, or this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidInput(f"unknown device {name!r}; expected auto, cpu, cuda, cuda:N or mps") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise InvalidInput(f"device {name!r} is not supported; expected auto, cpu, cuda, cuda:N or mps")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidInput("device mps was asked for, but this machine has none; use `device='cpu'`")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InvalidInput("device cuda was asked for, but torch sees no CUDA GPU; use `device='cpu'`")
        index = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
        if index >= torch.cuda.device_count():
            raise InvalidInput(
                f"device cuda:{index} was asked for; there are {torch.cuda.device_count()} GPUs"
            )
        return torch.device("cuda", index)
    return device


@contextlib.contextmanager
def fixed_precision(*, tf32: bool) -> Iterator[None]:
    """Set the global precision switches while a model runs, and restore them afterwards.

    cuDNN uses deterministic algorithms, and float32 products keep full precision unless `tf32` is set. Two
    runs of the same command therefore give the same numbers.
    """
    matmul = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    before = (cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic)
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = tf32, False, True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before


def autocast(device: torch.device, amp: Amp | None) -> contextlib.AbstractContextManager[object]:
    """Return the autocast context of a reduced precision; float32 needs none."""
    if amp is None:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=_AMP_TYPES[amp])


def check_amp(device: torch.device, amp: Amp | None) -> None:
    """Refuse a reduced precision that the device can only emulate.

    Raises:
        InvalidInput: Float16 on a CPU, or bfloat16 on a CPU without its instructions (50 times slower).
    """
    if device.type != "cpu" or amp is None:
        return
    if amp == "fp16":
        raise InvalidInput("`amp='fp16'` needs a GPU; on a CPU leave it out")
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise InvalidInput(
            "this CPU has no bfloat16 instructions and would be slower with `amp='bf16'`; leave it out"
        )


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries it computes and decodes with."""
    packages = {"robustbench-lite": __version__, "python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[package] = metadata.version(package)
    return packages


def environment(device: torch.device, amp: Amp | None, *, tf32: bool) -> dict[str, object]:
    """Describe software and hardware for the record of a run."""
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "versions": versions(),
        "device": device.type,
        "device_name": name,
        "precision": amp or ("tf32" if tf32 else "fp32"),
        "cudnn": {"deterministic": True, "benchmark": False} if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
    }
