"""What stands in for the `vllm` command in the tests: it starts, serves and dies like it.

    python vllm_stand_in.py serve MODEL --port PORT … [--stand-in WAY]

WAY: `slow` to start, `deaf` to SIGTERM, `out-of-memory` at the start, or `dies-later`, at the
fourth request.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.servers.openai_server import Reply, ScriptedServer

CORE = "(EngineCore pid=8) ERROR 11-22 08:30:01 [core.py:1111] "
API = "(APIServer pid=7) "
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
ASLEEP = "import time; time.sleep(300)"


class StandIn(ScriptedServer):
    """A scripted server that also has `/health`."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /health"):
            self._plain(writer, 200, "")
            return True
        whole = asyncio.StreamReader()
        whole.feed_data(head)
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                whole.feed_data(await reader.readexactly(int(line.split(b":")[1])))
        return await super()._exchange(whole, writer)


def say(*lines: str) -> None:
    """Writes to the log."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(prog="vllm serve")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    for option in ("host", "port", "served-model-name", "tensor-parallel-size", "stand-in"):
        parser.add_argument(f"--{option}")
    for option in ("disable-uvicorn-access-log", "enforce-eager"):
        parser.add_argument(f"--{option}", action="store_true")
    arguments = parser.parse_args()
    way = arguments.stand_in
    say(f"{API}INFO 11-22 08:30:00 [utils.py:1] loading weights")
    if way == "out-of-memory":
        say(f"{CORE}Traceback (most recent call last):")
        say(f"{CORE}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
        say(f"{API}Traceback (most recent call last):")
        say(f"{API}RuntimeError: Engine core initialization failed. See root cause above.")
        sys.exit(1)
    # vLLM has more processes than one, and these do not end with it.
    how = DEAF if way == "deaf" else ASLEEP
    subprocess.Popen([sys.executable, "-c", how, arguments.model])
    subprocess.Popen([sys.executable, "-c", ASLEEP, arguments.model], start_new_session=True)
    if way == "slow":
        time.sleep(2)

    def script(number: int, body: dict[str, Any]) -> Reply:
        if way == "dies-later" and number == 3:
            say(f"{CORE}RuntimeError: CUDA error: device-side assert")
            say(f"{API}EngineDeadError: EngineCore encountered an issue.")
            os._exit(3)
        return Reply(["four"])

    server = StandIn(script, models=[arguments.served_model_name])
    server.port = int(arguments.port)
    with server:
        signal.pause()


if __name__ == "__main__":
    main()
