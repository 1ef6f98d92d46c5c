"""`Refuse`: the milder half of `Keep`, for datasets that exist already.

Refuse(correct_answer, *readable())
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import is_prompt_document
from curate.select.by_domain import ByDomain
from curate.select.keep import Keep
from curate.step import Step, batched, grouped


class Refuse(Step):
    """Drops the samples that a rule refuses, for the rule's reason; the first that does counts.

    What a rule cannot judge stays, with a null verdict: a row of somebody else's has no gold answer
    or does not say how it ended. Prompts without an answer pass.
    """

    def __init__(self, *rules: Keep | ByDomain) -> None:
        super().__init__()
        for rule in rules:
            if not isinstance(rule, Keep | ByDomain):
                raise UsageError(f"Refuse({rule!r}): a rule is a Keep, as in Keep(MathAnswer())")
        self.rules = rules
        self.is_grouped = any(rule.is_grouped for rule in rules)

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        size = max((keep.scorer.batch for rule in self.rules for keep in rule.keeps()), default=1)
        for documents in grouped(data) if self.is_grouped else batched(data, size):
            gone: set[int] = set()
            for rule in self.rules:
                left = [
                    i
                    for i, document in enumerate(documents)
                    if i not in gone and not is_prompt_document(document)
                ]
                refusals = rule.refusals([documents[i] for i in left])
                for i, refused in zip(left, refusals, strict=True):
                    if refused and not refused.reason.endswith((":unjudged", ":no_rule")):
                        self.drop(documents[i], refused.reason, refused.detail)
                        gone.add(i)
            yield from (document for i, document in enumerate(documents) if i not in gone)
