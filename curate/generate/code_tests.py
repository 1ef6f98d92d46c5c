"""Tests for code problems that have none: inputs from a model's generators, validated both ways.

    [
        Prompts("problems.jsonl"),
        Generate(engine, template="prompts/input_generators.md", samples=4, keep=2,
                 accept=[Keep(InputGenerators(), at_least=0.6)]),
        TestInputs(),
        ValidateTests(),
        Generate(engine, accept=[Keep(CodeTests())]),
        ...
    ]

As for DeepSeek-R1 (v2, appendix B.3): several generators, each of which prints one input; then
tests that right submissions fail are dropped, and those are kept that catch wrong ones. A prompt's
submissions are in its columns `solutions` and `incorrect_solutions`: programs, or as CodeContests
has them {"language": […], "solution": […]}.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample, Verdict, canonical_json, digest
from curate.scorers.code_shapes import COLUMNS, Case, Suite, read_tests
from curate.scorers.code_tests import CodeTests
from curate.scorers.code_text import Language, Program, program_of
from curate.scorers.sandbox import Limits, Sandbox, python
from curate.scorers.scorer import Scorer
from curate.step import Step, grouped

RIGHT = ("solutions", "correct_solutions", "canonical_solution")
WRONG = ("incorrect_solutions", "wrong_solutions")
LIMITS = Limits(cpu_s=10.0, output_mb=4)
"""The inputs of a prompt travel with it through every stage; 4 MB hold a million small numbers."""

_FENCE = re.compile(r"^```(?:python3?|py)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def generators(response: str) -> list[str]:
    r"""The programs in an answer, one a fence.

    >>> generators("One:\n```python\nprint(1)\n```\nTwo:\n```python\nprint(2)\n```")
    ['print(1)\n', 'print(2)\n']
    """
    return [match[1] for match in _FENCE.finditer(response)]


def printed_inputs(sample: Sample) -> list[str | None]:
    """The input that each generator of an answer prints, None for one that fails.

    A generator runs twice with the same seed: one that does not print the same would make the
    dataset a matter of chance.
    """
    inputs: list[str | None] = []
    with Sandbox(LIMITS) as box:
        for number, source in enumerate(generators(sample.response)):
            seed = int(digest([sample.prompt_id, source, number])[:8], 16)
            program = python(f"import random\nrandom.seed({seed})\n{source}")
            first, second = box.run(program), box.run(program)
            text = first.stdout.decode("utf-8", "replace")
            is_good = not first.problem and first.stdout == second.stdout and text.strip()
            inputs.append(text if is_good else None)
    return inputs


@dataclass(frozen=True)
class InputGenerators(Scorer):
    """The share of an answer's generators that print an input, run in a sandbox; 0.0 without any.

    A prompt without a right submission is not worth asking for: nobody could say what comes out.

    >>> prompt = Sample(prompt_id="p", problem="Double a number.")
    >>> answer = "```python\\nprint(2)\\n```\\n```python\\nprint(x)\\n```"
    >>> InputGenerators().judge(prompt.with_completion(answer)).score
    0.5
    """

    def judge(self, sample: Sample) -> Verdict:
        inputs = printed_inputs(sample)
        good = sum(text is not None for text in inputs)
        score = good / len(inputs) if inputs else 0.0
        return Verdict(score, f"{good} of {len(inputs)} generators print an input")

    def gold_problem(self, prompt: Sample) -> str | None:
        if submissions(prompt.checks, RIGHT):
            return None
        return f"there is no right submission in {', '.join(RIGHT)}"


class TestInputs(Step):
    """Answers with generators in, their prompts out: `check` has what they print as `inputs`.

    Every answer ends here (`became_inputs`); a prompt of whose generators none prints anything is
    left out (`no_input`).
    """

    __test__ = False
    is_grouped = True
    counts_itself = True

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        for group in grouped(data):
            samples = [Sample.from_document(document) for document in group]
            inputs = [text for sample in samples for text in printed_inputs(sample) if text]
            for document in group:
                self.count("samples", into=1)
                self.drop(document, "became_inputs")
            self.count("prompts", made=1)
            prompt = _prompt_of(samples[0], inputs=list(dict.fromkeys(inputs)))
            if not inputs:
                self.drop(prompt.to_document(), "no_input", unit="prompts")
                continue
            self.count("prompts", out=1)
            yield prompt.to_document()


class ValidateTests(Step):
    """Prompts in, those with good tests out: `check` has `tests`, and in `tests_dropped` how many
    were left out, by reason.

    Candidates are the tests that a prompt has and its `inputs`, whose output is that of the first
    right submission that gives one. A test is left out when a right submission fails it
    (`right_fails`); the others are kept in the order in which they catch wrong submissions that
    none before caught, then as they come, up to `keep` (`surplus`).

    A prompt is left out without a right submission that runs (`no_right_submission`), with fewer
    than `at_least` tests or `outputs` different outputs (`too_few_tests`; 5 and 2 as in AlphaCode's
    CodeContests, Li et al. 2022, section 3.2), and when its tests catch less than the share `catch`
    of its wrong submissions (`catches_too_little`).
    """

    where = frozenset({"workers"})

    def __init__(
        self,
        *,
        keep: int = 20,
        at_least: int = 5,
        outputs: int = 2,
        catch: float = 0.0,
        right: int = 10,
        wrong: int = 30,
        timeout_s: float = 8.0,
        memory_mb: int = 1024,
        workers: int | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= at_least <= keep:
            raise UsageError(f"ValidateTests(at_least={at_least}, keep={keep}): 1 to keep")
        if not 0.0 <= catch <= 1.0:
            raise UsageError(f"ValidateTests(catch={catch}): a share from 0 to 1")
        self.keep, self.at_least, self.outputs, self.catch = keep, at_least, outputs, catch
        self.right, self.wrong = right, wrong
        self.rule = CodeTests(timeout_s=timeout_s, memory_mb=memory_mb)
        self.workers = workers or len(os.sched_getaffinity(0))

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        for document in data:
            found = self.validated(Sample.from_document(document))
            if isinstance(found, Sample):
                yield found.to_document()
            else:
                self.drop(document, *found)

    def validated(self, prompt: Sample) -> Sample | tuple[str, str]:
        """The prompt with its tests, or the reason why it is left out and what there was."""
        right = submissions(prompt.checks, RIGHT)[: self.right]
        wrong = submissions(prompt.checks, WRONG)[: self.wrong]
        checker = prompt.checks.get("generated_checker") or prompt.checks.get("checker")
        dropped: Counter[str] = Counter()
        cases = self._with_outputs(prompt, right, dropped)
        suite = Suite("stdin", tuple(cases), checker=checker)
        able = [passed for passed in self._passed(right, suite) if any(passed)]
        if not able:
            return "no_right_submission", f"{len(right)} submissions, {len(cases)} tests"
        agreed = [all(column) for column in zip(*able, strict=True)]
        dropped["right_fails"] += agreed.count(False)
        cases = [case for case, is_agreed in zip(cases, agreed, strict=True) if is_agreed]
        caught = self._caught(wrong, replace(suite, cases=tuple(cases)))
        chosen = in_order_of_use(caught)[: self.keep]
        dropped["surplus"] += len(cases) - len(chosen)
        kept = [cases[i] for i in sorted(chosen)]
        different = len({case.expected for case in kept})
        if len(kept) < self.at_least or (different < self.outputs and not checker):
            said = ", ".join(f"{n} {reason}" for reason, n in dropped.items() if n)
            return "too_few_tests", f"{len(kept)} with {different} outputs; {said}"
        n_caught = len(set().union(*(caught[i] for i in chosen)))
        if wrong and n_caught < self.catch * len(wrong):
            return "catches_too_little", f"{n_caught} of {len(wrong)} wrong submissions"
        tests = {"inputs": [c.given for c in kept], "outputs": [c.expected for c in kept]}
        said = {reason: n for reason, n in sorted(dropped.items()) if n}
        return _prompt_of(
            prompt, tests=tests, tests_dropped=said, wrong_caught=[n_caught, len(wrong)]
        )

    def _with_outputs(
        self, prompt: Sample, right: Sequence[Program], dropped: Counter[str]
    ) -> list[Case]:
        """The tests that there are, and the inputs with what a right submission prints."""
        known = read_tests(prompt.checks, prompt.problem)
        cases = list(known.cases) if isinstance(known, Suite) and known.kind == "stdin" else []
        seen = {case.given for case in cases}
        inputs = [text for text in prompt.checks.get("inputs") or () if text not in seen]
        for program in right:
            ran = list(self.rule.printed(program, inputs))
            if any(not isinstance(one, str) and not one.problem for one in ran):
                break
        else:
            return cases
        for text, one in zip(inputs, ran, strict=True):
            if isinstance(one, str) or one.problem:
                dropped["right_fails"] += 1
            else:
                cases.append(Case(text, one.stdout.decode("utf-8", "replace")))
        return cases

    def _passed(self, programs: Sequence[Program], suite: Suite) -> list[list[bool]]:
        """For each program, which tests it passes."""

        def run(program: Program) -> list[bool]:
            outcomes = self.rule.outcomes(program, suite)
            passed = [o.is_passed is True for o in outcomes if not isinstance(o, int)]
            return passed + [False] * (len(suite.cases) - len(passed))

        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(run, programs)) if suite.cases else []

    def _caught(self, wrong: Sequence[Program], suite: Suite) -> list[set[int]]:
        """For each test, the numbers of the wrong submissions that fail it."""
        table = self._passed(wrong, suite)
        return [
            {i for i, passed in enumerate(table) if not passed[n]} for n in range(len(suite.cases))
        ]


def in_order_of_use(caught: Sequence[set[int]]) -> list[int]:
    """The tests, those first that catch most of what none before them caught.

    >>> in_order_of_use([{1}, set(), {1, 2}, {3}])
    [2, 3, 0, 1]
    """
    left = dict(enumerate(caught))
    order: list[int] = []
    done: set[int] = set()
    while left:
        best = max(left, key=lambda i: (len(left[i] - done), -i))
        if not left[best] - done:
            break
        done |= left.pop(best)
        order.append(best)
    return [*order, *left]


def submissions(checks: Mapping[str, Any], names: Sequence[str]) -> list[Program]:
    """The programs in a prompt's columns, each once, as far as they can be run here."""
    found = (program for name in names for program in _programs(checks.get(name)))
    return list(dict.fromkeys(found))


