"""Rows of datasets that others made, under our column names.

{"messages": [{"role": "user", …}, {"role": "assistant", …}]}
{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}
{"prompt": …, "response": …}      {"question": …, "output": …}      {"text": …}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Columns = Mapping[str, str]
"""Our name of a column -> theirs."""

PROBLEM = ("problem", "question", "prompt", "instruction", "query", "input", "text")
"""Where the question stands, the first that a row has; `text` last: it may be anything."""
COMPLETION = ("completion", "response", "output", "generation", "generations", "completions")
"""Where the answer stands; a list of texts is several answers."""
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
"""ShareGPT's names of who speaks, and the usual ones."""


def in_our_words(row: Mapping[str, Any], columns: Columns) -> Iterator[dict[str, Any]]:
    """The row once for each answer in it, with `problem` or `messages`, and `completion`.

    A row without an answer is given once, without `completion`.

    >>> [row] = in_our_words({"question": "3 + 4?", "response": "7", "level": 1}, {})
    >>> row["problem"], row["completion"], row["level"]
    ('3 + 4?', '7', 1)
    >>> [r["completion"] for r in in_our_words({"problem": "p", "generations": ["a", "b"]}, {})]
    ['a', 'b']
    """
    ours = {name: row[theirs] for name, theirs in columns.items() if row.get(theirs) is not None}
    taken = {*columns.values()}
    rest = {k: v for k, v in row.items() if k not in taken and v is not None} | ours
    said = rest.pop("conversations", None)
    if said is not None and "messages" not in rest:
        rest["messages"] = [as_turn(turn) for turn in said]
    if "messages" in rest and not {"problem", "completion"} <= rest.keys():
        yield _of_conversation(rest)
        return
    asked = next((name for name in PROBLEM if rest.get(name) is not None), None)
    if "problem" not in rest and asked:
        value = rest[asked] if asked == "prompt" else rest.pop(asked)
        rest["problem"] = value if isinstance(value, str) else value[-1]["content"]
    answered = next((name for name in COMPLETION if name in rest), None)
    if answered is None:
        yield rest
        return
    answers = rest.pop(answered)
    several = isinstance(answers, list) and all(isinstance(a, str) for a in answers)
    for answer in answers if several else [answers]:
        yield {**rest, "completion": answer}


def as_turn(turn: Mapping[str, Any]) -> dict[str, str]:
    """A turn of ShareGPT as one of ours.

    >>> as_turn({"from": "gpt", "value": "7"})
    {'role': 'assistant', 'content': '7'}
    """
    role = str(turn.get("role", turn.get("from")))
    content = turn.get("content", turn.get("value"))
    return {"role": ROLES.get(role, role), "content": content if content is not None else ""}


def _of_conversation(row: dict[str, Any]) -> dict[str, Any]:
    """The last turn, if it is the assistant's, is the completion; what stands before was asked."""
    turns = row.pop("messages")
    if turns and turns[-1].get("role") == "assistant" and len(turns) > 1:
        row["completion"] = turns[-1]["content"]
        turns = turns[:-1]
    row["problem"] = row.get("problem") or (turns[-1]["content"] if turns else "")
    row["prompt"] = turns
    return row
