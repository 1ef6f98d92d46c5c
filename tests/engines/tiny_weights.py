"""Weights for the tiny model: random, written without torch, large enough to say something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from curate.engines.weights import write_tensors
from tests.vllm.tiny_model import write_tiny_model


def write_tiny_weights(folder: Path, *, seed: int = 0, family: str = "llama") -> Path:
    """The tiny model as a Llama, a Qwen2 (biases on queries, keys, values) or a Qwen3 (norms)."""
    write_tiny_model(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": [f"{family.capitalize()}ForCausalLM"], "model_type": family}
    config |= {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(seed)
    head = config["head_dim"]
    width, inside = config["hidden_size"], config["intermediate_size"]
    queries, keys = head * config["num_attention_heads"], head * config["num_key_value_heads"]

    def matrix(*shape: int) -> np.ndarray:
        return random.normal(0.0, 0.15, shape).astype(np.float16)

    tensors = {"model.embed_tokens.weight": matrix(config["vocab_size"], width)}
    tensors["model.norm.weight"] = 1 + matrix(width)
    for n in range(config["num_hidden_layers"]):
        rows = {"self_attn.q_proj": queries, "self_attn.k_proj": keys, "self_attn.v_proj": keys}
        layer = {f"{name}.weight": matrix(size, width) for name, size in rows.items()}
        if family == "qwen2":
            layer |= {f"{name}.bias": matrix(size) for name, size in rows.items()}
        if family == "qwen3":
            layer |= {f"self_attn.{x}_norm.weight": 1 + matrix(head) for x in "qk"}
        layer["self_attn.o_proj.weight"] = matrix(width, queries)
        layer |= {f"mlp.{x}_proj.weight": matrix(inside, width) for x in ("gate", "up")}
        layer["mlp.down_proj.weight"] = matrix(width, inside)
        layer |= {f"{x}_layernorm.weight": 1 + matrix(width) for x in ("input", "post_attention")}
        tensors |= {f"model.layers.{n}.{name}": tensor for name, tensor in layer.items()}
    write_tensors(folder / "model.safetensors", tensors)
    return folder
