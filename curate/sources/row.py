"""One row of a prompt file as a prompt, or what is wrong with it.

    {"id": "gsm8k/17", "problem": "What is 3 + 4?", "answer": 7, "license": "MIT", "grade": 1}

Here `grade` is a further column: it goes into `check` as JSON, where scorers find it and where it
is part of `prompt_id`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from curate.sample import COLUMNS, Sample, Turn, canonical_json, prompt_id
from curate.sources.language import written_in
from curate.text import OPEN, join_think

JUDGED = frozenset({"expected", "score", "reason", "note"})
"""Columns of a judged row that say nothing of the prompt."""
PREFILL = "prefill"
"""The column that says what the generation prompt opened."""
OPENED = re.compile(rf"{OPEN}\s*$")
REASONING = ("reasoning_content", "reasoning", "thinking")
"""What turns call reasoning that does not stand in their content."""
ROLES = ("system", "user", "assistant")
# "7", "-1,234.5", "3/4", "$12", "50%": an answer that says the problem is mathematics.
NUMBER = re.compile(r"\s*[-+]?\$?\d[\d,]*(\.\d+)?(/\d+)?%?\s*")


class Place(NamedTuple):
    """Where a row stands: file or task, and its number there, counted from 1."""

    origin: str
    number: int

    def __str__(self) -> str:
        return f"{self.origin}:{self.number}"


@dataclass(frozen=True)
class BadRow:
    """What cannot be a prompt: the reason it is counted under, what is wrong, and its text."""

    reason: str
    problem: str
    text: str = ""


class Row(NamedTuple):
    """A row as it was read: its columns, or why there are none."""

    place: Place
    value: Mapping[str, Any] | BadRow


Rows = Iterator[Row]


class Source(Protocol):
    """Where rows come from; every pass over `rows` gives the same ones."""

    @property
    def name(self) -> str:
        """The source of rows that name none."""
        ...

    @property
    def reads_all(self) -> bool:
        """True where reading is cheap: then rows behind the limit are looked at for conflicts."""
        ...

    def check(self) -> None:
        """UsageError when there is nothing to ask; called before anything runs."""

    def rows(self) -> Rows:
        """All rows, bad ones too."""
        ...


@dataclass(frozen=True)
class Defaults:
    """What rows get that do not say it themselves."""

    source: str
    domain: str | None = None
    language: str | None = None


def read_row(value: Mapping[str, Any], defaults: Defaults) -> Sample | BadRow:
    """The prompt that a row's columns make, or why they make none.

    >>> read_row({"problem": "What is 3 + 4?", "answer": 7}, Defaults("sums")).answer
    '7'
    >>> read_row({"question": "What is 3 + 4?"}, Defaults("sums")).reason
    'no_problem'
    """
    try:
        asked = _asked(value)
        names = {name: _word(value, name) for name in ("domain", "source", "language", "license")}
        answer = _answer(value.get("answer"))
        check = _check(value, asked.messages)
        source_id = _word(value, "source_id") or _word(value, "id")
        verifier = _word(value, "verifier")
    except _Refused as refused:
        return BadRow(refused.args[0], refused.args[1])
    source = names["source"] or defaults.source
    number = answer is not None and NUMBER.fullmatch(answer)
    return Sample(
        prompt_id=prompt_id(source, asked.problem, check),
        problem=asked.problem,
        answer=answer,
        domain=names["domain"] or defaults.domain or ("math" if number else "general"),
        source=source,
        source_id=source_id,
        license=names["license"],
        language=names["language"] or defaults.language or written_in(asked.problem),
        verifier=verifier,
        check=check,
        prompt=asked.messages,
    )


def read_sample(value: Mapping[str, Any]) -> Sample | BadRow:
    """The sample that a row of an answer makes, as `curate score` reads it; it needs `completion`.

    Columns that are none of a sample's go into `check`, where scorers find them. Rows with the same
    `prompt_id`, else the same problem, are answers to one prompt. `solution`, as TRL calls it, is
    the gold answer where there is no `answer`. Where the prompt ends with `<think>`, or the chat
    template opened it (`prefill` says so), the completion begins inside of the reasoning, and gets
    the tag.

    >>> row = {"answer": 7, "completion": "It is 7.", "nums": [3, 4]}
    >>> read_sample(row).answer, read_sample(row).checks
    ('7', {'nums': [3, 4]})
    """
    completion = value.get("completion")
    try:
        if completion is None:
            raise _Refused("no_completion", f"no completion; it has {_names(value)}")
        if not isinstance(completion, str | list):
            completion = str(completion)
        completion = _opened(completion, _opening(value))
        answer = value.get("answer")
        gold = _answer(value.get("solution") if answer is None else answer)
        asked = {k: v for k, v in value.items() if k not in JUDGED and k != PREFILL}
        known: dict[str, Any] = {"answer": gold, "check": _check(asked, ())}
        if value.get("messages") is not None and value.get("prompt") is None:
            known["prompt"] = list(_turns(value["messages"]))
        sample = Sample.from_row({**value, **known, "completion": completion})
        if value.get("prompt_id") is None:  # not of `check`: its columns may be each answer's own
            return replace(sample, prompt_id=prompt_id(sample.source, sample.problem, None))
        return sample
    except _Refused as refused:
        return BadRow(refused.args[0], refused.args[1])
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        return BadRow("wrong_type", f"not a sample: {type(error).__name__}: {error}")


def has_problem(value: Mapping[str, Any] | BadRow) -> bool:
    """True for a row with one of the two columns that a prompt is made of."""
    return not isinstance(value, BadRow) and not {"problem", "messages"}.isdisjoint(value)


def _opening(value: Mapping[str, Any]) -> str:
    """The `<think>` that stands before the completion of a row, with the spaces after it."""
    said = value.get("prompt") or ""
    if not isinstance(said, str):
        said = said[-1]["content"] if said[-1]["role"] == "assistant" else ""
    found = OPENED.search(value.get(PREFILL) or said)
    return found.group() if found else ""


def _opened(completion: str | list[Any], opening: str) -> str | list[Any]:
    """The completion with what stands before it, unless it repeats that itself.

    Reasoning that a trainer's or server's parser took out of a turn stands in its tags again.
    """
    if isinstance(completion, str):
        is_begun = not opening or not completion or completion.lstrip().startswith(OPEN)
        return completion if is_begun else opening + completion
    if not completion:
        return completion
    first = completion[0]
    reasoning = next((first[name] for name in REASONING if first.get(name)), None)
    said = _opened(join_think(reasoning, first["content"]), opening)
    return [{**first, "content": said}, *completion[1:]]


class _Refused(Exception):
    """(reason, what is wrong)"""


class _Asked(NamedTuple):
    problem: str
    messages: tuple[Turn, ...]


def _asked(value: Mapping[str, Any]) -> _Asked:
    """The problem, and the conversation that it ends; `problem` counts where a row has both."""
    problem, messages = value.get("problem"), value.get("messages")
    turns: tuple[Turn, ...] = ()
    if problem is None:
        if messages is None:
            raise _Refused("no_problem", f"no problem or messages; it has {_names(value)}")
        turns = _turns(messages)
        problem = turns[-1]["content"]
    elif not isinstance(problem, str):
        raise _Refused("wrong_type", f"problem is {_kind(problem)}, not text")
    if not problem.strip():
        raise _Refused("empty_problem", "the problem is empty")
    return _Asked(problem, turns)


def _turns(messages: Any) -> tuple[Turn, ...]:
    """The turns up to the last question; an answer after it is not part of what is asked."""
    if not isinstance(messages, list):
        raise _Refused("wrong_type", f"messages is {_kind(messages)}, not a list of turns")
    turns = []
    for n, turn in enumerate(messages, 1):
        if not isinstance(turn, Mapping) or not {"role", "content"} <= turn.keys():
            raise _Refused("wrong_type", f"turn {n} of messages needs role and content")
        if not isinstance(turn["content"], str):
            raise _Refused(
                "wrong_type", f"content of turn {n} is {_kind(turn['content'])}, not text"
            )
        if turn["role"] not in ROLES:
            raise _Refused(
                "wrong_type", f"role of turn {n} is {turn['role']!r}, not one of {ROLES}"
            )
        turns.append(Turn(role=turn["role"], content=turn["content"]))
    while turns and turns[-1]["role"] != "user":
        turns.pop()
    if not turns:
        raise _Refused("no_problem", "messages has no user turn")
    return tuple(turns)


def _answer(answer: Any) -> str | None:
    """The gold answer as text; pandas writes not-a-number where one is missing."""
    if answer is None or (isinstance(answer, float) and math.isnan(answer)):
        return None
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list | Mapping | bytes):
        raise _Refused("wrong_type", f"answer is {_kind(answer)}, not text or a number")
    return str(answer)


def _word(value: Mapping[str, Any], name: str) -> str | None:
    word = value.get(name)
    if word is None or word == "":
        return None
    if isinstance(word, str):
        return word
    if isinstance(word, int) and name in ("id", "source_id"):
        return str(word)
    raise _Refused("wrong_type", f"{name} is {_kind(word)}, not text")


def _check(value: Mapping[str, Any], messages: tuple[Turn, ...]) -> str | None:
    """JSON of the columns that are not a sample's, and of a conversation with earlier turns.

    The columns of an answer (`completion`, `verdicts`, …) are not the prompt's, so a dataset that
    was made here can be asked again and its prompts keep their ids.
    """
    known = {*COLUMNS, "id", "messages"}
    further = {k: v for k, v in value.items() if k not in known and v is not None}
    if len(messages) > 1:
        further["messages"] = list(messages)
    given = value.get("check")
    if given is not None:
        try:
            parsed = json.loads(given) if isinstance(given, str) else given
        except ValueError as error:
            raise _Refused("wrong_type", f"check is not JSON: {error}") from None
        if not isinstance(parsed, Mapping):
            raise _Refused("wrong_type", f"check is {_kind(parsed)}, not an object")
        further = {**parsed, **further}
    try:
        return canonical_json(further) if further else None
    except TypeError:
        odd = next(k for k, v in further.items() if not _is_json(v))
        raise _Refused("wrong_type", f"{odd} holds what JSON cannot") from None


def _is_json(value: Any) -> bool:
    try:
        canonical_json(value)
    except TypeError:
        return False
    return True


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return {**kinds, list: "a list", dict: "an object"}.get(type(value), type(value).__name__)


def _names(value: Mapping[str, Any]) -> str:
    return ", ".join(list(value)[:20]) or "no column"
