"""`Pairs`: two answers of each prompt, one clearly better than the other.

    Generate(engine, samples=6, keep="all", accept=readable())
    Pairs({"helpful": Preference(engine=…), "harmless": Gap(Judge(engine=…, prompt=…))})
    BalanceLengths()
    PairsFolder()                                             # prompt, chosen, rejected

R1 asks its judge four times about two answers and keeps the pair when the gap is above 1
(DeepSeek-R1 v2, section 3.1); safety is judged answer by answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple, Protocol

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.pairwise import PairVerdict
from curate.scorers.scorer import Scorer
from curate.step import Step, batched, grouped

Triple = tuple[Sample, Sample, Sample]
"""A prompt and two of its samples."""
Sees = Literal["response", "completion"]
MOST = 2.0
"""The largest gap: R1's `A>>B` is two points."""
PREFIX = "Pairs:"
NOTE = "pairs-"
"""Begins the names of the notes in the manifest on how a task's pairs were judged."""
PROMPTS_AT_ONCE = 64
"""Prompts whose pairs are judged at a time; a judge's server has places for about as many."""


class PairJudge(Protocol):
    """Says of two samples which is better, by a gap from -2.0 to 2.0."""

    @property
    def name(self) -> str: ...

    def identity(self) -> Any: ...

    def compare_all(self, pairs: Iterable[Triple]) -> list[PairVerdict]: ...


@dataclass(frozen=True)
class Gap:
    """Compares two samples by what a scorer says of each: the gap is twice the difference.

    So 1.0 against 0.0 is a gap of 2.0, as between R1's safe and unsafe; above 1.0 is a difference
    above a half. None when the scorer cannot judge one of the two.

    >>> from curate.scorers import TextAnswer
    >>> prompt = Sample("p", "What is the capital of France?", answer="Paris")
    >>> a, b = prompt.with_completion("It is Paris."), prompt.with_completion("It is Rome.")
    >>> Gap(TextAnswer()).compare_all([(prompt, a, b), (prompt, b, a)])[1].gap
    -2.0
    """

    scorer: Scorer

    @property
    def name(self) -> str:
        return f"Gap({self.scorer.name})"

    def identity(self) -> Any:
        return {"gap": self.scorer.identity()}

    def compare_all(self, pairs: Iterable[Triple]) -> list[PairVerdict]:
        """The verdicts on many pairs; each sample is judged once."""
        pairs = list(pairs)
        samples = list({id(s): s for _, a, b in pairs for s in (a, b)}.values())
        said = self.scorer.judge_all(samples)
        verdicts = {id(s): verdict for s, verdict in zip(samples, said, strict=True)}
        return [_gap(verdicts[id(a)], verdicts[id(b)]) for _, a, b in pairs]


class Candidate(NamedTuple):
    """Two samples of a prompt that may become a pair."""

    ratio: float
    """The longer one's length over the other's."""
    a: int
    b: int


class Open(NamedTuple):
    """A prompt on its way to a pair."""

    samples: list[Sample]
    documents: list[Document]
    candidates: list[Candidate]
    judge: PairJudge
    said: list[PairVerdict]


