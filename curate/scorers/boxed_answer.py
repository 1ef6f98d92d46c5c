r"""Is the answer in the box the gold answer? What open-r1 and TRL call accuracy.

`MathAnswer` finds the final answer in any shape; this rule wants it said as the trainers' rewards
do, in a `\boxed{…}` or as a formula after the word "answer", and compares it as `MathAnswer` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from curate import text
from curate.sample import Sample, Verdict
from curate.scorers.math_answer import MathAnswer
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class BoxedAnswer(Scorer):
    r"""1.0 when the boxed answer equals the gold answer, 0.0 when not or there is none, or None.

    The whole completion is read, the reasoning too; with `after` only what follows the last of
    these delimiters (the first of them that is there; blanks between several), and 0.0 without
    one. None: no gold, or one of words alone, which is no mathematics; besides as `MathAnswer`.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
    >>> BoxedAnswer().judge(prompt.with_completion(r"3 + 4 is \boxed{7}.")).score
    1.0
    >>> BoxedAnswer().judge(prompt.with_completion("3 + 4 is 7."))
    Verdict(score=0.0, reason='no boxed answer')
    """

    after: str | None = None

    needs_gold: ClassVar[bool] = True
    batch: ClassVar[int] = MathAnswer.batch

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        found = [self._boxed(sample) for sample in samples]
        asked = [said for said in found if isinstance(said, Sample)]
        compared = iter(MathAnswer().judge_all(asked))
        return [said if isinstance(said, Verdict) else next(compared) for said in found]

    def gold_problem(self, prompt: Sample) -> str | None:
        return _words_alone(prompt.answer) or MathAnswer().gold_problem(prompt)

    def __call__(
        self, prompts: Any = None, completions: Any = (), completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """As any scorer; `reasoning_delimiters`, bound with `partial`, are TRL's for `after`."""
        if delimiters := columns.pop("reasoning_delimiters", None):
            return BoxedAnswer(after=" ".join(delimiters))(
                prompts, completions, completion_ids, **columns
            )
        return super().__call__(prompts, completions, completion_ids, **columns)

    def _boxed(self, sample: Sample) -> Sample | Verdict:
        """The sample with nothing but the answer in its box, or the verdict where there is none."""
        said = sample.text
        if self.after:
            delimiter = next((d for d in self.after.split() if d in said), None)
            if delimiter is None:
                return Verdict(0.0, f"no {self.after}")
            said = said.rpartition(delimiter)[2]
        if problem := _words_alone(sample.answer):
            return Verdict(None, problem)
        answer = _answer(said)
        if answer is None:
            problem = MathAnswer().gold_problem(sample)
            return Verdict(None, problem) if problem else Verdict(0.0, "no boxed answer")
        return sample.with_completion(rf"\boxed{{{answer}}}")


_ANSWER_TAG = re.compile("</?answer>")
_BOX = re.compile(r"\\boxed\{")
_EMPTY = re.compile(r"\\boxed\{\s*\}\Z")
_AGAIN = re.compile(r"\banswer", re.IGNORECASE)
_STATED = [
    re.compile(rf"{words}.{{0,50}}?(?=\$|\\[(\[]|\\(?!boxed)[a-z])", re.IGNORECASE | re.DOTALL)
    for words in ("final answer is", "answer")
]
"""As far from the words as math_verify lets a formula be; those that say more go first."""


def _answer(said: str) -> str | None:
    """What is in the last box that closes; without one, the formula near "answer"."""
    # Only the last ones count: where no brace closes, each of them reads to the end of the text.
    starts = [box.start() for box in _BOX.finditer(said)][-16:]
    ends = [end for start in starts if (end := text.braced(said, start)) > 0]
    if ends and not _EMPTY.search(said, starts[0], ends[-1]):
        return text.final_answer(_ANSWER_TAG.sub(" ", said[: ends[-1]]))
    found = (list(words.finditer(said)) for words in _STATED)
    stated = next((matches[-1] for matches in found if matches), None)
    if stated is None:
        return None
    again = _AGAIN.search(said, stated.end())
    return text.final_answer(f"answer is {said[stated.end() : again.start() if again else None]}")


def _words_alone(answer: str | None) -> str | None:
    gold = text.final_answer(answer) if answer and r"\boxed" in answer else answer
    if gold and text.prose(gold) and not any(char.isdigit() for char in gold):
        return "the gold answer is words, not mathematics"
    return None
