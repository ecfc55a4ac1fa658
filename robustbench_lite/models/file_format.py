"""Tell what a file is from its first bytes, not from its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from robustbench_lite.errors import CheckpointError

SAFETENSORS_HEADER_LIMIT = 100_000_000
LEGACY_TORCH = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
AGAIN = "download it again and compare the checksum"

TO_ONNX = "export the model to ONNX"
# Files in a folder that show what the folder is.
FOLDERS: tuple[tuple[str, str], ...] = (
    ("saved_model.pb", f"a TensorFlow SavedModel; {TO_ONNX} with tf2onnx, and name that file"),
    ("_CHECKPOINT_METADATA", f"a checkpoint of JAX (Orbax); {TO_ONNX} by way of jax2tf and tf2onnx"),
)
# First bytes of files that people pass for a checkpoint, and what to say of them.
STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a git-LFS pointer, not the file itself; run git lfs pull"),
    (b"\x89HDF", f"an HDF5 file (Keras); {TO_ONNX} with tf2onnx, and name that file"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"\x93NUMPY", "a NumPy array; convert the weights to a state dict"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"%PDF", "a PDF document"),
    (b"#!", "a script"),
)


def file_format(path: Path) -> str:
    """Return "torch", "torch legacy", "torchscript", "export", "safetensors", "onnx" or "pickle".

    Raises:
        CheckpointError: the file is missing, empty, truncated or something else; the message says which and
            what to do.
    """
    if path.is_dir():
        for name, text in FOLDERS:
            if (path / name).exists():
                raise CheckpointError(f"{path} is {text}")
        files = sorted(p.name for p in path.iterdir() if p.is_file())[:8]
        raise CheckpointError(
            f"{path} is a folder; name one of the files in it: {', '.join(files) or 'it is empty'}"
        )
    if not path.exists():
        raise CheckpointError(f"there is no file {path}")
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise CheckpointError(f"{path} is empty; {AGAIN}")
    for magic, text in STRANGERS:
        if head.startswith(magic):
            raise CheckpointError(f"{path} is {text}")
    if head[4:8] == b"TFL3":
        raise CheckpointError(f"{path} is a TFLite model; {TO_ONNX} with tf2onnx, and name that file")
    if 0x81 <= head[0] <= 0x8F and 0xA1 <= head[1] <= 0xBF:
        raise CheckpointError(f"{path} is a msgpack file (JAX, Flax); {TO_ONNX} by way of jax2tf and tf2onnx")
    if head[257:262] == b"ustar":
        raise CheckpointError(f"{path} is a tar archive; unpack it and name the checkpoint inside")
    if head.startswith(b"PK\x03\x04"):
        return _zip_format(path)
    return _plain_format(path, head, size)


def _plain_format(path: Path, head: bytes, size: int) -> str:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError(
            f"{path} is a web page, not a model: the download was answered by a login, quota or error page; "
            "fetch the file in a browser and compare the checksum"
        )
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= header <= SAFETENSORS_HEADER_LIMIT:
        if header + 8 > size:
            raise CheckpointError(f"{path} is a truncated safetensors file; {AGAIN}")
        return "safetensors"
    if head[:1] == b"\x80":
        return "torch legacy" if head[2:14] == LEGACY_TORCH else "pickle"
    # An ONNX file is a protocol buffer that starts with its IR version and goes on with a known field.
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x2a", b"\x32", b"\x3a", b"\x42"):
        return "onnx"
    if start.startswith((b"{", b"[")):
        raise CheckpointError(
            f"{path} is JSON text, not weights; an error message of a server, or a configuration"
        )
    if _is_text(head):
        first = head.decode("utf-8", "replace").splitlines()[0][:60]
        raise CheckpointError(f"{path} is text, not weights; it starts with {first!r}")
    raise CheckpointError(
        f"{path} is no format that can be read (first bytes {head[:8].hex(' ')}); expected a PyTorch, "
        "safetensors, TorchScript, torch.export or ONNX file"
    )


def _zip_format(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{path} is a truncated PyTorch file or zip archive; {AGAIN}") from error
    inner = {name.partition("/")[2] for name in names}
    if "serialized_exported_program.json" in names or "archive_format" in inner:
        return "export"
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return "torchscript"
    if "data.pkl" in inner:
        return "torch"
    if "model.weights.h5" in names:
        raise CheckpointError(f"{path} is a Keras model; {TO_ONNX} with tf2onnx, and name that file")
    if any(name.endswith(".npy") for name in names):
        raise CheckpointError(f"{path} is an archive of NumPy arrays; convert the weights to a state dict")
    raise CheckpointError(f"{path} is a zip archive without a model in it; it holds {', '.join(names[:5])}")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A multi-byte character may be cut by the end of what was read.
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t" for character in text)
