"""How large a model is: its weights and what it keeps for a token, from its `config.json`.

>>> find_model("deepseek-r1").parameters // 10**9
671
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from curate.errors import UsageError

GIB = 2**30


@dataclass(frozen=True)
class Model:
    """What of a model decides about memory; lengths in elements, as `config.json` has them."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied: bool = False
    bits: float = 16
    """Of a weight in a linear layer; embeddings and norms stay at 16."""
    max_context: int | None = None
    latent: Latent | None = None
    experts: Experts | None = None

    @property
    def embedding_parameters(self) -> int:
        """Input embedding and output head, one matrix when they are tied."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def layer_parameters(self) -> int:
        """The linear weights of all layers; norms and biases, below 0.1 %, are left out."""
        dense = 3 * self.hidden * self.intermediate
        if not self.experts:
            return self.layers * (self._attention() + dense)
        moe = self.experts.parameters(self.hidden)
        sparse = self.layers - self.experts.dense_layers
        return self.layers * self._attention() + self.experts.dense_layers * dense + sparse * moe

    @property
    def parameters(self) -> int:
        return self.layer_parameters + self.embedding_parameters

    @property
    def weight_bytes(self) -> float:
        return self.layer_parameters * self.bits / 8 + self.embedding_parameters * 2

    def kv_values(self, tensor_parallel: int, mla: bool = True) -> int:
        """Values that one GPU keeps for one token in one layer.

        A latent is the same for all heads, so each GPU keeps it whole; heads are shared out until
        there is one a GPU. Without MLA vLLM pads the values to the length of the keys.
        """
        if self.latent and mla:
            return self.latent.kv_rank + self.latent.rope_dim
        if self.latent:
            return (
                2 * (self.heads // tensor_parallel) * (self.latent.nope_dim + self.latent.rope_dim)
            )
        return 2 * max(1, self.kv_heads // tensor_parallel) * self.head_dim

    def _attention(self) -> int:
        if self.latent:
            return self.latent.parameters(self.hidden, self.heads)
        return self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2, section 2.1)."""

    q_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    v_dim: int

    def parameters(self, hidden: int, heads: int) -> int:
        q_dim = heads * (self.nope_dim + self.rope_dim)
        query = self.q_rank * (hidden + q_dim) if self.q_rank else hidden * q_dim
        down = hidden * (self.kv_rank + self.rope_dim)
        up = self.kv_rank * heads * (self.nope_dim + self.v_dim)
        return query + down + up + heads * self.v_dim * hidden


@dataclass(frozen=True)
class Experts:
    """A mixture of experts; all of them are in memory, whichever a token uses."""

    routed: int
    intermediate: int
    shared_intermediate: int = 0
    dense_layers: int = 0

    def parameters(self, hidden: int) -> int:
        return hidden * (
            3 * (self.routed * self.intermediate + self.shared_intermediate) + self.routed
        )


def _dense(
    shape: tuple[int, int, int, int, int, int], context: int, tied: bool = False
) -> dict[str, Any]:
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads")
    shown = dict(zip((*names, "intermediate_size", "vocab_size"), shape, strict=True))
    return {**shown, "head_dim": 128, "tie_word_embeddings": tied} | {
        "max_position_embeddings": context
    }


