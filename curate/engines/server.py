"""What a model server is to us: an address, a key, and the models that it lists."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Protocol

from curate.engines.request import Request
from curate.errors import EngineError

KEYS = ("CURATE_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server: its address up to `/v1`, and the key, which is never shown."""

    url: str
    key: str | None = field(default=None, repr=False)
    root: str = ""
    """What is behind the served name, where the server says."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


class Engine(Protocol):
    """Who answers. What it is called is known without starting it, so that a replay needs none."""

    model: str
    revision: str | None
    kind: str
    license: str | None
    """Under which the model is, where that is known."""
    default_concurrency: int
    """Requests at a time, to begin with."""

    @property
    def slots(self) -> int | None:
        """How many it works on at a time, where that is fixed."""
        ...

    def start(self, first: Request | None = None) -> tuple[Endpoint, ...]:
        """Makes it ready; called once, before the first request, which it may prepare for: most
        that follow begin alike. Raises EngineError.
        """
        ...

    def is_alive(self) -> bool:
        """False when it is gone for good and only a new run can bring it back."""
        ...

    def describe_death(self) -> str:
        """One line that says what happened to an engine that is not alive, and what to do."""
        ...

    def close(self) -> None:
        """Ends what `start` began."""
        ...


def key_from_environment() -> str | None:
    """The first API key that the environment has."""
    return next((key for name in KEYS if (key := os.environ.get(name, "").strip())), None)


def refused_key(url: str, status: int) -> str:
    """What to say when a server wants another key."""
    have = next((f"the key in ${name}" for name in KEYS if os.environ.get(name, "").strip()), None)
    what = f"does not accept {have}" if have else "wants an API key"
    return f"{url} {what} (HTTP {status}); set $CURATE_API_KEY and run the same command again"


def list_models(endpoint: Endpoint, timeout_s: float = 10.0) -> dict[str, str] | None:
    """The models that a server has, and what is behind each name, as far as it says (vLLM: `root`).

    None when it has no list. OSError when nobody is there.
    """
    request = urllib.request.Request(f"{endpoint.url}/models", headers=endpoint.headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=timeout_s) as response:
            return read_models(response.read())
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise EngineError(refused_key(endpoint.url, error.code)) from None
        return None
    except http.client.HTTPException:
        return None
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error)) from None


def read_models(data: bytes) -> dict[str, str] | None:
    """The names and roots in the answer of `/models`; None when it is no such answer.

    >>> read_models(b'{"data": [{"id": "r1", "root": "/models/r1"}, {"id": "m"}]}')
    {'r1': '/models/r1', 'm': ''}
    """
    try:
        return {str(m["id"]): str(m.get("root") or "") for m in json.loads(data)["data"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
