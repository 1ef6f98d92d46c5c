r"""The grammar of the recorded samples: sentences with gaps, and the words that fill them.

>>> filled(random.Random(0), ("There are {n} {noun}s.",))
'There are 495 warehouses.'
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence


def listed(words: str) -> list[str]:
    return words.split()


LISTS: dict[str, Sequence[str]] = {
    "noun": listed("""marble crate garden ladder bridge lantern barrel window basket engine river
    orchard tunnel blanket mirror pebble kettle wagon carpet market harbor meadow violin feather
    turbine magnet candle pocket satchel compass drawer shelter pillar shutter saddle anchor
    button cabinet scarf teapot puzzle rocket fiddle parcel planet statue temple cottage valley
    island glacier desert canyon castle library museum theater factory warehouse workshop bakery
    kitchen school hospital station airport stadium avenue village capsule battery circuit crystal
    molecule pendulum spring pulley lever wheel piston cylinder sphere pyramid triangle rectangle
    polygon lattice matrix vector ratio fraction integer divisor remainder sequence series
    permutation function interval boundary surface network vertex cluster packet channel buffer
    pointer record ledger invoice voucher ticket badge tablet notebook chapter sentence letter
    syllable rhythm melody harmony chorus costume curtain carriage furnace hammer chisel anvil
    needle thimble spindle bobbin loom tapestry quilt"""),
    "adjective": listed("""narrow copper silent crimson hollow gentle rapid frozen ancient polished
    crooked hidden yellow broken slender heavy northern curious fragile golden wooden striped
    distant marble velvet stormy bitter clever rusty shallow twisted vivid humble steady brittle
    smooth eager proper partial linear cubic convex regular random global local finite binary
    positive rational digital magnetic thermal optical elastic"""),
    "verb": listed("""carries measures divides collects replaces borrows exchanges delivers counts
    arranges repairs balances compares stacks paints rotates lifts wraps sells gathers records
    inspects releases transfers matches covers crosses reaches doubles reverses"""),
    "name": listed("""Amara Bruno Celia Dmitri Elena Farid Greta Hiro Ingrid Jonas Keiko Liam Mariam
    Nadia Oscar Priya Quentin Rosa Stefan Tessa Umar Vera Wendell Ximena Yusuf Zora Abel Bianca
    Cyrus Daphne Emil Flora Gideon Hazel Isaac Juno"""),
    "place": listed("""harbor mill square valley bridge park cellar tower forest station camp barn
    courtyard chapel quarry pier"""),
    "letter": list("abcdmnpqrstuvwxyz"),
}
FACTS = (
    "{name} {verb} {n} {adjective} {noun}s at the {place} while {name} {verb} {n} {noun}s.",
    "Every {adjective} {noun} in the {place} weighs ${n}$ grams and every {noun} weighs ${n}$.",
    "In the {adjective} {place} a {noun} {verb} ${letter}_{d} = {n}$ {adjective} {noun}s each day.",
    r"It is known that $\frac{{{n}}}{{{d}}}$ of the {noun}s near the {place} are {adjective}.",
    "After {d} hours the {noun} of {name} {verb} another {n} {noun}s and {d} {adjective} {noun}s.",
    r"Let ${letter}$ and ${letter}$ satisfy ${d}{letter}^{d} - {n}{letter} \le {n}$ for a {noun}.",
    "A {adjective} {noun} with side ${n}$ stands beside a {adjective} {noun} of radius ${n}$.",
    "{name} writes down {n} {adjective} {noun}s, of which {d} {verb} the {noun} of {name}.",
    "The {noun} that {name} {verb} at the {place} costs {n} coins more than a {adjective} {noun}.",
    "Of {n} {noun}s in the {place}, {n} are {adjective} and the others belong to {name}.",
    "A {noun} {verb} from the {place} to the {place} in {n} minutes past a {adjective} {noun}.",
    "The {adjective} {noun} holds {n} {noun}s, {d} {noun}s and one {adjective} {noun} from {name}.",
)
QUESTIONS = (
    "How many {adjective} {noun}s does {name} have at the {place} in the end?",
    "What is the value of ${letter} + {n}$ for the {adjective} {noun} of {name}?",
    "Find the remainder when the number of {adjective} {noun}s is divided by ${n}$.",
    "What does the program of {name} print for the {adjective} {noun} and the {noun}?",
    "Determine the largest ${letter}$ for which the {noun} at the {place} stays {adjective}.",
)
THOUGHTS = (
    "So the {noun} has {n} {adjective} parts, and I need ${letter} = {n}$ of them.",
    "Let me check the {adjective} {noun} once more: ${n} + {n} = {n}$ is what {name} found.",
    "Wait, the {noun} at the {place} {verb} only {n} {noun}s, not {n}.",
    r"Then $\frac{{{n}}}{{{d}}} \cdot {letter} = {n}$, which means that the {noun} is {adjective}.",
    "Hmm, if the {adjective} {noun} {verb} the {noun}, then {name} needs {n} more {noun}s.",
    "Suppose instead that ${letter}^{d} - {n}{letter} + {n} = 0$ holds for every {noun}.",
    "This is the same as counting the {noun}s which the {adjective} {noun} {verb}.",
    "That gives {n} for the {noun} of {name} and {n} for the {adjective} one.",
    "I should be careful here because the {adjective} {noun} was counted twice at the {place}.",
    r"By the rule for a {noun}, ${letter}_{{{d}}} = {n} - {d}{letter}$ and $2{letter} \le {n}$.",
    "Alternatively, I could look at the {noun} first and leave the {adjective} {noun} for later.",
    "Since {n} is not a multiple of {d}, the {noun} cannot be {adjective}.",
    "The {adjective} case is easy, as the {noun} of {name} {verb} nothing but {noun}s.",
    r"Now \( {letter} = {n} \times {d} \), and a {noun} in the {place} {verb} the rest.",
    "But what about the {noun} that {name} {verb}, which has {n} {adjective} {noun}s on it?",
    "Adding {n} and {n} for the two {adjective} {noun}s, I get a {noun} of {n}.",
    "To see this, think of a {noun} that {verb} {n} {noun}s on the {adjective} side.",
    "Therefore the {noun} of {name} must be {adjective}, and {n} of them remain.",
    "Going back to the {place}, the {adjective} {noun} {verb} {d} {noun}s in {n} steps.",
    "Each of the {n} {noun}s is either {adjective} or {adjective}, never both.",
    r"The sum $\sum_{{i=1}}^{{{n}}} i$ is more than the {adjective} {noun} of {name} can hold.",
    "Okay, so far I have {n} {noun}s, {d} {adjective} ones and the {noun} at the {place}.",
    "If that were true, the {noun} would be {n} times as {adjective} as the {noun}.",
    "Perhaps a smaller example with {d} {noun}s shows what a {adjective} {noun} {verb}.",
)
FOREIGN = [
    "所以我们需要先计算一下这个数字是多少。 ",
    "我们可以用另外一种方法来解决这个问题。 ",
    "Давайте теперь проверим это решение ещё раз внимательно. ",
    "这里的条件好像不太对让我重新想一想。 ",
    "これを計算すると答えが出るはずです。 ",
]
_GAP = re.compile(r"\{(noun|adjective|verb|name|place|letter|n|d)\}")


def filled(choose: random.Random, templates: tuple[str, ...]) -> str:
    """One of the sentences with its gaps filled: `n` a number, `d` a digit, else a word."""

    def word(match: re.Match[str]) -> str:
        kind = match[1]
        if kind == "n":
            return str(int(10 ** (choose.random() * 2.5 + 0.8)))
        if kind == "d":
            return str(int(choose.random() * 8) + 2)
        return LISTS[kind][int(choose.random() * len(LISTS[kind]))]

    return _GAP.sub(word, choose.choice(templates)).replace("{{", "{").replace("}}", "}")
