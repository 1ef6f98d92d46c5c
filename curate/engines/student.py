"""The embedded model as a student: the weights that `engine=local` serves, as trainers take them.

    SFT(str(embedded_student()), …)      # ~/.cache/curate/SmolLM2-135M-Instruct-b179c9523d0e/

They are rounded to 4 bits, as the embedded model is, so that teacher and untrained student are one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from curate.assets import SMOLLM2, cache_folder, locate, sha256_of
from curate.engines.trained_gguf import from_gguf
from curate.errors import AssetError
from curate.notice import notice

_WEIGHTS = "model.safetensors"
_SHA256 = "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904"
"""Of the weights that SMOLLM2 comes to."""


def embedded_student() -> Path:
    """The folder of the embedded model (or of `$CURATE_MODEL`), made once: 10 s of a processor.

    Raises AssetError when the file cannot be had, or there is no room.
    """
    source = locate(SMOLLM2)
    sha256 = sha256_of(source)
    folder = cache_folder() / f"{source.stem.partition('.')[0]}-{sha256[:12]}"
    if _is_whole(folder, sha256):
        return folder
    notice(f"writing the embedded model as a folder that trainers take: {folder}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            from_gguf(source, part)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        if _is_whole(folder, sha256):  # another process was faster
            return folder
        raise AssetError(
            f"cannot write {folder}: {error.strerror or error};"
            " make room, or set CURATE_CACHE to another folder"
        ) from None
    if not _is_whole(folder, sha256):
        raise AssetError(f"{folder} is not what {source.name} comes to; remove it and run again")
    return folder


def _is_whole(folder: Path, source: str) -> bool:
    """True for a folder that is there, with the weights that ours always come to."""
    weights = folder / _WEIGHTS
    if not weights.is_file():
        return False
    return source != SMOLLM2.sha256 or sha256_of(weights) == _SHA256
