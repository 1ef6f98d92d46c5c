"""From what a person types to an engine: `local`, a trained model, addresses of servers, vLLM.

engine = open_engine("http://node1:8000/v1", model="Qwen/QwQ-32B@976055f", …)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from curate.engines.fleet import another_model
from curate.engines.known import remember_root, root_of
from curate.engines.local import LocalEngine
from curate.engines.request import Request
from curate.engines.server import Endpoint, Engine, key_from_environment, list_models
from curate.engines.store import Store
from curate.engines.trained import TRAINED, TrainedEngine, placed, trained_name
from curate.engines.vllm import PREFIX, VllmEngine, check_vllm, parse_vllm
from curate.errors import EngineError, UsageError
from curate.notice import notice

ALLOWED = (
    "'local' or addresses such as http://HOST:8000/v1,http://OTHER:8000/v1, or vllm:MODEL,"
    " or local:DIR for a trained model"
)
_REACH_S = 10.0


def open_engine(
    spec: str,
    *,
    model: str | None,
    out: Path,
    store: Store,
    slots: int | None = None,
    project: Path | None = None,
) -> Engine:
    """The engine that `spec` names. Nothing is started; a server is asked only which model it has.

    Args:
        model: `NAME` or `NAME@REVISION` at an endpoint; None takes the only one that it serves.
        out: the run directory, where a local engine keeps its log, and a run its trained models.
        store: remembers which model an endpoint served, for when it is gone.
        slots: how many requests a local engine works on at a time.
        project: where folders are looked for; None for the current folder.
    """
    spec = placed(spec, out=out, project=project or Path())
    if spec == "local":
        local = LocalEngine(out, slots=slots)
        if model not in (None, local.model, f"{local.model}@{local.revision}"):
            raise UsageError(
                f"engine=local has one model, {local.model}, not {model!r}; set CURATE_MODEL to"
                " another GGUF file, or use a server with engine=http://HOST:PORT/v1"
            )
        return local
    if spec.startswith(TRAINED):
        trained = TrainedEngine(spec, out, slots=slots)
        if model not in (None, trained.model, f"{trained.model}@{trained.revision}"):
            raise UsageError(
                f"engine={spec} has one model, {trained.model}, not {model!r}; leave model= out"
            )
        return trained
    if spec.startswith(PREFIX):
        return VllmEngine(spec, model, out)
    key = key_from_environment()
    endpoints = [Endpoint(url, key) for url in _checked_urls(spec)]
    name, revision = _split_model(model) if model is not None else (None, None)
    return EndpointEngine(endpoints, name or _only_model(endpoints, store), revision, store)


def check_engine(spec: str) -> None:
    """Raises UsageError for what no engine can be made of; asks nobody."""
    if spec.startswith(PREFIX):
        check_vllm(spec)
    elif spec.startswith(TRAINED):
        trained_name(spec)
    elif spec != "local":
        _checked_urls(spec)


def engine_identity(spec: str) -> str:
    """What an engine says of the data: which model it brings, never where or on what it runs."""
    if spec.startswith(PREFIX):
        return parse_vllm(spec).identity
    if spec.startswith(TRAINED):
        return f"{TRAINED}{trained_name(spec)}"
    return spec if spec == "local" else "endpoint"


class EndpointEngine:
    """Servers that somebody else runs, at one or several addresses, with the same model."""

    kind = "chat"
    default_concurrency = 32
    slots: int | None = None
    license: str | None = None

    def __init__(
        self, endpoints: Sequence[Endpoint], model: str, revision: str | None, store: Store
    ) -> None:
        self.endpoints = tuple(endpoints)
        self.model = model
        self.revision = revision
        self._store = store

    def start(self, first: Request | None = None) -> tuple[Endpoint, ...]:
        """Checks that servers are there and that they serve this model, if they list theirs.

        One of several that is not there may come later; one that serves other models is left out.
        """
        deadline = time.monotonic() + _REACH_S
        found = {endpoint: _models_of(endpoint) for endpoint in self.endpoints}
        while all(isinstance(models, OSError) for models in found.values()):
            if time.monotonic() > deadline:
                url, error = self.endpoints[0].url, found[self.endpoints[0]]
                assert isinstance(error, OSError)
                raise EngineError(nobody(url, error))
            time.sleep(0.5)
            found = {endpoint: _models_of(endpoint) for endpoint in self.endpoints}
        return self._those_that_serve(found)

    def _those_that_serve(
        self, found: dict[Endpoint, dict[str, str] | OSError | None]
    ) -> tuple[Endpoint, ...]:
        serving: list[Endpoint] = []
        wrong: list[str] = []
        for endpoint, models in found.items():
            if isinstance(models, dict) and models and self.model not in models:
                wrong.append(
                    f"{endpoint.url} does not serve {self.model!r}; it serves {', '.join(models)}"
                )
                continue
            root = models.get(self.model, "") if isinstance(models, dict) else ""
            known = next((e for e in serving if e.root), None)
            if known and root and known.root != root:
                raise EngineError(
                    another_model(self.model, endpoint.url, root, known.url, known.root)
                )
            serving.append(replace(endpoint, root=root))
            if not isinstance(models, OSError):
                self._remember(endpoint.url, root)
        if not serving:
            raise EngineError(f"{wrong[0]}: say model=NAME")
        for what in wrong:
            notice(f"{what}: it is left out")
        return tuple(serving)

    def _remember(self, url: str, root: str) -> None:
        """Notes what is behind the name; EngineError when the store's answers are of another."""
        self._store.remember(url, self.model)
        if not root or self.revision is not None:
            return
        before = root_of(self._store.path, self.model)
        if before and root != before:
            where = f"the store {self._store.path}"
            raise EngineError(another_model(self.model, url, root, where, before))
        if not before:
            remember_root(self._store.path, self.model, root)

    def is_alive(self) -> bool:
        """Always: it may come back, and the client decides how long to wait."""
        return True

    def describe_death(self) -> str:
        return nobody(self.endpoints[0].url, OSError("gone"))

    def close(self) -> None:
        """Leaves the servers as they are."""


def _models_of(endpoint: Endpoint) -> dict[str, str] | OSError | None:
    try:
        return list_models(endpoint)
    except OSError as error:
        return error


def nobody(url: str, error: Exception) -> str:
    """What to say when nothing answers at an address."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return (
        f"no engine answers at {url}: {reason.lower()};"
        " start it, or choose another with engine=… (engine=local needs no server)"
    )


def _checked_urls(spec: str) -> list[str]:
    urls = [_checked_url(part.strip()) for part in spec.split(",")]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice:
        raise UsageError(f"engine={spec!r}: {twice} stands there twice")
    return urls


def _checked_url(spec: str) -> str:
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


def _only_model(endpoints: Sequence[Endpoint], store: Store) -> str:
    """The one model that the servers have, or had when they were last used."""
    names: dict[str, str] | None = None
    problem: OSError | None = None
    for endpoint in endpoints:
        try:
            names = list_models(endpoint, timeout_s=5.0)
            break
        except OSError as error:
            problem = problem or error
    else:
        known = next((n for e in endpoints if (n := store.served(e.url))), None)
        if known is None:
            raise EngineError(nobody(endpoints[0].url, problem or OSError("gone"))) from None
        return known
    if names is not None and len(names) == 1:
        return next(iter(names))
    known = f"it serves {', '.join(names)}" if names else "it does not list its models"
    raise UsageError(f"{endpoint.url}: say which model with model=NAME; {known}")
