"""Non-reasoning answers: writing, questions of fact, who the model is, translation, role play."""

import re
from dataclasses import dataclass

from curate import Sample, Verdict
from curate.scorers import (
    Finished,
    FirstOf,
    Instructions,
    Judge,
    LanguageConsistency,
    Readability,
    Scorer,
    TextAnswer,
    ThinkFormat,
)
from curate.select import Keep
from curate.text import CLOSE, OPEN
from filters.rules import publishable, readable

_MARKDOWN = re.compile(r"^\s*(?:#{1,6} |[-*+] |\d+[.)] |>|```|\|)|\*\*|__", re.MULTILINE)


@dataclass(frozen=True)
class AskedThinking(Scorer):
    """1.0 when the answer thinks where its prompt asks for it and as it is asked, 0.0 when not;
    never None.

    A prompt's column `think` asks for a chain of thought (true) or for none, not even an empty one
    (false); without it both will do. The thinking is plain talk in short paragraphs in the
    prompt's language, without Markdown (DeepSeek-R1 v2, B.3.3; none for "hello": v1, 2.3.3). The
    paper gives no number for short: of 70 real chains 99 % of paragraphs have at most 155 words.

    >>> prompt = Sample("p", "Hello", check='{"think": false}')
    >>> AskedThinking().judge(prompt.with_completion("Hello! How can I help?")).score
    1.0
    >>> AskedThinking().judge(prompt.with_completion("<think>A greeting.</think>Hello!"))
    Verdict(score=0.0, reason='thinks where it should not')
    """

    def judge(self, sample: Sample) -> Verdict:
        asked, thinks = sample.checks.get("think"), OPEN in sample.text or CLOSE in sample.text
        if thinks and asked is False:
            return Verdict(0.0, "thinks where it should not")
        if not thinks:
            fault = "no thinking" if asked else "" if sample.text.strip() else "no response"
            return Verdict(0.0, fault) if fault else Verdict(1.0)
        for rule in (ThinkFormat(), Readability(paragraph_words=155)):
            if (verdict := rule.judge(sample)).score != 1.0:
                return verdict
        if found := _MARKDOWN.search(sample.reasoning or ""):
            return Verdict(0.0, f"Markdown in the thinking: {found.group().strip()}")
        spoken = LanguageConsistency(window=200, by="script").judge(sample)
        if spoken.is_judged and not spoken.reaches(0.95):
            return Verdict(0.0, f"thinks in another language: {spoken.reason}")
        return Verdict(1.0)


def answers_well(
    judge: str | None = None, model: str | None = None, store: str = "runs/store"
) -> Keep:
    """Keeps answers that say the gold answer, else follow the prompt's checkable instructions.

    Where a prompt has neither, a model judges how helpful the answer is (`judge`: an engine), from
    8 of 10 points on, "good with a small flaw" in the prompt of that judge; without a judge it is
    enough that the answer has ended.
    """
    last = Finished()
    if judge:
        last = Judge(engine=judge, model=model, prompt="helpfulness", store=store)
    return Keep(FirstOf(TextAnswer(), Instructions(), last), at_least=7 / 9)


def general(
    name: str,
    author: str,
    judge: str | None = None,
    judge_model: str | None = None,
    store: str = "runs/store",
) -> list[Keep]:
    """What a non-reasoning answer has to be (DeepSeek-R1 v1, 2.3.3): its rules in one list.

    `name` and `author` are the model's own, whom it may claim to be.
    """
    return [
        Keep(AskedThinking()),
        *readable(),
        *publishable(name, author),
        answers_well(judge, judge_model, store),
    ]
