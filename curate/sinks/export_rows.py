"""Rows of a dataset as other trainers call them; every text is taken verbatim."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from curate.errors import RunError

Kind = Literal["sft", "rl", "dpo"]
Row = dict[str, Any]
Given = Mapping[str, Any]

OF_PROMPT = (
    *("id", "prompt_id", "problem", "answer", "domain", "source", "language", "verifier", "check"),
)
"""Columns that scorers read as rewards in TRL."""
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
"""ShareGPT's names of the roles."""


def turns(value: Any) -> list[dict[str, str]]:
    """Turns as plain values."""
    return [{"role": turn["role"], "content": turn["content"]} for turn in value]


def said(turn: Given) -> dict[str, str]:
    """A turn as ShareGPT has it.

    >>> said({"role": "user", "content": "Hi"})
    {'from': 'human', 'value': 'Hi'}
    """
    if turn["role"] not in SPEAKERS:
        raise RunError(f"ShareGPT has no role '{turn['role']}'; it has {', '.join(SPEAKERS)}")
    return {"from": SPEAKERS[turn["role"]], "value": turn["content"]}


def _named(row: Given) -> Row:
    return {name: row[name] for name in OF_PROMPT}


def trl_sft(row: Given) -> Row:
    """`prompt` and `completion` as turns: the loss is on the completion."""
    return {"prompt": turns(row["prompt"]), "completion": turns(row["completion"])} | _named(row)


def trl_rl(row: Given) -> Row:
    """`prompt`, and the columns that rewards are given."""
    return {"prompt": turns(row["prompt"])} | _named(row)


def trl_dpo(row: Given) -> Row:
    """`prompt`, `chosen` and `rejected` as turns."""
    halves = {name: turns(row[name]) for name in ("prompt", "chosen", "rejected")}
    return halves | {"id": row["id"]}


def sharegpt_sft(row: Given) -> Row:
    """`conversations`, ending with the answer."""
    return {
        "id": row["id"],
        "conversations": [said(turn) for turn in (*row["prompt"], *row["completion"])],
    }


def sharegpt_dpo(row: Given) -> Row:
    """`conversations` that end with the question, `chosen` and `rejected` a turn each."""
    return {
        "id": row["id"],
        "conversations": [said(turn) for turn in row["prompt"]],
        "chosen": said(row["chosen"][0]),
        "rejected": said(row["rejected"][0]),
    }


def verl_sft(row: Given) -> Row:
    """`messages`, ending with the answer."""
    return {"messages": turns((*row["prompt"], *row["completion"])), "id": row["id"]}


def verl_rl(row: Given) -> Row:
    """What its reward function is called with: `data_source`, `ground_truth`, `extra_info`."""
    return {
        "data_source": row["source"] or "curate",
        "prompt": turns(row["prompt"]),
        "ability": row["domain"],
        "reward_model": {"style": "rule", "ground_truth": row["answer"] or ""},
        "extra_info": {"index": zlib.crc32(row["prompt_id"].encode())}
        | {name: row[name] for name in OF_PROMPT if name != "answer"},
    }


def verl_dpo(row: Given) -> Row:
    """`prompt`, `chosen`, `rejected` as text: its reward-model data set takes one question each."""
    return {
        "prompt": _text(row["prompt"]),
        "chosen": _text(row["chosen"]),
        "rejected": _text(row["rejected"]),
        "id": row["id"],
    }


def openrlhf_sft(row: Given) -> Row:
    """`input` and `output` as turns."""
    return {"id": row["id"], "input": turns(row["prompt"]), "output": turns(row["completion"])}


def openrlhf_rl(row: Given) -> Row:
    """`input` as turns, `label` the gold answer, `datasource`."""
    return {
        "id": row["id"],
        "input": turns(row["prompt"]),
        "label": row["answer"] or "",
        "datasource": row["source"] or "curate",
        "check": row["check"],
    }


def _text(value: Any) -> str:
    """The text of one turn; RunError where there are more."""
    if len(value) != 1:
        raise RunError(
            f"verl's pairs have one turn for prompt, chosen and rejected, not {len(value)} "
            f"({', '.join(turn['role'] for turn in value)}); export them as trl or openrlhf"
        )
    return value[0]["content"]


ROWS: dict[str, dict[Kind, Callable[[Given], Row]]] = {
    "trl": {"sft": trl_sft, "rl": trl_rl, "dpo": trl_dpo},
    "sharegpt": {"sft": sharegpt_sft, "dpo": sharegpt_dpo},
    "llama-factory": {"sft": sharegpt_sft, "dpo": sharegpt_dpo},
    "verl": {"sft": verl_sft, "rl": verl_rl, "dpo": verl_dpo},
    "openrlhf": {"sft": openrlhf_sft, "rl": openrlhf_rl, "dpo": trl_dpo},
}
"""By format and kind of file what makes a row; a format without a kind has no such file."""
