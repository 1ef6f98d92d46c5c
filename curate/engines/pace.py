"""How many requests one server takes at a time, found while they run.

A window grows while the server keeps up and shrinks when it does not. What "does not" means depends
on what the server tells: with `/metrics`, a queue, a full KV cache, preemptions; without, `429` and
the time to the first token.

The KV cache is the limit that hurts: a request that is preempted is computed again from its
beginning, and whoever waits for that to show has overshot by a whole generation of answers, as all
answers that run will still grow. So the window follows what they will need: with n requests in
flight, the cache holds about n * E[L^2] / 2 E[L] tokens of answers (the mean age of a renewal
process) and their prompts.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean, median

from curate.engines.metrics import Gauges

_MOST = 4096
_PRIOR = 8
"""The weight of the first guess of an answer's length, in answers."""
_GUESS = 4
"""First guess: a quarter of the limit; R1's answers have 6,000 tokens of 32,768 (v2, table 5)."""
_FILL, _LEAST_FILL, _MOST_FILL = 0.9, 0.4, 1.6
_GROWS, _BACKS_OFF = 0.12, 0.95
"""The share of the cache that is planned for: grows with each turn of the window, shrinks with
preemptions. Both, and the next two, from the model in the tests: 12 to 19 % of the preemptions of a
window that ignores the cache, in 3 to 6 % more time.
"""
_TARGET, _PULL = 0.92, 2.0
"""Use of the cache that the window is pulled to: the planned one is only right on average."""
_RECENT = 512


class Lengths:
    """The tokens of answers, those that still run included."""

    def __init__(self, max_tokens: int) -> None:
        self.most = max_tokens
        self._ended: deque[int] = deque(maxlen=_RECENT)
        self._prompts: deque[int] = deque(maxlen=_RECENT)

    def ended(self, tokens: int, prompt_tokens: int) -> None:
        self._ended.append(tokens)
        self._prompts.append(prompt_tokens)

    def held(self, in_flight: int) -> float:
        """KV tokens that a request holds on average while it runs, prompt included.

        The mean length is that of an exponential law with `in_flight` tokens of unfinished answers
        (exposure over events): the first to end are the short ones, and alone they would mislead.
        """
        guess = self.most / _GUESS
        mean = (guess * _PRIOR + sum(self._ended) + in_flight) / (_PRIOR + len(self._ended))
        mean = min(mean, self.most)
        prompt = fmean(self._prompts) if self._prompts else 0.0
        return max(1.0, prompt + mean * (1 + self._variation()) / 2)

    def _variation(self) -> float:
        """The squared coefficient of variation; 1, the exponential law's, of fewer than 20."""
        if len(self._ended) < 20:
            return 1.0
        mean = fmean(self._ended)
        return fmean((n - mean) ** 2 for n in self._ended) / mean**2 if mean else 0.0


class Pace:
    """The window of one server: `limit` requests at a time."""

    def __init__(self, start: int, max_tokens: int = 0) -> None:
        self.limit = max(1, start)
        self.shrunk = 0
        """How often the window became smaller for a reason, so far."""
        self._lengths = Lengths(max_tokens)
        self._fill = _FILL
        self._is_starting = True
        self._preemptions: float | None = None
        self._queued = 0
        self._since_back_off = math.inf
        self._busy = self._ended = 0
        """Refusals and answers of the last turn of the window."""
        self._credit = 0.0
        self._first_tokens: deque[float] = deque(maxlen=64)
        self._best_first: float = math.inf
        self._is_gauged = False

    def expect(self, max_tokens: int) -> None:
        """Says how long an answer may become; the longest counts."""
        self._lengths.most = max(self._lengths.most, max_tokens)

    def ended(self, tokens: int, prompt_tokens: int, first_s: float, is_full: bool) -> None:
        """An answer ended; `first_s` is the time to its first token, `is_full` that of a window
        without room.
        """
        self._lengths.ended(tokens, prompt_tokens)
        self._since_back_off += 1
        self._ended += 1
        if self._ended >= max(32, self.limit):
            self._ended = self._busy = 0
        self._fill = min(_MOST_FILL, self._fill + _GROWS / self.limit)
        if self._is_gauged:
            return
        self._first_tokens.append(first_s)
        self._best_first = min(self._best_first, first_s)
        is_judged = len(self._first_tokens) >= 8 and self._since_back_off >= self.limit
        if is_judged and median(self._first_tokens) > 4 * self._best_first + 1.0:
            self._back_off(0.8)
            return
        if is_full:
            self._credit += 1.0 if self._is_starting else 1 / self.limit
            grown = int(self._credit)
            self._credit -= grown
            self.limit = min(_MOST, self.limit + grown)

    def busy(self) -> None:
        """The server said that it has too much to do."""
        self._busy += 1
        # One in twenty may be chance; a server at its limit refuses many.
        if self._busy > 1 + self._ended / 5:
            self._back_off(0.75)

    def gauged(self, load: Gauges, mine: int, tokens: int) -> None:
        """Looks at the server's load; `mine` requests with `tokens` answer tokens are this
        client's.
        """
        self._is_gauged = True
        share = min(1.0, mine / max(load.running + load.waiting, mine, 1))
        self._note_preemptions(load)
        most = self._room(load, share, tokens)
        spare = max(1.0, load.running / 16)
        self._queued = self._queued + 1 if load.waiting > spare else 0
        if mine > most or self.limit > most:
            self._set(most)
        elif self._queued >= 2:
            self._set(max(1, math.ceil(mine - (load.waiting - spare) * share)))
        elif mine >= self.limit - 1 and load.waiting <= spare / 2:
            step = self.limit // 4 if self._is_starting else self.limit // 32
            self.limit = min(most, self.limit + max(1, step))

    def _room(self, load: Gauges, share: float, tokens: int) -> int:
        """How many of our requests the KV cache holds when they are as long as they will be."""
        capacity = load.kv_tokens
        if capacity is None and load.kv_usage and load.kv_usage > 0.2:
            capacity = tokens / share / load.kv_usage
        if capacity is None:
            return _MOST
        planned = self._fill * capacity * (share or 1.0) / self._lengths.held(tokens)
        if load.kv_usage is not None:
            planned *= 1 + _PULL * (_TARGET - load.kv_usage)
        return max(1, min(_MOST, int(planned)))

    def _note_preemptions(self, load: Gauges) -> None:
        before, self._preemptions = self._preemptions, load.preemptions
        if before is None or load.preemptions is None or load.preemptions <= before:
            return
        if self._since_back_off >= self.limit / 4:
            self._since_back_off = 0
            self._fill = max(_LEAST_FILL, self._fill * _BACKS_OFF)

    def _set(self, limit: int) -> None:
        if limit < self.limit:
            self.shrunk += 1
            self._is_starting = False
        self.limit = limit

    def _back_off(self, factor: float) -> None:
        self._since_back_off = self._busy = self._ended = 0
        self._first_tokens.clear()
        self._set(max(1, int(self.limit * factor)))


class Clock:
    """When to look at a server again: twenty times while an answer is made, at least every 2 s."""

    def __init__(self) -> None:
        self._mean_s = 2.0

    def ended(self, seconds: float) -> None:
        self._mean_s += (seconds - self._mean_s) / 16

    @property
    def wait_s(self) -> float:
        """Seconds until the next look."""
        return min(2.0, max(0.1, self._mean_s / 20))
