"""Datasets that exist already, ours or others', as the beginning of a pipeline.

Samples("runs/reasoning")                                     # a run, or a dataset folder
Samples("hub:open-r1/OpenR1-Math-220k@main;more.jsonl.gz", columns={"answer": "gold"})
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import COLUMNS, Sample, Turn, digest
from curate.sources import hub
from curate.sources.files import FileSource, open_files
from curate.sources.layout import Columns, in_our_words
from curate.sources.prompts import hash_of
from curate.sources.row import BadRow, Defaults, Place, Source, read_row, read_sample
from curate.step import Context, Step, unit_of

SHOWN_CHARACTERS = 2_000
"""How much of a bad row is kept to look at."""
REPORT_EVERY = 1_000
OURS = frozenset(COLUMNS)


class Again(NamedTuple):
    """A prompt that a row before has asked."""

    document: Document
    reason: str
    why: str


class Samples(Step):
    """Yields one document per answer of a dataset, or per prompt where rows have no answer.

    Args:
        spec: a run directory, a dataset folder, a `.jsonl`, `.jsonl.gz`, `.jsonl.zst` or `.parquet`
            file or a folder of them, or `hub:NAME@REVISION[?config=…&split=…]`; several with `;`.
        limit: the first so many rows; None for all.
        columns: our names of columns -> theirs, where they are not found by themselves (see
            `curate.sources.layout`).
        source, domain, language: for rows that do not say it.

    Rows of ours keep their ids. Other rows that ask the same are samples of one prompt; their own
    `id` becomes `source_id`. Of rows without an answer each prompt comes once. Rows that cannot be
    read are kept with what is wrong with them.
    """

    is_source = True
    makes = "samples"
    counts_itself = True
    sources: list[Source]
    """Opened by `prepare`."""

    def __init__(
        self,
        spec: str,
        *,
        limit: int | None = None,
        columns: Columns | None = None,
        source: str | None = None,
        domain: str | None = None,
        language: str | None = None,
    ) -> None:
        super().__init__()
        if limit is not None and limit < 1:
            raise UsageError(f"limit is the number of rows to take, at least 1, not {limit}")
        if odd := sorted({*(columns or {})} - {*COLUMNS, "messages"}):
            raise UsageError(
                f"columns={{{odd[0]!r}: …}}: our columns are problem, completion, answer, "
                "messages, … (docs/columns.md)"
            )
        self.spec, self.limit, self.columns = spec, limit, dict(columns or {})
        self.source, self.domain, self.language = source, domain, language
        self._seen: Counter[str] = Counter()
        self._answers: dict[str, int] = {}

    def prepare(self, context: Context) -> None:
        """Opens what `spec` names; UsageError when it is not there or its rows are not samples."""
        super().prepare(context)
        specs = [part.strip() for part in self.spec.split(";") if part.strip()]
        if not specs:
            raise UsageError("Samples needs a file, a folder or hub:NAME@REVISION")
        self.sources = [self._open(part, context) for part in specs]
        for source in self.sources:
            if isinstance(source, FileSource):
                self._check(source)

    def files(self) -> list[Path]:
        return [p for s in self.sources if isinstance(s, FileSource) for p in s.paths]

    def identity(self) -> dict[str, Any]:
        """The arguments, files by their names alone: what they hold is hashed by the run."""
        parts = [part.strip() for part in self.spec.split(";")]
        names = [part if part.startswith(hub.PREFIX) else Path(part).name for part in parts]
        return super().identity() | {"spec": ";".join(names)}

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The rows in their order; a row of several answers gives as many documents."""
        taken = 0
        self._seen.clear()
        self._answers.clear()
        for source in self.sources:
            defaults = Defaults(self.source or source.name, self.domain, self.language)
            for place, value in source.rows():
                yield from self._documents(place, value, defaults)
                taken += 1
                if self.context and taken % REPORT_EVERY == 0:
                    self.context.report({"rows": taken})
                if taken == self.limit:
                    return

    def _open(self, spec: str, context: Context) -> Source:
        if spec.startswith(hub.PREFIX):
            return replace(
                hub.open_hub(spec, streaming=self.limit is not None, context=context),
                needs_problem=False,
            )
        if spec and (shards := _shards_of_ours(context, Path(spec))):
            return FileSource(shards[0].parents[1], shards)
        for inside in ("dataset/data", "data"):
            if spec and (found := _folder(context, Path(spec) / inside)):
                return replace(open_files(str(found), context), path=found.parents[0])
        return open_files(spec, context)

    def _check(self, source: FileSource) -> None:
        """UsageError when the first sound row makes neither a sample nor a prompt."""
        defaults = Defaults(source.name)
        first = next((r for r in source.rows() if not isinstance(r.value, BadRow)), None)
        if first is None:
            raise UsageError(f"{source.path} is empty: it has no rows")
        assert not isinstance(first.value, BadRow)
        missing = sorted({*self.columns.values()} - first.value.keys())
        if missing:
            has = ", ".join(first.value)
            raise UsageError(f"{source.path} has no column {missing[0]!r}; its columns are {has}")
        for read in self._read(first.value, defaults):
            if isinstance(read, BadRow) and read.reason in ("no_problem", "empty_problem"):
                has = ", ".join(first.value)
                raise UsageError(
                    f"{source.path}: no column with the question; its columns are {has}. "
                    "Say which it is with columns={'problem': …}"
                )

    def _documents(
        self, place: Place, value: Mapping[str, Any] | BadRow, defaults: Defaults
    ) -> Iterator[Document]:
        reads = [value] if isinstance(value, BadRow) else self._read(value, defaults)
        for read in reads:
            if isinstance(read, BadRow):
                self.count("samples", into=1)
                shown = read.text or json.dumps(value, ensure_ascii=False, default=str)
                bad = Document(text=shown[:SHOWN_CHARACTERS], id="", metadata={})
                self.drop(bad, read.reason, f"{place}: {read.problem}", unit="samples")
                continue
            if isinstance(read, Again):
                self.count("prompts", into=1)
                self.drop(read.document, read.reason, f"{place}: {read.why}")
                continue
            self.count(unit_of(read), into=1, out=1)
            yield read

    def _read(
        self, row: Mapping[str, Any], defaults: Defaults
    ) -> Iterator[Document | BadRow | Again]:
        if row.keys() >= OURS and not self.columns:
            yield _document_of_ours(row)
            return
        is_ours = row.get("prompt_id") is not None and row.get("id") is not None
        try:
            for said in in_our_words(row, self.columns):
                yield self._of_others(said, defaults, is_ours)
        except (TypeError, KeyError, AttributeError, IndexError) as error:
            yield BadRow("wrong_type", f"not a sample: {type(error).__name__}: {error}")

    def _of_others(
        self, row: dict[str, Any], defaults: Defaults, is_ours: bool
    ) -> Document | BadRow | Again:
        kept = {} if is_ours else {"id": None, "source_id": row.get("source_id", row.get("id"))}
        row = {**row, "source": row.get("source") or defaults.source, **kept}
        asked = read_row({k: v for k, v in row.items() if k != "completion"}, defaults)
        if isinstance(asked, BadRow):
            return asked
        if row.get("completion") is None:
            return self._prompt(asked)
        sample = read_sample({**row, "problem": asked.problem})
        if isinstance(sample, BadRow):
            return sample
        turns = sample.prompt or (Turn(role="user", content=asked.problem),)
        known = {name: getattr(asked, name) for name in ("domain", "language", "source_id")}
        sample = replace(sample, prompt=turns, **known)
        return (sample if is_ours and sample.k >= 0 else self._numbered(sample)).to_document()

    def _prompt(self, prompt: Sample) -> Document | Again:
        """The prompt, or why it does not come a second time."""
        answer = hash_of(prompt.answer)
        if self._answers.setdefault(prompt.prompt_id, answer) == answer:
            reason, why = f"duplicate_of:{prompt.prompt_id}", "the same prompt as a row before"
        else:
            reason, why = "conflicting_answers", "asked by a row before, with another answer"
        self._seen[prompt.prompt_id] += 1
        document = prompt.to_document()
        return document if self._seen[prompt.prompt_id] == 1 else Again(document, reason, why)

    def _numbered(self, sample: Sample) -> Sample:
        """The sample with the next number of its prompt, and an id of its own."""
        k = self._seen[sample.prompt_id]
        self._seen[sample.prompt_id] += 1
        return replace(sample, k=k, id=f"{sample.prompt_id}-{digest([k, sample.text])[:8]}")


