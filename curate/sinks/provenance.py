"""What a dataset may say of the run that made it: everything that determines the rows, nothing of
where it ran.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from curate.errors import RunError

# Parameters of every pipeline that say where or how fast it runs: a replay elsewhere gives the same
# card.
PLACES = frozenset({"out", "store", "concurrency", "repo"})
# What is worth telling of manifest.json; stages and status have times in them.
TOLD = (
    *("curate_version", "pipeline", "parameters", "fingerprint", "steps", "packages", "engine"),
    "notes",
)

_URL = re.compile(r"(https?://)[^\s/,'\"]+")
_REPEATED = re.compile(r"(https?://HOST[^\s,]*)(?:,\1)+(?=,|\s|$)")
_ABSOLUTE = re.compile(r"(?<![\w.:/])~?/(?:[^\s/'\",;:=]+/)*([^\s/'\",;:=]+)/?")


def read_json(path: Path, default: Any) -> Any:
    """The content of a JSON file; `default` when there is none. Raises RunError when it is not
    JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except ValueError as error:
        raise RunError(
            f"{path} is not JSON ({error}); run the pipeline again to rewrite it"
        ) from None


def installed(names: Iterable[str]) -> dict[str, str]:
    """The version of Python and of those packages that are there.

    >>> list(installed(["pyarrow", "no-such-package"]))
    ['python', 'pyarrow']
    """
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def public(value: Any) -> Any:
    """A value without the names of machines and folders.

    >>> public({"prompts": "/home/ann/data/math.jsonl", "engine": "http://10.0.0.7:8000/v1"})
    {'prompts': 'math.jsonl', 'engine': 'http://HOST/v1'}
    >>> public("http://a:1/v1,http://b:1/v1")
    'http://HOST/v1'
    >>> public("../shared/data/math.jsonl")
    '../shared/data/math.jsonl'
    """
    if isinstance(value, str):
        # Several servers of one model are one engine: how many there were is not what the data is.
        hidden = _REPEATED.sub(r"\1", _URL.sub(r"\1HOST", value))
        return _ABSOLUTE.sub(r"\1", hidden)
    if isinstance(value, Mapping):
        return {k: public(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [public(v) for v in value]
    return value


def public_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as it may be published: same rows, same text, wherever and whenever it ran."""
    told = {k: manifest[k] for k in TOLD if manifest.get(k) is not None}
    pipeline = told.pop("pipeline", {})
    parameters = {k: v for k, v in told.get("parameters", {}).items() if k not in PLACES}
    identity = manifest.get("identity") or {}
    told |= {k: identity[k] for k in ("files", "modules") if k in identity}
    return public(told | {"parameters": parameters}) | {
        "pipeline": pipeline | {"file": public(pipeline.get("file"))},
        "command": public_command(manifest),
    }


def public_command(manifest: Mapping[str, Any]) -> str | None:
    """The command that makes the same rows, without places and options of the executor.

    >>> public_command({"command": "curate run pipelines/a.py limit=5 out=/tmp/x --tasks 4"})
    'curate run pipelines/a.py limit=5'
    """
    if not manifest.get("command"):
        return None
    kept: list[str] = []
    words = iter(shlex.split(manifest["command"]))
    for word in words:
        if word.startswith("--"):
            if word in ("--executor", "--tasks", "--workers"):
                next(words, None)
        elif word.partition("=")[0] not in PLACES:
            kept.append(public(word))
    return shlex.join(kept)


def spell(value: Any) -> str:
    """A step's identity as a person would write it.

    >>> spell({"step": "Pick", "by": "shortest", "of": [{"step": "Keep", "scorer": "Length()"}]})
    "Pick(by='shortest', of=[Keep(Length())])"
    """
    if isinstance(value, Mapping):
        name = value.get("step") or value.get("type")
        pairs = [(k, v) for k, v in value.items() if k not in ("step", "type")]
        if not name:
            return "{" + ", ".join(f"{k}: {spell(v)}" for k, v in pairs) + "}"
        told = ", ".join(_argument(k, v) for k, v in pairs if v is not None)
        return f"{name.rpartition('.')[2]}({told})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spell, value))}]"
    # What `plain` made of an object that is not a step is its repr already.
    if isinstance(value, str) and not re.fullmatch(r"[A-Z]\w*\(.*\)", value, re.DOTALL):
        return repr(value)
    return str(value)


def _argument(name: str, value: Any) -> str:
    return spell(value) if name == "scorer" else f"{name}={spell(value)}"


def named_files(steps: Any) -> set[str]:
    """The names in steps' arguments that look like small text files of the project: templates,
    rules, cards.

    >>> sorted(named_files([{"step": "Generate", "template": "prompts/a.md"}, ["b.toml"]]))
    ['b.toml', 'prompts/a.md']
    """
    if isinstance(steps, Mapping):
        return named_files(list(steps.values()))
    if isinstance(steps, list | tuple):
        return set().union(*map(named_files, steps))
    is_file = isinstance(steps, str) and re.fullmatch(r"[^\n]{1,200}\.(md|toml|txt|jinja)", steps)
    return {steps} if is_file else set()
