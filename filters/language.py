"""Is the reasoning in one language? DeepSeek-R1 drops mixed chains (v1, section 2.3.3)."""

from curate.scorers import LanguageConsistency
from curate.select import Keep


def language_consistent(
    at_least: float = 0.95, language: str | None = None, *, window: int | None = 200
) -> Keep:
    """Keeps reasoning with this share of words in the language of the question (or `language`).

    And of any 200 words in a row, so a long chain does not dilute a stretch in another language; an
    answer is cut with its eleventh foreign word of these. The paper gives no threshold. Measured:
    all of 70 real English chains, 12,330 English solutions (GSM8K, MATH) and 600 Chinese school
    problems score 1.0, chains of 20 Chinese sentences with foreign names at least 0.968; one
    Chinese sentence among 19 English ones scores 0.85 and 0.84. A short one in Russian (0.958) or
    Korean (0.975) passes.
    """
    return Keep(LanguageConsistency(language=language, window=window), at_least=at_least)
