"""The shipped rules on real chains, and `Keep` as a step."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Length, MathAnswer
from curate.select import Keep
from curate.step import Context, Unit
from filters import (
    correct_answer,
    language_consistent,
    r1_format,
    readable,
    think_answer_format,
    think_format,
)

SHARED = Path(__file__).parents[2] / "../shared"
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
ALL = [
    *(correct_answer, think_format, think_answer_format, r1_format),
    *(*readable(), language_consistent()),
]


def test_a_good_answer_passes_every_rule_and_a_bad_one_none() -> None:
    said = "<think>I add three and four.</think><answer>7</answer>"
    good = PROMPT.with_completion(said, finish_reason="stop").to_document()
    assert [keep.filter(good) for keep in ALL] == [True] * len(ALL)
    assert len(good.metadata["verdicts"]) == len(ALL)
    loop = PROMPT.with_completion("三和四 " * 20_000, finish_reason="length")
    assert [keep.filter(loop.to_document()) is True for keep in ALL] == [False] * len(ALL)


@pytest.mark.parametrize("keep", ALL, ids=repr)
def test_rules_pickle(keep: Keep) -> None:
    copy = pickle.loads(pickle.dumps(keep))
    assert (copy.scorer, copy.at_least, copy.label) == (keep.scorer, keep.at_least, keep.label)
    assert copy.identity() == keep.identity() and keep.label == f"Keep:{keep.scorer.name}"


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with real chains")
def test_thresholds_part_the_sound_chains_from_the_loop() -> None:
    refused: Counter[str] = Counter()
    with gzip.open(SHARED / "data/traces_math500.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            prompt = Sample(prompt_id="p", problem=row["problem"], answer=row["answer"])
            document = prompt.with_completion(row["response"], finish_reason="stop").to_document()
            for keep in (*readable(), language_consistent(), think_format):
                if keep.filter(document) is not True:
                    refused[f"{keep.scorer.name} {row['format']}"] += 1
    assert refused == {"Repetition no_tags": 1, "ThinkFormat no_open": 39, "ThinkFormat no_tags": 1}


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with constructed chains")
def test_chains_in_two_scripts_are_not_consistent() -> None:
    path = SHARED / "cases/language-mixed-cot-constructed.jsonl"
    kept: Counter[str] = Counter()
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        passes = language_consistent().filter(PROMPT.with_completion(row["text"]).to_document())
        if passes is True and row["sentences_other"]:
            kept[f"{row['sentences_other']} {row['languages'][1]}"] += 1
    short = {"1 ru": 1, "1 ko": 1}
    assert short.items() <= kept.items()
    assert all(language == "fr" for language in (key[-2:] for key in kept if key not in short))


ENGLISH, CHINESE = "and then we add the number again ", "然后我们再加上这个数字"
LEAKS = [
    ("en", ENGLISH, "小明有三个苹果还有四个梨子", "Chinese into English"),
    ("zh", CHINESE, ENGLISH * 2, "English into Chinese"),
    ("en", ENGLISH, "потом мы сложим три числа " * 3, "Russian into English"),
]


@pytest.mark.parametrize(
    ("language", "said", "leak", "reason"), LEAKS, ids=[leak[3] for leak in LEAKS]
)
def test_a_chain_around_it_does_not_dilute_a_leak(
    language: str, said: str, leak: str, reason: str
) -> None:
    prompt, keep = Sample(prompt_id="p", problem="?", language=language), language_consistent()
    for text, is_kept in ((said * 300, True), (said * 300 + leak + said * 300, False)):
        document = prompt.with_completion(f"<think>{text}</think>7").to_document()
        assert (keep.filter(document) is True) == is_kept


class Book:
    """A ledger that remembers."""

    def __init__(self) -> None:
        self.drops: list[tuple[Any, ...]] = []

    def count(self, label: str, unit: Unit, **numbers: int) -> None:
        raise AssertionError("Keep leaves counting to the runner")

    def drop(
        self, label: str, unit: Unit, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        self.drops.append((label, unit, document.id, reason, detail, failed))

    def note(self, name: str, value: Any) -> None:
        raise AssertionError("Keep has nothing to note")


def test_what_is_refused_is_in_the_ledger_with_its_reason() -> None:
    keep, book = Keep(MathAnswer()), Book()
    keep.prepare(Context(out=Path(), project=Path(), pipeline_dir=Path(), ledger=book))
    documents = [
        PROMPT.with_completion("7", id="good").to_document(),
        PROMPT.with_completion("8", id="wrong").to_document(),
        Sample(prompt_id="q", problem="?").with_completion("7", id="no-gold").to_document(),
    ]
    assert [document.id for document in keep.run(iter(documents))] == ["good"]
    assert book.drops == [
        ("Keep:MathAnswer", "samples", "wrong", "MathAnswer", "8 is not 7", False),
        ("Keep:MathAnswer", "samples", "no-gold", "MathAnswer:unjudged", "no gold answer", False),
    ]
    assert keep.stats["dropped"].total == 2 and keep.stats["forwarded"].total == 1


def test_an_exclusion_writer_gets_what_is_refused(tmp_path: Path) -> None:
    from datatrove.pipeline.writers.jsonl import JsonlWriter

    writer = JsonlWriter(str(tmp_path), compression=None)
    keep = Keep(Length(maximum=1, unit="words"), exclusion_writer=writer)
    documents = [PROMPT.with_completion(text, id=text).to_document() for text in ("7", "is 7")]
    assert [document.id for document in keep.run(iter(documents))] == ["7"]
    (row,) = map(json.loads, (tmp_path / "00000.jsonl").read_text().splitlines())
    assert row["metadata"]["filter_reason"] == "Length:maximum=1,unit=words"
    assert keep.identity() == Keep(Length(maximum=1, unit="words")).identity()


def test_a_threshold_outside_of_the_scores_is_refused() -> None:
    with pytest.raises(UsageError, match=r"at_least=95 is not in \[0, 1\]"):
        Keep(MathAnswer(), at_least=95)
