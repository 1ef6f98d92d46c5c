"""The words of a text that grows."""

from __future__ import annotations

from curate.text import words


class NewWords:
    """Takes a text in pieces and gives those words (`curate.text.words`) that have ended."""

    def __init__(self) -> None:
        self.unfinished = ""
        """The last word so far; it may still grow."""

    def feed(self, piece: str) -> list[str]:
        """The words that `piece` has ended.

        >>> new = NewWords()
        >>> new.feed("It is se"), new.feed("ven, I"), new.unfinished
        (['It', 'is'], ['seven,'], 'I')
        """
        found = words(self.unfinished + piece)
        self.unfinished = found.pop() if found and not piece[-1:].isspace() else ""
        return found
