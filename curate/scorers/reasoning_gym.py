"""reasoning-gym's own score of an answer to one of its tasks.

    {"task": "word_ladder", "metadata": {…}, "answer": "COLD,CORD,CARD,WARD,WARM", "problem": "…"}

`Prompts("reasoning-gym:word_ladder")` writes those columns. Eleven of the 106 scoring functions
give text to Python's `eval` or sympy's `parse_expr`, which is one: here `eval` reads literals only,
`parse_expr` gets nothing but arithmetic, and all of it runs in a process that can be killed.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

from curate.errors import Unjudged
from curate.sample import Sample, Verdict
from curate.scorers.answer_element import answer_element
from curate.scorers.pool import guarded_all
from curate.scorers.scorer import Scorer

VERSION = "0.1."
"""Another one would score otherwise."""
TIMEOUT_S = 20.0
"""Of processor time. Loading the package takes 2 s, a gold answer at most 0.2 s (measured)."""
MAX_CHARACTERS = 20_000
"""The longest gold answer of 510 items of all tasks has 4,063 characters (measured)."""
LITERALS = frozenset(
    {"binary_matrix", "n_queens", "number_sorting", "spiral_matrix", "string_insertion"}
)
"""Tasks whose score calls `eval` on a list."""
FORMULAS = frozenset(
    {
        *("countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24"),
        "simple_integration",
    }
)
"""Tasks whose score calls sympy's `parse_expr`."""
BITS = "bitwise_arithmetic"
"""Its score calls `eval` on the prompt's own `problem`."""
HARMLESS = frozenset({"basic_arithmetic", "codeio", "propositional_logic"})
"""Tasks that run text of their own when they make a problem, or have their own `parse_expr`."""
RUNS = re.compile(r"(?<![\w.])(?:eval|exec|compile)\(|(?:parse_expr|sympify|lambdify)\(")
"""A task with this in its module, of which nothing is known, is not judged."""
BOARDS = frozenset({"arc_agi", "rearc"})
"""Tasks that compare boards as tuples, which JSON does not have."""


@dataclass(frozen=True)
class ReasoningGym(Scorer):
    """The score in [0, 1] that reasoning-gym gives the answer: 1.0 when it is right, a share when
    in part; None when the prompt is not one of its tasks, without the package, or after 20 s.

    The answer is the `<answer>` element, else the last box; without either, the best of the final
    answer, the last code block and the whole response.

    >>> check = '{"task": "gcd", "metadata": {"source_dataset": "gcd"}}'
    >>> prompt = Sample("p", "Find the GCD of 12 and 18.", answer="6", check=check)
    >>> ReasoningGym().judge(prompt.with_completion("<answer>6</answer>"))
    Verdict(score=1.0, reason='gcd: 1')
    >>> ReasoningGym().judge(prompt.with_completion("<answer>9</answer>"))
    Verdict(score=0.0, reason='gcd: 0')
    """

    needs_gold: ClassVar[bool] = True
    batch: ClassVar[int] = 32

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        samples = list(samples)
        entries = [_entry(sample) for sample in samples]
        calls = [
            (entry, tuple(dict.fromkeys(_answers(sample))))
            for entry, sample in zip(entries, samples, strict=True)
            if isinstance(entry, _Entry)
        ]
        results = iter(guarded_all(_best, calls, timeout_s=TIMEOUT_S) if calls else [])
        return [
            _verdict(entry, next(results)) if isinstance(entry, _Entry) else Verdict(None, entry)
            for entry in entries
        ]

    def gold_problem(self, prompt: Sample) -> str | None:
        entry = _entry(prompt)
        return entry if isinstance(entry, str) else None


class _Entry(NamedTuple):
    """What reasoning-gym's scoring functions take, and the task whose function it is."""

    task: str
    item: dict[str, Any]


def _entry(prompt: Sample) -> _Entry | str:
    """The entry of a prompt, or why there is none."""
    metadata = prompt.checks.get("metadata")
    if not isinstance(metadata, dict):
        return "the prompt has no task and metadata of reasoning-gym"
    task = str(metadata.get("source_dataset") or prompt.checks.get("task"))
    known = _tasks()
    if isinstance(known, str):
        return known
    if task not in known:
        return f"reasoning-gym has no task '{task[:60]}'"
    return _Entry(
        task, {"question": prompt.problem, "answer": prompt.answer, "metadata": dict(metadata)}
    )


