r"""Pairs of answers that are equal, or nearly, by construction.

    Pair("interval", gold="[2,7)", completion="It is $2 \\le x < 7$.", same=True, what="inequality")

Each maker draws its numbers, writes the gold answer, other spellings of it (`same`) and slips of
one place (`near`). All 4,000 against `MathAnswer`:

    python -m tests.scorers.math_pairs [--pairs 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from tests.scorers import math_spellings as sp
from tests.scorers.math_spellings import Dice, Spelled, frac, signed, sum_of


class Pair(NamedTuple):
    """A gold answer and a completion, whether they agree, and what was done to the answer."""

    kind: str
    gold: str
    completion: str
    same: bool
    what: str


SHAPES = (
    r"So we are done: $\boxed{%s}$.",
    r"Adding up $2$ cases, \boxed{%s}",
    "It follows.\n\nThe answer is $%s$.",
    "Some steps with 17 and $x^2$.\n\n**Final Answer**\n\n\\[%s\\]",
    "<answer>%s</answer>",
    "答案是 $%s$。",
    "$%s$",
    "%s",
)


def interval(dice: Dice) -> Spelled:
    a = dice.randint(-20, 20)
    b = a + dice.randint(2, 30)
    left, right = dice.choice("[("), dice.choice(")]")
    low = r"\le" if left == "[" else "<"
    high = r"\le" if right == "]" else "<"
    flipped = {"[": "(", "(": "[", ")": "]", "]": ")"}
    return Spelled(
        f"{left}{a},{b}{right}",
        {
            "sizes": rf"\left{left} {a}, {b} \right{right}",
            "inequality": rf"{a} {low} x {high} {b}",
            "member": rf"x \in {left}{a}, {b}{right}",
            "sum": f"{left}{a - 1} + 1, {2 * b}/2{right}",
        },
        {
            "left bracket": f"{flipped[left]}{a},{b}{right}",
            "right bracket": f"{left}{a},{b}{flipped[right]}",
            "end": f"{left}{a},{b + 1}{right}",
            "sign": f"{left}{a - 50},{b}{right}",
            "infinite": rf"{left}{a},\infty)",
            "inequality": rf"{a} {low} x {high} {b + 1}",
        },
    )


def union(dice: Dice) -> Spelled:
    a = dice.randint(-20, 5)
    b = a + dice.randint(1, 20)
    return Spelled(
        rf"(-\infty,{a}] \cup ({b},\infty)",
        {
            "order": rf"({b},\infty) \cup (-\infty,{a}]",
            "plus": rf"(-\infty, {a}] \cup ({b}, +\infty)",
            "or": rf"x \le {a} \text{{ or }} x > {b}",
        },
        {
            "bracket": rf"(-\infty,{a}) \cup ({b},\infty)",
            "end": rf"(-\infty,{a}] \cup ({b + 1},\infty)",
            "part": rf"(-\infty,{a}]",
            "inside": rf"({a},{b}]",
            "direction": rf"x \ge {a} \text{{ or }} x > {b}",
        },
    )


def finite_set(dice: Dice) -> Spelled:
    values = dice.sample(range(-30, 60), dice.randint(3, 5))
    other = [*values[:-1], values[-1] + 100]
    return Spelled(
        rf"\{{{','.join(map(str, values))}\}}",
        {
            "order": rf"\{{{', '.join(map(str, sorted(values)))}\}}",
            "sizes": rf"\left\{{ {', '.join(map(str, values[::-1]))} \right\}}",
            "and": rf"{', '.join(map(str, values[:-1]))} \text{{ and }} {values[-1]}",
        },
        {
            "element": rf"\{{{','.join(map(str, other))}\}}",
            "missing": rf"\{{{','.join(map(str, values[:-1]))}\}}",
            "more": rf"\{{{','.join(map(str, [*values, 200]))}\}}",
            "sign": rf"\{{{','.join(map(str, [*values[:-1], -values[-1] - 200]))}\}}",
        },
    )


def roots(dice: Dice) -> Spelled:
    a, b = dice.randint(1, 20), dice.choice([2, 3, 5, 7])
    return Spelled(
        rf"{a} \pm \sqrt{{{b}}}",
        {
            "both": rf"{a} - \sqrt{{{b}}} \text{{ and }} {a} + \sqrt{{{b}}}",
            "named": rf"x = {a} \pm \sqrt{{{b}}}",
            "set": rf"\{{{a} + \sqrt{{{b}}}, {a} - \sqrt{{{b}}}\}}",
        },
        {
            "one": rf"{a} + \sqrt{{{b}}}",
            "sign": rf"-{a} \pm \sqrt{{{b}}}",
            "digit": rf"{a} \pm \sqrt{{{b + 1}}}",
            "set": rf"\{{{a} + \sqrt{{{b}}}, -{a} - \sqrt{{{b}}}\}}",
        },
    )


def point(dice: Dice) -> Spelled:
    a, b = dice.sample([n for n in range(-30, 30) if n], 2)
    half = Fraction(b, 2)
    return Spelled(
        f"({a},{frac(half) if half.denominator > 1 else half.numerator})",
        {
            "spaces": rf"\left( {a}, \; {float(half)} \right)",
            "named": f"(x, y) = ({a}, {float(half)})",
            "each": rf"x = {a}, y = {float(half)}",
        },
        {
            "order": f"({float(half)}, {a})" if half != a else "(0, 0)",
            "sign": f"({-a}, {float(half)})",
            "place": f"({a}, {float(half) + 1})",
            "bracket": f"[{a}, {float(half)}]",
            "swapped names": rf"y = {a}, x = {float(half)}" if half != a else "x = 0, y = 0",
        },
    )


def matrix(dice: Dice) -> Spelled:
    a, b, c, d = (signed(dice, 1, 20) for _ in range(4))
    d += a == d

    def written(p: int | str, q: int, r: int, s: int, kind: str = "p") -> str:
        return rf"\begin{{{kind}matrix}} {p} & {q} \\ {r} & {s} \end{{{kind}matrix}}"

    return Spelled(
        written(a, b, c, d),
        {
            "brackets": written(a, b, c, d, "b"),
            "entry": written(f"{2 * a}/2", b, c, d),
            "sum": f"{written(a - 1, b, c, d - 2)} + {written(1, 0, 0, 2)}",
            "factor": f"2 {written(a, b, c, d)} - {written(a, b, c, d)}",
        },
        {
            "entry": written(a, b, c, d + 1),
            "sign": written(a, -b, c, d),
            "swap": written(d, b, c, a),
            "row": rf"\begin{{pmatrix}} {a} & {b} \end{{pmatrix}}",
        },
    )


def equation(dice: Dice) -> Spelled:
    a, b, c = dice.randint(2, 9), signed(dice, 1, 9), signed(dice, 1, 30)
    k = dice.choice([-3, -1, 2, 5])
    return Spelled(
        f"{sum_of((a, 'x'), (b, 'y'), (c, ''))} = 0",
        {
            "factor": f"{sum_of((k * a, 'x'), (k * b, 'y'), (k * c, ''))} = 0",
            "sides": f"{sum_of((a, 'x'), (b, 'y'))} = {-c}",
            "swapped": f"0 = {sum_of((b, 'y'), (a, 'x'), (c, ''))}",
        },
        {
            "coefficient": f"{sum_of((a + 1, 'x'), (b, 'y'), (c, ''))} = 0",
            "sign": f"{sum_of((a, 'x'), (-b, 'y'), (c, ''))} = 0",
            "constant": f"{sum_of((a, 'x'), (b, 'y'))} = {c}",
            "exponent": f"{sum_of((a, 'x^2'), (b, 'y'), (c, ''))} = 0",
            "variable": f"{sum_of((a, 'z'), (b, 'y'), (c, ''))} = 0",
        },
    )


def inequality(dice: Dice) -> Spelled:
    a = dice.randint(-30, 30)
    sign, flipped, strict = dice.choice([(r"\le", r"\ge", "<"), (r"\ge", r"\le", ">")])
    bounds = {r"\le": rf"(-\infty, {a}]", r"\ge": rf"[{a}, \infty)"}
    return Spelled(
        f"x {sign} {a}",
        {
            "turned": f"{a} {flipped} x",
            "times -1": f"-x {flipped} {-a}",
            "interval": bounds[sign],
            "symbol": f"x {sign}q {a}",
        },
        {
            "direction": f"x {flipped} {a}",
            "strict": f"x {strict} {a}",
            "bound": f"x {sign} {a + 1}",
            "variable": f"y {sign} {a}",
            "interval": bounds[flipped],
        },
    )


def named_values(dice: Dice) -> Spelled:
    a, b = dice.sample(range(-40, 40), 2)
    return Spelled(
        f"x = {a}, y = {b}",
        {
            "order": f"y = {b}, x = {a}",
            "and": rf"x = {a} \text{{ and }} y = {b}",
            "bare": f"{a}, {b}",
            "pair": f"(x, y) = ({a}, {b})",
        },
        {
            "swap": f"x = {b}, y = {a}",
            "bare order": f"{b}, {a}",
            "digit": f"x = {a}, y = {b + 1}",
            "one": f"x = {a}",
        },
    )


MAKERS: tuple[Callable[[Dice], Spelled], ...] = (
    *(
        sp.integer,
        sp.fraction,
        sp.decimal,
        sp.percent,
        sp.unit,
        sp.money,
        sp.surd,
        sp.polynomial,
        sp.rational,
        sp.power,
    ),
    *(
        sp.logarithm,
        sp.constant,
        sp.trigonometry,
        sp.complex_number,
        interval,
        union,
        finite_set,
        roots,
    ),
    *(
        point,
        matrix,
        equation,
        inequality,
        named_values,
        sp.ratio,
        sp.based,
        sp.repeating,
        sp.counting,
    ),
    *(sp.word, sp.nested),
)


def pairs(count: int, seed: int = 0) -> Iterator[Pair]:
    """`count` equal and as many nearly equal pairs, of all kinds in turn, from the seed."""
    dice = random.Random(seed)
    for n in range(count):
        maker = MAKERS[n % len(MAKERS)]
        spelled = maker(dice)
        for answers, same in ((spelled.same, True), (spelled.near, False)):
            what = dice.choice(list(answers))
            shape = dice.choice(SHAPES)
            if shape == "%s" and maker in (point, named_values, finite_set, sp.word):
                shape = SHAPES[0]  # prose for a reader of bare text
            yield Pair(maker.__name__, spelled.gold, shape % answers[what], same, what)


def main() -> None:
    from curate.sample import Sample
    from curate.scorers import MathAnswer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000, help="equal pairs, and near misses")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    made = list(pairs(options.pairs, options.seed))
    samples = [Sample("p", "?", p.gold).with_completion(p.completion) for p in made]
    wrong: dict[bool, int] = {True: 0, False: 0}
    for pair, verdict in zip(made, MathAnswer().judge_all(samples), strict=True):
        if (verdict.score == 1.0) != pair.same:
            wrong[pair.same] += 1
            print(*pair, verdict, sep=" | ")  # noqa: T201
    for name, n in (("false accepts", wrong[False]), ("false rejects", wrong[True])):
        print(f"{name}: {n} of {options.pairs} ({n / options.pairs:.2%})")  # noqa: T201


if __name__ == "__main__":
    main()
