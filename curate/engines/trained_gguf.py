"""A trained Hugging Face folder as the one file that llama.cpp serves, and back.

    to_gguf(Path("runs/tiny_r1/student"), Path("student.gguf"))     # 135M parameters: 5 s
    from_gguf(Path("SmolLM2-135M-Instruct.Q4_1.gguf"), Path("student"))

Matrices are written as Q8_0: half the size of float16 and twice as fast to read, which on a CPU is
what generation costs. What cannot be written is refused with the reason: vLLM takes such folders.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.engines.trained_tokenizer import read_tokenizer, write_tokenizer
from curate.engines.weights import read_tensors, write_tensors
from curate.errors import EngineError

ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
"""Theirs -> llama.cpp's: the families that R1 was distilled into, and Qwen3."""
_TURNED = (".attn_q.weight", ".attn_k.weight")
"""Of Llama: rotated in pairs of neighbours there, in halves here."""
_NEVER_STORED = ("rotary_emb.inv_freq",)


@dataclass(frozen=True)
class Shape:
    """What of a model's config says how its tensors are to be read."""

    family: str
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    config: Mapping[str, Any]

    def turned(self, name: str, tensor: np.ndarray, *, back: bool = False) -> np.ndarray:
        """A Llama's query or key matrix in the other's order of rows; any other as it is."""
        if self.family != "llama" or not name.endswith(_TURNED):
            return tensor
        heads = self.heads if name.endswith(_TURNED[0]) else self.key_value_heads
        half = tensor.shape[0] // heads // 2
        order = (heads, half, 2) if back else (heads, 2, half)
        return tensor.reshape(*order, -1).swapaxes(1, 2).reshape(tensor.shape)


