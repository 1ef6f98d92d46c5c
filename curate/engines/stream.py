"""A streamed chat completion as it arrives: server-sent events in, one completion out.

data: {"choices": [{"delta": {"content": "It is"}, "finish_reason": null}], "model": "…"}
data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}
data: {"choices": [], "usage": {"prompt_tokens": 38, "completion_tokens": 20}}
data: [DONE]
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from curate.engines.request import Completion
from curate.text import CLOSE, OPEN, join_think

# No event of a completion comes near this; without a bound a server gone mad would fill the memory.
_LONGEST_EVENT = 1 << 24


class Fault(Exception):
    """This attempt failed; the same request may well succeed later."""

    retry_after_s: float = 0.0
    is_unreachable: bool = False
    """Nobody answered, or nobody who speaks this protocol."""
    is_connection: bool = False
    """There was no connection to be had."""
    is_busy: bool = False
    """The server is well and asks to wait."""
    is_stall: bool = False
    """It took the request and then said nothing for long."""


class Refused(Exception):
    """The server will never answer this request."""


class Answer:
    """What has arrived of one completion; `prefill` is its beginning, which we gave it."""

    def __init__(self, prefill: str = "") -> None:
        self.tokens = 0
        """Pieces of text so far; one is a token or, now and then, a few."""
        self.length = 0
        """Characters so far."""
        self.is_done = False
        self.is_orderly = True
        """False when reasoning came after the response: what `take` gave is then no beginning."""
        self._rest = b""
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._prefill = prefill
        self._open = "" if OPEN in prefill else OPEN
        self._new = [prefill]
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._model: str | None = None

    def feed(self, data: bytes) -> bool:
        """Takes bytes as they come; True when they completed an event. Fault if it is not one."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_EVENT:
            raise Fault("an event without end")
        events = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        for event in events:
            if event == b"[DONE]":
                self.is_done = True
            elif event:
                self._take(event)
        return bool(events)

    def take(self) -> str:
        """The text that came since the last call, as it will stand in the answer."""
        new = "".join(self._new)
        self._new.clear()
        return new

    @property
    def text(self) -> str:
        """All text so far, reasoning and response as one."""
        reasoning, content = "".join(self._reasoning), "".join(self._content)
        text = join_think(reasoning, content)
        return self._prefill + (text.removeprefix(OPEN) if reasoning and not self._open else text)

    def completion(self, max_tokens: int) -> Completion:
        """The whole answer; Fault when the stream ended before it did."""
        if self._finish_reason is None:
            raise Fault("the stream ended before the answer")
        if self._finish_reason in ("abort", "error"):
            raise Fault(f"the server ended the answer: {self._finish_reason}")
        return Completion(
            text=clean(self.text),
            finish_reason=self._finish_reason,
            prompt_tokens=self._usage.get("prompt_tokens"),
            completion_tokens=self._usage.get("completion_tokens", self.tokens),
            max_tokens=max_tokens,
            model=self._model,
        )

    def cut(self, max_tokens: int, rule: str) -> Completion:
        """The beginning that there is, as a completion that `rule` ended."""
        return Completion(
            text=clean(self.text),
            finish_reason="cut",
            prompt_tokens=None,
            completion_tokens=self.tokens,
            max_tokens=max_tokens,
            cut_by=rule,
            model=self._model,
        )

    def _take(self, data: bytes) -> None:
        try:
            event = _parse(data)
            if error := event.get("error"):
                raise _error_event(error)
            if isinstance(event.get("usage"), dict):
                self._usage = event["usage"]
            self._model = event.get("model", self._model)
            if choices := event["choices"]:
                self._add(choices[0])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise Fault(f"not a chat completion: {data[:100]!r} ({error})") from None

    def _add(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        content = delta.get("content") or choice.get("text") or ""
        if added := len(reasoning) + len(content):
            if reasoning:
                # Not strings: let it fail here, where it is known which server said it.
                self._new.append(("" if self._reasoning else self._open) + reasoning)
                self._reasoning.append(reasoning)
                self.is_orderly = self.is_orderly and not self._content
            if content:
                ends_reasoning = self._reasoning and not self._content
                self._new.append(CLOSE + content if ends_reasoning else "" + content)
                self._content.append(content)
            self.tokens += 1
            self.length += added
        self._finish_reason = choice.get("finish_reason") or self._finish_reason


def _parse(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # half of a character, which only Python's own decoder takes
        return json.loads(data.decode())


def _error_event(error: Any) -> Exception:
    """An error in the middle of a stream, in the shape that vLLM and llama.cpp give it."""
    code = error.get("code") if isinstance(error, dict) else None
    text = str(error.get("message") if isinstance(error, dict) else error)[:300]
    return Refused(text) if code in (400, 413, 422) else Fault(text)


def clean(text: str) -> str:
    """The text as every reader takes it: halves of a character are joined or replaced, NULs too.


    >>> clean("a\\x00b\\ud83d\\ude00\\ud83d")
    'a\\ufffdb\\U0001f600\\ufffd'
    """
    if not is_clean(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd")


def is_clean(text: str) -> bool:
    """True when there is no half of a character in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
