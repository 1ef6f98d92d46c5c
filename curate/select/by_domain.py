"""`ByDomain`: each domain is judged by rules of its own.

ByDomain(math=Keep(MathAnswer()), code=[Keep(CodeFormat()), Keep(CodeTests())])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.scorers.scorer import Scorer
from curate.select.keep import Grade, Keep, Refusal
from curate.step import Step, batched, grouped

Rules = Keep | Sequence[Keep]


class ByDomain(Step):
    """Keeps the samples that satisfy the rules of their domain, in a list or in `accept`.

    They are refused as by the rules themselves. A sample of a domain without rules is refused as
    `ByDomain:no_rule`, so that nothing passes unjudged by accident; `other` names rules for those,
    and `other=[]` lets them pass.

    >>> from curate.scorers import Choice, MathAnswer
    >>> rules = ByDomain(math=Keep(MathAnswer()), stem=Keep(Choice()))
    >>> rules.for_domain("stem")
    [Keep:Choice]
    >>> rules.no_rule("general")
    Refusal(reason='ByDomain:no_rule', detail="domain 'general' has no rule among math, stem")
    """

    def __init__(self, *, other: Rules | None = None, **rules: Rules) -> None:
        super().__init__()
        if not rules:
            raise UsageError("ByDomain() names no domain, as in ByDomain(math=Keep(MathAnswer()))")
        self.rules = {domain: as_list(domain, rule) for domain, rule in rules.items()}
        self.other = None if other is None else as_list("other", other)
        self.is_grouped = any(keep.is_grouped for keep in self.keeps())
        self.batch = max([keep.scorer.batch for keep in self.keeps()], default=1)

    def identity(self) -> dict[str, Any]:
        said = super().identity()
        return {"step": said["step"], **said["rules"], "other": said["other"]}

    def keeps(self) -> list[Keep]:
        """All rules, of whatever domain."""
        return [keep for keeps in (*self.rules.values(), self.other or ()) for keep in keeps]

    def for_domain(self, domain: str | None) -> list[Keep] | None:
        """The rules of a domain; None when there are none and it is not let pass."""
        return self.rules.get(domain or "", self.other)

    def no_rule(self, domain: str | None) -> Refusal:
        """What is said of a sample of a domain without rules."""
        named = ", ".join(self.rules)
        return Refusal("ByDomain:no_rule", f"domain {domain!r} has no rule among {named}")

    def grades(self, documents: Sequence[Document]) -> list[Grade]:
        """For each document whether it satisfies all rules of its domain, with the lowest score.

        None where none is refused and one cannot be judged, or where there is no rule.
        """
        found: list[Grade] = [Grade(None, None)] * len(documents)
        for keeps, indices in self._by_rules(documents):
            of_rules = [keep.grades([documents[i] for i in indices]) for keep in keeps or ()]
            for i, *grades in zip(indices, *of_rules, strict=True):
                found[i] = all_of(grades)
        return found

    def refusals(self, documents: Sequence[Document]) -> list[Refusal | None]:
        """For each document why it does not stay, or None when it does; the first rule counts."""
        found: list[Refusal | None] = [None] * len(documents)
        for keeps, indices in self._by_rules(documents):
            if keeps is None:
                for i in indices:
                    found[i] = self.no_rule(documents[i].metadata.get("domain"))
            for keep in keeps or ():
                left = [i for i in indices if found[i] is None]
                for i, refused in zip(
                    left, keep.refusals([documents[i] for i in left]), strict=True
                ):
                    found[i] = refused
        return found

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for documents in grouped(data) if self.is_grouped else batched(data, self.batch):
            for document, refused in zip(documents, self.refusals(documents), strict=True):
                if refused:
                    self.drop(document, refused.reason, refused.detail)
                else:
                    yield document

    def _by_rules(
        self, documents: Sequence[Document]
    ) -> Iterator[tuple[list[Keep] | None, list[int]]]:
        """The numbers of the documents with the rules that are for them, domain by domain."""
        by_domain: dict[str | None, list[int]] = {}
        for i, document in enumerate(documents):
            by_domain.setdefault(document.metadata.get("domain"), []).append(i)
        for domain, indices in by_domain.items():
            yield self.for_domain(domain), indices


def rules_for(domain: str, accept: Sequence[Keep | ByDomain]) -> list[Keep] | Refusal:
    """The rules of `accept` by which samples of a domain are judged, or why there are none."""
    rules: list[Keep] = []
    for rule in accept:
        of_domain = rule.for_domain(domain)
        if of_domain is not None:
            rules += of_domain
        elif isinstance(rule, ByDomain):
            return rule.no_rule(domain)
    return rules


def as_list(domain: str, rules: Rules) -> list[Keep]:
    """The rules of a domain as a list; UsageError for what is no Keep."""
    keeps = [rules] if isinstance(rules, Step | Scorer) else list(rules)
    for keep in keeps:
        if not isinstance(keep, Keep):
            raise UsageError(
                f"ByDomain({domain}={keep!r}): a rule is a Keep, as in Keep(MathAnswer())"
            )
        if keep.domains:
            raise UsageError(f"ByDomain({domain}=…): {keep.label} has domains of its own")
    return keeps


def all_of(grades: Sequence[Grade]) -> Grade:
    """One grade of several: good when all are, with the lowest score.

    >>> all_of([Grade(True, 1.0), Grade(False, 0.5)]), all_of([Grade(True, 1.0), Grade(None, None)])
    (Grade(is_good=False, score=0.5), Grade(is_good=None, score=None))
    """
    scores = [grade.score for grade in grades if grade.score is not None]
    if any(grade.is_good is False for grade in grades):
        return Grade(False, min(scores))
    if not grades or len(scores) < len(grades):
        return Grade(None, None)
    return Grade(True, min(scores))
