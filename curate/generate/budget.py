"""What a run may spend: it stops asking in time, and ends in order."""

from __future__ import annotations

import time
from dataclasses import dataclass

from curate.errors import UsageError
from curate.notice import notice
from curate.step import Context


@dataclass
class Budget:
    """Tokens, samples and hours that may be paid for; None is no limit.

    What comes from the store costs nothing. Tokens count when an answer has ended: no new one is
    asked for as soon as those in flight, at the mean length so far, will reach the limit.
    """

    tokens: int | None = None
    samples: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "samples", "hours"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"budget_{name}={value}: more than 0, or None for no limit")
        self._tokens = self._samples = 0
        self._began = time.monotonic()
        self._is_said = False

    def shared(self, context: Context) -> Budget:
        """The part of one task; those that one worker does in turn share its hours."""
        tokens = None if self.tokens is None else max(1, self.tokens // context.tasks)
        samples = None if self.samples is None else max(1, self.samples // context.tasks)
        turns = -(-context.tasks // context.slots)
        return Budget(tokens, samples, None if self.hours is None else self.hours / turns)

    def spend(self, tokens: int) -> None:
        self._tokens += tokens
        self._samples += 1

    @property
    def left_s(self) -> float | None:
        """Seconds until the time is over; None without a limit."""
        if self.hours is None:
            return None
        return max(0.0, self._began + self.hours * 3600 - time.monotonic())

    def is_spent(self, in_flight: int) -> bool:
        """True when nothing more may be asked for, with so many on their way."""
        mean = self._tokens / self._samples if self._samples else 0.0
        spent = (
            self.left_s == 0
            or (self.samples is not None and self._samples + in_flight >= self.samples)
            or (self.tokens is not None and self._tokens + in_flight * mean >= self.tokens)
        )
        if spent and not self._is_said:
            self._is_said = True
            notice(f"the budget is spent ({self}); what is decided is kept")
        return spent

    def __str__(self) -> str:
        said = {"tokens": self.tokens, "samples": self.samples, "hours": self.hours}
        return ", ".join(f"{name}={value:g}" for name, value in said.items() if value is not None)
