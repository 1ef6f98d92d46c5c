"""What an author wrote into a generated README, kept when it is generated again.

<!-- author: limitations -->
Problems of 2024 are missing.
<!-- /author: limitations -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = re.compile(
    r"^<!-- author: (?P<name>[\w -]+?) -->\n(?P<text>.*?)^<!-- /author: (?P=name) -->$",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[`~]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """An author's block: its name, its text, and where its text stands."""

    name: str
    text: str
    start: int
    end: int


def is_code(text: str, position: int) -> bool:
    """Whether a place of a Markdown text is inside a fenced block."""
    return any(start < position < end for start, end in (m.span() for m in _FENCED.finditer(text)))


def blocks(text: str) -> Iterator[Block]:
    """The author's blocks of a README in order; what only looks like one inside code is none."""
    for found in _BLOCK.finditer(text):
        if not is_code(text, found.start()):
            yield Block(found["name"], found["text"], *found.span("text"))


def with_prose(new: str, old: str) -> str:
    """The README `new` with the author's prose of `old`.

    A block of `old` takes the place of the block of that name in `new`; one that `new` does not
    have stands at its end.

    >>> old = "# A\\n<!-- author: x -->\\nMine.\\n<!-- /author: x -->\\n"
    >>> print(with_prose("# B\\n<!-- author: x -->\\n<!-- /author: x -->\\n", old), end="")
    # B
    <!-- author: x -->
    Mine.
    <!-- /author: x -->
    """
    before = old.replace("\r\n", "\n")
    kept = {block.name: block.text for block in blocks(before) if block.text.strip()}
    parts: list[str] = []
    last = 0
    for block in blocks(new):
        parts += [new[last : block.start], kept.pop(block.name, block.text)]
        last = block.end
    text = "".join([*parts, new[last:]])
    for name, prose in kept.items():
        text = f"{text.rstrip()}\n\n<!-- author: {name} -->\n{prose}<!-- /author: {name} -->\n"
    return text
