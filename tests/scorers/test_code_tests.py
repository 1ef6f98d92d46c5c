"""`CodeTests`: right programs pass, wrong ones do not, and none can say so itself."""

from __future__ import annotations

import base64
import json
import math
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers import CodeTests, scorer_from
from curate.scorers.code_compare import same_output, same_value
from curate.scorers.code_shapes import Suite, read_tests
from curate.scorers.code_text import program_of
from curate.scorers.code_values import pack, to_json, unpack
from tests.scorers.escapes import FORGED_TESTS, FORGERIES

CASES = Path(__file__).parents[2] / "../shared/cases/code-mbpp-humaneval.jsonl"
JUDGED = CodeTests(timeout_s=4, memory_mb=512)


def sample(tests: dict[str, Any], completion: str, problem: str = "Solve it.") -> Sample:
    prompt = Sample(prompt_id="p", problem=problem, check=json.dumps(tests))
    return prompt.with_completion(completion)


def test_labelled_programs() -> None:
    if not CASES.exists():
        pytest.skip("the shared cases are not here")
    rows = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    samples = [sample({"tests": r["tests"]}, r["code"], r["prompt"]) for r in rows]
    verdicts = CodeTests().judge_all(samples)
    wrong = [(r["id"], v) for r, v in zip(rows, verdicts, strict=True) if v.score != r["expected"]]
    assert len(rows) >= 80 and not wrong


DOUBLE = {"right": "print(2 * int(input()))", "wrong": "print(int(input()) ** 2)"}
ADD = {"right": "def add(a, b):\n    return a + b", "wrong": "def add(a, b):\n    return a - b"}
SOLUTION = {
    "right": "class Solution:\n    def add(self, a: List[int], b: int):\n        return [*a, b]",
    "wrong": "class Solution:\n    def add(self, a, b):\n        return a",
}
CPP = "#include <iostream>\nint main() { long long n; std::cin >> n; std::cout << %s; }"
IO = {"inputs": ["2\n", "5\n"], "outputs": ["4\n", "10\n"]}
PARTS = [{"input": "2\n", "output": "4\n"}, {"input": "5\n", "output": "10\n"}]
STUB = 'from typing import List\n\n\ndef add(a: int, b: int) -> int:\n    """Adds."""\n'
CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(0, 5) == 5\n"
PACKED = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(PARTS[1:])))).decode()
SHAPES: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "APPS": ({"input_output": json.dumps(IO)}, DOUBLE, ""),
    "tests as an object": ({"tests": IO}, DOUBLE, ""),
    "APPS function": (
        {"input_output": {"inputs": [[1, 2], [0, 5]], "outputs": [[3], [5]], "fn_name": "add"}},
        ADD,
        "",
    ),
    "Codeforces": ({"official_tests": PARTS, "input_mode": "stdio"}, DOUBLE, ""),
    "CodeContests": (
        {
            "public_tests": {"input": ["2\n"], "output": ["4\n"]},
            "private_tests": {"input": ["5\n"], "output": ["10\n"]},
        },
        DOUBLE,
        "",
    ),
    "LiveCodeBench": (
        {"public_test_cases": json.dumps(PARTS[:1]), "private_test_cases": PACKED},
        DOUBLE,
        "",
    ),
    "LiveCodeBench function": (
        {
            "public_test_cases": json.dumps(
                [{"input": "[1]\n2", "output": "[1, 2]", "testtype": "functional"}]
            ),
            "metadata": json.dumps({"func_name": "add"}),
        },
        SOLUTION,
        "",
    ),
    "MBPP": (
        {"test_list": ["assert add(1, 2) == 3", "assert add(0, 5) == 5"], "test_setup_code": ""},
        ADD,
        "",
    ),
    "HumanEval, whole function": ({"test": CHECK, "entry_point": "add"}, ADD, STUB),
    "HumanEval, the rest of it": (
        {"test": CHECK, "entry_point": "add"},
        {"right": "    return a + b\n", "wrong": "    return a - b\n"},
        STUB,
    ),
    "KodCode": (
        {
            "test": "from solution import add\n\ndef test_small():\n    assert add(1, 2) == 3\n\n"
            "def test_zero():\n    assert add(0, 5) == 5\n"
        },
        ADD,
        "",
    ),
    "LeetCode by starter code": (
        {
            "tests": [{"input": {"a": [1], "b": 2}, "output": [1, 2]}],
            "starter_code": "class Solution:\n    def add(self, a: List[int], b: int):\n",
        },
        SOLUTION,
        "",
    ),
    "LeetCode": (
        {
            "test": "def check(candidate):\n    assert candidate(a=[1], b=2) == [1, 2]\n",
            "entry_point": "Solution().add",
        },
        SOLUTION,
        "",
    ),
    "C++": ({"tests": IO}, {"right": CPP % "2 * n", "wrong": CPP % "n * n"}, ""),
    "several right outputs": (
        {
            "official_tests": [{"input": "5\n", "output": "1 4\n"}],
            "generated_checker": "import sys\nn, _, said = (open(f).read().split() for f in"
            " sys.argv[1:])\nprint(int(sum(map(int, said)) == int(n[0])))\n",
        },
        {"right": "n = int(input())\nprint(n - 2, 2)", "wrong": "print(1, 1)"},
        "",
    ),
}


