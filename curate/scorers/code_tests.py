"""`CodeTests`: does the program in an answer pass the prompt's tests? Run in a sandbox, never else.

A row that it judges (columns of a prompt file, see `code_shapes` for the others):

    {"problem": "Read a number, print its double.",
     "tests": {"inputs": ["1\\n", "5\\n"], "outputs": ["2\\n", "10\\n"]}}

    curate score CodeTests answers.jsonl
"""

from __future__ import annotations

import json
import marshal
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers import sandbox
from curate.scorers.code_compare import same_output, same_value
from curate.scorers.code_harness import MODULES
from curate.scorers.code_shapes import Case, Suite, read_tests
from curate.scorers.code_text import Language, Program, program_of
from curate.scorers.code_values import unpack
from curate.scorers.sandbox import Limits, Ran, Sandbox, command, python
from curate.scorers.scorer import Scorer
from curate.text import CLOSE

_LANGUAGES: dict[str, Language] = {"python": "python", "cpp": "cpp", "c++": "cpp"}
COMPILE = Limits(cpu_s=60, memory_mb=2048, output_mb=64, scratch_mb=256)
"""A file that includes bits/stdc++.h takes g++ 12 four seconds and 300 MB (measured)."""


class Outcome(NamedTuple):
    """One test: passed (None when that cannot be told), and why not."""

    is_passed: bool | None
    reason: str = ""


