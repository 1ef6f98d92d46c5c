"""How many of its tests does the program in an answer pass? As a reward, in open-r1's scales."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from curate.sample import Sample, Verdict, canonical_json
from curate.scorers.code_tests import CodeTests
from curate.scorers.native_scale import NativeScale, Number

_NO_COMPILE = re.compile(r"test \d+ of \d+: does not compile")


@dataclass(frozen=True)
class PassedTests(NativeScale):
    """The share of tests that the program passes, run in the sandbox of `CodeTests`; None as there.

    `pass_fail`: 1 for all of the tests, else 0; `weighted_sum`: that and a tenth of the share. The
    program is in a block between three backticks; an answer without one is `no_program`, one that
    does not compile `no_compile`. The tests are in the columns that `CodeTests` reads, or in
    `verification_info` as open-r1 has them; a prompt's `language` may be python or cpp. A verdict
    maps the number onto [0, 1].

    >>> tests = '{"verification_info": {"test_cases": [{"input": "3", "output": "6"}]}}'
    >>> prompt = Sample(prompt_id="p", problem="Read a number, print its double.", check=tests)
    >>> said = "```python\\nprint({} * int(input()))\\n```"
    >>> rule = PassedTests("weighted_sum")
    >>> rule.rewards([prompt.with_completion(said.format(n)) for n in (2, 3)])
    [1.1, 0.0]
    """

    scoring_mode: Literal["pass_fail", "partial", "weighted_sum"] = "partial"
    no_program: float = 0.0
    no_compile: float = 0.0

    needs_gold: ClassVar[bool] = True
    batch: ClassVar[int] = CodeTests.batch

    @property
    def scale(self) -> tuple[float, float]:
        largest = 1.1 if self.scoring_mode == "weighted_sum" else 1.0
        return min(0.0, self.no_program, self.no_compile), largest

    def gold_problem(self, prompt: Sample) -> str | None:
        return CodeTests().gold_problem(_unpacked(prompt))

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        rule = CodeTests(partial=self.scoring_mode != "pass_fail")
        found = [self._number(rule, _unpacked(sample)) for sample in samples]
        asked = [said for said in found if isinstance(said, Sample)]
        verdicts = iter(rule.judge_all(asked))
        return [
            self._scored(next(verdicts)) if isinstance(said, Sample) else said for said in found
        ]

    def _number(self, rule: CodeTests, sample: Sample) -> Sample | Number:
        """The sample where its program is to be run, else the number that it has without."""
        if problem := rule.gold_problem(sample):
            return Number(None, problem)
        return sample if "```" in sample.text else Number(self.no_program, "no block of code")

    def _scored(self, verdict: Verdict) -> Number:
        value = verdict.score
        if value is not None and _NO_COMPILE.match(verdict.reason):
            value = self.no_compile
        elif value is not None and self.scoring_mode == "weighted_sum":
            value = float(value == 1.0) + 0.1 * value
        return Number(value, verdict.reason)


def _unpacked(sample: Sample) -> Sample:
    """The sample with the tests and the language where `CodeTests` looks for them."""
    checks = sample.checks
    info = checks.get("verification_info")
    if isinstance(info, str):
        info = json.loads(info)
    if isinstance(info, Mapping):
        checks = {**checks, **info}
    if sample.language in ("python", "cpp"):
        checks = {**checks, "language": sample.language}
    return sample if checks is sample.checks else replace(sample, check=canonical_json(checks))
