r"""What of a text is plain language: formulas, code, LaTeX commands, addresses and tags are masked.

>>> mask(r"Let $x = 2$ be; see https://a.b/c and `f(x)`: \frac{1}{2}")
'Let   be; see   and  :  {1}{2}'
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

_ADDRESS = r"https?://\S{0,2000}"
_MARKED = (
    r"```|\$\$|(?<!\\)\$|\\\[|\\\(|\\begin\{(?P<name>\w{1,20}\*?)\}|`"
    r"|\\[A-Za-z]{1,40}|</?(?:think|answer)>|\[asy\]"
)
# What each begins with is looked for first: a third of the time.
_OPENERS = re.compile(rf"(?=[`$\\<\[h])(?:{_MARKED}|{_ADDRESS})")
_OPENERS_UNADDRESSED = re.compile(rf"(?=[`$\\<\[])(?:{_MARKED})")
_CODE_OPENERS = re.compile(rf"```|`|{_ADDRESS}|\[asy\]")
_SURE = 32
"""Characters after which it is known which opener this is: the longest has 29."""
_BEGUN = 8
"""Characters at the end that may be the beginning of an opener: `</answer` has 8."""


class _Pair(NamedTuple):
    """What closes an opener, within how many characters, and what never stands between."""

    closer: str
    longest: int = sys.maxsize // 2
    never: tuple[str, ...] = ()


# The pair of most must be near: what never closes hides nothing. Longest of 10,000 formulas
# (MATH solutions and DeepSeek-R1's chains): 126 for \(, 875 for \[, 679 for $$, 1,593 for \begin.
# A lone dollar or backtick is money or a typo; TeX allows no empty line in a formula, and a
# sentence mark of Chinese in one tells that it broke off: a leak there is seen at once.
_MARKS = ("\u3002", "\uff0c", "\uff1f", "\uff01")
_FORMULA = ("\n\n", *_MARKS)
_PAIRS = {
    "```": _Pair("```"),
    "[asy]": _Pair("[/asy]", 2500),  # the drawings of MATH: 2,081 characters at most
    "$$": _Pair("$$", 1000, _FORMULA),
    "$": _Pair("$", 400, ("\n", *_MARKS)),
    "`": _Pair("`", 400, ("\n",)),
    r"\[": _Pair(r"\]", 1000, _FORMULA),
    r"\(": _Pair(r"\)", 400, _FORMULA),
}
_LONGEST_ENVIRONMENT = 2000
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def mask(text: str) -> str:
    r"""A text with a space for all that is no language, in time linear in its length.

    >>> mask("It costs $5 and $7"), mask("never closed: ``` \\[ a")
    ('It costs  5 and  7', 'never closed:     a')
    """
    return Mask().feed(text, is_whole=True)


class Mask:
    """Masks a growing text: gives what is shown as soon as no continuation can hide it any more.

    With `code_only` formulas are shown.
    """

    def __init__(self, *, code_only: bool = False) -> None:
        self._openers = _CODE_OPENERS if code_only else _OPENERS
        self._text, self._position = "", 0
        self._held: list[str] = []
        self._ending: str | None = None

    def feed(self, piece: str, *, is_whole: bool = False) -> str:
        """What `piece` adds to that which is surely shown; `is_whole` when nothing comes after."""
        self._held.append(piece)
        if self._ending is not None:  # in a block of code, which may be long
            seen = self._ending + piece
            self._ending = seen[-2:]
            if "```" not in seen and not is_whole:
                return ""
        text, position, parts = self._text + "".join(self._held), self._position, list[str]()
        self._held, self._ending = [], None
        following = _Following(text)
        openers = self._openers
        if openers is _OPENERS and "://" not in text:
            openers = _OPENERS_UNADDRESSED
        while opener := openers.search(text, position):
            end = _end(following, opener, is_whole=is_whole)
            if end is None:
                sure = opener.start()
                self._ending = text[-2:] if opener.group() == "```" else None
                break
            parts += (text[position : opener.start()], " ")
            position = end
        else:
            sure = len(text) if is_whole else max(position, len(text) - _BEGUN)
        parts.append(text[position:sure])
        before = max(sure - 1, 0)  # an opener looks one character back
        self._text, self._position = text[before:], sure - before
        return "".join(parts)


class _Following:
    """Where marks stand next in a text, each looked for once over the whole of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._places: dict[str, int] = {}
        self._firsts: dict[tuple[str, ...], int] = {}

    def place(self, mark: str, position: int) -> int:
        """Where `mark` stands at or after `position`; beyond every limit if it does not."""
        known = self._places.get(mark, -1)
        if known < position:
            found = self.text.find(mark, position)
            known = self._places[mark] = found if found >= 0 else sys.maxsize
        return known

    def first(self, marks: tuple[str, ...], position: int) -> int:
        """Where the first of several marks stands."""
        known = self._firsts.get(marks, -1)
        if known < position:
            known = sys.maxsize
            for mark in marks:
                place = self._places.get(mark, -1)
                place = place if place >= position else self.place(mark, position)
                known = place if place < known else known
            self._firsts[marks] = known
        return known


def _end(following: _Following, opener: re.Match[str], *, is_whole: bool) -> int | None:
    """Where that ends which an opener hides; None while only the continuation can tell."""
    text, position, mark = following.text, opener.end(), opener.group()
    if not is_whole and (position == len(text) or len(text) - opener.start() < _SURE):
        return None
    if opener.lastgroup:
        pair = _Pair(rf"\end{{{opener['name']}}}", _LONGEST_ENVIRONMENT, _MARKS)
    elif mark in _PAIRS:
        pair = _PAIRS[mark]
    else:
        return position
    end = following.place(pair.closer, position) + len(pair.closer)
    limit = position + pair.longest
    if following.first(pair.never, position) < min(end, limit):
        return position
    if mark == "[asy]" and _NOT_ASCII.search(text, position, min(end, limit)):
        return position  # a drawing is ASCII: it broke off
    if end > limit:
        return position if is_whole or len(text) >= limit else None
    if mark == "$":  # "$5 and $7", pandoc's rule
        if end == len(text) and not is_whole:
            return None
        if text[end : end + 1].isdigit():
            return position
    return end
