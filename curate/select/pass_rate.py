"""`PassRate`: prompts that are neither too easy nor too hard for the model that was asked.

Generate(engine, samples=16, keep="all", accept=[correct_answer])
PassRate(at_least=0.1, at_most=0.9)          # the rate that Generate measured
PassRate(scorer=MathAnswer())                # or measured now, from the samples that are here
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import pstdev
from typing import NamedTuple

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import is_prompt_document
from curate.scorers.scorer import Scorer
from curate.select.by_domain import ByDomain
from curate.select.keep import Keep
from curate.step import Step, grouped


class Rate(NamedTuple):
    """How a prompt's samples did: those tried, judged and good, and whether their scores differ."""

    tried: int
    judged: int
    correct: int
    is_varied: bool

    @property
    def share(self) -> float:
        """Good samples of those judged, in [0, 1]; one that could not be judged says nothing."""
        return self.correct / self.judged if self.judged else 0.0

    def __str__(self) -> str:
        unjudged = f", {self.tried - self.judged} unjudged" if self.tried > self.judged else ""
        return f"{self.correct} of {self.judged} good{unjudged}"


class PassRate(Step):
    """Keeps the prompts whose pass rate is at least `at_least` and at most `at_most`, with all
    their samples.

    Without `scorer` the rate is the prompt's own (`pass_rate`), which `Generate(keep="all")` and
    prompt files give. With a scorer, a `Keep` or `ByDomain` it is measured from the samples that
    are here and written into their columns: samples that cannot be judged are tried but do not
    count in the rate. It is a rate only when none was left out before, so a prompt that was tried
    more often (`samples_tried`) is refused as `incomplete`.

    `varied` drops prompts whose samples all score the same as `zero_variance`: their standard
    deviation is 0, so GRPO learns nothing from them, whatever their mean. The other reasons:
    `too_hard`, `too_easy`, `unjudged` (none of the samples), `no_pass_rate` (nobody measured it).
    """

    is_grouped = True

    def __init__(
        self,
        at_least: float = 0.0,
        at_most: float = 1.0,
        *,
        scorer: Scorer | Keep | ByDomain | None = None,
        varied: bool = True,
    ) -> None:
        super().__init__()
        if not 0.0 <= at_least <= at_most <= 1.0:
            raise UsageError(
                f"PassRate(at_least={at_least}, at_most={at_most}): 0 <= at_least <= at_most <= 1"
            )
        self.at_least, self.at_most, self.varied = at_least, at_most, varied
        self.rule = Keep(scorer) if isinstance(scorer, Scorer) else scorer

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for group in grouped(data):
            reason, detail = self._measured(group) if self.rule else self._stated(group[0])
            for document in group:
                if reason:
                    self.drop(document, reason, detail)
                else:
                    yield document

    def _measured(self, group: Sequence[Document]) -> tuple[str | None, str]:
        assert self.rule is not None
        tried = max(document.metadata.get("samples_tried") or 0 for document in group)
        if tried > len(group) or is_prompt_document(group[0]):
            here = 0 if is_prompt_document(group[0]) else len(group)
            return "incomplete", f"{here} samples here of {tried} tried"
        rate = rate_of(self.rule, group)
        if not rate.judged:
            return "unjudged", str(rate)
        for document in group:
            document.metadata |= {
                "samples_tried": rate.tried,
                "samples_correct": rate.correct,
                "pass_rate": rate.share,
            }
        return self._reason(rate.share, rate.is_varied), str(rate)

    def _stated(self, document: Document) -> tuple[str | None, str]:
        share = document.metadata.get("pass_rate")
        if share is None:
            return "no_pass_rate", "Generate(keep='all') measures it, or PassRate(scorer=…)"
        return self._reason(share, 0.0 < share < 1.0), f"pass rate {share:.3g}"

    def _reason(self, share: float, is_varied: bool) -> str | None:
        if share < self.at_least:
            return "too_hard"
        if share > self.at_most:
            return "too_easy"
        return "zero_variance" if self.varied and not is_varied else None


def rate_of(rule: Keep | ByDomain, group: Sequence[Document]) -> Rate:
    """How a prompt's samples do under a rule."""
    grades = rule.grades(group)
    scores = [
        grade.score for grade in grades if grade.score is not None and grade.is_good is not None
    ]
    correct = sum(grade.is_good is True for grade in grades)
    return Rate(len(group), len(scores), correct, len(scores) > 1 and pstdev(scores) > 0)