@cache
def _tasks() -> frozenset[str] | str:
    """The tasks that the installed reasoning-gym has, or why it cannot be used."""
    from importlib import metadata

    try:
        version = metadata.version("reasoning-gym")
    except metadata.PackageNotFoundError:
        return "needs reasoning-gym: python -m pip install 'curate-datasets[gym]'"
    if not version.startswith(VERSION):
        return f"needs reasoning-gym {VERSION}*, not {version}"
    from reasoning_gym.factory import DATASETS

    return frozenset(DATASETS)


_BLOCK = re.compile(r"```[a-zA-Z]*\n([^`]*)```")


def _answers(sample: Sample) -> Iterator[str]:
    """What may be the answer, without the longest of texts."""
    response = sample.response
    if (element := answer_element(response)) is not None:
        yield element[:MAX_CHARACTERS]
        return
    if final := sample.final_answer:
        yield final[:MAX_CHARACTERS]
        if r"\boxed" in response:
            return
    if blocks := _BLOCK.findall(response[-MAX_CHARACTERS:]):
        yield blocks[-1].strip()
    if response and len(response) <= MAX_CHARACTERS:
        yield response


def _verdict(entry: _Entry, result: float | Unjudged) -> Verdict:
    if isinstance(result, Unjudged):
        return Verdict(None, f"{entry.task}: {result}"[:250])
    return Verdict(result, f"{entry.task}: {result:.3g}")


def _best(entry: _Entry, answers: tuple[str, ...]) -> float | Unjudged:
    """The best score of some answers; runs in a worker."""
    found = [_score(entry, answer) for answer in answers]
    unjudged = [score for score in found if isinstance(score, Unjudged)]
    return unjudged[0] if unjudged else max((s for s in found if isinstance(s, float)), default=0.0)


def _score(entry: _Entry, answer: str) -> float | Unjudged:
    task, item = entry
    metadata = item["metadata"]
    if task in FORMULAS:
        if not is_formula(answer):
            return 0.0
        own = [metadata.get("integrand")]
        own += [item["answer"]] if task == "polynomial_multiplication" else []
        if not all(is_formula(text) for text in own if text):
            return Unjudged("the prompt's own formula is not plain arithmetic")
    if task == BITS and not re.fullmatch(r"[0-9a-fx+\-*<>()\s]*", str(metadata.get("problem"))):
        return Unjudged("the prompt's problem is not bitwise arithmetic")
    if task in BOARDS:
        metadata = {**metadata, "output": tuple(map(tuple, metadata.get("output", ())))}
    started = time.process_time()
    try:
        score = float(_dataset(task).score_answer(answer, {**item, "metadata": metadata}))
    except Exception as error:
        return Unjudged(f"reasoning-gym cannot score it: {type(error).__name__}: {error}"[:200])
    if time.process_time() - started >= TIMEOUT_S:
        # Some scoring functions catch everything, also the alarm, and say 0.
        return Unjudged(f"no verdict within {TIMEOUT_S:g} s")
    return min(max(score, 0.0), 1.0) if math.isfinite(score) else Unjudged(f"scored {score}")


@cache
def _dataset(task: str) -> Any:
    """The object with the task's scoring function."""
    import reasoning_gym

    dataset = reasoning_gym.create_dataset(task, size=1, seed=0)
    module = sys.modules[type(dataset).__module__]
    if task in LITERALS:
        vars(module)["eval"] = ast.literal_eval
    elif task not in FORMULAS | HARMLESS | {BITS} and RUNS.search(inspect.getsource(module)):
        raise ValueError(f"its {task} may run what it is given")
    return dataset


_NAME = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = frozenset(
    {
        *("sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
        *("asinh", "acosh", "atanh", "exp", "log", "ln", "sqrt", "Abs", "abs", "pi"),
        "Integral",
    }
)


def is_formula(text: str) -> bool:
    """Whether a text is arithmetic that sympy may read: numbers, letters and known functions.

    >>> is_formula("2*x**2/3 + log(x) + C"), is_formula("().__class__"), is_formula("f(1)(2)")
    (True, False, False)
    """
    return (
        len(text) <= 1000
        and not re.search(r"[^\w\s+\-*/^().,]|\.(?!\d)|\)\s*\(|_|\d[a-zA-Z]", text)
        and all(len(name) == 1 or name in _FUNCTIONS for name in _NAME.findall(text))
    )
