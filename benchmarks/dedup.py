"""What `Dedup` finds, and how fast.

    python -m benchmarks.dedup pairs                        # recall, false merges by kind of edit
    python -m benchmarks.dedup speed --documents 200000     # beside datatrove's MinHash stages
    python -m benchmarks.dedup decide --documents 10000000  # time and memory of the one process

`pairs`: problems of ../shared/data (made ones where that is absent) beside the same problem in
another dress, or beside another problem that only looks alike (tests/select/near_duplicates.py).

`speed`: documents of 200 words, of which a tenth repeat another one with 3 words replaced. Both
programs read the same JSON lines, one process each, and write what is left; seconds are processor
time of that process and its children. datatrove has 5-grams of words, 14 bands of 8, and a regular
expression for tokenizer: its default English one takes 12 times as long.

`decide`: facts of that many rows as `observe` would write them, with one row in ten a duplicate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import resource
import shutil
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datatrove.data import Document

from curate.sample import Sample
from curate.select import Dedup
from curate.select.facts import BAND_NAMES, facts_path, schema
from curate.select.minhash import bands, rows_for, sketches
from curate.select.tokens import mixed
from tests.select.near_duplicates import OTHER, SAME, edited, problems

WORDS, REPLACED = 200, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("pairs", "speed", "decide"))
    parser.add_argument("--documents", type=int, default=None)
    parser.add_argument("--only", choices=("ours", "datatrove"))
    options = parser.parse_args()
    if options.what == "pairs":
        show_pairs(options.documents or 1500)
    elif options.what == "speed":
        show_speed(options.documents or 200_000, options.only)
    else:
        show_decide(options.documents or 10_000_000)


def show_pairs(limit: int) -> None:
    """Of each kind of edit, how many pairs are taken for duplicates, with and without answers."""
    found = problems(limit)
    print(f"{len(found)} problems; pairs taken for duplicates\n")
    print(f"{'edit':<18}{'pairs':>7}{'answers':>10}{'none':>10}")
    for kinds, same in ((SAME, True), (OTHER, False)):
        totals = np.zeros(3, int)
        for name, edit in kinds.items():
            rng = random.Random(name)
            texts = [(p, text) for p in found if (text := edited(edit, p.text, rng))]
            merged = [
                merges([((p.text, text), answers(p.answer, same, given)) for p, text in texts])
                for given in (True, False)
            ]
            totals += (len(texts), *merged)
            print(
                f"{name:<18}{len(texts):>7}" + "".join(f"{m / len(texts):>10.1%}" for m in merged)
            )
        shares = "".join(f"{m / totals[0]:>10.2%}" for m in totals[1:])
        print(f"{'all of the same' if same else 'all of others':<18}{totals[0]:>7}{shares}\n")


def answers(answer: str, same: bool, given: bool) -> tuple[str | None, str | None]:
    return (answer, answer if same else "-98765") if given else (None, None)


def merges(pairs: list[tuple[tuple[str, str], tuple[str | None, str | None]]]) -> int:
    """How many of the pairs of texts and answers are merged; each has a domain of its own."""
    documents = [
        Sample(prompt_id=f"{i:09d}-{j}", problem=texts[j], answer=said[j], domain=str(i))
        for i, (texts, said) in enumerate(pairs)
        for j in (0, 1)
    ]
    step = Dedup(by="problem", within="domain", keep="first")
    with tempfile.TemporaryDirectory() as folder:
        step.facts = Path(folder)  # type: ignore[attr-defined]
        kept = list(deduplicated(step, [d.to_document() for d in documents], lambda: None))
    return len(documents) - len(kept)


def deduplicated(step: Any, documents: Any, mark: Callable[[], None]) -> Iterator[Document]:
    """The three calls one after the other; `mark` is called between them."""
    for _ in step.observe(iter(documents)):
        pass
    mark()
    step.decide(1)
    mark()
    yield from step.run(iter(documents))
    mark()


def write_documents(path: Path, count: int) -> list[int]:
    """Texts of random words, of which a tenth repeat another one; returns which each repeats, or
    itself.
    """
    rng = np.random.default_rng(0)
    letters = np.array(list(string.ascii_lowercase))
    words = np.array(["".join(rng.choice(letters, n)) for n in rng.integers(2, 10, 20_000)])
    texts: list[Any] = []
    families: list[int] = []
    with path.open("w", encoding="utf-8") as lines:
        for i in range(count):
            if i > 100 and rng.random() < 0.1:
                families.append(families[rng.integers(i)])
                numbers = texts[families[-1]].copy()
                places = rng.choice(WORDS, REPLACED, replace=False)
                numbers[places] = rng.integers(len(words), size=REPLACED)
            else:
                families.append(i)
                numbers = (np.minimum(rng.zipf(1.3, WORDS), len(words)) - 1).astype(np.uint16)
            texts.append(numbers)
            text = " ".join(words[numbers]).capitalize()
            lines.write(json.dumps({"id": str(i), "text": f"{text}.", "prompt_id": str(i)}) + "\n")
    return families


def ours(lines: Path, out: Path) -> dict[str, float]:
    """Reads the documents twice, as the runner does, and writes what stays."""
    marks = [time.process_time()]
    step: Any = Dedup(by="completion", within="all", keep="first")
    step.facts = out / "facts"
    step.facts.mkdir()
    kept = deduplicated(step, Lines(lines), lambda: marks.append(time.process_time()))
    with (out / "kept").open("w") as file:
        file.writelines(json.dumps({"id": d.id, "text": d.text}) + "\n" for d in kept)
    return dict(zip(("observe", "decide", "run"), np.diff(marks).tolist(), strict=True))


class Lines:
    """The documents of a file, every time they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Document]:
        from datatrove.pipeline.readers import JsonlReader

        reader = JsonlReader(str(self._path.parent), glob_pattern=self._path.name)
        for document in reader.run():
            document.metadata |= {"problem": "", "k": 0}
            yield document