_QWEN_1B, _QWEN_7B = (28, 1536, 12, 2, 8960, 151936), (28, 3584, 28, 4, 18944, 152064)
_QWEN_14B, _QWEN_32B = (48, 5120, 40, 8, 13824, 152064), (64, 5120, 40, 8, 27648, 152064)
_QWEN_72B = (80, 8192, 64, 8, 29568, 152064)
_LLAMA_8B, _LLAMA_70B = (32, 4096, 32, 8, 14336, 128256), (80, 8192, 64, 8, 28672, 128256)
_DEEPSEEK = {
    **{"num_hidden_layers": 61, "hidden_size": 7168, "num_attention_heads": 128},
    **{"num_key_value_heads": 128, "intermediate_size": 18432, "vocab_size": 129280},
    **{"q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64},
    **{"v_head_dim": 128, "n_routed_experts": 256, "n_shared_experts": 1},
    **{"moe_intermediate_size": 2048, "first_k_dense_replace": 3},
    **{"max_position_embeddings": 163840, "quantization_config": {"quant_method": "fp8"}},
}
KNOWN: dict[str, dict[str, Any]] = {
    "deepseek-ai/DeepSeek-R1": _DEEPSEEK,
    "deepseek-ai/DeepSeek-R1-Zero": _DEEPSEEK,
    "deepseek-ai/DeepSeek-V3": _DEEPSEEK,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _dense(_QWEN_1B, 131072),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": _dense(_QWEN_7B, 131072),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": _dense(_QWEN_14B, 131072),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": _dense(_QWEN_32B, 131072),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": _dense(_LLAMA_8B, 131072),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": _dense(_LLAMA_70B, 131072),
    "meta-llama/Llama-3.1-8B-Instruct": _dense(_LLAMA_8B, 131072),
    "meta-llama/Llama-3.1-70B-Instruct": _dense(_LLAMA_70B, 131072),
    "meta-llama/Llama-3.3-70B-Instruct": _dense(_LLAMA_70B, 131072),
    "Qwen/QwQ-32B": _dense(_QWEN_32B, 40960),
    "Qwen/Qwen2.5-1.5B-Instruct": _dense(_QWEN_1B, 32768, tied=True),
    "Qwen/Qwen2.5-7B-Instruct": _dense(_QWEN_7B, 32768),
    "Qwen/Qwen2.5-14B-Instruct": _dense(_QWEN_14B, 32768),
    "Qwen/Qwen2.5-32B-Instruct": _dense(_QWEN_32B, 32768),
    "Qwen/Qwen2.5-72B-Instruct": _dense(_QWEN_72B, 32768),
    "Qwen/Qwen3-8B": _dense((36, 4096, 32, 8, 12288, 151936), 40960),
    "Qwen/Qwen3-32B": _dense((64, 5120, 64, 8, 25600, 151936), 40960),
}
"""The figures of the models' `config.json` on the Hub."""


def find_model(name: str) -> Model:
    """A known model by its name, with or without its owner, or the `config.json` that a path names.

    UsageError with the nearest name for an unknown one, and with the key for a config that lacks
    one.
    """
    path = Path(name).expanduser()
    path = path / "config.json" if path.is_dir() else path
    if path.is_file():
        try:
            config = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"{path} is not JSON: {error}") from None
        if not isinstance(config, dict):
            raise UsageError(f"{path} is not a model's config.json: it holds no object")
        return read_config(config, name)
    by_name = {key.lower(): key for key in KNOWN}
    by_name |= {key.split("/")[1].removesuffix("-instruct"): full for key, full in by_name.items()}
    by_name |= {key.split("/")[-1].lower(): key for key in KNOWN}
    if key := by_name.get(name.lower()):
        return read_config(KNOWN[key], key)
    near = [by_name[n] for n in get_close_matches(name.lower(), by_name, 1)]
    hint = f"did you mean {near[0]}? Else " if near else ""
    raise UsageError(
        f"there is no model or config file {name!r}; {hint}"
        f"give the path of its config.json (hf download OWNER/NAME config.json)"
    )


def read_config(config: Mapping[str, Any], name: str) -> Model:
    """A model from what its `config.json` says; of one that also sees or hears, its text part."""
    config = {**config, **config.get("text_config", {})}

    def whole(key: str, default: int | None = None) -> int:
        value = config.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            was = f"{key} is {value!r}" if key in config else f"it has no {key}"
            raise UsageError(f"the config of {name} cannot be planned with: {was}")
        return value

    heads, hidden = whole("num_attention_heads"), whole("hidden_size")
    latent = None
    if config.get("kv_lora_rank"):
        dims = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        latent = Latent(whole("q_lora_rank", 0), *(whole(d) for d in dims))
    context = config.get("max_position_embeddings")
    return Model(
        name=name,
        layers=whole("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=whole("num_key_value_heads", heads),
        head_dim=whole("head_dim", hidden // max(1, heads)),
        intermediate=whole("intermediate_size"),
        vocab=whole("vocab_size"),
        tied=bool(config.get("tie_word_embeddings")),
        bits=weight_bits(config, name),
        max_context=context if isinstance(context, int) else None,
        latent=latent,
        experts=_experts(config, whole),
    )


def _experts(config: Mapping[str, Any], whole: Any) -> Experts | None:
    names = ("n_routed_experts", "num_experts", "num_local_experts")
    routed = next((key for key in names if config.get(key)), None)
    if routed is None:
        return None
    width = whole("moe_intermediate_size", config.get("intermediate_size"))
    shared = whole("shared_expert_intermediate_size", whole("n_shared_experts", 0) * width)
    dense = len(config.get("mlp_only_layers") or ()) or whole("first_k_dense_replace", 0)
    return Experts(whole(routed), width, shared, dense)


def weight_bits(config: Mapping[str, Any], name: str) -> float:
    """Bits of a linear weight, from `quantization_config` or `dtype`; scales of groups included."""
    quantization = config.get("quantization_config")
    if not quantization:
        dtype = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
        return {"float32": 32, "float16": 16, "bfloat16": 16}.get(dtype.removeprefix("torch."), 16)
    method = quantization.get("quant_method")
    groups = [g.get("weights") or {} for g in quantization.get("config_groups", {}).values()]
    bits = quantization.get("bits") or next(
        (g["num_bits"] for g in groups if "num_bits" in g), None
    )
    if quantization.get("load_in_4bit") or quantization.get("_load_in_4bit") or method == "mxfp4":
        bits = 4
    if method in ("fp8", "fbgemm_fp8") or quantization.get("load_in_8bit"):
        bits = 8
    if bits is None:
        raise UsageError(
            f"the config of {name} is quantized by {method!r}, and says no number of bits that "
            "could be planned with"
        )
    return bits if bits >= 8 else bits + 0.25  # 4-bit formats: a 16-bit scale for 64 to 128 weights
