"""`AsPrompts`: a prompt's samples become the prompt again, with its pass rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from datatrove.data import Document

from curate.sample import Sample, Turn, is_prompt_document
from curate.step import Step, grouped


class AsPrompts(Step):
    """Gives one prompt for all samples of it: what RL is trained on.

    The prompt keeps its counts (`pass_rate`, `samples_tried`, `samples_correct`) and the model
    whose they are. The samples are counted as left out, as `as_prompt`, and stay in `rejected/`.
    Prompts pass as they are.
    """

    is_grouped = True
    makes = "prompts"
    counts_itself = True

    def __init__(self) -> None:
        super().__init__()

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for group in grouped(data):
            samples = [d for d in group if not is_prompt_document(d)]
            prompts = [d for d in group if is_prompt_document(d)]
            if samples and not prompts:
                prompts = [prompt_of(Sample.from_document(samples[0])).to_document()]
            self.count("samples", into=len(samples))
            for document in samples:
                self.drop(document, "as_prompt", f"one of {len(samples)} of its prompt")
            for prompt in prompts:
                self.count("prompts", into=1, out=1)
                yield prompt


def prompt_of(sample: Sample) -> Sample:
    """What was asked, without what was answered.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7", pass_rate=0.5)
    >>> asked = prompt_of(prompt.with_completion("7", k=2, finish_reason="stop"))
    >>> asked.k, asked.answer, asked.pass_rate, asked.finish_reason, asked.prompt[0]["content"]
    (-1, '7', 0.5, None, 'What is 3 + 4?')
    """
    return replace(
        sample,
        id="",
        k=-1,
        prompt=sample.prompt or (Turn(role="user", content=sample.problem),),
        completion=(),
        finish_reason=None,
        prompt_tokens=None,
        completion_tokens=None,
        seed=None,
        verdicts={},
    )
