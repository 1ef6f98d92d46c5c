r"""Whether two answers say the same, piece by piece, without math_verify.

Lists and sets are compared as such, tuples and intervals in their order and with their brackets,
equations up to a factor, inequalities in either direction or as an interval; every piece by its
value (`math_values`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

from curate.scorers.math_numbers import clean, read_number, same_number, squeeze
from curate.scorers.math_reader import TooLarge, Unreadable, number_of
from curate.scorers.math_shape import (
    AND,
    DIRECTION,
    FLIPPED,
    HALF_DAY,
    RELATION,
    by_name,
    interval_of,
    member,
    name_of,
    ordered,
    pieces_of,
    shape_of,
    split,
)
from curate.scorers.math_values import DIGITS, close, same_values, value_at

POINTS = (0, 1, 2)
_LITERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_NAMED = re.compile(
    r"\\(?:infty|mathbb|emptyset|pi|sin|cos|tan|ln|log|exp|int|sum|prod|lim|max|min)(?![a-z])"
)
_CHOICE = re.compile(r"\(([A-J])\)[ :]\s*(.+)")
_BASED = re.compile(r"(-?[0-9A-Z.]+)_\{?([0-9]+)\}?")
_INFINITY = {r"\infty": 1, r"-\infty": -1}
_RATIO = re.compile(r"\s*:\s*")


def agree(gold: str, answer: str) -> bool | None:
    r"""True when both say the same, False when they do not, None when one of them cannot be read.

    >>> agree(r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), agree("x^2+2x+1", "(x+1)^2")
    (False, True)
    >>> agree("(1, 2]", "(1, 2)"), agree("3, -1", "-1 and 3"), agree("some cats", "a dog")
    (False, True, None)
    >>> agree("x < 5", r"(-\infty, 5)"), agree("(2, 1)", "(1, 2)")
    (True, False)
    """
    halves = [HALF_DAY.search(clean(text)) for text in (gold, answer)]
    if halves[0] and halves[1] and halves[0][1].casefold() != halves[1][1].casefold():
        return False
    chosen = _CHOICE.fullmatch(clean(answer))
    if chosen and not _CHOICE.fullmatch(clean(gold)):
        is_letter = re.fullmatch(r"\(?[A-J]\)?", squeeze(gold))
        answer = chosen[1] if is_letter else chosen[2]
        return squeeze(gold).strip("()") == answer if is_letter else agree(gold, answer)
    return _agree(shape_of(gold), shape_of(answer), 8)


def reordered(gold: str, answer: str) -> bool:
    r"""True when both are bare lists ("1, 2") of the same values in another order.

    A set, names (x = 1), `\pm` and "and" say themselves that the order does not count.

    >>> reordered("10, 4", "4, 10"), reordered("10, 4", r"\{4, 10\}"), reordered("1, 2", "1, 2")
    (True, False, False)
    """
    lists = []
    for text in (shape_of(gold), shape_of(answer)):
        parts = split(text, ",")
        if len(parts) < 2 or re.search(
            r"[={;(\[]|\\pm|\bnot\b", re.sub(r"\\[a-z]+\s?\{", "", text)
        ):
            return False
        if len(AND.split(text)) > 1:
            return False
        lists.append(parts)
    return _in_order(lists[0], lists[1], 2) is False


def _agree(gold: str, answer: str, depth: int) -> bool | None:
    if squeeze(gold) == squeeze(answer):
        return True
    if depth == 0:
        return None
    golds, answers = pieces_of(gold), pieces_of(answer)
    if len(golds) > 1 or len(answers) > 1:
        return _match(golds, answers, depth)
    gold, answer = golds[0], answers[0]
    if RELATION.search(gold) or RELATION.search(answer):
        return _relations(gold, answer, depth)
    if "=" in gold or "=" in answer:
        return _equations(gold, answer, depth)
    gold, answer = member(gold), member(answer)
    if ordered(gold) or ordered(answer):
        return _tuples(gold, answer, depth)
    if ":" in gold or ":" in answer:
        return _ratios(gold, answer)
    return _values(gold, answer)


def _match(golds: list[str], answers: list[str], depth: int) -> bool | None:
    """Two collections whose order does not count, unless one of them names its values."""
    if len(golds) == 1 and ordered(golds[0]) and len(answers) > 1:
        return _in_order(split(golds[0][1:-1], ",;"), by_name(answers), depth)
    if len(answers) == 1 and ordered(answers[0]) and len(golds) > 1:
        return _in_order(by_name(golds), split(answers[0][1:-1], ",;"), depth)
    if len(golds) != len(answers):
        return _of_unequal_length(golds, answers, depth)
    names = [{name_of(part) for part in parts} for parts in (golds, answers)]
    if {""} in names and max(len(named - {""}) for named in names) > 1:
        return _in_order(golds, answers, depth)
    common = {squeeze(part) for part in golds} & {squeeze(part) for part in answers}
    left, unknown = [part for part in answers if squeeze(part) not in common], False
    for gold in (part for part in golds if squeeze(part) not in common):
        verdicts = [_agree(gold, answer, depth - 1) for answer in left]
        if True in verdicts:
            left.pop(verdicts.index(True))
        elif None in verdicts:
            unknown = True
        else:
            return False
    return None if unknown else True


def _of_unequal_length(golds: list[str], answers: list[str], depth: int) -> bool | None:
    """One interval against several: "x > 1 and x < 5", "x != 3"; one value said in several ways."""
    if min(len(golds), len(answers)) == 1:
        one, many = (golds[0], answers) if len(golds) == 1 else (answers[0], golds)
        whole = interval_of(RELATION.split(one))
        if whole and r"\cup" in whole:
            return _match(pieces_of(whole), many, depth)
        if all(_agree(one, other, depth - 1) for other in many):
            return True  # "12x - 34, or -34 + 12x"
    return None if any(RELATION.search(part) for part in golds + answers) else False


def _in_order(golds: list[str], answers: list[str], depth: int) -> bool | None:
    if len(golds) != len(answers):
        return False
    verdicts = [
        _agree(g.strip(), a.strip(), depth - 1) for g, a in zip(golds, answers, strict=True)
    ]
    return False if False in verdicts else None if None in verdicts else True


def _tuples(gold: str, answer: str, depth: int) -> bool | None:
    if not (ordered(gold) and ordered(answer)):
        other = answer if ordered(gold) else gold
        return None if "matrix" in other or not _is_value(other) else False
    if gold[0] != answer[0] or gold[-1] != answer[-1]:
        return False
    return _in_order(split(gold[1:-1], ",;"), split(answer[1:-1], ",;"), depth)


def _is_value(text: str) -> bool:
    try:
        return bool(read_number(text)) or value_at(text, 0) is not None
    except Unreadable:
        return False


def _scalar(text: str, point: int = 0) -> Any:
    """A value as a number of mpmath; Unreadable for a matrix."""
    number = value_at(text, point).number
    if hasattr(number, "rows"):
        raise Unreadable("a matrix")
    return number_of(number, DIGITS)


def _ratios(gold: str, answer: str) -> bool | None:
    """`7:32` against `14:64` or 7/32; a time of day only against itself."""
    sides = []
    for text in (gold, answer):
        try:
            sides.append([_scalar(part) for part in _RATIO.split(text)])
        except Unreadable:
            return None
    if all(re.search(r"[0-9]:[0-9]{2}(?![0-9])", text) for text in (gold, answer)):
        return sides[0] == sides[1]
    if {len(sides[0]), len(sides[1])} == {1, 2}:
        sides = [[*side, 1][:2] for side in sides]
    if len(sides[0]) != len(sides[1]):
        return False
    a, b = sides
    return all(close(a[i] * b[0], a[0] * b[i]) for i in range(len(a)))


def _equations(gold: str, answer: str, depth: int) -> bool | None:
    """A named value against a value: the value counts; two equations: equal up to a factor."""
    sides = [part.strip() for part in gold.split("=")], [part.strip() for part in answer.split("=")]
    if len(sides[0]) == 1 or len(sides[1]) == 1:
        named = max(sides, key=len)
        if not _names_its_value(named):
            other = answer if named is sides[0] else gold
            return False if _is_value(other) else None
        return _agree(sides[0][-1], sides[1][-1], depth - 1)
    if squeeze(sides[0][0]) == squeeze(sides[1][0]):
        same = _agree(sides[0][-1], sides[1][-1], depth - 1)
        if same is not False:
            return same
    factor = _factor(sides[0], sides[1])
    return None if factor is None else factor != 0


def _names_its_value(sides: list[str]) -> bool:
    """True for `x = 5` and `3 + 4 = 7`, not for `7 = 11a + c`, which is an equation of a and c."""
    name = re.sub(r"_\{?\w+\}?|\([^()]*\)", "", sides[0])
    if not re.search(r"[0-9]", name):
        return True
    try:
        return not (value_at(sides[0], 0).varies or value_at(sides[-1], 0).varies)
    except Unreadable:
        return False


def _factor(gold: list[str], answer: list[str]) -> float | None:
    """The constant c with `left - right` of the gold = c times that of the answer; 0.0 if none."""
    try:
        ratios = []
        for p in POINTS:
            parts = [_scalar(side, p) for side in (*gold, *answer)]
            n = len(gold)
            ratios.append((parts[0] - parts[n - 1]) / (parts[n] - parts[-1]))
    except (Unreadable, ZeroDivisionError):
        return None
    constant = all(close(a, b) for a, b in pairwise(ratios))
    return float(ratios[0].real) if constant else 0.0


def _relations(gold: str, answer: str, depth: int) -> bool | None:
    """Inequalities: the same chain, read from either end, or as an interval."""
    chains = [RELATION.split(text) for text in (gold, answer)]
    if len(chains[0]) == 1 or len(chains[1]) == 1:
        texts = [
            interval_of(c) if len(c) > 1 else t for c, t in zip(chains, (gold, answer), strict=True)
        ]
        return _agree(texts[0], texts[1], depth - 1) if texts[0] and texts[1] else None
    if len(chains[0]) != len(chains[1]):
        return False
    signs = [[DIRECTION[sign] for sign in chain[1::2]] for chain in chains]
    sides = [chain[::2] for chain in chains]
    if len(signs[0]) == 1 and (factor := _factor(sides[0], sides[1])):
        return signs[0] == (signs[1] if factor > 0 else [FLIPPED[sign] for sign in signs[1]])
    if signs[0] == signs[1] and _in_order(sides[0], sides[1], depth):
        return True
    if signs[0] != [FLIPPED[sign] for sign in reversed(signs[1])]:
        return False if signs[0] != signs[1] else _in_order(sides[0], sides[1], depth)
    return _in_order(sides[0], sides[1][::-1], depth)


def _values(gold: str, answer: str) -> bool | None:
    """One value against another."""
    numbers = read_number(gold), read_number(answer)
    if numbers[0] and numbers[1]:
        return same_number(numbers[0], numbers[1]) or _rounds(gold, answer)
    if gold in _INFINITY or answer in _INFINITY:
        if gold in _INFINITY and answer in _INFINITY:
            return gold == answer
        return False if _is_value(gold) or _is_value(answer) else None
    based = _BASED.fullmatch(gold), _BASED.fullmatch(answer)
    if based[0]:
        # The base may be left out: the question names it.
        return (based[1].groups() == based[0].groups()) if based[1] else based[0][1] == answer
    if based[1]:
        return False if numbers[0] else None
    try:
        if same_values(gold, answer):
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
                distance = abs(_scalar(exact) - _scalar(decimal))
            except Unreadable:
                continue
            if distance <= float(Fraction(6, 10 ** (number.decimals + 1))):
                return True
    return False


def same_atoms(gold: str, answer: str) -> bool:
    """True when both texts hold the same numbers and words, at least one.

    The least that is asked of what cannot be evaluated (x < 5 as an interval, a matrix product).
    """
    atoms = [_atoms(shape_of(text)) for text in (gold, answer)]
    return bool(atoms[0]) and atoms[0] == atoms[1]


def _atoms(text: str) -> set[str | Fraction]:
    numbers = {Fraction(n) for n in _LITERAL.findall(text.replace(",", " "))}
    return numbers | {word.casefold() for word in _WORD.findall(text)} | set(_NAMED.findall(text))


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
