"""Pairs of answers: which two, who said so, and what became of the others."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers import Scorer, TextAnswer
from curate.scorers.pairwise import Judgement, PairVerdict, Preference
from curate.select import Pairs
from curate.select.pairs import Gap, Triple, score_of
from tests.select.passing import group, passed


@dataclass(frozen=True)
class Digits(Scorer):
    """The number that an answer begins with, in hundredths; None without one."""

    def judge(self, sample: Sample) -> Verdict:
        word = sample.response.split()[0]
        return Verdict(int(word) / 100 if word.isdigit() else None, f"says {word}")


@dataclass(frozen=True)
class Listener:
    """A judge that likes the letter x, and remembers what it was shown."""

    asked: list[tuple[str, str]]
    first_wins: bool = False
    name: str = "Listener"

    def identity(self) -> str:
        return self.name

    def compare_all(self, pairs: Iterable[Triple]) -> list[PairVerdict]:
        return [self._compare(a, b) for _, a, b in pairs]

    def _compare(self, a: Sample, b: Sample) -> PairVerdict:
        self.asked.append((a.text, b.text))
        points = max(-2, min(2, a.text.count("x") - b.text.count("x")))
        said = (2, -2) if self.first_wins else (points, points)
        judged = tuple(Judgement("A>B", bool(i), p) for i, p in enumerate(said))
        return PairVerdict(sum(said) / 2, judged, "as asked")


def pairs(**changes: Any) -> Pairs:
    return Pairs({"math": Gap(Digits())}, **changes)


def signs(documents: Iterable[Document]) -> dict[str, float | None]:
    return {d.id: score_of(Sample.from_document(d)) for d in documents}


def test_the_nearest_in_length_that_differ_clearly_are_the_pair() -> None:
    answers = group("80 aaaa", "70 aaaa", "10 aaaaaa", "0 aaaaaaaaaaa", domain="math")
    found = passed(pairs(), answers)
    assert signs(found.kept) == {"p-0": pytest.approx(0.85), "p-2": pytest.approx(0.15)}
    assert found.reasons == {"p-1": "surplus", "p-3": "surplus"}
    verdict = found.kept[0].metadata["verdicts"][-1]
    assert verdict["name"] == "Pairs:Gap(Digits)"
    assert verdict["reason"] == "better by 1.4 than p-2: says 80 | says 10"


WHY = [
    (["50 a", "40 b", "1 c"], "unclear", "the largest gap of 3 is 0.98, not above 1"),
    (["50 a", "50 a"], "no_pair", "2 samples, all alike or of other lengths"),
    (["90 a", "10 " + "a" * 20], "no_pair", "2 samples, all alike or of other lengths"),
    (["90 a"], "no_pair", "1 samples, all alike or of other lengths"),
    (["90 a", "? b"], "unjudged", "says ?"),
]


@pytest.mark.parametrize(("answers", "reason", "detail"), WHY, ids=[row[2] for row in WHY])
def test_a_prompt_without_a_clear_pair_says_why(
    answers: list[str], reason: str, detail: str
) -> None:
    found = passed(pairs(), group(*answers, domain="math"))
    assert not found.kept
    assert set(found.reasons.values()) == {reason}
    assert set(found.details.values()) == {detail}


def test_what_cannot_be_judged_does_not_stand_in_the_way_of_what_can() -> None:
    found = passed(pairs(), group("? aa", "9 aaa", "90 aaa", domain="math"))
    assert set(signs(found.kept)) == {"p-1", "p-2"}


def test_a_domain_without_a_judge_is_no_pair() -> None:
    found = passed(pairs(), group("90 a", "10 b", domain="code"))
    assert found.reasons == {"p-0": "no_judge", "p-1": "no_judge"}


def test_no_more_is_asked_than_it_takes() -> None:
    asked: list[tuple[str, str]] = []
    judge = Listener(asked)
    answers = group("xx", "y", "xx ", "xxxx", domain="math")
    answers += group("x", "xx", "xxxx", "y", prompt="a1", domain="math")
    found = passed(Pairs({"math": judge}, tries=2), answers)
    assert asked == [("xx", "y"), ("x", "y"), ("x", "xx")]
    numbers = {"compared": 3, "clear": 1, "in_both_orders": 3, "agree": 3}
    assert found.notes["pairs-00000"] == numbers


def test_a_judge_that_takes_the_first_makes_no_pair_and_is_told_of() -> None:
    judge = Listener([], first_wins=True)
    found = passed(Pairs({"math": judge}), group("x", "y", "z", domain="math"))
    assert set(found.reasons.values()) == {"unclear"}
    numbers = {"compared": 3, "clear": 0, "in_both_orders": 3, "agree": 0}
    assert found.notes["pairs-00000"] == numbers


def test_only_what_the_judge_sees_counts() -> None:
    said = ["<think>xxxx</think>aa", "<think>y</think>aa"]
    seen = Pairs({"math": Listener([])}, sees={"math": "completion"}, ratio=9.0)
    assert len(passed(seen, group(*said, domain="math")).kept) == 2
    unseen = Pairs({"math": Listener([])}, ratio=9.0)
    assert set(passed(unseen, group(*said, domain="math")).reasons.values()) == {"no_pair"}


TEXTS = st.lists(st.sampled_from(["x", "xx", "y", "xxx yy", "", "xxxxxxxx"]), max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4))
def test_a_prompt_gives_two_or_none_and_nothing_depends_on_tasks(prompts: list[list[str]]) -> None:
    documents = [
        document
        for n, texts in enumerate(prompts)
        for document in group(*texts, prompt=f"{n:x}", domain="math")
    ]
    one = passed(Pairs({"math": Listener([])}), documents)
    two = passed(Pairs({"math": Listener([])}), documents, tasks=2)
    assert sorted(one.ids) == sorted(two.ids) and one.reasons == two.reasons
    for n in range(len(prompts)):
        said = signs(d for d in one.kept if d.id.startswith(f"{n:x}-"))
        scores = sorted(score for score in said.values() if score is not None)
        assert not scores or (len(scores) == 2 and scores[0] < 0.5 < scores[1])
        assert not scores or scores[0] == pytest.approx(1 - scores[1])


def test_a_gap_is_twice_the_difference_and_turns_with_the_pair() -> None:
    prompt = Sample("p", "What is a young dog called?", answer="puppy")
    good, bad = prompt.with_completion("A puppy."), prompt.with_completion("A kitten.")
    judge = Gap(TextAnswer())
    assert [v.gap for v in judge.compare_all([(prompt, good, bad), (prompt, bad, good)])] == [2, -2]
    assert judge.compare_all([(prompt, bad, bad)])[0].gap == 0
    silent = Gap(TextAnswer()).compare_all([(prompt, Sample("q", "?").with_completion("a"), bad)])
    assert (silent[0].gap, silent[0].reason) == (None, "no gold answer")


def test_it_pickles_and_its_identity_says_who_judges_and_not_where() -> None:
    preference = Preference("http://one:1/v1", "judge")
    step = Pairs({"helpful": preference, "harmless": Gap(TextAnswer(longest=9))})
    copy = pickle.loads(pickle.dumps(step))
    assert copy.identity() == step.identity()
    assert "one:1" not in str(step.identity())
    assert "judge" in str(step.identity()) and "longest=9" in str(step.identity())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"above": 2.0}, "above=2.0 lies in"),
        ({"ratio": 0.5}, "ratio=0.5"),
        ({"tries": 0}, "tries=0"),
        ({"sees": {"code": "response"}}, "sees names 'code'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pairs(**arguments)


def test_without_a_judge_it_is_refused() -> None:
    with pytest.raises(UsageError, match="names no domain"):
        Pairs({})
