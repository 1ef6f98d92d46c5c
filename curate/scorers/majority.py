"""What most samples of a prompt answer: a verdict without a gold answer, and a label (cons@n).

    Majority().judge_all(samples)      # 1.0 for those of the largest class of answers
    consensus(samples)                 # Consensus(answer="7", share=0.625, n=16)

Answers are of one class when `MathAnswer` calls them equal; of a multiple choice (a prompt with
`options`), when they choose the same option, by letter or by text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from curate.sample import Sample, Verdict, canonical_json
from curate.scorers.choice_letters import LATIN
from curate.scorers.choice_reading import Labels, Reading
from curate.scorers.math_answer import compare, gold_problems
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Majority(Scorer):
    """1.0 when the answer is that of the largest class of the prompt's samples, else 0.0, or None.

    No answer is 0.0. None for all that answer when two classes are the largest, and when there is
    but one sample. The reason says how many of all samples agree. Agreement is no proof: it says
    what the model believes, and a label from it is a pseudo-gold answer (see `consensus`).

    >>> prompt = Sample(prompt_id="p", problem="What is 1 - 1/2?")
    >>> answers = ["0.5", r"$\\frac{1}{2}$", "2", "I do not know."]
    >>> verdicts = Majority().judge_all([prompt.with_completion(a) for a in answers])
    >>> [verdict.score for verdict in verdicts]
    [1.0, 1.0, 0.0, 0.0]
    >>> verdicts[2].reason
    '1 of 4 answer 2, 2 answer 0.5'
    """

    needs_group: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        """One sample is no majority."""
        return self.judge_all([sample])[0]

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        samples = list(samples)
        verdicts: list[Verdict] = [Verdict(0.0, "no final answer")] * len(samples)
        for group in _by_prompt(samples):
            classes = answer_classes([samples[i] for i in group])
            for one in classes:
                verdict = _verdict(one, classes, len(group))
                for member in one.members:
                    verdicts[group[member]] = verdict
        return verdicts


@dataclass(frozen=True)
class Consensus:
    """What most samples of a prompt answer: a label by agreement, not a gold answer.

    `answer` is None when none answers or two classes are the largest; `share` is that of the
    largest class among all `n` samples.
    """

    answer: str | None
    share: float
    n: int

    def label(self, prompt: Sample) -> Sample:
        """The prompt with this as its answer, and in `check` what it rests on: it is no gold.

        Raises ValueError without an answer.

        >>> Consensus("7", 0.75, 16).label(Sample(prompt_id="p", problem="3 + 4?")).checks
        {'consensus': {'n': 16, 'share': 0.75}}
        """
        if self.answer is None:
            raise ValueError("there is no consensus to take as a label")
        rests_on = {"consensus": {"n": self.n, "share": self.share}}
        check = canonical_json({**prompt.checks, **rests_on})
        return replace(prompt, answer=self.answer, check=check)


def consensus(samples: Sequence[Sample]) -> Consensus:
    """The answer of the largest class of one prompt's samples, in its first spelling.

    With 64 samples that is the cons@64 of DeepSeek-R1 (v1, section 3), ties left open.
    """
    classes = answer_classes(samples)
    if not classes:
        return Consensus(None, 0.0, len(samples))
    best = _largest(classes)
    answer = best[0].answer if len(best) == 1 else None
    return Consensus(answer, len(best[0].members) / len(samples), len(samples))


@dataclass
class AnswerClass:
    """Equal answers: the first spelling, and the places of those who gave one of them."""

    answer: str
    is_readable: bool = True
    """What `MathAnswer` cannot read is equal to its own spelling only."""
    members: list[int] = field(default_factory=list)


def answer_classes(samples: Sequence[Sample]) -> list[AnswerClass]:
    """The answers of one prompt's samples by equality, in the order of their first appearance.

    Each new spelling is compared with one answer of each class, the largest first; samples without
    an answer are in none.
    """
    classes: list[AnswerClass] = []
    known: dict[str, AnswerClass] = {}
    labels = _labels(samples[0]) if samples else None
    for place, sample in enumerate(samples):
        answer = _chosen(sample, labels) if labels else sample.final_answer
        if answer is None:
            continue
        spelling = "".join(answer.split())
        if spelling not in known:
            known[spelling] = _class_of(answer, classes, is_open=labels is None)
        known[spelling].members.append(place)
    return classes


def _class_of(answer: str, classes: list[AnswerClass], *, is_open: bool) -> AnswerClass:
    """The class of a spelling that is new; of options, whose letters tell, it is always another."""
    is_readable = is_open and gold_problems([answer])[0] is None
    readable = [one for one in classes if is_readable and one.is_readable]
    for one in sorted(readable, key=lambda one: -len(one.members)):
        if compare(one.answer, answer).score == 1.0:
            return one
    classes.append(AnswerClass(answer, is_readable))
    return classes[-1]


def _labels(prompt: Sample) -> Labels | None:
    """How the options of a multiple choice are called; None where the prompt has no list of them.

    >>> check = '{"options": {"A": "Rome", "B": "Paris"}}'
    >>> _labels(Sample(prompt_id="p", problem="?", check=check)).texts
    ('Rome', 'Paris')
    """
    options = prompt.checks.get("options", prompt.checks.get("choices"))
    if isinstance(options, dict):
        options = options.get("text") or [options[letter] for letter in sorted(options)]
    if not isinstance(options, list) or not 2 <= len(options) <= len(LATIN):
        return None
    return Labels(False, len(options), tuple(map(str, options)))


def _chosen(sample: Sample, labels: Labels) -> str | None:
    """The letters of the options that an answer chooses, None when it chooses none."""
    chosen = Reading(sample.response, labels).chosen
    return labels.named(chosen) if chosen else None


def _by_prompt(samples: Sequence[Sample]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(sample.prompt_id, []).append(place)
    return list(groups.values())


def _largest(classes: Sequence[AnswerClass]) -> list[AnswerClass]:
    """The class with most members; several when they are equally large."""
    most = max(len(one.members) for one in classes)
    return [one for one in classes if len(one.members) == most]


def _verdict(one: AnswerClass, classes: Sequence[AnswerClass], n: int) -> Verdict:
    best = _largest(classes)
    said = f"{len(one.members)} of {n} answer {_short(one.answer)}"
    if n == 1:
        return Verdict(None, "one sample is no majority")
    if len(best) > 1:
        return Verdict(None, f"{said}; {len(best)} answers are as frequent as the first")
    if one is best[0]:
        return Verdict(1.0, said)
    return Verdict(0.0, f"{said}, {len(best[0].members)} answer {_short(best[0].answer)}")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
