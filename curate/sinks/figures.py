"""The pictures of a card: bars as SVG, the same bytes for the same numbers.

Each bar says its number as text or, where many stand side by side, as its tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from curate.sinks.card import Told

WIDTH = 760
ROW = 26
LABELS = 250
HEIGHT = 220
COLOURS = ("#4c72b0", "#c98b3c", "#6b9e5f")
"""Readable on white and on the Hub's dark page."""
_TEXT = 'font-family="sans-serif" font-size="13" fill="#808080"'


class Bar(NamedTuple):
    """A bar: what it is of, and how much."""

    label: str
    value: int
    colour: int = 0


def pictures(told: Told) -> dict[str, str]:
    """The pictures of a card by the names of their files; those of which nothing is known are
    left out.
    """
    statistics = told.statistics
    steps = [
        Bar(f"{row['step']} ({row.get('unit', 'samples')})", row.get("out", 0), is_prompts(row))
        for row in told.funnel
    ]
    lengths = [
        Bar(f"{low:,} to {high:,}", n) for low, high, n in statistics.completion_tokens.histogram()
    ]
    rates = [
        Bar(f"{tenth * 10} to {tenth * 10 + 9} %" if tenth < 10 else "100 %", n)
        for tenth, n in ((t, statistics.pass_rates[t]) for t in range(11))
    ]
    found = {"funnel.svg": bars("What was left after each step", steps)} if len(steps) > 1 else {}
    if lengths:
        found["lengths.svg"] = histogram("Tokens of a completion", lengths)
    if statistics.pass_rates:
        found["pass_rates.svg"] = bars("Prompts by pass rate", rates)
    return found


def is_prompts(row: Mapping[str, Any]) -> bool:
    return row.get("unit") == "prompts"


def bars(title: str, of: Sequence[Bar]) -> str:
    """Bars from left to right, one a line, with their numbers behind them."""
    most = max((bar.value for bar in of), default=0) or 1
    lines = []
    for number, bar in enumerate(of):
        top = number * ROW + 30
        width = round((WIDTH - LABELS - 110) * bar.value / most, 1)
        lines += [
            f'<text x="{LABELS - 10}" y="{top + 14}" text-anchor="end" {_TEXT}>'
            f"{shown(bar.label)}</text>",
            f'<rect x="{LABELS}" y="{top}" width="{max(width, 1)}" height="18" '
            f'fill="{COLOURS[bar.colour]}"/>',
            f'<text x="{LABELS + max(width, 1) + 8}" y="{top + 14}" {_TEXT}>{bar.value:,}</text>',
        ]
    return _svg(title, lines, len(of) * ROW + 40)


def histogram(title: str, of: Sequence[Bar]) -> str:
    """Bars that stand side by side; the first and the last are named below."""
    most = max((bar.value for bar in of), default=0) or 1
    width = round((WIDTH - 40) / max(len(of), 1), 2)
    lines = []
    for number, bar in enumerate(of):
        height = round((HEIGHT - 80) * bar.value / most, 1)
        lines.append(
            f'<rect x="{round(20 + number * width, 2)}" y="{round(HEIGHT - 40 - height, 1)}" '
            f'width="{round(width * 0.9, 2)}" height="{height}" fill="{COLOURS[bar.colour]}">'
            f"<title>{shown(bar.label)}: {bar.value:,}</title></rect>"
        )
    if of:
        y = HEIGHT - 18
        lines.append(f'<text x="20" y="{y}" {_TEXT}>{shown(of[0].label)}</text>')
        lines.append(
            f'<text x="{WIDTH - 20}" y="{y}" text-anchor="end" {_TEXT}>{shown(of[-1].label)}</text>'
        )
    return _svg(title, lines, HEIGHT)


def shown(text: str) -> str:
    """Text in a picture: short, and nothing of it is markup."""
    line = "".join(c for c in re.sub(r"\s+", " ", text) if c.isprintable())
    return escape(line if len(line) <= 36 else line[:35] + "…")


def _svg(title: str, lines: Sequence[str], height: int) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
    )
    top = f'<text x="20" y="18" {_TEXT} font-weight="bold">{shown(title)}</text>'
    return "\n".join([head, f"<title>{shown(title)}</title>", top, *lines, "</svg>"]) + "\n"
