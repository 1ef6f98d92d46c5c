r"""Numbers, formulas and words, each with spellings that mean the same and slips that do not."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb, factorial
from typing import NamedTuple

Dice = random.Random


class Spelled(NamedTuple):
    """A gold answer, what means the same and what does not, each by what was done to it."""

    gold: str
    same: dict[str, str]
    near: dict[str, str]


def signed(dice: Dice, low: int = 2, high: int = 99) -> int:
    return dice.choice((-1, 1)) * dice.randint(low, high)


def term(coefficient: int, rest: str) -> str:
    """`+ 3x`, `- x`: a term of a sum."""
    sign = "-" if coefficient < 0 else "+"
    size = "" if abs(coefficient) == 1 and rest else str(abs(coefficient))
    return f" {sign} {size}{rest}"


def sum_of(*terms: tuple[int, str]) -> str:
    return "".join(term(c, rest) for c, rest in terms if c).removeprefix(" + ").strip()


def frac(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def integer(dice: Dice) -> Spelled:
    n = signed(dice, 1001, 9_999_999)
    digits = list(str(abs(n)))
    place = dice.randrange(1, len(digits))
    digits[place] = str((int(digits[place]) + dice.randint(1, 9)) % 10)
    other = (-1 if n < 0 else 1) * int("".join(digits))
    return Spelled(
        str(n),
        {
            "thousands": f"{n:,}",
            "LaTeX thousands": f"{n:,}".replace(",", "{,}"),
            "zeros": f"{n}.00",
            "sum": f"{n - 17} + 17",
            "equation": f"x = {n}",
        },
        {"sign": str(-n), "digit": str(other), "factor of ten": f"{n}0", "thousands": f"{other:,}"},
    )


def fraction(dice: Dice) -> Spelled:
    value = Fraction(signed(dice), dice.choice([7, 9, 11, 13, 17, 19, 23]))
    if value.denominator == 1:
        value += Fraction(1, 7)
    a, b, k = value.numerator, value.denominator, dice.randint(2, 9)
    return Spelled(
        frac(value),
        {
            "slash": f"{a}/{b}",
            "not reduced": rf"\frac{{{a * k}}}{{{b * k}}}",
            "dfrac": frac(value).replace("frac", "dfrac"),
            "sum": rf"{a // b} + \frac{{{a % b}}}{{{b}}}",
            "ten places": f"{float(value):.10f}",
        },
        {
            "flip": frac(1 / value),
            "sign": frac(-value),
            "digit": frac(Fraction(a, b) + Fraction(1, b)),
            "two places": f"{float(value):.2f}",
        },
    )


def decimal(dice: Dice) -> Spelled:
    n = dice.randint(101, 99_999) * 10 + dice.randint(1, 9)
    value = Fraction(n, 1000)
    return Spelled(
        f"{n / 1000:.3f}",
        {
            "fraction": rf"\frac{{{n}}}{{1000}}",
            "zeros": f"{n / 1000:.5f}",
            "power of ten": rf"{n} \times 10^{{-3}}",
            "half": rf"\frac{{1}}{{2}} \cdot {2 * n / 1000:.3f}",
        },
        {
            "digit": f"{(n + 1) / 1000:.3f}",
            "point": f"{n / 100:.2f}",
            "sign": f"-{n / 1000:.3f}",
            "power of ten": rf"{n} \times 10^{{-2}}",
            "fraction": frac(value + Fraction(1, 1000)),
        },
    )


def percent(dice: Dice) -> Spelled:
    n = dice.choice([n for n in range(3, 98) if n not in (10,)])
    return Spelled(
        rf"{n}\%",
        {"fraction": rf"\frac{{{n}}}{{100}}", "decimal": f"{n / 100:.2f}", "word": f"{n} percent"},
        {
            "digit": rf"{n + 1}\%",
            "rest": rf"{100 - n if n != 50 else 51}\%",
            "place": f"{n / 1000:.3f}",
            "sign": rf"-{n}\%",
        },
    )


def unit(dice: Dice) -> Spelled:
    n = dice.randint(2, 400)
    name, other = dice.sample(["cm", "m", "km", "mm", "kg", "g"], 2)
    return Spelled(
        rf"{n}\text{{ {name}}}",
        {"none": str(n), "plain": f"{n} {name}", "mathrm": rf"{n}\,\mathrm{{{name}}}"},
        {"unit": rf"{n}\text{{ {other}}}", "digit": rf"{n + 1}\text{{ {name}}}"},
    )


def money(dice: Dice) -> Spelled:
    n = dice.randint(1000, 99_999)
    cents = dice.randint(10, 99)
    return Spelled(
        f"{n}.{cents}",
        {
            "dollars": rf"\${n}.{cents}",
            "thousands": rf"\${n:,}.{cents}",
            "word": f"{n}.{cents} dollars",
        },
        {
            "cents": rf"\${n}.{cents - 1:02d}",
            "place": rf"\${n}{cents}",
            "digit": rf"\${n + 100:,}.{cents}",
        },
    )


def surd(dice: Dice) -> Spelled:
    a, b, c = dice.randint(2, 12), dice.choice([2, 3, 5, 7, 11]), signed(dice, 1, 20)
    return Spelled(
        rf"{c} + {a}\sqrt{{{b}}}",
        {
            "under the root": rf"{c} + \sqrt{{{a * a * b}}}",
            "order": rf"{a}\sqrt{{{b}}}{term(c, '')}",
            "rationalised": rf"{c} + \frac{{{a * b}}}{{\sqrt{{{b}}}}}",
            "power": rf"{c} + {a}\cdot {b}^{{1/2}}",
        },
        {
            "sign": rf"{c} - {a}\sqrt{{{b}}}",
            "digit": rf"{c} + {a + 1}\sqrt{{{b}}}",
            "root": rf"{c} + {a}\sqrt[3]{{{b}}}",
            "no root": rf"{c} + {a * b}",
            "bracket": rf"({c} + {a})\sqrt{{{b}}}",
        },
    )


def polynomial(dice: Dice) -> Spelled:
    a, b, c = dice.randint(1, 5), signed(dice, 1, 9), signed(dice, 1, 9)
    if b == -c:
        b += 10
    gold = sum_of((a, "x^2"), (a * (b + c), "x"), (a * b * c, ""))
    lead = "" if a == 1 else str(a)
    return Spelled(
        gold,
        {
            "factored": f"{lead}(x{term(b, '')})(x{term(c, '')})",
            "order": sum_of((a * b * c, ""), (a, "x^2"), (a * (b + c), "x")),
            "star": gold.replace("x", "*x").replace(" *x", " x").removeprefix("*"),
            "Horner": f"x({lead}x{term(a * (b + c), '')}){term(a * b * c, '')}",
        },
        {
            "sign": f"{lead}(x{term(-b, '')})(x{term(c, '')})",
            "exponent": gold.replace("x^2", "x^3"),
            "coefficient": sum_of((a, "x^2"), (a * (b + c) + 1, "x"), (a * b * c, "")),
            "constant": sum_of((a, "x^2"), (a * (b + c), "x"), (a * b * c - 1, "")),
            "variable": gold.replace("x", "y"),
        },
    )


def rational(dice: Dice) -> Spelled:
    a, b = dice.randint(2, 9), signed(dice, 1, 9)
    k = dice.randint(2, 5)
    return Spelled(
        rf"\frac{{x{term(b, '')}}}{{x + {a}}}",
        {
            "expanded": rf"\frac{{{k}x{term(k * b, '')}}}{{{k}x + {k * a}}}",
            "slash": f"(x{term(b, '')})/(x + {a})",
            "split": rf"1{term(b - a, '')[:3]}\frac{{{abs(b - a)}}}{{x + {a}}}" if b != a else "1",
        },
        {
            "flip": rf"\frac{{x + {a}}}{{x{term(b, '')}}}" if b != a else "2",
            "bracket": rf"x{term(b, '')}/(x + {a})",
            "sign": rf"\frac{{x{term(b, '')}}}{{x - {a}}}",
        },
    )


def power(dice: Dice) -> Spelled:
    base, n = dice.choice([2, 3, 5, 7]), dice.randint(30, 120)
    return Spelled(
        rf"\frac{{1}}{{{base}^{{{n}}}}}",
        {
            "negative exponent": rf"{base}^{{-{n}}}",
            "product": rf"\frac{{1}}{{{base}^{{{n - 3}}} \cdot {base**3}}}",
            "bracket": rf"\left(\frac{{1}}{{{base}}}\right)^{{{n}}}",
        },
        {
            "exponent": rf"\frac{{1}}{{{base}^{{{n - 1}}}}}",
            "sign": rf"-\frac{{1}}{{{base}^{{{n}}}}}",
            "zero": "0",
            "sum": rf"\frac{{1}}{{{base}^{{{n}}} + 1}}",
        },
    )


def logarithm(dice: Dice) -> Spelled:
    a, b = dice.sample([2, 3, 5, 7], 2)
    n = dice.randint(2, 6)
    return Spelled(
        rf"{n} \ln {a} + e^{{{b}}}",
        {
            "power": rf"\ln {a**n} + e^{{{b}}}",
            "order": rf"e^{{{b}}} + {n}\ln({a})",
            "mathrm": rf"{n} \ln {a} + \mathrm{{e}}^{{{b}}}",
        },
        {
            "sign": rf"{n} \ln {a} - e^{{{b}}}",
            "exponent": rf"{n} \ln {a} + e^{{-{b}}}",
            "argument": rf"{n} \ln {b} + e^{{{b}}}",
        },
    )


def constant(dice: Dice) -> Spelled:
    a, b = dice.randint(2, 30), dice.choice([2, 3, 4, 5, 6, 7])
    a += a % b == 0
    return Spelled(
        rf"\frac{{{a}\pi}}{{{b}}}",
        {
            "outside": rf"\frac{{{a}}}{{{b}}}\pi",
            "slash": rf"{a}\pi/{b}",
            "sum": rf"\pi + \frac{{{a - b}\pi}}{{{b}}}",
        },
        {
            "no pi": rf"\frac{{{a}}}{{{b}}}",
            "square": rf"\frac{{{a}\pi^2}}{{{b}}}",
            "below": rf"\frac{{{a}}}{{{b}\pi}}",
            "digit": rf"\frac{{{a + 1}\pi}}{{{b}}}",
        },
    )


def trigonometry(dice: Dice) -> Spelled:
    a = dice.randint(2, 9)
    return Spelled(
        rf"{a} \sin 2x",
        {
            "double angle": rf"{2 * a} \sin x \cos x",
            "bracket": rf"{a}\sin(2x)",
            "squares": rf"{a}((\sin x + \cos x)^2 - 1)",
        },
        {
            "function": rf"{a} \cos 2x",
            "argument": rf"{a} \sin x",
            "square": rf"{a} \sin^2 x",
            "factor": rf"{a} \sin x \cos x",
            "sign": rf"{a} \sin(-2x)",
        },
    )


def complex_number(dice: Dice) -> Spelled:
    a, b = signed(dice, 1, 20), signed(dice, 2, 20)
    return Spelled(
        sum_of((a, ""), (b, "i")),
        {"order": sum_of((b, "i"), (a, "")), "product": f"i({b}{term(-a, 'i')})"},
        {
            "conjugate": sum_of((a, ""), (-b, "i")),
            "sign": sum_of((-a, ""), (b, "i")),
            "swap": sum_of((b, ""), (a, "i")) if a != b else "0",
            "no i": str(a + b),
        },
    )


def ratio(dice: Dice) -> Spelled:
    a, b = dice.sample([2, 3, 5, 7, 11, 13], 2)
    return Spelled(
        f"{a}:{b}",
        {"spaces": f"{a} : {b}", "fraction": rf"\frac{{{a}}}{{{b}}}", "named": f"AB:CD = {a}:{b}"},
        {"order": f"{b}:{a}", "digit": f"{a}:{b + 1}", "fraction": rf"\frac{{{b}}}{{{a}}}"},
    )


def based(dice: Dice) -> Spelled:
    base = dice.choice([2, 5, 7])
    digits = "1" + "".join(str(dice.randrange(base)) for _ in range(5))
    flipped = digits[:-1] + str((int(digits[-1]) + 1) % base)
    return Spelled(
        f"{digits}_{base}",
        {"braces": f"{digits}_{{{base}}}", "text": rf"{digits}_{{\text{{{base}}}}}"},
        {"base": f"{digits}_{base + 1}", "digit": f"{flipped}_{base}", "more": f"{digits}0_{base}"},
    )


def repeating(dice: Dice) -> Spelled:
    block = str(dice.choice([n for n in range(12, 98) if n % 11]))
    value = Fraction(int(block), 99)
    return Spelled(
        rf"0.\overline{{{block}}}",
        {"fraction": frac(value), "more": rf"0.{block}\overline{{{block}}}"},
        {
            "ends": f"0.{block}",
            "turned": rf"0.\overline{{{block[::-1]}}}",
            "nine": rf"\frac{{{block}}}{{90}}",
        },
    )


def counting(dice: Dice) -> Spelled:
    n = dice.randint(6, 12)
    k = dice.randint(2, n // 2 - 1)
    return Spelled(
        str(comb(n, k)),
        {
            "binomial": rf"\binom{{{n}}}{{{k}}}",
            "symmetric": rf"\dbinom{{{n}}}{{{n - k}}}",
            "factorials": rf"\frac{{{n}!}}{{{k}! \cdot {n - k}!}}",
        },
        {
            "arrangements": rf"\frac{{{n}!}}{{{n - k}!}}",
            "binomial": rf"\binom{{{n}}}{{{k + 1}}}",
            "factorial": str(factorial(n)),
        },
    )


def word(dice: Dice) -> Spelled:
    words = ["odd", "even", "Monday", "Friday", "parabola", "ellipse", "Evelyn", "Angela"]
    a, b = dice.sample(words, 2)
    return Spelled(
        rf"\text{{{a}}}",
        {"plain": a, "case": rf"\text{{{a.upper()}}}", "bold": rf"\textbf{{{a}}}"},
        {"other": rf"\text{{{b}}}", "letters": rf"\text{{{a[::-1]}}}", "not": rf"\text{{not {a}}}"},
    )


def nested(dice: Dice) -> Spelled:
    a, b, c = (dice.randint(2, 9) for _ in range(3))
    value = a + Fraction(1) / (b + Fraction(1, c))
    return Spelled(
        rf"{a} + \frac{{1}}{{{b} + \frac{{1}}{{{c}}}}}",
        {"value": frac(value), "slash": f"{a} + 1/({b} + 1/{c})"},
        {
            "bracket": f"{a} + 1/{b} + 1/{c}",
            "sign": rf"{a} - \frac{{1}}{{{b} + \frac{{1}}{{{c}}}}}",
            "inner": rf"{a} + \frac{{1}}{{{b} + \frac{{1}}{{{c + 1}}}}}",
        },
    )
