"""Where a flat list of steps is cut into stages."""

from __future__ import annotations

from typing import Any

import pytest
from datatrove.pipeline.filters.lambda_filter import LambdaFilter

from curate.errors import UsageError
from curate.run.plan import cut
from curate.select import Dedup, Pick
from curate.step import Stage, Step


class Idle(Step):
    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        return data


class Source(Idle):
    is_source = True


class Asks(Idle):
    is_generator = True

    def __init__(self, at_once: int | None = None) -> None:
        super().__init__()
        self.at_once = at_once

    def parallel(self) -> int | None:
        return self.at_once


class Folder(Idle):
    is_whole = True
    is_sink = True


def keep_all(document: Any) -> bool:
    return True


def any_order(data: Any, rank: int = 0, world_size: int = 1) -> Any:
    return data


@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        pytest.param([Source()], [["Source"]], id="a source alone"),
        pytest.param(
            [Source(), Asks(), Dedup(by="completion", within="prompt"), Pick(by="first"), Folder()],
            [["Source"], ["Asks", "Dedup", "Pick"], ["Folder"]],
            id="the cold start",
        ),
        pytest.param(
            [Source(), Asks(), Asks(), Pick(by="first")],
            [["Source"], ["Asks"], ["Asks#2", "Pick"]],
            id="two engines take turns",
        ),
        pytest.param(
            [Source(), Asks(), LambdaFilter(keep_all), Pick(by="first")],
            [["Source"], ["Asks", "LambdaFilter", "Pick"]],
            id="a filter keeps the order",
        ),
        pytest.param(
            [Source(), Asks(), any_order, Pick(by="first")],
            [["Source"], ["Asks", "any_order"], ["Pick"]],
            id="an unknown step may mix",
        ),
        pytest.param(
            [Source(), Stage([Asks(), any_order], tasks=3), any_order],
            [["Source"], ["Asks", "any_order"], ["any_order#2"]],
            id="grouped by hand",
        ),
    ],
)
def test_cut(steps: list[Any], stages: list[list[str]]) -> None:
    planned = cut(steps, 5)
    assert [stage.labels for stage in planned] == stages
    assert [stage.number for stage in planned] == list(range(1, len(stages) + 1))


def test_tasks_of_each_stage() -> None:
    steps = [Source(), Stage([Asks(), any_order], tasks=3), any_order, Folder()]
    assert [stage.tasks for stage in cut(steps, 5)] == [1, 3, 5, 1]


def test_sorting_only_where_samples_may_be_mixed() -> None:
    assert [s.sort for s in cut([Source(), Asks(), Pick(by="first")], 2)] == [False, False]
    assert [s.sort for s in cut([Source(), Asks(), any_order, Pick(by="first")], 2)][-1]
    assert [s.sort for s in cut([Source(), Pick(by="first"), Folder()], 2)] == [False, True, False]


def test_workers_are_no_more_than_requests_at_a_time() -> None:
    assert cut([Source(), Asks(at_once=2)], 8)[1].workers == 2
    assert cut([Source(), Asks()], 8)[1].workers == 8


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        pytest.param([], "empty list", id="empty"),
        pytest.param([Source(), "filter"], "is not a step", id="no step"),
        pytest.param([Source(), Stage([Asks()], gpus=8)], "gives no GPUs", id="gpus"),
        pytest.param([Source(), Source()], "second chain", id="two sources"),
    ],
)
def test_lists_that_cannot_run(steps: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        cut(steps, 1)
