r"""Whether two answers say the same, piece by piece, without math_verify.

Lists and sets are compared as such, tuples and intervals in their order and with their brackets,
equations up to a factor, inequalities in either direction; every piece by its value at 50 digits
(`math_values`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

from curate.scorers.math_numbers import clean, read_number, same_number, squeeze
from curate.scorers.math_values import TooLarge, Unreadable, value_at

POINTS = (0, 1, 2)
_TOLERANCE = 1e-30
_MAX_PIECES = 64
_AND = re.compile(
    r"\s*(?:(?<![A-Za-z])(?:and|or)(?![a-z])|\\(?:land|lor|vee|wedge)(?![a-zA-Z]))\s*"
)
_RELATION = re.compile(
    r"\s*(\\leq?(?![a-z])|\\leqslant|\\geq?(?![a-z])|\\geqslant|\\lt(?![a-z])|\\gt(?![a-z])|<=|>=|<|>"
    r"|\\neq?(?![a-z])|!=|≤|≥|≠)\s*"
)
_DIRECTION = {
    **dict.fromkeys(("\\le", "\\leq", "\\leqslant", "<=", "≤"), "<="),
    **dict.fromkeys(("\\ge", "\\geq", "\\geqslant", ">=", "≥"), ">="),
    **dict.fromkeys(("\\lt", "<"), "<"),
    **dict.fromkeys(("\\gt", ">"), ">"),
    **dict.fromkeys(("\\ne", "\\neq", "!=", "≠"), "!="),
}
_FLIPPED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "!=": "!="}
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.DOTALL)
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")
_LITERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_INFINITE = re.compile(r"\\(?:infty|mathbb|emptyset|varnothing)")
_TEXT_UNIT = re.compile(
    r"(?<=[0-9})])(\s*)\\(?:text\w*|mbox|mathrm)\s?\{\s*[A-Za-z. ]{2,}\}"
    r"(?:\^\{?[23]\}?)?\s*(?=\$|$)"
)
_OPEN, _CLOSE = "([{", ")]}"


def agree(gold: str, answer: str) -> bool | None:
    r"""True when both say the same, False when they do not, None when one of them cannot be read.

    >>> agree(r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), agree("x^2+2x+1", "(x+1)^2")
    (False, True)
    >>> agree("(1, 2]", "(1, 2)"), agree("3, -1", "-1 and 3"), agree("some cats", "a dog")
    (False, True, None)
    """
    return _agree(_shape(gold), _shape(answer), 8)


def _shape(text: str) -> str:
    text = clean(_TEXT_UNIT.sub(r"\1", text)).replace("$", " ")
    text = re.sub(r"^([A-Za-z]\w?)\s*\\approx", r"\1=", text)
    text = re.sub(r"\\approx.*|\\pmod.*", "", text)
    return text.replace(r"\{", "{").replace(r"\}", "}").strip()


def _agree(gold: str, answer: str, depth: int) -> bool | None:
    if squeeze(gold) == squeeze(answer):
        return True
    if depth == 0:
        return None
    golds, answers = _pieces(gold), _pieces(answer)
    if len(golds) > 1 or len(answers) > 1:
        return _match(golds, answers, depth)
    gold, answer = golds[0], answers[0]
    if _RELATION.search(gold) or _RELATION.search(answer):
        return _relations(gold, answer, depth)
    if "=" in gold or "=" in answer:
        return _equations(gold, answer, depth)
    gold, answer = _member(gold), _member(answer)
    unions = [part.split(r"\cup") for part in (gold, answer)]
    if len(unions[0]) > 1 or len(unions[1]) > 1:
        return _match(unions[0], unions[1], depth)
    ordered = _ordered(gold), _ordered(answer)
    if any(ordered):
        return _tuples(gold, answer, depth)
    matrices = _MATRIX.fullmatch(gold), _MATRIX.fullmatch(answer)
    if matrices[0] and matrices[1]:
        return _in_order(_cells(matrices[0][1]), _cells(matrices[1][1]), depth)
    return _values(gold, answer)


def _cells(matrix: str) -> list[str]:
    return re.split(r"\\\\|&", re.sub(r"\\\\\s*$", "", matrix))


def _member(text: str) -> str:
    """`x \\in A` without the name."""
    return re.sub(r"^[A-Za-z_0-9{}()]{1,8}\s*\\in(?![a-z])\s*", "", text).strip()


def _split(text: str, marks: str) -> list[str]:
    """The parts of a text between marks that stand outside of all brackets."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth <= 0 and char in marks:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()] or [text]


