r"""The words and formulas of a problem without what only shows them: markup, diagrams, a number.

**Problem 3.** Find $x^{2}$ if <i>x</i> = 1,000.   ->   Find $x^{2}$ if x = 1000.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

from curate.select.symbols import FUNCTIONS, SAME_CHARACTERS


class Surface(NamedTuple):
    """A problem's text, and the code of its diagrams ("" without any)."""

    text: str
    diagrams: str


_DIAGRAM = re.compile(
    r"\[asy\].*?(?:\[/asy\]|\Z)|<asy>.*?(?:</asy>|\Z)|\\begin\{(asy|tikzpicture|picture)\}.*?"
    r"(?:\\end\{\1\}|\Z)|```(?:asy|tikz)\b.*?(?:```|\Z)|!\[[^\]]*\]\([^)]*\)|<img\b[^>]*>"
    r"|\\includegraphics(?:\[[^\]]*\])?\{[^}]*\}|\[img\].*?\[/img\]",
    re.DOTALL | re.IGNORECASE,
)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|li|mark|math|ol|p|pre"
    r"|s|small|span|strong|table|tbody|td|th|thead|tr|tt|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_RAISED = re.compile(r"<(su[pb])>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_ENVIRONMENT = re.compile(
    r"\\(?:begin|end)\{(?:align|equation|gather|multline|eqnarray|center|flush\w+|aligned|split"
    r"|displaymath|math|document|problem|question|enumerate|itemize)\*?\}|\\item\b"
)
_LEAD = re.compile(
    r"\A[\s*_#>]*(?:"
    r"(?:problem|question|exercise|example|task|puzzle|challenge|q|ex|prob|no)[\s.]*"
    r"(?:\n|(?:no\.?|number|\#)?\s*\d+(?:\.\d+)*[a-z]?\s*[.:)\]\u2013-]?|:)"
    r"|\(?\d{1,3}[.)](?!\d)(?=\s)|\#\s*\d{1,3}\b[.:)]?"
    r"|[(\[][^()\[\]]*\b(?:19|20)\d\d\b[^()\[\]]*[)\]]"
    r"|(?:please\s+)?(?:solve|answer|consider)\s+(?:the|this)\s+(?:following\s+)?"
    r"(?:math(?:ematic\w*|s)?\s+|word\s+)?(?:problem|question|exercise|task)\b"
    r"(?:\s+(?:carefully|below|step by step))*\s*[.:]"
    r"|\u9898\u76ee\s*\d*\s*[\uff1a:.\u3001]|\u7b2c\s*\d+\s*\u9898\s*[\uff1a:.\u3001]?"
    r")[\s*_]*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:(?:please|let'?s)\s+)?(?:(?:reason|think|solve\s+(?:it|this))\s+(?:about\s+it\s+)?step[\s-]by"
    r"[\s-]step|(?:put|write|give|place|box|enclose|present|return|output)\s+(?:your|the)\s+(?:final\s+)?"
    r"answer\s+(?:with)?in(?:side)?\s+\$?(?:\\boxed|<answer>|a\s+box))[^\n]*\s*\Z",
    re.IGNORECASE,
)
_STRESS = re.compile(r"(?<![\w*\\$])\*(?=\S)([^*\n$]*?\w[^*\n$]*?)(?<=\S)\*(?![\w*])")
_UNDERSCORED = re.compile(r"(?<![\w\\$}])_(?=\w)([^_\n$]*?\w)_(?![\w{])")
_BULLET = re.compile(r"^\s*[-*\u2022]\s+(?=[A-Z][a-z])", re.MULTILINE)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,\\!|\{,\}|\\,|,)\d{3})+(?![\d]|[.,]\d)")
_GROUP = re.compile(r"[,}!]\d{3}")
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_PRODUCT = re.compile(
    r"\\(?:text|mbox|mathrm|operatorname|begin|end)\w*\*?\s*\{[^}]*\}|\\[A-Za-z]+"
    r"|(?<![A-Za-z])(?:[A-Z]{2,}|[A-Za-z]{2,3})(?![A-Za-z])"
)
_FUNCTIONS = frozenset(FUNCTIONS) | {
    *("mod", "and", "or", "if", "for", "is", "not", "the"),
    *("cm", "mm", "km", "kg", "ft", "mph"),
}
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_CHARACTERS: dict[int, str] = {
    **{ord(c): same for c, same in SAME_CHARACTERS.items()},
    **{code: chr(code - 0xFF01 + 0x21) for code in _FULL_WIDTH},
} | {
    ord(small): f"{mark}{plain}"
    for mark, smalls, plains in (
        ("^", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207f", "0123456789n"),
        ("_", "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789"),
        ("", "\u00bd\u00bc\u00be\u2153\u2154", ("1/2", "1/4", "3/4", "1/3", "2/3")),
    )
    for small, plain in zip(smalls, plains, strict=True)
}


def surface(text: str) -> Surface:
    r"""What a problem says, without its markup, its lead and its diagrams.

    >>> surface("**Problem 3.** Find <i>x</i> if $x = 1{,}000$. [asy]draw((0,0)--(1,1));[/asy]")
    Surface(text='Find  x  if $x = 1000$.  ', diagrams='[asy]draw((0,0)--(1,1));[/asy]')
    """
    diagrams = ""
    if "[" in text or "<" in text or "\\" in text or "```" in text:
        diagrams = " ".join(m.group() for m in _DIAGRAM.finditer(text))
        if diagrams:
            text = _DIAGRAM.sub(" ", text)
        text = _ENVIRONMENT.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(" ", _RAISED.sub(_raised, text))
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_CHARACTERS)
    text = text.replace("**", "").replace("__", " ")
    if "\n" in text or text[:1] in "-*\u2022":
        text = _BULLET.sub("", text)
    while lead := _LEAD.match(text):
        if not text[lead.end() :].strip():
            break
        text = text[lead.end() :]
    if "boxed" in text or "step" in text:
        tail = _TAIL.search(text[-300:])
        text = text[: len(text) - len(tail.group())] if tail else text
    if "*" in text:
        text = _STRESS.sub(r"\1", text)
    if "_" in text:
        text = _UNDERSCORED.sub(r"\1", text)
    if _GROUP.search(text):
        text = _THOUSANDS.sub(_together, text)
    return Surface(_FORMULA.sub(_factors, text), diagrams)


def _raised(match: re.Match[str]) -> str:
    return f"{'^' if match[1].lower() == 'sup' else '_'}{{{match[2]}}}"


def _together(match: re.Match[str]) -> str:
    return re.sub(r"\D", "", match.group())


def _factors(match: re.Match[str]) -> str:
    """A formula with `xy` written as `x y`: a renamed variable is one wherever it stands."""
    return _PRODUCT.sub(_apart, match.group())


def _apart(match: re.Match[str]) -> str:
    said = match.group()
    return said if said[0] == "\\" or said.lower() in _FUNCTIONS else " ".join(said)
