"""The contract of a scorer: one rule that is a filter, an acceptance test and a reward in TRL.

    MathAnswer().judge(sample)                       # Verdict(score in [0, 1] or None, reason)
    Keep(MathAnswer())                               # a filter, and what Generate(accept=[…]) takes
    GRPOTrainer(reward_funcs=[MathAnswer()], …)      # the object has TRL's call signature
    scorer_from("LanguageConsistency:language=en")   # as it is typed on a command line

A scorer is frozen and holds parameters only, so it pickles; what it loads sits in caches of its
module.
"""

from __future__ import annotations

import difflib
import inspect
import json
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from curate.errors import UsageError
from curate.sample import COLUMNS, Sample, Verdict
from curate.sources.row import read_sample

Watching = Callable[[str, int], str | None]
"""Called with the new text of an answer and its tokens so far: why it is hopeless, or None."""


@dataclass(frozen=True)
class Scorer:
    """A rule that gives samples a `Verdict`; subclasses are frozen dataclasses with `judge`."""

    needs_gold: ClassVar[bool] = False
    """Judges against the prompt's gold answer: the share it accepts is that of right answers."""

    needs_group: ClassVar[bool] = False
    """Judges a prompt's samples against each other, so it needs `judge_all` and cannot accept."""

    batch: ClassVar[int] = 1
    """How many samples `judge_all` likes to get at once; what waits for a server wants many."""

    def judge(self, sample: Sample) -> Verdict:
        """What this rule says of one sample."""
        raise NotImplementedError

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """The verdicts of several samples, in order; overridden where they are needed together."""
        return [self.judge(sample) for sample in samples]

    def rewards(self, samples: Sequence[Sample]) -> list[float | None]:
        """What TRL gets for these samples: the scores, or numbers on a scale of the rule's own."""
        return [verdict.score for verdict in self.judge_all(samples)]

    def gold_problem(self, prompt: Sample) -> str | None:
        """Why no answer to this prompt can be judged (no gold, an unreadable one), or None."""
        return None

    def hopeless(self, beginning: Sample, at_least: float) -> str | None:
        """Why no ending of `beginning` can score `at_least`, or None when one may. Never wrong.

        A rule that can tell defines this, or `watch` where looking at all of it again is dear.
        """
        if type(self).watch is Scorer.watch:
            return None
        watch = self.watch(beginning, at_least)
        return watch(beginning.text, beginning.completion_tokens or 0) if watch else None

    @property
    def tells_early(self) -> bool:
        """True for a rule that may call a beginning hopeless."""
        kind = type(self)
        return kind.watch is not Scorer.watch or kind.hopeless is not Scorer.hopeless

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        """What is told each new piece of an answer and says what `hopeless` says of all so far.

        It may say so a little later. None for a rule that can never tell before the end.
        """
        if type(self).hopeless is Scorer.hopeless:
            return None
        return _Beginnings(self, prompt, at_least)

    @cached_property
    def name(self) -> str:
        """The class and the parameters that are not default, as `scorer_from` reads them."""
        chosen = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.default is MISSING or getattr(self, f.name) != f.default
        ]
        kind = type(self).__qualname__.rpartition(".")[2]
        return ":".join([kind, ",".join(chosen)] if chosen else [kind])

    def identity(self) -> Any:
        """What says what the verdicts are, for fingerprints: not where a model is asked."""
        return repr(self)

    @property
    def __name__(self) -> str:
        """The name under which TRL logs the reward: that of the verdict, so that two rules of one
        class are told apart.
        """
        return self.name

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """A reward function of TRL: one score for each completion, None where it cannot be judged.

        `columns` are those of the dataset, one value for each completion, read as `curate score`
        reads the columns of a file (`read_sample`); what JSON cannot hold is left out. Where the
        chat template opens `<think>` in the generation prompt, the column `prefill` says so
        (`<think>` and a newline); a prompt of plain text that ends with it says so itself.
        """
        columns = {
            name: values
            for name, values in columns.items()
            if isinstance(values, Sequence) and len(values) == len(completions)
        }
        samples: list[Sample] = []
        unread: set[int] = set()
        for i, completion in enumerate(completions):
            row = {name: values[i] for name, values in columns.items()}
            row = {name: value for name, value in row.items() if name in COLUMNS or _is_json(value)}
            if completion_ids is not None:
                row["completion_tokens"] = len(completion_ids[i])
            if prompts is not None:
                row["prompt"] = prompts[i]
            sample = read_sample({**row, "completion": completion})
            if isinstance(sample, Sample):
                samples.append(sample)
            else:
                unread.add(i)
        scores = iter(self.rewards(samples))
        return [None if i in unread else next(scores) for i in range(len(completions))]


class _Beginnings:
    """Asks `hopeless` of the whole beginning, again when an eighth was added.

    But every 1,200 characters at least (300 tokens of English), so a defect is seen at most that
    much later; over 120,000 characters, 7 million are looked at.
    """

    def __init__(self, scorer: Scorer, prompt: Sample, at_least: float) -> None:
        self._scorer, self._prompt, self._at_least = scorer, prompt, at_least
        self._text: list[str] = []
        self._length = self._next = 0
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        self._text.append(piece)
        self._length += len(piece)
        if self._fault is None and self._length >= self._next:
            self._next = self._length + min(max(self._length // 8, 200), 1200)
            said = "".join(self._text)
            beginning = self._prompt.with_completion(said, completion_tokens=tokens)
            self._fault = self._scorer.hopeless(beginning, self._at_least)
        return self._fault


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def scorer_from(text: str) -> Scorer:
    """The scorer that a command line names, as in `NAME:parameter=value,…`; UsageError if none.

    >>> scorer_from("Repetition:n=10").name
    'Repetition:n=10'
    """
    import curate.scorers
    from curate.scorers.peer_names import peer_rewards

    names = [name for name in curate.scorers.__all__ if name not in ("Scorer", "scorer_from")]
    peers = peer_rewards()
    name, _, rest = text.partition(":")
    if name not in names and name not in peers:
        raise UsageError(
            f"there is no scorer '{name}'{_nearest(name, [*names, *peers])}; "
            f"there are {', '.join(names)}, and the rewards of open-r1 and TRL by their names"
        )
    found = getattr(curate.scorers, name) if name in names else peers[name]
    kind = type(found) if isinstance(found, Scorer) else found
    hints = get_type_hints(kind)
    parameters = inspect.signature(kind).parameters
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if key not in parameters or not equals:
            takes = f"it takes {', '.join(parameters)}" if parameters else "it takes none"
            raise UsageError(
                f"{name} has no parameter '{key}'{_nearest(key, list(parameters))}; {takes}"
            )
        values[key] = _typed(name, key, value, hints[key])
    if isinstance(found, Scorer):
        return replace(found, **values)
    if missing := [
        p.name for p in parameters.values() if p.default is p.empty and p.name not in values
    ]:
        raise UsageError(f"{name} needs {', '.join(missing)}, as in {name}:{missing[0]}=…")
    return kind(**values)


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def _typed(scorer: str, key: str, value: str, hint: Any) -> Any:
    """A typed value from a command line; UsageError says what is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        if value == "None":
            return None
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UsageError(f"{scorer}: {key}={value} is not one of {', '.join(get_args(hint))}")
        return value
    if hint is bool:
        if value not in ("True", "False"):
            raise UsageError(f"{scorer}: {key}={value} is not one of True, False")
        return value == "True"
    try:
        return hint(value)
    except ValueError:
        raise UsageError(f"{scorer}: {key}={value} is not of type {hint.__name__}") from None
