r"""Reads a formula and works it out as it reads: what `math_values` is made of.

Exact where it is rational, else in as many digits as asked; a variable has a fixed value at each
test point. The reader refuses (`Unreadable`) what it does not know instead of dropping it.
"""

from __future__ import annotations

import math
import re
import zlib
from fractions import Fraction
from functools import lru_cache
from typing import Any

MAX_BITS = 40_000
"""Powers and factorials with more bits than this are not worked out: 10^(10^10) takes for ever."""
MAX_DEPTH = 60
NEGATIVE = 3
"""The point at which variables are negative; at 0, 1 and 2 they are positive."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<array>\\(?:begin|end)\s?\{[pb]matrix\}|\\\\)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<mark>\*\*|\\%|[-+*/^_!()\[\]{}|%'&]))\s*"
)
_REPEATING = re.compile(
    r"(?P<whole>[0-9]*)\.(?P<first>[0-9]*)\\overline\s?\{?(?P<block>[0-9]+)\}?(?:\.\.\.)?"
)
_FUNCTION = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt"
_FUNCTIONS = frozenset(_FUNCTION.split())
_GREEK_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi"
    " rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell"
)
_GREEK = frozenset(_GREEK_LETTERS.split())
_PRODUCT = frozenset(["*", r"\cdot", r"\times"])
_QUOTIENT = frozenset(["/", r"\div"])
_BEGIN, _END = r"\begin{pmatrix}", r"\end{pmatrix}"
_CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
_ENDS = frozenset(
    [*_CLOSING.values(), *("+", "-", "", "!", "^", "_", "%", "&", "\\\\", _END, r"\degree")]
)


class Unreadable(Exception):
    """The text holds something that this reader does not know."""


class TooLarge(Unreadable):
    """A power or factorial too large to be worked out."""


@lru_cache
def digits_of(n: int) -> Any:
    """A context of mpmath that works with `n` digits."""
    import mpmath

    context = mpmath.mp.clone()
    context.dps = n
    return context


def number_of(value: Any, digits: int) -> Any:
    """A value as a number of mpmath."""
    if isinstance(value, Fraction):
        return digits_of(digits).mpf(value.numerator) / value.denominator
    return value


class Reader:
    """A recursive-descent reader that evaluates as it goes."""

    def __init__(self, text: str, point: int, digits: int) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.point = point
        self.depth = 0
        self.varies = False
        self.mp = digits_of(digits)
        self.digits = digits

    def is_finite(self, value: Any) -> bool:
        return all(self.mp.isfinite(x) for x in (value if hasattr(value, "rows") else [value]))

    @property
    def token(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.token
        self.position += 1
        return token

    def skip(self, *tokens: str) -> bool:
        if self.token in tokens and self.token:
            self.position += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise Unreadable(f"no {token}")

    def pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Both exact, or both numbers of mpmath: many large denominators would take minutes."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            bits = a.denominator.bit_length() + b.denominator.bit_length()
            if bits + a.numerator.bit_length() + b.numerator.bit_length() < 4 * MAX_BITS:
                return a, b
        return number_of(a, self.digits), number_of(b, self.digits)

    def sum(self) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deep")
        value = self.product()
        while self.token in ("+", "-"):
            sign = -1 if self.take() == "-" else 1
            a, b = self.pair(value, sign * self.product())
            if hasattr(a, "rows") != hasattr(b, "rows"):
                raise Unreadable("a matrix and a number")
            value = a + b
        self.depth -= 1
        return value

    def product(self) -> Any:
        value = self.signed()
        while True:
            if self.token in _PRODUCT:
                self.take()
                value = self.times(value, self.signed())
            elif self.token in _QUOTIENT:
                self.take()
                value = self.divide(value, self.signed())
            elif self.token in _ENDS or self.token[0].isdigit() or self.token[0] == ".":
                return value
            else:
                value = self.times(value, self.power())

    def times(self, a: Any, b: Any) -> Any:
        a, b = self.pair(a, b)
        return b * a if hasattr(b, "rows") and not hasattr(a, "rows") else a * b

    def signed(self) -> Any:
        if self.skip("-"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Unreadable("nested too deep")
            return -self.signed()
        self.skip("+")
        return self.power()

    def power(self) -> Any:
        value = self.postfix(self.base())
        if self.skip("^", "**"):
            exponent = self.exponent()
            return self.postfix(self.raised(value, exponent))
        return value

    def exponent(self) -> Any:
        """One group, signed number or symbol: in LaTeX `2^10` is 2^1 0, but people mean 2^10."""
        return -self.base() if self.skip("-") else self.base()

    def postfix(self, value: Any) -> Any:
        while True:
            if self.skip("!"):
                value = self.factorial(value)
            elif self.skip("%", r"\%"):
                value = self.divide(value, Fraction(100))
            elif self.skip(r"\degree"):
                value = self.times(value, self.mp.pi / 180)
            else:
                return value

    def base(self) -> Any:
        token = self.take()
        if token[:1].isdigit() or token[:1] == ".":
            return self.number(token.replace(",", ""))
        if token in _CLOSING:
            value = self.sum()
            self.expect(_CLOSING[token])
            if token in ("(", "[", "{"):
                return value
            if token == "|":
                return abs(value)
            whole = self.mp.floor if token == r"\lfloor" else self.mp.ceil
            return Fraction(int(whole(number_of(value, self.digits))))
        if token == _BEGIN:
            return self.matrix()
        if len(token) == 1 and token.isalpha():
            return self.symbol(token)
        if token.startswith("\\"):
            return self.command(token[1:])
        raise Unreadable(token or "nothing")

    def number(self, token: str) -> Any:
        if self.skip("_"):
            raise Unreadable("another base")
        value = Fraction(token)
        # "2\frac{1}{2}" is two and a half when both are plain integers.
        ahead = self.tokens[self.position : self.position + 7]
        if "." not in token and len(ahead) == 7 and ahead[0] == r"\frac":
            _, left, top, right, left2, bottom, right2 = ahead
            if [left, right, left2, right2] == ["{", "}"] * 2 and (top + bottom).isdigit():
                self.position += 7
                return value + self.divide(Fraction(top), Fraction(bottom))
        return value

    def matrix(self) -> Any:
        rows = [[number_of(self.sum(), self.digits)]]
        while not self.skip(_END):
            if self.skip("&"):
                rows[-1].append(number_of(self.sum(), self.digits))
            else:
                self.expect("\\\\")
                if self.token != _END:
                    rows.append([number_of(self.sum(), self.digits)])
        if len({len(row) for row in rows}) > 1:
            raise Unreadable("rows of different length")
        return self.mp.matrix(rows)

    def command(self, name: str) -> Any:
        if name == "frac":
            top = self.base()
            return self.divide(top, self.base())
        if name == "sqrt":
            return self.root()
        if name in ("binom", "dbinom", "tbinom"):
            return self.binomial(self.base(), self.base())
        if name == "pi":
            return +self.mp.pi
        if name in _FUNCTIONS:
            return self.function(name)
        if name in _GREEK:
            return self.symbol(name)
        raise Unreadable(name)

    def binomial(self, n: Any, k: Any) -> Fraction:
        if not all(isinstance(x, Fraction) and x.denominator == 1 and x >= 0 for x in (n, k)):
            raise Unreadable("binomial")
        if n > 3000:
            raise TooLarge("binomial")
        return Fraction(math.comb(int(n), int(k)))

    def root(self) -> Any:
        degree: Any = Fraction(2)
        if self.skip("["):
            degree = self.sum()
            self.expect("]")
        value = self.base()
        if degree == 2:
            if isinstance(value, Fraction) and value >= 0:
                root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
                if root * root == value:
                    return root
            return self.mp.sqrt(number_of(value, self.digits))
        odd = isinstance(degree, Fraction) and degree.denominator == 1 and degree.numerator % 2
        if odd and isinstance(value, Fraction) and value < 0:
            return -self.raised(-value, self.divide(Fraction(1), degree))
        return self.raised(value, self.divide(Fraction(1), degree))

    def symbol(self, name: str) -> Any:
        if name == "e":
            return +self.mp.e
        if name == "i":
            return self.mp.mpc(0, 1)
        if self.skip("_"):
            start = self.position
            depth = 0
            while self.token:
                depth += {"{": 1, "}": -1}.get(self.take(), 0)
                if depth <= 0:
                    break
            name += "_" + "".join(t for t in self.tokens[start : self.position] if t not in "{}")
        while self.skip("'"):
            name += "'"
        self.varies = True
        # Positive values: an identity of roots and logarithms need not hold on every branch.
        seed = zlib.crc32(f"{name}/{self.point}".encode())
        scale = {2: 10, NEGATIVE: -10}.get(self.point, 1)
        return scale * self.mp.mpf(3 * 10**9 + seed) / (10**10 - 7)

    def function(self, name: str) -> Any:
        base = None
        exponent = None
        while self.token in ("_", "^"):
            if self.take() == "_":
                base = number_of(self.base(), self.digits)
            else:
                exponent = self.exponent()
        value = number_of(self.argument(), self.digits)
        if exponent == -1:
            name, exponent = f"arc{name}", None
        name = {"arcarcsin": "sin", "arccot": "acot"}.get(name, name).replace("arc", "a")
        if name in ("log", "ln", "lg"):
            value = self.mp.log(value)
            if base is not None or name == "lg":
                value = self.divide(value, self.mp.log(base if base is not None else 10))
        else:
            if abs(value) > MAX_BITS:
                raise TooLarge(name)
            function = getattr(self.mp, name, None)
            if function is None:
                raise Unreadable(name)
            value = function(value)
        return value if exponent is None else self.raised(value, exponent)

    def argument(self) -> Any:
        """What a function applies to: a group, or the product that follows (`\\sin 2x`)."""
        if self.token in ("(", "{", "[", "|"):
            return self.power()
        value = self.signed()
        while self.token and (self.token[0].isalnum() or self.token in (r"\pi", r"\frac")):
            value = self.times(value, self.power())
        if self.token in _QUOTIENT:
            raise Unreadable("sin a/b")
        return value

    def divide(self, top: Any, bottom: Any) -> Any:
        top, bottom = self.pair(top, bottom)
        if not hasattr(bottom, "rows") and bottom == 0:
            raise Unreadable("division by zero")
        return top / bottom

    def raised(self, base: Any, exponent: Any) -> Any:
        if hasattr(base, "rows"):
            if not isinstance(exponent, Fraction) or exponent.denominator > 1 or exponent > 100:
                raise Unreadable("power of a matrix")
            return base ** int(exponent)
        if base == 0:
            if getattr(exponent, "real", exponent) <= 0:
                raise Unreadable("0 to a power that is not positive")
            return base
        if isinstance(base, Fraction) and isinstance(exponent, Fraction):
            size = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
            if abs(exponent) * max(size, abs(base) != 1) > MAX_BITS:
                raise TooLarge("power")
            if exponent.denominator == 1:
                return base ** int(exponent)
        base, exponent = number_of(base, self.digits), number_of(exponent, self.digits)
        if abs(exponent) * (abs(self.mp.log(abs(base))) + 0.1) > MAX_BITS:
            raise TooLarge("power")
        return base**exponent

    def factorial(self, value: Any) -> Any:
        if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
            raise Unreadable("factorial")
        if value > 3000:
            raise TooLarge("factorial")
        return Fraction(math.factorial(int(value)))


def _tokens(text: str) -> list[str]:
    """The tokens of a formula; a run of letters is a product, unless it names a function."""
    tokens: list[str] = []
    position = 0
    text = _REPEATING.sub(_repeated, text)
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(text[position])
        position = match.end()
        word = match["word"]
        if word in _FUNCTIONS or word == "pi":
            tokens.append("\\" + word)
        elif word and len(word) > 3:
            raise Unreadable(word)
        elif word:
            tokens.extend(word)
        else:
            tokens.append(match.group().strip())
    return tokens


def _repeated(match: re.Match[str]) -> str:
    r"""`0.1\overline{6}` as a fraction."""
    places, length = len(match["first"]), len(match["block"])
    first = Fraction(int(f"{match['whole']}{match['first']}" or 0), 10**places)
    value = first + Fraction(int(match["block"]), 10**places * (10**length - 1))
    return f"({value.numerator}/{value.denominator})"
