"""Filters by their names."""

from __future__ import annotations

import pytest

from curate.errors import UsageError
from filters.named import named


def test_functions_are_called_and_lists_are_joined() -> None:
    found = named("correct_answer, readable,language_consistent")
    assert [rule.label for rule in found][:2] == ["Keep:MathAnswer", "Keep:Finished"]
    assert len(found) == 5
    assert named("") == []


@pytest.mark.parametrize(
    ("names", "says"),
    [
        pytest.param("readible", "did you mean readable", id="a near miss"),
        pytest.param("xyz", "there is: ", id="none"),
        pytest.param("__doc__", "there is: ", id="not a filter"),
    ],
)
def test_what_is_not_there(names: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        named(names)
