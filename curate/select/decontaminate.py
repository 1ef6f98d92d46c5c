"""`Decontaminate`: no row of the dataset holds what a benchmark asks or solves.

    Decontaminate("filters/benchmarks.toml")                                # from the Hub, cached
    Decontaminate("../shared/data/math500.jsonl", require="all")            # a file

Rows that share an n-gram with an item are looked at: how much of the item do they hold, in order,
and with its numbers? A template with other numbers is another problem.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from datatrove.data import Document

from curate.errors import RunError, UsageError
from curate.notice import notice
from curate.sample import digest, is_prompt_document
from curate.select.alignment import (
    WEIGHTS,
    Alignment,
    Reading,
    align,
    is_among,
    reading,
    telling,
)
from curate.select.benchmarks import Benchmark, Item, Unreadable, benchmarks_of, items_file
from curate.select.contamination_index import Index, open_index
from curate.select.paraphrase import Paraphrase
from curate.select.tokens import Hashes, Tokens
from curate.step import Context, Step, batched

PRESETS = {"r1": 10, 8: 8, 10: 10, 13: 13}
"""Tokens of an n-gram. `r1` is DeepSeek-R1's rule: any 10 in a row, and nothing is confirmed."""

COVERED = 0.75
"""Least share of an item that makes a text contaminated. Measured on the half of the labelled rows
that is for tuning (benchmarks/contaminated.py): 0.65 to 0.8 find the same copies; 0.65 takes 0.4 %
of the clean rows, from 0.75 on it is 0.3 %.
"""
OTHER = 0.05
"""Most of its numbers and signs that may be others. Measured there: with 0.1 a third of the items
with one number changed were taken, with 0.05 an eighth, all long; no copy was lost.
"""
EXCERPT, OF_TEXT, EXCERPT_TOKENS = 0.4, 0.9, 8
"""A text that is nothing but a part of an item: least share of the item, of the text, tokens."""
TINY = 6
"""Tokens below which an item must be half of the text: "compute sin 60" is in many solutions."""

AT_ONCE = 256
"""Texts that are tokenised together."""
SHOWN = 300
"""Characters of the two spans that a refused row shows."""
READ = ("problem", "completion")


class Found(NamedTuple):
    """What of a benchmark a text holds, and how that is known."""

    item: str
    detail: str


