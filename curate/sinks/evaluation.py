"""`Evaluation`: how good is a model at a set of problems, and how sure is that?

    Prompts("math500.jsonl", domain="math"),
    Generate(engine, model=model, samples=16, keep="all", accept=[]),
    Evaluation("R1-Distill-Qwen-7B", right_answer(), k=16, benchmark="MATH-500"),

OUT/evaluation/NAME.json     every number, its settings, and the counts of each problem
OUT/evaluation.md            a table of all evaluations of the run
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate import __version__
from curate.errors import RunError, UsageError
from curate.sample import Sample, is_prompt_document
from curate.scorers.scorer import Scorer
from curate.select.by_domain import ByDomain, rules_for
from curate.select.keep import Grade, Keep
from curate.sinks.atomic import write_text
from curate.sinks.evaluation_numbers import Tally, problem_of
from curate.sinks.evaluation_table import table
from curate.sinks.provenance import public, read_json
from curate.sinks.sorting import sorted_rows
from curate.step import Step, grouped, plain

Rule = Scorer | Keep | ByDomain
FOLDER, TABLE = "evaluation", "evaluation.md"
BATCH = 256
"""Answers that are judged at a time: the hard ones side by side, in the pool."""
MOST_SAMPLES = 1_000
LONGEST_NAME = 120
PLACE = ("prompt_id", "k", "id")
"""By what answers are sorted."""
RUNS_PROGRAMS = ("CodeTests", "PassedTests")
"""Rules whose answers are programs, which say the same in too many ways to be counted as votes."""


class Evaluation(Step):
    """Judges all answers to each problem and writes what they come to; yields them again.

    Takes all samples, in any order: `Generate(keep="all", accept=[])` leaves none out. Problems
    that it could not ask and problems with fewer answers than `k` are told. An answer is right when
    `rule` accepts it; what the rule cannot judge is not right, and is told apart. Problems whose
    gold answer the rule cannot read say nothing of the model: left out, as `gold_unusable`.

    Args:
        name: what is evaluated, a row of the table; None for the model that answered.
        strict: the form that a right answer should have; right answers in it are counted apart.
        benchmark: what it is evaluated on; evaluations on one benchmark stand in one table.
            Without it, the source of the problems.
        by: columns (ours, or further ones of the prompts) by which pass@1 is told apart.
        reference: figures of others for the same, in percent, by who says them.
        seed: of several runs of the same; their mean is one row.

    Raises RunError when no answer can be judged, or one comes twice. Sorts them on disk, by prompt
    and number of the sample: about 0.5 GB of memory for any size.
    """

    is_whole = True
    is_sink = True
    in_pilot = False
    writes = (FOLDER, TABLE)

    def __init__(
        self,
        name: str | None,
        rule: Rule,
        *,
        k: int,
        strict: Scorer | Keep | None = None,
        benchmark: str | None = None,
        by: Sequence[str] = ("domain",),
        reference: Mapping[str, float] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if name is not None and not re.search(r"\w", name):
            raise UsageError(f"Evaluation(name={name!r}): name what is evaluated")
        if not 1 <= k <= MOST_SAMPLES:
            raise UsageError(f"Evaluation({name!r}): k={k} is not from 1 to {MOST_SAMPLES:,}")
        for one in (rule, *([strict] if strict else [])):
            if not isinstance(one, Scorer | Keep | ByDomain):
                raise UsageError(f"Evaluation({name!r}): {one!r} is no scorer and no Keep")
        self.called, self.k, self.benchmark = name, k, benchmark
        self.rule = Keep(rule) if isinstance(rule, Scorer) else rule
        self.strict = Keep(strict) if isinstance(strict, Scorer) else strict
        self.by, self.reference, self.seed = tuple(by), dict(reference or {}), seed

    def run(
        self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        if self.context is None:
            raise UsageError("Evaluation runs inside a pipeline: curate run FILE")
        self.tally, self._unusable = Tally(), 0
        scratch = self.context.out / FOLDER / ".sort"
        shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
        rows = sorted_rows(self._rows(data or ()), scratch, key=itemgetter(*PLACE))
        documents = (Sample.from_row(row).to_document() for row in rows)
        for groups in _batches(grouped(documents)):
            judged = self._judge(groups)
            self.context.report({"samples": self.tally.samples})
            yield from judged
        shutil.rmtree(scratch, ignore_errors=True)
        self._write(self.context.out)

    def _rows(self, data: Iterable[Document]) -> Iterator[dict[str, Any]]:
        for document in data:
            if is_prompt_document(document):
                raise RunError(f"{self.label}: a prompt without answer came in; ask Generate first")
            yield Sample.from_document(document).to_row()

    def _judge(self, groups: Sequence[list[Document]]) -> list[Document]:
        """Counts the problems of a batch; its documents, which carry their verdicts from now on."""
        usable = [group for group in groups if self._is_usable(group)]
        flat = list(chain.from_iterable(usable))
        right = self.rule.grades(flat)
        strict = self.strict.grades(flat) if self.strict else None
        place = 0
        for group in usable:
            part = slice(place, place + len(group))
            self._add(group, right[part], strict and strict[part])
            place += len(group)
        return flat

    def _is_usable(self, group: list[Document]) -> bool:
        """False for a problem whose gold answer nobody can read: its answers are dropped."""
        if len({document.id for document in group}) < len(group):
            raise RunError(
                f"{self.label}: an answer to {group[0].metadata['prompt_id']} comes twice"
            )
        first = Sample.from_document(group[0])
        rules = rules_for(first.domain, [self.rule])
        problem = (
            next((p for rule in rules if (p := rule.scorer.gold_problem(first))), None)
            if isinstance(rules, list)
            else rules.detail
        )
        if problem is None:
            return True
        self._unusable += 1
        for document in group:
            self.drop(document, "gold_unusable", problem)
        return False

    def _add(
        self, group: Sequence[Document], right: list[Grade], strict: list[Grade] | None
    ) -> None:
        samples = [Sample.from_document(document) for document in group]
        rules = rules_for(samples[0].domain, [self.rule])
        votes = isinstance(rules, list) and not any(
            program in rule.scorer.name for rule in rules for program in RUNS_PROGRAMS
        )
        problem = problem_of(samples, right, strict, votes=votes, by=self.by)
        self.tally.add(problem, samples, right, strict)

    def _write(self, out: Path) -> None:
        """The numbers, and the table of all evaluations of the run."""
        problems = self.tally.problems
        if not problems:
            raise RunError(f"{self.label} ({self.called}): no answer came in; see rejected/")
        if all(problem.unjudged == problem.n for problem in problems):
            raise RunError(
                f"{self.label} ({self.called}): none of {self.tally.samples} answers can be judged;"
                " choose another rule, or look at the reasons with: curate report RUN"
            )
        said, folder = self._said(out), out / FOLDER
        words = f"{said['benchmark']} {said['name']} {'' if self.seed is None else self.seed}"
        file = folder / ("-".join(re.findall(r"\w[\w.]*", words.lower()))[:LONGEST_NAME] + ".json")
        if (before := read_json(file, None)) and before["number"] != said["number"]:
            raise RunError(
                f"{self.label}: two evaluations on {said['benchmark']} are of {said['name']}; "
                "give each a name or a seed of its own"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
        write_text(out / TABLE, table(sorted(folder.glob("*.json"))))

    def _said(self, out: Path) -> dict[str, Any]:
        tally, manifest = self.tally, read_json(out / "manifest.json", {})
        engine = manifest.get("engine") or {}
        asked = engine if engine.get("model") in {model for model, _ in tally.models} else {}
        numbers = tally.to_json(self.k, has_form=self.strict is not None)
        numbers["problem_set"] |= {"gold_unusable": self._unusable, "not_asked": _not_asked(out)}
        models = [
            {"model": public(model), "revision": revision, "answers": n}
            for (model, revision), n in sorted(tally.models.items(), key=str)
        ]
        return {
            "name": self.called or ", ".join(str(one["model"]) for one in models),
            "benchmark": self.benchmark or ", ".join(sorted(tally.sources)),
            "seed": self.seed,
            "number": int(self.label.partition("#")[2] or 1),
            "models": models,
            "engine": public(asked),
            "datasets": public(manifest.get("notes", {}).get("datasets", {})),
            "made_with": {"curate": __version__, **manifest.get("packages", {})},
            "rule": plain(self.rule),
            "strict": plain(self.strict),
            **numbers,
            "reference": self.reference,
            "per_problem": [problem.to_json() for problem in tally.problems],
        }


def _batches(groups: Iterable[list[Document]]) -> Iterator[list[list[Document]]]:
    """Groups in batches of about so many answers."""
    batch: list[list[Document]] = []
    for group in groups:
        batch.append(group)
        if sum(map(len, batch)) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _not_asked(out: Path) -> dict[str, int]:
    """Problems that the step before, if it is a Generate, could not ask, by reason."""
    rows = read_json(out / "funnel.json", [])
    said = [row for row in rows if row["step"].startswith("Generate") and row["unit"] == "prompts"]
    is_last = bool(said) and rows[-1]["step"] == said[-1]["step"]
    return said[-1]["dropped"] if is_last else {}
