"""Is an answer in the language that it should be in?"""

from __future__ import annotations

from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.language_consistency import check_language, target_of
from curate.scorers.languages import identify, is_same
from curate.scorers.scorer import Scorer
from curate.scorers.scripts import SCRIPTS_OF


@dataclass(frozen=True)
class Language(Scorer):
    """1.0 when the whole answer is identified as the target language, 0.0 when as another; None
    below `min_letters` letters (a character of Chinese, Japanese or Korean is four).

    Target: `language`, else the prompt's `language`, else that of its problem. It says which
    language most of a text is in; a mixed one is for `LanguageConsistency`, a single foreign word
    for `ForeignScript`. Norwegian's two forms are one language here, and so are Croatian, Bosnian
    and Serbian in Latin letters.

    >>> prompt = Sample(prompt_id="p", problem="Wie viel ist drei plus vier?", language="de")
    >>> Language().judge(prompt.with_completion("Drei plus vier ist sieben."))
    Verdict(score=1.0, reason='de (1.00)')
    >>> Language().judge(prompt.with_completion("Three plus four equals seven."))
    Verdict(score=0.0, reason='en (0.99), not de')
    """

    language: str | None = None
    min_letters: int = 10
    """Measured: of Tatoeba sentences below 20 letters 92 % are identified, above 45 99.8 %."""

    def __post_init__(self) -> None:
        check_language("Language", self.language)
        if self.min_letters < 1:
            raise UsageError(f"Language: min_letters={self.min_letters} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        found = identify(sample.text, min_letters=self.min_letters)
        if found.language is None:
            return Verdict(None, f"{found.letters} letters, fewer than {self.min_letters}")
        said = f"{found.language} ({found.probability:.2f})"
        if not (self.language or sample.language or sample.problem):
            return Verdict(None, f"{said}; neither prompt nor problem says which it should be")
        target = target_of(sample, self.language, by="language").language
        if target not in SCRIPTS_OF:
            return Verdict(None, f"{said}; {target} is no language known here")
        if is_same(found.language, target):
            return Verdict(1.0, said)
        return Verdict(0.0, f"{said}, not {target}")
