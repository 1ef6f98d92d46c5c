"""`engine="local:DIR"`: a model that was trained, served on this machine as the embedded one is.

local:OUT/student               what a trainer of the same run wrote, when its turn comes
local:runs/tiny_r1/student      a folder of the project, with config.json and *.safetensors

Its answers go to the store under the folder's name and a hash of everything in it that answers, so
a model that was trained again never gets the old one's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from curate.engines.local import LocalEngine
from curate.engines.trained_gguf import gguf_package, read_shape
from curate.engines.weights import FILES
from curate.errors import EngineError, UsageError

TRAINED = "local:"
FROM_RUN = "OUT/"
"""Begins the folder that an earlier step of the same run wrote."""
_ANSWERING = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class TrainedEngine(LocalEngine):
    """A trained model's folder, converted when the server starts; `slots` requests at a time."""

    revision: str | None
    license: str | None

    def __init__(self, spec: str, out: Path, *, slots: int | None = None) -> None:
        self.slots = slots or self.default_concurrency
        self.log, self._server = out / "engine.log", None
        self.model, self.license = trained_name(spec), None
        self.folder = Path(spec.removeprefix(TRAINED))
        files = model_files(self.folder)
        if not any(path.match(FILES) for path in files):
            raise EngineError(
                f"there is no trained model in {self.folder} (no *.safetensors); name the folder "
                "that a trainer wrote, as in engine=local:OUT/student after SFT(…)"
            )
        self.revision = revision_of(files)

    def file(self) -> Path:
        """The folder, when it is one that can be served; the server converts it."""
        gguf_package()
        read_shape(self.folder)
        return self.folder


def placed(spec: str, *, out: Path, project: Path) -> str:
    """A spec with the place of the folder that it names: in this run (`OUT/…`), or the project.

    >>> placed("local:OUT/student", out=Path("/runs/a"), project=Path())
    'local:/runs/a/student'
    >>> placed("vllm:OUT/student?max_model_len=2048", out=Path("/runs/a"), project=Path())
    'vllm:/runs/a/student?max_model_len=2048'
    """
    kind, colon, rest = spec.partition(":")
    name, mark, arguments = rest.partition("?")
    if kind not in ("local", "vllm") or not name:
        return spec
    if name.startswith(FROM_RUN):
        folder = out / name.removeprefix(FROM_RUN)
    elif (project / name).is_dir():
        folder = project / name
    else:
        return spec
    return f"{kind}{colon}{folder}{mark}{arguments}"


def trained_name(spec: str) -> str:
    """What the model is called in rows and in the store; UsageError for a spec without a folder.

    >>> trained_name("local:runs/tiny_r1/student")
    'student'
    """
    place = spec.removeprefix(TRAINED)
    if not (name := Path(place).name) or place != place.strip():
        raise UsageError(
            f"engine={spec!r} names no folder; write local:DIR, as in local:OUT/student"
        )
    return name


def trained_files(spec: str, project: Path) -> list[Path]:
    """The files of a project's own model that `spec` names, part of what a run's data is.

    None of a folder that the run itself makes: the steps that make it say what it is.
    """
    if not spec.startswith(TRAINED) or spec.startswith(TRAINED + FROM_RUN):
        return []
    return model_files(project / spec.removeprefix(TRAINED))


def revision_of(files: Iterable[Path]) -> str:
    """12 hex digits that change with any byte of the files; of 135M parameters it takes 0.2 s."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(f"{path.name}\n".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def model_files(folder: Path) -> list[Path]:
    """What in a model's folder decides its answers, by name."""
    names = (folder / name for name in _ANSWERING)
    return sorted(path for path in (*folder.glob(FILES), *names) if path.is_file())
