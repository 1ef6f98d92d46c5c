r"""In which script is a text written, word for word, and which language does that suggest?"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Literal

import numpy as np

from curate.scorers.mask import mask

Unit = Literal["words", "letters"]

# Letters of a script; one of a kind that is written without spaces counts as a word by itself.
CLASSES = {
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
    "Bengali": r"\u0980-\u09fe",
    "Gurmukhi": r"\u0a01-\u0a76",
    "Gujarati": r"\u0a81-\u0aff",
    "Oriya": r"\u0b01-\u0b77",
    "Tamil": r"\u0b82-\u0bfa",
    "Telugu": r"\u0c00-\u0c7f",
    "Kannada": r"\u0c80-\u0cff",
    "Malayalam": r"\u0d00-\u0d7f",
    "Sinhala": r"\u0d81-\u0df4",
    "Lao": r"\u0e81-\u0edf",
    "Tibetan": r"\u0f00-\u0fda",
    "Myanmar": r"\u1000-\u109f",
    "Georgian": r"\u10a0-\u10ff\u1c90-\u1cbf",
    "Ethiopic": r"\u1200-\u137c",
    "Khmer": r"\u1780-\u17f9",
    "Armenian": r"\u0531-\u0587\ufb13-\ufb17",
    "Greek": r"\u0370-\u03ff\u1f00-\u1fff",
}
"""The letters of every script, as they stand between the brackets of a regular expression."""


def codes(names: str) -> list[str]:
    """The codes in a line of them."""
    return names.split()


_UNSPACED = ("Han", "Kana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
SCRIPTS_OF = {
    **dict.fromkeys(
        codes(
            "en fr de es it pt nl sv da no nb nn fi pl cs sk sl hr bs ro hu tr vi id ms et lv lt ca"
            " eu gl sq af sw tl az cy ga gd is mt eo la jv su ceb ha yo ig zu xh so mg uz tk lb fy"
            " oc ht ku sn ny st mi gd co haw sm hmn"
        ),
        ("Latin",),
    ),
    **dict.fromkeys(codes("ru uk bg be mk kk ky mn tg"), ("Cyrillic",)),
    **dict.fromkeys(codes("ar fa ur ps sd ug ckb"), ("Arabic",)),
    **dict.fromkeys(codes("hi mr ne"), ("Devanagari",)),
    **dict.fromkeys(codes("he yi"), ("Hebrew",)),
    **dict.fromkeys(codes("bn as"), ("Bengali",)),
    **{"zh": ("Han",), "ja": ("Han", "Kana"), "ko": ("Hangul",), "th": ("Thai",)},
    **{"el": ("Greek",), "ka": ("Georgian",), "hy": ("Armenian",), "ta": ("Tamil",)},
    **{"te": ("Telugu",), "kn": ("Kannada",), "ml": ("Malayalam",), "gu": ("Gujarati",)},
    **{"pa": ("Gurmukhi",), "or": ("Oriya",), "si": ("Sinhala",), "km": ("Khmer",)},
    **{"my": ("Myanmar",), "lo": ("Lao",), "bo": ("Tibetan",), "am": ("Ethiopic",)},
    "sr": ("Cyrillic", "Latin"),
}
"""Languages by their ISO 639-1 code, and the scripts that each is written in."""
_FIRST = {
    **{"Latin": "en", "Cyrillic": "ru", "Arabic": "ar", "Devanagari": "hi", "Kana": "ja"},
    **{"Hebrew": "he", "Bengali": "bn"},
}


def language_of(text: str) -> str:
    """The language that a text's script suggests; en without any letters.

    >>> language_of("小明有3个apple"), language_of("Найдите $x$"), language_of("12 + 7")
    ('zh', 'ru', 'en')
    """
    counts = Counter(script for script, _ in Scripts().feed(mask(text), is_whole=True))
    if counts["Kana"]:
        return "ja"
    # A formula unmasked or a name brings Latin words into any text; letters of another script win.
    others = {script: counts[script] for script in CLASSES if script not in ("Latin", "Greek")}
    best = max(others, key=lambda script: others[script])
    if others[best] * 2 < counts["Latin"] or not others[best]:
        return "en"
    return _FIRST.get(best) or next(k for k, v in SCRIPTS_OF.items() if v == (best,))


def ascii_words(text: str) -> int | None:
    """How many words `Scripts` finds in a whole text that is masked; None where it has letters
    other than those of ASCII. Takes a tenth of the time.

    >>> ascii_words("So sin x is 2 AB, or π/2 each."), len(Scripts().feed("So, is or each. "))
    (4, 4)
    >>> ascii_words("So 三 is three.") is None
    True
    """
    if not text.isascii() and _has_other_letters(text):
        return None
    data = np.frombuffer(text.encode("ascii", "replace") + b"  ", np.uint8)
    is_letter = (data | 32) - np.uint8(97) < 26
    edges = np.flatnonzero(is_letter[1:] != is_letter[:-1]) + 1
    edges = np.append(0, edges) if is_letter[0] else edges
    starts, sizes = edges[::2], edges[1::2] - edges[::2]
    short = starts[(sizes == 2) | (sizes == 3)]
    third = np.where(is_letter[short + 2], data[short + 2], 32)
    packed = (data[short].astype(np.int32) << 16) | (data[short + 1].astype(np.int32) << 8) | third
    is_upper = packed & 0x202000 == 0
    is_upper &= (third == 32) | (third < 97)
    skipped = is_upper | np.isin(packed, _PACKED_NAMES)
    cut = (sizes - 1) // _LONGEST
    return int((sizes > 1).sum() - skipped.sum() + cut.sum())


_LONGEST = 64
_NAMES = codes("sin cos tan cot log ln lim mod gcd lcm mm cm dm km mg kg ml")
_PACKED_NAMES = [int.from_bytes(name.ljust(3).encode(), "big") for name in _NAMES]


def _has_other_letters(text: str) -> bool:
    """Letters of `CLASSES` other than those of ASCII; of Greek three in a row."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    others = codes[codes > 127]
    if _other_letters()[np.minimum(others, 0xFFFF)].any():
        return True
    return bool(((others >= 0x370) & (others < 0x2000)).any() and _GREEK_WORD.search(text))


