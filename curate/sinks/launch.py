"""A training on several devices: `accelerate launch` starts a process for each.

    python -m curate.sinks.launch OUT/student/launch          what each of them runs

The folder holds the job, accelerate's configuration (with DeepSpeed's ZeRO-3 where that is asked
for), the log, what the first process says of its progress, and its result. The processes end with
the task: by the end of their standard input.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.engines.lease import telling_line
from curate.errors import CurateError, RunError
from curate.sinks.atomic import write_text
from curate.sinks.training_job import Job, Report, train

LOOK_S = 0.25


def launched(job: Job, report: Report) -> dict[str, Any]:
    """The result of `train`, from the first of several processes; RunError with what they say."""
    folder = job.folder / "launch"
    folder.mkdir(exist_ok=True)
    for name in ("result.json", "error.json", "progress.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "job.pickle").write_bytes(pickle.dumps(job))
    has_gpu = _check_devices(job)
    config = folder / "accelerate.yaml"
    write_text(
        config, accelerate_config(job.step.common.devices, job.step.common.deepspeed, has_gpu)
    )
    log = folder / "log.txt"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    command += ["-m", "curate.sinks.launch", str(folder)]
    env = os.environ | ({} if has_gpu else {"ACCELERATE_USE_CPU": "true"})
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=env
        )
        try:
            while process.poll() is None:
                time.sleep(LOOK_S)
                report(_read(folder / "progress.json"))
        finally:
            if process.stdin:
                process.stdin.close()
            if process.poll() is None:
                process.terminate()
                process.wait()
    if error := _read(folder / "error.json"):
        raise RunError(error["text"])
    if process.returncode or not (folder / "result.json").exists():
        raise RunError(
            f"{job.step.label}: accelerate ended with status {process.returncode}: "
            f"{telling_line(log)}; its log: {log}"
        )
    return _read(folder / "result.json")


def _check_devices(job: Job) -> bool:
    """True when it trains on GPUs; RunError when there are fewer than asked for."""
    import importlib

    torch: Any = importlib.import_module("torch")
    asked, there = job.step.common.devices, torch.cuda.device_count()
    if there and asked > there:
        raise RunError(
            f"{job.step.label}: devices={asked}, and there are {there} GPUs here; choose "
            f"devices={there}, or give the task more: Stage([...], gpus={asked}), or gpus = "
            f"{asked} for {type(job.step).__name__} in pyproject.toml (docs/executors.md)"
        )
    return there > 0


def accelerate_config(devices: int, deepspeed: bool, has_gpu: bool) -> str:
    """Accelerate's configuration for one machine.

    On a CPU it is that of several GPUs, with the environment saying that there are none: accelerate
    starts several CPU processes with MPI only.
    """
    import yaml

    said: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "DEEPSPEED" if deepspeed else "MULTI_GPU" if devices > 1 else "NO",
        "machine_rank": 0,
        "main_training_function": "main",
        "mixed_precision": "bf16" if has_gpu else "no",
        "num_machines": 1,
        "num_processes": devices,
        "rdzv_backend": "static",
        "same_network": True,
        "main_process_port": 0,
        "use_cpu": False,
    }
    if deepspeed:
        said["deepspeed_config"] = {
            "zero_stage": 3,
            "zero3_init_flag": True,
            "zero3_save_16bit_model": True,
            "offload_optimizer_device": "none",
            "offload_param_device": "none",
            "deepspeed_multinode_launcher": "standard",
        }
    return yaml.safe_dump(said)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def main(folder: Path) -> int:
    """One of the processes; the first says how far they are."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: Job = pickle.loads((folder / "job.pickle").read_bytes())
    is_first = os.environ.get("RANK", "0") == "0"
    told: dict[str, float] = {}

    def report(numbers: Mapping[str, float]) -> None:
        told.update(numbers)
        if is_first:
            write_text(folder / "progress.json", json.dumps(told))

    try:
        result = train(job, report)
    except CurateError as error:
        write_text(folder / "error.json", json.dumps({"text": str(error)}))
        return 1
    if is_first:
        write_text(folder / "result.json", json.dumps(result, default=str))
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a thread may not hold when Python ends
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
