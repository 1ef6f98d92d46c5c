"""Rows whose contamination is known: benchmark items as people edit them, and rows like them.

    rows = labelled(Path("../shared/data"))      # of MATH-500, GSM8K, HumanEval and IFEval

Contaminated: an item respaced, marked up, cut at its end, embedded, with a sentence put in, and so
on (`EDITS`). Clean: training rows and other benchmarks' rows, many of the same template, and the
items themselves with other numbers. Every row has a `half`, by a hash of its item: thresholds were
chosen on "tune", figures are of "held out".
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

BENCHMARKS = ("math500.jsonl", "gsm8k_test.jsonl.gz", "humaneval.jsonl.gz", "ifeval.jsonl")
OTHERS = (
    *("math_test.jsonl.gz", "math_train.jsonl.gz", "gsm8k_train.jsonl.gz"),
    *("mbpp.jsonl.gz", "self_instruct_seeds.jsonl", "knights_knaves.jsonl.gz"),
)
ITEMS = 250
"""Items of a benchmark that are edited; every one in every way."""


class Labelled(NamedTuple):
    """A text, whether it holds a benchmark item (and which), how it was made, and its half."""

    text: str
    item: str | None
    kind: str
    half: str


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


def letters(text: str) -> str:
    """What is left without case, symbols and white space: the label of the shared cases."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def half_of(name: str) -> str:
    return "tune" if hashlib.blake2b(name.encode()).digest()[0] % 2 else "held out"


def respaced(text: str, dice: random.Random) -> str:
    """Other spacing and other commands of the same looks."""
    text = re.sub(r"\\frac", dice.choice([r"\\dfrac", r"\\tfrac", r"\\frac"]), text)
    text = re.sub(r"(?<![=<>])([=+<>])(?![=<>])", r" \1\\, ", text).replace(r"\cdot", r"\times")
    text = re.sub(r"\(", r"\\left(", text) if dice.random() < 0.3 and "\\left" not in text else text
    return re.sub(r"(?<=[a-z]) (?=[a-z])", lambda m: dice.choice([" ", "  ", "\n"]), text)


def marked(text: str, dice: random.Random) -> str:
    """Bold words, a heading, another way to begin formulas."""
    words = text.split(" ")
    for i in range(dice.randrange(3), len(words), 7):
        words[i] = f"**{words[i]}**" if words[i].isalpha() else words[i]
    text = " ".join(words)
    text = re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text) if dice.random() < 0.5 else text
    return f"## Question\n\n{text}"


def led(text: str, dice: random.Random) -> str:
    lead = dice.choice(["Problem {}: ", "**{}.** ", "Exercise {}.\n", "Question {} (5 points): "])
    return lead.format(dice.randrange(1, 60)) + text


def instructed(text: str, dice: random.Random) -> str:
    before = dice.choice(["", "Solve the following problem step by step.\n\n", "Q: "])
    return f"{before}{text}\n\nPut your final answer within \\boxed{{}}."


def cut(text: str, dice: random.Random) -> str | None:
    """Without its last quarter; None for what is too short for that."""
    words = text.split(" ")
    return " ".join(words[: -len(words) // 4]) if len(words) >= 20 else None


def interrupted(text: str, dice: random.Random) -> str | None:
    """With a sentence put in after one of its own."""
    ends = [m.end() for m in re.finditer(r"[.?!] (?=[A-Z])", text)]
    if not ends:
        return None
    at = dice.choice(ends)
    said = dice.choice(["Think carefully about it.", "This is a well-known kind of question."])
    return f"{text[:at]}{said} {text[at:]}"


LEADS = {
    "What is": "Determine",
    "Find": "Compute",
    "Compute": "What is",
    "How many": "Give the number of",
    "Let": "Suppose that we let",
    "If": "Given that",
    "Evaluate": "Calculate",
    "Simplify": "Write in simplest form",
    "Write a function": "Please implement a function",
    "Write": "Please write",
}


def rephrased(text: str, dice: random.Random) -> str | None:
    """With another beginning."""
    lead = next((lead for lead in LEADS if text.startswith(lead)), None)
    return LEADS[lead] + text[len(lead) :] if lead and len(text) >= 60 else None


def mistyped(text: str, dice: random.Random) -> str | None:
    """With a letter lost in every fifteenth word or so."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if len(places) < 6:
        return None
    for i in dice.sample(places, min(len(places), len(words) // 15 + 1)):
        at = dice.randrange(1, len(words[i]) - 1)
        words[i] = words[i][:at] + words[i][at + 1 :]
    return " ".join(words)


def typeset(text: str, dice: random.Random) -> str:
    """As a web page has it: without dollars, with other signs and quotes."""
    signs = {r"\leq": "≤", r"\geq": "≥", r"\cdot": "·", r"\times": "\u00d7", "'": "\u2019"}
    for old, new in signs.items():
        text = re.sub(re.escape(old) + r"(?![a-z])", new, text)
    return re.sub(r"(?<!\\)\$", "", text).replace(r"\$", "$").replace("\n", "<br>\n")


def shouted(text: str, dice: random.Random) -> str:
    return text.lower() if dice.random() < 0.7 or "\\" in text else text.upper()


EDITS: dict[str, Callable[[str, random.Random], str | None]] = {
    **{"verbatim": lambda text, dice: text, "respaced": respaced, "marked up": marked},
    **{"led in": led, "instructed": instructed, "cut at its end": cut},
    **{"sentence put in": interrupted, "rephrased lead": rephrased, "mistyped": mistyped},
    **{"typeset": typeset, "other case": shouted},
}


def renumbered(text: str, dice: random.Random, most: int | None = None) -> str | None:
    """The same template with other numbers (`most` of them); None where it has fewer than two."""
    places = [m for m in re.finditer(r"(?<![\w.])\d+(?![\w.]*\d)", text) if len(m.group()) < 6]
    if len(places) < 2:
        return None
    for m in sorted(dice.sample(places, most or len(places)), key=lambda m: -m.start()):
        number = int(m.group()) + dice.randrange(1, 9)
        text = f"{text[: m.start()]}{number}{text[m.end() :]}"
    return text


def labelled(data: Path, items: int = ITEMS) -> Iterator[Labelled]:
    """Every row; `item` is the id of the benchmark's row."""
    known: dict[str, str] = {}
    clean = [row | {"file": name.partition(".")[0]} for name in OTHERS for row in read(data / name)]
    for name in BENCHMARKS:
        rows = read(data / name)
        known |= {letters(row["problem"]): row["id"] for row in rows}
        dice = random.Random(name)
        for row in dice.sample(rows, min(items, len(rows))):
            half = half_of(row["id"])
            for kind, edit in EDITS.items():
                if text := edit(row["problem"], dice):
                    yield Labelled(text, row["id"], kind, half)
            around = [other["problem"] for other in dice.sample(clean, 2)]
            text = f"{around[0]}\n\n{row['problem']}\n\n{around[1]}"
            yield Labelled(text, row["id"], "embedded", half)
            for kind, most in (("all numbers other", None), ("one number other", 1)):
                text = renumbered(row["problem"], dice, most)
                if text and letters(text) not in known:
                    yield Labelled(text, None, kind, half)
    for row in clean:
        if letters(row["problem"]) not in known:
            yield Labelled(row["problem"], None, f"row of {row['file']}", half_of(row["id"]))
