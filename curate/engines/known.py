"""What was behind the name of a model when its answers went to a store.

An answer's key has the name that a server gives its model, and anybody may serve another model
under that name. vLLM says what it loaded (`root`); where that changes, answers of two models would
be mixed. A name with a revision is the user's word for it, and is not looked at.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from curate.errors import StoreError
from curate.sample import digest


def root_of(store: Path, model: str) -> str:
    """What was behind a name when it was first used; empty when that is not known."""
    try:
        return str(json.loads(_path(store, model).read_text(encoding="utf-8"))["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def remember_root(store: Path, model: str, root: str) -> None:
    """Notes what is behind a name."""
    path = _path(store, model)
    part = path.with_suffix(f".{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"model": model, "root": root}), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise StoreError(
            f"cannot write to the sample store {store}: {error.strerror};"
            " choose another with store=FOLDER"
        ) from None


def _path(store: Path, model: str) -> Path:
    return store / "models" / f"{digest(model)[:16]}.json"