_GREEK_WORD = re.compile(f"[{CLASSES['Greek']}]{{3}}")


@cache
def _other_letters() -> np.ndarray:
    """For every character up to U+FFFF whether it is such a letter; the rest are at U+FFFF."""
    others = "".join(letters for script, letters in CLASSES.items() if script != "Greek")
    is_letter = re.compile(f"[{others.replace('A-Za-z', '')}\uffff]").match
    return np.array([is_letter(chr(code)) is not None for code in range(0x10000)])


@cache
def _pattern(unit: Unit) -> re.Pattern[str]:
    # A single Latin letter or a few capitals name a variable or a point, in whatever language. A
    # word is cut at 64 letters, so a growing one is counted at last.
    longest = f"{{1,{_LONGEST}}}"
    repeat = {k: "" if unit == "letters" or k in _UNSPACED else longest for k in CLASSES}
    names = "|".join(_NAMES)
    skip = rf"(?<![A-Za-z])(?:[A-Za-z]|[A-Z]{{2,3}}|{names})(?![A-Za-z])|"
    scripts = "|".join(f"(?P<{k}>[{v}]{repeat[k]})" for k, v in CLASSES.items() if k != "Greek")
    greek = rf"(?P<Greek>[{CLASSES['Greek']}]{{3,{_LONGEST}}})"  # π and θ are formulas
    a_letter = r"(?![\x00-@\[-`{-\x7f])"  # which ASCII has few of; takes half the time
    return re.compile(f"{a_letter}(?:{'' if unit == 'letters' else skip}{scripts}|{greek})")


class Scripts:
    """The words (or letters) of a growing text that is masked, with their scripts."""

    def __init__(self, unit: Unit = "words") -> None:
        self._pattern, self._letters = _pattern(unit), unit == "letters"
        self._rest, self._position = "", 0

    def feed(self, piece: str, *, is_whole: bool = False) -> list[tuple[str, str]]:
        """(script, word) of every word that has ended; `is_whole` when nothing comes after."""
        text, sure, found = self._rest + piece, self._position, list[tuple[str, str]]()
        for match in self._pattern.finditer(text, sure):
            if match.end() == len(text) and not is_whole:
                sure = match.start()
                break
            sure = match.end()
            if script := match.lastgroup:
                word = match.group()
                found += (
                    [(script, letter) for letter in word] if self._letters else [(script, word)]
                )
        else:
            sure = max(sure, len(text) - 2)  # two Greek letters, the third may come
        before = max(sure - 1, 0)  # a variable is known by what stands before it
        self._rest, self._position = text[before:], sure - before
        return found
