"""What a server says of its load on `/metrics`, in the words of vLLM or of llama.cpp."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"^(?:vllm|llamacpp):([a-z_]+)(?:\{([^}]*)\})? ([0-9.eE+-]+|NaN|[+-]Inf)\s*$", re.MULTILINE
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Gauges:
    """The load of one server; None where it does not say."""

    running: float
    waiting: float
    kv_usage: float | None = None
    """Share of the KV cache in use, 0 to 1."""
    kv_tokens: float | None = None
    """How many tokens the KV cache holds."""
    preemptions: float | None = None
    """Since the server started: requests that lost their place and were computed again."""


def read_gauges(text: str) -> Gauges | None:
    """The load in a Prometheus text; None when it is of no kind that we know.

    >>> read_gauges('vllm:num_requests_running{engine="0"} 3.0\\nvllm:num_requests_waiting 1\\n')
    Gauges(running=3.0, waiting=1.0, kv_usage=None, kv_tokens=None, preemptions=None)
    >>> read_gauges("llamacpp:requests_processing 2\\nllamacpp:requests_deferred 0\\n").running
    2.0
    """
    sums: dict[str, float] = {}
    labels: dict[str, dict[str, str]] = {}
    engines = 0
    for name, inside, value in _LINE.findall(text):
        sums[name] = sums.get(name, 0.0) + float(value)
        if name == "cache_config_info":
            labels[name] = dict(_LABEL.findall(inside))
            engines += 1
    running = sums.get("num_requests_running", sums.get("requests_processing"))
    if running is None:
        return None
    usage = sums.get("kv_cache_usage_perc", sums.get("gpu_cache_usage_perc"))
    return Gauges(
        running=running,
        waiting=sums.get("num_requests_waiting", sums.get("requests_deferred", 0.0)),
        # One line for each engine of a data-parallel server: the mean is what is in use.
        kv_usage=None if usage is None else usage / max(1, engines),
        kv_tokens=_capacity(labels.get("cache_config_info", {}), engines),
        preemptions=sums.get("num_preemptions_total"),
    )


def _capacity(info: dict[str, str], engines: int) -> float | None:
    """Tokens that the KV cache holds, of the labels of vLLM's `cache_config_info`."""
    for size in (info.get("kv_cache_size_tokens"), info.get("num_gpu_blocks")):
        if size and size.isdigit():
            block = info.get("block_size", "") if size == info.get("num_gpu_blocks") else "1"
            return float(size) * int(block) * engines if block.isdigit() else None
    return None