class Decontaminate(Step):
    """Drops prompts and samples that hold a benchmark's question or solution, as
    `contaminated_by:BENCHMARK/ITEM`; `detail` has both texts' spans and how much is the same.

    What is checked is the problem with its earlier turns, so all samples of a prompt go; with
    `by=("problem", "completion")` the answers as well, each for itself.

    Args:
        benchmarks: a registry (`filters/benchmarks.toml`), data files with `problem` or `question`
            and `solution`, names out of the registry; a list, or separated by commas.
        ngram: tokens in a row that make a row worth a look: 8, 10, 13; `"r1"` is 10 without a look.
        require: names of benchmarks, or `"all"`, without which the run stops (RunError). Others
            that cannot be read are listed in the manifest as not checked, with the reason.
        numbers: `"masked"` also takes rows that differ from an item in nothing but numbers.
        paraphrase: asks a model about the nearest items of rows that are left.
    """

    def __init__(
        self,
        benchmarks: str | Sequence[str],
        *,
        ngram: int | str = 8,
        require: str | Sequence[str] = (),
        by: str | Sequence[str] = ("problem",),
        numbers: Literal["kept", "masked"] = "kept",
        paraphrase: Paraphrase | None = None,
    ) -> None:
        super().__init__()
        if ngram not in PRESETS:
            raise UsageError(f"Decontaminate(ngram={ngram!r}): choose 8, 10, 13 or 'r1'")
        if numbers not in ("kept", "masked"):
            raise UsageError(f"Decontaminate(numbers={numbers!r}): 'kept' or 'masked'")
        self.by = (by,) if isinstance(by, str) else tuple(by)
        if not self.by or any(name not in READ for name in self.by):
            raise UsageError(f"Decontaminate(by={by!r}): 'problem', 'completion' or both")
        self.spec, self.ngram, self.paraphrase = benchmarks, ngram, paraphrase
        self.numbers: Literal["kept", "masked"] = numbers
        words = require.split(",") if isinstance(require, str) else require
        self.require = tuple(word.strip() for word in words if word.strip())
        self.benchmarks: list[Benchmark] = []

    def prepare(self, context: Context) -> None:
        """Finds registry and files; UsageError for what is not there or is required in vain."""
        super().prepare(context)
        self.benchmarks = benchmarks_of(self.spec, context)
        names = [b.name for b in self.benchmarks]
        for name in self.require:
            if name != "all" and name not in names:
                raise UsageError(
                    f"Decontaminate(require={name!r}) is none of the benchmarks: {', '.join(names)}"
                )

    def files(self) -> list[Path]:
        words = [self.spec] if isinstance(self.spec, str) else list(self.spec)
        context = self.context
        registries = [w.strip() for word in words for w in word.split(",") if ".toml" in w]
        found = [context.find(word) for word in registries] if context else []
        return found + [b.file for b in self.benchmarks if b.file]

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        index = self.open()
        for documents in batched(data, AT_ONCE):
            found = self.found(documents, index)
            for i, document in enumerate(documents):
                if i in found:
                    self.drop(document, f"contaminated_by:{found[i].item}", found[i].detail)
                else:
                    yield document

    def open(self) -> Index:
        """The index of the benchmarks that this run reads: every task the same, told apart once."""
        context = self.context
        if context is None:
            raise UsageError("Decontaminate runs inside a pipeline: curate run FILE")
        place = context.out / "stages" / f".benchmarks-{digest(self.identity())[:16]}.json"
        if not place.exists():
            self._survey(place, context)
        said = json.loads(place.read_text())
        files = []
        for benchmark in self.benchmarks:
            if benchmark.name in said["checked"]:
                context.report({"benchmarks": len(files)})
                files.append(items_file(benchmark, context))
        index = open_index(
            files, n=PRESETS[self.ngram], numbers=self.numbers, report=context.report
        )
        if context.ledger:
            context.ledger.note(
                "decontamination", {**said, "ngram": self.ngram, "items": len(index)}
            )
        return index

    def _survey(self, place: Path, context: Context) -> None:
        """Reads every benchmark, and writes which ones there are, once for all tasks of a run."""
        checked: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for n, benchmark in enumerate(self.benchmarks):
            context.report({"benchmarks": n})
            try:
                items_file(benchmark, context)
                checked[benchmark.name] = {"origin": benchmark.origin, "license": benchmark.license}
            except Unreadable as error:
                missing[benchmark.name] = str(error)
        lacking = [n for n in missing if n in self.require or "all" in self.require]
        if lacking:
            raise RunError(
                f"benchmark {lacking[0]} is required and cannot be read: {missing[lacking[0]]}; "
                "give it a local file with path= in the registry, or take it out of require="
            )
        if not checked:
            first = next(iter(missing.items()))
            notice(f"no benchmark can be read ({first[0]}: {first[1]}); nothing is decontaminated")
        elif missing:
            notice(f"not checked against {', '.join(missing)}; the card says why")
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".benchmarks.", dir=place.parent)
        with os.fdopen(handle, "w") as file:
            json.dump({"checked": checked, "not_checked": missing}, file)
        try:
            os.link(part, place)  # of two tasks that survey, the first one counts
        except FileExistsError:
            pass
        finally:
            os.unlink(part)

    def found(self, documents: Sequence[Document], index: Index) -> dict[int, Found]:
        """What the contaminated ones of some documents hold, by their place."""
        owners: dict[str, list[int]] = {}
        for i, document in enumerate(documents):
            for text in self._texts(document):
                owners.setdefault(text, []).append(i)
        texts = list(owners)
        tokens = telling(texts, numbers=self.numbers)
        found: dict[int, Found] = {}
        held = self._held(texts, tokens, index)
        for text, said in held.items():
            found |= {i: said for i in owners[text] if i not in found}
        if self.paraphrase:
            left = [text for text, i in owners.items() if not found.keys() >= {*i}]
            for text, said in self.paraphrase.found(left, index):
                found |= {i: Found(*said) for i in owners[text] if i not in found}
        return found

    def _texts(self, document: Document) -> list[str]:
        """What is checked of a document."""
        texts: list[str] = []
        is_prompt = is_prompt_document(document)
        if "problem" in self.by:
            problem = document.text if is_prompt else document.metadata["problem"]
            turns = document.metadata.get("prompt") or ()
            said = [t["content"] for t in turns if t["role"] != "system" and t["content"]]
            texts.append("\n\n".join([*said[:-1], problem] if len(said) > 1 else [problem]))
        if "completion" in self.by and not is_prompt:
            texts.append(document.text)
        return texts

    def _held(self, texts: Sequence[str], tokens: Tokens, index: Index) -> dict[str, Found]:
        """The texts that hold an item: of several the one with most n-grams in common."""
        found: dict[str, Found] = {}
        candidates = groupby(index.candidates(tokens), key=lambda candidate: candidate.text)
        for i, of_text in candidates:
            text = reading(tokens, i, texts[i])
            words = np.unique(text.hashes)
            for candidate in of_text:
                item = index.reading(candidate.item)
                if self.ngram != "r1" and not may_hold(text, words, item):
                    continue
                aligned = align(item, text)
                if self.ngram == "r1" or is_contaminated(aligned):
                    found[texts[i]] = self._said(aligned, index.item(candidate.item), texts[i])
                    break
        return found

    def _said(self, aligned: Alignment, item: Item, text: str) -> Found:
        """The evidence: how much is the same, and where."""
        detail = (
            f"{aligned.coverage:.0%} of the {item.kind} in order, {aligned.other:.0%} of its"
            f" numbers and signs others; {aligned.of_text:.0%} of the row"
            f"\nrow: {shortened(text[slice(*aligned.text)])}"
            f"\nbenchmark: {shortened(item.text[slice(*aligned.item)])}"
        )
        return Found(item.name, detail)


