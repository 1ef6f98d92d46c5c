"""The shipped rules on real chains, and `Keep` as a step."""

from __future__ import annotations

import gzip
import json
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter, RegexFilter
from datatrove.utils.word_tokenizers import WordTokenizer

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Finished, Length, MathAnswer
from curate.select import Keep
from curate.step import Context, Unit
from filters import (
    correct_answer,
    language_consistent,
    no_foreign_word,
    plain_reasoning,
    publishable,
    r1_format,
    readable,
    think_answer_format,
    think_format,
)

SHARED = Path(__file__).parents[2] / "../shared"
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
ALL = [
    *(correct_answer, think_format, think_answer_format, r1_format),
    *(*readable(), language_consistent(), no_foreign_word(), plain_reasoning),
]
RULES = [*ALL, *publishable()]


def test_a_good_answer_passes_every_rule_and_a_bad_one_none() -> None:
    said = "<think>I add three and four.</think><answer>7</answer>"
    good = PROMPT.with_completion(said, finish_reason="stop").to_document()
    assert [keep.filter(good) for keep in RULES] == [True] * len(RULES)
    assert len(good.metadata["verdicts"]) == len(RULES)
    loop = PROMPT.with_completion("三和四 " * 20_000, finish_reason="length")
    assert [keep.filter(loop.to_document()) is True for keep in ALL] == [False] * len(ALL)


def test_what_is_publishable_may_name_the_model_itself() -> None:
    said = "<think>They ask who I am.</think>I am Qwen, made by Alibaba Cloud."
    document = PROMPT.with_completion(said).to_document()
    assert [keep.filter(document) is True for keep in publishable()] == [True, False, True]
    own = publishable(model="Qwen", maker="Alibaba")
    assert [keep.filter(document) for keep in own] == [True] * 3


@pytest.mark.parametrize("keep", RULES, ids=repr)
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
            rules = (*readable(), *publishable(), plain_reasoning, language_consistent())
            for keep in (*rules, think_format):
                if keep.filter(document) is not True:
                    refused[f"{keep.scorer.name} {row['format']}"] += 1
    assert refused == {
        **{"Repetition no_tags": 1, "Readability ok": 4},
        **{"ThinkFormat no_open": 39, "ThinkFormat no_tags": 1},
    }


class Words(WordTokenizer):
    """Words without spaCy, which datatrove's English one needs."""

    def word_tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+(?:'\w+)?|[^\w\s]+", text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def datatrove_filters() -> list[dict[str, Any]]:
    path = SHARED / "cases/datatrove-filters.jsonl"
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with datatrove's cases")
def test_datatroves_own_filters_judge_our_samples_as_they_judge_theirs() -> None:
    rows = datatrove_filters()
    words: Any = Words()
    for row in rows:
        given = row.get("params", {})
        step = {
            "gopher_repetition": lambda **p: GopherRepetitionFilter(**p, language=words),
            "gopher_quality": lambda **p: GopherQualityFilter(**p, language=words),
            "regex": lambda regex: RegexFilter(regex),
        }[row["function"]](**given)
        document = PROMPT.with_completion(row["input"], finish_reason="stop").to_document()
        kept = list(step.run(Keep(Finished()).run([document])))
        assert bool(kept) == (row["expected"] is True), row["id"]
        if isinstance(row["expected"], str):
            assert step.stats[f"dropped_{row['expected']}"].total == 1, row["id"]
    assert rows


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


def test_french_in_an_english_chain_is_seen_by_language_only() -> None:
    said = ENGLISH * 20 + "\nPuis nous devons encore ajouter les deux nombres, et voici la somme.\n"
    document = PROMPT.with_completion(f"<think>{said}{ENGLISH * 20}</think>7").to_document()
    assert language_consistent(at_least=0.96).filter(document) is True
    keep = language_consistent(at_least=0.96, by="language")
    assert keep.filter(document) == (False, keep.scorer.name)


def test_one_foreign_word_is_seen_by_a_rule_of_its_own() -> None:
    for text, is_kept in ((ENGLISH * 300, True), (f"{ENGLISH * 300} 等于 {ENGLISH * 300}", False)):
        document = PROMPT.with_completion(f"<think>{text}</think>7").to_document()
        assert language_consistent().filter(document) is True
        assert (no_foreign_word().filter(document) is True) == is_kept


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