@pytest.mark.parametrize(("tests", "programs", "problem"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes_of_datasets(tests: dict[str, Any], programs: dict[str, str], problem: str) -> None:
    right, wrong = (sample(tests, programs[key], problem) for key in ("right", "wrong"))
    assert JUDGED.gold_problem(right) is None
    assert JUDGED.judge(right).score == 1.0
    assert JUDGED.judge(wrong).score == 0.0


SPLIT = {
    "an exception that the tests expect": (
        "def f(x):\n    raise ValueError(x)",
        "try:\n    f(1)\nexcept ValueError:\n    pass\nelse:\n    assert False\n",
    ),
    "objects of the program's classes": (
        "class P:\n    def __init__(self, x): self.x = x\n"
        "    def __eq__(self, o): return self.x == o.x\ndef f(p): return P(p.x + 1)",
        "p = P(1)\np.x = 5\nassert f(p).x == 6\nassert f(p) == P(6)\nassert isinstance(f(p), P)\n",
    ),
    "an argument that is changed": (
        "def f(values): values.sort()",
        "values = [3, 1, 2]\nf(values)\nassert values == [1, 2, 3]\n",
    ),
    "a function as argument": (
        "def f(g, xs): return [g(x) for x in xs]",
        "assert f(lambda x: x + 1, [1, 2]) == [2, 3]\n",
    ),
    "a generator": (
        "def f(n):\n    yield from range(n)",
        "assert list(f(3)) == [0, 1, 2]\nassert next(f(2)) == 0\n",
    ),
    "a name of the language": ("def sum(a, b): return a - b", "assert sum(5, 3) == 2\n"),
    "modules that only the program imports": (
        "import math\nfrom collections import Counter\ndef f(): return Counter('aab')",
        "assert f() == Counter(a=2, b=1)\nassert math.sqrt(4) == 2\n",
    ),
    "sets, tuples, big numbers, text": (
        "def f(): return {(1, 2.5): {'é', None}, 'n': 10**5000, 'i': float('inf'), 'b': b'\\0'}",
        "assert f() == {(1, 2.5): {'é', None}, 'n': 10**5000, 'i': float('inf'), 'b': b'\\0'}\n",
    ),
    "annotations that are looked at": (
        "def f(x: int): return f.__annotations__['x'](x)",
        "assert f('3') == 3\n",
    ),
    "a main block": (
        "def f(): return 1\nif __name__ == '__main__':\n    print(f())",
        "assert f() == 1\n",
    ),
}


@pytest.mark.parametrize(("program", "tests"), SPLIT.values(), ids=SPLIT.keys())
def test_tests_run_apart_as_they_would_together(program: str, tests: str) -> None:
    together = subprocess.run([sys.executable, "-c", f"{program}\n{tests}"], capture_output=True)
    assert together.returncode == 0, together.stderr
    assert JUDGED.judge(sample({"tests": tests}, program)).score == 1.0
    fails = JUDGED.judge(sample({"tests": tests + "assert 1 == 2\n"}, program))
    assert fails.score == 0.0 and fails.reason.endswith("assert 1 == 2")


@pytest.mark.parametrize("program", FORGERIES.values(), ids=FORGERIES.keys())
def test_no_program_says_itself_that_it_is_right(program: str, tmp_path: Path) -> None:
    together = tmp_path / "together.py"
    together.write_text(f"{program}\n{FORGED_TESTS}")
    naive = subprocess.run([sys.executable, together], cwd=tmp_path, capture_output=True)
    assert naive.returncode == 0, "in one process it would have passed"
    verdict = JUDGED.judge(sample({"tests": FORGED_TESTS}, program))
    assert verdict.score == 0.0


def test_a_forged_result_of_a_call_is_only_a_result() -> None:
    tests = {"tests": {"inputs": [[2], [5]], "outputs": [4, 10], "fn_name": "double"}}
    quits = "import os\ndef double(x):\n    for fd in range(64):\n        try: os.write(fd, b'4')\n"
    quits += "        except OSError: pass\n    os._exit(0)\n"
    for program in (
        quits,
        FORGERIES["equals everything"],
        FORGERIES["a list that equals everything"],
    ):
        assert JUDGED.judge(sample(tests, program)).score == 0.0


REASONS = {
    "wrong output": ("print(int(input()) + 2)", "test 2 of 2: '7' instead of '10'"),
    "an error": (
        "print(1 // 0)",
        "exit status 1: ZeroDivisionError: integer division or modulo by zero",
    ),
    "no program": ("```text\nno\n```", "there is no program in the answer"),
    "unfinished": ("<think>\nprint(2)", "there is no program in the answer"),
    "a signal": ("import os\nos.kill(os.getpid(), 11)", "ended by signal 11"),
    "too long": ("while True: pass", "took too long"),
    "too much": ("x = 'x' * (1 << 30)", "MemoryError"),
    "too loud": ("print('x' * (40 << 20))", "passed the limit on output"),
    "C++ that does not compile": ("```cpp\nint main() { return x; }\n```", "does not compile"),
}


@pytest.mark.parametrize(("program", "reason"), REASONS.values(), ids=REASONS.keys())
def test_reasons(program: str, reason: str) -> None:
    rule = CodeTests(timeout_s=1, memory_mb=512)
    verdict = rule.judge(sample({"tests": IO}, program))
    assert verdict.score == 0.0
    assert reason in verdict.reason


UNUSABLE = {
    "no columns": {},
    "other columns": {"difficulty": 3},
    "empty": {"tests": []},
    "unequal": {"tests": {"inputs": ["1"], "outputs": []}},
    "half a test": {"tests": [{"input": "1"}]},
    "files": {**IO, "tests": IO, "input_mode": "file"},
    "arguments that are no JSON": {"tests": [{"input": "x y", "output": "1"}], "fn_name": "f"},
}


@pytest.mark.parametrize("tests", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_without_usable_tests_nothing_is_judged(tests: dict[str, Any]) -> None:
    unusable = sample(tests, "print(1)")
    assert JUDGED.gold_problem(unusable)
    assert JUDGED.judge(unusable).score is None


def test_a_program_without_the_function_fails() -> None:
    for tests in ("from solution import add\nassert add(1, 2) == 3", "assert add(1, 2) == 3"):
        assert JUDGED.judge(sample({"tests": tests}, "def other(): ...")).score == 0.0


def test_broken_tests_are_nobodys_fault() -> None:
    for tests in ("assert f(1) ==", "import no_such_module\nassert f(1) == 1"):
        assert JUDGED.judge(sample({"tests": tests}, "def f(x): return x")).score is None
    checker = {"official_tests": PARTS, "checker": "raise SystemExit('what?')"}
    assert JUDGED.judge(sample(checker, DOUBLE["right"])).score is None


def test_partial_is_the_share_of_tests() -> None:
    half = sample({"tests": IO}, "print(4)")
    assert CodeTests(partial=True).judge(half).score == 0.5
    thirds = {"tests": ["assert f(1) == 1", "assert f(2) == 1", "assert f(3) == 3"]}
    verdict = CodeTests(partial=True).judge(sample(thirds, "def f(x): return x"))
    assert verdict.score == pytest.approx(2 / 3) and "f(2) == 1" in verdict.reason


def test_packages_are_there_when_they_are_named() -> None:
    program = "import numpy\nprint(numpy.array([int(input())]).sum() * 2)"
    assert JUDGED.judge(sample({"tests": IO}, program)).score == 0.0
    rule = CodeTests(packages="numpy")
    assert rule.judge(sample({"tests": IO}, program)).score == 1.0
    with pytest.raises(UsageError, match="there is no package nnumpy here"):
        CodeTests(packages="nnumpy").judge(sample({"tests": IO}, program))


def test_many_at_a_time_keep_their_order() -> None:
    programs = [f"print({n} * int(input()))" for n in range(6)]
    verdicts = JUDGED.judge_all([sample({"tests": IO}, program) for program in programs])
    assert [v.score for v in verdicts] == [0, 0, 1, 0, 0, 0]


def test_as_a_scorer_and_as_a_reward() -> None:
    rule = scorer_from("CodeTests:language=python,timeout_s=4.0,partial=True")
    assert rule == CodeTests(language="python", timeout_s=4.0, partial=True)
    assert pickle.loads(pickle.dumps(rule)) == rule and scorer_from(rule.name) == rule
    rewards = JUDGED(
        prompts=["Double it."] * 3,
        completions=[[{"role": "assistant", "content": DOUBLE[k]}] for k in ("right", "wrong")]
        + ["nothing"],
        tests=[IO] * 3,
    )
    assert rewards == [1.0, 0.0, 0.0]


ODD = {
    "a megabyte of words": "word " * 200_000,
    "a megabyte of fences": "```\n" * 250_000,
    "a megabyte of brackets": "(" * 1_000_000,
    "control characters": "".join(map(chr, range(32))) * 1000,
    "half of a surrogate pair": "\ud83d" * 1000,
    "no text": "",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_any_text_gets_a_verdict(text: str) -> None:
    for tests in ({"tests": IO}, {"tests": FORGED_TESTS}):
        verdict = JUDGED.judge(sample(tests, text))
        assert verdict.score == 0.0 and len(verdict.reason) < 300


FENCES = {
    "the last one counts": ("```python\na\n```\n```py\nb\n```", None, "b\n"),
    "outputs do not": ("```python\na\n```\nprints\n```\n1\n```", None, "a\n"),
    "one that is cut": ("```python\na", None, "a"),
    "one in a list": ("1. So:\n   ```python\n   a\n     b\n   ```", None, "a\n  b\n"),
    "one that defines it": (
        "```python\ndef f(): ...\n```\n```python\nf()\n```",
        "f",
        "def f(): ...\n",
    ),
    "no fence": ("a = 1", None, "a = 1"),
    "another language": ("```java\nclass A {}\n```", None, None),
}


@pytest.mark.parametrize(("text", "defines", "program"), FENCES.values(), ids=FENCES.keys())
def test_the_program_in_an_answer(text: str, defines: str | None, program: str | None) -> None:
    found = program_of(text, defines=defines)
    assert (found.text if found else None) == program


OUTPUTS = {
    "spaces": ("1 2 \n\n3", "1  2\n3\n", True),
    "a fraction": ("0.333333334", "0.333333333", True),
    "a whole number for a fraction": ("2", "2.0", True),
    "too far": ("0.3334", "0.3333", False),
    "large whole numbers": ("10000000000000001", "10000000000000000", False),
    "not a number": ("nan", "1.0", False),
    "fewer words": ("1", "1 1", False),
    "another order": ("2 1", "1 2", False),
    "case": ("Yes", "YES", False),
    "nothing": ("", "", True),
}


@pytest.mark.parametrize(("said", "expected", "is_same"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_outputs(said: str, expected: str, is_same: bool) -> None:
    assert same_output(said, expected, 1e-6) is is_same


VALUES = {
    "a tuple": ((1, (2, 3)), [1, [2, 3]], True),
    "a set": ({2, 1}, [1, 2], True),
    "fractions": ([0.1 + 0.2], [0.3], True),
    "keys": ({1: [True]}, {"1": [True]}, True),
    "text is no number": ("1", 1, False),
    "a number is no text": (1, "1", False),
    "nothing": (None, [], False),
    "infinite": (math.inf, 1e308, False),
    "too large for a fraction": (10**400, 1.0, False),
}


@pytest.mark.parametrize(("said", "expected", "is_same"), VALUES.values(), ids=VALUES.keys())
def test_values(said: Any, expected: Any, is_same: bool) -> None:
    assert same_value(said, expected, 1e-6) is is_same


SCALARS = st.one_of(
    *(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(max_size=9),
    ),
    *(
        st.complex_numbers(allow_nan=False),
        st.decimals(allow_nan=False),
        st.fractions(),
        st.dates(),
    ),
    *(st.timedeltas(), st.datetimes(), st.frozensets(st.integers() | st.text(), max_size=4)),
    st.sets(st.tuples(st.integers(), st.text()), max_size=4),
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.integers() | st.text(), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(value=PLAIN)
def test_values_come_out_as_they_went_in(value: Any) -> None:
    def fail(value: Any) -> Any:
        raise AssertionError(value)

    read = unpack(json.loads(to_json(pack(value, fail))), fail)
    assert read == value and type(read) is type(value)
    assert repr(unpack(json.loads(to_json(pack(float("nan"), fail))), fail)) == "nan"


@settings(deadline=None, max_examples=200)
@given(value=st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_whatever_a_program_writes_is_read_or_refused(value: Any) -> None:
    def refuse(value: Any) -> Any:
        raise ValueError(value)

    try:
        unpack(value, refuse)
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError):
        return


def test_where_the_tests_are_said_twice_all_count() -> None:
    found = read_tests({"public_tests": IO, "private_tests": IO})
    assert isinstance(found, Suite) and len(found.cases) == 4
    assert isinstance(JUDGED.judge(sample({"tests": IO}, DOUBLE["right"])), Verdict)
