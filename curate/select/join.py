"""`Join`: several chains of documents become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from datatrove.data import Document

from curate.step import Step


class Join(Step):
    """Takes all chains that are open before it, one after the other, and lets everything pass.

    A chain is open from its source to a sink; `Mix` takes all open chains as well.
    """

    is_join = True

    def __init__(self) -> None:
        super().__init__()

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        return data
