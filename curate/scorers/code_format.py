"""Does an answer hold its code where a program can find it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.think_format import (
    END_ANSWER,
    OPENED,
    TURN,
    ThinkFormat,
    ends_a_line,
    in_order,
)

LANGUAGES = frozenset(
    [
        *("bash", "c", "c++", "cpp", "csharp", "go", "golang", "java", "javascript", "js", "julia"),
        *("kotlin", "lua", "php", "python", "python3", "r", "ruby", "rust", "scala", "sql"),
        *("swift", "ts", "typescript"),
    ]
)
"""Names of programming languages that are none of a natural one."""


@dataclass(frozen=True)
class CodeFormat(Scorer):
    r"""1.0 when the answer has the form of `style` and a block of code in its response, else 0.0.

    The block is fenced with three backticks and the name of `language`; where the prompt's own
    language is one of programming, that counts. Never None. `open-r1` says what its code format
    reward says: `python3` will do for `python`, and text after `</answer>`.

    >>> prompt = Sample(prompt_id="p", problem="Print 7.")
    >>> said = "<think>print it</think>Here:\n```python\nprint(7)\n```"
    >>> CodeFormat().judge(prompt.with_completion(said)).score
    1.0
    >>> CodeFormat(language="cpp").judge(prompt.with_completion(said))
    Verdict(score=0.0, reason='no block of cpp in the response')
    """

    language: str = "python"
    style: Literal["think", "think-answer", "prefilled", "open-r1"] = "think"

    def judge(self, sample: Sample) -> Verdict:
        language = sample.language if sample.language in LANGUAGES else self.language
        verdict = ThinkFormat(self.style).judge(sample)
        if verdict.score == 0.0:
            return verdict
        if self.style == "open-r1":
            code = in_order(sample.text, OPENED, TURN, f"```{language}", "```")
            found = code >= 0 and ends_a_line(sample.text, f"\n{END_ANSWER}", code)
        else:
            found = _block(language).search(sample.response)
        return Verdict(1.0) if found else Verdict(0.0, f"no block of {language} in the response")

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return ThinkFormat(self.style).watch(prompt, at_least)


def _block(language: str) -> re.Pattern[str]:
    fence = r"^[ \t]*```"
    return re.compile(
        rf"{fence}[ \t]*{re.escape(language)}[ \t]*\n.*?{fence}", re.MULTILINE | re.DOTALL
    )
