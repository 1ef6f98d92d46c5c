"""Prices in pyproject.toml: what they make of tokens and hours, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.run.prices import Prices, cost_of, prices_near, read_prices, spent


def write(project: Path, lines: str) -> Path:
    project.mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").write_text(f"[tool.curate]\n{lines}\n")
    return project


@pytest.mark.parametrize(
    ("lines", "cost"),
    [
        pytest.param("", None, id="no price"),
        pytest.param("gpus = 8", None, id="hours without a price"),
        pytest.param("gpus = 8\ngpu_hour_price = 2", "24.00 USD", id="by the hour"),
        pytest.param("price_per_million_output_tokens = 2.19", "4.38 USD", id="by the token"),
        pytest.param(
            "price_per_million_output_tokens = 2\nprice_per_million_input_tokens = 0.5\n"
            'currency = "EUR"',
            "4.50 EUR",
            id="both kinds of token",
        ),
        pytest.param("price_per_million_output_tokens = 0", "0.00 USD", id="free"),
    ],
)
def test_what_a_million_tokens_in_two_out_and_twelve_hours_cost(
    tmp_path: Path, lines: str, cost: str | None
) -> None:
    prices = read_prices(write(tmp_path, lines))
    assert cost_of(1_000_000, 2_000_000, 12.0, prices) == cost


def test_what_a_run_spent_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    lines = 'gpus = 8\ngpu_hour_price = 2\nhardware = "one node"'
    prices = read_prices(write(tmp_path, lines))
    asked = {"prompt_tokens": 10, "completion_tokens": 20}
    stages = [{"seconds": 900.0}, *({"seconds": 900.0, "numbers": asked} for _ in range(2))]
    told = {"hardware": "one node", "GPU hours": "4", "cost": "8.00 USD"}
    assert spent(stages, prices) == told
    assert spent(stages[:1], prices) == {} == spent(stages, Prices())


def test_gpu_hours_are_those_of_all_gpus(tmp_path: Path) -> None:
    assert read_prices(write(tmp_path, "gpus = 16")).gpu_hours(1800) == 8.0
    assert Prices().gpu_hours(1800) is None


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('gpus = "8"', "gpus is '8'; it takes a whole number"),
        ("gpus = true", "gpus is True"),
        ("gpus = 0", "gpus is 0"),
        ("gpu_hour_price = 2", "gpu_hour_price needs gpus"),
        ("gpus = 1\ngpu_hour_price = -1", "gpu_hour_price is -1"),
        ("gpus = 1\ngpu_hour_price = nan", "gpu_hour_price is nan"),
        ("price_per_million_output_tokens = []", "price_per_million_output_tokens is"),
        ("price_per_million_input_tokens = 1", "needs price_per_million_output_tokens"),
        ("gpus = 1\ngpu_hour_price = 1\nprice_per_million_output_tokens = 1", "not both"),
        ("currency = 3", "currency is 3; it takes text"),
        ("hardware = 8", "hardware is 8; it takes text"),
        ("gpu_hour_prize = 2", "has no gpu_hour_prize; did you mean gpu_hour_price"),
        ("gpus = ", "is not TOML"),
    ],
)
def test_what_is_wrong_names_the_key_and_the_file(tmp_path: Path, lines: str, says: str) -> None:
    write(tmp_path, lines)
    with pytest.raises(UsageError) as caught:
        read_prices(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_a_table_of_that_name_is_needed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\ncurate = 3\n")
    with pytest.raises(UsageError, match=r"tool\.curate is 3, not a table"):
        read_prices(tmp_path)


def test_others_may_keep_their_settings_there(tmp_path: Path) -> None:
    assert read_prices(write(tmp_path, "editor = 'vi'")) == Prices()
    assert read_prices(tmp_path / "nowhere") == Prices()


def test_the_project_of_a_folder_else_of_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(tmp_path / "mine", "gpus = 2") / "runs/a"
    run.mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(write(tmp_path / "here", "gpus = 3"))
    assert prices_near(run).gpus == 2
    assert prices_near(tmp_path / "scratch").gpus == 3
