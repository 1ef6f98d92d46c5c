r"""Countdown: does an arithmetic expression use the given numbers and reach the target?

    {"nums": [25, 41, 12, 17], "target": 84, "completion": "((25 * 41) - 17) / 12"}      # 1.0

The expression is read by a small parser of its own over exact fractions: nothing is evaluated by
Python, `84.0000001` is not 84, and a division by zero is no answer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple

from curate import text
from curate.sample import Sample, Verdict
from curate.scorers.answer_element import answer_element
from curate.scorers.scorer import Scorer

MAX_CHARACTERS = 1000
"""Of an expression; a puzzle of six numbers takes about 40."""
MAX_DEPTH = 50
"""Of brackets, far from Python's recursion limit of 1000; six numbers need 5."""
MAX_DIGITS = 30
TAIL = 20_000
"""An answer that is not marked is looked for in the last characters only."""


@dataclass(frozen=True)
class Countdown(Scorer):
    r"""1.0 when the answer's expression uses the numbers and reaches the target, 0.0 when it does
    not or there is none, None when the prompt has no `nums` and `target`.

    Each number is used exactly once (`use=all`) or at most once (`use=some`). The expression is
    what the `<answer>` element, the last box, or the last equation that claims the target says;
    every side of an equation must equal the target.

    >>> prompt = Sample("p", "Make 84.", check='{"nums": [25, 41, 12, 17], "target": 84}')
    >>> Countdown().judge(prompt.with_completion(r"\boxed{\frac{25 \times 41 - 17}{12} = 84}"))
    Verdict(score=1.0, reason='((25*41-17)/(12)) makes 84')
    >>> Countdown().judge(prompt.with_completion("41 + 25 + 17 + 1"))
    Verdict(score=0.0, reason='41+25+17+1 does not use 12, and uses 1 too often')
    """

    use: Literal["all", "some"] = "all"

    needs_gold: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        task = _task(sample.checks)
        if isinstance(task, str):
            return Verdict(None, task)
        candidates = list(_candidates(sample.response))
        if not candidates:
            return Verdict(0.0, "no expression")
        claims = (c for c in candidates if task.target in map(_literal, c.split("=")))
        return self._verdict(next(claims, candidates[0]), task)

    def gold_problem(self, prompt: Sample) -> str | None:
        task = _task(prompt.checks)
        return task if isinstance(task, str) else None

    def _verdict(self, equation: str, task: _Task) -> Verdict:
        said = equation if len(equation) <= 80 else equation[:79] + "…"
        faults: dict[str, str] = {}
        for side in equation.split("="):
            try:
                value, used = _evaluate(side)
            except _UnreadableError as error:
                return Verdict(0.0, f"{said}: {error}")
            if value != task.target:
                return Verdict(0.0, f"{said} makes {_shown(value)}, not {_shown(task.target)}")
            faults[side] = self._misuse(used, task.numbers)
        right = next((side for side, fault in faults.items() if not fault), None)
        if right is None:
            return Verdict(0.0, f"{said} {next(iter(faults.values()))}")
        return Verdict(1.0, f"{right[:80]} makes {_shown(task.target)}")

    def _misuse(self, used: Counter[Fraction], given: Counter[Fraction]) -> str:
        """What is wrong with the numbers that an expression uses; empty when nothing is."""
        missing = (given - used) if self.use == "all" else Counter[Fraction]()
        faults = [
            f"{verb} {', '.join(_shown(n) for n in sorted(numbers))[:80]}{end}"
            for verb, numbers, end in (
                ("does not use", missing, ""),
                ("uses", used - given, " too often"),
            )
            if numbers
        ]
        return ", and ".join(faults)


class _Task(NamedTuple):
    numbers: Counter[Fraction]
    target: Fraction


class _UnreadableError(ValueError):
    """What stands there is no arithmetic expression."""


def _task(checks: dict[str, Any]) -> _Task | str:
    """The numbers and the target, also as reasoning-gym names them, or what is missing."""
    metadata = checks.get("metadata")
    found = {**metadata, **checks} if isinstance(metadata, dict) else checks
    numbers, target = found.get("nums", found.get("numbers")), found.get("target")
    try:
        numbers = json.loads(numbers) if isinstance(numbers, str) else numbers
        if numbers is None or target is None:
            return "the prompt has no nums and target"
        return _Task(Counter(Fraction(str(n)) for n in numbers), Fraction(str(target)))
    except (ValueError, TypeError):
        return f"nums={str(numbers)[:80]} and target={str(target)[:20]} are not numbers"


def _shown(value: Fraction) -> str:
    said = str(value)
    return said if len(said) <= 40 else said[:39] + "…"


