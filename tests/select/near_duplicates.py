r"""Problems in another dress, and problems that only look alike: what `Dedup` is measured with.

Each edit takes a text and a random generator and gives another text, or None where there is nothing
to edit.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[2] / "../shared/data"
Edit = Callable[[str, random.Random], str | None]
_DRAWN = re.compile(r"(\[asy\].*?\[/asy\])", re.DOTALL)
_MATH = re.compile(r"(?<!\\)\$([^$]+)\$")
_LETTER = re.compile(r"(?<![A-Za-z\\])[a-zA-Z](?![A-Za-z])")
_WORDED = re.compile(r"\\[A-Za-z]+|\\(?:text|mbox)\w*\{[^}]*\}")


class Problem(NamedTuple):
    text: str
    answer: str


def in_formulas(text: str, edit: Callable[[str], str]) -> str | None:
    """The text with its formulas edited; amounts of money keep it as it is."""
    if "\\$" in text or text.count("$") % 2:
        return None
    return _MATH.sub(lambda m: f"${edit(m[1])}$", text)


def tight(text: str, rng: random.Random) -> str | None:
    return in_formulas(text, lambda f: re.sub(r" *([-+=<>*/,]) *", r"\1", f))


def loose(text: str, rng: random.Random) -> str | None:
    spaced = re.compile("[+=<>]")
    return in_formulas(
        text, lambda f: spaced.sub(lambda m: f" {rng.choice(SPACES)} {m.group()} ", f)
    )


SPACES = ("", r"\,", r"\;", "~", r"\ ", "\n", r"\quad")


def braces(text: str, rng: random.Random) -> str | None:
    return in_formulas(text, lambda f: re.sub(r"([\^_])(\w)(?!\w)", r"\1{\2}", f))


def sized(text: str, rng: random.Random) -> str | None:
    bigger = {
        "\\frac": "\\dfrac",
        "(": "\\left(",
        ")": "\\right)",
        "\\le ": "\\leq ",
        "\\ge ": "\\geq ",
    }
    return in_formulas(
        text, lambda f: re.sub(r"\\frac|\(|\)|\\[lg]e ", lambda m: bigger[m.group()], f)
    )


def delimited(text: str, rng: random.Random) -> str | None:
    if "\\$" in text or text.count("$") % 2 or "$$" in text:
        return None
    opened, closed = rng.choice([("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$")])
    return _MATH.sub(lambda m: f"{opened}{m[1]}{closed}", text)


def unicode(text: str, rng: random.Random) -> str | None:
    signs = {"\\le ": "≤ ", "\\ge ": "≥ ", "\\cdot": "⋅", "-": "\N{MINUS SIGN}", "\\pi": "π "}
    signs["\\times"] = "\N{MULTIPLICATION SIGN}"
    signs |= {"\\ldots": "…", "\\angle": "∠", "\\infty": "∞", "^2": "²", "^{2}": "²"}
    pattern = "|".join(re.escape(s) + ("(?![a-z])" if s[1:].isalpha() else "") for s in signs)
    return in_formulas(text, lambda f: re.sub(pattern, lambda m: signs[m.group()], f))


def markdown(text: str, rng: random.Random) -> str | None:
    words = re.sub(r"(?<![\w\\$])([A-Z][a-z]{2,})(?![\w$])", r"**\1**", text, count=2)
    return f"### Problem\n\n{words}" if rng.random() < 0.5 else words.replace("**", "*", 2)


def html(text: str, rng: random.Random) -> str | None:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"([a-z])\^(?:\{(\w)\}|(\w))", r"\1<sup>\2\3</sup>", text)
    return f"<p>{text.replace('. ', '.</p>' + chr(10) + '<p>', 1)}<br/></p>"


def edited(edit: Edit, text: str, rng: random.Random) -> str | None:
    """The text edited, but for the code of its diagrams; None where that changes nothing."""
    if edit in (undrawn, drawn, renamed, led, markdown, another_unknown):
        found = edit(text, rng)
    else:
        parts = [p if p.startswith("[asy]") else edit(p, rng) for p in _DRAWN.split(text)]
        found = None if None in parts else "".join(p for p in parts if p)
    return None if found == text else found


def undrawn(text: str, rng: random.Random) -> str | None:
    return re.sub(r"\[asy\].*?\[/asy\]", "", text, flags=re.DOTALL)


def drawn(text: str, rng: random.Random) -> str | None:
    if "[asy]" in text:
        return None
    code = "\\draw (0,0) -- (4,3) node[right] {$A$}; \\filldraw (1,2) circle (2pt);"
    return f"{text}\n\\begin{{tikzpicture}}\n{code}\n\\end{{tikzpicture}}"


def renamed(text: str, rng: random.Random) -> str | None:
    """Every variable of the formulas under another name."""
    if "\\$" in text or text.count("$") % 2 or re.search(r"\[asy\]|\\[\[(]|\\begin", text):
        return None
    plain = _WORDED.sub(" ", " ".join(_MATH.findall(text)))
    if re.search(r"[A-Za-z]{2}", plain):
        return None
    letters = sorted(set(_LETTER.findall(plain)) - set("eid"))
    free = [c for c in "abcghjkmnpqrstuvwxyzABCMNPQRSTXYZ" if c not in letters]
    if not letters or len(letters) > len(free):
        return None
    names = dict(zip(letters, rng.sample(free, len(letters)), strict=True))
    pieces = re.compile(rf"{_WORDED.pattern}|{_LETTER.pattern}")
    return in_formulas(text, lambda f: pieces.sub(lambda m: names.get(m.group(), m.group()), f))


def punctuated(text: str, rng: random.Random) -> str | None:
    text = text.replace('"', "''").replace("'", "\u2019").rstrip(" .?")
    return re.sub(r"([a-z]), ", r"\1 ", text, count=2)


def led(text: str, rng: random.Random) -> str | None:
    return rng.choice(LEADS).format(n=rng.randint(1, 40)) + text


LEADS = (
    "Problem {n}. ",
    "{n}. ",
    "**Question {n}:** ",
    "Exercise {n}.3. ",
    "Q{n}: ",
    "[AIME 19{n:02d}] ",
    "Solve the following math problem: ",
    "Question: ",
    "### Problem {n}\n",
    "({n}) ",
)


def wrapped(text: str, rng: random.Random) -> str | None:
    return re.sub(r" ", lambda m: "\n" if rng.random() < 0.2 else "  ", text) + "\n"


def separated(text: str, rng: random.Random) -> str | None:
    return re.sub(
        r"(?<![\d.,])(\d{1,3})(\d{3})(?![\d.,])", rng.choice([r"\1,\2", r"\1{,}\2"]), text
    )


SAME: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (
        *(tight, loose, braces, sized, delimited, unicode, markdown, html, undrawn, drawn),
        *(renamed, punctuated, led, wrapped, separated),
    )
}
"""Edits that leave the problem what it is."""


def another_number(text: str, rng: random.Random) -> str | None:
    found = list(re.finditer(r"(?<![\d.,^_])\d+(?![\d.,])", text))
    if not found:
        return None
    at = rng.choice(found)
    return f"{text[: at.start()]}{int(at.group()) + rng.randint(1, 9)}{text[at.end() :]}"


def another_sign(text: str, rng: random.Random) -> str | None:
    flipped = {"+": "-", "-": "+", "<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
    found = [(f, m) for f in _MATH.finditer(text) for m in re.finditer(r"\\[lg]e\b|[-+<>]", f[1])]
    if not found:
        return None
    formula, sign = rng.choice(found)
    at = formula.start(1) + sign.start()
    return f"{text[:at]}{flipped[sign.group()]}{text[at + len(sign.group()) :]}"


def another_unknown(text: str, rng: random.Random) -> str | None:
    """The last formula asks for another variable of the problem."""
    formulas = list(_MATH.finditer(text))
    if not formulas or not re.fullmatch(r"[a-z]\.?", formulas[-1][1]):
        return None
    asked = formulas[-1][1][0]
    found = sorted(set(_LETTER.findall(" ".join(f[1] for f in formulas))) - {asked})
    if not found:
        return None
    at = formulas[-1].start(1)
    return f"{text[:at]}{rng.choice(found)}{text[at + 1 :]}"


WORDS = (
    *(("sum", "product"), ("maximum", "minimum"), ("greatest", "least"), ("largest", "smallest")),
    *(("more", "fewer"), ("even", "odd"), ("area", "perimeter"), ("positive", "negative")),
    *(("first", "last"), ("mean", "median"), ("longer", "shorter"), ("left", "gone")),
    *(("increased", "decreased"), ("twice", "half"), ("radius", "diameter"), ("day", "week")),
)


def another_word(text: str, rng: random.Random) -> str | None:
    pairs = {a: b for pair in WORDS for a, b in (pair, pair[::-1])}
    found = list(re.finditer(rf"\b(?:{'|'.join(pairs)})\b", text))
    if not found:
        return None
    at = rng.choice(found)
    return f"{text[: at.start()]}{pairs[at.group()]}{text[at.end() :]}"


def denied(text: str, rng: random.Random) -> str | None:
    found = list(re.finditer(r"\b(?:is|are|does|do|can|will) ", text))
    return None if not found else f"{text[: (at := rng.choice(found)).end()]}not {text[at.end() :]}"


OTHER: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (another_number, another_sign, another_unknown, another_word, denied)
}
"""Edits that make another problem of it."""


def problems(limit: int) -> list[Problem]:
    """Problems of MATH and GSM8K where they are at hand, made ones otherwise."""
    found: list[Problem] = []
    for name in ("math_train.jsonl.gz", "math_test.jsonl.gz", "gsm8k_train.jsonl.gz"):
        if (DATA / name).exists():
            with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
                rows = [json.loads(line) for line in lines]
            random.Random(name).shuffle(rows)
            found += [Problem(r["problem"], str(r["answer"])) for r in rows[: limit // 3]]
    return found or list(made(limit))


def made(count: int) -> Iterator[Problem]:
    """Problems of a few templates, each with the answer that it has."""
    rng = random.Random(0)
    for _ in range(count):
        a, b, c = (rng.randint(2, 60) for _ in range(3))
        yield rng.choice(
            [
                Problem(
                    f"Let $f(x) = {a}x + {b}$ for real $x$. What is the value of $f({c})$?",
                    str(a * c + b),
                ),
                Problem(
                    f"Compute $\\frac{{{a}}}{{{b}}} + x^2$ when $x = {c}$.",
                    f"\\frac{{{a + b * c * c}}}{{{b}}}",
                ),
                Problem(
                    f"Tom has {a} marbles. He buys {b} bags with {c} marbles in each of them, then "
                    f"loses {a} of all his marbles on the way home. How many marbles are left?",
                    str(b * c),
                ),
                Problem(
                    f"If $x + y = {a + b}$ and $x - y = {a - b}$, find the sum of $x$ and ${c}y$.",
                    str(a + c * b),
                ),
            ]
        )
