r"""Answers that would stop a verifier: towers, factorials, braces without end, a megabyte.

python -m tests.scorers.math_hostile       # each against two gold answers, with its seconds
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

Dice = random.Random


def _big(dice: Dice, low: int = 7, high: int = 12) -> str:
    return rf"10^{{{dice.randint(low, high)}}}"


MAKERS: tuple[Callable[[Dice], str], ...] = (
    lambda d: rf"{d.randint(2, 9)}^{{{d.randint(2, 9)}^{{{d.randint(8, 99)}}}}}",
    lambda d: "^{".join(["9"] * d.randint(4, 30)),
    lambda d: "^{".join([str(d.randint(2, 9))] * (n := d.randint(4, 35))) + "}" * (n - 1),
    lambda d: rf"{d.randint(2, 9)}^{{{d.randint(10**7, 10**9)}}}",
    lambda d: rf"2^{{{_big(d)}}} - 2^{{{_big(d)}}}",
    lambda d: f"{d.randint(10**6, 10**8)}!",
    lambda d: f"({d.randint(10**3, 10**9)}!)!",
    lambda d: rf"\frac{{{d.randint(10**7, 10**8)}!}}{{{d.randint(10**6, 10**7)}!}}",
    lambda d: rf"\binom{{{_big(d)}}}{{5 \cdot {_big(d, 5, 8)}}}",
    lambda d: "{" * (n := d.randint(3000, 4000)) + "1" + "}" * n,
    lambda d: "(" * (n := d.randint(3000, 4000)) + "x" + ")" * n,
    lambda d: "{" * d.randint(20_000, 60_000),
    lambda d: r"\left(" * d.randint(2000, 4000) + "1",
    lambda d: d.choice("17x+$ \\") * 1_000_000,
    lambda d: "1+" * 500_000 + str(d.randint(1, 9)),
    lambda d: ",".join(str(d.randint(0, 10**6)) for _ in range(3000)),
    lambda d: r"\{" + ",".join(rf"\sqrt{{{n}}}" for n in range(d.randint(60, 99))) + r"\}",
    lambda d: ",".join(f"({d.randint(0, 9)},{d.randint(0, 9)})" for _ in range(49)),
    lambda d: r"\sqrt{" * (n := d.randint(20, 200)) + str(d.randint(2, 99)) + "}" * n,
    lambda d: r"\sqrt{" + r"2+\sqrt{" * (n := d.randint(10, 38)) + "x" + "}" * (n + 1),
    lambda d: r"\frac{1}{1+" * (n := d.randint(10, 39)) + "x" + "}" * n,
    lambda d: r"\frac{1}{" * d.randint(100, 900),
    lambda d: "".join(map(chr, range(1, 32))) * d.randint(1, 50) + "7",
    lambda d: "".join(chr(d.randrange(0x80, 0x3000)) for _ in range(500)),
    lambda d: rf"\gcd(2^{{{d.randint(10**5, 10**7)}}} - 1, 3^{{{d.randint(10**5, 10**7)}}} - 1)",
    lambda d: rf"\sum_{{k=1}}^{{{_big(d)}}} \frac{{1}}{{k^{d.randint(2, 9)}}}",
    lambda d: rf"\prod_{{k=1}}^{{{_big(d)}}} (k^2 + {d.randint(1, 9)})",
    lambda d: rf"\int_0^{{\infty}} \frac{{\sin(x^{d.randint(3, 9)}) e^{{-x}}}}{{1 + x^5}} dx",
    lambda d: rf"\int \int \int x^{{y^{{z}}}} \tan(x^{d.randint(2, 9)}) dx dy dz",
    lambda d: rf"\lim_{{x \to 0}} \frac{{\sin(\tan x) - \tan(\sin x)}}{{x^{{{d.randint(7, 40)}}}}}",
    lambda d: rf"\lfloor {d.randint(2, 9)}^{{{d.randint(10**6, 10**8)}}}/3 \rfloor",
    lambda d: rf"\cos({_big(d)}^{{{_big(d)}}})",
    lambda d: rf"\log_2(3^{{{d.randint(10**7, 10**8)}}})",
    lambda d: rf"(x+{d.randint(1, 9)})^{{{d.randint(500, 5000)}}}",
    lambda d: rf"(a+b+c+d+f)^{{{d.randint(50, 300)}}} = 0",
    lambda d: r"\begin{pmatrix}" + r"\\".join(["&".join("abcdfgh")] * 7) + r"\end{pmatrix}^{99}",
    lambda d: r"\int" * d.randint(10, 300) + " x",
    lambda d: r"\pm".join(["1"] * d.randint(10, 60)),
    lambda d: "=".join(["x"] * d.randint(100, 900)),
    lambda d: "9" * d.randint(10_000, 100_000),
)


def hostile(count: int = 200, seed: int = 0) -> Iterator[str]:
    """`count` of them, of all kinds in turn; a function of the seed."""
    dice = random.Random(seed)
    for n in range(count):
        yield MAKERS[n % len(MAKERS)](dice)


def main() -> None:
    from curate.sample import Sample
    from curate.scorers import MathAnswer

    for gold in ("4", r"\int_0^1 x^2 dx"):
        prompt = Sample("p", "?", gold)
        for answer in hostile():
            start = time.monotonic()
            verdict = MathAnswer().judge(prompt.with_completion(f"<answer>{answer}</answer>"))
            seconds = time.monotonic() - start
            if seconds > 0.2 or verdict.score == 1.0:
                print(f"{seconds:6.2f} s {verdict.score} {answer[:50]!r} {verdict.reason[:60]}")  # noqa: T201


if __name__ == "__main__":
    main()