def to_gguf(folder: Path, target: Path) -> None:
    """Writes the model of a folder; EngineError, naming another way, where that cannot be."""
    gguf = gguf_package()
    shape = read_shape(folder)
    family = getattr(gguf.MODEL_ARCH, shape.family.upper())
    names = gguf.get_tensor_name_map(family, shape.layers)
    writer = gguf.GGUFWriter(target, shape.family, use_temp_file=True)
    _write_shape(writer, shape)
    write_tokenizer(writer, folder, shape.config)
    for name, tensor in _stored(folder, shape):
        stem = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if stem is None:
            raise EngineError(_elsewhere(folder, f"llama.cpp has no place for its tensor {name}"))
        _add(gguf, writer, stem, shape.turned(stem, tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_q8(source: Path, target: Path) -> None:
    """Writes a GGUF again with its matrices of 4 bits (Q4_1) as Q8_0, for which llama.cpp has a
    faster product on processors: the same numbers but for at most 0.4 % of a block's largest.
    """
    gguf = gguf_package()
    reader = gguf.GGUFReader(source)
    kinds, kept = gguf.GGMLQuantizationType, gguf.GGUFValueType
    about = {name: f for name, f in reader.fields.items() if not name.startswith("GGUF.")}
    writer = gguf.GGUFWriter(target, about.pop("general.architecture").contents())
    about.pop("general.file_type", None)
    for name, field in about.items():
        inner = field.types[-1] if field.types[0] == kept.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        if tensor.tensor_type == kinds.Q4_1:
            plain = gguf.quants.dequantize(tensor.data, kinds.Q4_1)
            packed = gguf.quants.quantize(plain, kinds.Q8_0)
            writer.add_tensor(tensor.name, packed, raw_dtype=kinds.Q8_0)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def from_gguf(path: Path, folder: Path) -> None:
    """Writes a Llama's GGUF as a folder that transformers loads, in float16."""
    gguf = gguf_package()
    reader = gguf.GGUFReader(path)
    about = dict(reader.fields)
    shape = _shape_of(about, path)
    theirs = {v: k for k, v in _names(shape).items()}
    tensors = {
        theirs[t.name]: shape.turned(
            t.name, gguf.quants.dequantize(t.data, t.tensor_type), back=True
        ).astype(np.float16)
        for t in reader.tensors
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "model.safetensors", tensors)
    tied = "lm_head.weight" not in tensors
    config = {**shape.config, "tie_word_embeddings": tied}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    read_tokenizer(about, folder)


def read_shape(folder: Path) -> Shape:
    """What a folder's config.json says; EngineError where llama.cpp could not say the same."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        family = ARCHITECTURES.get(next(iter(config.get("architectures") or []), ""))
        heads = int(config["num_attention_heads"])
        shape = Shape(
            family or "",
            int(config["num_hidden_layers"]),
            heads,
            int(config.get("num_key_value_heads") or heads),
            int(config.get("head_dim") or config["hidden_size"] // heads),
            config,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{folder} is not a trained model's folder: {error}") from error
    if family is None:
        allowed = ", ".join(ARCHITECTURES)
        raise EngineError(_elsewhere(folder, f"{config.get('architectures')} is none of {allowed}"))
    rope = _rope(config)
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise EngineError(_elsewhere(folder, f"its positions are scaled ({rope})"))
    return shape


def gguf_package() -> Any:
    """The `gguf` package; EngineError, with what to do, where it is not installed."""
    if importlib.util.find_spec("gguf") is None:
        raise EngineError(
            "engine=local:DIR needs the package gguf; run `pip install 'curate-datasets[local]'`,"
            " or serve the folder with engine=vllm:DIR"
        )
    return importlib.import_module("gguf")


def _elsewhere(folder: Path, why: str) -> str:
    return f"{folder} cannot be served here: {why}; serve it with engine=vllm:{folder}"


def _stored(folder: Path, shape: Shape) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors that llama.cpp needs: a head that is tied to the embeddings is not stored."""
    tied = bool(shape.config.get("tie_word_embeddings"))
    found = 0
    for name, tensor in read_tensors(folder):
        found += 1
        if name.endswith(_NEVER_STORED) or (tied and name == "lm_head.weight"):
            continue
        yield name, tensor
    if not found:
        raise EngineError(
            f"{folder} has no weights in safetensors files; "
            "a trained model is written with save_pretrained, an adapter is merged first"
        )


def _add(gguf: Any, writer: Any, name: str, tensor: np.ndarray) -> None:
    kinds = gguf.GGMLQuantizationType
    block = gguf.GGML_QUANT_SIZES[kinds.Q8_0][0]
    if tensor.ndim < 2:
        writer.add_tensor(name, np.ascontiguousarray(tensor, dtype=np.float32))
    elif tensor.shape[-1] % block:
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        packed = gguf.quants.quantize(np.ascontiguousarray(tensor), kinds.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=kinds.Q8_0)


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How positions are said: `rope_parameters` since transformers 5, `rope_scaling` before."""
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _write_shape(writer: Any, shape: Shape) -> None:
    config = shape.config
    theta = _rope(config).get("rope_theta") or config.get("rope_theta") or 10_000.0
    writer.add_block_count(shape.layers)
    writer.add_context_length(int(config.get("max_position_embeddings", 2048)))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_value_heads)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.head_size)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(float(theta))
    writer.add_layer_norm_rms_eps(float(config.get("rms_norm_eps", 1e-6)))
    writer.add_vocab_size(int(config["vocab_size"]))


def _shape_of(about: Mapping[str, Any], path: Path) -> Shape:
    """The shape and the config that a GGUF's fields come to."""

    def say(name: str) -> Any:
        return about[f"llama.{name}"].contents()

    family = about["general.architecture"].contents()
    if family != "llama":
        raise EngineError(f"{path} is a {family}; only a llama can be written as a folder")
    heads, width = int(say("attention.head_count")), int(say("embedding_length"))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": int(say("feed_forward_length")),
        "num_hidden_layers": int(say("block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(say("attention.head_count_kv")),
        "head_dim": width // heads,
        "max_position_embeddings": int(say("context_length")),
        "rms_norm_eps": round(float(say("attention.layer_norm_rms_epsilon")), 12),
        "rope_parameters": {"rope_theta": float(say("rope.freq_base")), "rope_type": "default"},
        "vocab_size": int(say("vocab_size")),
        "attention_bias": False,
        "mlp_bias": False,
        "dtype": "float32",
        **{
            f"{theirs}_token_id": int(about[field].contents())
            for theirs, ours in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
            if (field := f"tokenizer.ggml.{ours}_token_id") in about
        },
    }
    return Shape(
        family,
        config["num_hidden_layers"],
        heads,
        config["num_key_value_heads"],
        width // heads,
        config,
    )


def _names(shape: Shape) -> dict[str, str]:
    """transformers' names of a Llama's tensors -> llama.cpp's."""
    parts = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        **{f"self_attn.{x}_proj": f"attn_{x}" for x in "qkv"},
        "self_attn.o_proj": "attn_output",
        **{f"mlp.{x}_proj": f"ffn_{x}" for x in ("gate", "up", "down")},
    }
    names = {
        f"model.layers.{n}.{theirs}.weight": f"blk.{n}.{ours}.weight"
        for n in range(shape.layers)
        for theirs, ours in parts.items()
    }
    return names | {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
