"""A model that no one has trained, written from nothing: what vLLM needs of one, in 20 kB.

vLLM fills it with random weights (`load_format=dummy`), so it says nonsense until chance ends it,
after 512 tokens in the mean.
"""

from __future__ import annotations

import json
import string
from itertools import product
from pathlib import Path

_SIZE = 512
_SPECIAL = ("<pad>", "<s>", "</s>")
_TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>"
    "{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def write_tiny_model(folder: Path, context: int = 2048) -> Path:
    """A Llama of two layers with a byte-level tokenizer and a chat template."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "vocab_size": _SIZE,
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_theta": 100_000, "rope_type": "default"},
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "dtype": "bfloat16",
    }
    about_tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **dict(zip(("pad_token", "bos_token", "eos_token"), _SPECIAL, strict=True)),
        "chat_template": _TEMPLATE,
        "model_max_length": context,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "config.json": config,
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": about_tokens,
    }.items():
        (folder / name).write_text(json.dumps(value, indent=1))
    return folder


def _tokenizer() -> dict[str, object]:
    """Byte-level BPE without merges: text is read byte by byte, and written in pairs of letters."""
    letters = ["".join(pair) for pair in product(string.ascii_lowercase, repeat=2)]
    words = [*_SPECIAL, *_byte_letters(), *letters][:_SIZE]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": n, "content": word, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            for n, word in enumerate(_SPECIAL)
        ],
        "pre_tokenizer": {**byte_level, "use_regex": True},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {word: n for n, word in enumerate(words)},
            "merges": [],
        },
    }


def _byte_letters() -> list[str]:
    """The 256 letters that stand for bytes: themselves where they print, else from U+0100 on."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    rest = (byte for byte in range(256) if byte not in plain)
    shown = {byte: 256 + n for n, byte in enumerate(rest)}
    return [chr(shown.get(byte, byte)) for byte in range(256)]
