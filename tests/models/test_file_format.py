"""A file that is no checkpoint is named for what it is, with what to do."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from robustbench_lite.errors import CheckpointError
from robustbench_lite.models import load_model
from tests.models.conftest import random_network


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(3))
    return stream.getvalue()


def plain_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("checkpoint.pth"))
    return stream.getvalue()


STRANGERS = {
    "empty": (b"", "is empty; download it again"),
    "web page": (
        b"\n<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>",
        "is a web page, not a model",
    ),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page, not a model"),
    "json": (b'{"status": 404, "message": "not found"}', "is JSON text, not weights"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "git-LFS pointer.*git lfs pull",
    ),
    "text": (
        b"learning rate: 0.1\nepochs: 100\n",
        "is text, not weights; it starts with 'learning rate: 0.1'",
    ),
    "cut text": ("naïve é".encode() * 80, "is text, not weights"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "HDF5 file \\(Keras\\)"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip archive; unpack it first"),
    "tar": (tar(), "tar archive; unpack it and name the checkpoint inside"),
    "npz": (npz(), "archive of NumPy arrays"),
    "zip": (plain_zip(), "zip archive without a model in it; it holds readme.txt"),
    "jpeg": (b"\xff\xd8\xff\xe0", "is a JPEG image"),
    "noise": (bytes([7, 200, 13, 255]) * 40, "no format that can be read .first bytes 07 c8 0d ff"),
    "safetensors": ((999).to_bytes(8, "little") + b'{"a":1}', "truncated safetensors file"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_recognised_by_their_content(name: str, tmp_path: Path) -> None:
    content, message = STRANGERS[name]
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_truncated_files_are_called_damaged(kept: float, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save(random_network("resnet-8").state_dict(), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError, match=r"(truncated|damaged or incomplete).*download it again"):
        load_model(path)


def test_damaged_safetensors_are_called_so(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file({"a": torch.ones(3)}, path)
    header = json.dumps({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 99]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(CheckpointError, match="damaged safetensors file"):
        load_model(path)


def test_a_missing_file_a_folder_and_a_bare_name_give_different_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no file .*nowhere\.pt"):
        load_model(tmp_path / "nowhere.pt")
    (tmp_path / "weights.pt").touch()
    with pytest.raises(CheckpointError, match=r"is a folder; name one of the files in it: weights.pt"):
        load_model(tmp_path)
    with pytest.raises(
        CheckpointError, match="no file resnet50; for torchvision's weights say torchvision:resnet50"
    ):
        load_model("resnet50")
