"""Which of a prompt's samples stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample
from curate.select.dedup import Dedup, jaccard, shingles
from curate.select.pick import Pick
from curate.step import Step

LONG = " ".join(f"{i} apples" for i in range(30)) + " "


def samples(*texts: str, prompt: str = "p") -> list:
    base = Sample(prompt_id=prompt, problem="?")
    return [
        base.with_completion(t, id=f"{prompt}-{k}", k=k, completion_tokens=len(t)).to_document()
        for k, t in enumerate(texts)
    ]


def ids(step: Step, documents: list[Any]) -> list[str]:
    return [d.id for d in step.run(iter(documents))]


@pytest.mark.parametrize(
    ("by", "kept"),
    [("shortest", ["p-1", "q-0"]), ("longest", ["p-0", "q-1"]), ("first", ["p-0", "q-0"])],
)
def test_pick_by_rule(by: str, kept: list[str]) -> None:
    documents = samples("ccc", "a", "bb") + samples("x", "yy", prompt="q")
    assert ids(Pick(1, by=by), documents) == kept


def test_pick_several_in_the_order_of_k() -> None:
    assert ids(Pick(2, by="shortest"), samples("ccc", "bb", "a")) == ["p-1", "p-2"]
    assert ids(Pick(9, by="shortest"), samples("a", "b")) == ["p-0", "p-1"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        pytest.param("I add 3 and 4.", "I  add 3\nand 4.", True, id="white space"),
        pytest.param("the sum of 2n-1 is", "the sum of 2n+1 is", False, id="a symbol"),
        pytest.param("3 + 4 = 7", "3 + 4 = 8", False, id="a digit"),
        pytest.param(LONG + "end", LONG + "stop", True, id="one word of many"),
        pytest.param("", "", True, id="empty"),
    ],
)
def test_duplicates_within_a_prompt(a: str, b: str, same: bool) -> None:
    dedup = Dedup(by="completion", within="prompt", similarity=0.8)
    assert ids(dedup, samples(a, b)) == (["p-0"] if same else ["p-0", "p-1"])


def test_other_prompts_may_say_the_same() -> None:
    dedup = Dedup(by="completion", within="prompt")
    assert len(ids(dedup, samples("same") + samples("same", prompt="q"))) == 2


def test_exact_only_when_asked() -> None:
    a, b = LONG + "end", LONG + "stop"
    assert len(ids(Dedup(by="completion", within="prompt", similarity=1.0), samples(a, b))) == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_and_one_for_equals(a: str, b: str) -> None:
    assert jaccard(shingles(a), shingles(b)) == jaccard(shingles(b), shingles(a))
    assert jaccard(shingles(a), shingles(a)) == 1.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda: Pick(by="best"), "choose one of", id="rule"),
        pytest.param(lambda: Pick(0, by="first"), "at least 1", id="none"),
        pytest.param(lambda: Dedup(by="problem", within="prompt"), "only by='completion'", id="by"),
        pytest.param(
            lambda: Dedup(by="completion", within="prompt", similarity=0), "a share", id="0"
        ),
    ],
)
def test_arguments_that_make_no_sense(make: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