@dataclass(frozen=True)
class CodeTests(Scorer):
    """1.0 when the program passes all tests, 0.0 when it fails one, None when there are none.

    With `partial` the share of the tests that it passes. A test may take `timeout_s` seconds of
    processor time (8 s is what the references of the given cases were run with) and `memory_mb`;
    tests that are Python code count together as one in time. Decimal fractions may be off by
    `tolerance`. Raises NoSandbox where programs cannot be run safely.

    >>> check = '{"tests": ["assert f(2) == 4"]}'
    >>> prompt = Sample(prompt_id="p", problem="Double it.", check=check)
    >>> CodeTests().judge(prompt.with_completion("def f(x): return 2 * x"))
    Verdict(score=1.0, reason='1 of 1 tests passed')
    >>> CodeTests().judge(prompt.with_completion("def f(x): return x + 1"))
    Verdict(score=0.0, reason='test 1 of 1: assert f(2) == 4')
    """

    needs_gold: ClassVar[bool] = True
    batch: ClassVar[int] = 64

    language: Literal["auto", "python", "cpp"] = "auto"
    timeout_s: float = 8.0
    memory_mb: int = 1024
    tolerance: float = 1e-6
    partial: bool = False
    packages: str = ""
    """Python packages, installed here, that programs may import: `numpy+sympy`."""

    def judge(self, sample: Sample) -> Verdict:
        tests = _tests(sample.check, sample.problem)
        if isinstance(tests, str):
            return Verdict(None, tests)
        sandbox.require_sandbox()
        program = self.program_in(sample, tests)
        if program is None:
            return Verdict(0.0, "there is no program in the answer")
        outcomes: list[Outcome] = []
        total = len(tests.cases)
        for outcome in self.outcomes(program, tests):
            if isinstance(outcome, int):
                total = outcome
                continue
            outcomes.append(outcome)
            if outcome.is_passed is None or not (outcome.is_passed or self.partial):
                break
        return _verdict(outcomes, total, self.partial)

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """Several programs at a time, one on each processor."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return list(threads.map(self.judge, samples))

    def gold_problem(self, prompt: Sample) -> str | None:
        tests = _tests(prompt.check, prompt.problem)
        return tests if isinstance(tests, str) else None

    def program_in(self, sample: Sample, tests: Suite) -> Program | None:
        """The program of an answer, completed where it goes on from the prompt."""
        if not sample.response:
            return None
        said = sample.text.rpartition(CLOSE)[2]
        likely = _LANGUAGES.get(str(sample.checks.get("language")).lower())
        only = None if self.language == "auto" else self.language
        program = program_of(said, defines=tests.function, only=only, likely=likely)
        if program is None or program.language == "cpp":
            return program
        return Program(tests.program(program.text), "python")

    def outcomes(self, program: Program, tests: Suite) -> Iterator[Outcome | int]:
        """What becomes of each test in turn; the number of tests first where only they know it."""
        if tests.kind == "asserts":
            yield from self._asserts(program, tests)
        elif program.language == "cpp" and tests.kind == "call":
            yield Outcome(None, "functions of C++ programs cannot be called")
        elif tests.kind == "call":
            yield from self._calls(program, tests)
        else:
            yield from self._runs(program, tests)

    @property
    def limits(self) -> Limits:
        return Limits(cpu_s=self.timeout_s, memory_mb=self.memory_mb)

    @property
    def imports(self) -> list[str]:
        return [name for name in self.packages.split("+") if name]

    def printed(self, program: Program, inputs: Iterable[str]) -> Iterator[Ran | str]:
        """What a program does with each input; a text says why it cannot be run at all."""
        binary = None
        if program.language == "cpp":
            binary = compile_cpp(program.text)
            if isinstance(binary, str):
                yield binary
                return
        with Sandbox(self.limits, binary, packages=self.imports) as box:
            role = command("/box/program") if binary else python(program.text)
            for given in inputs:
                yield box.run(role, stdin=given.encode("utf-8", "surrogatepass"))

    def _runs(self, program: Program, tests: Suite) -> Iterator[Outcome]:
        with ExitStack() as stack:
            checker = stack.enter_context(Sandbox(self.limits)) if tests.checker else None
            given = (case.given for case in tests.cases)
            for ran, case in zip(self.printed(program, given), tests.cases, strict=False):
                if isinstance(ran, str):
                    yield Outcome(None if ran == NO_COMPILER else False, ran)
                elif ran.problem:
                    yield _not_run(ran)
                elif checker:
                    yield self._checked(checker, tests, case, ran.stdout)
                else:
                    said = ran.stdout.decode("utf-8", "replace")
                    is_same = same_output(said, case.expected, self.tolerance)
                    yield Outcome(is_same, _differs(said.strip(), case.expected.strip()))

    def _checked(self, box: Sandbox, tests: Suite, case: Case, output: bytes) -> Outcome:
        """What the problem's own checker says; it runs apart from the program."""
        files = {
            "input.txt": case.given.encode("utf-8", "surrogatepass"),
            "correct_output.txt": case.expected.encode("utf-8", "surrogatepass"),
            "output.txt": output,
        }
        assert tests.checker
        ran = box.run(python(tests.checker, *files), files=files)
        word = (ran.stdout.decode("utf-8", "replace").split() or [""])[0]
        try:
            points = float(word)
        except ValueError:
            return Outcome(None, f"the checker says {word[:40]!r}; {ran.problem or 'no number'}")
        if ran.problem:
            return Outcome(None, f"the checker: {ran.problem}")
        return Outcome(points >= 1, f"the checker says {word[:40]}")

    def _calls(self, program: Program, tests: Suite) -> Iterator[Outcome]:
        harness = {"harness": sandbox.harness(*MODULES), "does": "call", "is_open": True}
        role = {**harness, "source": program.text, "function": tests.function}
        with Sandbox(self.limits, packages=self.imports) as box:
            for case in tests.cases:
                ran = box.run({**role, "args": marshal.dumps(case.given)})
                if ran.problem:
                    yield _not_run(ran)
                    continue
                try:
                    said = result_of(ran.stdout)
                except (ValueError, LookupError, TypeError, RecursionError) as error:
                    yield Outcome(False, f"no result: {error}"[:100])
                    continue
                is_same = same_value(said, case.expected, self.tolerance)
                if not is_same and isinstance(case.expected, list) and len(case.expected) == 1:
                    # APPS wraps the results of some problems, not of others.
                    is_same = same_value(said, case.expected[0], self.tolerance)
                yield Outcome(is_same, _differs(repr(said), repr(case.expected)))

    def _asserts(self, program: Program, tests: Suite) -> Iterator[Outcome | int]:
        if program.language == "cpp":
            yield Outcome(None, "tests in Python cannot judge a C++ program")
            return
        harness = {"harness": sandbox.harness(*MODULES)}
        secret = marshal.dumps({"source": tests.code, "partial": self.partial})
        with Sandbox(self.limits, secret=secret, packages=self.imports) as box:
            ran = box.run(
                {**harness, "does": "serve", "source": program.text, "is_open": True},
                tester={**harness, "does": "test"},
            )
        lines = ran.stdout.decode("utf-8", "replace").splitlines()
        total = int(lines[0]) if lines and lines[0].isdigit() else 0
        yield total
        said = lines[1:] if total else lines
        if ran.ended == "time" and said and said[-1] != "+":
            said.pop()  # the program's end, which its limit was the reason of
        for line in said:
            is_broken = line.startswith("? ")
            yield Outcome(None if is_broken else line == "+", line.removeprefix("? "))
        if ran.problem or not lines:
            yield _not_run(ran)


