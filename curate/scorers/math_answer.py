r"""Is the final answer the gold answer? A cascade, with a second opinion on what is right.

    1. same text after normalising                      0.1 ms   "\dfrac{1}{2}" is "\frac12"
    2. plain numbers, compared as fractions             0.2 ms   "1,000.50" is "1000.5"
    3. math_verify                                      80 ms    "(x+1)^2" is "x^2+2x+1"
    4. what math_verify accepts is evaluated again at 50 digits by `math_agreement`, 2 ms

(Per pair, on MATH golds, one core of a busy machine.)
Step 4 is there because math_verify 0.9 calls 1/2^99 equal to 1/2^98 and 1 - 1/e equal to 1 + 1/e.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

from curate import text
from curate.sample import Sample, Verdict
from curate.scorers.math_agreement import agree, is_too_large, same_atoms
from curate.scorers.math_numbers import clean, read_number, same_number, squeeze
from curate.scorers.scorer import Scorer

MAX_CHARACTERS = 2000
"""Longer answers are not parsed. Measured: hostile ones cost 5 to 11 s each, caps stop most."""
MAX_DEPTH = 40
MAX_PIECES = 100
"""A set of 3000 numbers costs 11 s in math_verify (measured)."""
MAX_WORDS = 8
"""A gold answer with more words is a text. Of 21,266 golds of MATH and GSM8K none has two."""
TIMEOUT_S = 5
_WORDS = re.compile(r"\$?\\(?:text\w*|mbox)\s?\{[A-Za-z ]{2,}\}\$?|[A-Za-z]{4,}")


@dataclass(frozen=True)
class MathAnswer(Scorer):
    r"""1.0 when the final answer equals the gold answer, 0.0 when it does not, or None.

    No answer is 0.0. None: no gold or an unreadable one, an answer too long or too deep to parse, a
    timeout. math_verify's timeouts need the main thread of a process; in another there are none,
    and only the caps on length, nesting and size hold.

    >>> prompt = Sample(prompt_id="p", problem="What is 1 - 1/2?", answer=r"\frac{1}{2}")
    >>> MathAnswer().judge(prompt.with_completion("<think>Half.</think>It is $0.5$."))
    Verdict(score=1.0, reason='0.5 is the number \\frac{1}{2}')
    >>> MathAnswer().judge(prompt.with_completion("<think>Half.</think>It is $2$.")).score
    0.0
    """

    needs_gold: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        gold = gold_answer(sample.answer)
        if gold is None:
            return Verdict(None, "no gold answer")
        answer = sample.final_answer
        if answer is None:
            return Verdict(0.0, "no final answer")
        return compare(gold, answer)

    def gold_problem(self, prompt: Sample) -> str | None:
        gold = gold_answer(prompt.answer)
        if gold is None:
            return "no gold answer"
        if problem := _unparseable(gold):
            return f"the gold answer is {problem}"
        if not any(char.isalnum() for char in gold):
            return "the gold answer is not readable"
        if len(text.prose(gold)) > MAX_WORDS:
            return "the gold answer is prose"
        if read_number(clean(gold)) or squeeze(gold).isalpha():
            return None
        try:
            return (
                None if _parsed_gold(gold, _in_main_thread()) else "the gold answer is not readable"
            )
        except _timeout() as timeout:
            return f"the gold answer: {timeout or 'timeout'}"


def gold_answer(answer: str | None) -> str | None:
    """The gold answer of a prompt; of a worked solution, what it comes to; None without one."""
    if not answer or not answer.strip():
        return None
    if any(mark in answer for mark in (r"\boxed", "####", "<answer>", "inal answer")):
        return text.final_answer(answer)
    return answer.strip()


def compare(gold: str, answer: str) -> Verdict:
    """Whether an answer equals the gold answer; each distinct pair is judged once."""
    for name, value in (("gold answer", gold), ("answer", answer)):
        if len(value) > MAX_CHARACTERS:
            return Verdict(None, f"{name} longer than {MAX_CHARACTERS} characters")
    return _compare(gold, answer, _in_main_thread())


@lru_cache(maxsize=16_384)
def _compare(gold: str, answer: str, with_timeouts: bool) -> Verdict:
    if squeeze(gold) == squeeze(answer):
        return _verdict(True, gold, answer, "is")
    numbers = read_number(clean(gold)), read_number(clean(answer))
    if numbers[0] and numbers[1]:
        same = same_number(numbers[0], numbers[1])
        return _verdict(same, gold, answer, "is the number" if same else "is not")
    if _WORDS.fullmatch(gold) or _WORDS.fullmatch(answer):
        # A parser takes letters for factors, and "ddo" for "odd".
        return _verdict(False, gold, answer, "is not")
    for name, value in (("gold answer", gold), ("answer", answer)):
        if problem := _unparseable(value):
            return Verdict(None, f"{name} is {problem}")
    try:
        verified = _verified(gold, answer, with_timeouts)
    except _timeout():
        return Verdict(None, f"timeout after {TIMEOUT_S} s")
    except _UnreadableGold:
        return Verdict(None, "the gold answer is not readable")
    if not verified:
        return _verdict(False, gold, answer, "is not")
    same = agree(gold, answer)
    if same is None:
        same = same_atoms(gold, answer)
    return _verdict(same, gold, answer, "is" if same else "is not, by the second check,")


def _verdict(same: bool, gold: str, answer: str, relation: str) -> Verdict:
    gold, answer = (value if len(value) <= 60 else f"{value[:57]}..." for value in (gold, answer))
    return Verdict(float(same), f"{answer} {relation} {gold}")


def _unparseable(value: str) -> str | None:
    """What keeps a text from the parser, or None: it would take seconds or memory there."""
    if len(value) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    depth = deepest = 0
    for char in value:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if value.count(",") + value.count(";") > MAX_PIECES:
        return f"a list of more than {MAX_PIECES}"
    return "too large to be worked out" if is_too_large(value) else None


class _UnreadableGold(Exception):
    """math_verify finds nothing in the gold answer."""


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@cache
def _timeout() -> type[BaseException]:
    """math_verify's timeout; a BaseException, so `except Exception` misses it."""
    from math_verify.errors import TimeoutException

    return TimeoutException


@lru_cache(maxsize=4096)
def _parsed_gold(gold: str, with_timeouts: bool) -> tuple[Any, ...]:
    return tuple(_parsed(gold, with_timeouts))


def _parsed(value: str, with_timeouts: bool) -> list[Any]:
    """What math_verify reads in an answer; empty when nothing."""
    from math_verify import parse

    formula = value if "$" in value or r"\(" in value or r"\[" in value else f"${clean(value)}$"
    # It raises for a timeout only; what it cannot parse is left out of the list.
    timeout: Any = TIMEOUT_S if with_timeouts else None
    return parse(formula, parsing_timeout=timeout, raise_on_error=True)


def _verified(gold: str, answer: str, with_timeouts: bool) -> bool:
    """math_verify's verdict; an answer that it cannot read is not the gold answer."""
    from math_verify import verify

    golds = _parsed_gold(gold, with_timeouts)
    if not golds:
        raise _UnreadableGold
    answers = _parsed(answer, with_timeouts)
    timeout = TIMEOUT_S if with_timeouts else None
    try:
        return bool(answers) and verify(
            list(golds), answers, timeout_seconds=timeout, raise_on_error=True
        )
    except _ARITHMETIC:
        # One pair of readings cannot be compared ("12:00" is a division by zero); another may.
        return verify(list(golds), answers, timeout_seconds=timeout)


_ARITHMETIC = (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError)
