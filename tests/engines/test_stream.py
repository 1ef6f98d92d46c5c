from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.engines.stream import Answer, Fault, Refused, clean, is_clean


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def piece(content: str | None, finish_reason: str | None = None) -> bytes:
    choice = {"delta": {"content": content}, "finish_reason": finish_reason}
    return event({"choices": [choice], "model": "m"})


WHOLE = (
    b": a comment\n\nevent: message\n"
    + piece(None)
    + piece("三加")
    + piece("四 😀")
    + piece("", "stop")
    + event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
    + b"data: [DONE]\n\n"
)


@given(st.lists(st.integers(0, len(WHOLE))), st.booleans())
def test_the_same_however_the_bytes_are_split(cuts: list[int], has_returns: bool) -> None:
    data = WHOLE.replace(b"\n", b"\r\n") if has_returns else WHOLE
    answer, at = Answer(), 0
    for cut in [*sorted(cuts), len(data)]:
        answer.feed(data[at:cut])
        at = cut
    completion = answer.completion(50)
    assert answer.is_done
    assert (completion.text, completion.finish_reason) == ("三加四 😀", "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 9)
    assert answer.tokens == 2


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_fault(data: bytes) -> None:
    answer = Answer()
    try:
        answer.feed(b"data: " + data + b"\n")
        answer.completion(50)
    except Fault:
        return
    raise AssertionError("random bytes are no completion")


@pytest.mark.parametrize(
    "value",
    [1, [], "x", None, {}, {"choices": 1}, {"choices": [1]}, {"choices": [{"delta": 1}]}]
    + [{"choices": [{"delta": {"content": c}}]} for c in (1, [1], {"a": 1}, True)],
    ids=str,
)
def test_json_of_another_shape_is_a_fault(value: object) -> None:
    with pytest.raises(Fault, match="not a chat completion"):
        Answer().feed(event(value))


def test_error_events() -> None:
    with pytest.raises(Refused, match="too long"):
        Answer().feed(event({"error": {"message": "too long", "code": 400}}))
    with pytest.raises(Fault, match="boom"):
        Answer().feed(event({"error": "boom"}))


def test_an_event_without_end_is_bounded() -> None:
    answer = Answer()
    with pytest.raises(Fault, match="without end"):
        for _ in range(20):
            answer.feed(b"data: " + b"x" * (1 << 20))


@given(st.text(st.characters()))
def test_clean_text_is_left_alone(text: str) -> None:
    if is_clean(text) and "\x00" not in text:
        assert clean(text) == text
    assert is_clean(clean(text))
