r"""Is the reasoning in one language? DeepSeek-R1's language reward (v1, section 2.3.2), by script.

    share = words of the target language in the chain of thought / all words in it

Formulas, code, commands and addresses are no language and are masked first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer

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
_SCRIPTS_OF = {
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
_FIRST = {"Latin": "en", "Cyrillic": "ru", "Arabic": "ar", "Devanagari": "hi", "Kana": "ja"}


@dataclass(frozen=True)
class LanguageConsistency(Scorer):
    """The share of the reasoning's words that are in the target language; None below `min_words`.

    Target: `language`, else the prompt's `language`, else the problem's: zh, ja, ko, ru, … by its
    script, en for Latin letters. A Han, kana or Thai character counts as a word. It cannot tell
    languages of one script apart yet: French in an English chain passes. Without tags the whole
    text is the reasoning.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> rule = LanguageConsistency()
    >>> rule.judge(prompt.with_completion("<think>I add three and four.</think>7"))
    Verdict(score=1.0, reason='4 of 4 words in en')
    >>> rule.judge(prompt.with_completion("<think>We add 三加四等于七</think>7")).score
    0.25
    """

    language: str | None = None
    unit: Literal["words", "letters"] = "words"
    min_words: int = 3
    """Counting by script is exact at any length; of one or two words, a name decides."""

    def __post_init__(self) -> None:
        if self.language is not None and self.language not in _SCRIPTS_OF:
            raise UsageError(
                f"LanguageConsistency: language={self.language} is not one of "
                + ", ".join(sorted(_SCRIPTS_OF))
            )

    def judge(self, sample: Sample) -> Verdict:
        named = self.language or sample.language or language_of(sample.problem)
        target = re.split("[-_]", named.lower())[0]
        if target not in _SCRIPTS_OF:
            return Verdict(None, f"no script is known for language {named}")
        reasoning = sample.text if sample.reasoning is None else sample.reasoning
        counts = count_scripts(mask(reasoning), self.unit)
        total = sum(counts.values())
        enough = self.min_words * (4 if self.unit == "letters" else 1)
        if total < enough:
            return Verdict(None, f"{total} {self.unit}, fewer than {enough}")
        share = sum(counts[script] for script in _SCRIPTS_OF[target])
        return Verdict(share / total, f"{share} of {total} {self.unit} in {target}")


def language_of(text: str) -> str:
    """The language that a text's script suggests; en without any letters.

    >>> language_of("小明有3个apple"), language_of("Найдите $x$"), language_of("12 + 7")
    ('zh', 'ru', 'en')
    """
    counts = count_scripts(mask(text), "words")
    if counts["Kana"]:
        return "ja"
    # A formula unmasked or a name brings Latin words into any text; letters of another script win.
    others = {script: n for script, n in counts.items() if script not in ("Latin", "Greek")}
    best = max(others, key=lambda script: others[script])
    if others[best] * 2 < counts["Latin"] or not others[best]:
        return "en"
    return _FIRST.get(best) or next(k for k, v in _SCRIPTS_OF.items() if v == (best,))


@cache
def _pattern(unit: str) -> re.Pattern[str]:
    # A single Latin letter or a few capitals name a variable or a point, in whatever language.
    repeat = {name: "" if unit == "letters" or name in _UNSPACED else "+" for name in _SCRIPTS}
    names = "sin|cos|tan|cot|log|ln|lim|mod|gcd|lcm"
    skip = rf"(?<![A-Za-z])(?:[A-Za-z]|[A-Z]{{2,3}}|{names})(?![A-Za-z])|"
    scripts = "|".join(f"(?P<{k}>[{v}]{repeat[k]})" for k, v in _SCRIPTS.items() if k != "Greek")
    greek = rf"(?P<Greek>[{_SCRIPTS['Greek']}]{{3,}})"  # π and θ are formulas
    return re.compile(("" if unit == "letters" else skip) + scripts + "|" + greek)


def count_scripts(text: str, unit: str) -> dict[str, int]:
    """How many words (or letters) of a text are in each script."""
    counts = dict.fromkeys(_SCRIPTS, 0)
    for match in _pattern(unit).finditer(text):
        if match.lastgroup:
            counts[match.lastgroup] += 1
    return counts


_OPENERS = re.compile(
    r"```|\$\$|(?<!\\)\$|\\\[|\\\(|\\begin\{(?P<name>\w{1,20}\*?)\}|`|https?://\S*|\\[A-Za-z]+"
)
_CLOSERS = {"```": "```", "$$": "$$", "$": "$", r"\[": r"\]", r"\(": r"\)", "`": "`"}
_LONGEST = {"$": 400, "`": 400}
"""A lone dollar or backtick is money or a typo: its pair must be near and on its line."""


def mask(text: str) -> str:
    r"""A text without code, formulas, LaTeX commands and addresses, in time linear in its length.

    >>> mask(r"Let $x = 2$ be; see https://a.b/c and `f(x)`: \frac{1}{2}")
    'Let   be; see   and  :  {1}{2}'
    """
    parts: list[str] = []
    absent: set[str] = set()
    position = 0
    while opener := _OPENERS.search(text, position):
        parts.append(text[position : opener.start()])
        parts.append(" ")
        position = opener.end()
        mark = opener.group()
        closer = rf"\end{{{opener['name']}}}" if opener["name"] else _CLOSERS.get(mark)
        if closer is None or closer in absent:
            continue
        limit = position + _LONGEST[mark] if mark in _LONGEST else len(text)
        end = text.find(closer, position, limit)
        is_money = mark == "$" and text[end + 1 : end + 2].isdigit()  # "$5 and $7", pandoc's rule
        if end >= 0 and not is_money and not (mark in _LONGEST and "\n" in text[position:end]):
            position = end + len(closer)
        elif mark not in _LONGEST:
            absent.add(closer)
    parts.append(text[position:])
    return "".join(parts)
