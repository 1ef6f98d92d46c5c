"""From what a person types to an engine: `local`, or the address of an OpenAI-compatible server.

engine = open_engine("http://node1:8000/v1", model="Qwen/QwQ-32B@976055f", …)
"""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from curate.engines.local import LocalEngine
from curate.engines.server import Endpoint, Engine, key_from_environment, list_models
from curate.engines.store import Store
from curate.errors import EngineError, UsageError

ALLOWED = "'local' or one address such as http://HOST:8000/v1"
_REACH_S = 10.0


def open_engine(
    spec: str, *, model: str | None, out: Path, store: Store, slots: int | None = None
) -> Engine:
    """The engine that `spec` names. Nothing is started; a server is asked only which model it has.


    Args:
        model: `NAME` or `NAME@REVISION` at an endpoint; None takes the only one that it serves.
        out: the run directory, where a local engine keeps its log.
        store: remembers which model an endpoint served, for when it is gone.
        slots: how many requests
            a local engine works on at a time.
    """
    if spec == "local":
        local = LocalEngine(out, slots=slots)
        if model not in (None, local.model, f"{local.model}@{local.revision}"):
            raise UsageError(
                f"engine=local has one model, {local.model}, not {model!r}; set CURATE_MODEL to"
                " another GGUF file, or use a server with engine=http://HOST:PORT/v1"
            )
        return local
    url = _checked_url(spec)
    name, revision = _split_model(model) if model is not None else (None, None)
    endpoint = Endpoint(url, key_from_environment())
    return EndpointEngine(endpoint, name or _only_model(endpoint, store), revision, store)


def check_engine(spec: str) -> None:
    """Raises UsageError for what no engine can be made of; asks nobody."""
    if spec != "local":
        _checked_url(spec)


class EndpointEngine:
    """A server that somebody else runs, at one address."""

    kind = "chat"
    default_concurrency = 32
    license: str | None = None

    def __init__(self, endpoint: Endpoint, model: str, revision: str | None, store: Store) -> None:
        self.endpoint = endpoint
        self.model = model
        self.revision = revision
        self._store = store

    def start(self) -> Endpoint:
        """Checks that the server is there and, if it lists its models, serves this one."""
        url = self.endpoint.url
        deadline = time.monotonic() + _REACH_S
        while True:
            try:
                names = list_models(self.endpoint)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise EngineError(nobody(url, error)) from None
                time.sleep(0.5)
        if names and self.model not in names:
            raise EngineError(
                f"{url} does not serve {self.model!r}; it serves {', '.join(names)}: say model=NAME"
            )
        self._store.remember(url, self.model)
        return self.endpoint

    def is_alive(self) -> bool:
        """Always: it may come back, and the client decides how long to wait."""
        return True

    def describe_death(self) -> str:
        return nobody(self.endpoint.url, OSError("gone"))

    def close(self) -> None:
        """Leaves the server as it is."""


def nobody(url: str, error: Exception) -> str:
    """What to say when nothing answers at an address."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return (
        f"no engine answers at {url}: {reason.lower()};"
        " start it, or choose another with engine=… (engine=local needs no server)"
    )


def _checked_url(spec: str) -> str:
    if "," in spec:
        raise UsageError(f"engine={spec!r}: several addresses are not supported; use {ALLOWED}")
    try:
        parts = urlsplit(spec)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise UsageError(f"engine={spec!r} is not an address; use {ALLOWED}") from None
    if not is_address:
        raise UsageError(f"there is no engine {spec!r}; use {ALLOWED}")
    if parts.username or parts.password:
        raise UsageError("an engine's address holds no password; set $CURATE_API_KEY instead")
    if parts.query or parts.fragment or not parts.path.rstrip("/").endswith("/v1"):
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"
        raise UsageError(f"engine={spec!r} does not end in /v1; did you mean {base}/v1?")
    return spec.rstrip("/")


def _split_model(model: str) -> tuple[str, str | None]:
    name, at, revision = model.partition("@")
    if not name or (at and not revision):
        raise UsageError(f"model={model!r} is neither NAME nor NAME@REVISION")
    return name, revision or None


def _only_model(endpoint: Endpoint, store: Store) -> str:
    """The one model that a server has, or had when it was last used."""
    try:
        names = list_models(endpoint, timeout_s=5.0)
    except OSError as error:
        known = store.served(endpoint.url)
        if known is None:
            raise EngineError(nobody(endpoint.url, error)) from None
        return known
    if names is not None and len(names) == 1:
        return names[0]
    known = f"it serves {', '.join(names)}" if names else "it does not list its models"
    raise UsageError(f"{endpoint.url}: say which model with model=NAME; {known}")
