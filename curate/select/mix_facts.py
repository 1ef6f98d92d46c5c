"""What `Mix` remembers of every document: 32 bytes in columns, a file for each task."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datatrove.data import Document
from numpy.typing import NDArray

from curate.select.draw import place


class Cell(NamedTuple):
    """What a document is of; documents of one cell are alike but for their place in the draw."""

    domain: str
    language: str
    source: str


class Facts(NamedTuple):
    """The documents of all tasks, one after the other."""

    prompts: NDArray[np.uint64]
    """The place of the document's prompt in the draw."""
    samples: NDArray[np.uint64]
    """Its own place."""
    cells: NDArray[np.int32]
    tokens: NDArray[np.int32]
    """Completion tokens; -1 where the engine gave no count."""
    scores: NDArray[np.float32]
    """Of the verdict that gives its domain priority; NaN where there is none."""
    named: list[Cell]
    starts: list[int]
    """Where the documents of each task start, and the end of the last one."""
    are_prompts: bool

    def of_cells(self, cells: Sequence[int]) -> NDArray[np.int64]:
        """The numbers of the documents of some cells."""
        wanted = np.zeros(len(self.named) + 1, bool)
        wanted[list(cells)] = True
        return np.flatnonzero(wanted[self.cells])


class Recorder:
    """Takes the documents of one task, then writes what is remembered of them."""

    def __init__(self, seed: int, verdicts: dict[str, str]) -> None:
        self.seed, self.verdicts = seed, verdicts
        """By domain, the name of the verdict that gives priority."""
        self._prompts, self._samples = array("Q"), array("Q")
        self._cells, self._tokens, self._scores = array("i"), array("i"), array("f")
        self._numbers: dict[Cell, int] = {}
        self._are_prompts = False

    def add(self, document: Document) -> None:
        metadata = document.metadata
        cell = cell_of(document)
        self._prompts.append(place(self.seed, metadata["prompt_id"]))
        self._samples.append(place(self.seed, document.id))
        self._cells.append(self._numbers.setdefault(cell, len(self._numbers)))
        tokens = metadata.get("completion_tokens")
        self._tokens.append(-1 if tokens is None else tokens)
        self._are_prompts |= "problem" not in metadata
        name = self.verdicts.get(cell.domain)
        said = (v["score"] for v in metadata.get("verdicts") or () if v["name"] == name)
        score = next(said, None)
        self._scores.append(float("nan") if score is None else score)

    def save(self, path: Path) -> None:
        """Writes the file, which appears when it is whole."""
        about = {"cells": list(self._numbers), "are_prompts": self._are_prompts}
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(
                file,
                about=np.array(json.dumps(about)),
                prompts=as_numpy(self._prompts),
                samples=as_numpy(self._samples),
                cells=as_numpy(self._cells),
                tokens=as_numpy(self._tokens),
                scores=as_numpy(self._scores),
            )
        os.replace(part, path)


def as_numpy(numbers: array) -> NDArray:
    return np.frombuffer(numbers, numbers.typecode) if numbers else np.empty(0, numbers.typecode)


def cell_of(document: Document) -> Cell:
    """What a document is of; what is not known is empty, the language `unknown`."""
    said = document.metadata
    return Cell(
        said.get("domain") or "", said.get("language") or "unknown", said.get("source") or ""
    )


def facts_file(folder: Path, task: int) -> Path:
    return folder / f"facts-{task:05d}.npz"


def read_facts(folder: Path, tasks: int) -> Facts:
    """What all tasks wrote."""
    names = ("prompts", "samples", "cells", "tokens", "scores")
    parts: dict[str, list[NDArray]] = {name: [] for name in names}
    numbers: dict[Cell, int] = {}
    starts, are_prompts = [0], False
    for task in range(tasks):
        with np.load(facts_file(folder, task)) as file:
            about = json.loads(str(file["about"]))
            found = {name: file[name] for name in names}
        own = [numbers.setdefault(Cell(*cell), len(numbers)) for cell in about["cells"]]
        found["cells"] = np.array(own or [0], np.int32)[found["cells"]]
        for name, column in found.items():
            parts[name].append(column)
        starts.append(starts[-1] + len(found["cells"]))
        are_prompts |= about["are_prompts"]
    columns = {name: np.concatenate(parts.pop(name)) for name in names}
    return Facts(**columns, named=list(numbers), starts=starts, are_prompts=are_prompts)
