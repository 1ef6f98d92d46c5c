"""Does another script stand anywhere in an answer?"""

from __future__ import annotations

from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.language_consistency import Target, check_language, target_of
from curate.scorers.mask import Mask
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.scripts import Scripts


@dataclass(frozen=True)
class ForeignScript(Scorer):
    """0.0 when `letters` letters in a row are of scripts foreign to the target language, else 1.0.

    In the whole text, response too; masks, numbers and marks neither count nor end such a run, a
    word of the target language ends it. The target is that of `LanguageConsistency`; None when no
    script is known for it. Sound text has at most 11 (a Latin name in a Chinese sentence; none in
    69 English chains and 12,473 English solutions measured), one leaked sentence 20 and more.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> ForeignScript().judge(prompt.with_completion("<think>3 + 4 = 7, 七</think>It is 7.")).score
    1.0
    >>> ForeignScript(letters=8).judge(prompt.with_completion("I add: 三加四等于七, 所以是七."))
    Verdict(score=0.0, reason='8 letters in a row that are not en')
    """

    letters: int = 20
    language: str | None = None

    def __post_init__(self) -> None:
        check_language("ForeignScript", self.language)
        if self.letters < 1:
            raise UsageError(f"ForeignScript: letters={self.letters} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        target = target_of(sample, self.language)
        if not target.scripts:
            return Verdict(None, f"no script is known for language {target.language}")
        fault = _Run(self.letters, target).add(sample.text, is_whole=True)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        target = target_of(prompt, self.language)
        return _Run(self.letters, target) if target.scripts and at_least > 0 else None


class _Run:
    """The foreign letters in a row at the end of a growing text."""

    def __init__(self, letters: int, target: Target) -> None:
        self._most, self._target = letters, target
        self._mask, self._scripts = Mask(), Scripts()
        self._letters = 0
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        return self.add(piece)

    def add(self, piece: str, *, is_whole: bool = False) -> str | None:
        """Takes new text; says how long the run is once it is too long."""
        shown = self._mask.feed(piece, is_whole=is_whole)
        for script, letters in self._scripts.feed(shown, is_whole=is_whole):
            self._letters = 0 if script in self._target.scripts else self._letters + letters
            if self._fault is None and self._letters >= self._most:
                self._fault = (
                    f"{self._letters} letters in a row that are not {self._target.language}"
                )
        return self._fault
