"""The tests of a prompt in one shape, from the columns in which datasets keep them.

| dataset | columns |
|---|---|
| APPS, TACO, PRIME | `input_output` or `tests`: {"inputs": […], "outputs": […], "fn_name": …} |
| CodeContests | `public_tests`, `private_tests`, `generated_tests`: {"input": […], "output": […]} |
| Codeforces | `official_tests`: [{"input": …, "output": …}], `generated_checker` |
| LiveCodeBench | `public_test_cases`, `private_test_cases`, `metadata`: {"func_name": …} |
| MBPP | `test_list`, `test_setup_code` |
| KodCode | `test`: functions of pytest that import `solution` |
| HumanEval, LeetCode | `test` with `check(candidate)`, `entry_point` |
| any | `tests`: Python code, or any of the values above |

Every value may be JSON in a string.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import textwrap
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from curate.scorers.code_text import does_define

COLUMNS = (
    *("tests", "input_output", "official_tests", "test_cases", "test_list", "test"),
    *("public_tests", "private_tests", "generated_tests"),
    *("public_test_cases", "private_test_cases"),
)
_NAMES = ("fn_name", "func_name", "function_name", "entry_point")
_INPUTS, _OUTPUTS = ("inputs", "input"), ("outputs", "output", "expected_output")


class Case(NamedTuple):
    """What goes in and what comes out: text, or for a function its arguments and its result."""

    given: Any
    expected: Any


@dataclass(frozen=True)
class Suite:
    """The tests of a prompt.

    `stdin` compares what a program prints, `call` what its function returns, `asserts` runs Python
    code that uses the program's names.
    """

    kind: Literal["stdin", "call", "asserts"]
    cases: tuple[Case, ...] = ()
    function: str | None = None
    """The function under test: called in `call`, checked in `asserts` of HumanEval's shape."""
    code: str = ""
    """The Python code of `asserts`."""
    stub: str = ""
    """The beginning of a program that the prompt gives, of which an answer may be the rest."""
    checker: str | None = None
    """A Python program that says whether an output is right, where several are."""

    def program(self, text: str) -> str:
        """The whole program: an answer after what stands before the function in the stub, or the
        rest of the function that the stub begins.
        """
        if not self.stub or not self.function:
            return text
        if does_define(text, self.function):
            return self.stub[: _definition(self.stub, self.function)] + text
        if not text.lstrip("\n")[:1].isspace():
            text = textwrap.indent(text, "    ")
        return self.stub + text


def read_tests(checks: Mapping[str, Any], problem: str = "") -> Suite | str:
    """The tests in a prompt's further columns, or why there are none to judge by.

    >>> read_tests({"tests": {"inputs": ["1\\n"], "outputs": ["2\\n"]}}).kind
    'stdin'
    >>> read_tests({"test_list": ["assert f(1) == 2"]}).kind
    'asserts'
    >>> read_tests({"difficulty": "easy"})
    'there are no tests'
    """
    if _value(checks.get("input_mode")) == "file":
        return "the program is to read and write files"
    name = next((n for n in _names(checks) if isinstance(n, str) and n), None)
    cases: list[Case] = []
    code: list[str] = []
    try:
        for column in COLUMNS:
            for found in _found(_value(checks.get(column))):
                if isinstance(found, str):
                    code.append(found)
                elif isinstance(found, Case):
                    cases.append(found)
                else:
                    name = name or found["name"]
    except (ValueError, TypeError, KeyError) as error:
        return f"unreadable tests: {error}"[:200]
    if code and not cases:
        return _asserts(code, checks, name, problem)
    if not cases:
        return "there are no tests"
    if not name and not any(isinstance(case.given, str) for case in cases):
        name = _method(checks.get("starter_code"))
    checker = checks.get("generated_checker") or checks.get("checker")
    if checker is not None and not isinstance(checker, str):
        return "the checker is no program"
    tests = Suite("call" if name else "stdin", tuple(cases), name, checker=checker)
    if tests.kind == "stdin":
        return replace(tests, cases=tuple(Case(_text(i), _text(o)) for i, o in tests.cases))
    try:
        return replace(tests, cases=tuple(Case(_arguments(i), _result(o)) for i, o in cases))
    except ValueError as error:
        return f"unreadable tests: {error}"[:200]


def _names(checks: Mapping[str, Any]) -> Iterator[Any]:
    for place in (checks, _value(checks.get("metadata"))):
        if isinstance(place, Mapping):
            yield from (place.get(key) for key in _NAMES)


