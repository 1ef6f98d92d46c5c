r"""The same words in another spelling are the same tokens."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.select import tokens as module
from curate.select.tokens import tokenize

ANY = st.text(max_size=60)
LATEX = st.text(alphabet=r"\frac{}$ _^123xy.,-<=>*'AΔé的", max_size=40)


def said(text: str) -> list[str]:
    """The tokens as they are written."""
    found = tokenize([text])
    return [text[b:e] for b, e in zip(found.begins, found.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Sum of 2n-1.", ["Sum", "of", "2", "n", "-", "1", "."]),
        ("3.14 and 1,000", ["3", ".", "14", "and", "1", ",", "000"]),
        (r"$\dfrac{1}{2}\cdot x\,$", [r"\dfrac", "1", "2", r"\cdot", "x"]),
        (r"\frac12", [r"\frac", "1", "2"]),
        (r"\log_82 + \log_{16}4", [r"\log", "_", "8", "2", "+", r"\log", "_", "16", "4"]),
        (r"\left\{1\right\}", [r"\{", "1", r"\}"]),
        ("所以是7。", ["所", "以", "是", "7", "。"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("नमस्ते", ["नमस्ते"]),
        ("a\\", ["a", "\\"]),
        ("**bold** -- x...", ["bold", "--", "x", "..."]),
        ("", []),
        (" \n\t$$ ", []),
    ],
)
def test_what_a_token_is(text: str, written: list[str]) -> None:
    assert said(text) == written


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"$x^{2} + 3$", "x^2+3"),
        (r"\tfrac{1}{2}", r"\frac12"),
        (r"\left(90^{\circ}\right)", "(90°)"),
        (r"a \leq b", "a<=b"),
        (r"a \le b", "a ≤ b"),
        (r"3\cdot 4\times 5", "3*4 * 5"),
        (r"\sin \theta", "sin θ"),
        ("“Hello”, she said — 'no'", "\"hello\", she said - 'no'"),
        ("\uff12\uff0b\uff13", "2+3"),
        (r"\text{if } x\;=\;1", "if x = 1"),
        ("____", "__"),
    ],
)
def test_spellings_of_the_same(a: str, b: str) -> None:
    found = tokenize([a, b])
    assert found.of(0).tolist() == found.of(1).tolist()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2n-1", "2n+1"),
        ("k > 0", "k < 0"),
        (r"\Delta", r"\delta"),
        ("22.5", "225"),
        (r"\frac{12}{3}", r"\frac{1}{23}"),
        ("10²", "102"),
        ("ab", "a b"),
    ],
)
def test_what_differs(a: str, b: str) -> None:
    found = tokenize([a, b])
    assert found.of(0).tolist() != found.of(1).tolist()


def test_masked_numbers() -> None:
    found = tokenize(["He has 3.5 of 12", "He has 1,234 of 7", "He has of 7"], numbers="masked")
    assert found.of(0).tolist() == found.of(1).tolist() != found.of(2).tolist()


def test_without_latex_braces_and_commands_count() -> None:
    assert len(tokenize([r"{x} \quad $"], latex=False).hashes) == 6
    assert len(tokenize([r"{x} \quad $"]).hashes) == 1


@given(st.lists(st.one_of(ANY, LATEX), max_size=6))
def test_a_text_has_the_same_tokens_in_any_company(texts: list[str]) -> None:
    together = tokenize(texts)
    assert len(together.starts) == len(texts) + 1
    for i, text in enumerate(texts):
        alone = tokenize([text])
        assert together.of(i).tolist() == alone.hashes.tolist()
        spans = slice(together.starts[i], together.starts[i + 1])
        assert together.begins[spans].tolist() == alone.begins.tolist()
        assert (alone.begins < alone.ends).all()
        assert (alone.begins[1:] >= alone.ends[:-1]).all()
        assert not len(alone.ends) or alone.ends[-1] <= len(text)


@given(st.lists(ANY, min_size=1, max_size=5), st.integers(1, 200))
def test_blocks_change_nothing(texts: list[str], size: int) -> None:
    whole = tokenize(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", size)
        parts = tokenize(texts)
    for name in ("hashes", "starts", "begins", "ends"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()


@given(st.lists(st.sampled_from("abc"), max_size=9), st.integers(1, 5))
def test_ngrams_are_those_of_a_window(words: list[str], n: int) -> None:
    grams, starts = tokenize([" ".join(words), "x y z"]).ngrams(n)
    windows = [tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))] if words else []
    mine = grams[: starts[1]].tolist()
    assert len(mine) == len(windows)
    assert len(set(mine)) == len(set(windows))


def test_distinct_words_have_distinct_hashes() -> None:
    words = [f"{a}{b}{c}{d}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrst" for d in "uv"]
    words += [str(n) for n in range(100_000)]
    assert len(np.unique(tokenize([" ".join(words)]).hashes)) == len(words)


def test_hashes_are_the_same_in_every_process() -> None:
    code = "from curate.select.tokens import tokenize; print(tokenize(['Find x.']).hashes.tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(tokenize(["Find x."]).hashes.tolist())
    assert tokenize(["Find x."]).hashes[0] == FIND


FIND = 10198245395594375744
