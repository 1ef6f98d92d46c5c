"""Weights of a Hugging Face folder as arrays, without torch: the safetensors format.

numpy knows no bfloat16, in which most models are stored, and the `safetensors` package reads it
for frameworks only; the format itself is a length, a JSON header and raw numbers
(huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import EngineError

FILES = "*.safetensors"
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_tensors(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor of a folder's shards as float32 (a float32 one is only mapped into memory).

    Raises EngineError for a damaged file and for numbers of another kind.
    """
    for path in sorted(folder.glob(FILES)):
        try:
            header, start = _header(path)
            data = np.memmap(path, dtype=np.uint8, mode="r")
            for name, about in header.items():
                yield name, _floats(path, name, about, data[start:])
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise EngineError(f"{path} is no sound safetensors file: {error}") from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes float16 arrays as one file, in the order of their names."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(tensors):
        begin, end = end, end + tensors[name].nbytes
        shape = list(tensors[name].shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    said = json.dumps(header, separators=(",", ":")).encode()
    said += b" " * (-len(said) % 8)  # the numbers begin at a multiple of 8
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(said)) + said)
        for name in sorted(tensors):
            file.write(np.ascontiguousarray(tensors[name], dtype="<f2").tobytes())


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > path.stat().st_size:
            raise ValueError("its header is longer than the file")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _floats(path: Path, name: str, about: Mapping[str, Any], data: np.ndarray) -> np.ndarray:
    kind = _TYPES.get(about["dtype"])
    if kind is None:
        raise EngineError(
            f"{path}: {name} is stored as {about['dtype']}; only {', '.join(_TYPES)} can be served"
            " here; serve the folder with engine=vllm:DIR"
        )
    begin, end = about["data_offsets"]
    numbers = data[begin:end].view(kind).reshape(about["shape"])
    if about["dtype"] == "BF16":  # the upper half of a float32
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32, copy=False)
