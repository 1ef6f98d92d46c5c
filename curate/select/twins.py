"""`Twins`: two datasets that differ only in whether the answers were checked.

Generate(engine, samples=4, keep="all", accept=[think_format], store=store)
Twins(correct_answer, verified=True)        # one run; verified=False with another out= is the other

The two runs share the store, so the second asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datatrove.data import Document

from curate.errors import UsageError
from curate.scorers.scorer import Scorer
from curate.select.by_domain import ByDomain
from curate.select.draw import place
from curate.select.keep import Keep
from curate.step import Step, grouped


class Twins(Step):
    """Keeps of every prompt with a good sample either its good ones (`verified=True`) or as many
    drawn from all its samples, whatever was said of them (`verified=False`).

    So both datasets have the same prompts with the same number of samples: the same difficulty.
    The draw is by a hash of the sample's id and `seed`; with `per_prompt`, at most so many are
    kept, drawn alike. What cannot be judged, as where a domain has no rule, is not good.

    Reasons: `no_good_sample` (the prompt is in neither), `unjudged` (none of its samples could be),
    `not_good`, `not_drawn`.
    """

    is_grouped = True

    def __init__(
        self,
        scorer: Scorer | Keep | ByDomain,
        *,
        verified: bool,
        per_prompt: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if per_prompt is not None and per_prompt < 1:
            raise UsageError(f"Twins(per_prompt={per_prompt}): at least 1, or None for all")
        self.rule = Keep(scorer) if isinstance(scorer, Scorer) else scorer
        self.verified, self.per_prompt, self.seed = verified, per_prompt, seed

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for group in grouped(data):
            grades = [grade.is_good for grade in self.rule.grades(group)]
            good = [i for i, is_good in enumerate(grades) if is_good]
            n = min(len(good), self.per_prompt or len(good))
            among = good if self.verified else range(len(group))
            drawn = sorted(among, key=lambda i: (place(self.seed, group[i].id), i))[:n]
            for i, document in enumerate(group):
                if i in drawn:
                    yield document
                    continue
                if not good:
                    reason = (
                        "unjudged" if None in grades and False not in grades else "no_good_sample"
                    )
                else:
                    reason = "not_drawn" if i in among else "not_good"
                self.drop(document, reason, f"{len(good)} of {len(group)} samples are good")
