"""The record that everything here makes, judges and writes: one completion of one prompt.

A row of an emitted dataset, shortened:

    {"id": "0a1b…-5f3c9d21", "prompt_id": "0a1b…", "k": 2, "problem": "What is 3 + 4?",
     "answer": "7", "prompt": [{"role": "user", "content": "What is 3 + 4?"}],
     "completion": [{"role": "assistant", "content": "<think>3 + 4 = 7.</think>It is 7."}],
     "finish_reason": "stop", "completion_tokens": 21, "seed": 912374,
     "verdicts": [{"name": "MathAnswer", "score": 1.0, "reason": "7 equals 7"}], …}

Columns are a contract (see docs/columns.md): datasets loads them, TRL trains on them unchanged.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from curate import text

if TYPE_CHECKING:
    import pyarrow
    from datatrove.data import Document


class Turn(TypedDict):
    """One message of a conversation."""

    role: str
    content: str


def as_float32(score: float) -> float:
    """The nearest float32: verdicts are compared as they are stored, so 0.95 reads back as 0.95."""
    return _FLOAT32.unpack(_FLOAT32.pack(score))[0]


_FLOAT32 = struct.Struct("f")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scorer says of a sample: a score in [0, 1], or None when it cannot be judged.

    >>> Verdict(0.5, "half of it").is_judged
    True
    >>> Verdict(None, "no gold answer").is_judged
    False
    """

    score: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.score is not None:
            if not 0.0 <= self.score <= 1.0:
                raise ValueError(f"a score lies in [0, 1], not {self.score}")
            object.__setattr__(self, "score", as_float32(self.score))

    @property
    def is_judged(self) -> bool:
        return self.score is not None

    def reaches(self, at_least: float) -> bool:
        """True when it is judged and its score is at least `at_least`."""
        return self.score is not None and self.score >= as_float32(at_least)


@dataclass(frozen=True)
class Sample:
    """One completion of one prompt with everything known about it; a prompt alone has `k` = -1 and
    no completion.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
    >>> sample = prompt.with_completion("<think>7</think>It is 7.")
    >>> sample.reasoning, sample.response
    ('7', 'It is 7.')
    """

    prompt_id: str
    problem: str
    answer: str | None = None
    id: str = ""
    k: int = -1
    domain: str = "general"
    source: str = ""
    source_id: str | None = None
    license: str | None = None
    language: str | None = None
    verifier: str | None = None
    check: str | None = None
    prompt: tuple[Turn, ...] = ()
    completion: tuple[Turn, ...] = ()
    model: str | None = None
    model_revision: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seed: int | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    samples_tried: int | None = None
    samples_correct: int | None = None
    pass_rate: float | None = None

    @property
    def is_prompt(self) -> bool:
        """True before anything was generated: there is a problem and no completion."""
        return not self.completion

    @cached_property
    def text(self) -> str:
        """The completion's text, verbatim; empty for a prompt."""
        return "".join(turn["content"] or "" for turn in self.completion)

    @cached_property
    def _split(self) -> text.Split:
        return text.split_think(self.text)

    @property
    def reasoning(self) -> str | None:
        """What stands between the think tags, stripped; None when there are none."""
        return self._split.reasoning

    @property
    def response(self) -> str:
        """What the reader of the answer sees: the text after the reasoning, stripped."""
        return self._split.response

    @cached_property
    def final_answer(self) -> str | None:
        """The answer that the response (or, without tags, the whole text) comes to; None when it
        gives none.
        """
        return text.final_answer(self.response)

    @cached_property
    def checks(self) -> dict[str, Any]:
        """The further columns of the prompt file (`tests`, `nums`, …), parsed from `check`."""
        return json.loads(self.check) if self.check else {}

    def with_completion(self, content: str, **changes: Any) -> Sample:
        """This prompt with one assistant turn, as a new sample."""
        return replace(self, completion=(Turn(role="assistant", content=content),), **changes)

    def with_verdicts(self, verdicts: Mapping[str, Verdict]) -> Sample:
        """The same sample with `verdicts` added to those it has."""
        return replace(self, verdicts={**self.verdicts, **verdicts})

    def to_row(self) -> dict[str, Any]:
        """The row of the dataset: plain values under the columns of `schema()`."""
        row = {name: getattr(self, name) for name in COLUMNS}
        row["prompt"] = list(self.prompt)
        row["completion"] = list(self.completion)
        row["verdicts"] = [
            {"name": n, "score": v.score, "reason": v.reason} for n, v in self.verdicts.items()
        ]
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sample:
        """A sample from a dataset's row; `completion` and `prompt` may also be plain strings,
        unknown columns are left out.
        """
        values = {name: v for name in COLUMNS if (v := row.get(name)) is not None}
        values["prompt"] = as_turns(row.get("prompt"), "user")
        values["completion"] = as_turns(row.get("completion"), "assistant")
        values["verdicts"] = {
            v["name"]: Verdict(v["score"], v["reason"] or "") for v in row.get("verdicts") or ()
        }
        if "problem" not in values:
            values["problem"] = values["prompt"][-1]["content"] if values["prompt"] else ""
        if "prompt_id" not in values:
            source, check = values.get("source", ""), values.get("check")
            values["prompt_id"] = prompt_id(source, values["problem"], check)
        # Every rule makes a sample of every document: `cls(**values)` would take twice the time.
        sample = object.__new__(cls)
        sample.__dict__.update(values)
        return sample

    def to_document(self) -> Document:
        """A datatrove document: `text` is the completion (of a prompt: the problem), the rest is
        metadata.
        """
        from datatrove.data import Document

        row = self.to_row()
        del row["completion"]
        if self.is_prompt:
            del row["problem"]
            return Document(text=self.problem, id=self.id or self.prompt_id, metadata=row)
        return Document(text=self.text, id=row.pop("id"), metadata=row)

    @classmethod
    def from_document(cls, document: Document) -> Sample:
        """The sample that a document carries; its text counts, so a step that rewrote it is
        believed.
        """
        row = dict(document.metadata)
        if is_prompt_document(document):
            return cls.from_row({**row, "problem": document.text})
        return cls.from_row({**row, "id": document.id, "completion": document.text})