def datatrove(lines: Path, out: Path) -> dict[str, float]:
    """The four stages of MinHash, each in one task."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    reader = JsonlReader(str(lines.parent), glob_pattern=lines.name)
    signatures, buckets, remove = (str(out / name) for name in ("sig", "buckets", "remove"))
    stages = {
        "signature": [reader, MinhashDedupSignature(signatures, config, language=regex_words())],
        "buckets": [MinhashDedupBuckets(signatures, buckets, config=config)],
        "cluster": [MinhashDedupCluster(buckets, remove, config=config)],
        "filter": [
            reader,
            MinhashDedupFilter(remove),
            JsonlWriter(str(out), "kept", compression=None),
        ],
    }
    marks = [cpu_seconds()]
    for name, steps in stages.items():
        tasks = 14 if name == "buckets" else 1
        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=str(out / name)).run()
        marks.append(cpu_seconds())
    return dict(zip(stages, np.diff(marks).tolist(), strict=True))


def regex_words() -> Any:
    """Words and symbols, without spaCy."""
    from datatrove.utils.word_tokenizers import WordTokenizer, simple_span_tokenize

    class Words(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return re.findall(r"\w+|[^\w\s]", text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [s for s in re.split(r"(?<=[.!?\n])\s+", text) if s]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return list(simple_span_tokenize(text, self.sent_tokenize(text)))

    return Words()


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def measured(
    program: Callable[[Path, Path], dict[str, float]], lines: Path, out: Path, to: Any
) -> None:
    """Runs a program and says what it took."""
    program(lines.with_name("warm"), fresh(out))  # loads the modules, makes the tables
    start = cpu_seconds()
    steps = program(lines, fresh(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    to.put((cpu_seconds() - start, peak, steps))


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def judged(families: list[int], kept: Path) -> tuple[float, int]:
    """The share of repetitions that is gone, and how many documents went that repeat none."""
    with kept.open() as lines:
        left = np.bincount([families[int(json.loads(line)["id"])] for line in lines])
    sizes = np.bincount(families)
    left = np.pad(left, (0, len(sizes) - len(left)))
    gone = np.minimum(sizes - left, np.maximum(sizes - 1, 0))
    return gone.sum() / np.maximum(sizes - 1, 0).sum(), int((sizes - left - gone).sum())


def show_speed(count: int, only: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines" / "documents"
        lines.parent.mkdir()
        write_documents(lines.with_name("warm"), 300)
        families = write_documents(lines, count)
        print(f"{count} documents, {lines.stat().st_size / 1e6:.0f} MB", flush=True)
        seconds = {}
        for program in (ours, datatrove):
            if only in (None, program.__name__):
                to: Any = multiprocessing.get_context("spawn").Queue()
                out = Path(folder) / program.__name__
                worker = multiprocessing.get_context("spawn").Process(
                    target=measured, args=(program, lines, out, to)
                )
                worker.start()
                seconds[program.__name__], peak, steps = to.get()
                worker.join()
                recall, wrong = judged(families, out / "kept")
                parts = ", ".join(f"{name} {value:.1f}" for name, value in steps.items())
                print(
                    f"{program.__name__:<10}{seconds[program.__name__]:8.1f} s ({parts}), "
                    f"{peak:.0f} MB, recall {recall:.4f}, {wrong} wrong",
                    flush=True,
                )
        if len(seconds) == 2:
            print(f"ratio {seconds['datatrove'] / seconds['ours']:.1f}")


def show_decide(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        step: Any = Dedup(by="completion", within="all", keep="first")
        step.facts = Path(folder)
        write_facts(facts_path(step.facts, 0), count)
        size = facts_path(step.facts, 0).stat().st_size
        print(f"{count} rows, {size / 1e9:.1f} GB of facts", flush=True)
        worker = multiprocessing.get_context("spawn").Process(target=decided, args=(step, folder))
        worker.start()
        worker.join()


def decided(step: Any, folder: str) -> None:
    step.facts = Path(folder)
    start = time.process_time()
    step.decide(1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"decide {time.process_time() - start:.0f} s, {peak:.0f} MB at most", flush=True)


def write_facts(path: Path, count: int, features: int = 60) -> None:
    """Rows of `features` random features, of which a tenth share nine in ten with another row."""
    rng = np.random.default_rng(0)
    columns = schema(sketched=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, columns) as writer:
        for begin in range(0, count, 4096):
            rows = min(4096, count - begin)
            grams = rng.integers(0, 1 << 63, (rows, features), dtype=np.uint64) << np.uint64(1)
            copies = rng.random(rows) < 0.1
            originals = grams[rng.integers(rows, size=rows)]
            grams[copies, : features * 9 // 10] = originals[copies, : features * 9 // 10]
            drawn = sketches(grams.ravel(), np.arange(rows + 1) * features)
            key = mixed(np.arange(begin, begin + rows, dtype=np.uint64))
            names = [f"{k:016x}-{k >> np.uint64(32):08x}" for k in key]
            none = np.zeros(rows, np.uint64)
            made: dict[str, Any] = {"id": names, "prompt_id": [n[:16] for n in names]}
            made |= dict.fromkeys(("domain", "source"), ["math"] * rows)
            made |= {"answer": [None] * rows, "k": [0] * rows, "grouped": [False] * rows}
            made |= {"rank": np.zeros(rows), "key": key, "whole": mixed(grams.sum(1))}
            made |= {"diagram": none, "answered": none}
            made |= dict(zip(BAND_NAMES, bands(drawn, rows_for(0.8)), strict=True))
            made["sketch"] = pa.LargeListArray.from_arrays(drawn.starts, drawn.values)
            arrays = [pa.array(made[field.name], field.type) for field in columns]
            writer.write_batch(pa.record_batch(arrays, schema=columns))


if __name__ == "__main__":
    main()
