"""`Mix`: exact numbers of samples, or of tokens, by domain and language.

Mix({"math": 395_285, "code": {"en": 100_000, "zh": 111_129}}, scale=0.01,
    priorities={"math": ["olympiads", "amc_aime"]})
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from datatrove.data import Document

from curate.errors import RunError, UsageError
from curate.notice import notice
from curate.scorers.scorer import Scorer
from curate.select.mix_choice import (
    NO_TARGET,
    NO_TOKEN_COUNT,
    SURPLUS,
    Target,
    Unit,
    fill,
    scaled,
)
from curate.select.mix_facts import Facts, Recorder, cell_of, facts_file, read_facts
from curate.step import TwoPass, unit_of

REASONS = {SURPLUS: "surplus", NO_TARGET: "no_target", NO_TOKEN_COUNT: "no_token_count"}
MOST_COPIES = 1_000
PLAN = "plan.json"


class Mix(TwoPass):
    """Fills `targets`: so many samples, or at most so many completion tokens, of each domain.

    A target is a number, or one for each language: `{"math": 100, "code": {"en": 50, "zh": 50}}`;
    `scale` takes a part of all of them, each rounded to the nearest, but at least `floor` where
    the target is no smaller. Other domains and languages are left out as `no_target`, what is too
    much as `surplus`.

    Which samples stay is drawn by a hash of their ids and `seed`, so it depends on no order and
    changes little when some are added. Of a domain with `priorities`, the sources that are named
    come first, in that order (then all others), or the samples with the best verdict of a scorer,
    which a step before has given. One sample of every prompt is taken before a second of any.

    A token budget is never exceeded: samples are taken in that order as long as each fits into
    what is left. With `upsample=3` a sample may stand three times where a target is short, under
    ids of its own (`ID~2`). What is short is said, with what it would take, and with
    `require=True` stops the run. All chains that are open are mixed.
    """

    is_join = True

    def __init__(
        self,
        targets: Mapping[str, int | Mapping[str, int]],
        *,
        unit: Unit = "samples",
        scale: float = 1.0,
        floor: int = 0,
        priorities: Mapping[str, Sequence[str] | Scorer] | None = None,
        upsample: bool | int = False,
        require: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if unit not in ("samples", "tokens"):
            raise UsageError(f"Mix(unit={unit!r}): 'samples' or 'tokens'")
        if not scale > 0:
            raise UsageError(f"Mix(scale={scale}): above 0; 0.01 is a hundredth of the targets")
        if upsample is True or not (upsample is False or 2 <= upsample <= MOST_COPIES):
            raise UsageError(
                f"Mix(upsample={upsample}): False, or how often a sample may stand, "
                f"from 2 to {MOST_COPIES:,}"
            )
        if floor < 0:
            raise UsageError(f"Mix(floor={floor}): a number from 0 on")
        self.targets, self.scale, self.floor = targets_of(targets, scale, floor), scale, floor
        self.priorities = dict(priorities or {})
        check_priorities(self.priorities, list(targets))
        self.unit: Unit = unit
        self.most = int(upsample) or 1
        self.require, self.seed = require, seed

    def observe(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        verdicts = {d: p.name for d, p in self.priorities.items() if isinstance(p, Scorer)}
        recorder = Recorder(self.seed, verdicts)
        for document in data:
            recorder.add(document)
            yield document
        recorder.save(facts_file(self.facts, rank))

    def decide(self, tasks: int) -> None:
        import numpy as np

        facts = read_facts(self.facts, tasks)
        copies = np.full(len(facts.cells), NO_TARGET, np.int16)
        told = []
        for target in self.targets:
            rows, of_rows, filling = fill(
                facts, target, self._ranks(target.domain), unit=self.unit, most=self.most
            )
            copies[rows] = of_rows
            told.append((filling, rows))
            if self.context:
                self.context.report({"targets": len(told)})
        for task in range(tasks):
            own = copies[facts.starts[task] : facts.starts[task + 1]]
            np.save(self.facts / f"copies-{task:05d}.npy", own)
        self._tell(facts, told)

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        import numpy as np

        plan = json.loads((self.facts / PLAN).read_text())
        if self.context and self.context.ledger:
            self.context.ledger.note("mix", plan)
        details = {(t["domain"], t["language"]): detail_of(t, self.unit) for t in plan["targets"]}
        decided = np.load(self.facts / f"copies-{rank:05d}.npy")
        number = 0
        for number, document in enumerate(data, 1):
            times = int(decided[number - 1]) if number <= len(decided) else NO_TARGET
            if times > 0:
                copies = [copy_of(document, n) for n in range(2, times + 1)]
                self.count(unit_of(document), made=len(copies))
                yield document
                yield from copies
            else:
                kind = cell_of(document)[:2]
                detail = details.get(kind) or details.get((kind[0], None)) or "/".join(kind)
                self.drop(document, REASONS[times], detail)
        if number != len(decided):
            raise RunError(
                f"{self.label}: task {rank} was given {number:,} documents, and {len(decided):,} "
                "when they were counted; a step before it is not deterministic"
            )

    def _ranks(self, domain: str) -> dict[str, int]:
        """The sources of a domain that have priority."""
        order = self.priorities.get(domain, ())
        return {} if isinstance(order, Scorer) else {name: i for i, name in enumerate(order)}

    def _tell(self, facts: Facts, fillings: Sequence[Any]) -> None:
        """Writes the plan and says what is short; raises RunError when nothing may be."""
        from curate.select import mix_plan as plan

        asked = plan.asked_in_vain(self.context.out, self.seed) if self.context else plan.NOTHING
        told = [
            plan.told(filling, plan.yield_of(facts, filling.target, rows, asked))
            for filling, rows in fillings
        ]
        parameters = plan.parameters_of(self.context.out) if self.context else {}
        if parameters.get("scale") != self.scale or any(
            t["missing"] and t["wanted"] <= self.floor for t in told
        ):
            parameters.pop("scale", None)  # another one would not make these targets smaller
        words = plan.changes(told, parameters)
        said = {"unit": self.unit, "seed": self.seed, "targets": told, "changes": words}
        (self.facts / PLAN).write_text(json.dumps(said))
        lines = list(plan.lines(told, self.unit, words))
        if self.require and lines:
            raise RunError("\n".join(lines))
        for line in lines:
            notice(line)


def targets_of(
    targets: Mapping[str, int | Mapping[str, int]], scale: float, floor: int
) -> list[Target]:
    """The targets one by one, scaled; UsageError for what is no number.

    >>> [f"{t} {t.wanted}" for t in targets_of({"math": 300, "code": {"en": 25, "zh": 1}}, 0.1, 2)]
    ['math 30', 'code/en 3', 'code/zh 1']
    """
    found: list[Target] = []
    for domain, wanted in targets.items():
        by_language = wanted if isinstance(wanted, Mapping) else {None: wanted}
        for language, number in by_language.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise UsageError(
                    f"Mix: the target of {domain} is {number!r}; it is a whole number from 0 on, "
                    "or one for each language"
                )
            part = max(scaled(number, scale), min(floor, number))
            found.append(Target(domain, language, part))
    if not found:
        raise UsageError("Mix: there is no target, as in Mix({'math': 1_000, 'code': 500})")
    return found


def check_priorities(priorities: Mapping[str, Any], domains: Sequence[str]) -> None:
    for domain, order in priorities.items():
        if domain not in domains:
            near = difflib.get_close_matches(domain, domains, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f": {', '.join(domains)}"
            raise UsageError(f"Mix: priorities name {domain!r}, which is no target{meant}")
        if isinstance(order, str) or not isinstance(order, Sequence | Scorer):
            raise UsageError(
                f"Mix: the priorities of {domain} are {order!r}; they are a list of sources, the "
                "first one first, or a scorer"
            )


def detail_of(target: Mapping[str, Any], unit: Unit) -> str:
    """What is said of a sample that is left out: what its target wanted, of how much."""
    return f"{target['target']}: {target['wanted']:,} of {target['here']:,} {unit}"


def copy_of(document: Document, number: int) -> Document:
    """The same document under an id of its own."""
    name = f"{document.id}~{number}"
    metadata = dict(document.metadata)
    if "id" in metadata:  # a prompt, whose id is what a row is called by
        metadata["id"] = name
    return replace(document, id=name, metadata=metadata)
