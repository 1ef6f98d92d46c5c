r"""Recorded samples of R1's lengths with known faults planted: the input of `benchmarks.scale`.

    python -m benchmarks.scale_data runs/scale-data --rows 80000
    python -m benchmarks.scale_data runs/scale-data --rows 800000 --lengths 0.1

    DIR/samples/00000.parquet …   columns of docs/columns.md, one row a sample
    DIR/benchmark.jsonl           the test problems that the contaminated rows were made from
    DIR/planted.parquet           source_id, kind, of: what is wrong with each row (null: nothing)

Half of the prompts have two samples. Texts are English prose with formulas, from a grammar. A row
is a function of the seed and its number alone, so a copy is made by making its original again, and
memory does not grow with the rows.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import scale_words as words
from curate.sample import COLUMNS, prompt_id, schema

DOMAINS = {
    "math": (395_285, 6_094.2),
    "code": (211_129, 7_435.7),
    "stem": (10_124, 4_928.8),
    "logic": (10_395, 2_739.0),
    "general": (177_812, 1_419.8),
}
"""Samples and mean tokens of DeepSeek-R1's 800k set (arXiv 2501.12948 v2, table 5)."""
SHARES = {
    **{"exact": 0.05, "exact_completion": 0.05, "near": 0.025, "near_completion": 0.025},
    **{"contaminated": 0.02, "wrong": 0.08, "unfinished": 0.06, "loop": 0.05},
    **{"foreign": 0.05, "code_block": 0.04, "long_paragraph": 0.02},
}
"""Of all rows: 10 % exact and 5 % near copies (of a whole sample, or of its completion under
another problem), 2 % contaminated, 30 % to be rejected; the other 53 % are sound."""
COPIES = ("exact", "exact_completion", "near", "near_completion")
CHARACTERS_A_TOKEN = 3.7
SPREAD = 0.7
"""Of the logarithm of the lengths; the paper gives means only."""
LONGEST_TOKENS = 31_000
"""R1 generates at most 32,768, and a planted fault has up to 1,300."""
ITEMS = 500
"""Problems of the planted benchmark, as many as MATH-500 has."""
FILE_BYTES, GROUP_BYTES = 128_000_000, 16_000_000


class Planted(NamedTuple):
    """What every row is: the number of its kind (0: sound), and the row that it copies or -1."""

    kind: np.ndarray
    of: np.ndarray

    @classmethod
    def deal(cls, rows: int, seed: int) -> Planted:
        """Kinds in exact shares; every copy is of another sound row."""
        generator = np.random.default_rng(seed)
        counts = [round(share * rows) for share in SHARES.values()]
        kind = np.zeros(rows, np.uint8)
        kind[: sum(counts)] = np.repeat(np.arange(1, len(counts) + 1), counts)
        generator.shuffle(kind)
        sound = np.flatnonzero((kind == 0) & (np.arange(rows) % 2 == 0))
        copies = np.flatnonzero((kind > 0) & (kind <= len(COPIES)))
        of = np.full(rows, -1, np.int64)
        of[copies] = generator.permutation(sound)[: len(copies)]
        return cls(kind, of)

    def name(self, number: int) -> str | None:
        """The kind of a row in words; None for a sound one."""
        return (None, *SHARES)[self.kind[number]]


class Problem(NamedTuple):
    text: str
    answer: str


def problem(seed: int, number: int) -> Problem:
    """A problem with a number for an answer, of 40 to 120 words."""
    choose = random.Random(hash((seed, 1, number)))
    facts = choose.choices(_sentences(seed, "facts", words.FACTS, 100_000), k=choose.randint(3, 6))
    (question,) = choose.choices(_sentences(seed, "questions", words.QUESTIONS, 20_000))
    return Problem(" ".join([*facts, question]), str(choose.randint(2, 99_999)))


@cache
def items(seed: int) -> list[Problem]:
    """The problems of the planted benchmark; their sentences are in no other problem."""
    choose = random.Random(f"{seed}/benchmark")
    facts = ([words.filled(choose, words.FACTS) for _ in range(4)] for _ in range(ITEMS))
    return [
        Problem(" ".join([*said, words.filled(choose, words.QUESTIONS)]), str(1000 + number))
        for number, said in enumerate(facts)
    ]


