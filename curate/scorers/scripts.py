r"""In which script is a text written, word for word, and which language does that suggest?"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Literal

from curate.scorers.mask import mask

Unit = Literal["words", "letters"]

# Letters of a script; one of a kind that is written without spaces counts as a word by itself.
_SCRIPTS = {
    "Han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "Kana": r"\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "Thai": r"\u0e01-\u0e4e",
    "Hangul": r"\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e",
    "Latin": r"A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
    r"\uff21-\uff3a\uff41-\uff5a",
    "Cyrillic": r"\u0400-\u052f",
    "Arabic": r"\u0620-\u065f\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f",
    "Hebrew": r"\u05d0-\u05ea",
    "Devanagari": r"\u0900-\u0963\u0970-\u097f",
    "Greek": r"\u0370-\u03ff\u1f00-\u1fff",
}


def _codes(names: str) -> list[str]:
    return names.split()


_UNSPACED = ("Han", "Kana", "Thai")
SCRIPTS_OF = {
    **dict.fromkeys(
        _codes(
            "en fr de es it pt nl sv da no nb nn fi pl cs sk sl hr bs ro hu tr vi id ms et lv lt ca"
            " eu gl sq af sw tl"
        ),
        ("Latin",),
    ),
    **dict.fromkeys(_codes("ru uk bg be mk sr kk mn"), ("Cyrillic",)),
    **dict.fromkeys(_codes("ar fa ur"), ("Arabic",)),
    **dict.fromkeys(_codes("hi mr ne"), ("Devanagari",)),
    "zh": ("Han",),
    "ja": ("Han", "Kana"),
    "ko": ("Hangul",),
    "th": ("Thai",),
    "he": ("Hebrew",),
    "el": ("Greek",),
}
"""Languages by their ISO 639-1 code, and the scripts that each is written in."""
_FIRST = {"Latin": "en", "Cyrillic": "ru", "Arabic": "ar", "Devanagari": "hi", "Kana": "ja"}


def language_of(text: str) -> str:
    """The language that a text's script suggests; en without any letters.

    >>> language_of("小明有3个apple"), language_of("Найдите $x$"), language_of("12 + 7")
    ('zh', 'ru', 'en')
    """
    counts = Counter(script for script, _ in Scripts().feed(mask(text), is_whole=True))
    if counts["Kana"]:
        return "ja"
    # A formula unmasked or a name brings Latin words into any text; letters of another script win.
    others = {script: counts[script] for script in _SCRIPTS if script not in ("Latin", "Greek")}
    best = max(others, key=lambda script: others[script])
    if others[best] * 2 < counts["Latin"] or not others[best]:
        return "en"
    return _FIRST.get(best) or next(k for k, v in SCRIPTS_OF.items() if v == (best,))


@cache
def _pattern(unit: Unit) -> re.Pattern[str]:
    # A single Latin letter or a few capitals name a variable or a point, in whatever language. A
    # word is cut at 64 letters, so a growing one is counted at last.
    repeat = {k: "" if unit == "letters" or k in _UNSPACED else "{1,64}" for k in _SCRIPTS}
    names = "sin|cos|tan|cot|log|ln|lim|mod|gcd|lcm|mm|cm|dm|km|mg|kg|ml"
    skip = rf"(?<![A-Za-z])(?:[A-Za-z]|[A-Z]{{2,3}}|{names})(?![A-Za-z])|"
    scripts = "|".join(f"(?P<{k}>[{v}]{repeat[k]})" for k, v in _SCRIPTS.items() if k != "Greek")
    greek = rf"(?P<Greek>[{_SCRIPTS['Greek']}]{{3,64}})"  # π and θ are formulas
    a_letter = r"(?![\x00-@\[-`{-\x7f])"  # which ASCII has few of; takes half the time
    return re.compile(f"{a_letter}(?:{'' if unit == 'letters' else skip}{scripts}|{greek})")


class Scripts:
    """The words (or letters) of a growing text that is masked: their scripts and their lengths."""

    def __init__(self, unit: Unit = "words") -> None:
        self._pattern = _pattern(unit)
        self._rest, self._position = "", 0

    def feed(self, piece: str, *, is_whole: bool = False) -> list[tuple[str, int]]:
        """(script, letters) of every word that has ended; `is_whole` when nothing comes after."""
        text, sure, found = self._rest + piece, self._position, list[tuple[str, int]]()
        for match in self._pattern.finditer(text, sure):
            if match.end() == len(text) and not is_whole:
                sure = match.start()
                break
            sure = match.end()
            if script := match.lastgroup:
                found.append((script, sure - match.start()))
        else:
            sure = max(sure, len(text) - 2)  # two Greek letters, the third may come
        before = max(sure - 1, 0)  # a variable is known by what stands before it
        self._rest, self._position = text[before:], sure - before
        return found
