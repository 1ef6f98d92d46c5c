"""The embedded model: a server on this machine, shared by a run's workers, gone with the last."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

from curate.assets import SMOLLM2, locate, sha256_of
from curate.engines.lease import SharedServer
from curate.engines.request import Request
from curate.engines.server import Endpoint
from curate.engines.shared_prompt import share_prompt
from curate.errors import EngineError

_LINGER_S = 1.5
_START_S = 300.0


class LocalEngine:
    """SmolLM2-135M, or the GGUF that `$CURATE_MODEL` names; `slots` requests at a time."""

    kind = "chat"
    default_concurrency = 8
    license: str | None

    def __init__(self, out: Path, *, slots: int | None = None) -> None:
        self.slots = slots or self.default_concurrency
        self.log = out / "engine.log"
        own = os.environ.get("CURATE_MODEL")
        path = locate(SMOLLM2) if own else None
        self.model = path.stem if path else SMOLLM2.name
        self.license = None if path else SMOLLM2.license
        self.revision: str | None = (sha256_of(path) if path else SMOLLM2.sha256)[:12]
        self._server: SharedServer | None = None

    def start(self, first: Request | None = None) -> tuple[Endpoint, ...]:
        """The running server, started if no other worker did; EngineError when it cannot be."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError(
                "the local engine is not installed; run `pip install 'curate-datasets[local]'`,"
                " or use a server with engine=http://HOST:PORT/v1"
            )
        model = self.file()
        what = {"model": str(model), "name": self.model, "slots": self.slots}

        def command(folder: Path) -> list[str]:
            arguments = json.dumps({**what, "folder": str(folder)})
            return [sys.executable, "-m", "curate.engines.local_server", arguments]

        self._server = SharedServer(
            title="the local engine",
            identity=f"local\n{self.log.resolve()}\n{model.resolve()}\n{self.revision}\n{self.slots}",
            log=self.log,
            linger_s=_LINGER_S,
            start_s=_START_S,
        )
        endpoint = Endpoint(self._server.start(command))
        if first is not None and self._server.folder:
            share_prompt(endpoint, first, self._server.folder, self.slots)
        return (endpoint,)

    def file(self) -> Path:
        """What the server loads."""
        return locate(SMOLLM2)

    def is_alive(self) -> bool:
        """False once nothing listens any more."""
        return self._server is not None and self._server.is_alive()

    def describe_death(self) -> str:
        """One line on an engine that is gone."""
        return self._server.describe_death() if self._server else "the local engine never started"

    def close(self) -> None:
        """Gives the lease back; the server ends when nobody else has one."""
        if self._server is not None:
            self._server.close()
