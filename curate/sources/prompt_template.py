"""`PromptTemplate`: what a dataset's column `prompt` says, where that is not the bare problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from datatrove.data import Document

from curate.errors import SampleError
from curate.sample import Sample
from curate.sources.template import Template, load_template
from curate.step import Context, Step


class PromptTemplate(Step):
    """Writes the turns of a template into the column `prompt`: what RL asks with, say R1-Zero's.

    Takes prompts. Their ids and problems stay, so they are the same prompts in another form; one
    that lacks what the template asks for is left out as `template_unfilled`.
    """

    template: Template
    """Read by `prepare`."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        self._file = context.find(self.path)
        self.template = load_template(self._file)

    def files(self) -> list[Path]:
        return [self._file]

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for document in data:
            try:
                turns = self.template.render(Sample.from_document(document))
            except SampleError as error:
                self.drop(document, "template_unfilled", str(error))
                continue
            document.metadata["prompt"] = list(turns)
            yield document
