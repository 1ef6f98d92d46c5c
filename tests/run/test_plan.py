"""Where a flat list of steps is cut into stages."""

from __future__ import annotations

from typing import Any

import pytest
from datatrove.pipeline.filters.lambda_filter import LambdaFilter

from curate.errors import UsageError
from curate.run.plan import cut
from curate.select import Dedup, Join, Pick
from curate.step import Stage, Step, TwoPass


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
        pytest.param([Source(), Asks(), Source()], "lead nowhere", id="a chain without an end"),
        pytest.param([Source(), Stage([Join()])], "stages of its own", id="join by hand"),
    ],
)
def test_lists_that_cannot_run(steps: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        cut(steps, 1)


class Census(TwoPass):
    """Looks at everything, then lets everything pass."""

    def observe(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        return data

    def decide(self, tasks: int) -> None: ...

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        return data


def shape(steps: list[Any], tasks: int) -> list[str]:
    """Each stage as `inputs: labels (tasks)`, with what it observes or decides."""
    planned = cut(steps, tasks)
    return [
        f"{'+'.join(str(s.number) for s in stage.inputs)}: "
        + " ".join(
            [
                *stage.labels,
                *(["(looks)"] if stage.observes else []),
                *(["(decides)"] if stage.decides else []),
            ]
        )
        + f" x{stage.tasks}"
        for stage in planned
    ]


@pytest.mark.parametrize(
    ("steps", "tasks", "stages"),
    [
        pytest.param(
            [Source(), Asks(), Census(), Folder()],
            4,
            [": Source x1", "1: Asks (looks) x4", ": (decides) x1", "2: Census x4", "4: Folder x1"],
            id="behind a generator",
        ),
        pytest.param(
            [Source(), Census(), Asks()],
            4,
            [": Source x1", "1: (looks) x4", ": (decides) x1", "2: Census Asks x4"],
            id="behind a source, with several tasks",
        ),
        pytest.param(
            [Source(), Census(), Asks()],
            1,
            [": Source (looks) x1", ": (decides) x1", "1: Census Asks x1"],
            id="behind a source, with one task",
        ),
        pytest.param(
            [Source(), Census(), Census()],
            2,
            [
                *(": Source x1", "1: (looks) x2", ": (decides) x1", "2: Census (looks) x2"),
                *(": (decides) x1", "4: Census#2 x2"),
            ],
            id="one after the other",
        ),
        pytest.param(
            [Source(), Asks(), Source(), Asks(), Join(), Pick(by="first")],
            2,
            [
                *(": Source x1", "1: Asks x2", ": Source#2 x1", "3: Asks#2 x2"),
                *("2+4: Join x2", "5: Pick x2"),
            ],
            id="two chains",
        ),
        pytest.param(
            [Source(), Asks(), Folder(), Source(), Asks()],
            2,
            [": Source x1", "1: Asks x2", "2: Folder x1", ": Source#2 x1", "4: Asks#2 x2"],
            id="a sink ends a chain",
        ),
    ],
)
def test_shapes(steps: list[Any], tasks: int, stages: list[str]) -> None:
    assert shape(steps, tasks) == stages
