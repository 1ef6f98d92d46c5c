"""Every scorer with a sample that it likes and one that it does not."""

from __future__ import annotations

from curate.sample import Sample
from curate.scorers import (
    Finished,
    ForeignScript,
    LanguageConsistency,
    Length,
    MathAnswer,
    Repetition,
    Scorer,
    ThinkFormat,
)

PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7", language="en")
GOOD = PROMPT.with_completion(
    "<think>I add three and four, which makes seven.</think><answer>It is \\boxed{7}.</answer>",
    finish_reason="stop",
    completion_tokens=20,
)
LOOP = "three and four and " * 200
CUT = PROMPT.with_completion(
    "一二三四五六七八九十" * 20 + LOOP, finish_reason="length", completion_tokens=400
)

SCORERS: list[Scorer] = [
    MathAnswer(),
    ThinkFormat(),
    ThinkFormat(style="think-answer"),
    ThinkFormat(style="r1"),
    ThinkFormat(style="prefilled"),
    ThinkFormat(style="boxed"),
    LanguageConsistency(),
    LanguageConsistency(language="en", unit="letters", min_words=2),
    LanguageConsistency(window=5),
    ForeignScript(),
    ForeignScript(letters=3),
    Repetition(),
    Repetition(n=4, loop=6),
    Repetition(in_a_row=20),
    Length(maximum=100),
    Length(minimum=2, maximum=50, unit="words"),
    Length(maximum=400, unit="characters"),
    Finished(),
]