class Pairs(Step):
    """Gives of each prompt the two samples that are most alike in length and clearly differ.

    Each domain has a judge: a `Preference`, or a scorer in `Gap`. Two samples are compared
    when what the judge `sees` of them (the response; `completion` is all of it) differs, and when
    the longer has at most `ratio` times the characters of the other; those nearest in length first,
    at most `tries` pairs of a prompt. The first whose gap is above `above` (1 in R1) is taken: the
    better sample gets the verdict `Pairs:JUDGE` with a score above 0.5, the other one below; the
    score is 0.5 + gap / 4. All other samples are left out: `surplus`, and of prompts without a
    pair `no_pair` (nothing to compare), `unclear` or `unjudged`; `no_judge` for other domains.
    """

    is_grouped = True

    def __init__(
        self,
        judges: Mapping[str, PairJudge],
        *,
        sees: Mapping[str, Sees] | None = None,
        above: float = 1.0,
        ratio: float = 2.0,
        tries: int = 4,
    ) -> None:
        super().__init__()
        if not 0 <= above < MOST or ratio < 1 or tries < 1:
            raise UsageError(
                f"Pairs: above={above} lies in [0, 2), ratio={ratio} and tries={tries} are at"
                " least 1"
            )
        if not judges:
            raise UsageError('Pairs({}) names no domain, as in {"helpful": Preference(engine=…)}')
        if unknown := next((name for name in sees or {} if name not in judges), None):
            raise UsageError(f"Pairs: sees names {unknown!r}, which is none of {', '.join(judges)}")
        self.above, self.ratio, self.tries = above, ratio, tries
        self.judges = dict(judges)
        self.sees: dict[str, Sees] = dict(sees or {})
        self.numbers = Counter(compared=0, clear=0, in_both_orders=0, agree=0)

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        seen = 0
        for groups in batches_of(grouped(data), PROMPTS_AT_ONCE):
            open_ = [self._open(group) for group in groups]
            self._judge([prompt for prompt in open_ if prompt])
            for group, prompt in zip(groups, open_, strict=True):
                yield from self._settle(group, prompt)
            seen += len(groups)
            if self.context:
                self.context.report({"prompts": seen})
        if self.context and self.context.ledger:
            # A name for each task: of equal names the manifest keeps one.
            self.context.ledger.note(f"{NOTE}{rank:05d}", dict(self.numbers))

    def _open(self, group: list[Document]) -> Open | None:
        domain = group[0].metadata.get("domain") or ""
        if domain not in self.judges:
            return None
        documents = sorted(group, key=lambda d: (d.metadata["k"], d.id))
        samples = [Sample.from_document(document) for document in documents]
        sees: Sees = self.sees.get(domain, "response")
        texts = [seen_of(sample, sees) for sample in samples]
        found = sorted(
            Candidate(length_ratio(texts[a], texts[b]), a, b)
            for a, b in combinations(range(len(texts)), 2)
            if texts[a] and texts[b] and texts[a] != texts[b]
        )
        near = [candidate for candidate in found if candidate.ratio <= self.ratio][: self.tries]
        return Open(samples, documents, near, self.judges[domain], [])

    def _judge(self, prompts: Sequence[Open]) -> None:
        """Asks about the next candidate of every prompt that has no clear pair yet, in rounds."""
        for number in range(self.tries):
            for judge in self.judges.values():
                left = [
                    prompt
                    for prompt in prompts
                    if prompt.judge is judge
                    and number < len(prompt.candidates)
                    and not any(verdict.is_clear(self.above) for verdict in prompt.said)
                ]
                triples = [(p.samples[0], *self._two(p, number)) for p in left]
                for prompt, verdict in zip(left, judge.compare_all(triples), strict=True):
                    prompt.said.append(verdict)
                    self._count(verdict)

    def _count(self, verdict: PairVerdict) -> None:
        """For the manifest: how often a pair was clear, and the two orders named one winner."""
        in_both = verdict.is_flipped is not None
        self.numbers.update(
            compared=1,
            clear=int(verdict.is_clear(self.above)),
            in_both_orders=int(in_both),
            agree=int(in_both and not verdict.is_flipped),
        )

    def _two(self, prompt: Open, number: int) -> tuple[Sample, Sample]:
        candidate = prompt.candidates[number]
        return prompt.samples[candidate.a], prompt.samples[candidate.b]

    def _settle(self, group: list[Document], prompt: Open | None) -> Iterator[Document]:
        """The pair of a prompt, if it has one; the other samples are left out with the reason."""
        if prompt is None:
            for document in group:
                self.drop(document, "no_judge", f"domain {document.metadata.get('domain')!r}")
            return
        clear = [i for i, verdict in enumerate(prompt.said) if verdict.is_clear(self.above)]
        pair: tuple[int, ...] = ()
        if clear:
            pair = prompt.candidates[clear[0]][1:]
            self._sign(prompt, pair, prompt.said[clear[0]])
        reason, detail = ("surplus", "") if pair else self._why(prompt)
        for i, document in enumerate(prompt.documents):
            if i in pair:
                yield document
            else:
                self.drop(document, reason, detail)

    def _sign(self, prompt: Open, pair: tuple[int, ...], verdict: PairVerdict) -> None:
        """Gives both samples the verdict that makes them a pair."""
        gap = verdict.gap or 0.0
        for i, other, points in ((pair[0], pair[1], gap), (pair[1], pair[0], -gap)):
            metadata = prompt.documents[i].metadata
            word = "better" if points > 0 else "worse"
            reason = f"{word} by {abs(gap):g} than {prompt.documents[other].id}: {verdict.reason}"
            said = Verdict(0.5 + points / (2 * MOST), reason[:280])
            row = {"name": PREFIX + prompt.judge.name, "score": said.score, "reason": said.reason}
            metadata["verdicts"] = [*(metadata.get("verdicts") or ()), row]

    def _why(self, prompt: Open) -> tuple[str, str]:
        if not prompt.candidates:
            return "no_pair", f"{len(prompt.samples)} samples, all alike or of other lengths"
        gaps = [verdict.gap for verdict in prompt.said if verdict.gap is not None]
        if not gaps:
            return "unjudged", prompt.said[-1].reason[:200]
        largest = max(map(abs, gaps))
        return "unclear", f"the largest gap of {len(gaps)} is {largest:g}, not above {self.above:g}"


def batches_of(groups: Iterator[list[Document]], size: int) -> Iterator[list[list[Document]]]:
    """Lists of `size` groups."""
    return batched(groups, size)  # type: ignore[arg-type, return-value]


def score_of(sample: Sample) -> float | None:
    """What `Pairs` says of a sample: above 0.5 it is the chosen one; None when it is of no pair."""
    said = (v.score for name, v in sample.verdicts.items() if name.startswith(PREFIX))
    return next(said, None)


def seen_of(sample: Sample, sees: Sees) -> str:
    """What a judge is shown of a sample."""
    return sample.response if sees == "response" else sample.text


def length_ratio(a: str, b: str) -> float:
    """How many times as long as the other one the longer text is.

    >>> length_ratio("four", "eight characters")
    4.0
    """
    return max(len(a), len(b)) / max(1, min(len(a), len(b)))


def _gap(a: Verdict, b: Verdict) -> PairVerdict:
    if a.score is None or b.score is None:
        return PairVerdict(None, reason=(a if a.score is None else b).reason)
    return PairVerdict(MOST * (a.score - b.score), reason=f"{a.reason} | {b.reason}"[:200])
