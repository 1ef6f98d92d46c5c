r"""Is the reasoning in one language? DeepSeek-R1's language reward (v1, section 2.3.2).

    share = words of the target language in the chain of thought / all words in it

Formulas, code, commands and addresses are no language and are masked first.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.language_segments import TOLD_APART, Segments, is_foreign
from curate.scorers.languages import code_of, identify
from curate.scorers.mask import Mask, mask
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.scripts import SCRIPTS_OF, Scripts, ascii_words, language_of
from curate.text import CLOSE, OPEN

By = Literal["language", "script"]
Unit = Literal["words", "letters", "segments"]


class Target(NamedTuple):
    """The language that is asked for, and the scripts that it is written in (none known: empty)."""

    language: str
    scripts: tuple[str, ...]


def target_of(prompt: Sample, language: str | None, by: By = "script") -> Target:
    """The target: `language`, else the prompt's `language`, else the problem's.

    That one by its script, and by="language" among the languages of the script where it is sure.
    """
    named = language or prompt.language
    if not named:
        named = language_of(prompt.problem)
        if by == "language" and SCRIPTS_OF[named][0] in TOLD_APART:
            found = identify(prompt.problem, min_letters=_SURE_LETTERS)
            named = found.language if found.language and found.probability > _SURE else named
    code = code_of(named)
    return Target(code if code in SCRIPTS_OF else named, SCRIPTS_OF.get(code, ()))


# A problem that is mostly formulas and names is taken for the first language of its script: en, ru.
_SURE_LETTERS, _SURE = 20, 0.95


def check_language(scorer: str, language: str | None) -> None:
    """Raises UsageError for a language that no script is known of."""
    if language is not None and code_of(language) not in SCRIPTS_OF:
        known = ", ".join(sorted(SCRIPTS_OF))
        raise UsageError(f"{scorer}: language={language} is not one of {known}")


@dataclass(frozen=True)
class LanguageConsistency(Scorer):
    """The share of the reasoning's words that are in the target language; None below `min_words`.

    With `window` it is the lowest share: of the whole, or of any run of that many words, so a
    stretch in another language is not diluted by a long chain around it.

    Target: `language`, else the prompt's `language`, else the problem's. A word of another script
    is foreign; by="language" so is one of the same script in a sentence that is plainly of another
    language (French in an English chain), which needs fastText's model, fetched once; by="script"
    needs nothing and does not see it. A Han, kana or Thai character counts as a word. With
    unit=letters each letter counts, with unit=segments each sentence, by most of its letters.
    Without tags the whole text is the reasoning.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", language="en")
    >>> rule = LanguageConsistency()
    >>> rule.judge(prompt.with_completion("<think>I add three and four.</think>7"))
    Verdict(score=1.0, reason='4 of 4 words in en')
    >>> rule.judge(prompt.with_completion("<think>We add 三加四等于七</think>7")).score
    0.25
    """

    language: str | None = None
    unit: Unit = "words"
    min_words: int = 3
    """Counting by script is exact at any length; of one or two words, a name decides."""
    window: int | None = None
    by: By = "language"

    def __post_init__(self) -> None:
        check_language("LanguageConsistency", self.language)
        if self.window is not None and self.window < 1:
            raise UsageError(f"LanguageConsistency: window={self.window} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        target = target_of(sample, self.language, self.by)
        if not target.scripts:
            return Verdict(None, f"no script is known for language {target.language}")
        shown = mask(sample.text if sample.reasoning is None else sample.reasoning)
        plain = ascii_words(shown) if (self.unit, self.by) == ("words", "script") else None
        if plain is not None and plain >= self.min_words:
            own = plain if "Latin" in target.scripts else 0
            return Verdict(own / plain, f"{own} of {plain} words in {target.language}")
        found = _Counted(self, target).feed(shown, is_whole=True)
        enough = {"words": self.min_words, "letters": 4 * self.min_words, "segments": 1}[self.unit]
        if len(found) < enough:
            return Verdict(None, f"{len(found)} {self.unit}, fewer than {enough}")
        sums = [0, *accumulate(found)]
        share, total = sums[-1], len(found)
        if self.window and self.window < total:
            pairs = zip(sums, sums[self.window :], strict=False)
            lowest = min(after - before for before, after in pairs)
            if lowest / self.window < share / total:
                share, total = lowest, self.window
        where = " in a row" if total < len(found) else ""
        return Verdict(share / total, f"{share} of {total} {self.unit}{where} in {target.language}")

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        if self.window is None or at_least <= 0:
            return None  # without a window, any beginning can be diluted
        target = target_of(prompt, self.language, self.by)
        if not target.scripts:
            return None
        return _Window(self, target, window=self.window, at_least=at_least)


class _Counted:
    """For every word (letter, sentence) of a growing text that is masked: is it of the target?"""

    def __init__(self, rule: LanguageConsistency, target: Target) -> None:
        self._target, self._unit, self._least = target, rule.unit, rule.min_words
        self._by_language = rule.by == "language" and any(s in TOLD_APART for s in target.scripts)
        self._words, self._segments = self._scripts(), Segments()

    def _scripts(self) -> Scripts:
        return Scripts("letters" if self._unit == "letters" else "words")

    def feed(self, shown: str, *, is_whole: bool = False) -> list[bool]:
        """What of `shown` and before has surely ended."""
        if self._unit != "segments" and not self._by_language:
            found = self._words.feed(shown, is_whole=is_whole)
            return [script in self._target.scripts for script, _ in found]
        segments = self._segments.feed(shown, is_whole=is_whole)
        return [own for segment in segments for own in self._of_segment(segment)]

    def _of_segment(self, segment: str) -> list[bool]:
        scripts = [script for script, _ in self._scripts().feed(segment, is_whole=True)]
        own = [script in self._target.scripts for script in scripts]
        shared = Counter(script for script in scripts if script in self._target.scripts)
        if self._by_language and shared:
            script = "Han" if "Han" in self._target.scripts else shared.most_common(1)[0][0]
            if is_foreign(segment, self._target.language, script):
                own = [False] * len(own)
        if self._unit == "segments":
            return [2 * sum(own) > len(own)] if len(own) >= self._least else []
        return own


class _Window:
    """The last words of a growing answer that are reasoning, however it goes on.

    Foreign words that are too many for a full window are too many for a shorter chain as well, so
    they need not fill one.
    """

    def __init__(
        self, rule: LanguageConsistency, target: Target, *, window: int, at_least: float
    ) -> None:
        self._language, self._unit = target.language, rule.unit
        self._reasoning, self._mask, self._counted = _Reasoning(), Mask(), _Counted(rule, target)
        self._is_own: deque[bool] = deque(maxlen=window)
        self._foreign = 0
        foreign = range(window, -1, -1)
        self._most = next(n for n in foreign if Verdict((window - n) / window).reaches(at_least))
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is None:
            last = self._is_own
            for own in self._counted.feed(self._mask.feed(self._reasoning.feed(piece))):
                if len(last) == last.maxlen:
                    self._foreign -= not last[0]
                last.append(own)
                self._foreign += not own
                if self._foreign > self._most:
                    where = f"of {len(last)} {self._unit} in a row"
                    self._fault = f"{self._foreign} {where} are not {self._language}"
                    break
        return self._fault


class _Reasoning:
    """What of a growing answer is reasoning whatever follows: from the first tag to the next.

    Before the first tag nothing is: an opening one may come, and what stands before it is none.
    After the closing one nothing is, unless it closes again.
    """

    def __init__(self) -> None:
        self._tail, self._is_open, self._is_over = "", False, False

    def feed(self, piece: str) -> str:
        """What `piece` adds to it."""
        if self._is_over:
            return ""
        text, start = self._tail + piece, len(self._tail)
        self._tail = text[-len(OPEN) :]  # a tag may have begun
        closed = text.find(CLOSE)
        if not self._is_open:
            opened = text.find(OPEN)
            self._is_open = opened >= 0 and (closed < 0 or opened < closed)
            start = opened + len(OPEN) if self._is_open else len(text)
        self._is_over = closed >= 0
        return text[start : closed if closed >= 0 else None]
