"""A pipeline in words, before it runs: `curate run FILE --help` and `--dry-run`."""

from __future__ import annotations

import inspect
from typing import Any

from curate.run.executors import asked_for
from curate.run.load import Pipeline, describe
from curate.run.plan import PlannedStage
from curate.run.run import Run


def describe_parameters(pipeline: Pipeline, target: str) -> str:
    """What the pipeline is, and every parameter with its type and default."""
    lines = [
        f"curate run {target} [key=value …]",
        "",
        inspect.getdoc(pipeline.function) or "",
        "",
        "parameters:",
    ]
    width = max((len(name) for name in pipeline.parameters), default=0)
    for name, parameter in pipeline.parameters.items():
        kind, default = describe(pipeline.hints[name]), word(parameter.default)
        lines.append(f"  {name:<{width}}  {kind}; default {default}")
    return "\n".join([*lines, "", "options: curate run --help"])


def describe_plan(run: Run) -> str:
    """The stages with their steps and tasks, the parameters, and where it all goes."""
    lines = [f"{run.pipeline.relative_file}@{run.pipeline.name} into {run.out}", "", "parameters:"]
    lines += [f"  {name} = {word(value)}" for name, value in run.values.items()]
    lines += ["", "stages:"]
    for stage in run.stages:
        tasks = "1 task" if stage.tasks == 1 else f"{stage.tasks} tasks"
        sort = ", sorted by prompt first" if stage.sort else ""
        labels = [*stage.labels, *observed(stage)]
        lines.append(f"  {stage.name}: {' > '.join(labels)} ({tasks}{sort})")
        gets = asked_for(run.options.executor, run.spec(stage), run.table)
        lines += [f"    {gets}"] if gets else []
    return "\n".join(lines)


def observed(stage: PlannedStage) -> list[str]:
    """What a stage does for a step in two passes."""
    looks = [f"{stage.observes.label} looks"] if stage.observes else []
    return [*looks, *([f"{stage.decides.label} decides"] if stage.decides else [])]


def word(value: Any) -> str:
    """A value as it would be typed."""
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
