"""Is a growing answer still worth its tokens? Asked while it streams, at a bounded cost a token."""

from __future__ import annotations

from collections.abc import Sequence

from curate.engines.stream import clean
from curate.generate.rollout import rule_in_force
from curate.sample import Sample
from curate.select.keep import Keep


class Watch:
    """Told each new piece of one answer; says which rule it can no longer satisfy, or None.

    Rules that can only tell at the end are not asked. Never wrong: no ending would be accepted.
    """

    def __init__(self, prompt: Sample, rules: Sequence[Keep]) -> None:
        watches = [(rule_in_force(r), r.scorer.watch(prompt, r.at_least)) for r in rules]
        self._watches = [(rule, watch) for rule, watch in watches if watch]
        self._half = ""

    def __call__(self, piece: str, tokens: int) -> str | None:
        """Takes the text since the last call, and the tokens so far."""
        piece = self._half + piece
        # The other half of the character may come; the answer will be judged with it joined.
        self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        piece = clean(piece.removesuffix(self._half))
        # Each is told every piece, whatever another has said.
        found = [rule for rule, watch in self._watches if watch(piece, tokens)]
        return found[0] if found else None
