"""Processes of `curate publish` that start in milliseconds and can be killed.

A process imports the client once, with the environment of its Hub, and forks a child for every
command line that it reads; the child has the command's own exit status.

    python -m benchmarks.publish_process LOG      # a JSON list a line in; pid, then status out
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

FIRST_WAIT_S = 0.05
"""Before the publisher's second attempt; half a second for people."""


class Publishers:
    """Starts publishes one after the other; a context."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.environment, self.log = environment, log

    def __enter__(self) -> Publishers:
        self.server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.publish_process", str(self.log)],
            env={**os.environ, **self.environment},
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.server.communicate(timeout=60)

    def run(self, *arguments: str, kill_after_s: float | None = None) -> int:
        """The exit status of `curate ARGUMENTS`; -9 when it was killed."""
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(arguments) + "\n")
        self.server.stdin.flush()
        self.pid = int(self.server.stdout.readline())
        clock = threading.Timer(kill_after_s or 0, self.kill)
        if kill_after_s is not None:
            clock.start()
        status = int(self.server.stdout.readline())
        clock.cancel()
        return status

    def kill(self) -> None:
        """Ends the publish that runs, at once, unless it has just ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def serve(log: Path) -> None:
    """Forks for every line of standard input."""
    import huggingface_hub.hf_api  # noqa: F401

    import curate.sinks.difference
    import curate.sinks.release  # noqa: F401
    from curate.cli import main
    from curate.sinks import hub_errors

    hub_errors.FIRST_WAIT_S = FIRST_WAIT_S
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
            status = 1
            try:
                status = main(json.loads(line))
            except SystemExit as exit:
                status = exit.code if isinstance(exit.code, int) else 1
            finally:
                sys.stdout.flush()
                os._exit(status)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, ended = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
