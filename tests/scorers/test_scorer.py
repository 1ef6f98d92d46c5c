"""Scorers as they are typed on a command line."""

from __future__ import annotations

import pytest

from curate.errors import UsageError
from curate.scorers import LanguageConsistency, Length, ThinkFormat, scorer_from


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
]


@pytest.mark.parametrize(("text", "says", "reason"), WRONG, ids=[w[2] for w in WRONG])
def test_what_is_typed_wrong_is_said(text: str, says: str, reason: str) -> None:
    with pytest.raises(UsageError, match=says):
        scorer_from(text)
