"""Rules made of rules: which one is believed, and what two of them come to.

    FirstOf(MathAnswer(), Judge(…))                    # the judge where the rule abstains
    FirstOf(Agreed(MathAnswer(), Choice()), Judge(…))  # and where two rules disagree
    AllOf(MathAnswer(), ThinkFormat())                 # as good as the worst of them

They are written in Python, not typed on a command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer, Watching

_LONGEST_REASON = 280


@dataclass(frozen=True, init=False)
class _Composed(Scorer):
    """Several rules as one; what each of them needs, the whole needs."""

    __signature__: ClassVar[inspect.Signature] = inspect.Signature()
    """Nothing of it can be typed on a command line."""
    scorers: tuple[Scorer, ...]

    def __init__(self, *rules: Scorer, scorers: Sequence[Scorer] = ()) -> None:
        rules = rules or tuple(scorers)
        if len(rules) < 2 or not all(isinstance(rule, Scorer) for rule in rules):
            raise UsageError(
                f"{type(self).__name__} is made of two or more rules, and in Python only:"
                f" {type(self).__name__}(MathAnswer(), ThinkFormat())"
            )
        # A frozen object is told of its rules only this way.
        values: dict[str, Any] = {
            "scorers": rules,
            "needs_gold": self._of(rule.needs_gold for rule in rules),
            "needs_group": any(rule.needs_group for rule in rules),
            "batch": max(rule.batch for rule in rules),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @cached_property
    def name(self) -> str:
        """The class and the names of its rules."""
        return f"{type(self).__name__}({'; '.join(rule.name for rule in self.scorers)})"

    def identity(self) -> Any:
        """What a run's fingerprint has of it: what it has of each rule."""
        return {"scorer": type(self).__name__, "of": [rule.identity() for rule in self.scorers]}

    def _of(self, needs: Iterable[bool]) -> bool:
        """Whether the whole judges against the gold answer, when these of its rules do."""
        return any(needs)

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def gold_problem(self, prompt: Sample) -> str | None:
        """The first rule's that has one: every rule has to judge."""
        return next((p for rule in self.scorers if (p := rule.gold_problem(prompt))), None)

    def judged(
        self, samples: Sequence[Sample], is_open: Callable[[Sequence[Verdict]], bool]
    ) -> list[list[Verdict]]:
        """What the rules say of each sample, in turn, as long as `is_open` of what they have said.

        A rule that judges a prompt's samples against each other is shown all of them.
        """
        said: list[list[Verdict]] = [[] for _ in samples]
        for rule in self.scorers:
            waiting = [i for i, verdicts in enumerate(said) if is_open(verdicts)]
            if not waiting:
                break
            shown = range(len(samples)) if rule.needs_group else waiting
            verdicts = dict(zip(shown, rule.judge_all([samples[i] for i in shown]), strict=True))
            for i in waiting:
                said[i].append(_signed(rule, verdicts[i]))
        return said


class _AnyOf(_Composed):
    """Rules of which one that can judge is enough."""

    def _of(self, needs: Iterable[bool]) -> bool:
        return all(needs)

    def gold_problem(self, prompt: Sample) -> str | None:
        """None when some rule can judge; else what the first one misses."""
        problems = [rule.gold_problem(prompt) for rule in self.scorers]
        return problems[0] if all(problems) else None

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        """Hopeless once every rule says so: the others may yet abstain."""
        watches = [rule.watch(prompt, at_least) for rule in self.scorers]
        found = [watch for watch in watches if watch]
        return _Watches(found, all) if len(found) == len(watches) else None


