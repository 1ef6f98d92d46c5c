"""A model as the judge of answers: R1's generative reward, through the client and the store.

    Judge(engine="http://HOST:8000/v1", model="deepseek-ai/DeepSeek-V3")    # against the reference
    Judge(engine=…, model=…, prompt="helpfulness")                          # without one, 1 to 10
    FirstOf(MathAnswer(), Judge(engine=…, model=…))                         # where rules abstain

A prompt is a template (docs/writing-pipelines.md) that asks for JSON with one of the keys
"correctness" (correct, incorrect), "safety" (safe, unsafe) or "score" (1 to 10).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from curate.engines.request import Completion, Request
from curate.errors import SampleError, UsageError
from curate.sample import Sample, Turn, Verdict, digest
from curate.scorers.asking import Asking, asked_of, in_project
from curate.scorers.judge_verdict import CLASSES, key_of, read_verdict
from curate.sources.template import Template, load_template

_PROMPTS = Path(__file__).parent / "prompts"
_MARKER = re.compile(r"^-----", re.MULTILINE)
"""Begins the lines that part the prompts; an answer that forges one gets it indented."""


class _Prompt(NamedTuple):
    """A judge's template and the key that it asks for."""

    template: Template
    key: str
    needs_gold: bool


@dataclass(frozen=True)
class Judge(Asking):
    """What a model says of an answer, from 0.0 to 1.0; None when it gives no readable verdict.

    `r1-correctness` compares with the gold answer (1.0 or 0.0), `helpfulness` rates from 1 to 10,
    laid out over [0, 1], and `harmlessness` says safe (1.0) or unsafe (0.0); another name is a
    template's file. No response is 0.0, unasked. None: no gold answer where one is needed, a reply
    without a verdict, a question that the server refuses. With `repeats` it is asked as often with
    other seeds, and the mean of the readable verdicts counts.

    Raises EngineError when nobody answers, so a run stops and continues later.

    Args:
        temperature: by default 0, as Arena-Hard judges; with `repeats` 0.6, what R1 recommends.
        max_tokens: of a reply, 4,096 as in Arena-Hard; a judge that thinks first needs more.
    """

    prompt: str = "r1-correctness"
    repeats: int = 1
    temperature: float | None = None
    max_tokens: int = 4096

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats < 1:
            raise UsageError(f"Judge: repeats={self.repeats}: at least 1")
        if self.max_tokens < 1:
            raise UsageError(f"Judge: max_tokens={self.max_tokens}: at least 1")
        # Of the prompt, not of the class; a frozen object is told only this way.
        object.__setattr__(self, "needs_gold", _load(self.prompt).needs_gold)

    def identity(self) -> Any:
        """The name, and what the prompt says: a file may change."""
        return {"scorer": self.name, "prompt": digest(_load(self.prompt).template.turns)}

    def gold_problem(self, prompt: Sample) -> str | None:
        return "no gold answer" if self.needs_gold and not (prompt.answer or "").strip() else None

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """All verdicts, asked for at the same time."""
        prompt = _load(self.prompt)
        asked = [self._question(prompt.template, sample) for sample in samples]
        replies = iter(self._replies([q for q in asked if not isinstance(q, Verdict)]))
        return [
            question if isinstance(question, Verdict) else _mean(next(replies), prompt.key)
            for question in asked
        ]

    def _question(self, template: Template, sample: Sample) -> tuple[Turn, ...] | Verdict:
        """What the judge is sent of a sample, or the verdict that needs no judge."""
        if problem := self.gold_problem(sample):
            return Verdict(None, problem)
        if _MARKER.search(sample.text):
            sample = sample.with_completion(_MARKER.sub(r" \g<0>", sample.text))
        try:
            return template.render(asked_of(sample))
        except SampleError:
            return Verdict(0.0, "no response")

    def _replies(self, questions: Sequence[tuple[Turn, ...]]) -> list[list[Completion]]:
        """The judge's `repeats` replies to each question."""
        if not questions:
            return []
        asker, often = self.asker(), self.repeats
        temperature = self.temperature
        if temperature is None:
            temperature = 0.0 if often == 1 else 0.6
        replies = asker.completions(
            [
                Request(
                    messages=messages,
                    model=asker.engine.model,
                    revision=asker.engine.revision,
                    temperature=temperature,
                    top_p=1.0 if temperature == 0.0 else 0.95,
                    max_tokens=self.max_tokens,
                    seed=seed,
                )
                for messages in questions
                for seed in range(often)
            ]
        )
        return [replies[i : i + often] for i in range(0, len(replies), often)]


def _mean(replies: Sequence[Completion], key: str) -> Verdict:
    """The mean of what is readable in the replies to one question."""
    verdicts = [_read(reply, key) for reply in replies]
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    if len(verdicts) == 1 or not scores:
        return verdicts[0]
    said = ", ".join("none" if v.score is None else f"{v.score:.2g}" for v in verdicts)
    first = next(verdict.reason for verdict in verdicts if verdict.is_judged)
    return Verdict(sum(scores) / len(scores), f"mean of {len(scores)} judgements ({said}); {first}")


def _read(reply: Completion, key: str) -> Verdict:
    if reply.finish_reason == "refused":
        return Verdict(None, f"the judge was not asked: {(reply.error or 'refused')[:200]}")
    verdict = read_verdict(reply.text, key, is_whole=reply.finish_reason == "stop")
    if verdict.is_judged or reply.finish_reason == "stop":
        return verdict
    return Verdict(None, f"the judge's reply was cut off after {reply.completion_tokens} tokens")


def judge_prompts() -> list[str]:
    """The names of the prompts that come with the package."""
    return sorted(path.stem for path in _PROMPTS.glob("*.md"))


def _load(name: str) -> _Prompt:
    """A prompt by its name or its file; UsageError when it is none."""
    known = judge_prompts()
    path = _PROMPTS / f"{name}.md" if name in known else in_project(name)
    if not path.is_file():
        raise UsageError(
            f"Judge: there is no prompt {name!r}; use {', '.join(known)}, or a template's file"
        )
    return _read_prompt(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_prompt(path: Path, changed: int) -> _Prompt:
    template = load_template(path)
    text = "\n".join(content for _, content in template.turns)
    key = key_of(text)
    if key is None:
        keys = ", ".join(f'"{key}"' for key in CLASSES)
        raise UsageError(f"{path}: a judge's prompt asks for JSON with exactly one key of {keys}")
    return _Prompt(template, key, "{{answer}}" in text)
