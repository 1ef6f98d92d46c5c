"""What a whole run will take, from a pilot: `curate plan FILE [key=value …]`.

Shares of prompts have Wilson's interval; means are bootstrapped over prompts, because the samples
of one prompt are alike. Both at 95 %, and widened because the prompts to come differ too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np

from curate.errors import RunError
from curate.run.describe import describe_plan
from curate.run.load import Pipeline
from curate.run.pilot import Pilot, count_prompts, run_pilot
from curate.run.prices import HINT, Prices, read_prices
from curate.run.progress import duration
from curate.run.run import Options, Run

Z = 1.96
RESAMPLES = 2_000
"""The ends then move by about 1 % from seed to seed (60 times 20 prompts, lognormal lengths)."""
FEW = 10
"""Prompts below which a bootstrap says too little: it has only those to draw from."""
PER_UNKNOWN = 1_000


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        return Interval(*(factor * end for end in self))

    def rounded(self) -> dict[str, float | None]:
        """For JSON, which has no infinity; four digits are more than are known."""
        return {
            name: float(f"{end:.4g}") if math.isfinite(end) else None
            for name, end in self._asdict().items()
        }


def wilson(good: int, n: int) -> Interval:
    """The share of good ones, with Wilson's score interval (Wilson 1927; right for small n too).

    >>> [round(end, 3) for end in wilson(0, 20)], [round(end, 3) for end in wilson(10, 20)]
    ([0.0, 0.0, 0.161], [0.5, 0.299, 0.701])
    """
    share, spread = good / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def bootstrap(over: list[float], under: list[float] | None = None) -> Interval:
    """The mean of `over`, or with `under` the ratio of the sums: percentiles of resampled prompts,
    moved apart as Student's t is wider than the normal (Hesterberg 2015, expanded percentiles).

    >>> bootstrap([3.0, 3.0, 3.0])
    Interval(value=3.0, low=3.0, high=3.0)
    """
    n = len(over)
    top, bottom = np.asarray(over, float), np.asarray(under or [1.0] * n, float)
    chosen = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.nan_to_num(
            top[chosen].sum(axis=1) / bottom[chosen].sum(axis=1), nan=math.inf, posinf=math.inf
        )
    # Without interpolation: between two infinities it would make a not-a-number.
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    value, wider = float(top.sum() / bottom.sum()), student(max(1, n - 1)) / Z
    wider *= math.sqrt(n / max(1, n - 1))
    ends = (value + (float(end) - value) * wider for end in (low, high))
    return Interval(value, *(max(0.0, end) for end in ends))


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by its first terms (Abramowitz and Stegun, 26.7.5).

    >>> round(student(19), 2), round(student(4), 2)
    (2.09, 2.73)
    """
    return Z + (Z**3 + Z) / (4 * freedom) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * freedom**2)


def whole(one: Interval, piloted: int, prompts: int | None) -> Interval:
    """From what one prompt takes to what all take: known of those piloted, estimated of the rest.

    The rest differ from each other as the piloted do: a variance of s² (1/n + 1/r) for the mean of
    r more after n, so the interval is wider by √(1 + n/r). Without `prompts`, of 1,000 more.
    """
    known = piloted if prompts else 0
    rest = max(0, prompts - piloted) if prompts else PER_UNKNOWN
    if not rest:
        return Interval(*[one.value * known] * 3)
    wider = math.sqrt(1 + piloted / rest)
    ends = (max(0.0, one.value + (end - one.value) * wider) for end in one)
    return Interval(*(known * one.value + rest * end for end in ends))


@dataclass(frozen=True)
class Line:
    """One number of a forecast: its key in JSON, what it is, and how it is written."""

    key: str
    what: str
    interval: Interval
    shown: Callable[[float], str]


@dataclass(frozen=True)
class Forecast:
    """What all prompts take, or 1,000 of them where nobody knows how many there are."""

    pilot: Pilot
    prompts: int | None
    lines: list[Line]
    notes: list[str]