def _bare(text: str) -> str:
    """A set without its braces."""
    while text.startswith("{") and _closes(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closes(text: str) -> int:
    depth = 0
    for i, char in enumerate(text):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth == 0:
            return i
    return -1


def _pieces(text: str) -> list[str]:
    """The elements of a list or set, as a list; `\\pm` stands for two of them."""
    text = _bare(text)
    # "p=5,q=2; p=7,q=2" is a list of two solutions: the semicolon binds weaker than the comma.
    parts = _split(text, ";")
    if len(parts) == 1:
        joined = [part for part in _AND.split(text) if part]
        whole = _THOUSANDS.fullmatch if len(joined) > 1 else read_number
        parts = [p for j in joined for p in ([j] if whole(j) else _split(j, ","))]
    signed = []
    for part in parts:
        both = re.sub(r"\\pm", "+", part), re.sub(r"\\pm", "-", part)
        signed.extend(both if r"\pm" in part else [part])
    return list({squeeze(part): part for part in signed}.values()) or [text]


def _match(golds: list[str], answers: list[str], depth: int) -> bool | None:
    """Two collections whose order does not count."""
    if len(golds) == 1 and _ordered(golds[0]) and len(answers) > 1:
        return _in_order(_split(golds[0][1:-1], ",;"), answers, depth)
    if len(answers) == 1 and _ordered(answers[0]) and len(golds) > 1:
        return _in_order(golds, _split(answers[0][1:-1], ",;"), depth)
    if len(golds) > _MAX_PIECES or len(answers) > _MAX_PIECES:
        return None
    if len(golds) != len(answers):
        return False
    left, unknown = list(answers), False
    for gold in golds:
        verdicts = [_agree(gold, answer, depth - 1) for answer in left]
        if True in verdicts:
            left.pop(verdicts.index(True))
        elif None in verdicts:
            unknown = True
        else:
            return False
    return None if unknown else True


def _in_order(golds: list[str], answers: list[str], depth: int) -> bool | None:
    if len(golds) != len(answers):
        return False
    verdicts = [
        _agree(g.strip(), a.strip(), depth - 1) for g, a in zip(golds, answers, strict=True)
    ]
    return False if False in verdicts else None if None in verdicts else True


def _ordered(text: str) -> bool:
    """True for `(a, b)`, `[a, b)` and the like: brackets around everything, with a comma inside."""
    whole = (
        len(text) > 2 and text[0] in "([" and text[-1] in ")]" and _closes(text) == len(text) - 1
    )
    return whole and len(_split(text[1:-1], ",;")) > 1


def _tuples(gold: str, answer: str, depth: int) -> bool | None:
    if not (_ordered(gold) and _ordered(answer)):
        return None
    if gold[0] != answer[0] or gold[-1] != answer[-1]:
        return False
    return _in_order(_split(gold[1:-1], ",;"), _split(answer[1:-1], ",;"), depth)


def _equations(gold: str, answer: str, depth: int) -> bool | None:
    """A named value against a value: the value counts; two equations: equal up to a factor."""
    sides = [part.strip() for part in gold.split("=")], [part.strip() for part in answer.split("=")]
    if len(sides[0]) == 1 or len(sides[1]) == 1:
        return _agree(sides[0][-1], sides[1][-1], depth - 1)
    if squeeze(sides[0][0]) == squeeze(sides[1][0]):
        same = _agree(sides[0][-1], sides[1][-1], depth - 1)
        if same is not False:
            return same
    factor = _factor(sides[0], sides[1])
    return None if factor is None else factor != 0


def _factor(gold: list[str], answer: list[str]) -> float | None:
    """The constant c with `left - right` of the gold = c times that of the answer; 0.0 if none."""
    try:
        ratios = [
            (value_at(gold[0], p) - value_at(gold[-1], p))
            / (value_at(answer[0], p) - value_at(answer[-1], p))
            for p in POINTS
        ]
    except (Unreadable, ZeroDivisionError):
        return None
    constant = all(_close(a, b) for a, b in pairwise(ratios))
    return float(ratios[0].real) if constant else 0.0


def _relations(gold: str, answer: str, depth: int) -> bool | None:
    """Inequalities: the same chain, read from either end; sides compared one by one."""
    chains = [_RELATION.split(text) for text in (gold, answer)]
    if len(chains[0]) == 1 or len(chains[1]) == 1:
        return None
    if len(chains[0]) != len(chains[1]):
        return False
    signs = [[_DIRECTION[sign] for sign in chain[1::2]] for chain in chains]
    sides = [chain[::2] for chain in chains]
    if len(signs[0]) == 1 and (factor := _factor(sides[0], sides[1])):
        return signs[0] == (signs[1] if factor > 0 else [_FLIPPED[sign] for sign in signs[1]])
    if signs[0] == signs[1] and _in_order(sides[0], sides[1], depth):
        return True
    if signs[0] != [_FLIPPED[sign] for sign in reversed(signs[1])]:
        return False if signs[0] != signs[1] else _in_order(sides[0], sides[1], depth)
    return _in_order(sides[0], sides[1][::-1], depth)


def _values(gold: str, answer: str) -> bool | None:
    """One value against another."""
    numbers = read_number(gold), read_number(answer)
    if numbers[0] and numbers[1]:
        return same_number(numbers[0], numbers[1]) or _rounds(gold, answer)
    try:
        if all(_close(value_at(gold, p), value_at(answer, p)) for p in POINTS):
            return True
    except Unreadable:
        return None
    return _rounds(gold, answer)


def _rounds(gold: str, answer: str) -> bool:
    """True when one of the two is a decimal of at least six places that rounds the other."""
    for decimal, exact in ((gold, answer), (answer, gold)):
        number = read_number(decimal)
        if number and number.decimals and number.decimals >= 6:
            try:
                distance = abs(value_at(exact, 0) - value_at(decimal, 0))
            except Unreadable:
                continue
            if distance <= float(Fraction(6, 10 ** (number.decimals + 1))):
                return True
    return False


def _close(a: Any, b: Any) -> bool:
    scale = max(abs(a), abs(b))
    return bool(scale == 0 or abs(a - b) <= _TOLERANCE * scale)


def same_atoms(gold: str, answer: str) -> bool:
    """True when both texts hold the same numbers and words, at least one.

    The least that is asked of what cannot be evaluated (x < 5 as an interval, a matrix product).
    """
    atoms = [_atoms(_shape(text)) for text in (gold, answer)]
    return bool(atoms[0]) and atoms[0] == atoms[1]


def _atoms(text: str) -> set[str | Fraction]:
    numbers = {Fraction(n) for n in _LITERAL.findall(text.replace(",", " "))}
    return (
        numbers | {word.casefold() for word in _WORD.findall(text)} | set(_INFINITE.findall(text))
    )


def is_too_large(text: str) -> bool:
    r"""True when a text holds a power or factorial that nobody should work out.

    >>> is_too_large("9^{9^9}"), is_too_large("x^2 + 1")
    (True, False)
    """
    for piece in re.split(r"[,;=<>$]", clean(text)):
        try:
            value_at(piece, 0)
        except TooLarge:
            return True
        except Unreadable:
            continue
    return False
