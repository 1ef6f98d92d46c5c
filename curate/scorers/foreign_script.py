"""Does a word of another script stand anywhere in an answer? No share sees a single one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.language_consistency import Target, check_language, target_of
from curate.scorers.mask import Mask
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.scripts import CLASSES, Scripts


@dataclass(frozen=True)
class ForeignScript(Scorer):
    """0.0 when a word of a script foreign to the target language stands in the text, else 1.0.

    In the whole text, response too, and in formulas; not in code and addresses, nor what the
    problem has itself. A word is, by its script, one character of Chinese or Korean or two letters
    of any other, so a variable is none; a Greek one has an accent or six letters, all else is
    symbols; Latin letters, in which names and units are written everywhere, are a leak into another
    script from 20 in a row.

    With `letters` a leak is that many letters in a row of whatever foreign script, also of the
    problem's; numbers, marks and formulas between them do not count, a word of the target language
    ends it. The target is that of `LanguageConsistency` by script; None when none is known for it.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> ForeignScript().judge(prompt.with_completion("<think>So 3 + 4 等于 7.</think>It is 7."))
    Verdict(score=0.0, reason="'等于' is not en")
    >>> ForeignScript().judge(prompt.with_completion("<think>So π > 3.</think>It is 7.")).score
    1.0
    """

    letters: int | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        check_language("ForeignScript", self.language)
        if self.letters is not None and self.letters < 1:
            raise UsageError(f"ForeignScript: letters={self.letters} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        target = target_of(sample, self.language)
        if not target.scripts:
            return Verdict(None, f"no script is known for language {target.language}")
        if self.letters is None and "Latin" in target.scripts and not _may_leak(target, sample):
            return Verdict(1.0)
        fault = _Leaks(self.letters, target, sample.problem).add(sample.text, is_whole=True)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        target = target_of(prompt, self.language)
        if not target.scripts or at_least <= 0:
            return None
        return _Leaks(self.letters, target, prompt.problem)


def _may_leak(target: Target, sample: Sample) -> bool:
    """False where the text has no foreign word, were its code and addresses shown as well."""
    if sample.text.isascii():
        return False
    return any(map(_is_word, _foreign_words(target.scripts).finditer(sample.text)))


class _Leaks:
    """Looks for foreign words in a growing text."""

    def __init__(self, letters: int | None, target: Target, problem: str) -> None:
        self._words = None if letters else _Words(target, problem)
        # Latin words are counted in a row where the target has another script, see `_Run`.
        counts = letters or "Latin" not in target.scripts
        self._run = _Run(letters or _LATIN, target, problem, all_scripts=bool(letters))
        self._parts = [part for part in (self._words, self._run if counts else None) if part]
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        return self.add(piece)

    def add(self, piece: str, *, is_whole: bool = False) -> str | None:
        """Takes new text; says what is foreign once something is."""
        for part in self._parts:
            if self._fault is None:
                self._fault = part.add(piece, is_whole=is_whole)
        return self._fault


_LATIN = 20
"""Sound Chinese text has at most 11 in a row (a name in 600 school problems and in chains of them);
69 English chains that leak into it have 20 and more at once."""


class _Run:
    """The foreign letters in a row at the end of a growing text, formulas left out."""

    def __init__(self, letters: int, target: Target, problem: str, *, all_scripts: bool) -> None:
        self._most, self._target, self._all = letters, target, all_scripts
        self._problem = problem
        self._mask, self._scripts = Mask(), Scripts()
        self._letters = 0

    def add(self, piece: str, *, is_whole: bool = False) -> str | None:
        """Takes new text; says how long the run is once it is too long."""
        shown = self._mask.feed(piece, is_whole=is_whole)
        fault = None
        for script, word in self._scripts.feed(shown, is_whole=is_whole):
            if script in self._target.scripts:
                self._letters = 0
            elif self._all or (script == "Latin" and word not in self._problem):
                self._letters += len(word)
                if fault is None and self._letters >= self._most:
                    fault = f"{self._letters} letters in a row that are not {self._target.language}"
        return fault


class _Words:
    """The foreign words of a growing text other than Latin ones, code and addresses left out."""

    def __init__(self, target: Target, problem: str) -> None:
        self._target, self._problem = target, problem
        self._mask = Mask(code_only=True)
        self._pattern = _foreign_words(target.scripts)
        self._word = ""
        """What may grow: the foreign letters at the end of the text."""

    def add(self, piece: str, *, is_whole: bool = False) -> str | None:
        """Takes new text; gives the first foreign word that no continuation can make a sound one.

        A word of which a part is not in the problem is not there as a whole, however it goes on.
        """
        shown = self._mask.feed(piece, is_whole=is_whole)
        if shown.isascii() and not self._word:
            return None
        text = self._word + shown
        word = None
        for match in self._pattern.finditer(text):
            word = match
            if _is_word(match) and match.group() not in self._problem:
                return f"'{match.group()[:20]}' is not {self._target.language}"
        self._word = word.group() if word and word.end() == len(text) else ""
        return None


@cache
def _foreign_words(scripts: tuple[str, ...]) -> re.Pattern[str]:
    """Runs of letters of any script but these and Latin."""
    own = ("Latin", "Greek", *scripts)
    others = "".join(letters for script, letters in CLASSES.items() if script not in own)
    greek = "" if "Greek" in scripts else f"|(?P<greek>[{CLASSES['Greek']}]+)"
    return re.compile(f"(?P<other>[{others}]+){greek}")


_ALONE = re.compile(f"[{CLASSES['Han']}{CLASSES['Hangul']}]")
_ACCENT = re.compile("[\u0386\u0388-\u0390\u03aa-\u03b0\u03ca-\u03ce\u1f00-\u1fff]")


def _is_word(match: re.Match[str]) -> bool:
    """Whether foreign letters are a word, not a symbol; whatever is appended, it stays one."""
    text = match.group()
    if match.lastgroup == "greek":
        return len(text) > 1 and (len(text) >= 6 or _ACCENT.search(text) is not None)
    return len(text) > 1 or _ALONE.match(text) is not None
