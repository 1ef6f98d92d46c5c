"""The embedded model, or a trained one, as a server: llama.cpp on loopback.

`curate.engines.lease` ends it. A model's folder is converted first (`trained_gguf`).

python -m curate.engines.local_server '{"model": FILE, "name": …, "slots": 8, "folder": …}'
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from curate.engines.lease import URL


def main(model: str, name: str, slots: int, folder: str) -> NoReturn:
    """Loads and serves until it is killed; its address is in the folder's `url` once it listens."""
    # Threads that wait must sleep, not spin: with other work on the cores 2 spinning threads make 6
    # tokens/s for 48 processor seconds, where 2 that sleep make 34 for 13 (measured, 2 cores, load
    # 5). Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = model if Path(model).is_file() else converted(model, folder)
    params.model_alias = {name}
    params.n_parallel = slots
    params.n_ctx = 2048 * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores()
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.use_jinja, params.endpoint_metrics, params.verbosity = True, True, -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sys.exit(f"error: cannot load {model}: {error}")
    if params.model.path != model:
        Path(params.model.path).unlink()  # it is mapped into memory
    part = Path(folder, f"{URL}.part")
    part.write_text(f"{server.listening_address}/v1", encoding="utf-8")
    os.replace(part, Path(folder, URL))
    while True:
        signal.pause()


def converted(model: str, folder: str) -> str:
    """The file that a trained model's folder comes to, which lasts until it is loaded."""
    from curate.engines.trained_gguf import to_gguf
    from curate.errors import EngineError

    target = Path(folder, "model.gguf")
    try:
        to_gguf(Path(model), target)
    except (EngineError, OSError) as error:
        target.unlink(missing_ok=True)
        sys.exit(f"error: cannot load {model}: {error}")
    return str(target)


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
