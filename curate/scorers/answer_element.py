"""The `<answer>` element of a response, as it stands there."""

from __future__ import annotations

OPEN, CLOSE = "<answer>", "</answer>"


def answer_element(response: str) -> str | None:
    """What the last closed `<answer>` element holds, stripped; None where there is none.

    >>> answer_element("I say <answer> B </answer>."), answer_element("<answer>B")
    ('B', None)
    """
    end = response.rfind(CLOSE)
    start = response.rfind(OPEN, 0, max(end, 0))
    return response[start + len(OPEN) : end].strip() if start >= 0 else None
