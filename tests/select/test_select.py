"""Which of a prompt's samples stay."""

from __future__ import annotations

from typing import Any

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.select.pick import Pick
from curate.step import Step


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
    ("make", "says"),
    [
        pytest.param(lambda: Pick(by="best"), "choose one of", id="rule"),
        pytest.param(lambda: Pick(0, by="first"), "at least 1", id="none"),
    ],
)
def test_arguments_that_make_no_sense(make: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
