"""Sentences, words, capitals and language of a text.

"Dr. No said 3.5 is enough. Is it?"      2 sentences, 9 words
"""

from __future__ import annotations

import re

_END = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]*_]*(?=\s|$)|[\u3002\uff01\uff1f\u0964\u06d4\u061f]+"
)
_CLOSING = "\"'\u201d\u2019)]"
_SHORT = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|fig|no|vol|inc|ltd|co|dept|approx|gen|capt|rev|"
    r"jan|feb|mar|apr|aug|sept?|oct|nov|dec)|\b[a-z]|\b(?:[a-z]\.)+[a-z]|^\s*\d{1,3})$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_CASED = re.compile(r"[^\W\d_]+(?:[.-][^\W\d_]+)*")


def sentences(text: str) -> int:
    """How many sentences a text has.

    One ends at . ! ? or … before a space, or at the full stop of a script without spaces; not after
    an initial, an abbreviation ("Mr.", "e.g.") or the number of a list. What follows the last end
    is a sentence when it has a word.

    >>> sentences("Dr. No said 3.5 is enough. Is it? 1. Yes! 2. No"), sentences("今日は。はい。")
    (4, 2)
    """
    count = start = 0
    for end in _END.finditer(text):
        is_stop = end.group()[0] == "." and len(end.group()) == 1
        before = text[max(start, end.start() - 12) : end.start()].rpartition("\n")[2]
        if is_stop and _SHORT.search(before) and (end.end() - start < 6 or not before.isdigit()):
            continue
        if end.group()[-1] in _CLOSING and text[end.end() : end.end() + 2].strip()[:1].islower():
            continue  # "Really?" she said.
        count += bool(_WORD.search(text, start, end.start()))
        start = end.end()
    return count + bool(_WORD.search(text, start))


def words(text: str) -> int:
    """How many runs of letters and digits a text has; "isn't" is two, as IFEval counts.

    >>> words("It isn't 3.5!")
    5
    """
    return sum(1 for _ in _WORD.finditer(text))


def capitals(text: str) -> int:
    """How many words are in capitals only; an "A" and the "I" of "I'm" are.

    >>> capitals("NASA and U.S. A-B are 2 X Mr")
    4
    """
    return sum(1 for word in _CASED.finditer(text) if word.group().isupper())


def is_in(text: str, language: str, *, unless_shorter: int = 0) -> bool:
    """Whether a text is in a language; one of fewer than `unless_shorter` letters is in any.

    >>> is_in("Drei plus vier ist sieben.", "de"), is_in("Three plus four is seven.", "de")
    (True, False)
    >>> is_in("1 + 1", "de"), is_in("ok", "de", unless_shorter=10)
    (False, True)
    """
    from curate.scorers.languages import code_of, identify, is_same

    found = identify(text, min_letters=unless_shorter or 1).language
    return unless_shorter > 0 if found is None else is_same(found, code_of(language))
