"""`Options`: a right answer and wrong ones as a multiple choice.

Samples("hub:Idavidrein/gpqa@main?config=gpqa_diamond", columns={"answer": "Correct Answer", …}),
Options(["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]),
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample, canonical_json, digest, prompt_id
from curate.scorers.choice_letters import LATIN
from curate.step import Step


class Options(Step):
    """Lists the answer and the wrong answers under each problem, in an order drawn for it alone.

    The order is a function of `seed` and the problem, never of its position. The answer becomes its
    letter, and `check` the options, so `Choice` judges letters and texts. Prompts without an answer
    or one of the columns are left out as `no_options`.

    Args:
        wrong: the further columns of the prompts that hold the wrong answers.
    """

    def __init__(self, wrong: Sequence[str], *, seed: int = 0) -> None:
        super().__init__()
        if isinstance(wrong, str) or not 1 <= len(wrong) < len(LATIN):
            raise UsageError(
                f"Options({wrong!r}) takes a list of 1 to {len(LATIN) - 1} columns with the wrong "
                "answers"
            )
        self.wrong, self.seed = tuple(wrong), seed

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for document in data:
            prompt = Sample.from_document(document)
            checks = prompt.checks
            texts = [prompt.answer, *(checks.get(name) for name in self.wrong)]
            options = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
            if len(options) < len(texts) or len(set(options)) < len(options):
                found = f"{len(set(options))} different options of {len(texts)}"
                self.drop(document, "no_options", f"{found}; the columns are {', '.join(checks)}")
                continue
            yield with_options(prompt, options, self.seed).to_document()


def with_options(prompt: Sample, options: Sequence[str], seed: int = 0) -> Sample:
    """The prompt with its options listed, of which the first is the right one.

    >>> asked = with_options(Sample(prompt_id="p", problem="Which?"), ["Rome", "Oslo", "Bonn"])
    >>> print(asked.problem)
    Which?
    <BLANKLINE>
    A. Rome
    B. Bonn
    C. Oslo
    >>> asked.answer, asked.checks
    ('A', {'options': ['Rome', 'Bonn', 'Oslo']})
    """
    drawn = sorted(options, key=lambda text: digest([seed, prompt.problem, text]))
    listed = "\n".join(f"{LATIN[n]}. {text}" for n, text in enumerate(drawn))
    problem = f"{prompt.problem.rstrip()}\n\n{listed}"
    check = canonical_json({"options": drawn})
    return replace(
        prompt,
        prompt_id=prompt_id(prompt.source, problem, check),
        problem=problem,
        answer=LATIN[drawn.index(options[0])],
        verifier=prompt.verifier,
        check=check,
        prompt=(),
    )
