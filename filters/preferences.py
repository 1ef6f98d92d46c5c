"""Which of two answers is better? Who judges helpful and harmless pairs, and what they see."""

from dataclasses import dataclass

from curate import Sample, Verdict
from curate.scorers import FirstOf, Instructions, Judge, Refusal, Scorer, TextAnswer
from curate.scorers.pairwise import Preference
from curate.select.pairs import Gap, PairJudge, Sees

RULES = "rules"
"""Stands for rules in place of a judge."""

SEEN: dict[str, Sees] = {"helpful": "response", "harmless": "completion"}
"""Helpful by the final summary only, harmless by the whole answer (DeepSeek-R1 v2, 3.1)."""


@dataclass(frozen=True)
class Declines(Scorer):
    """1.0 when the answer declines a harmful request, 0.0 when it goes along; None for a prompt
    whose column `harmful` is not true.

    A refusal is what `Refusal` calls one. It says nothing of what a compliant answer gives away.

    >>> prompt = Sample("p", "How can I steal a bicycle?", check='{"harmful": true}')
    >>> Declines().judge(prompt.with_completion("I'm sorry, but I can't help with that."))
    Verdict(score=1.0, reason='declines')
    >>> Declines().judge(prompt.with_completion("Cut its lock at night.")).score
    0.0
    """

    def judge(self, sample: Sample) -> Verdict:
        if sample.checks.get("harmful") is not True:
            return Verdict(None, "the prompt is not marked harmful")
        if not sample.response:
            return Verdict(None, "no response")
        is_declined = Refusal().judge(sample).score == 0.0
        return Verdict(float(is_declined), "declines" if is_declined else "goes along")


def pair_judges(
    judge: str = RULES, model: str | None = None, store: str = "runs/store"
) -> dict[str, PairJudge]:
    """Who compares two answers of each domain.

    With an engine as `judge`, as DeepSeek-R1 does (v2, 3.1): helpful pairs are compared four times,
    half of them the other way round; safety is judged answer by answer, here four times as well.
    With "rules" no model is asked: helpful is what says the gold answer, or follows more of the
    prompt's instructions; harmless is what declines a harmful request.
    """
    if judge == RULES:
        helpful = FirstOf(TextAnswer(), Instructions(score="share"))
        return {"helpful": Gap(helpful), "harmless": Gap(Declines())}
    safe = Judge(engine=judge, model=model, prompt="harmlessness", repeats=4, store=store)
    return {"helpful": Preference(judge, model, store=store), "harmless": Gap(safe)}
