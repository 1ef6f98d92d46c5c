"""Scorers as they are typed on a command line."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers import LanguageConsistency, Length, Scorer, ThinkFormat, scorer_from


def test_parameters_have_the_types_of_the_scorer() -> None:
    assert scorer_from("Length:minimum=3,maximum=9,unit=words") == Length(3, 9, "words")
    assert scorer_from("LanguageConsistency:language=None") == LanguageConsistency()
    assert scorer_from("ThinkFormat:style=r1,token=|s|") == ThinkFormat("r1", "|s|")


WRONG = [
    ("MathAnser", "did you mean 'MathAnswer'", "unknown scorer"),
    ("Scorer", "there is no scorer 'Scorer'", "the contract is no rule"),
    ("Length:maximun=3", "did you mean 'maximum'", "unknown parameter"),
    ("MathAnswer:x=1", "it takes none", "no parameters at all"),
    ("Length:maximum", "no parameter 'maximum'|maximum", "no value"),
    ("Length:maximum=many", "is not of type int", "wrong type"),
    ("ThinkFormat:style=thinc", "is not one of think, think-answer", "unknown choice"),
    ("ThinkFormat:token=x", "only style=r1 takes a token", "a parameter of another style"),
    ("Length:minimum=9,maximum=3", "leaves no length", "an empty range"),
    ("Repetition:n=0", "at least 1", "out of range"),
    ("LanguageConsistency:language=xx", "is not one of", "unknown language"),
    ("LanguageConsistency:window=0", "window=0 is at least 1", "no window"),
    ("ForeignScript:language=xx", "is not one of", "unknown language there"),
    ("ForeignScript:letters=0", "at least 1", "no letters"),
    ("Repetition:in_a_row=1", "at least 2", "once is no loop"),
]


@pytest.mark.parametrize(("text", "says", "reason"), WRONG, ids=[w[2] for w in WRONG])
def test_what_is_typed_wrong_is_said(text: str, says: str, reason: str) -> None:
    with pytest.raises(UsageError, match=says):
        scorer_from(text)


LOOKED_AT: list[int] = []


@dataclass(frozen=True)
class Without(Scorer):
    """A rule as a user writes it: it can tell of a beginning, and knows of no pieces."""

    word: str

    def judge(self, sample: Sample) -> Verdict:
        return Verdict(float(self.word not in sample.text))

    def hopeless(self, beginning: Sample, at_least: float) -> str | None:
        LOOKED_AT.append(len(beginning.text))
        return f"it says {self.word}" if at_least > 0 and self.word in beginning.text else None


@pytest.mark.parametrize("at", [0, 90, 5_000, 60_000])
def test_a_rule_with_hopeless_alone_is_watched_at_a_bounded_cost(at: int) -> None:
    LOOKED_AT.clear()
    watch = Without("wrong").watch(Sample(prompt_id="p", problem="?"), 1.0)
    assert watch is not None
    text = "right " * (at // 6) + "wrong " + "right " * 10_000
    seen = next(end for end in range(40, len(text), 40) if watch(text[end - 40 : end], end // 4))
    assert seen - at <= 1200 + 40 + len("wrong")
    assert sum(LOOKED_AT) <= seen**2 / 2000 + 10 * seen + 400
    assert watch("right", seen) == "it says wrong"
