"""A flat list of steps, cut into stages.

A new stage begins after a source (its prompts are dealt to the tasks), around a step that must see
everything (one task), and where a step needs a prompt's samples together but the steps before may
have mixed them (the runner sorts there).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from datatrove.pipeline.filters.base_filter import BaseFilter

from curate.errors import UsageError
from curate.step import Stage, Step, Unit


@dataclass
class PlannedStage:
    """Steps that run in one executor pass."""

    steps: list[Any]
    tasks: int
    sort: bool = False
    by_hand: bool = False
    """Grouped with `Stage([...])`: nothing else joins it."""
    labels: list[str] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    number: int = 0

    @property
    def name(self) -> str:
        """The folder name of the stage: its number and its most telling step."""
        telling = next((s for s in self.steps if getattr(s, "is_generator", False)), self.steps[0])
        return f"{self.number:02d}-{type(telling).__name__}"

    @property
    def workers(self) -> int:
        """How many workers it can feed at most."""
        limits = [s.parallel() for s in self.steps if isinstance(s, Step)]
        return min([self.tasks, *(n for n in limits if n is not None)])

    @property
    def ends_in_sink(self) -> bool:
        return getattr(self.steps[-1], "is_sink", False)


def cut(steps: Sequence[Any], tasks: int) -> list[PlannedStage]:
    """The stages of a pipeline's list; raises UsageError for a list that cannot run."""
    if not steps:
        raise UsageError("the pipeline returns an empty list; it needs at least a source")
    stages: list[PlannedStage] = []
    together = False
    for item in steps:
        inside = list(item.steps) if isinstance(item, Stage) else [item]
        for step in inside:
            check_step(step, first=not stages and step is inside[0])
        sort = bool(stages) and needs_sorting(inside, together)
        if isinstance(item, Stage):
            if item.gpus:
                raise UsageError(
                    f"Stage(gpus={item.gpus}): the local executor gives no GPUs to a stage; "
                    "leave gpus out, and name a server with engine=http://HOST:PORT/v1"
                )
            stages.append(PlannedStage(inside, item.tasks or tasks, sort, by_hand=True))
        else:
            whole = getattr(item, "is_whole", False)
            if not stages or begins_stage(item, stages[-1], sort):
                alone = whole or not stages
                stages.append(PlannedStage([], 1 if alone else tasks, sort=sort and not whole))
            stages[-1].steps.append(item)
        for step in inside:
            together = keeps_together(step, together)
    for number, stage in enumerate(stages):
        stage.number = number + 1
    label(stages)
    return stages


def check_step(step: Any, first: bool) -> None:
    if not callable(step):
        raise UsageError(f"{step!r} is not a step; the list holds steps and Stage([...])")
    if getattr(step, "is_source", False) and not first:
        raise UsageError(f"{step!r} starts a second chain of prompts; a list has one source")


def begins_stage(step: Any, before: PlannedStage, sort: bool) -> bool:
    """True when a step cannot join the stage before.

    Two steps that generate would use the engine's slots twice over, so each has its own stage.
    """
    last = before.steps[-1]
    alone = getattr(last, "is_source", False) or getattr(last, "is_whole", False) or before.by_hand
    generates = getattr(step, "is_generator", False)
    second = generates and any(getattr(s, "is_generator", False) for s in before.steps)
    return bool(alone or sort or second or getattr(step, "is_whole", False))


def needs_sorting(steps: Sequence[Any], together: bool) -> bool:
    """True when the first step that cares would get a prompt's samples scattered."""
    for step in steps:
        if getattr(step, "is_grouped", False):
            return not together
        together = keeps_together(step, together)
    return False


def keeps_together(step: Any, together: bool) -> bool:
    """True when the samples of a prompt leave the step one after the other."""
    if getattr(step, "is_generator", False) or getattr(step, "is_grouped", False):
        return True
    return together and isinstance(step, Step | BaseFilter)


def label(stages: list[PlannedStage]) -> None:
    """Gives every step of the run a name of its own, and the unit that it counts in where nothing
    comes in.
    """
    seen: Counter[str] = Counter()
    unit: Unit = "prompts"
    for stage in stages:
        for step in stage.steps:
            name = getattr(step, "label", "") or getattr(step, "__name__", type(step).__name__)
            seen[name] += 1
            stage.labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
            stage.units.append(unit)
            if getattr(step, "is_generator", False):
                unit = "samples"
