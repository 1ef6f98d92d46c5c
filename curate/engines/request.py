"""What is asked and what comes back: all that passes between `Generate`, client and store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from curate.sample import Turn, digest


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion to be asked for; `seed` below 2**31, which every engine takes as it is.

    `kind` is the route: `chat`, or `completions` for the text of the messages as it is, without a
    chat template (base models).
    """

    messages: tuple[Turn, ...]
    model: str
    revision: str | None = None
    kind: str = "chat"
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    seed: int
    prefill: str = ""
    """The beginning of the answer, which the engine continues; part of the completion."""

    @cached_property
    def key(self) -> str:
        """SHA-256 of what determines the answer, 64 hex digits; `max_tokens` is checked instead."""
        prefill = {"prefill": self.prefill} if self.prefill else {}
        return digest(
            prefill
            | {
                "model": self.model,
                "revision": self.revision,
                "kind": self.kind,
                "messages": self.messages,
                "temperature": float(self.temperature),
                "top_p": float(self.top_p),
                "stop": self.stop,
                "seed": self.seed,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model said to one request.

    `finish_reason`: `stop` (it ended by itself), `length` (the limit ended it), `cut` (we did, for
    the rule in `cut_by`; `text` is the beginning), `refused` (the server will never answer this
    one; `error` says why, `text` is empty), or what else the engine calls it.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    max_tokens: int
    cut_by: str | None = None
    error: str | None = None
    model: str | None = None
    """The name that the engine answered under."""

    def serves(self, request: Request, rules: frozenset[str]) -> bool:
        """True when a request of the same key would get this, while `rules` may cut answers."""
        if self.finish_reason in ("length", "refused"):
            return self.max_tokens == request.max_tokens
        if self.finish_reason == "cut" and self.cut_by not in rules:
            return False
        known = self.max_tokens if self.completion_tokens is None else self.completion_tokens
        return min(known, self.max_tokens) <= request.max_tokens
