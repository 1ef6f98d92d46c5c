"""The servers that one client asks: who is up, who has room, and how long that may take.

A request goes to the server with the most room. One that fails is asked elsewhere; a server that
nobody reaches is out until it answers again; one that refuses the key or the model is out for good,
and only when that is true of all of them the run ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from curate.engines.http1 import Pool
from curate.engines.metrics import Gauges, read_gauges
from curate.engines.pace import Clock, Pace
from curate.engines.server import Endpoint, read_models
from curate.engines.stream import Fault
from curate.errors import EngineError
from curate.notice import notice

_PROBE_S, _LONGEST_PROBE_S = 0.5, 15.0
_LONGEST_PAUSE_S = 60.0
_BROKEN_S = 1.0
"""Of nothing but faults, after which a server that takes connections is out for a while."""


@dataclass(eq=False)
class Host:
    """One server and what is known of it."""

    endpoint: Endpoint
    pace: Pace
    active: int = 0
    has_worked: bool = False
    trouble_since: float | None = None
    """Since when nothing has come back from it but faults."""
    is_down: bool = False
    barred: str | None = None
    """Why it will never be asked again."""
    paused_until: float = 0.0
    faults: int = 0
    busy: int = 0
    """Times in a row that it asked to wait."""
    gauges: Gauges | None = None
    preempted: float = 0.0
    """Preemptions since this client asks it."""
    clock: Clock = field(default_factory=Clock)

    @property
    def url(self) -> str:
        return self.endpoint.url

    @property
    def is_up(self) -> bool:
        return not self.is_down and self.barred is None

    def note_life(self) -> None:
        """It answers."""
        self.has_worked = True
        self.trouble_since = None
        self.faults = self.busy = 0

    def note_load(self, load: Gauges) -> None:
        """Counts preemptions from the first look on; a restarted server begins again at 0."""
        before = self.gauges.preemptions if self.gauges else load.preemptions
        if load.preemptions is not None and before is not None:
            self.preempted += max(0.0, load.preemptions - before)
        self.gauges = load

    def trouble_s(self) -> float:
        """For how long there have been only faults; the clock starts with the first."""
        now = time.monotonic()
        self.trouble_since = self.trouble_since or now
        return now - self.trouble_since


class Fleet:
    """The servers of a run; `total` is how many requests at a time, None lets each find its own."""

    def __init__(
        self, endpoints: Sequence[Endpoint], model: str, *, total: int | None, start: int
    ) -> None:
        each = -(-start // len(endpoints))
        self.hosts = [Host(endpoint, Pace(each)) for endpoint in endpoints]
        self.model, self.total = model, total
        self.on_room: Callable[[], None] = lambda: None
        """Called when there may be more room than before."""

    @property
    def capacity(self) -> int:
        """How many requests may be in flight now."""
        if self.total is not None:
            return self.total
        up = [host.pace.limit for host in self.hosts if host.is_up]
        return sum(up) or 1

    @property
    def usable(self) -> list[Host]:
        return [host for host in self.hosts if host.barred is None]

    def pick(self, active: int, avoid: Host | None = None) -> Host | None:
        """The server with the most room, another than `avoid` where there is one; None: wait."""
        if self.total is not None and active >= self.total:
            return None
        now = time.monotonic()
        ready = [h for h in self.hosts if h.is_up and h.paused_until <= now]
        if self.total is None:
            ready = [h for h in ready if h.active < h.pace.limit]
        if not ready:
            return self._anybody(active) if not any(h.is_up for h in self.hosts) else None
        others = [h for h in ready if h is not avoid] or ready
        if self.total is None:
            return min(others, key=lambda h: h.active / h.pace.limit)
        return min(others, key=lambda h: h.active)

    def _anybody(self, active: int) -> Host | None:
        """With every server out one request at a time still tries, so that its fault is seen."""
        tried = [host for host in self.usable if not active]
        return min(tried, key=lambda h: h.trouble_since or 0.0, default=None)

    def note_fault(self, host: Host, fault: Fault) -> None:
        """An attempt failed; a server that is gone is out until it answers again."""
        trouble_s = host.trouble_s()
        if fault.is_busy:
            host.pace.busy()
            host.busy += 1
            if host.busy > 1:  # once may be one request's bad luck
                resumes = time.monotonic() + min(fault.retry_after_s, _LONGEST_PAUSE_S)
                host.paused_until = max(host.paused_until, resumes)
            return
        host.faults += 1
        is_broken = host.faults >= 5 and trouble_s > _BROKEN_S
        is_out = is_broken or (fault.is_connection and host.faults >= 2)
        if is_out and not host.is_down and len(self.usable) > 1:
            host.is_down = True
            notice(f"{host.url} is out: {fault}; its requests go to the others until it is back")

    def bar(self, host: Host, why: str) -> bool:
        """Takes a server out for good; False when it is the last one."""
        if host.barred is None and len(self.usable) > 1:
            host.barred = why
            notice(f"{why}; it is left out, the others go on")
        return host.barred is not None

    async def attend(self, pool: Pool, tokens: Callable[[Host], int]) -> None:
        """Looks after the servers for ever: reads loads, takes back those that return.

        Raises EngineError when another model has come behind the same name. `tokens` says how many
        answer tokens a server has in flight for us.
        """
        await asyncio.gather(*(self._attend_one(host, pool, tokens) for host in self.hosts))

    async def _attend_one(self, host: Host, pool: Pool, tokens: Callable[[Host], int]) -> None:
        probe_s, has_metrics = _PROBE_S, True
        while host.barred is None:
            if host.is_down:
                await asyncio.sleep(probe_s)
                probe_s = min(_LONGEST_PROBE_S, 2 * probe_s)
                if await self._is_back(host, pool):
                    host.is_down, host.faults, host.trouble_since = False, 0, None
                    probe_s = _PROBE_S
                    notice(f"{host.url} is back")
                    self.on_room()
                continue
            if self.total is not None or not has_metrics:
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(host.clock.wait_s)
            load = await _load(host, pool)
            has_metrics = load is not None or host.gauges is not None or not host.has_worked
            if load is None:
                continue
            host.note_load(load)
            before = host.pace.limit
            host.pace.gauged(load, host.active, tokens(host))
            if host.pace.limit > before:
                self.on_room()

    async def _is_back(self, host: Host, pool: Pool) -> bool:
        try:
            async with (
                asyncio.timeout(10),
                await pool.request(
                    "GET", f"{host.url}/models", b"", host.endpoint.headers
                ) as response,
            ):
                models = read_models(await response.read()) if response.status == 200 else None
                if response.status >= 500:
                    return False
        except OSError:
            return False
        self.check(host, models)
        return True

    def check(self, host: Host, models: dict[str, str] | None) -> None:
        """Takes note of what a server serves; EngineError when it is another model than ours."""
        if models is None or self.model not in models:
            return
        root = models[self.model]
        known = next((h.endpoint for h in self.hosts if h.endpoint.root), None)
        if known and root and root != known.root:
            raise EngineError(another_model(self.model, host.url, root, known.url, known.root))


def another_model(model: str, url: str, root: str, where: str, before: str) -> str:
    """What to say when one name stands for two models."""
    return (
        f"another model is behind the name {model!r}: {root} at {url}, {before} at {where};"
        " their answers must not be mixed: give one of them another name"
        " (vllm serve --served-model-name), or say which with model=NAME@REVISION"
    )


async def _load(host: Host, pool: Pool) -> Gauges | None:
    url = f"{host.url.removesuffix('/v1')}/metrics"
    with contextlib.suppress(OSError, ValueError):
        headers = host.endpoint.headers
        async with asyncio.timeout(5), await pool.request("GET", url, b"", headers) as response:
            if response.status == 200:
                return read_gauges((await response.read()).decode(errors="replace"))
    return None
