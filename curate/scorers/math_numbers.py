r"""Plain numbers as people write them, read exactly.

`1,234.50`, `14{,}916`, `\$5`, `2\frac{1}{2}`, `10\%`, `15 cm`, `1.2 \times 10^5`, `3 million`. In
the first stage of `MathAnswer`, plain numbers on both sides are compared as fractions.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

MAX_EXPONENT = 400
"""Powers of ten beyond this are left to the parser: 10^(10^10) would fill the memory."""


class Number(NamedTuple):
    """An exact value; the decimals it was written with (None: none); percent sign and unit."""

    value: Fraction
    decimals: int | None
    percent: bool
    unit: str


_FRACTIONS = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(
    r"\\frac\s*(?:\{(?P<n>[^{}]*)\}|(?P<a>[0-9]))\s*(?:\{(?P<m>[^{}]*)\}|(?P<b>[0-9]))"
)
_SHORT_ROOT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_SPACES = re.compile(
    r"(?:(?<!\\)\\(?:[,;:! ]|q?quad(?![a-zA-Z])|thinspace|displaystyle|limits)|~|\s)+"
)
_DELIMITERS = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\.?")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|mathit|operatorname|emph)\s*\{([^{}]*)\}"
)
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)"))
_ARRAY = re.compile(r"[\[(]\s*\\begin\{array\}\s*\{[^{}]*\}")
_ALIGNED = re.compile(r"\\(?:begin|end)\s?\{(?:align|aligned|gather|equation|split)\*?\}")
_BARS = re.compile(r"\\(?:[lr]?vert|mid)(?![a-zA-Z])")
_PHANTOM = re.compile(r"\\[hv]?phantom\s*(?:\{[^{}]*\}|.)")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree")
# Superscripts and fractions of one character: NFKC would glue them to the digit before them.
_UNICODE = re.compile("[²³\x0c¼½¾⅐-⅞]")
_SPELLED = {"²": "^2", "³": "^3", "\x0c": r"\f"}
_MARKS = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "\u2044": "/",
        "\u00d7": "*",
        "\u00b7": "*",
        "\u221e": r"\infty ",
        "\u03c0": r"\pi ",
        "\u222a": r"\cup ",
        "\u221a": r"\sqrt",
        "\u2205": r"\emptyset ",
    }
)


def clean(text: str) -> str:
    r"""An answer without what carries no meaning (delimiters, sizes, spacing, text commands).

    >>> clean(r"$\left(3,\, \tfrac{\pi}{2}\right)$."), clean(r"10\text{ units}")
    ('(3, \\frac{\\pi}{2})', '10 units')
    """
    # The same gold answer is read for each sample of its prompt; a megabyte is not worth keeping.
    return _cleaned(text) if len(text) <= 200 else _cleaned.__wrapped__(text)


@lru_cache(maxsize=4096)
def _cleaned(text: str) -> str:
    text = _UNICODE.sub(lambda m: _SPELLED.get(m.group()) or f" {m.group()}", text)
    text = unicodedata.normalize("NFKC", text).translate(_MARKS)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c, c)) for c in text)
    text = re.sub(r"\\\\(?=[a-zA-Z]{2})", r"\\", text).strip()
    text = text.rstrip(".。 ").rstrip("\\").strip()
    for left, right in _WRAPPERS:
        inner = text[len(left) : -len(right)]
        if (
            text.startswith(left)
            and text.endswith(right)
            and left not in inner
            and right not in inner
        ):
            text = inner
    if _ALIGNED.search(text) and "matrix" not in text:
        text = re.sub(r"\\\\|&", " ", _ALIGNED.sub(" ", text))
    text = re.sub(r"(?<![a-zA-Z\\])infinity(?![a-zA-Z])", r"\\infty", _BARS.sub("|", text)).replace(
        r"\varnothing", r"\emptyset"
    )
    text = _FRACTIONS.sub(r"\\frac", _DELIMITERS.sub("", text)).replace("{,}", ",")
    text = re.sub(r"(?<=[0-9]),\\!\s?(?=[0-9]{3})", ",", text)
    # An angle in degrees is a number; the sine of an angle needs its unit.
    text = _DEGREES.sub(r"\\degree " if _TRIGONOMETRY.search(text) else "", _PHANTOM.sub("", text))
    text = _TEXT.sub(r"\1", text)
    text = _SHORT_FRACTION.sub(
        lambda m: rf"\frac{{{m['n'] or m['a'] or ''}}}{{{m['m'] or m['b'] or ''}}}", text
    )
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text).replace(r"\$", "").replace("bmatrix", "pmatrix")
    text = _ARRAY.sub(r"\\begin{pmatrix}", text).replace(r"\end{array}]", r"\end{pmatrix}")
    text = text.replace(r"\end{array})", r"\end{pmatrix}")
    return _SPACES.sub(" ", text).strip().rstrip(".").strip()


def plain_text(text: str) -> str:
    r"""The text without its text commands, their words set apart.

    >>> plain_text(r"5\text{cm}")
    '5 cm '
    """
    return _TEXT.sub(r" \1 ", text)


def squeeze(text: str) -> str:
    r"""A spelling for comparing strings: `clean`, no spaces, no `$`; a word in one case.

    >>> squeeze(r"\text{Even}") == squeeze("even"), squeeze("D") == squeeze("d")
    (True, False)
    """
    text = re.sub(r"[\s$]", "", clean(text))
    return text.casefold() if text.isalpha() and (len(text) > 2 or text in ("No", "NO")) else text


_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)"
_PLAIN = re.compile(rf"(?P<whole>{_DIGITS})?(?:\.(?P<decimals>[0-9]+))?\.?")
_DECIMAL_COMMA = re.compile(r"(?P<whole>[0-9]+),(?P<decimals>[0-9]{2}|[0-9]{4,})(?![0-9])")
_FRACTION = re.compile(
    r"(?:(?P<whole>[0-9]+)(?:\s+|(?=\\frac)))?(?:\\frac\s?\{\s?(?P<n>-?[0-9]+)\s?\}\s?\{\s?(?P<d>-?[0-9]+)\s?\}"
    r"|(?<![0-9])(?P<n2>[0-9]+)\s?/\s?(?P<d2>[0-9]+))"
)
_POWER = re.compile(
    r"\s*(?:(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?\s*(?P<p>[-+]?[0-9]+)\s*\}?|[eE](?P<e>[-+]?[0-9]+))"
)
_UNIT = re.compile(
    r"(?:\s*(?P<percent>\\?%|percent\b))?(?:\s*(?P<scale>(?:hundred|thousand|million|billion|dozen)\b|[百千]?万|万?亿))?"
    r"(?P<unit>\s*(?:[^\W\d_]|[€£¥$])(?:[^\W\d_]|[ /.'-])*(?:\^?\s?\{?[23]\}?)?)?\s*"
)
_SIGN = re.compile(r"(?P<sign>[-+]?)\s*(?P<money>[$€£¥]?)\s*(?P<sign2>-?)\s*")


def read_number(text: str) -> Number | None:
    r"""The plain number that a cleaned text is; None when it is anything else.

    >>> read_number("1,234.50 dollars")
    Number(value=Fraction(2469, 2), decimals=2, percent=False, unit='dollars')
    >>> read_number(r"-2\frac{1}{2}").value, read_number(r"10\%").percent, read_number("2, 3")
    (Fraction(-5, 2), True, None)
    """
    if len(text) > 500:
        return None
    sign = _SIGN.match(text)
    assert sign is not None
    read = _read_fraction(text, sign.end()) or _read_plain(text, sign.end())
    if read is None:
        return None
    value, decimals, end = read
    tail = _UNIT.fullmatch(text, end)
    if tail is None:
        return None
    unit = (tail["unit"] or "").strip()
    if not _is_unit(unit, apart=tail["unit"] != unit):
        return None
    if tail["scale"]:
        value, decimals = value * _SCALES[tail["scale"]], None
    if "-" in (sign["sign"] + sign["sign2"]):
        value = -value
    return Number(value, decimals, bool(tail["percent"]), unit or sign["money"])


def number_in(text: str) -> Number | None:
    r"""The plain number that a text is, of degrees where it has their sign.

    >>> number_in(r"$90^\circ$").unit, number_in("90 x")
    ('degrees', None)
    """
    number = read_number(clean(text))
    if number and not number.unit and _DEGREES.search(text):
        return number._replace(unit="degrees")
    return number


def _is_unit(unit: str, *, apart: bool) -> bool:
    """True for what may follow a number without changing it: a known unit, or a word set apart.

    "2ab", "2 x" and "3 sin x" are products, "3 or 5" is a list.
    """
    name = re.match(r"[A-Za-z]*", unit)
    length = len(name.group()) if name else 0
    if unit.startswith("of "):
        return True
    if length == 0 or _unit_kind(unit):
        return length != 1 or apart
    return apart and length > 2 and not _NO_UNIT.search(unit)


_SCALES = {"hundred": 100, "dozen": 12, "thousand": 1000, "million": 10**6, "billion": 10**9,
           "万": 10**4, "百万": 10**6, "千万": 10**7, "亿": 10**8, "万亿": 10**12}  # fmt: skip
_NO_UNIT = re.compile(
    r"\b(?:or|and|to|base|mod|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|plus|minus|times|over|i|e|x|y)\b"
)


def _read_fraction(text: str, start: int) -> tuple[Fraction, None, int] | None:
    match = _FRACTION.match(text, start)
    if match is None:
        return None
    top, bottom = match["n"] or match["n2"], match["d"] or match["d2"]
    if int(bottom) == 0 or (match["whole"] and top.startswith("-")):
        return None
    return int(match["whole"] or 0) + Fraction(int(top), int(bottom)), None, match.end()


def _read_plain(text: str, start: int) -> tuple[Fraction, int | None, int] | None:
    comma = _DECIMAL_COMMA.match(text, start)
    match = comma if comma and text[comma.end() : comma.end() + 1] not in (",", ".") else None
    match = match or _PLAIN.match(text, start)
    if match is None or not (match["whole"] or match["decimals"]):
        return None
    digits = re.sub(r"[, ]", "", match["whole"] or "0")
    decimals = match["decimals"] or ""
    value, end = Fraction(int(digits + decimals), 10 ** len(decimals)), match.end()
    power = _POWER.match(text, end)
    if power is None:
        return value, len(decimals) or None, end
    exponent = int(power["p"] or power["e"])
    if abs(exponent) > MAX_EXPONENT:
        return None
    return value * Fraction(10) ** exponent, None, power.end()


_UNITS = {
    name: kind
    for kind, names in {
        "mm": "mm millimeter millimetre", "cm": "cm centimeter centimetre", "m": "m meter metre",
        "km": "km kilometer kilometre", "in": "in inch inche", "ft": "ft foot feet",
        "yd": "yd yard", "mi": "mi mile", "mg": "mg milligram", "g": "g gram", "kg": "kg kilogram",
        "lb": "lb pound",
        "oz": "oz ounce", "ml": "ml milliliter", "l": "l liter litre", "s": "s sec second",
        "min": "min minute", "h": "h hr hour", "d": "day", "w": "week", "mo": "month",
        "y": "yr year", "$": "$ dollar", "¢": "cent", "€": "€ euro", "deg": "deg degree",
    }.items()
    for name in names.split()
}  # fmt: skip


def _unit_kind(unit: str) -> str | None:
    """The unit that a tail names, from a small table; None for any other word ("apples")."""
    unit = _POWERED.sub("", unit.casefold().strip())
    if half := _HALF_DAY.fullmatch(unit):
        return f"{half[1]}m"
    name = re.split(r"[\s^/.²³{0-9]", unit, maxsplit=1)[0]
    return _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))


_HALF_DAY = re.compile(r"([ap])\.?\s?m\.?")
_UNIT_POWER = re.compile(r"[23](?=\}?$)|^(?:sq|cu)")
_POWERED = re.compile(r"^(?:sq(?:uare)?|cu(?:bic)?)\b\.?\s*")


def _units_differ(gold: str, answer: str) -> bool:
    """True for two known units, or powers of units, that are not the same."""
    kinds = _unit_kind(gold), _unit_kind(answer)
    if kinds[0] and kinds[1] and kinds[0] != kinds[1]:
        return True
    powers = [_UNIT_POWER.search(unit) for unit in (gold, answer)]
    if powers[0] and powers[1]:
        return len({{"sq": "2", "cu": "3"}.get(p.group(), p.group()) for p in powers if p}) > 1
    # A length for an area is wrong; "units" says nothing against "cm^2".
    return any(powers) and bool(kinds[0]) and kinds[0] == kinds[1]


def same_number(gold: Number, answer: Number) -> bool:
    """True when both say the same number.

    A percent sign may be left out or worked in: 10% is 10 (NeMo-Skills' and Hendrycks' labelled
    cases) and 0.1 (math_verify). A unit may be left out, but two known units must agree. A decimal
    of six or more places may round a fraction (math_verify's `float_rounding`): 0.333333 is 1/3.
    """
    if _units_differ(gold.unit, answer.unit):
        return False
    if gold.percent == answer.percent:
        return _rounds_to(gold, answer) or _rounds_to(answer, gold)
    plain, percent = (answer, gold) if gold.percent else (gold, answer)
    return not _unit_kind(plain.unit) and plain.value in (percent.value, percent.value / 100)


def _rounds_to(exact: Number, rounded: Number) -> bool:
    if exact.value == rounded.value:
        return True
    if rounded.decimals is None or rounded.decimals < 6 or exact.decimals is not None:
        return False
    return abs(exact.value - rounded.value) <= Fraction(1, 2 * 10**rounded.decimals)
