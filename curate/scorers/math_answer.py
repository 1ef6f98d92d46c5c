r"""Is the final answer the gold answer? A cascade that ends as soon as something is certain.

    1. the same text after normalising                   "\dfrac{1}{2}" is "\frac12"
    2. plain numbers, compared as fractions              "1,000.50" is "1000.5"
    3. the same structure of the same values, read by    "(x+1)^2" is "x^2+2x+1"
       `math_agreement`: exact, or 100 digits at points
    4. what that cannot read goes to math_verify, in a   "1 \le |z| \le 2" is a union of intervals
       process that can be killed, and an equality
       that it finds needs the same numbers in both

math_verify 0.9 alone calls 1/2^99 equal to 1/2^98 and 1 - 1/e equal to 1 + 1/e, and takes 10 to
100 times as long as step 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from curate import text
from curate.errors import Unjudged
from curate.sample import Sample, Verdict
from curate.scorers.math_agreement import agree, is_too_large, reordered
from curate.scorers.math_numbers import clean, number_in, plain_text, same_number, squeeze
from curate.scorers.math_verified import is_parsed, is_verified
from curate.scorers.pool import guarded_all
from curate.scorers.scorer import Scorer

MAX_CHARACTERS = 2000
"""Longer answers are not parsed. Measured: hostile ones cost 5 to 11 s each, caps stop most."""
MAX_DEPTH = 40
MAX_PIECES = 100
"""A set of 3000 numbers costs 11 s in math_verify (measured)."""
TIMEOUT_S = 5.0
"""Processor time for what only math_verify can read; its own default."""
MAX_ANSWERED = 16_384
MAX_WORDS = 4
"""A gold answer with more words is a text. Of 21,266 golds of MATH and GSM8K none has over 3."""
_WORDS = re.compile(r"\$?\\(?:text\w*|mbox)\s?\{[A-Za-z ]{2,}\}\$?|[A-Za-z]{4,}")
_ORDER = re.compile(
    r"\b(?:in|by) (?:\w+ ){0,3}order\b|\border(?:ed)? (?:from|by)\b|\bordered \w+|\brespectively\b"
    r"|\b(?:ascending|descending|smallest to|least to|largest to|greatest to)\b"
    r"|依次|按.{0,6}顺序|分别",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MathAnswer(Scorer):
    r"""1.0 when the final answer equals the gold answer, 0.0 when it does not, or None.

    No answer is 0.0. None: no gold or an unreadable one, an answer too long or too deep to parse, a
    timeout (5 s of processor time), and a list in another order than the gold answer's where there
    is no question to say whether that counts.

    >>> prompt = Sample(prompt_id="p", problem="What is 1 - 1/2?", answer=r"\frac{1}{2}")
    >>> MathAnswer().judge(prompt.with_completion("<think>Half.</think>It is $0.5$."))
    Verdict(score=1.0, reason='0.5 is the number \\frac{1}{2}')
    >>> MathAnswer().judge(prompt.with_completion("<think>Half.</think>It is $2$.")).score
    0.0
    """

    needs_gold: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """The verdicts in order; each gold answer is read once and each distinct answer judged
        once, the hard ones side by side in the processes of the pool.
        """
        asked = [(gold_answer(s.answer), s.final_answer, order(s.problem)) for s in samples]
        golds = list(dict.fromkeys(gold for gold, _, _ in asked if gold))
        problems = dict(zip(golds, gold_problems(golds), strict=True))
        open_ = ((gold, said) for gold, said, _ in asked if gold and said and not problems[gold])
        pairs = list(dict.fromkeys(open_))
        found = dict(zip(pairs, compare_all(pairs), strict=True))
        verdicts: list[Verdict] = []
        for gold, said, counts in asked:
            if not gold:
                verdicts.append(Verdict(None, "no gold answer"))
            elif problem := problems[gold]:
                verdicts.append(Verdict(None, problem))
            elif not said:
                verdicts.append(Verdict(0.0, "no final answer"))
            else:
                verdicts.append(_in_order(found[gold, said], gold, said, counts))
        return verdicts

    def gold_problem(self, prompt: Sample) -> str | None:
        gold = gold_answer(prompt.answer)
        return "no gold answer" if gold is None else gold_problems([gold])[0]


@lru_cache(maxsize=4096)
def gold_answer(answer: str | None) -> str | None:
    """The gold answer of a prompt; of a worked solution, what it comes to; None without one."""
    if not answer or not answer.strip():
        return None
    if _WORKED.search(answer):
        return text.final_answer(answer)
    return answer.strip()


_WORKED = re.compile(r"\\(?:boxed|fbox)|####|<answer>|answer is|inal answer|答案")


@lru_cache(maxsize=4096)
def order(problem: str) -> bool | None:
    """Whether the order of a list counts in this question; None where there is no question."""
    return bool(_ORDER.search(problem)) if problem.strip() else None


def _in_order(verdict: Verdict, gold: str, answer: str, counts: bool | None) -> Verdict:
    """The verdict on two equal lists, where their order differs and may count."""
    if counts is False or verdict.score != 1.0 or not reordered(gold, answer):
        return verdict
    if counts:
        return Verdict(0.0, f"the order of {_short(gold)} counts here")
    return Verdict(None, f"whether the order of {_short(gold)} counts, no question says")


def gold_problems(golds: list[str]) -> list[str | None]:
    """For each gold answer why nothing can be judged against it, or None."""
    found = [_gold_problem(gold) for gold in golds]
    hard = [i for i, problem in enumerate(found) if problem == _ASK]
    parsed = _ask(is_parsed, [(golds[i],) for i in hard])
    for i, result in zip(hard, parsed, strict=True):
        if isinstance(result, Unjudged):
            found[i] = f"the gold answer: {result}"
        else:
            found[i] = None if result else "the gold answer is not readable"
    return found


_ASK = "ask math_verify"
_answered: dict[tuple[Any, ...], Any] = {}


def _ask(function: Callable[..., Any], arguments: list[tuple[str, ...]]) -> list[Any]:
    """What `function` gives for each, worked out in the pool and once in a process."""
    found = {args: _answered.get((function, *args), _ASK) for args in arguments}
    new = [args for args, result in found.items() if result is _ASK]
    if new:
        found.update(zip(new, guarded_all(function, new, timeout_s=TIMEOUT_S), strict=True))
        if len(_answered) > MAX_ANSWERED:
            _answered.clear()
        _answered.update({(function, *args): found[args] for args in new})
    return [found[args] for args in arguments]


@lru_cache(maxsize=4096)
def _gold_problem(gold: str) -> str | None:
    """Why a gold answer is unusable, None when it is fine, `_ASK` where only math_verify knows."""
    if problem := _unparseable(gold):
        return f"the gold answer is {problem}"
    bare = clean(gold)
    if not any(char.isalnum() for char in bare) or not _is_whole(bare):
        return "the gold answer is not readable"
    if len(text.prose(plain_text(gold))) > MAX_WORDS:
        return "the gold answer is prose"
    if number_in(gold) or _WORDS.fullmatch(gold) or squeeze(gold).isalpha():
        return None
    return None if agree(gold, "0.1234") is not None else _ASK


def _is_whole(value: str) -> bool:
    """False where a bracket does not close, or a sum does not end ("2 +"): parsers drop it."""
    if value[-1] in "+-*/^_=<>":
        return False
    return value.count("{") == value.count("}") and sum(map(value.count, "([")) == sum(
        map(value.count, ")]")
    )


def compare(gold: str, answer: str) -> Verdict:
    """Whether an answer equals the gold answer."""
    return compare_all([(gold, answer)])[0]


def compare_all(pairs: list[tuple[str, str]]) -> list[Verdict]:
    """Whether each answer equals its gold answer; the order of a bare list does not count."""
    found = [_compare(*pair) for pair in pairs]
    hard = [i for i, verdict in enumerate(found) if verdict is None]
    results = _ask(is_verified, [pairs[i] for i in hard])
    for i, result in zip(hard, results, strict=True):
        if isinstance(result, Unjudged):
            found[i] = Verdict(None, str(result))
        elif result is None:
            gold, answer = (_short(value) for value in pairs[i])
            found[i] = Verdict(None, f"math_verify takes {answer} for {gold}, nothing confirms it")
        else:
            found[i] = _verdict(result, *pairs[i], "is" if result else "is not")
    return [verdict for verdict in found if verdict is not None]


@lru_cache(maxsize=MAX_ANSWERED)
def _compare(gold: str, answer: str) -> Verdict | None:
    """A verdict by the cheap steps, None where it takes math_verify."""
    if len(answer) > MAX_CHARACTERS:
        return Verdict(None, f"answer longer than {MAX_CHARACTERS} characters")
    if squeeze(gold) == squeeze(answer):
        return _verdict(True, gold, answer, "is")
    numbers = number_in(gold), number_in(answer)
    if numbers[0] and numbers[1]:
        same = same_number(numbers[0], numbers[1])
        return _verdict(same, gold, answer, "is the number" if same else "is not")
    if _WORDS.fullmatch(gold) or _WORDS.fullmatch(answer):
        # A parser takes letters for factors, and "ddo" for "odd".
        return _verdict(False, gold, answer, "is not")
    if problem := _unparseable(answer):
        return Verdict(None, f"answer is {problem}")
    same = agree(gold, answer)
    return None if same is None else _verdict(same, gold, answer, "is" if same else "is not")


def _verdict(same: bool, gold: str, answer: str, relation: str) -> Verdict:
    return Verdict(float(same), f"{_short(answer)} {relation} {_short(gold)}")


def _short(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:57]}..."


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