def _folder(context: Context, path: Path) -> Path | None:
    roots = (context.project, context.pipeline_dir)
    return next((root / path for root in roots if (root / path).is_dir()), None)


def _shards_of_ours(context: Context, path: Path) -> tuple[Path, ...]:
    """What a run or a dataset folder has to train on: of every config whose answers were checked
    the split `train`, in order; nothing of a folder that is not ours.
    """
    for inside in ("dataset", ""):
        told = _folder(context, path / inside / ".curate")
        if told and (told / "manifest.json").is_file():
            shards = json.loads((told / "manifest.json").read_text()).get("shards", [])
            names = [s["path"] for s in shards if "/train-" in s["path"]]
            return tuple(told.parent / n for n in names if not n.startswith("unverified/"))
    return ()


def _document_of_ours(row: Mapping[str, Any]) -> Document:
    """A row with all our columns, without a detour: these come by the million."""
    metadata = {name: row[name] for name in COLUMNS}
    turns = metadata.pop("completion") or []
    if not turns:
        metadata |= {"id": "", "k": -1}
        text = metadata.pop("problem")
        return Document(text=text, id=metadata["prompt_id"], metadata=metadata)
    return Document(
        text="".join(turn["content"] or "" for turn in turns),
        id=metadata.pop("id"),
        metadata=metadata,
    )
