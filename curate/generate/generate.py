"""`Generate`: asks a model until enough answers of each prompt are good.

Samples k = 0, 1, … of a prompt are asked for one after the other (its prefix stays cached on the
server), many prompts at a time; they are decided in the order of k. Every finished completion is in
the sample store before it is judged, so the dataset is a function of prompts, parameters and store,
not of timing, and no completion is paid for twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

from datatrove.data import Document

from curate.engines.client import Client
from curate.engines.engine import check_engine, engine_identity, open_engine
from curate.engines.request import Request
from curate.engines.server import Engine
from curate.engines.store import Store
from curate.engines.trained import TRAINED, trained_files
from curate.errors import RunError, SampleError, UsageError
from curate.generate.budget import Budget
from curate.generate.judging import Judged, Judging
from curate.generate.rollout import Rollout, is_correct, seed_of
from curate.generate.watch import Watch
from curate.generate.window import Window
from curate.sample import Sample, Turn, Verdict
from curate.select.by_domain import ByDomain, rules_for
from curate.select.keep import Keep, Refusal
from curate.sources.template import Template, load_template
from curate.step import Context, Step

MAX_TOKENS = {"local": 160, "endpoint": 16_384}
"""The embedded model answers in 60 tokens or wanders; 16,384 is what Open-R1 generated with
(generate_reasoning.py).
"""

ANY = "*"
"""The name, among those of `template`, that stands for all others."""

OF_THE_SERVER = ("server_running", "server_waiting", "kv_percent", "preemptions")
OF_THE_MOMENT = ("in_flight", "window", *OF_THE_SERVER[:3])
REPORT_EVERY_S = 0.2

UNJUDGED_AFTER = 100
"""Samples after which the share of unjudged ones is looked at; fewer say little."""


class Generate(Step):
    """Prompts in, accepted samples out: up to `keep` of each prompt, from at most `samples` tries.

    `accept` lists the rules that a good answer satisfies; a rule that cannot judge does not accept.
    A `ByDomain` among them stands for the rules of the prompt's domain.
    `keep="all"` asks for a fixed number of samples, which gives an unbiased pass rate. Sampling
    defaults are R1's (temperature 0.6, top-p 0.95; paper v1, section 3). `max_tokens` defaults to
    160 on the embedded model and 16,384 elsewhere. `early_stop` closes a stream as soon as a rule
    in `accept` can tell that no ending will save it; the rows are the same without.

    `template` is a file, or one for each source or domain: `{"math": …, "code": …, "*": …}`; a
    prompt that has none is left out as `template_unfilled`. `fields` fills further `{{field}}`s.

    `prefill` begins every answer (`"<think>\\n"`), which the engine continues; with
    `api="completions"` the template's text is sent as it is, without a chat template, as base
    models want it. `budget_tokens`, `budget_samples` and `budget_hours` end the run in order when
    so much was paid for: prompts that are not decided by then are left out as `budget_spent`.

    Takes samples as well as prompts: then each is rewritten through `template`, under its own
    prompt and gold answer. Raises RunError when more than `max_unjudged` of the samples cannot be
    judged.
    """

    where = frozenset({"concurrency", "store", "engine", "early_stop"})
    is_generator = True
    counts_itself = True

    def __init__(
        self,
        engine: str = "local",
        *,
        accept: Sequence[Keep | ByDomain],
        model: str | None = None,
        template: str | Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        system: str | None = None,
        samples: int = 4,
        keep: int | str = 1,
        temperature: float = 0.6,
        top_p: float = 0.95,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        seed: int = 0,
        early_stop: bool = True,
        concurrency: int | None = None,
        store: str | Path = "runs/store",
        max_unjudged: float = 0.5,
        api: Literal["chat", "completions"] = "chat",
        prefill: str = "",
        budget_tokens: int | None = None,
        budget_samples: int | None = None,
        budget_hours: float | None = None,
    ) -> None:
        super().__init__()
        check_engine(engine)
        self.engine_spec, self.model, self.system = engine, model, system
        self.template_names = {ANY: template} if isinstance(template, str) else dict(template or {})
        self.fields = dict(fields or {})
        self.samples, self.keep = samples, check_keep(keep, samples)
        self.temperature, self.top_p, self.stop, self.seed = temperature, top_p, tuple(stop), seed
        self.max_tokens = max_tokens or MAX_TOKENS["local" if is_embedded(engine) else "endpoint"]
        self.accept, self.early_stop = list(accept), early_stop
        self.concurrency, self.store_path, self.max_unjudged = (
            concurrency,
            Path(store),
            max_unjudged,
        )
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"concurrency={concurrency}: at least 1 request at a time")
        for rule in self._all_rules():
            if rule.scorer.needs_group:
                raise UsageError(
                    f"{rule.scorer.name} compares a prompt's samples, so it cannot accept one by "
                    "one; put Keep of it after Generate, with keep='all'"
                )
        if api not in ("chat", "completions"):
            raise UsageError(f"api={api!r} is neither 'chat' nor 'completions'")
        self.api, self.prefill = api, prefill
        self.budget = Budget(budget_tokens, budget_samples, budget_hours)
        self.templates: dict[str, Template] = {}
        self._window: Window | None = None
        self._reported = 0.0
        self.judged, self.unjudged = Counter[str](), Counter[str]()
        self.numbers: Counter[str] = Counter()

    def identity(self) -> dict[str, Any]:
        """Adds what kind of engine answers, and the limit that counts; the URL says nothing of the
        data.
        """
        engine = engine_identity(self.engine_spec)
        return super().identity() | {"engine": engine, "max_tokens": self.max_tokens}

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        found = {domain: context.find(name) for domain, name in self.template_names.items()}
        self.templates = {of: load_template(path, self.fields) for of, path in found.items()}
        weights = trained_files(self.engine_spec, context.project)
        self._files = [*dict.fromkeys(found.values()), *weights]

    def files(self) -> list[Path]:
        return self._files

    def parallel(self) -> int | None:
        return self.concurrency

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        context = self.context
        if context is None:
            raise UsageError("Generate runs inside a pipeline: curate run FILE")
        with ExitStack() as stack:
            store = stack.enter_context(Store(context.project / self.store_path))
            engine = open_engine(
                self.engine_spec,
                model=self.model,
                out=context.out,
                store=store,
                slots=self.concurrency,
                project=context.project,
            )
            fixed = self.concurrency or engine.slots
            start = max(1, context.share(fixed or engine.default_concurrency))
            client = Client(engine, store, start if fixed else None, start=start)
            judging = Judging(self._all_rules(), ask_all=self.keep == "all")
            stack.callback(judging.close)
            window = Window(
                stack.enter_context(client),
                store,
                self.budget.shared(context),
                request=partial(self._request, engine),
                watch=self._watch,
                judging=judging,
                decide=self._decide,
            )
            self._window = window
            self._report()
            for rollout in window.run(self._usable(data)):
                yield from self._emit(rollout)
                self._report()
            self._check_judged(at_end=True)
            self._note(engine)

    def _usable(self, data: Iterable[Document]) -> Iterator[Rollout]:
        """The prompts as rollouts, without those whose gold answer no verdict could rest on."""
        for document in data:
            self.count("prompts", into=1)
            prompt = Sample.from_document(document)
            rules = rules_for(prompt.domain, self.accept)
            if isinstance(rules, Refusal):
                self._leave_out_prompt(document, *rules)
                continue
            problems = (rule.scorer.gold_problem(prompt) for rule in rules)
            if problem := next((p for p in problems if p), None):
                self._leave_out_prompt(document, "gold_unusable", problem)
                continue
            try:
                messages = self._messages(prompt)
            except SampleError as error:
                self._leave_out_prompt(document, "template_unfilled", str(error))
                continue
            keep = None if self.keep == "all" else int(self.keep)
            yield Rollout(prompt, messages, self.samples, keep, tuple(rules))

    def _all_rules(self) -> list[Keep]:
        return [keep for rule in self.accept for keep in rule.keeps()]

    def _leave_out_prompt(self, document: Document, reason: str, detail: str) -> None:
        self.drop(document, reason, detail, unit="prompts")
        self.numbers["decided"] += 1

    def _messages(self, prompt: Sample) -> tuple[Turn, ...]:
        of = (prompt.source, prompt.domain, ANY)
        if template := next((self.templates[name] for name in of if name in self.templates), None):
            return template.render(prompt, system=self.system)
        if self.templates:
            there = ", ".join(self.templates)
            raise SampleError(f"no template is for domain {prompt.domain!r}; there are {there}")
        turns = prompt.prompt or (Turn(role="user", content=prompt.problem),)
        return (Turn(role="system", content=self.system), *turns) if self.system else turns

    def _request(self, engine: Engine, rollout: Rollout, k: int) -> Request:
        return Request(
            messages=rollout.messages,
            model=engine.model,
            revision=engine.revision,
            kind=self.api,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            seed=seed_of(self.seed, rollout.asked, k),
            prefill=self.prefill,
        )

    def _watch(self, rollout: Rollout) -> Watch | None:
        return Watch(rollout.prompt, rollout.rules) if self.early_stop else None

    def _decide(self, rollout: Rollout, judged: Judged) -> None:
        """Takes the verdicts on the next sample; accepted ones stay with the rollout, others go to
        the ledger.
        """
        sample, verdicts = judged.sample, judged.verdicts
        rollout.tried += 1
        self.count("samples", made=1)
        self.numbers.update(tried=1, sample_tokens=sample.completion_tokens or 0)
        if judged.error is not None:
            rollout.broken = f"the engine refused it: {judged.error}"
            rollout.refused["refused"] += 1
            self.fail(sample.to_document(), "refused", judged.error)
            return
        self._settle(rollout, sample.with_verdicts(verdicts), verdicts)
        self._check_judged()

    def _settle(self, rollout: Rollout, sample: Sample, verdicts: dict[str, Verdict]) -> None:
        """Accepts or refuses a judged sample; the first rule that it breaks is the reason."""
        self.judged.update({rule.scorer.name for rule in rollout.rules})
        self.unjudged.update(name for name, verdict in verdicts.items() if not verdict.is_judged)
        rollout.correct += is_correct(rollout.rules, verdicts)
        for rule in rollout.rules:
            verdict = verdicts.get(rule.scorer.name)
            if verdict is None or rule.accepts(verdict):
                continue
            reason = rule.refusal(verdict)
            rollout.refused[reason] += 1
            self.drop(sample.to_document(), reason, verdict.reason)
            return
        rollout.accepted.append(sample)
        self.numbers["accepted"] += 1

    def _emit(self, rollout: Rollout) -> Iterator[Any]:
        """The accepted samples of a decided prompt, as documents."""
        self.numbers["decided"] += 1
        document = rollout.prompt.to_document()
        if rollout.accepted:
            self.count("prompts", out=1)
        elif rollout.is_out_of_budget or not rollout.is_decided:
            self.drop(document, "budget_spent", rollout.outcome, unit="prompts")
        elif rollout.broken:
            self.drop(document, "refused", rollout.outcome, unit="prompts")
        else:
            self.drop(document, "no_sample_accepted", rollout.outcome, unit="prompts")
        for sample in rollout.finished():
            self.count("samples", out=1)
            yield sample.to_document()

    def _check_judged(self, at_end: bool = False) -> None:
        enough = 20 if at_end else UNJUDGED_AFTER
        for name, n in self.unjudged.items():
            judged = self.judged[name]
            if judged >= enough and n / judged > self.max_unjudged:
                raise RunError(
                    f"{name} could not judge {n} of {judged} samples, more than "
                    f"max_unjudged={self.max_unjudged:g}; "
                    "look at the reasons with: curate report RUN, or leave that rule out"
                )

    def _report(self) -> None:
        now = time.monotonic()
        if self.context and self._window and now - self._reported >= REPORT_EVERY_S:
            self._reported = now
            self.context.report(self._all_numbers())

    def _all_numbers(self) -> dict[str, int]:
        assert self._window is not None
        said = self._window.client.numbers()
        if self.context and self.context.slot:  # all workers ask the same servers: one tells
            said = {k: v for k, v in said.items() if k not in OF_THE_SERVER}
        return {**self.numbers, **self._window.numbers, **said}

    def _note(self, engine: Engine) -> None:
        """Says for the manifest who answered and what it took."""
        ledger = self.context.ledger if self.context else None
        if ledger:
            said = {
                "kind": self.identity()["engine"],
                "model": engine.model,
                "revision": engine.revision,
                "license": engine.license,
            }
            sampling = {k: getattr(self, k) for k in ("temperature", "top_p", "max_tokens", "seed")}
            ledger.note("engine", {**said, **sampling})
            numbers = self._all_numbers()
            ledger.note("numbers", {k: v for k, v in numbers.items() if k not in OF_THE_MOMENT})


def is_embedded(engine: str) -> bool:
    """True for a model that this machine serves itself, which is a small one."""
    return engine == "local" or engine.startswith(TRAINED)


def check_keep(keep: int | str, samples: int) -> int | str:
    if samples < 1:
        raise UsageError(f"samples={samples}: at least 1")
    if keep != "all" and (not isinstance(keep, int) or not 1 <= keep <= samples):
        raise UsageError(f"keep={keep!r}: a number from 1 to samples={samples}, or 'all'")
    return keep
