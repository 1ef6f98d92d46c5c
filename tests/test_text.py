"""Where the reasoning ends, and what the final answer is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.text import final_answer, join_think, restore_open, split_think, words

SHAPES = [
    ("<think>a</think>b", ("a", "b", "whole"), "both tags"),
    ("a</think>b", ("a", "b", "prefilled"), "the chat template opened the tag"),
    ("<think>a", ("a", "", "truncated"), "cut off inside the reasoning"),
    ("<think>a</think>b<think>c", ("a</think>b<think>c", "", "truncated"), "thinks again, cut off"),
    ("<think>a</think><think>b</think>c", ("a</think><think>b", "c", "repeated"), "tags twice"),
    ("a</think>b</think>c", ("a</think>b", "c", "repeated"), "closing tag twice"),
    ("b", (None, "b", "none"), "no tags"),
    ("", (None, "", "none"), "nothing"),
]


@pytest.mark.parametrize(("text", "split", "reason"), SHAPES, ids=[s[2] for s in SHAPES])
def test_split_think(text: str, split: tuple[str | None, str, str], reason: str) -> None:
    assert split_think(text) == split


def test_a_separate_reasoning_field_gives_the_same_text_as_tags() -> None:
    assert join_think("a", "b") == "<think>a</think>b"
    assert split_think(join_think("a", None)).shape == "truncated"
    assert split_think(restore_open("a</think>b")) == ("a", "b", "whole")
    assert restore_open("<think>a</think>b") == "<think>a</think>b"


ANSWERS = [
    ("So it is <answer> 12 </answer>.", "12", "answer element"),
    ("<answer>3</answer> no, <answer>4</answer>", "4", "the last answer element"),
    (r"<answer>It is \boxed{7}.</answer>", "7", "a box in the answer element"),
    (r"First \boxed{3}, so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", "nested braces, the last box"),
    (r"$\boxed{1}$ and $\boxed{-2}$.", "1 and -2", "two boxes are one list"),
    (r"$\boxed{1}$. Then $x = \boxed{-2}$.", "-2", "two boxes of two sentences: the last"),
    (r"$\boxed{5}$, that is, \boxed{5}.", "5", "a box said again"),
    (r"\boxed 9", "9", "a box without braces"),
    (r"\boxed{12", None, "a box that never closes"),
    ("It costs $5 and she has $7", "$7", "money is no formula"),
    ("The answer is 12 + 5 = 17 apples.", "17", "a sum stated"),
    ("She pays 3 * 4 = 12.\n#### 12", "12", "GSM8K"),
    ("Tom has 3.\nA: 4", "4", "A:"),
    (
        r"\boxed{255} and so on. Final Answer: The final answer is $300$. I hope.",
        "300",
        "concluded",
    ),
    ("The answer is 180 days, not 3.", "180", "answer is, with a unit"),
    ("**Answer:** 42", "42", "bold Answer:"),
    ("The answer is Evelyn.", "Evelyn", "a word"),
    ("Final Answer: The largest $n$ is 34.", "34", "a name is not the answer"),
    ("The answer to the first question is 12.", "12", "answer to … is"),
    ("The answer is 1, 2, and 3.", "1, 2, and 3", "a list stated"),
    ("The answer is 3 x 4 = 12 apples", "12", "a product stated"),
    ("The answer is 1 3/4 cups.", "1 3/4", "a mixed number"),
    ("It makes 1 million.", "1 million", "a scale word"),
    ("Answer: `42`", "42", "marked as code"),
    ("Final answer: **(2, 3)**", "(2, 3)", "bold"),
    (r"\[x = 5\]", r"x = 5", "display"),
    ("So we get\ny = 2x + 3", "y = 2x + 3", "an equation as the last line"),
    ("Therefore, y = 2x + 3.", "y = 2x + 3", "an equation that ends a sentence"),
    ("The point is (1, 2).", "(1, 2)", "a pair that ends a sentence"),
    ("She has 12 eggs (3 dozen less 24).", "12", "an aside"),
    ("She owes $220 in 12 months.", "$220", "when, not what"),
    ("Réponse: elle aura 220 $ d'ici 12 mois.", "220", "French, when"),
    ("Die Antwort ist 42.", "42", "German"),
    ("答えは42です。", "42", "Japanese"),
    ("Ответ: 42", "42", "Russian"),
    ("答：一共有12个苹果。", "12", "Chinese, 答"),  # noqa: RUF001
    ("答案：每份应该是 (\\frac{2}{5}) 吨。", r"(\frac{2}{5})", "Chinese, a formula with a unit"),  # noqa: RUF001
    ("所以面积是 x+3 平方厘米。", "x+3", "Chinese, an expression with a unit"),
    ("利润是3万元。", "3万", "Chinese scale word"),
    ("how many $? just about 1$", "1", "money around a sentence is no formula"),
    ("Answer $ \n 9 \n $", None, "an inline formula over three lines is none"),
    ("所以答案是 12。", "12", "Chinese"),
    ("所以一共有12个苹果。", "12", "the last number, Chinese"),
    (r"\frac{10}{9}", r"\frac{10}{9}", "nothing but an expression"),
    ("(3, 5)", "(3, 5)", "a tuple alone"),
    ("odd", "odd", "a word alone"),
    ("It is 7.", "7", "the last number"),
    ("In all 1,234.50 dollars", "1,234.50", "separators"),
    (r"So $x = 5$ in step 2.", "x = 5", "the formula of the last sentence"),
    (r"So $x = 5$. There are 12 of them.", "12", "a number in a later sentence"),
    ("Thus it has **9** divisors.", "9", "bold"),
    ("No idea, sorry about that.", None, "none"),
    ("", None, "empty"),
]


@pytest.mark.parametrize(("text", "answer", "reason"), ANSWERS, ids=[a[2] for a in ANSWERS])
def test_final_answer(text: str, answer: str | None, reason: str) -> None:
    assert final_answer(text) == answer


@given(st.text(alphabet=r"<>/answerthink\boxed{}$()[]*#0123.,:;=+-^_ 中\n"))
def test_any_text_has_an_answer_of_its_own_or_none(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or answer
    reasoning, response, _ = split_think(text)
    assert response in text and (reasoning or "") in text


HOSTILE = ["\\boxed{", "<answer>", "$a", "\\[a", "1,", "**", "answer is ", "{", "\x00", "\\", "- "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_it_is_read_in_seconds(piece: str) -> None:
    """A quadratic pattern would take hours here; the test would not end."""
    text = piece * (1_000_000 // len(piece))
    final_answer(text)
    split_think(text)


def test_words_are_those_of_every_script() -> None:
    assert words("one two,  three") == ["one", "two,", "three"]
    assert words("三加四") == ["三", "加", "四"]
    assert len(words("ha" * 80)) == 10