def forecast(
    pilot: Pilot, prompts: int | None, concurrency: int | None, prices: Prices
) -> Forecast:
    """The forecast of `prompts` prompts from a pilot of at least one."""
    n, spent = len(pilot.spent), pilot.spent
    kept_prompts = [s for s in spent if s.kept]
    share = wilson(len(kept_prompts), n)
    # With nothing kept the interval still says how much it may be: one sample a prompt, say.
    each = sum(s.kept for s in kept_prompts) / len(kept_prompts) if kept_prompts else 1.0
    again = pilot.samples / max(1, sum(s.samples for s in spent))
    samples = [s.samples * again for s in spent]
    tokens = [s.tokens_out * pilot.tokens / max(1, sum(s.tokens_out for s in spent)) for s in spent]

    def total(one: Interval) -> Interval:
        return whole(one, n, prompts)

    tokens_in = total(bootstrap([s.tokens_in * again for s in spent]))
    tokens_out = total(bootstrap(tokens))
    lines = [
        Line("prompts_kept", "prompts with a kept sample", total(share), integer),
        Line("samples", "samples asked for", total(bootstrap(samples)), integer),
        Line("samples_kept", "samples kept", total(share.times(each)), integer),
        Line("completion_tokens", "completion tokens", tokens_out, integer),
        Line("prompt_tokens", "prompt tokens", tokens_in, integer),
    ]
    if sum(samples):
        one = bootstrap(tokens, samples)
        lines.append(Line("tokens_per_sample", "tokens of a sample", one, integer))
    if kept_prompts:
        one = bootstrap(tokens, [float(s.kept) for s in spent])
        lines.append(Line("tokens_per_kept_sample", "tokens for a kept sample", one, integer))
    costs, notes = times_and_cost(pilot, concurrency, prices, tokens_in, tokens_out)
    if n < FEW:
        notes.append(f"{n} prompts are few: the intervals are too narrow; say --pilot {2 * FEW}")
    return Forecast(pilot, prompts, [*lines, *costs], notes)


def times_and_cost(
    pilot: Pilot,
    concurrency: int | None,
    prices: Prices,
    tokens_in: Interval,
    tokens_out: Interval,
) -> tuple[list[Line], list[str]]:
    """Hours, GPU hours and cost, as far as a rate and prices are known, and what limits them."""
    n, lines, notes = len(pilot.spent), list[Line](), list[str]()
    asked, seconds = pilot.numbers.get("completion_tokens", 0), None
    if asked and pilot.seconds:
        rate = asked / pilot.seconds
        seconds = tokens_out.times(1 / rate)
        lines.append(Line("seconds", "time at the pilot's rate", seconds, duration))
        notes.append(
            f"measured {rate:,.1f} tokens/s with at most {n} prompts at a time, start included"
        )
        if concurrency and concurrency > n:
            seconds = seconds.times(n / concurrency)
            what = f"time with concurrency={concurrency}"
            lines.append(Line("seconds_at_concurrency", what, seconds, duration))
            notes.append(
                f"with {concurrency} at a time only if each answer comes as fast as here; what a "
                "server holds says: curate plan --serve MODEL"
            )
    else:
        notes.append(
            "every answer came from the store, which says nothing of the time: say a larger --pilot"
        )
    hours = None
    if seconds and prices.gpus:
        hours = seconds.times(prices.gpus / 3600)
        lines.append(Line("gpu_hours", f"GPU hours of {prices.gpus}", hours, decimal))
    if costs := cost_interval(prices, tokens_in, tokens_out, hours):
        lines.append(Line("cost", "cost", costs, prices.money))
    elif prices == Prices():
        notes.append(HINT)
    return lines, notes


def cost_interval(
    prices: Prices, tokens_in: Interval, tokens_out: Interval, hours: Interval | None
) -> Interval | None:
    ends = [prices.cost(tokens_in[i], tokens_out[i], hours[i] if hours else None) for i in range(3)]
    known = [end for end in ends if end is not None]
    return Interval(*known) if len(known) == 3 else None


