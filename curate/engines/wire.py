"""How a request goes over the wire, and what each way that a server can fail means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from curate.engines.http1 import HttpError, Response
from curate.engines.request import Request
from curate.engines.server import refused_key
from curate.engines.stream import Fault, Refused
from curate.errors import EngineError
from curate.sample import Turn

_REFUSED = (400, 413, 422)
_BUSY = (429, 503)
_TRANSIENT = (408, 409, 425, *_BUSY)
_LONGEST_WAIT_S = 300.0


def address(url: str, request: Request) -> str:
    """Where a request goes, of a server's address up to `/v1`."""
    return f"{url}/{'completions' if request.kind == 'completions' else 'chat/completions'}"


def body(request: Request) -> bytes:
    """The request's JSON: one completion, streamed, since closing a stream is what frees a slot."""
    values = {
        "model": request.model,
        **_question(request),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "n": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.stop:
        values["stop"] = request.stop
    try:
        return orjson.dumps(values)
    except TypeError:  # half of a character in a prompt, which only Python's own encoder writes
        return json.dumps(values).encode()


def _question(request: Request) -> dict[str, Any]:
    """What is asked, by route; vLLM and llama.cpp continue a last turn of the assistant."""
    if request.kind == "completions":
        text = "\n\n".join(str(turn["content"]) for turn in request.messages)
        return {"prompt": text + request.prefill}
    if not request.prefill:
        return {"messages": request.messages}
    begun = Turn(role="assistant", content=request.prefill)
    return {
        "messages": (*request.messages, begun),
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


async def check(url: str, response: Response) -> None:
    """Returns at the beginning of a stream; else raises Fault, Refused, or EngineError for good."""
    status = response.status
    if status == 200:
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise _strange(f"it answered with {kind or 'no type'}, not with an event stream")
        return
    if status in (401, 403):
        raise EngineError(refused_key(url, status))
    reason = await _reason(response)
    if status in _REFUSED:
        raise Refused(f"HTTP {status}: {reason}")
    if status not in _TRANSIENT and status < 500:
        raise EngineError(
            f"{url} answers HTTP {status}: {reason}; check the address and model=NAME"
        )
    fault = Fault(f"HTTP {status}: {reason}")
    fault.is_busy = status in _BUSY
    fault.retry_after_s = _retry_after_s(response.headers.get("retry-after"))
    raise fault


def fault(error: OSError) -> Fault:
    """What went wrong below HTTP, in words."""
    if isinstance(error, HttpError):
        return Fault(str(error))
    if isinstance(error, ssl.SSLError):
        return _strange(getattr(error, "verify_message", "") or str(error))
    # asyncio puts the address into strerror; what the number means is what a reader wants.
    said = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    found = _strange(said or str(error) or type(error).__name__)
    found.is_connection = True
    return found


def _strange(reason: str) -> Fault:
    found = Fault(reason)
    found.is_unreachable = True
    return found


async def _reason(response: Response) -> str:
    """The first line of what a server says of its refusal."""
    try:
        async with asyncio.timeout(10):
            data = await response.read(4000)
    except OSError:
        data = b""
    text = data.decode(errors="replace")
    with contextlib.suppress(ValueError, AttributeError):  # no JSON object: the body says it all
        found = json.loads(text)
        error = found.get("error", found)
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    return (" ".join(text.split()) or "no reason given")[:300]


def _retry_after_s(value: str | None) -> float:
    """The wait that a server asks for, as seconds or as a date; at most five minutes.

    >>> _retry_after_s("7"), _retry_after_s("soon"), _retry_after_s(None)
    (7.0, 0.0, 0.0)
    """
    if value is None:
        return 0.0
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            wait = 0.0
    return min(max(wait, 0.0), _LONGEST_WAIT_S)