_SYMBOLS = str.maketrans(
    {
        **dict.fromkeys("\u00d7\u00b7\u22c5\u2219\u2022\u2217", "*"),
        **dict.fromkeys("\u00f7\u2215\u2044", "/"),
        **dict.fromkeys("\u2212\u2013\u2014\u2011", "-"),
        **{"\uff08": "(", "\uff09": ")", "\uff0b": "+", "\uff1d": "=", "[": "(", "]": ")"},
        **{"\u00a0": " ", "\u2009": " ", "\u202f": " "},
    }
)
_LATEX = [
    (re.compile(r"\\(?:left|right|[Bb]igg?[lr]?|displaystyle|,|;|!|:|quad|qquad| )"), " "),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])|\\\*"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\[dt]?frac\s?(\d)\s?(\d)"), r"((\1)/(\2))"),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"\\[()\[\]]|\$|`|&|\*\*"), " "),
    (re.compile(r"(?<=[\d)}])\s{0,3}[xX]\s{0,3}(?=[\d({])"), "*"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
]
_FRACTION = re.compile(r"\\[dt]?frac\s{0,3}(?=\{)")
_RUN = re.compile(r"[-+*/().=\d][-+*/()., \t=\d]*")
_ARITHMETIC = re.compile(r"(?=\D*\d)[-+*/().,\d\s=]+")
_EXPRESSION = re.compile(r"\d\s*\)*\s*[-+*/]+\s*\(*\s*[\d.]|\)\s*[-+*/]\s*\(")
_SPACES = re.compile(r"(?<![\d.])\s+|\s+(?![\d.])")  # 2 3 is not 23
_BULLET = re.compile(r"^[ \t]{0,20}(?:[-+*]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,3}\{")


def _candidates(response: str) -> Iterator[str]:
    """The expressions or equations that may be the answer, the most likely first, without spaces.

    What is marked as the answer, or is nothing but arithmetic, is the only candidate.
    """
    element = answer_element(response)
    marked, response = element is not None, response if element is None else element
    boxes = list(_BOX.finditer(response))[-1:]
    if boxes and (end := text.braced(response, boxes[0].end() - 1)) > 0:
        response, marked = response[boxes[0].end() : end - 1], True
    plain = _plain(response[-TAIL:])
    whole = (plain if marked else _BULLET.sub("", plain)).strip().rstrip(".,")
    if _ARITHMETIC.fullmatch(whole) and "\n" not in whole:
        yield _SPACES.sub("", whole)
        return
    for run in reversed(_RUN.findall(_BULLET.sub("", plain))):
        run = _SPACES.sub("", run).lstrip("*/,.= ").rstrip("-+*/(,.= ")
        if _EXPRESSION.search(run):
            yield _balanced(run)


def _plain(latex: str) -> str:
    """An expression with the signs of a keyboard instead of LaTeX and typography."""
    latex = latex.translate(_SYMBOLS)
    for pattern, sign in _LATEX:
        latex = pattern.sub(sign, latex)
    # From the last to the first, so that what stands inside of one is done before it.
    for match in reversed(list(_FRACTION.finditer(latex))[-MAX_DEPTH:]):
        middle = text.braced(latex, match.end())
        end = text.braced(latex, middle) if latex.startswith("{", middle) else -1
        if end > 0:
            above, below = latex[match.end() : middle], latex[middle:end]
            latex = f"{latex[: match.start()]}({above}/{below}){latex[end:]}"
    return latex.replace("{", "(").replace("}", ")")


def _balanced(run: str) -> str:
    """A run without brackets at its ends that belong to the sentence around it."""
    surplus = run.count("(") - run.count(")")
    while surplus > 0 and run.startswith("("):
        run, surplus = run[1:], surplus - 1
    while surplus < 0 and run.endswith(")"):
        run, surplus = run[:-1], surplus + 1
    return run.strip(",.=")


def _literal(side: str) -> Fraction | None:
    return Fraction(side) if re.fullmatch(r"-?\d{1,30}(?:\.\d{1,30})?", side) else None


_TOKEN = re.compile(r"\d+(?:\.\d+)?|[-+*/()]")


def _evaluate(expression: str) -> tuple[Fraction, Counter[Fraction]]:
    """The value of an expression and the numbers that stand in it."""
    if len(expression) > MAX_CHARACTERS:
        raise _UnreadableError(f"longer than {MAX_CHARACTERS} characters")
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != expression or not tokens:
        raise _UnreadableError("not an arithmetic expression")
    used: Counter[Fraction] = Counter()
    parser = _Parser(tokens, used)
    value = parser.sum(0)
    if parser.at < len(tokens):
        raise _UnreadableError("not an arithmetic expression")
    return value, used


class _Parser:
    """Sums of products of atoms; a number before a bracket is a factor, as in 2(3+4)."""

    def __init__(self, tokens: list[str], used: Counter[Fraction]) -> None:
        self.tokens, self.used, self.at = tokens, used, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def sum(self, depth: int) -> Fraction:
        value = self.product(depth)
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            other = self.product(depth)
            value = value + other if sign == "+" else value - other
        return value

    def product(self, depth: int) -> Fraction:
        value = self.atom(depth)
        while (sign := self.peek()) and sign in "*/(":
            self.at += sign != "("
            other = self.atom(depth)
            if sign == "/" and other == 0:
                raise _UnreadableError("divides by zero")
            value = value / other if sign == "/" else value * other
        return value

    def atom(self, depth: int) -> Fraction:
        negative = False
        while (token := self.peek()) in ("+", "-"):
            negative ^= token == "-"
            self.at += 1
        self.at += 1
        if token == "(" and depth < MAX_DEPTH:
            value = self.sum(depth + 1)
            if self.peek() != ")":
                raise _UnreadableError("a bracket does not close")
            self.at += 1
        elif token[:1].isdigit() and len(token) <= MAX_DIGITS:
            value = Fraction(token)
            self.used[value] += 1
        else:
            raise _UnreadableError("not an arithmetic expression")
        return -value if negative else value
