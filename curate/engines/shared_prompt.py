"""The beginning that prompts have in common, read once for all slots of llama.cpp's server.

Each slot keeps what it has read, and reads only what is new in its next prompt; of a template's
examples, which all prompts begin with, that is nothing. But the first prompts come at once, and
eight slots then read the examples side by side: 350 tokens keep two cores busy for 20 s.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from curate.engines import wire
from curate.engines.request import Request
from curate.engines.server import Endpoint
from curate.sample import digest

NAMED = "prompt-"
"""How our files in a server's folder begin; the server removes those of the one before it."""
_PATIENCE_S = 60.0
"""With a slot that is busy."""


def share_prompt(endpoint: Endpoint, first: Request, folder: Path, slots: int) -> None:
    """Has one slot read a first prompt, and gives all others what it made of it.

    Done once for a server and template, by the worker that comes first; the others wait for it. A
    server that cannot do it is left as it is.
    """
    name = f"{NAMED}{digest(first.messages[:-1])[:16]}"
    state = folder / f"{name}.state"
    question = json.loads(wire.body(replace(first, max_tokens=1))) | {"id_slot": 0}
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        (folder / name).open("ab") as mark,
    ):
        fcntl.flock(mark, fcntl.LOCK_EX)
        if os.fstat(mark.fileno()).st_size:
            return
        mark.write(b"read\n")
        _post(wire.address(endpoint.url, first), question)
        for slot in range(slots):
            action = "restore" if slot else "save"
            address = endpoint.url.removesuffix("/v1") + f"/slots/{slot}?action={action}"
            _post(address, {"filename": state.name})
        state.unlink(missing_ok=True)


def _post(address: str, values: Any) -> None:
    """Whatever it answers; the server closes the connection behind a stream."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE_S)
    with contextlib.closing(connection):
        target = address.partition(parts.netloc)[2]
        headers = {"Content-Type": "application/json"}
        connection.request("POST", target, json.dumps(values), headers)
        connection.getresponse().read()
