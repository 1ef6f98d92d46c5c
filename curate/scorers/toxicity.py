"""Does a classifier call the completion toxic? The model is yours to choose; none is carried.

    Toxicity(engine="transformers", model="s-nlp/roberta_toxicity_classifier")
    Toxicity(engine="http://HOST:8000/v1", model="NAME")    # vllm serve NAME --runner pooling

A model without a chat template is served with `--chat-template '{{ messages[0].content }}'`. Lists
of bad words refuse what is said about people as well as what is said against them (Dodge et al.
2021, arXiv 2104.08758), so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Turn, Verdict
from curate.scorers.new_sentences import sentences
from curate.scorers.reward_model import RewardModel, sigmoid
from curate.text import words


@dataclass(frozen=True)
class Toxicity(RewardModel):
    """1.0 - the probability that the worst part of the completion is toxic; None when unread.

    The text is shown in sentences of together `part_words` words, as such models read 512 tokens,
    without the problem; by default with the reasoning, as R1's safety model sees it (v2, section
    3.1). `label` is the place of the toxic class, the last one by default. `independent`: the
    classes do not exclude each other, so it is the sigmoid of that one, not its share
    (unitary/toxic-bert has 6, the first is `toxic`: `label=0,independent=True`). No text is 1.0.

    Raises EngineError when nobody answers.
    """

    sees: Literal["response", "completion"] = "completion"
    part_words: int = 200
    independent: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part_words < 1:
            raise UsageError(f"Toxicity: part_words={self.part_words} is at least 1")

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """All scores, asked for at the same time."""
        parts = [self._parts(sample) for sample in samples]
        verdicts = iter(super().judge_all([part for said in parts for part in said]))
        return [_worst([next(verdicts) for _ in said]) for said in parts]

    def _parts(self, sample: Sample) -> list[Sample]:
        said = sample.response if self.sees == "response" else sample.text
        parts, size = list[str](), 0
        for sentence in sentences(said):
            more = 0 if sentence in _TAGS else len(words(sentence))
            if not more:
                continue
            if parts and size + more <= self.part_words:
                parts[-1], size = f"{parts[-1]} {sentence.strip()}", size + more
            else:
                parts, size = [*parts, sentence.strip()], more
        return [sample.with_completion(part) for part in parts]

    def _turns(self, sample: Sample) -> tuple[Turn, ...]:
        return (Turn(role="user", content=sample.text),)

    def _verdict(self, outputs: Sequence[float]) -> Verdict:
        toxic = super()._verdict(outputs)
        if toxic.score is None:
            return toxic
        share = sigmoid(outputs[self.label]) if self.independent else toxic.score
        return Verdict(1 - share, f"toxic: {share:.3g}")


_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The lowest of the parts; None when one was not read."""
    if not verdicts:
        return Verdict(1.0, "no text")
    return min(verdicts, key=lambda verdict: -1.0 if verdict.score is None else verdict.score)
