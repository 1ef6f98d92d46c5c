r"""How an answer is built: its pieces, its names, its brackets; text in, text out.

What `math_agreement` compares, piece by piece.
"""

from __future__ import annotations

import re

from curate.scorers.math_numbers import clean, read_number, squeeze

AND = re.compile(
    r"\s*(?:(?<![A-Za-z])(?:and|or)(?![a-z])|\\(?:land|lor|vee|wedge|cup)(?![a-zA-Z])|[和或])\s*"
)
RELATION = re.compile(
    r"\s*(\\leq?(?![a-z])|\\leqslant|\\geq?(?![a-z])|\\geqslant|\\lt(?![a-z])|\\gt(?![a-z])|<=|>=|<|>"
    r"|\\neq?(?![a-z])|!=|≤|≥|≠)\s*"
)
DIRECTION = {
    **dict.fromkeys(("\\le", "\\leq", "\\leqslant", "<=", "≤"), "<="),
    **dict.fromkeys(("\\ge", "\\geq", "\\geqslant", ">=", "≥"), ">="),
    **dict.fromkeys(("\\lt", "<"), "<"),
    **dict.fromkeys(("\\gt", ">"), ">"),
    **dict.fromkeys(("\\ne", "\\neq", "!=", "≠"), "!="),
}
FLIPPED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "!=": "!="}
_VARIABLE = re.compile(r"(?:[A-Za-z]|\\[a-z]{2,7})(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")
_BUILT = re.compile(r"\{\s*[A-Za-z]\s*(?:\\in\s*\\mathbb\s?\{?R\}?\s*)?[|:]\s*([^|:]+)\}")
_WHOLE_NUMBERS = re.compile(r"\s*[,;]\s*\(?\s*[a-z]\s*\\in\s*\\mathbb\s?\{?Z\}?\s*\)?$")
_REALS = re.compile(r"\\mathbb\s?\{?\s?R\s?\}?(?:\s?(?:\\setminus|\\backslash|-)\s?\{([^{},]+)\})?")
HALF_DAY = re.compile(r"(?<=[0-9]) ?([ap])\.? ?m\.?$", re.IGNORECASE)
_TEXT_UNIT = re.compile(
    r"(?<=[0-9A-Za-z})])(\s*)\\(?:text\w*|mbox|mathrm)\s?\{[\s~]*[A-Za-z. /()]+[\s~]*\}"
    r"(?:\^\{?[23]\}?)?\s*(?=\$|$)"
)
_OPEN, _CLOSE = "([{", ")]}"


def shape_of(text: str) -> str:
    text = HALF_DAY.sub("", clean(_TEXT_UNIT.sub(r"\1", text))).replace("$", " ")
    text = re.sub(r"^(?:([A-Za-z]\w?)\s*)?\\approx", lambda m: f"{m[1]}=" if m[1] else "", text)
    text = re.sub(r"\\approx.*|\\pmod.*", "", text)
    if text[:1] == "(" and "=" in text and closes(text) == len(text) - 1 and "," not in text:
        text = text[1:-1]
    text = re.sub(r"\+\s?\\infty", r"\\infty", re.sub(r"-\s\\infty", r"-\\infty", text))
    text = text.replace(r"\{", "{").replace(r"\}", "}").strip()
    if built := _BUILT.fullmatch(text):
        text = built[1]
    text = _WHOLE_NUMBERS.sub("", text)
    if reals := _REALS.fullmatch(text):
        return without(reals[1])
    return re.sub(r"_\{?10\}?$", "", text)


def without(value: str | None) -> str:
    """All real numbers but one, as intervals."""
    if value is None:
        return r"(-\infty,\infty)"
    return rf"(-\infty,{value}) \cup ({value},\infty)"


def member(text: str) -> str:
    """`x \\in A` without the name."""
    return re.sub(r"^[A-Za-z_0-9{}()]{1,8}\s*\\in(?![a-z])\s*", "", text).strip()