@cache
def _sentences(seed: int, name: str, templates: tuple[str, ...], size: int) -> list[str]:
    choose = random.Random(f"{seed}/{name}")
    return [words.filled(choose, templates) for _ in range(size)]


@cache
def bank(seed: int) -> list[str]:
    """Sentences with what follows each: a space, or a new paragraph."""
    choose = random.Random(f"{seed}/ends")
    ends = (" ", "\n\n")
    said = _sentences(seed, "thoughts", words.THOUGHTS, 100_000)
    return [sentence + choose.choice(ends) for sentence in said]


@cache
def mean_length(seed: int) -> float:
    return sum(map(len, bank(seed))) / len(bank(seed))


def thought(seed: int, number: int, domain: str, lengths: float) -> list[str]:
    """The sentences of a chain of thought."""
    choose = random.Random(hash((seed, 2, number)))
    mean = DOMAINS[domain][1] * lengths
    tokens = choose.lognormvariate(math.log(mean) - SPREAD**2 / 2, SPREAD)
    characters = min(tokens, LONGEST_TOKENS * lengths) * CHARACTERS_A_TOKEN
    return choose.choices(bank(seed), k=max(4, round(characters / mean_length(seed))))


def domain_of(seed: int, number: int) -> str:
    weights = [count for count, _ in DOMAINS.values()]
    return random.Random(hash((seed, 3, number))).choices(list(DOMAINS), weights)[0]


def answered(sentences: list[str], answer: str) -> str:
    """A completion in R1's form."""
    said = "".join(sentences).strip()
    last = sentences[-1].strip()
    return f"<think>\n{said}\n</think>\n\n{last} The answer is $\\boxed{{{answer}}}$."


def faulty(kind: str, sentences: list[str], answer: str, choose: random.Random) -> str:
    """A completion with one fault of a kind somewhere in its reasoning."""
    place = choose.randrange(1, len(sentences))
    if kind == "wrong":
        return answered(sentences, str(int(answer) + choose.randint(1, 50)))
    if kind == "unfinished":
        said = "".join(sentences)
        return f"<think>\n{said[: choose.randrange(len(said) // 2, len(said))]}"
    if kind == "loop":
        planted = [sentences[place].strip() + " "] * 30
    elif kind == "foreign":
        planted = [choose.choice(words.FOREIGN)]
    elif kind == "code_block":
        planted = [f"\n\n```python\nprint({choose.randint(10, 999)} % 7)\n```\n\n"]
    else:  # 700 words without a break
        long = choose.choices(_sentences(0, "thoughts", words.THOUGHTS, 100_000), k=50)
        planted = ["\n\n", " ".join(long), "\n\n"]
    return answered([*sentences[:place], *planted, *sentences[place:]], answer)


def nearly(text: str, choose: random.Random) -> str:
    """The same text with other LaTeX spacing, bold words, and one word in 200 replaced."""
    text = text.replace(r"\frac{", r"\dfrac{").replace(
        " = ", choose.choice([" = ", "=", r" \,=\, "])
    )

    def edited(match: re.Match[str]) -> str:
        chance = choose.random()
        if chance < 0.005:
            return choose.choice(words.LISTS["adjective"])
        return f"**{match.group()}**" if chance < 0.01 else match.group()

    said = _WORD.sub(edited, text)
    return said if said != text else _WORD.sub(r"**\g<0>**", text, count=1)


_WORD = re.compile(r"(?<![\\\w<])[a-z]{4,}(?![\w>{])")


def retold(item: Problem, choose: random.Random) -> Problem:
    """A benchmark's problem as it leaks: as it is, numbered, with other spacing, or quoted."""
    text = item.text
    form = choose.randrange(4)
    if form == 1:
        text = f"**Problem {choose.randint(1, 30)}.** {text}"
    elif form == 2:
        text = text.replace(r"\frac{", r"\dfrac{").replace("$", "$ ").replace("  ", " ")
    elif form == 3:
        text = f"Please solve this question from the exam: {text} Show all of your work."
    return Problem(text, item.answer)


