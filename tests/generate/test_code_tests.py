"""Tests made from a model's generators: asked of a real HTTP server, run in a real sandbox."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.generate import Generate
from curate.generate.code_tests import InputGenerators, TestInputs, ValidateTests, in_order_of_use
from curate.run.ledger import TaskLedger, stage_funnel
from curate.sample import Sample, prompt_id
from curate.scorers import CodeTests
from curate.select import Keep
from curate.step import Context, Step
from tests.servers.openai_server import Reply, ScriptedServer

PROJECT = Path(__file__).parents[2]
LARGEST = "values = list(map(int, input().split()))\n"
SUBMISSIONS = {
    "solutions": [
        LARGEST + "print(max(values))",
        "```python\nprint(max(map(int, input().split())))\n```",
    ],
    "incorrect_solutions": [
        LARGEST + "print(values[0])",
        LARGEST + "print(max(0, *values))",
        LARGEST + "print(values[-1])",
        "print(1 // 0)",
    ],
}
ANSWER = """Five generators:
```python
print(5)
```
```python
import random
print(*(random.randint(-9, 9) for _ in range(20)))
```
```python
print(-3, -2, -7)
```
```python
print(1, 9, 2)
```
```python
print(undefined)
```
```python
import os
print(int.from_bytes(os.urandom(4), "big"))
```
```python
print(9, 1, 2)
```
```python
print(2, 1, 9)
```
"""


def prompt(**columns: Any) -> Sample:
    problem = "Print the largest number of the line."
    check = json.dumps(columns) if columns else None
    return Sample(prompt_id=prompt_id("t", problem, check), problem=problem, check=check)


def through(
    steps: list[Step], asked: Iterable[Sample], folder: Path
) -> tuple[list[Sample], dict[str, Any]]:
    """What comes out of steps in a row, and their funnel; checks the law on the way."""
    ledger = TaskLedger(folder / "stage", 0)
    context = Context(folder / "out", PROJECT, PROJECT / "pipelines", ledger=ledger)
    stream: Iterable[Document] = [sample.to_document() for sample in asked]
    for step in steps:
        step.prepare(context)
        stream = step.run(stream)
    found = [Sample.from_document(document) for document in stream]
    ledger.commit()
    labels = [(step.label, "samples") for step in steps if step.counts_itself]
    rows, _ = stage_funnel(folder / "stage", labels)  # type: ignore[arg-type]
    return found, {f"{row.step} {row.unit}": row.to_json() for row in rows}


def test_from_a_problem_to_validated_tests(tmp_path: Path) -> None:
    with ScriptedServer(lambda number, body: Reply([ANSWER])) as server:
        ask = Generate(
            server.url,
            model="m",
            template="prompts/input_generators.md",
            accept=[Keep(InputGenerators(), at_least=0.5)],
            samples=2,
            store=tmp_path / "store",
        )
        given = prompt(**SUBMISSIONS)
        found, funnel = through([ask, TestInputs(), ValidateTests(at_least=3)], [given], tmp_path)
        again, _ = through([ask, TestInputs(), ValidateTests(at_least=3)], [given], tmp_path / "b")
    assert "largest number of the line" in server.requests[0]["messages"][-1]["content"]
    assert len(server.requests) == 1 and again == found
    assert funnel["TestInputs samples"]["dropped"] == {"became_inputs": 1}
    (made,) = found
    assert made.is_prompt and made.prompt_id == given.prompt_id and made.problem == given.problem
    tests = made.checks["tests"]
    assert "-3 -2 -7\n" in tests["inputs"] and len(tests["inputs"]) == 6
    assert "inputs" not in made.checks
    assert made.checks["wrong_caught"] == [4, 4]
    right, *wrong = (SUBMISSIONS["solutions"][0], *SUBMISSIONS["incorrect_solutions"])
    assert CodeTests().judge(made.with_completion(right)).score == 1.0
    assert [CodeTests().judge(made.with_completion(w)).score for w in wrong] == [0.0] * 4


EXISTING = {
    "inputs": ["1 2\n", "3 1\n", "-1 -2\n", "4\n", "7 7\n"],
    "outputs": ["2", "3", "9", "4", "7"],
}


def test_tests_that_right_submissions_fail_are_dropped() -> None:
    found = ValidateTests(at_least=4).validated(prompt(**SUBMISSIONS, input_output=EXISTING))
    assert isinstance(found, Sample)
    assert found.checks["tests_dropped"] == {"right_fails": 1}
    assert "-1 -2\n" not in found.checks["tests"]["inputs"] and "input_output" not in found.checks


def test_right_submissions_that_disagree_leave_no_test() -> None:
    two = {"solutions": [*SUBMISSIONS["solutions"], "print(min(map(int, input().split())))"]}
    found = ValidateTests(at_least=1).validated(prompt(**two, inputs=["1 2\n", "4 5\n", "3\n"]))
    assert found == ("too_few_tests", "1 with 1 outputs; 2 right_fails")


def test_with_a_checker_right_submissions_may_differ() -> None:
    checker = (
        "import sys\nn, _, said = (open(f).read().split() for f in sys.argv[1:])\n"
        "print(int(sum(map(int, said)) == int(n[0])))\n"
    )
    columns = {
        "solutions": ["print(0, input())", "n = int(input())\nprint(n - 1, 1)"],
        "incorrect_solutions": ["print(1, 1)"],
        "inputs": ["2\n", "5\n", "9\n"],
        "generated_checker": checker,
    }
    found = ValidateTests(at_least=3).validated(prompt(**columns))
    assert isinstance(found, Sample) and found.checks["wrong_caught"] == [1, 1]


def test_what_catches_wrong_submissions_is_kept_first() -> None:
    inputs = [f"{n}\n" for n in range(8)] + ["-5 -1\n", "1 8 2\n"]
    found = ValidateTests(keep=3, at_least=3).validated(prompt(**SUBMISSIONS, inputs=inputs))
    assert isinstance(found, Sample)
    assert {"-5 -1\n", "1 8 2\n"} <= set(found.checks["tests"]["inputs"])
    assert found.checks["tests_dropped"] == {"surplus": 7}
    assert in_order_of_use([set(), {1}, {1, 2}]) == [2, 0, 1]


LEFT_OUT = {
    "no submissions": ({"inputs": ["1\n"]}, {}, "no_right_submission"),
    "none that runs": ({"solutions": ["1 // 0"], "inputs": ["1\n"]}, {}, "no_right_submission"),
    "too few tests": ({**SUBMISSIONS, "inputs": ["1\n", "2\n"]}, {}, "too_few_tests"),
    "one output": (
        {**SUBMISSIONS, "inputs": ["1\n", "1 1\n", "1 0\n"]},
        {"at_least": 3},
        "too_few_tests",
    ),
    "wrong ones pass": (
        {**SUBMISSIONS, "inputs": ["1\n", "2\n", "3\n"]},
        {"at_least": 3, "catch": 0.5},
        "catches_too_little",
    ),
}


@pytest.mark.parametrize(("columns", "options", "reason"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_prompts_are_left_out_with_a_reason(
    columns: dict[str, Any], options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    step = ValidateTests(**options)
    assert pickle.loads(pickle.dumps(step)).keep == step.keep
    left_out = step.validated(prompt(**columns))
    assert not isinstance(left_out, Sample) and left_out[0] == reason
    assert through([step], [prompt(**columns)], tmp_path)[0] == []


def test_nobody_is_asked_for_inputs_without_outputs(tmp_path: Path) -> None:
    with ScriptedServer(lambda number, body: Reply([ANSWER])) as server:
        rules = [Keep(InputGenerators())]
        ask = Generate(server.url, model="m", accept=rules, store=tmp_path / "store")
        found, _ = through([ask], [prompt(solutions=[])], tmp_path)
    assert not found and not server.requests


def test_generators_that_print_nothing_leave_no_prompt(tmp_path: Path) -> None:
    silent = prompt().with_completion("```python\npass\n```", k=0, id="p-0")
    found, funnel = through([TestInputs()], [silent], tmp_path)
    assert not found
    assert funnel["TestInputs prompts"]["dropped"] == {"no_input": 1}
    assert InputGenerators().judge(silent).score == 0.0
    assert InputGenerators().judge(prompt().with_completion("no code")).score == 0.0


@pytest.mark.parametrize("options", [{"at_least": 0}, {"keep": 2}, {"catch": 2.0}])
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ValidateTests(**options)
