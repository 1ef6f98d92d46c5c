"""vLLM's `/classify` for many conversations at once, through the sample store.

POST /classify {"model": …, "messages": […, {"role": "assistant", …}], "use_activation": false}
        -> {"data": [{"index": 0, "label": "LABEL_1", "probs": [-1.3, 2.1], "num_classes": 2}], …}

Asked for its outputs as they are (vLLM 0.32 applies an activation of the model's own otherwise, and
none to a regression), so that what is made of them is the same for every model.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from curate.engines import wire
from curate.engines.attempt import refusal
from curate.engines.engine import nobody
from curate.engines.http1 import Pool
from curate.engines.request import Completion, Request
from curate.engines.server import Endpoint
from curate.engines.stream import Fault, Refused
from curate.errors import EngineError
from curate.scorers import asking
from curate.scorers.asking import Asker

_WINDOW = 32
"""Requests at a time, as a client begins with."""


def classify_all(asker: Asker, requests: Sequence[Request]) -> list[Completion]:
    """The outputs for each request, as a JSON list in its text; equal ones are asked once.

    Raises EngineError when nobody answers, or no classifier does.
    """
    known = {request.key: asker.store.get(request) for request in requests}
    missing = {request.key: request for request in requests if known[request.key] is None}
    if missing:
        asking_all = _classify(asker, asker.endpoints, list(missing.values()))
        # In a thread of its own: the caller may have an event loop.
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(asyncio.run, asking_all).result()
        known.update(zip(missing, found, strict=True))
    return [answer for request in requests if (answer := known[request.key])]


async def _classify(
    asker: Asker, endpoints: Sequence[Endpoint], requests: Sequence[Request]
) -> list[Completion]:
    places = asyncio.Semaphore(asker.concurrency or _WINDOW)
    async with Pool(asking.PATIENCE.connect_s) as pool:

        async def one(number: int, request: Request) -> Completion:
            async with places:
                completion = await _patiently(pool, endpoints, number, request)
            asker.store.put(request, completion)
            return completion

        return await asyncio.gather(*(one(n, request) for n, request in enumerate(requests)))


async def _patiently(
    pool: Pool, endpoints: Sequence[Endpoint], number: int, request: Request
) -> Completion:
    """The answer of one server after the other; EngineError when there was none for too long."""
    patience, began, last = asking.PATIENCE, time.monotonic(), Fault("nobody was asked")
    for attempt in range(patience.attempts):
        endpoint = endpoints[(number + attempt) % len(endpoints)]
        try:
            return await _ask(pool, endpoint, request)
        except Refused as refused:
            return refusal(request, str(refused))
        except Fault as fault:
            last = fault
        if time.monotonic() - began > patience.trouble_s:
            break
        delay = min(patience.first_delay_s * 2**attempt, patience.longest_delay_s)
        await asyncio.sleep(max(delay * random.uniform(0.5, 1.0), last.retry_after_s))
    raise EngineError(nobody(endpoints[0].url, last))


async def _ask(pool: Pool, endpoint: Endpoint, request: Request) -> Completion:
    """One request over the wire; Fault, Refused or EngineError without an answer."""
    url = f"{endpoint.url.removesuffix('/v1')}/classify"
    question = {"model": request.model, "messages": request.messages, "use_activation": False}
    try:
        body = orjson.dumps(question)
    except TypeError:  # half of a character, which only Python's own encoder writes
        body = json.dumps(question).encode()
    try:
        async with (
            asyncio.timeout(asking.PATIENCE.first_token_s),
            await pool.request("POST", url, body, endpoint.headers) as response,
        ):
            if response.status != 200:
                await wire.check(url, response)
            answer = await response.read()
    except OSError as error:
        raise wire.fault(error) from None
    try:
        found = json.loads(answer)
        outputs = [float(value) for value in found["data"][0]["probs"]]
        used = (found.get("usage") or {}).get("prompt_tokens")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise EngineError(
            f"{url} gives no class probabilities but {answer[:100]!r}; serve a sequence classifier"
            " with: vllm serve NAME --runner pooling"
        ) from None
    return Completion(
        text=json.dumps(outputs),
        finish_reason="stop",
        prompt_tokens=used,
        completion_tokens=0,
        max_tokens=0,
        model=found.get("model"),
    )
