"""`Pick`: the best few samples of each prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.step import Step, grouped

RULES = ("shortest", "longest", "first")


class Pick(Step):
    """Keeps `per_prompt` samples of each prompt, by a stated rule; the others are `surplus`.

    `shortest` and `longest` count completion tokens (characters where the engine gave no count),
    `first` goes by the number of the sample; equal ones go by that number.
    """

    is_grouped = True

    def __init__(self, per_prompt: int = 1, *, by: str) -> None:
        super().__init__()
        if by not in RULES:
            raise UsageError(f"Pick(by={by!r}): choose one of {', '.join(RULES)}")
        if per_prompt < 1:
            raise UsageError(f"Pick(per_prompt={per_prompt}): at least 1")
        self.per_prompt, self.by = per_prompt, by

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        for group in grouped(data):
            ranked = sorted(group, key=self._place)
            chosen = sorted(ranked[: self.per_prompt], key=lambda d: d.metadata["k"])
            for document in ranked[self.per_prompt :]:
                self.drop(document, "surplus", f"{self.by}: {chosen[0].id} was taken")
            yield from chosen

    def _place(self, document: Document) -> tuple[int, int, str]:
        tokens = document.metadata.get("completion_tokens") or len(document.text)
        length = {"shortest": tokens, "longest": -tokens, "first": 0}[self.by]
        return (length, document.metadata["k"], document.id)
