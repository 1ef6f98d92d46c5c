"""One prompt on its way to enough good answers: which sample is asked for next, and when it is
enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from curate.engines.attempt import Job
from curate.engines.request import Completion, Request
from curate.sample import Sample, Turn, Verdict, digest
from curate.select.keep import Keep

SEED_BITS = 31
"""llama.cpp takes unsigned 32-bit seeds, vLLM signed 64-bit ones; 31 bits fit both."""


def seed_of(run_seed: int, asked: str, k: int) -> int:
    """The seed of sample k of a prompt: a function of the run's seed and the prompt, never of
    timing.

    >>> seed_of(0, "a", 0) == seed_of(0, "a", 0) != seed_of(0, "a", 1)
    True
    """
    return int(digest([run_seed, asked, k])[:16], 16) % (1 << SEED_BITS)


def rule_in_force(keep: Keep) -> str:
    """The name of a rule with its threshold, under which a cut-off beginning is stored."""
    return f"{keep.scorer.name}>={keep.at_least:g}"


@dataclass
class Rollout:
    """A prompt, how many of its samples were decided (in the order of k), and those accepted."""

    prompt: Sample
    messages: tuple[Turn, ...]
    samples: int
    keep: int | None
    """Accepted samples that are enough; None asks for all `samples` whatever they are."""
    rules: tuple[Keep, ...]
    """What a good answer to this prompt satisfies, in the order of `accept`."""
    accepted: list[Sample] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    correct: int = 0
    broken: str | None = None
    """Why the engine will not answer this prompt at all."""
    is_out_of_budget: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    """Requests on their way, by k."""
    ready: dict[int, tuple[Request, Completion]] = field(default_factory=dict)
    """Answers that came before their turn, by k."""
    is_closed: bool = False
    """Decided or given up: a verdict that still comes is for nobody."""
    is_judging: bool = False
    """The sample whose turn it is has its answer, and a verdict on it is being waited for."""

    @property
    def asked(self) -> str:
        """What names this rollout: the prompt, or the sample that is being rewritten."""
        return self.prompt.id or self.prompt.prompt_id

    @cached_property
    def in_force(self) -> frozenset[str]:
        """The rules that may have cut an answer in the store."""
        return frozenset(rule_in_force(rule) for rule in self.rules)

    @property
    def next_new(self) -> int:
        """The first k that was not asked for yet."""
        k = self.tried
        while k in self.jobs or k in self.ready:
            k += 1
        return k

    @property
    def is_decided(self) -> bool:
        enough = self.keep is not None and len(self.accepted) >= self.keep
        return enough or self.tried >= self.samples or self.broken is not None

    def sample(self, request: Request, completion: Completion) -> Sample:
        """The completion as a sample of this prompt; what a trainer is shown is the question, not
        the few-shots.
        """
        question = self.prompt.prompt or (Turn(role="user", content=self.prompt.problem),)
        return replace(
            self.prompt,
            id=f"{self.prompt.prompt_id}-{request.key[:8]}",
            k=self.tried,
            prompt=question,
            completion=(Turn(role="assistant", content=completion.text),),
            model=request.model,
            model_revision=request.revision,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seed=request.seed,
            verdicts={},
        )

    def finished(self) -> Iterator[Sample]:
        """The accepted samples with the prompt's counts; a pass rate only where the number tried
        was fixed, and none of both where no rule says what is correct.
        """
        correct = self.correct if self.rules else None
        is_fixed = self.keep is None and self.tried and correct is not None
        rate = correct / self.tried if is_fixed and correct is not None else None
        for sample in self.accepted:
            yield replace(sample, samples_tried=self.tried, samples_correct=correct, pass_rate=rate)

    @property
    def outcome(self) -> str:
        """What became of the samples, for the reader of `rejected/`."""
        if self.broken:
            return self.broken
        return f"{self.tried} tried: " + ", ".join(
            f"{n} {r}" for r, n in self.refused.most_common()
        )


def is_correct(rules: Sequence[Keep], verdicts: dict[str, Verdict]) -> bool:
    """True when every rule that compares with the gold answer is satisfied, and every one that may
    cut an answer off; without rules of the first kind, when all are.

    A cut answer gives no final answer, and when it is cut is a matter of time: so what such a rule
    refuses is not correct, cut or whole.
    """
    against_gold = any(rule.scorer.needs_gold for rule in rules)
    return all(
        rule.scorer.name in verdicts and rule.accepts(verdicts[rule.scorer.name])
        for rule in rules
        if not against_gold or rule.scorer.needs_gold or rule.scorer.tells_early
    )
