"""What a person sees while a run works: a live bar on a terminal, a plain line every ten seconds
elsewhere.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from curate.run.prices import Prices

PLAIN_EVERY_S = 10.0
TOLD_AGAIN_S = 30.0
WINDOW_S = 60.0
"""The time left is forecast from the pace of the last minute: what the store answered at the start
says nothing of it.
"""

OWN = {
    "step": "step {step:,.0f} of {steps:,.0f}",
    "loss": "loss {loss:.4g}",
    "proved": "{proved:,.0f} rows proved",
    "rows compared": "{rows compared:,.0f} rows compared",
    "MB checked": "{MB checked:,.1f} MB checked",
    "MB sent": "{MB sent:,.1f} of {of MB:,.1f} MB sent",
    "MB read back": "{MB read back:,.1f} MB read back",
}
"""What steps report of their own work, a training or an upload."""


class Progress:
    """The progress of one stage; numbers come per task and add up."""

    def __init__(self, name: str, total: int | None, prices: Prices | None = None) -> None:
        self.name, self.total, self.prices = name, total, prices or Prices()
        self._tasks: dict[int, Mapping[str, float]] = {}
        self._started = self._said = time.monotonic()
        self._history: deque[tuple[float, Counter[str]]] = deque()
        self._told: dict[str, float] = {}
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = live_bar(name, total)
            self._bar.start()

    def heard(self, rank: int, numbers: Mapping[str, float]) -> None:
        self._tasks[rank] = numbers

    def told(self, text: str) -> None:
        """Shows a worker's notice; what several workers say at a time is said once."""
        now = time.monotonic()
        if now - self._told.get(text, -math.inf) < TOLD_AGAIN_S:
            return
        self._told[text] = now
        if self._bar:
            self._bar.console.print(f"curate: {text}", markup=False, highlight=False)
        else:
            say(f"curate: {text}")

    def tick(self) -> None:
        now, numbers = time.monotonic(), self.numbers()
        if not self._history or now - self._history[-1][0] >= 1.0:
            self._history.append((now, numbers))
        while self._history[-1][0] - self._history[0][0] > WINDOW_S:
            self._history.popleft()
        if self._bar:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=numbers["done"], said=self.sentence(numbers))
        elif now - self._said >= PLAIN_EVERY_S:
            self._said = now
            parts = [self.share(numbers), self.sentence(numbers)]
            say(f"{self.name}: {', '.join(part for part in parts if part)}")

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()

    def numbers(self) -> Counter[str]:
        """The sums over tasks; `done` counts decided prompts where the stage generates, else
        consumed documents.
        """
        sums: Counter[str] = Counter()
        for numbers in self._tasks.values():
            for name, number in numbers.items():
                sums[name] += number  # type: ignore[assignment]
            sums["done"] += numbers.get("decided", numbers.get("consumed", 0))  # type: ignore[assignment]
        return sums

    def share(self, numbers: Counter[str]) -> str:
        of = f" of {self.total:,}" if self.total else ""
        return f"{numbers['done']:,.0f}{of} done"

    def sentence(self, numbers: Counter[str]) -> str:
        """Rates and what is left, as far as they are known."""
        parts: list[str] = []
        if numbers["tried"]:
            parts.append(f"{numbers['accepted']:,.0f} of {numbers['tried']:,.0f} samples accepted")
        if tokens := self.rate("completion_tokens"):
            parts.append(f"{tokens:,.0f} tokens/s")
        if numbers["accepted"] and numbers["sample_tokens"]:
            each = numbers["sample_tokens"] / numbers["accepted"]
            parts.append(f"{each:,.0f} tokens for each accepted")
        parts += self.load(numbers)
        if numbers["from_store"]:
            parts.append(f"{numbers['from_store']:,.0f} from the store")
        parts += [text.format_map(numbers) for name, text in OWN.items() if numbers[name]]
        parts += [self.cost(numbers), self.time_left(numbers)]
        return ", ".join(p for p in parts if p)

    def cost(self, numbers: Counter[str]) -> str:
        """GPU hours and money so far, and in all at the share that is done; empty without both."""
        hours = self.prices.gpu_hours(time.monotonic() - self._started)
        paid = self.prices.cost(numbers["prompt_tokens"], numbers["completion_tokens"], hours)
        if not numbers["tried"] or (hours is None and paid is None):
            return ""
        parts = [f"{hours:,.1f} GPU hours"] if hours is not None else []
        parts += [self.prices.money(paid)] if paid is not None else []
        if self.total and numbers["done"] and paid is not None:
            whole = self.prices.money(paid * self.total / numbers["done"])
            parts.append(f"about {whole} in all")
        return ", ".join(parts)

    @staticmethod
    def load(numbers: Counter[str]) -> list[str]:
        """What the servers do, as far as they say."""
        said = {
            "in_flight": "{:,.0f} in flight",
            "kv_percent": "KV cache {:.0f} % full",
            "preemptions": "{:,.0f} preempted",
            "cut": "{:,.0f} cut early",
            "retries": "{:,.0f} repeated",
        }
        return [text.format(numbers[name]) for name, text in said.items() if numbers[name]]

    def rate(self, name: str) -> float:
        """Per second over the window; 0 before there are five seconds of it."""
        if not self._history or self._history[-1][0] - self._history[0][0] < 5:
            return 0.0
        (t0, first), (t1, last) = self._history[0], self._history[-1]
        return (last[name] - first[name]) / (t1 - t0)

    def time_left(self, numbers: Counter[str]) -> str:
        rate = self.rate("done")
        if not self.total or numbers["done"] < 5 or rate <= 0:
            return ""
        seconds = (self.total - numbers["done"]) / rate
        return f"about {duration(seconds)} left" if seconds >= 1 else ""


def live_bar(name: str, total: int | None) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    ]
    bar = Bar(*columns, console=Console(stderr=True), refresh_per_second=4, transient=True)
    bar.add_task(name, total=total, said="")
    return bar


def duration(seconds: float) -> str:
    """Two units at most: `45 s`, `3 min 20 s`, `5 h 10 min`."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60} s"
    return f"{s // 3600} h {s % 3600 // 60} min"


def say(line: str) -> None:
    """A line for the person who watches, on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
