"""`Refuse`: what a rule refuses goes, what it cannot judge stays."""

from __future__ import annotations

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Length, MathAnswer
from curate.select import ByDomain, Keep, Refuse

RIGHT = Sample(prompt_id="a" * 16, problem="3 + 4?", answer="7").with_completion(
    "It is 7.", id="a-1", k=0
)
WRONG = Sample(prompt_id="b" * 16, problem="3 + 4?", answer="7").with_completion(
    "It is 8.", id="b-1", k=0
)
UNJUDGED = Sample(prompt_id="c" * 16, problem="Hello!").with_completion("Hi.", id="c-1", k=0)
PROMPT = Sample(prompt_id="d" * 16, problem="3 + 5?", answer="8")


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Keep(MathAnswer()), id="a keep"),
        pytest.param(ByDomain(general=Keep(MathAnswer())), id="by domain"),
        pytest.param(ByDomain(code=Keep(MathAnswer()), other=Keep(MathAnswer())), id="other"),
    ],
)
def test_only_what_is_refused_goes(rule: Keep | ByDomain) -> None:
    documents = [s.to_document() for s in (RIGHT, WRONG, UNJUDGED, PROMPT)]
    left = [Sample.from_document(d) for d in Refuse(rule).run(documents)]
    assert [s.prompt_id[0] for s in left] == ["a", "c", "d"]
    assert [s.verdicts["MathAnswer"].score for s in left[:2]] == [1.0, None]
    assert not left[2].verdicts


def test_a_domain_without_a_rule_stays() -> None:
    rule = ByDomain(code=Keep(MathAnswer()))
    assert len(list(Refuse(rule).run([WRONG.to_document()]))) == 1


def test_the_first_rule_that_refuses_is_the_reason() -> None:
    step = Refuse(Keep(Length(maximum=1, unit="words")), Keep(MathAnswer()))
    assert not list(step.run([WRONG.to_document()]))
    assert step.stats["dropped_Length:maximum=1,unit=words"].total == 1


def test_what_is_no_rule() -> None:
    with pytest.raises(UsageError, match="a rule is a Keep"):
        Refuse(MathAnswer())  # type: ignore[arg-type]
