"""Is the reasoning in one language? DeepSeek-R1 drops mixed chains (v1, section 2.3.3)."""

from curate.scorers import LanguageConsistency
from curate.select import Keep


def language_consistent(at_least: float = 0.95, language: str | None = None) -> Keep:
    """Keeps reasoning with this share of words in the language of the question (or in `language`).

    The paper gives no threshold. Measured: 70 of 70 real English chains score 1.0, 599 of 600
    Chinese school problems at least 0.95 (units and names are Latin), one Chinese sentence among 19
    English ones 0.86 and 0.88. One in Russian (0.958) or Korean (0.978) passes.
    """
    return Keep(LanguageConsistency(language=language), at_least=at_least)