def _found(value: Any) -> Iterator[str | Case | dict[str, str]]:
    """Cases, pieces of test code, and the name of the function where a value gives it."""
    if value is None or value == "" or value == []:
        return
    if isinstance(value, str):
        yield value
        return
    if isinstance(value, Mapping):
        given = next((value[key] for key in _INPUTS if key in value), None)
        wanted = next((value[key] for key in _OUTPUTS if key in value), None)
        if given is None or wanted is None:
            raise ValueError(f"tests with {', '.join(map(str, value))} and not inputs and outputs")
        if name := next((value[key] for key in _NAMES if value.get(key)), None):
            yield {"name": name}
        if isinstance(given, list) and isinstance(wanted, list):
            yield from map(Case, given, _same_length(wanted, given))
        else:
            yield Case(given, wanted)
        return
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        yield "\n".join(value)
        return
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        for part in value:
            yield from _one_case(part)
        return
    raise ValueError(f"tests of type {type(value).__name__}")


def _one_case(part: Mapping[str, Any]) -> Iterator[str | Case | dict[str, str]]:
    given = next((key for key in _INPUTS if key in part), None)
    wanted = next((key for key in _OUTPUTS if key in part), None)
    if given is None or wanted is None:
        raise ValueError(f"a test with {', '.join(map(str, part))} and not input and output")
    if name := next((part[key] for key in _NAMES if part.get(key)), None):
        yield {"name": name}
    yield Case(part[given], part[wanted])


def _same_length(wanted: list[Any], given: list[Any]) -> list[Any]:
    if len(wanted) != len(given):
        raise ValueError(f"{len(given)} inputs and {len(wanted)} outputs")
    return wanted


def _asserts(code: list[str], checks: Mapping[str, Any], name: str | None, problem: str) -> Suite:
    setup = [checks.get("test_setup_code"), *(_value(checks.get("test_imports")) or ())]
    text = "\n".join([*(s for s in setup if isinstance(s, str) and s), *code])
    if name and re.search(r"^def check\(", text, re.M) and not _calls_check(text):
        text += f"\n\ncheck({name})\n"
    return Suite("asserts", function=name, code=text, stub=_stub(problem, name, checks))


def _method(starter: Any) -> str | None:
    """The function that a starter code leaves to be written: its last one."""
    found = re.findall(r"^[ \t]*def[ \t]+(\w+)", starter, re.M) if isinstance(starter, str) else []
    return next((name for name in reversed(found) if not name.startswith("__")), None)


def _calls_check(text: str) -> bool:
    return bool(re.search(r"^check\(", text, re.M))


def _stub(problem: str, name: str | None, checks: Mapping[str, Any]) -> str:
    """The prompt itself where it is the beginning of the function, as in HumanEval."""
    for text in (problem, checks.get("starter_code")):
        if name and isinstance(text, str) and _IS_CODE.match(text) and _definition(text, name) >= 0:
            return text
    return ""


_IS_CODE = re.compile(r"\s*(?:from|import|def|class|@|#)\b|\s*\"\"\"")


def _definition(text: str, name: str) -> int:
    """Where a function of the top level is defined last, or -1."""
    found = list(re.finditer(rf"^def[ \t]+{re.escape(name)}\b", text, re.M))
    return found[-1].start() if found else -1


def _value(value: Any) -> Any:
    """What a column holds: strings that are JSON are read, LiveCodeBench's packed ones as well."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return value
    if text.startswith("eJ"):  # zlib in base64: a pickled string of JSON
        try:
            packed = zlib.decompress(base64.b64decode(text, validate=True))
            return json.loads(_OnlyText(io.BytesIO(packed)).load())
        except (ValueError, zlib.error, pickle.UnpicklingError):
            return value
    return value


class _OnlyText(pickle.Unpickler):
    """Reads pickled text, and refuses everything that a pickle could do besides."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} in packed tests")


def _text(value: Any) -> str:
    """What is typed in or printed: text, or lines of it."""
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def _arguments(value: Any) -> list[Any] | dict[str, Any]:
    """A list of arguments, or each by its name; in a string each line is one in JSON."""
    if isinstance(value, str):
        return [json.loads(line) for line in value.split("\n") if line.strip()]
    return value if isinstance(value, list | dict) else [value]


def _result(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
