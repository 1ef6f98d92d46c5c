"""`engine="vllm:MODEL"`: vLLM itself, launched on this machine and shared by a run's workers.

vllm:Qwen/QwQ-32B                           all visible GPUs, tensor parallel
vllm:Qwen/QwQ-32B@976055f                   this revision
vllm:runs/student?max_model_len=32768       a folder; after `?` any argument of `vllm serve`
vllm:MODEL?tensor_parallel_size=4&pipeline_parallel_size=2&enforce_eager=true
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from curate.engines.lease import URL, SharedServer
from curate.engines.request import Request
from curate.engines.server import Endpoint
from curate.errors import EngineError, UsageError
from curate.notice import notice

PREFIX = "vllm:"
_FORM = "vllm:MODEL, vllm:MODEL@REVISION or vllm:FOLDER, then ?argument=value&argument=value"
_START_S = 3600.0
"""DeepSeek-R1's weights are 689 GB: 20 minutes and more from a network file system."""
_LINGER_S = 10.0
"""A start takes a minute or more, so a worker may take its time between two tasks."""
_SAMPLED_BYTES, _SAMPLES = 65_536, 16

_OURS = {
    **dict.fromkeys(("host", "port", "uds", "root_path", "served_model_name"), "curate sets it"),
    **dict.fromkeys(("ssl_keyfile", "ssl_certfile", "headless", "grpc"), "curate sets it"),
    **dict.fromkeys(("model", "revision"), "write vllm:MODEL@REVISION"),
    "hf_token": "set $HF_TOKEN",
    "api_key": "the server listens on 127.0.0.1 only and needs none",
}
"""Arguments that a spec may not have, and why."""

_SERVING = re.compile(
    r"(tensor|pipeline|data|prefill_context|decode_context)_parallel_.*|(no_)?enable_(expert_"
    r"parallel|eplb|prefix_caching|chunked_prefill|log_.*)|(no_)?(enforce_eager|async_scheduling)"
    r"|disable_(log_.*|uvicorn_.*|access_log_.*|custom_all_reduce)|max_(model_len|num_.*|log_len"
    r"|parallel_loading_workers|cudagraph_capture_size)|gpu_memory_utilization|block_size"
    r"|kv_cache_memory_bytes|num_gpu_blocks_override|compilation_config|optimization_level"
    r"|performance_mode|(cpu_)?offload_.*|distributed_.*|api_server_count|scheduling_policy"
    r"|download_dir|trust_remote_code|stream_interval|(uvicorn_)?log_.*|numa_.*|all2all_backend"
    r"|shutdown_timeout|cudagraph_.*|attention_backend|device_ids|max_parallel_loading_workers"
)
"""Where and how fast it runs, not what it says. Every other argument (dtype, quantization,
chat_template, …) is taken to change the answers, and becomes part of the model's name.
"""