def is_prompt_document(document: Document) -> bool:
    """True for a document that was not generated yet: its text is the problem."""
    return "problem" not in document.metadata


def as_turns(value: Any, role: str) -> tuple[Turn, ...]:
    """A conversation from its column: a list of turns, one string (said by `role`), or nothing."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (Turn(role=role, content=value),)
    return tuple(Turn(role=turn["role"], content=turn["content"] or "") for turn in value)


def canonical_json(value: Any) -> str:
    """JSON with one spelling for equal values: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def prompt_id(source: str, problem: str, check: str | None) -> str:
    """What names a prompt: 16 hex digits of its source, problem and check, never of a position or
    task.
    """
    return digest([source, problem, check])[:16]


COLUMNS = (
    *(
        "id",
        "prompt_id",
        "k",
        "problem",
        "answer",
        "domain",
        "source",
        "source_id",
        "license",
        "language",
    ),
    *("verifier", "check", "prompt", "completion"),
    *("model", "model_revision", "finish_reason", "prompt_tokens", "completion_tokens", "seed"),
    *("verdicts", "samples_tried", "samples_correct", "pass_rate"),
)
assert set(COLUMNS) == {f.name for f in fields(Sample)}


@cache
def schema() -> pyarrow.Schema:
    """The one Arrow schema of samples, everywhere: column order of `COLUMNS`, verdicts as a list of
    structs.
    """
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    verdicts = pa.list_(
        pa.struct([("name", pa.string()), ("score", pa.float32()), ("reason", pa.string())])
    )
    types = {
        **dict.fromkeys(("prompt", "completion"), turns),
        **dict.fromkeys(
            ("k", "prompt_tokens", "completion_tokens", "samples_tried", "samples_correct"),
            pa.int32(),
        ),
        **{"seed": pa.int64(), "pass_rate": pa.float32(), "verdicts": verdicts},
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])


def sort_key(row: Mapping[str, Any]) -> tuple[str, str, str, int, str]:
    """Where a row stands in a dataset: by domain, source, prompt, number of the sample."""
    return (row["domain"] or "", row["source"] or "", row["prompt_id"], row["k"], row["id"])
