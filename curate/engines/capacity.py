"""How a model must be served: which parallel layout fits some GPUs, and how many requests then do.

    curate plan --serve deepseek-ai/DeepSeek-R1 --gpus 16xH100 --context 16384 --mean-tokens 6000

Arithmetic over a model's `config.json`; nothing is loaded or asked. docs/planning.md compares it
with four published deployments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from curate.engines.model_size import GIB, Model, find_model
from curate.errors import UsageError

GPUS = {
    "H100": 79.2,
    "H200": 139.7,
    "A100": 79.2,
    "A100-40G": 39.4,
    "L40S": 44.4,
    "RTX4090": 23.6,
}
"""GiB that CUDA reports, which is less than the GB of the name; vLLM logs 79.22, 139.72 and 23.58
(issues 10511, 13074, 14447).
"""

ALLOWANCE_GIB, ALLOWANCE_SHARE = 1.0, 0.05
"""What vLLM takes beside weights and KV cache: activations, CUDA graphs, NCCL. An assumption, 1 GiB
and a twentieth of the GPU, near what logs say: 3.1 GiB of an H100 with Llama-3-8B, 4.8 GiB with two
of them (vllm pull request 10511); 7.6 GiB of an H200 follows from DeepSeek-R1's 54,560 tokens on 8.
"""

ENOUGH_REQUESTS = 32
"""A layout that holds so many is not made larger: what Open-R1 chose four nodes for (Update #1)."""

CONTEXT = 32_768
"""The longest answers of R1's evaluation (paper v1, section 3)."""

MOST_SEQUENCES = 512
"""The largest batch that vLLM captures CUDA graphs for; decoding more is slower for each."""

MEAN_TOKENS = 6_000
"""Mean length of R1's answers in OpenThoughts (Open-R1, Update #1)."""


@dataclass(frozen=True)
class Cluster:
    """Equal nodes of equal GPUs."""

    nodes: int
    per_node: int
    gpu: str

    @property
    def gpus(self) -> int:
        return self.nodes * self.per_node


def read_gpus(text: str) -> Cluster:
    """`8xH100`, `16xH100` (nodes of 8), or `4x4xA100-40G` (nodes, GPUs of a node, which).

    >>> read_gpus("16xH100")
    Cluster(nodes=2, per_node=8, gpu='H100')
    """
    match = re.fullmatch(r"(?:(\d{1,4})x)?(?:(\d{1,5})x)?([A-Za-z].*)", text.strip())
    counts = [int(n) for n in match.groups()[:2] if n] if match else []
    if not match or 0 in counts:
        raise UsageError(f"--gpus {text}: say how many and which, as in 8xH100 or 2x8xH100")
    known = {name.lower(): name for name in GPUS}
    gpu = known.get(match[3].lower())
    if gpu is None:
        near = get_close_matches(match[3].lower(), known, 1)
        hint = f"did you mean {known[near[0]]}?" if near else f"there is: {', '.join(GPUS)}"
        raise UsageError(f"--gpus {text}: there is no GPU {match[3]!r}; {hint}")
    if len(counts) == 2:
        return Cluster(counts[0], counts[1], gpu)
    count = counts[0] if counts else 1
    if count > 8 and count % 8:
        raise UsageError(
            f"--gpus {text}: {count} are no whole nodes of 8; say nodes and GPUs of a node, "
            f"as in 2x4x{gpu}"
        )
    return Cluster(max(1, count // 8), min(count, 8), gpu)


@dataclass(frozen=True)
class Need:
    """What is to be served, and how much of the memory vLLM may take (its own default is 0.9)."""

    context: int | None = None
    """Tokens of the longest request; None for 32,768, or for what the model takes if that is less.
    """
    mean_tokens: int = MEAN_TOKENS
    kv_bytes: int = 2
    gpu_memory: float = 0.9
    mla: bool = True


@dataclass(frozen=True)
class Layout:
    """One way to share a model out: `tensor_parallel` GPUs of a node, `pipeline_parallel` such
    groups one after the other, and as many replicas as there is room for.
    """

    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    weight_gib: float
    """On the GPU that has most of it; so is the next."""
    kv_bytes_per_token: int
    kv_tokens: int
    """That one replica holds."""
    replicas_of_a_server: int
    context: int
    mean_tokens: int

    @property
    def servers(self) -> int:
        return self.replicas // self.replicas_of_a_server

    @property
    def gpus(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel * self.replicas

    @property
    def requests(self) -> int:
        """Of mean length, that one replica holds at a time; each counts with its whole length."""
        return self.kv_tokens // self.mean_tokens

    @property
    def sequences(self) -> int:
        """As many as one replica should decode at a time."""
        return max(1, min(self.requests, MOST_SEQUENCES))

    @property
    def full_requests(self) -> int:
        """Of the full context, that one replica holds at a time."""
        return self.kv_tokens // self.context


def layouts(model: Model, cluster: Cluster, need: Need) -> Iterator[Layout]:
    """Every layout in the order of its size: tensor parallel inside of a node first, then whole
    nodes as a pipeline.
    """
    inside = [t for t in range(1, cluster.per_node + 1) if _divides(model, t)]
    for tensor in inside:
        yield _layout(model, cluster, need, tensor, 1)
    for pipeline in range(2, min(cluster.nodes, model.layers) + 1):
        yield _layout(model, cluster, need, inside[-1], pipeline)


def _divides(model: Model, tensor: int) -> bool:
    """vLLM's own conditions: heads are shared out evenly, key-value heads too or one a GPU."""
    shares_kv = model.kv_heads % tensor == 0 or tensor % model.kv_heads == 0
    return model.heads % tensor == 0 and shares_kv


def _layout(model: Model, cluster: Cluster, need: Need, tensor: int, pipeline: int) -> Layout:
    stage = -(-model.layers // pipeline)
    embeddings = model.embedding_parameters * 2 / (1 if pipeline == 1 or model.tied else 2)
    layers = model.layer_parameters * model.bits / 8 * stage / model.layers
    weights = (layers + embeddings) / tensor
    memory = GPUS[cluster.gpu] * GIB
    left = memory * need.gpu_memory - weights - ALLOWANCE_GIB * GIB - ALLOWANCE_SHARE * memory
    per_token = model.kv_values(tensor, need.mla) * need.kv_bytes * stage
    in_node = cluster.per_node // tensor
    return Layout(
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        replicas=in_node * cluster.nodes if pipeline == 1 else cluster.nodes // pipeline,
        weight_gib=weights / GIB,
        kv_bytes_per_token=per_token,
        kv_tokens=max(0, int(left // per_token)),
        replicas_of_a_server=in_node if pipeline == 1 else 1,
        context=(context := need.context or CONTEXT),
        mean_tokens=min(need.mean_tokens, context),
    )


def plan_serving(model: Model, cluster: Cluster, need: Need) -> Layout:
    """The smallest layout whose replica holds 32 requests of mean length; where none does, the one
    that holds most of them in all.

    A replica must hold one request of the full context, else vLLM does not start: UsageError says
    what is short.
    """
    longest = model.max_context
    if longest and need.context and need.context > longest:
        raise UsageError(f"--context {need.context}: {model.name} goes to {longest:,} tokens")
    need = replace(need, context=need.context or min(CONTEXT, longest or CONTEXT))
    found = list(layouts(model, cluster, need))
    fitting = [layout for layout in found if layout.full_requests]
    if not fitting:
        best = max(found, key=lambda layout: layout.kv_tokens)
        short = (
            f"the KV cache has room for {best.kv_tokens:,} tokens, a request for {need.context:,}"
            if best.kv_tokens
            else f"{model.weight_bytes / GIB:,.0f} GiB of weights leave no room for a KV cache"
        )
        raise UsageError(
            f"{model.name} does not fit {cluster.gpus} x {cluster.gpu}: {short}; "
            "give more GPUs with --gpus, or a shorter --context"
        )
    enough = [layout for layout in fitting if layout.requests >= ENOUGH_REQUESTS]
    return enough[0] if enough else max(fitting, key=lambda plan: plan.requests * plan.replicas)


def serve_command(model: Model, plan: Layout, need: Need) -> str:
    """The `vllm serve` of one server: a node with all its replicas, or a pipeline over nodes."""
    inside = plan.replicas_of_a_server
    words = ["VLLM_MLA_DISABLE=1"] if model.latent and not need.mla else []
    words += ["vllm serve", model.name, f"--tensor-parallel-size {plan.tensor_parallel}"]
    if plan.pipeline_parallel > 1:
        words.append(f"--pipeline-parallel-size {plan.pipeline_parallel}")
        words.append("--distributed-executor-backend ray")
    if inside > 1:
        words.append(f"--data-parallel-size {inside}")
    words.append(f"--max-model-len {plan.context}")
    words.append(f"--max-num-seqs {plan.sequences}")
    words.append(f"--gpu-memory-utilization {need.gpu_memory:g}")
    if need.kv_bytes == 1:
        words.append("--kv-cache-dtype fp8")
    return " ".join(words)


def facts(model: Model, cluster: Cluster, plan: Layout, need: Need) -> dict[str, Any]:
    """A plan in numbers, for `--json`."""
    return {
        "model": model.name,
        "parameters": model.parameters,
        "weight_bytes": round(model.weight_bytes),
        "gpus": {"nodes": cluster.nodes, "per_node": cluster.per_node, "gpu": cluster.gpu},
        "tensor_parallel": plan.tensor_parallel,
        "pipeline_parallel": plan.pipeline_parallel,
        "replicas": plan.replicas,
        "servers": plan.servers,
        "weight_gib_per_gpu": round(plan.weight_gib, 1),
        "kv_bytes_per_token_per_gpu": plan.kv_bytes_per_token,
        "kv_tokens_per_replica": plan.kv_tokens,
        "mean_tokens": plan.mean_tokens,
        "context": plan.context,
        "requests_per_replica": plan.requests,
        "full_requests_per_replica": plan.full_requests,
        "requests": plan.requests * plan.replicas,
        "command": serve_command(model, plan, need),
    }


def describe_serving(model: Model, cluster: Cluster, plan: Layout, need: Need) -> str:
    """A plan in words: the layout, what fits, and the commands that do it."""
    idle = cluster.gpus - plan.gpus
    unused = f"; {idle} GPUs are left over" if idle else ""
    ray = "Ray over the nodes of each pipeline first (ray start --head; ray start --address=…)."
    urls = [f"http://NODE{n + 1}:8000/v1" for n in range(min(plan.servers, 3))]
    more = ",…" if plan.servers > 3 else ""
    servers = "one server" if plan.servers == 1 else f"{plan.servers} servers, each"
    lines = [
        f"{model.name}: {model.parameters / 1e9:,.1f} B parameters, "
        f"{model.weight_bytes / GIB:,.1f} GiB of weights",
        f"{cluster.nodes} x {cluster.per_node} x {cluster.gpu}: tensor parallel "
        f"{plan.tensor_parallel}, pipeline parallel {plan.pipeline_parallel}, "
        f"{plan.replicas} replica{'s' * (plan.replicas > 1)}{unused}",
        f"a GPU of {GPUS[cluster.gpu]:g} GiB: {plan.weight_gib:,.1f} GiB of weights, "
        f"{plan.kv_bytes_per_token * plan.kv_tokens / GIB:,.1f} GiB of KV cache",
        f"a replica holds {plan.kv_tokens:,} tokens: {plan.requests:,} requests of "
        f"{plan.mean_tokens:,} tokens, {plan.full_requests:,} of {plan.context:,}",
        f"in all {plan.requests * plan.replicas:,} requests of mean length at a time",
        "",
        *([ray] if plan.pipeline_parallel > 1 else []),
        f"{servers}:",
        f"  {serve_command(model, plan, need)}",
        "then:",
        f"  curate run FILE engine={','.join(urls)}{more} model={model.name} "
        f"concurrency={plan.sequences * plan.replicas}",
    ]
    return "\n".join(lines)


def serving_text(name: str, gpus: str, need: Need, *, as_json: bool) -> str:
    """What `curate plan --serve NAME` prints."""
    model, cluster = find_model(name), read_gpus(gpus)
    plan = plan_serving(model, cluster, need)
    if as_json:
        return json.dumps(facts(model, cluster, plan, need), indent=2)
    return describe_serving(model, cluster, plan, need)
