"""A flat list of steps, cut into stages.

A new stage begins after a source (its prompts are dealt to the tasks), around a step that must see
everything (one task), and where a step needs a prompt's samples together but the steps before may
have mixed them (the runner sorts there). A step in two passes is three of them: the stage before
observes, one task decides, and the next stage begins with what is left. A source in the middle of
the list begins a new chain; `Join` and `Mix` take all chains that are open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from datatrove.pipeline.filters.base_filter import BaseFilter

from curate.errors import UsageError
from curate.step import Stage, Step, TwoPass, Unit


@dataclass(eq=False)
class PlannedStage:
    """Steps that run in one executor pass."""

    steps: list[Any]
    tasks: int
    sort: bool = False
    by_hand: bool = False
    """Grouped with `Stage([...])`: nothing else joins it."""
    gpus: int = 0
    inputs: list[PlannedStage] = field(default_factory=list)
    """The stages whose documents it reads; none for a source and for a decision."""
    observes: TwoPass | None = None
    """The step that looks at the documents behind the last step."""
    decides: TwoPass | None = None
    """The step whose decision this stage is; then it has no steps and no documents."""
    labels: list[str] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    number: int = 0

    @property
    def name(self) -> str:
        """The folder name of the stage: its number and its most telling step."""
        telling = next((s for s in self.steps if getattr(s, "is_generator", False)), None)
        telling = telling or next(iter(self.steps), None) or self.decides or self.observes
        label = getattr(telling, "label", "") or type(telling).__name__
        return f"{self.number:02d}-{re.split('[:#]', label)[0]}"

    @property
    def workers(self) -> int:
        """How many workers it can feed at most."""
        limits = [s.parallel() for s in self.steps if isinstance(s, Step)]
        return min([self.tasks, *(n for n in limits if n is not None)])

    @property
    def ends_in_sink(self) -> bool:
        return bool(self.steps) and getattr(self.steps[-1], "is_sink", False)

    @property
    def begins_with_source(self) -> bool:
        return bool(self.steps) and getattr(self.steps[0], "is_source", False)


def cut(steps: Sequence[Any], tasks: int) -> list[PlannedStage]:
    """The stages of a pipeline's list; raises UsageError for a list that cannot run."""
    if not steps:
        raise UsageError("the pipeline returns an empty list; it needs at least a source")
    plan = Plan(tasks)
    for item in steps:
        plan.add(item)
    if len(plan.chains) > 1:
        raise UsageError(
            f"{len(plan.chains) - 1} chains before the last source lead nowhere; end each with a "
            "sink, or take them all with Join() or Mix(...)"
        )
    for number, stage in enumerate(plan.stages):
        stage.number = number + 1
    label(plan.stages)
    return plan.stages


class Plan:
    """The stages so far, and where the chains of documents end that nothing has taken yet."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks
        self.stages: list[PlannedStage] = []
        self.chains: list[PlannedStage] = []
        self._together = False

    def add(self, item: Any) -> None:
        inside = list(item.steps) if isinstance(item, Stage) else [item]
        for step in inside:
            check_step(step, alone=len(inside) == 1 and not isinstance(item, Stage))
        if getattr(item, "is_source", False) or not self.chains:
            self._begin_chain(item)
            return
        if getattr(item, "is_join", False) and len(self.chains) > 1:
            self._new(PlannedStage([], self.tasks, inputs=self.chains))
            self.chains, self._together = self.chains[-1:], False
        if isinstance(item, TwoPass):
            self._in_two_passes(item)
            return
        sort = needs_sorting(inside, self._together)
        if isinstance(item, Stage):
            whole = any(getattr(step, "is_whole", False) for step in inside)
            tasks = 1 if whole else item.tasks or self.tasks
            self._new(PlannedStage(inside, tasks, sort, by_hand=True, gpus=item.gpus))
        else:
            if begins_stage(item, self.chains[-1], sort):
                whole = getattr(item, "is_whole", False)
                self._new(PlannedStage([], 1 if whole else self.tasks, sort=sort and not whole))
            self.chains[-1].steps.append(item)
        for step in inside:
            self._together = keeps_together(step, self._together)

    def _begin_chain(self, item: Any) -> None:
        """A source begins a chain; one that ended in a sink is nobody's business any more."""
        if self.chains and self.chains[-1].ends_in_sink:
            self.chains.pop()
        by_hand = isinstance(item, Stage)
        tasks = (item.tasks or self.tasks) if by_hand else 1
        stage = PlannedStage(list(item.steps) if by_hand else [item], tasks, by_hand=by_hand)
        self.stages.append(stage)
        self.chains.append(stage)
        self._together = False
        for step in stage.steps:
            self._together = keeps_together(step, self._together)

    def _new(self, stage: PlannedStage) -> None:
        """The next stage of the last chain."""
        stage.inputs = list(stage.inputs or self.chains[-1:])
        self.stages.append(stage)
        self.chains[-1] = stage

    def _in_two_passes(self, step: TwoPass) -> None:
        """The documents are observed where they are, unless one task could be several."""
        last = self.chains[-1]
        if last.tasks < self.tasks and not last.by_hand:
            self._new(PlannedStage([], self.tasks))
        observing = self.chains[-1]
        observing.observes = step
        self.stages.append(PlannedStage([], 1, decides=step))
        self._new(PlannedStage([step], observing.tasks))


def check_step(step: Any, alone: bool) -> None:
    if not callable(step):
        raise UsageError(f"{step!r} is not a step; the list holds steps and Stage([...])")
    if not alone and (isinstance(step, TwoPass) or getattr(step, "is_join", False)):
        raise UsageError(
            f"{step!r} makes stages of its own; put it into the list itself, not into Stage([...])"
        )


def begins_stage(step: Any, before: PlannedStage, sort: bool) -> bool:
    """True when a step cannot join the stage before.

    Two steps that generate would use the engine's slots twice over, so each has its own stage.
    """
    last = before.steps[-1] if before.steps else None
    is_idle = getattr(step, "is_sink", False) and not getattr(step, "is_whole", False)
    alone = before.by_hand or getattr(last, "is_source", False)
    alone = alone or (getattr(last, "is_whole", False) and not is_idle)
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
            made = made_by(step) or unit
            stage.units.append(made if getattr(step, "is_source", False) else unit)
            unit = made


def made_by(step: Any) -> Unit | None:
    """What comes out of a step, where that may be another thing than what goes in."""
    if made := getattr(step, "makes", None):
        return made
    is_source, generates = getattr(step, "is_source", False), getattr(step, "is_generator", False)
    return "prompts" if is_source else "samples" if generates else None