@dataclass(frozen=True)
class VllmSpec:
    """What stands after `engine=`, in its parts."""

    place: str
    """The model's name on the Hub, or its folder."""
    pinned: str | None
    arguments: tuple[tuple[str, str], ...]

    @property
    def folder(self) -> Path | None:
        """The folder that `place` is, if it is one."""
        path = Path(self.place).expanduser()
        if self.place.startswith((".", "/", "~")) or self.place.count("/") > 1 or path.is_dir():
            return path
        return None

    @cached_property
    def name(self) -> str:
        """What the model is called in requests and rows: with all that changes its answers."""
        base = self.folder.resolve().name if self.folder else self.place
        telling = [
            f"{key}={_content(value)}"
            for key, value in sorted(self.arguments)
            if not _SERVING.fullmatch(key)
        ]
        return "?".join(filter(None, (base, "&".join(telling))))

    @property
    def identity(self) -> str:
        """The part of the spec that says what the data is, for a run's fingerprint."""
        return f"{PREFIX}{self.name}" + (f"@{self.pinned}" if self.pinned else "")

    @property
    def revision(self) -> str | None:
        """The revision as given, or a hash of the folder; None when nobody knows."""
        return self.pinned or (revision_of(self.folder) if self.folder else None)

    def words(self) -> list[str]:
        """The arguments as `vllm serve` takes them."""
        given = dict(self.arguments)
        if "tensor_parallel_size" not in given:
            others = int(given.get("pipeline_parallel_size", 1))
            others *= int(given.get("data_parallel_size", 1))
            given["tensor_parallel_size"] = str(max(1, visible_gpus() // others))
        given.setdefault("disable_uvicorn_access_log", "true")  # a line for every request
        words = ["--revision", self.pinned] if self.pinned else []
        for key, value in given.items():
            option = key.replace("_", "-")
            if value == "false":
                words.append(f"--no-{option}")
            else:
                words += [f"--{option}"] if value == "true" else [f"--{option}", value]
        return words


def parse_vllm(spec: str) -> VllmSpec:
    """The parts of `vllm:MODEL[@REVISION][?argument=value&…]`; UsageError for anything else.

    >>> parse_vllm("vllm:Qwen/QwQ-32B@976055f?dtype=float16&max_model_len=32768").identity
    'vllm:Qwen/QwQ-32B?dtype=float16@976055f'
    """
    place, _, query = spec.removeprefix(PREFIX).partition("?")
    pinned = None
    if not Path(place).is_dir():
        place, at, pinned = place.partition("@")
        if at and not pinned:
            raise UsageError(f"engine={spec!r} has no revision after the @; use {_FORM}")
    if not place or place != place.strip():
        raise UsageError(f"engine={spec!r} names no model; use {_FORM}")
    arguments = []
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        key = key.replace("-", "_")
        if not equals or not value or not re.fullmatch(r"[a-z][a-z0-9_.]*", key):
            raise UsageError(f"engine={spec!r}: {part!r} is not argument=value; use {_FORM}")
        if key in _OURS:
            raise UsageError(f"engine={spec!r}: leave {key} out: {_OURS[key]}")
        if key.endswith("_parallel_size") and not re.fullmatch(r"[1-9]\d*", value):
            raise UsageError(f"engine={spec!r}: {key} is a number of GPUs, 1 or more")
        arguments.append((key, unquote(value)))
    if len(dict(arguments)) < len(arguments):
        raise UsageError(f"engine={spec!r} says an argument twice")
    return VllmSpec(place, pinned or None, tuple(arguments))


def check_vllm(spec: str) -> None:
    """Raises UsageError for what no vLLM can be launched with; starts nothing."""
    parse_vllm(spec)


class VllmEngine:
    """A `vllm serve` of our own on 127.0.0.1, its log in OUT/engine.log.

    `say` gets a line every 10 s while it starts.
    """

    kind = "chat"
    default_concurrency = 32
    slots: int | None = None
    license: str | None = None

    def __init__(
        self, spec: str, model: str | None, out: Path, *, say: Callable[[str], None] | None = None
    ) -> None:
        self.spec = parse_vllm(spec)
        self.model = self.spec.name
        self.revision = self.spec.revision
        known = {self.spec.place, self.model}
        if model is not None and model not in known | {f"{m}@{self.revision}" for m in known}:
            raise UsageError(
                f"engine={spec} has one model, {self.model}, not {model!r}; leave model= out"
            )
        self._server = SharedServer(
            title="vLLM",
            identity="\n".join(["vllm", str(out.resolve()), spec, *_visible_devices()]),
            log=out / "engine.log",
            linger_s=_LINGER_S,
            start_s=_START_S,
            say=say or notice,
        )

    def start(self, first: Request | None = None) -> tuple[Endpoint, ...]:
        """The running server, launched if no other worker did; EngineError when it cannot be."""
        return (Endpoint(self._server.start(self._command)),)

    def is_alive(self) -> bool:
        """False once nothing listens any more."""
        return self._server.is_alive()

    def describe_death(self) -> str:
        """One line on an engine that is gone, with what its log says."""
        return self._server.describe_death()

    def close(self) -> None:
        """Gives the server back; it ends when nobody else uses it."""
        self._server.close()

    def _command(self, meeting_place: Path) -> list[str]:
        """The command that serves at a port that is free now, which goes to `url`."""
        binary = vllm_command()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (meeting_place / URL).write_text(f"http://127.0.0.1:{port}/v1", encoding="utf-8")
        place = str(self.spec.folder or self.spec.place)
        where = ["--host", "127.0.0.1", "--port", str(port)]
        # Its usage report would leave the machine, and a key of the user's would lock us out.
        environment = ["env", "-u", "VLLM_API_KEY", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1"]
        return [
            *(*environment, *binary, "serve", place, *where),
            *("--served-model-name", self.model, *self.spec.words()),
        ]


def vllm_command() -> list[str]:
    """The `vllm` command: `$CURATE_VLLM`, else the one of this Python, else the one on the PATH."""
    if own := os.environ.get("CURATE_VLLM", "").strip():
        words = shlex.split(own)
        if shutil.which(words[0]) is None:
            raise UsageError(f"$CURATE_VLLM names {words[0]!r}, which is no command here")
        return words
    beside = Path(sys.executable).with_name("vllm")
    if found := str(beside) if os.access(beside, os.X_OK) else shutil.which("vllm"):
        return [found]
    raise UsageError(
        "vLLM is not installed here; run `pip install 'curate-datasets[vllm]'`, set $CURATE_VLLM to"
        " the command of another environment, or use a server with engine=http://HOST:PORT/v1"
    )


def visible_gpus() -> int:
    """How many GPUs a process started now would see; 0 without a driver."""
    if devices := _visible_devices():
        return len([d for d in devices[0].split(",") if d.strip() not in ("", "-1")])
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in found.stdout.splitlines())


def revision_of(folder: Path) -> str:
    """12 hex digits that change with a model's folder: its small files, and samples of its large.

    Weights of the same shape have files of the same names and sizes, so those alone would take a
    retrained model for the old one.
    """
    if not (folder / "config.json").is_file():
        raise EngineError(f"{folder} is not a model's folder: it has no config.json")
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != "."):
        size = path.stat().st_size
        digest.update(f"{path.name}\n{size}\n".encode())
        with path.open("rb") as file:
            for part in range(_SAMPLES):
                file.seek(part * max(_SAMPLED_BYTES, (size - _SAMPLED_BYTES) // (_SAMPLES - 1)))
                digest.update(file.read(_SAMPLED_BYTES))
    return digest.hexdigest()[:12]


def _content(value: str) -> str:
    """A value; of one that is a file, a hash of what is in it."""
    path = Path(value)
    if len(value) < 1000 and path.is_file():
        return f"{path.name}#{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    return value


def _visible_devices() -> list[str]:
    """What `$CUDA_VISIBLE_DEVICES` says, if it is set."""
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [] if devices is None else [devices]
