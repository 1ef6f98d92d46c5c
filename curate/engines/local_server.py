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
import time
from pathlib import Path
from typing import Any, NoReturn

from curate.engines.lease import URL
from curate.engines.shared_prompt import NAMED


def main(model: str, name: str, slots: int, folder: str) -> NoReturn:
    """Loads and serves until it is killed; its address is in the folder's `url` once it listens."""
    # Threads that wait must soon sleep: with other work on the cores 2 spinning threads make 6
    # tokens/s for 48 processor seconds, where 2 that sleep make 34 for 13 (measured, 2 cores, load
    # 5). A thousand turns first, some microseconds: 122 instead of 113 tokens/s on idle cores, 80
    # instead of 57 beside two busy processes. Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = quick(Path(model)) if Path(model).is_file() else converted(model, folder)
    params.model_alias = {name}
    params.n_parallel = slots
    params.n_ctx = 2048 * slots
    # Prompts that slots had read are kept beside them (8 MB each): where templates take turns,
    # their examples are found there. llama.cpp's own limit is 8 GB.
    params.cache_ram_mib = 256
    params.slot_save_path = f"{folder}/"
    for left in Path(folder).glob(f"{NAMED}*"):  # of the server before
        left.unlink()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores()
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.use_jinja, params.endpoint_metrics, params.verbosity = True, True, -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sys.exit(f"error: cannot load {model}: {error}")
    if Path(model).is_dir():
        Path(params.model.path).unlink()  # it is mapped into memory
    part = Path(folder, f"{URL}.part")
    part.write_text(f"{server.listening_address}/v1", encoding="utf-8")
    os.replace(part, Path(folder, URL))
    while True:
        signal.pause()


def quick(model: Path) -> str:
    """The embedded model in 8 bits, kept in the cache (145 MB, made once in 8 s); any other file as
    it is, also one of the same name.

    800 tokens of 8 requests at a time take 12 processor seconds in 8 bits, 20 in its own 4.
    """
    from curate.assets import SMOLLM2, cache_folder, sha256_of
    from curate.engines.trained_gguf import to_q8
    from curate.errors import EngineError

    if sha256_of(model) != SMOLLM2.sha256:
        return str(model)
    cache = cache_folder()
    target = cache / f"{model.stem}-{SMOLLM2.sha256[:12]}-Q8_0.gguf"
    if target.exists():
        return str(target)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for left in cache.glob(f".*-{target.name}"):  # by a process that was killed
            if time.time() - left.stat().st_mtime > 600:
                left.unlink(missing_ok=True)
        part = target.with_name(f".{os.getpid()}-{target.name}")
        try:
            to_q8(model, part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except (EngineError, OSError) as error:
        sys.stderr.write(f"{model.name} is served in 4 bits, which is slower: {error}\n")
        return str(model)
    return str(target)


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
