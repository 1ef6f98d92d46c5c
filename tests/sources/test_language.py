"""A language is told only where it is plain."""

import gzip
import json
from pathlib import Path

import pytest

from curate.sources.language import written_in

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is 3 + 4?", "en"),
        (r"Compute $\sin 60^\circ$.", "en"),
        ("小明有 3 个苹果和 4 个梨", "zh"),
        ("りんごが 3 個あります。", "ja"),
        ("사과가 3 개 있습니다.", "ko"),
        ("Wie viel ist 3 + 4?", None),
        ("Quel âge a the boy?", None),
        ("Сколько будет 3 + 4?", None),
        (r"$\text{the value of}$ 3 + 4", None),
        ("3 + 4 =", None),
        ("", None),
    ],
)
def test_plain_cases(text, language):
    assert written_in(text) == language


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data folder beside the checkout")
def test_real_sentences_of_36_languages_are_hardly_ever_mistaken():
    with gzip.open(DATA / "tatoeba_pairs.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    wrong = [r for r in rows if written_in(r["text"]) not in (None, r["language"])]
    assert len(rows) > 18_000
    assert len(wrong) <= 1