def row(planted: Planted, number: int, seed: int, lengths: float) -> dict[str, Any]:
    """The sample with this number."""
    kind, of = planted.name(number) or "", int(planted.of[number])
    choose = random.Random(hash((seed, 4, number)))
    # A copied completion stands under a problem of its own.
    asked = problem(seed, ~number if of >= 0 else number // 2)
    domain = domain_of(seed, (number if of < 0 else of) // 2)
    sentences = thought(seed, number if of < 0 else of, domain, lengths)
    if of >= 0:
        original = problem(seed, of // 2)
        text = answered(sentences, original.answer)
        asked = Problem(asked.text, original.answer) if "completion" in kind else original
        if kind.startswith("near"):
            text = nearly(text, choose)
            asked = asked._replace(text=nearly(asked.text, choose)) if kind == "near" else asked
    elif kind == "contaminated":
        asked = retold(choose.choice(items(seed)), choose)
        text = answered(sentences, asked.answer)
    elif kind:
        text = faulty(kind, sentences, asked.answer, choose)
    else:
        text = answered(sentences, asked.answer)
    source = "mirror" if of >= 0 else "leak" if kind == "contaminated" else "main"
    name = prompt_id(source, asked.text, None)
    return dict.fromkeys(COLUMNS) | {
        **{"id": f"{name}-{number:08x}", "prompt_id": name, "k": number % 2},
        **{"problem": asked.text, "answer": asked.answer, "domain": domain, "source": source},
        **{"source_id": f"row-{number:09d}", "license": "CC0-1.0", "language": "en"},
        "prompt": [{"role": "user", "content": asked.text}],
        "completion": [{"role": "assistant", "content": text}],
        **{"model": "recorded", "finish_reason": "length" if kind == "unfinished" else "stop"},
        **{"prompt_tokens": len(asked.text) // 4, "seed": number, "verdicts": []},
        "completion_tokens": int(len(text) / CHARACTERS_A_TOKEN),
    }


def rows(count: int, *, lengths: float = 1.0, seed: int = 0) -> Iterator[dict[str, Any]]:
    """All samples in order."""
    planted = Planted.deal(count, seed)
    for number in range(count):
        yield row(planted, number, seed, lengths)


def write(folder: Path, count: int, *, lengths: float = 1.0, seed: int = 0) -> int:
    """Writes samples, benchmark and what was planted; returns the bytes of the sample files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    samples = folder / "samples"
    samples.mkdir(parents=True)
    lines = (
        json.dumps({"id": f"item-{n}", "problem": item.text, "answer": item.answer})
        for n, item in enumerate(items(seed))
    )
    (folder / "benchmark.jsonl").write_text("\n".join(lines) + "\n")
    planted = Planted.deal(count, seed)
    named = pa.table(
        {
            "source_id": [f"row-{n:09d}" for n in range(count)],
            "kind": pa.DictionaryArray.from_arrays(
                pa.array(planted.kind.astype("int8") - 1, mask=planted.kind == 0), list(SHARES)
            ),
            "of": pa.array(planted.of, mask=planted.of < 0),
        }
    )
    pq.write_table(named, folder / "planted.parquet", compression="zstd")
    made = rows(count, lengths=lengths, seed=seed)
    for number, held in enumerate(_files(made)):
        file = samples / f"{number:05d}.parquet"
        with pq.ParquetWriter(file, schema(), compression="zstd") as out:
            for group in held:
                out.write_table(pa.Table.from_pylist(group, schema()))
    return sum(file.stat().st_size for file in samples.iterdir())


def _files(made: Iterator[dict[str, Any]]) -> Iterator[Iterator[list[dict[str, Any]]]]:
    """The rows in groups, and these in files."""
    groups = _groups(made)
    while (first := next(groups, None)) is not None:
        yield iter([first, *islice(groups, FILE_BYTES // GROUP_BYTES - 1)])


def _groups(made: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group, size = [], 0
    for sample in made:
        group.append(sample)
        size += 4 * (sample["prompt_tokens"] + sample["completion_tokens"])
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--lengths", type=float, default=1.0, help="R1's lengths times this")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    size = write(options.folder, options.rows, lengths=options.lengths, seed=options.seed)
    print(f"{options.rows:,} samples, {size / 1e6:,.0f} MB in {options.folder}")


if __name__ == "__main__":
    main()