def integer(value: float) -> str:
    """A count to three digits, which is more than a pilot tells.

    >>> integer(123456), integer(7.6), integer(float("inf"))
    ('123,000', '8', 'no end')
    """
    if not math.isfinite(value):
        return "no end"
    return f"{round(float(f'{value:.3g}')):,}"


def decimal(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"


def text(of: Forecast, name: str) -> str:
    """A forecast as a person reads it."""
    pilot, n = of.pilot, len(of.pilot.spent)
    stored = pilot.numbers.get("from_store", 0)
    there = f", {stored:,.0f} of them were there already" if stored else ""
    scope = (
        f"{of.prompts:,} prompts" if of.prompts else f"each {PER_UNKNOWN:,} prompts (of how many?)"
    )
    head = (f"for {scope}", "expected", "95 % interval")
    rows = [
        (line.what, line.shown(line.interval.value), f"{shown_ends(line)}") for line in of.lines
    ]
    wide = [max(len(row[i]) for row in (head, *rows)) for i in range(3)]
    table = [f"  {a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}".rstrip() for a, b, c in rows]
    lines = [
        f"{name}: a pilot of the first {n:,} prompts, as limit={n} takes them, not a random sample",
        f"  {pilot.samples:,.0f} samples, {pilot.tokens:,.0f} tokens, {duration(pilot.seconds)}",
        f"  the answers are in the store{there}; the run does not ask for them again",
        *(f"  {step}: {count:,} {reason}" for step, reason, count in pilot.reasons[:5]),
        "",
        f"{head[0]:<{wide[0] + 2}}  {head[1]:>{wide[1]}}  {head[2]:>{wide[2]}}",
        *table,
        "",
        *(line for note in of.notes for line in wrap(f"note: {note}", 100)),
    ]
    return "\n".join(lines)


def shown_ends(line: Line) -> str:
    low, high = line.shown(line.interval.low), line.shown(line.interval.high)
    return low if low == high else f"{low} to {high}"


def as_dict(of: Forecast, name: str) -> dict[str, Any]:
    """The same for programs; an end that nobody knows is null."""
    spent = of.pilot.spent
    return {
        "pipeline": name,
        "pilot": {
            "prompts": len(spent),
            "prompts_kept": sum(1 for s in spent if s.kept),
            "samples": of.pilot.samples,
            "samples_kept": sum(s.kept for s in spent),
            "completion_tokens": of.pilot.tokens,
            "from_store": of.pilot.numbers.get("from_store", 0),
            "seconds": round(of.pilot.seconds, 1),
            "dropped": [
                dict(zip(("step", "reason", "n"), r, strict=True)) for r in of.pilot.reasons
            ],
        },
        "prompts": of.prompts,
        "forecast_of": of.prompts or PER_UNKNOWN,
        "forecast": {line.key: line.interval.rounded() for line in of.lines},
        "notes": of.notes,
    }


def plan_text(
    pipeline: Pipeline, typed: Mapping[str, Any], prompts: int, *, as_json: bool = False
) -> str:
    """What `curate plan FILE key=value …` prints: the stages, and the forecast of a pilot of
    `prompts` prompts.
    """
    prices, run = read_prices(pipeline.root), Run(pipeline, typed, Options())
    pilot = run_pilot(pipeline, typed, prompts)
    if not pilot.spent:
        raise RunError("the source gave no prompt; what it refused is said above")
    concurrency = run.values.get("concurrency")
    window = concurrency if isinstance(concurrency, int) else None
    of = forecast(pilot, count_prompts(run), window, prices)
    if as_json:
        return json.dumps(as_dict(of, pipeline.name), indent=2, ensure_ascii=False)
    return f"{describe_plan(run)}\n\n{text(of, pipeline.name)}"