@dataclass(frozen=True, init=False)
class FirstOf(_AnyOf):
    """What the first rule says that can judge; None when none can.

    A rule is asked only about what those before it could not judge, and all of that at once.

    >>> from curate.scorers import LanguageConsistency, Length
    >>> rule = FirstOf(LanguageConsistency(language="en"), Length(maximum=9, unit="words"))
    >>> rule.judge(Sample(prompt_id="p", problem="3 + 4?").with_completion("7"))
    Verdict(score=1.0, reason='Length:maximum=9,unit=words: 1 words')
    >>> rule.judge(Sample(prompt_id="p", problem="3 + 4?").with_completion("1 + " * 9)).score
    0.0
    """

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        samples = list(samples)
        said = self.judged(samples, lambda v: not v or not v[-1].is_judged)
        return [v[-1] if v[-1].is_judged else _abstained(v) for v in said]


@dataclass(frozen=True, init=False)
class AllOf(_Composed):
    """The lowest score of all rules; None when one of them cannot judge and no other says 0.0.

    What is 0.0 already is not shown to the rules after it.

    >>> from curate.scorers import LanguageConsistency, Length
    >>> rule = AllOf(Length(maximum=9, unit="words"), LanguageConsistency(language="en"))
    >>> prompt = Sample(prompt_id="p", problem="3 + 4?")
    >>> rule.judge(prompt.with_completion("7")).score is None
    True
    >>> rule.judge(prompt.with_completion("1 + " * 9)).score
    0.0
    """

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        said = self.judged(list(samples), lambda v: not v or v[-1].score != 0.0)
        return [_lowest(verdicts) for verdicts in said]

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        """Hopeless as soon as one rule says so."""
        if at_least <= 0.0:
            return None  # one rule's 0.0 would do, whatever another cannot judge
        found = [watch for rule in self.scorers if (watch := rule.watch(prompt, at_least))]
        return _Watches(found, any) if found else None


@dataclass(frozen=True, init=False)
class Agreed(_AnyOf):
    """What all rules say that can judge; None when they disagree, or when none can.

    Within `FirstOf` that hands what they dispute to a judge.

    >>> from curate.scorers import Length
    >>> rule = Agreed(Length(maximum=9, unit="words"), Length(maximum=9, unit="characters"))
    >>> prompt = Sample(prompt_id="p", problem="3 + 4?")
    >>> rule.judge(prompt.with_completion("It is 7.")).score
    1.0
    >>> rule.judge(prompt.with_completion("It is seven.")).score is None
    True
    """

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        return [_agreed(verdicts) for verdicts in self.judged(list(samples), lambda v: True)]


def _signed(rule: Scorer, verdict: Verdict) -> Verdict:
    """A verdict with the name of its rule."""
    return Verdict(verdict.score, f"{rule.name}: {verdict.reason}"[:_LONGEST_REASON])


def _abstained(verdicts: Sequence[Verdict]) -> Verdict:
    return Verdict(None, "; ".join(verdict.reason for verdict in verdicts)[:_LONGEST_REASON])


def _lowest(verdicts: Sequence[Verdict]) -> Verdict:
    if verdicts[-1].score == 0.0:
        return verdicts[-1]
    silent = [verdict for verdict in verdicts if not verdict.is_judged]
    if silent:
        return _abstained(silent)
    return min(verdicts, key=lambda verdict: verdict.score or 0.0)


def _agreed(verdicts: Sequence[Verdict]) -> Verdict:
    judged = [verdict for verdict in verdicts if verdict.is_judged]
    if not judged:
        return _abstained(verdicts)
    if len({verdict.score for verdict in judged}) > 1:
        return Verdict(
            None, f"they disagree: {'; '.join(v.reason for v in judged)}"[:_LONGEST_REASON]
        )
    return judged[0]


class _Watches:
    """Told each piece, tells all of the rules; what one has said once stands."""

    def __init__(self, watches: Sequence[Watching], of: Callable[[Iterable[object]], bool]) -> None:
        self._watches, self._of = watches, of
        self._said: list[str | None] = [None] * len(watches)

    def __call__(self, piece: str, tokens: int) -> str | None:
        for i, watch in enumerate(self._watches):
            self._said[i] = watch(piece, tokens) or self._said[i]
        return "; ".join(filter(None, self._said)) if self._of(self._said) else None
