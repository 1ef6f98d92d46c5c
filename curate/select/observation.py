"""The first pass of `Dedup`: what is known of each document goes to a file, in its order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from datatrove.data import Document

from curate.sample import is_prompt_document
from curate.select.facts import BAND_NAMES, as_hash, facts_path, schema
from curate.select.features import Features, Numbers, of_completions, of_problems
from curate.select.minhash import bands, rows_for, sketches
from curate.select.same_answers import answer_hashes
from curate.select.tokens import Hashes, mixed

CHARACTERS_AT_ONCE = 1 << 20
DOCUMENTS_AT_ONCE = 4096


class Texts(NamedTuple):
    """What is compared, and how."""

    by: Literal["problem", "completion"]
    within: Literal["prompt", "domain", "source", "all"]
    similarity: float
    numbers: Numbers

    def text_of(self, document: Document) -> str:
        """The text that is compared; options that stand in a column of their own are part of a
        problem.
        """
        if self.by == "completion":
            return document.text
        problem = document.metadata.get("problem", document.text)
        check = document.metadata.get("check")
        if not check or ('"options"' not in check and '"choices"' not in check):
            return problem
        checks = json.loads(check)
        return f"{problem}\n{checks.get('options', checks.get('choices'))}"

    def features(self, texts: Sequence[str]) -> Features:
        """What is compared of several texts."""
        if self.by == "problem":
            return of_problems(texts, self.numbers, exact=self.similarity == 1)
        return of_completions(texts, self.numbers)

    def scope(self, metadata: Mapping[str, Any]) -> str:
        """Documents with another scope are never compared."""
        return "" if self.within == "all" else str(metadata.get(self.within) or "")


class Rows:
    """Numbers the documents that are decided about: where problems are compared, the samples of a
    prompt that follow each other are one.
    """

    def __init__(self, by: str) -> None:
        self.number = -1
        self._by = by
        self._prompt: str | None = None

    def is_new(self, document: Document) -> bool:
        """True when a row begins with this document, which `number` then counts."""
        prompt = document.metadata["prompt_id"] if self.is_grouped(document) else None
        if prompt is not None and prompt == self._prompt:
            return False
        self._prompt = prompt
        self.number += 1
        return True

    def is_grouped(self, document: Document) -> bool:
        """True for a sample that goes with the other samples of its prompt."""
        return self._by == "problem" and not is_prompt_document(document)


class Rank(NamedTuple):
    """Who stays: the smaller, the sooner."""

    keep: str | tuple[str, ...] | None
    score: str | None

    def of(self, document: Document, text: str) -> float:
        metadata = document.metadata
        if isinstance(self.keep, tuple):
            source = metadata.get("source")
            return self.keep.index(source) if source in self.keep else len(self.keep)
        if self.keep == "best":
            said = (v["score"] for v in metadata.get("verdicts") or () if v["name"] == self.score)
            score = next(said, None)
            return math.inf if score is None else -score
        return {"shortest": len(text), "longest": -len(text)}.get(self.keep or "first", 0)


class Observer:
    """Takes the documents of one task; the file is whole when it is closed."""

    def __init__(self, folder: Path, rank: int, texts: Texts, rule: Rank) -> None:
        self._texts, self._rule = texts, rule
        self._path = facts_path(folder, rank)
        self._rows = Rows(texts.by)
        self._schema = schema(sketched=texts.similarity < 1)
        self._part = self._path.with_suffix(".part")
        self._sink = pa.OSFile(str(self._part), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)
        self._pending: list[dict[str, Any]] = []
        self._seen: list[str] = []
        self._characters = 0

    def add(self, document: Document) -> None:
        """Remembers a document."""
        text = self._texts.text_of(document)
        rank = self._rule.of(document, text)
        if not self._rows.is_new(document):
            self._pending[-1]["rank"] = min(self._pending[-1]["rank"], rank)
            return
        if self._characters > CHARACTERS_AT_ONCE or len(self._pending) >= DOCUMENTS_AT_ONCE:
            self._write()
        metadata = document.metadata
        grouped = self._rows.is_grouped(document)
        prompt = metadata.get("prompt_id") or document.id
        row = {name: metadata.get(name) or "" for name in ("domain", "source")}
        row |= {"id": prompt if grouped else document.id, "prompt_id": prompt, "rank": rank}
        row |= {"k": -1 if grouped else metadata.get("k") or 0, "grouped": grouped}
        row |= {"answer": metadata.get("answer"), "scope": self._texts.scope(metadata)}
        self._pending.append(row)
        self._seen.append(text)
        self._characters += len(text)

    def close(self) -> None:
        """Writes what is left; only now the file has its name."""
        self._write()
        self._writer.close()
        self._sink.close()
        self._part.replace(self._path)

    def _write(self) -> None:
        if not self._pending:
            return
        rows = self._pending
        features = self._texts.features(self._seen)
        scope = as_hash([row["scope"] for row in rows])
        columns: dict[str, Any] = {
            name: [row[name] for row in rows] for name in self._schema.names if name in rows[0]
        }
        columns |= {
            "key": as_hash([row["id"] for row in rows]),
            "whole": mixed(features.whole + scope),
            "diagram": features.diagram,
            "answered": self._answered([row["answer"] for row in rows]),
        }
        if self._texts.similarity < 1:
            drawn = sketches(features.grams, features.starts)
            found = bands(drawn, rows_for(self._texts.similarity))
            columns |= dict(zip(BAND_NAMES, mixed(found + features.same + scope), strict=True))
            columns["sketch"] = pa.LargeListArray.from_arrays(drawn.starts, drawn.values)
        arrays = [pa.array(columns[field.name], field.type) for field in self._schema]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._pending, self._seen, self._characters = [], [], 0

    def _answered(self, answers: list[str | None]) -> Hashes:
        if self._texts.by == "completion" or self._texts.numbers == "masked":
            return np.zeros(len(answers), np.uint64)
        return answer_hashes(answers)
