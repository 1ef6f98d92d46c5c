"""A tokenizer as Hugging Face writes it (tokenizer.json) and as llama.cpp reads it, both ways.

Byte-level BPE only, which all models have that can be converted (`trained_gguf`). What differs from
one to the next is how text is cut before merging, and llama.cpp knows those ways by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.errors import EngineError

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""llama.cpp's kinds of tokens."""

NO_MERGE = ["<none> <none>"]
"""An empty list cannot be written; text is single bytes before merging, so this joins nothing."""

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_CUTS: dict[str, dict[str, Any]] = {
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, _BYTES],
    },
    "gpt-2": _BYTES,
}
"""llama.cpp's name -> the `pre_tokenizer` of a tokenizer.json."""
_PATTERNS = {
    _LETTERS + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _LETTERS + r"\p{N}" + _REST: "qwen2",
}
"""The pattern of a `Split` before the bytes -> llama.cpp's name."""
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def write_tokenizer(writer: Any, folder: Path, config: Mapping[str, Any]) -> None:
    """Adds the tokenizer and the chat template of a folder to a GGUF that is being written."""
    try:
        said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        about = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        model, cut = said["model"], cut_of(said)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{folder} has no tokenizer that can be read: {error}") from error
    if model.get("type") != "BPE" or cut is None:
        raise EngineError(
            f"{folder} cannot be served here: llama.cpp has no name for the way its tokenizer cuts"
            f" text ({model.get('type')}, {said.get('pre_tokenizer')}); serve it with "
            f"engine=vllm:{folder}"
        )
    words = {index: (word, NORMAL) for word, index in model["vocab"].items()}
    for token in said.get("added_tokens", ()):
        kind = CONTROL if token.get("special") else USER_DEFINED
        words[token["id"]] = (token["content"], kind)
    # A vocabulary is often padded to a round number: each place needs a name.
    size = max(int(config["vocab_size"]), max(words) + 1)
    listed = [words.get(index, (f"[PAD{index}]", UNUSED)) for index in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list([word for word, _ in listed])
    writer.add_token_types([kind for _, kind in listed])
    merges = model["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges] or NO_MERGE)
    writer.add_add_bos_token(bool(about.get("add_bos_token")))
    by_name = {word: index for index, (word, _) in words.items()}
    for theirs, ours in _SPECIAL.items():
        word = about.get(theirs)
        word = word.get("content") if isinstance(word, dict) else word
        if word in by_name:
            writer.add_uint32(f"tokenizer.ggml.{ours}_token_id", by_name[word])
    if template := chat_template(folder, about):
        writer.add_chat_template(template)


def cut_of(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for how a tokenizer.json cuts text; None where it has none.

    >>> bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    >>> cut_of({"pre_tokenizer": bytes_only})
    'gpt-2'
    """
    if (tokenizer.get("normalizer") or {"type": "NFC"})["type"] != "NFC":
        return None
    cut = tokenizer.get("pre_tokenizer") or {}
    parts = cut.get("pretokenizers", [cut])
    kinds = [part.get("type") for part in parts]
    plain = not parts[-1].get("add_prefix_space")
    if kinds == ["ByteLevel"] and plain and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and plain and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and plain:
        return _PATTERNS.get((parts[0].get("pattern") or {}).get("Regex", ""))
    return None


def chat_template(folder: Path, about: Mapping[str, Any]) -> str:
    """The chat template of a folder, which has a file of its own since transformers 4.43."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = about.get("chat_template") or ""
    return template if isinstance(template, str) else template[0]["template"]


def read_tokenizer(about: Mapping[str, Any], folder: Path) -> None:
    """Writes the tokenizer of a GGUF's fields into a folder."""

    def say(name: str) -> Any:
        return about[f"tokenizer.{name}"].contents()

    words, kinds, cut = say("ggml.tokens"), say("ggml.token_type"), say("ggml.pre")
    if cut not in _CUTS:
        raise EngineError(f"a tokenizer that cuts text as {cut!r} cannot be written as a folder")
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": index, "content": words[index], **flags, "special": True}
        for index, kind in enumerate(kinds)
        if kind == CONTROL
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": _CUTS[cut],
        "post_processor": None,
        "decoder": {**_BYTES, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {word: index for index, word in enumerate(words)},
            "merges": [merge.split(" ") for merge in say("ggml.merges")],
        },
    }
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    for theirs, ours in _SPECIAL.items():
        if f"tokenizer.ggml.{ours}_token_id" in about:
            config[theirs] = words[say(f"ggml.{ours}_token_id")]
    config["model_max_length"] = about["llama.context_length"].contents()
    (folder / "tokenizer.json").write_text(
        json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8"
    )
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(say("chat_template"), encoding="utf-8")
