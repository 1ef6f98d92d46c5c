"""The folders of documents between two stages: JSON lines in zstd frames, dealt to the next tasks.

    stages/02-Generate/documents/00003/00001.jsonl.zst      for task 3 of the next stage, by task 1

A file appears under its name when its task has ended; until then it is `…part`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import orjson
import zstandard
from datatrove.data import Document

Deal = Literal["row", "rank", "prompt", "one"]
"""To which task of the next stage a document goes: in turn, to the same number, by its prompt, to
the only one.
"""


def dealer(deal: Deal, rank: int, tasks: int) -> Callable[[int, Document], int]:
    """The function from a document and its number in the stream to a task of the next stage."""
    if deal == "row":
        return lambda n, document: n % tasks
    if deal == "prompt":
        return lambda n, document: int(document.metadata["prompt_id"], 16) % tasks
    return lambda n, document: rank if deal == "rank" else 0


class Shares:
    """Writes documents into one file for each task to come; `commit` makes them appear."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder, self.rank = folder, rank
        self._stack = ExitStack()
        self._files: dict[int, tuple[Path, io.BufferedWriter, Any]] = {}

    def write(self, task: int, document: Document) -> None:
        if task not in self._files:
            self._files[task] = self._open(self.folder / f"{task:05d}")
        line = {"id": document.id, "text": document.text, "metadata": document.metadata}
        self._files[task][2].write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def commit(self) -> None:
        self._stack.close()
        for part, _, _ in self._files.values():
            os.replace(part, part.with_suffix(""))

    def _open(self, folder: Path) -> tuple[Path, io.BufferedWriter, Any]:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{self.rank:05d}.jsonl.zst.part"
        file = self._stack.enter_context(part.open("wb"))
        frame = zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=False)
        return part, file, self._stack.enter_context(frame)


def read_share(folder: Path, task: int) -> Iterator[Document]:
    """The documents that the previous stage dealt to a task, in the order of its files."""
    for path in sorted((folder / f"{task:05d}").glob("*.jsonl.zst")):
        with path.open("rb") as file:
            frame = zstandard.ZstdDecompressor().stream_reader(file)
            for line in io.BufferedReader(frame, 1 << 20):  # type: ignore[arg-type]
                yield Document(**orjson.loads(line))


def sort_by_prompt(documents: Iterable[Document], scratch: Path) -> Iterator[Document]:
    """The documents with those of a prompt one after the other, by number of the sample."""
    from curate.sinks.sorting import sorted_rows

    rows = ({"id": d.id, "text": d.text, "metadata": d.metadata} for d in documents)
    for row in sorted_rows(rows, scratch, key=_place):
        yield Document(**row)


def _place(row: dict[str, Any]) -> tuple[str, int, str]:
    return (row["metadata"]["prompt_id"], row["metadata"].get("k", -1), row["id"])
