"""What generation costs here: the prices in `[tool.curate]` of the project's pyproject.toml.

[tool.curate]
gpus = 16                                   # that serve the model, and
gpu_hour_price = 2.0                        # of one of them; or, where tokens are bought,
price_per_million_input_tokens = 0.55
price_per_million_output_tokens = 2.19
currency = "USD"
hardware = "2 nodes of 8 H100"              # for the card
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from curate.errors import UsageError
from curate.project import find_root

ASKED = ("prompt_tokens", "completion_tokens")
HINT = (
    "for the cost, put prices into [tool.curate] of pyproject.toml: gpus and gpu_hour_price, or "
    "price_per_million_output_tokens"
)


@dataclass(frozen=True)
class Prices:
    """By the hour of a GPU or by the token, never both; None is what nobody has said."""

    gpus: int | None = None
    gpu_hour_price: float | None = None
    price_per_million_input_tokens: float | None = None
    price_per_million_output_tokens: float | None = None
    currency: str = "USD"
    hardware: str | None = None

    def gpu_hours(self, seconds: float) -> float | None:
        """Hours of all GPUs that serve; None where their number is not known."""
        return None if self.gpus is None else seconds / 3600 * self.gpus

    def cost(self, tokens_in: float, tokens_out: float, gpu_hours: float | None) -> float | None:
        """In `currency`; None where nothing tells a price."""
        if self.gpu_hour_price is not None:
            return None if gpu_hours is None else gpu_hours * self.gpu_hour_price
        if self.price_per_million_output_tokens is None:
            return None
        paid_in = tokens_in * (self.price_per_million_input_tokens or 0)
        return (paid_in + tokens_out * self.price_per_million_output_tokens) / 1e6

    def money(self, amount: float) -> str:
        """An amount as people read it; below one unit with its first two digits.

        >>> Prices().money(1234.5), Prices(currency="EUR").money(0.001234)
        ('1,234.50 USD', '0.0012 EUR')
        """
        shown = f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.2g}"
        return f"{shown} {self.currency}"


def cost_of(
    tokens_in: float, tokens_out: float, gpu_hours: float | None, prices: Prices
) -> str | None:
    """What so many tokens or GPU hours cost, as text; None where nothing tells a price."""
    cost = prices.cost(tokens_in, tokens_out, gpu_hours)
    return None if cost is None else prices.money(cost)


def spent(stages: Sequence[Mapping[str, Any]], prices: Prices) -> dict[str, str]:
    """Hardware, GPU hours and cost of what a run itself asked for, as text, as far as the project
    says them; what the store had was paid for by another run.
    """
    asking = [stage for stage in stages if stage.get("numbers")]
    if not asking:
        return {}
    asked = Counter[str]()
    for stage in asking:
        asked.update({name: stage["numbers"].get(name, 0) for name in ASKED})
    seconds = sum(stage["seconds"] for stage in asking) if asked["completion_tokens"] else 0.0
    hours = prices.gpu_hours(seconds)
    cost = cost_of(asked["prompt_tokens"], asked["completion_tokens"], hours, prices)
    told = {
        "hardware": prices.hardware,
        "GPU hours": f"{hours:,.3g}" if hours is not None else None,
    }
    return {what: much for what, much in {**told, "cost": cost}.items() if much is not None}


def prices_near(folder: Path) -> Prices:
    """The prices of the project that a folder is in, else of the one that the current folder is in.

    Raises UsageError as `read_prices` does.
    """
    root = find_root(folder / "pyproject.toml")
    return read_prices(root if (root / "pyproject.toml").is_file() else find_root(Path.cwd() / "_"))


def read_prices(project: Path) -> Prices:
    """The prices of a project; UsageError names the file and the key that is wrong."""
    path = project / "pyproject.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("curate", {})
    except FileNotFoundError:
        return Prices()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.curate is {table!r}, not a table")
    names = [field.name for field in fields(Prices)]
    for key in table.keys() - set(names):
        # Others may keep their settings here; what is nearly one of these is a slip.
        if near := difflib.get_close_matches(key, names, 1, 0.8):
            raise UsageError(f"{path}: tool.curate has no {key}; did you mean {near[0]}?")
    values = {key: checked(path, key, table[key]) for key in names if key in table}
    prices = Prices(**values)
    by_token = prices.price_per_million_output_tokens
    if prices.gpu_hour_price is not None and prices.gpus is None:
        raise UsageError(f"{path}: gpu_hour_price needs gpus, the number of GPUs that serve")
    if prices.gpu_hour_price is not None and by_token is not None:
        raise UsageError(f"{path}: say gpu_hour_price or price_per_million_…_tokens, not both")
    if prices.price_per_million_input_tokens is not None and by_token is None:
        raise UsageError(
            f"{path}: price_per_million_input_tokens needs price_per_million_output_tokens"
        )
    return prices


def checked(path: Path, key: str, value: Any) -> Any:
    """The value of a key, if it is what the key takes."""
    if key in ("currency", "hardware"):
        if isinstance(value, str) and value.strip():
            return value
        example = {"currency": "USD", "hardware": "8 H100"}[key]
        raise UsageError(f"{path}: {key} is {value!r}; it takes text, as in {example!r}")
    if key == "gpus":
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        raise UsageError(f"{path}: gpus is {value!r}; it takes a whole number from 1")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value >= 0:
        return float(value)
    raise UsageError(f"{path}: {key} is {value!r}; it takes a number from 0, as in 2.5")