def _not_run(ran: Ran) -> Outcome:
    """A test whose program did not end well; when the sandbox is at fault, nobody failed."""
    return Outcome(None if ran.ended == "lost" else False, ran.problem or "the tester ended")


def result_of(data: bytes) -> Any:
    """The result that the harness wrote; ValueError for one that JSON tests cannot expect."""

    def other(value: list[Any]) -> Any:
        raise ValueError(f"the result holds an object of type {value[-1]}")

    return unpack(json.loads(data), other)[0]


NO_COMPILER = "there is no C++ compiler; install g++"


@lru_cache(maxsize=64)
def compile_cpp(text: str) -> bytes | str:
    """The binary of a C++ program, compiled in a sandbox, or why there is none."""
    compiler = shutil.which("g++", path="/usr/bin") or shutil.which("clang++", path="/usr/bin")
    if compiler is None:
        return NO_COMPILER
    build = f"{compiler} -std=gnu++20 -O2 -w -o program program.cpp 2>&1 && cat program"
    files = {"program.cpp": text.encode("utf-8", "replace")}
    with Sandbox(COMPILE) as box:
        ran = box.run(command("/bin/sh", "-c", build), files=files)
    if ran.problem:
        errors = [x for x in ran.stdout.decode("utf-8", "replace").splitlines() if "error" in x]
        return f"does not compile: {(errors or [ran.problem])[0]}"[:200]
    return ran.stdout


@lru_cache(maxsize=256)
def _tests(check: str | None, problem: str) -> Suite | str:
    return read_tests(Sample(prompt_id="", problem=problem, check=check).checks, problem)


def _verdict(outcomes: list[Outcome], total: int, partial: bool) -> Verdict:
    passed = sum(outcome.is_passed is True for outcome in outcomes)
    for number, outcome in enumerate(outcomes, 1):
        if outcome.is_passed is None:
            return Verdict(None, outcome.reason[:200])
        if not outcome.is_passed:
            score = passed / total if partial and total else 0.0
            return Verdict(min(score, 1.0), f"test {number} of {total}: {outcome.reason}"[:250])
    if not total or passed < total:
        return Verdict(None if not total else 0.0, f"{passed} of {total} tests passed")
    return Verdict(1.0, f"{passed} of {total} tests passed")


def _differs(said: str, expected: str) -> str:
    """Both from where they differ, short."""
    pairs = zip(said, expected, strict=False)
    shorter = min(len(said), len(expected))
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    start = max(0, at - 10)
    dots = "…" if start else ""
    return f"{dots}{said[start : start + 40]!r} instead of {dots}{expected[start : start + 40]!r}"