def may_hold(text: Reading, words: Hashes, item: Reading) -> bool:
    """False when the item's tokens, in whatever order, are too few in the text (`words`: its own,
    each once) for `is_contaminated`; most that share an n-gram are told apart so.
    """
    most = WEIGHTS[item.kinds[is_among(item.hashes, words)]].sum() / item.weight
    if most >= COVERED or most < EXCERPT:
        return bool(most >= COVERED)
    shared = is_among(text.hashes, np.unique(item.hashes))
    return bool(WEIGHTS[text.kinds[shared]].sum() >= OF_TEXT * text.weight)


def is_contaminated(aligned: Alignment) -> bool:
    """True when a text holds most of an item, or is itself nothing but a part of one."""
    if aligned.other > OTHER:
        return False
    if aligned.coverage >= COVERED:
        return aligned.matched >= TINY or aligned.of_text >= 0.5
    is_excerpt = aligned.coverage >= EXCERPT and aligned.of_text >= OF_TEXT
    return is_excerpt and aligned.matched >= EXCERPT_TOKENS


def shortened(text: str) -> str:
    """The text on one line, cut in its middle.

    >>> shortened("What is\\n3 + 4?")
    'What is 3 + 4?'
    """
    text = " ".join(text.split())
    if len(text) <= SHOWN:
        return text
    return f"{text[: SHOWN * 2 // 3]} […] {text[-SHOWN // 3 :]}"