def split(text: str, marks: str) -> list[str]:
    """The parts of a text between marks that stand outside of all brackets."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth <= 0 and char in marks:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()] or [text]


def bare(text: str) -> str:
    """A set without its braces."""
    while text.startswith("{") and closes(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def closes(text: str) -> int:
    depth = 0
    for i, char in enumerate(text):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth == 0:
            return i
    return -1


def pieces_of(text: str) -> list[str]:
    """The elements of a list, set or union, as a list; `\\pm` stands for two of them."""
    text = bare(member(text))
    # "p=5,q=2; p=7,q=2" is a list of two solutions: the semicolon binds weaker than the comma.
    parts = split(text, ";")
    if len(parts) == 1:
        joined = [bare(part) for part in AND.split(text) if part]
        whole = _THOUSANDS.fullmatch if len(joined) > 1 else read_number
        if len(joined) > 1 and all("=" in part and "," in part for part in joined):
            parts = joined
        else:
            parts = [p for j in joined for p in ([j] if whole(j) else split(j, ","))]
    signed = []
    for part in parts:
        both = re.sub(r"\\pm", "+", part), re.sub(r"\\pm", "-", part)
        signed.extend(both if r"\pm" in part else [part])
    if len(signed) == 1:
        signed = each(signed[0])
    return list({squeeze(part): part for part in signed}.values()) or [text]


def each(text: str) -> list[str]:
    """`(x, y) = (1, 2)` as `x = 1` and `y = 2`."""
    sides = [side.strip() for side in text.split("=")]
    if len(sides) == 2 and ordered(sides[0]) and ordered(sides[1]):
        names, values = (split(side[1:-1], ",;") for side in sides)
        if len(names) == len(values):
            return [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
    return [text]


def by_name(pieces: list[str]) -> list[str]:
    """Coordinates in the order of x, y, z, as a tuple has them."""
    is_point = all(name_of(piece) in ("x", "y", "z") for piece in pieces)
    return sorted(pieces, key=name_of) if is_point else pieces


def name_of(piece: str) -> str:
    """What an element calls itself, without its index: x of `x_1 = 5`; empty without a name."""
    left, equals, _ = piece.partition("=")
    return re.sub(r"_\{?\w+\}?", "", left).strip() if equals else ""


def ordered(text: str) -> bool:
    """True for `(a, b)`, `[a, b)` and the like: brackets around everything, with a comma inside."""
    whole = len(text) > 2 and text[0] in "([" and text[-1] in ")]" and closes(text) == len(text) - 1
    return whole and len(split(text[1:-1], ",;")) > 1


def interval_of(chain: list[str]) -> str | None:
    """`1 < x <= 2` as `(1,2]`; None for what is no interval of one variable."""
    signs = [DIRECTION[sign] for sign in chain[1::2]]
    sides = chain[::2]
    if len(signs) == 1 and _VARIABLE.fullmatch(sides[1]):
        sides, signs = sides[::-1], [FLIPPED[signs[0]]]
    if len(signs) == 1:
        if not _VARIABLE.fullmatch(sides[0]):
            return None
        if signs[0] == "!=":
            return without(sides[1])
        bracket = "[" if "=" in signs[0] else "("
        if signs[0][0] == ">":
            return f"{bracket}{sides[1]},\\infty)"
        return rf"(-\infty,{sides[1]}" + {"[": "]", "(": ")"}[bracket]
    if len(signs) != 2 or not _VARIABLE.fullmatch(sides[1]) or signs[0][0] != signs[1][0]:
        return None
    if signs[0][0] == ">":
        sides, signs = sides[::-1], [FLIPPED[sign] for sign in reversed(signs)]
    if signs[0][0] != "<":
        return None
    left, right = "[" if "=" in signs[0] else "(", "]" if "=" in signs[1] else ")"
    return f"{left}{sides[0]},{sides[2]}{right}"
