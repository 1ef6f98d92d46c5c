"""A pilot: the first few prompts of a pipeline run for real, to see what each of them takes.

It is the run itself with a smaller `limit`, in a folder that is removed afterwards. The sample
store is the run's own, so nothing that the pilot pays for is paid for again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.errors import CurateError, UsageError
from curate.run.documents import read_share
from curate.run.load import Pipeline
from curate.run.progress import say
from curate.run.run import Options, Run
from curate.sample import Sample
from curate.sinks.shards import read_rows
from curate.sources.hub import PREFIX
from curate.step import Step

COLUMNS = ("prompt_id", "id", "step", "prompt_tokens", "completion_tokens")


@dataclass
class Spent:
    """What one prompt took; tokens of all its samples together."""

    samples: int = 0
    kept: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Pilot:
    """What came of a pilot."""

    spent: list[Spent]
    """One for each prompt of the source."""
    seconds: float
    """Of the stages that generate, from the start of their workers to the end."""
    numbers: Mapping[str, float]
    """The sums over those stages."""
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    """(step, reason, how many), the most frequent first."""

    @property
    def samples(self) -> float:
        """Decided in all stages; more than there are rows where a sample was written anew, because
        then only its last form is a row.
        """
        return max(self.numbers.get("tried", 0), sum(s.samples for s in self.spent))

    @property
    def tokens(self) -> float:
        """Decoded for those samples."""
        return max(self.numbers.get("sample_tokens", 0), sum(s.tokens_out for s in self.spent))


class PilotRun(Run):
    """A run that ends with its numbers; its dataset is nobody's."""

    @staticmethod
    def listed(steps: list[Any]) -> list[Any]:
        return [step for step in steps if getattr(step, "in_pilot", True)]

    def finish(self, seconds: float) -> None:
        self.manifest.set(status="done")


def run_pilot(pipeline: Pipeline, typed: Mapping[str, Any], prompts: int) -> Pilot:
    """Runs the first `prompts` prompts; of a pilot that fails, the folder is kept to look at.

    UsageError for a pipeline whose parameters do not allow it.
    """
    for name, why in (("limit", "to take few prompts"), ("out", "to leave the run's own alone")):
        if name not in pipeline.parameters:
            raise UsageError(
                f"{pipeline.name} has no parameter '{name}', which a pilot needs {why}; "
                f"give the function one and hand it on"
            )
    limit = pipeline.bind(typed)["limit"]
    folder = Path(tempfile.mkdtemp(prefix="curate-plan-"))
    changed = {"limit": min(prompts, limit or prompts), "out": str(folder / "pilot")}
    if "repo" in pipeline.parameters:
        changed["repo"] = None  # nothing of a pilot is published
    keep = False
    try:
        run = PilotRun(pipeline, {**typed, **changed}, Options())
        run.go()
        return read_pilot(run)
    except CurateError:
        keep = (folder / "pilot").exists()
        raise
    finally:
        if keep:
            say(f"the pilot's folder is kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def read_pilot(run: Run) -> Pilot:
    """The numbers of a run that has ended, prompt by prompt."""
    funnel = run.funnel()
    sources = {stage.labels[0] for stage in run.stages if stage.begins_with_source}
    spent: dict[str, Spent] = {}
    for row in rows_of(run):
        if row.get("step") in sources or not row["prompt_id"]:
            continue
        of = spent.setdefault(row["prompt_id"], Spent())
        if row["id"]:
            of.samples += 1
            of.kept += "step" not in row
            of.tokens_in += row["prompt_tokens"] or 0
            of.tokens_out += row["completion_tokens"] or 0
    asked = sum(r["out"] for r in funnel if r["step"] in sources and r["unit"] == "prompts")
    silent = max(0, asked - len(spent))
    stages = [stage for stage in run.manifest.data["stages"] if stage["numbers"]]
    numbers: Counter[str] = Counter()
    for stage in stages:
        numbers.update({k: v for k, v in stage["numbers"].items() if isinstance(v, int | float)})
    reasons = [(row["step"], why, n) for row in funnel for why, n in row["dropped"].items()]
    return Pilot(
        # In the order of ids: the bootstrap is then a function of what came, not of when.
        spent=[*(spent[id] for id in sorted(spent)), *(Spent() for _ in range(silent))],
        seconds=sum(stage["seconds"] for stage in stages),
        numbers=numbers,
        reasons=sorted(reasons, key=lambda reason: -reason[2]),
    )


def rows_of(run: Run) -> Iterator[dict[str, Any]]:
    """Every row that was refused, with its `step`, and every one that was kept."""
    yield from read_rows(run.out / "rejected", COLUMNS)
    if (run.out / "dataset").is_dir():
        yield from read_rows(run.out / "dataset", [c for c in COLUMNS if c != "step"])
        return
    last = run.folder(run.stages[-1]) / "documents"
    for document in read_share(last, 0):
        yield Sample.from_document(document).to_row()


def count_prompts(run: Run) -> int | None:
    """How many prompts a run begins with, by reading them as it would; None where that is dear or
    not possible: of a dataset on the Hub only its `limit` is known, of foreign readers nothing.
    """
    counts = [count_of(stage.steps[0]) for stage in run.stages if stage.begins_with_source]
    return sum(n for n in counts if n) if counts and None not in counts else None


def count_of(source: Any) -> int | None:
    """How many prompts one source gives."""
    if not isinstance(source, Step):
        return None
    if PREFIX in str(getattr(source, "spec", "")):
        return getattr(source, "limit", None)
    count, before = 0, None
    for document in source.run(iter(())):
        count += document.metadata["prompt_id"] != before
        before = document.metadata["prompt_id"]
    return count