def _programs(value: Any) -> Iterator[Program]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping):
        languages, texts = value.get("language") or (), value.get("solution") or ()
        for language, text in zip(languages, texts, strict=False):
            if (known := _LANGUAGES.get(str(language).lower())) and isinstance(text, str):
                yield Program(text, known)
        return
    for text in value if isinstance(value, list) else ():
        if isinstance(text, str) and (program := program_of(text)):
            yield program


# CodeContests numbers them: 2 is C++, 3 is Python 3; 1 is Python 2 and 4 Java, which do not run.
_LANGUAGES: dict[str, Language] = {
    "2": "cpp",
    "cpp": "cpp",
    "3": "python",
    "python3": "python",
    "python": "python",
}


def _prompt_of(sample: Sample, **columns: Any) -> Sample:
    """The prompt of a sample with these tests or inputs and no others.

    It keeps its id, by which its samples are known.
    """
    tests = {*COLUMNS, "inputs"} if "tests" in columns else ()
    further = {name: value for name, value in sample.checks.items() if name not in tests}
    return Sample(
        **{name: getattr(sample, name) for name in _OF_THE_PROMPT},
        check=canonical_json({**further, **columns}),
    )


_OF_THE_PROMPT = (
    *("prompt_id", "problem", "answer", "domain", "source", "source_id", "license"),
    *("language", "verifier", "prompt"),
)
