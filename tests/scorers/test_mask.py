"""What is no language, in a whole text and in one that grows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.scorers.mask import Mask, mask
from curate.scorers.new_words import NewWords
from curate.scorers.scripts import Scripts
from curate.text import words

MASKED = [
    ("a $b$ c", "a   c", "a formula"),
    ("a $b c", "a  b c", "a dollar that has no pair"),
    ("a $b\n$ c", "a  b\n  c", "a pair on another line"),
    ("$5 and $7", " 5 and  7", "money"),
    (r"\begin{align}x\end{align}y", " y", "an environment"),
    (r"\[ x \] y", "  y", "a display"),
    (r"\[ x" + "\n\n" + r"y \]", "  x\n\ny \\]", "an empty line ends a formula"),
    (r"\[ x 三加四。那么 \]", "  x 三加四。那么 \\]", "so does a Chinese sentence"),
    (r"\(" + "x" * 401 + r"\)", " " + "x" * 401 + r"\)", "a pair too far"),
    ("```\nx\n\ny。``` z", "  z", "code may be of any length and hold anything"),
    ("``` z", "  z", "code that never closes hides nothing"),
    ("<think>a</think>b", " a b", "tags"),
    (r"\frac{1}{2} at http://a.b/c", " {1}{2} at  ", "a command, an address"),
]


@pytest.mark.parametrize(("text", "shown", "reason"), MASKED, ids=[m[2] for m in MASKED])
def test_mask(text: str, shown: str, reason: str) -> None:
    assert mask(text) == shown


PIECES = [
    *("`", "```", "$", "$$", "\\", "\\[", "\\]", "\\(", "\\)", "\\begin{a}", "\\end{a}", "\\beg"),
    *("in{b}", "\\end{b}", "http", "s://", "a.b/c", " ", "\n", "\n\n", "三", "加四。", "ab", "A"),
    *("BC", "sin", "αβ", "ω", "7", "<th", "ink>", "</think>", "x" * 70, "сумма ", "é", "word " * 9),
    *("三" * 50, "\\frac", "{", "}"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
SIZES = st.lists(st.sampled_from([1, 2, 5, 20, 200]), min_size=1, max_size=5)


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, in turn."""
    ends = itertools.takewhile(
        lambda end: end < len(text), itertools.accumulate(itertools.cycle(sizes))
    )
    places = [0, *ends, len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


@settings(deadline=None, max_examples=150)
@given(text=TEXTS, ending=TEXTS, sizes=SIZES)
@example(text="``` " + "x " * 40, ending="``` y", sizes=[2])
@example(text="A" * 64 + "B ", ending="", sizes=[64])
def test_what_is_shown_of_a_growing_text_stays_shown(
    text: str, ending: str, sizes: list[int]
) -> None:
    growing, scripts = Mask(), Scripts()
    shown, found = "", list[tuple[str, str]]()
    for piece in cut(text, sizes):
        new = growing.feed(piece)
        shown += new
        found += scripts.feed(new)
    whole = mask(text + ending)
    assert whole.startswith(shown)
    assert Scripts().feed(whole, is_whole=True)[: len(found)] == found
    rest = growing.feed(ending, is_whole=True)
    assert shown + rest == whole
    assert found + scripts.feed(rest, is_whole=True) == Scripts().feed(whole, is_whole=True)


def test_plain_words_are_shown_at_once() -> None:
    assert len(Mask().feed("word " * 40)) >= 200 - 8
    assert Mask().feed("It is $x$ that we look for, and nothing else.").startswith("It is   that")


@given(text=TEXTS, sizes=SIZES)
def test_words_of_a_growing_text_are_those_of_the_whole(text: str, sizes: list[int]) -> None:
    new = NewWords()
    found = [word for piece in cut(text, sizes) for word in new.feed(piece)]
    assert found + ([new.unfinished] if new.unfinished else []) == words(text)
