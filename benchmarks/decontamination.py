"""How well, and how fast, contaminated rows are found: `Decontaminate`, plain n-grams, datatrove.

    python -m benchmarks.decontamination ../shared/data
    python -m benchmarks.decontamination ../shared/data --half tune

The rows are those of benchmarks/contaminated.py. Plain n-grams are words (`[a-z0-9]+`) in a Python
set; datatrove's NGramsDecontFilter takes its 12-grams, here with a regex tokenizer, since its
English default needs spaCy and is slower. Seconds are of the processor, one process.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from datatrove.data import Document

from benchmarks.contaminated import BENCHMARKS, Labelled, labelled, read
from curate.select.decontaminate import Decontaminate
from curate.step import Context

Check = Callable[[Sequence[str]], list[bool]]


class Measured(NamedTuple):
    """Of a way to check: which rows it takes, and the seconds that took, clean ones and others."""

    taken: list[bool]
    clean_s: float
    planted_s: float


def ours(data: Path, folder: Path, ngram: int | str) -> Check:
    """`Decontaminate` against all four benchmarks; the index is built before the clock runs."""
    step = Decontaminate([str((data / name).resolve()) for name in BENCHMARKS], ngram=ngram)
    step.prepare(Context(out=folder / str(ngram), project=Path.cwd(), pipeline_dir=Path.cwd()))
    step.open()

    def check(texts: Sequence[str]) -> list[bool]:
        documents = (Document(text=text, id=str(i)) for i, text in enumerate(texts))
        kept = {document.id for document in step.run(documents)}
        return [str(i) not in kept for i in range(len(texts))]

    return check


def word_grams(text: str, n: int) -> Iterable[str]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))


def plain(data: Path, n: int) -> Check:
    """A set of the word n-grams of questions and solutions."""
    texts = [text for name in BENCHMARKS for row in read(data / name) for text in sides(row)]
    known = {gram for text in texts for gram in word_grams(text, n)}
    return lambda texts: [any(gram in known for gram in word_grams(text, n)) for text in texts]


def sides(row: dict[str, str | None]) -> tuple[str, str]:
    """A benchmark's question and its solution."""
    return row["problem"] or "", row.get("solution") or row.get("answer") or ""


def datatrove(data: Path, folder: Path) -> Check:
    """datatrove's filter over questions and solutions, on an index as its indexer writes it (that
    one wants lighteval).
    """
    import numpy as np
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.utils.text import ngrams, simplify_text
    from datatrove.utils.word_tokenizers import WordTokenizer, simple_span_tokenize

    class Words(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return re.findall(r"\w+|[^\w\s]", text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return list(simple_span_tokenize(text, self.sent_tokenize(text)))

    config = NGramsDecontConfig(find_query_ngrams=True)
    step = NGramsDecontFilter(str(folder), config=config, language=Words())  # type: ignore[arg-type]
    hashes: set[int] = set()
    for text in (text for name in BENCHMARKS for row in read(data / name) for text in sides(row)):
        words = step.tokenizer.word_tokenize(simplify_text(text, config.norm_config))
        grams = (" ".join(gram) for gram in ngrams(words, config.n_grams))
        hashes.update(map(step.hash_func, grams))  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    np.array(sorted(hashes), config.hash_config.np_descr).tofile(folder / "all.index.hashes")
    step.load_index_hashes()

    def check(texts: Sequence[str]) -> list[bool]:
        documents = (Document(text=text, id=str(i)) for i, text in enumerate(texts))
        return [step.filter(document) is not True for document in documents]

    return check


def measure(check: Check, rows: Sequence[Labelled]) -> Measured:
    taken: list[bool] = []
    seconds: list[float] = []
    for is_planted in (False, True):
        texts = [row.text for row in rows if (row.item is not None) == is_planted]
        began = time.process_time()
        taken += check(texts)
        seconds.append(time.process_time() - began)
    return Measured(taken, *seconds)


def told(rows: Sequence[Labelled], ways: dict[str, Measured]) -> None:
    """The share of rows of each kind that each way takes, and the sums."""
    kinds: dict[tuple[bool, str], Counter[str]] = {}
    for i, row in enumerate(rows):
        is_planted = row.item is not None
        for kind in (row.kind, "all"):
            counts = kinds.setdefault((not is_planted, kind), Counter())
            counts["rows"] += 1
            counts.update(name for name, way in ways.items() if way.taken[i])
    print(f"{'':34}{'rows':>7}" + "".join(f"{name:>16}" for name in ways))
    for (is_clean, kind), counts in sorted(kinds.items()):
        name = f"{'clean' if is_clean else 'contaminated'}, {kind}"
        shares = "".join(f"{counts[way] / counts['rows']:16.4f}" for way in ways)
        print(f"{name:34}{counts['rows']:7,}{shares}")
    planted = sum(row.item is not None for row in rows)
    clean = "".join(f"{(len(rows) - planted) / way.clean_s:16,.0f}" for way in ways.values())
    others = "".join(f"{planted / way.planted_s:16,.0f}" for way in ways.values())
    print(f"{'clean rows a second of the processor':41}{clean}")
    print(f"{'contaminated rows a second':41}{others}")


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("data", type=Path)
    words.add_argument("--half", choices=["tune", "held out"], default="held out")
    words.add_argument("--times", type=int, default=1, help="the rows so many times over")
    given = words.parse_args()
    rows = [row for row in labelled(given.data) if row.half == given.half] * given.times
    rows.sort(key=lambda row: row.item is not None)  # as `measure` takes them
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, Check] = {
            "ours 8": ours(given.data, folder, 8),
            "ours 10": ours(given.data, folder, 10),
            "ours 13": ours(given.data, folder, 13),
            "ours r1": ours(given.data, folder, "r1"),
            "plain 10": plain(given.data, 10),
            "plain 13": plain(given.data, 13),
            "datatrove": datatrove(given.data, folder / "datatrove"),
        }
        told(rows, {name: measure(check, rows) for name, check in ways.items()})


if __name__ == "__main__":
    main()
