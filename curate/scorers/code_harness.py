"""What runs inside the sandbox around a program: it calls functions, or serves tests from outside.

A program must not see what its tests expect, nor compare its own results: it could print what they
look for, leave before they run, or answer with an object that equals everything. So tests that are
Python code run in a process of their own, the tester, and the program in another; calls go over a
pair of pipes as plain values, and the tester compares values of its own. Objects that are no plain
values (instances of the program's classes, iterators) stay with the program: `==` between two of
them is the program's, with anything else it is false.

    program (serve)                           tester (test)
    executes the completion    <- name f --   looks up what the tests use
                               <- call --     assert f(3) == 4
                               -- 4 ->
"""

from __future__ import annotations

import builtins
import marshal
import os
import sys
from typing import Any

from curate.scorers.code_link import Absent, Link
from curate.scorers.code_values import fault, pack, to_json

MODULES = ("code_values", "code_link", "code_harness")
"""What is sent into the sandbox, in the order of imports; the last one has `main`."""


def execute(source: str, name: str) -> dict[str, Any]:
    """The names of a program that was run as a module of this name."""
    module = type(sys)(name)
    sys.modules[name] = module
    vars(module).update(__builtins__=builtins, __file__="solution.py")
    if "class Solution" in source:
        exec(compile(_AS_LEETCODE, "before", "exec", dont_inherit=True), vars(module))
    exec(compile(source, "solution.py", "exec", dont_inherit=True), vars(module))
    return vars(module)


_AS_LEETCODE = """
import bisect, collections, functools, heapq, itertools, math, operator, random, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import ceil, comb, floor, gcd, inf, log, sqrt
from typing import *
"""
# What its editor imports: answers there use List, Counter or heappush without saying where from.


def aside(fd: int) -> int:
    """A descriptor of its own for what is said outside; what is printed goes nowhere."""
    own, null = os.dup(fd), os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, fd)
    return own


def serve(role: dict[str, Any]) -> None:
    """Executes the program, then answers the tester as long as it is there."""
    link = Link(role["link"], is_tester=False)
    try:
        execute(role["source"], "__main__")
    except BaseException as error:
        return link.send(fault(error))
    link.send(["is", None])
    try:
        while True:
            link.answer(link.receive())
    except Absent:
        os._exit(0)


def call(role: dict[str, Any]) -> None:
    """Calls one function of the program, or method of its class Solution; writes result and
    arguments.
    """
    out = aside(1)
    names = execute(role["source"], "solution")
    function = names.get(role["function"])
    if function is None and "Solution" in names:
        function = getattr(names["Solution"](), role["function"])
    if function is None:
        sys.exit(f"there is no function {role['function']}")
    args = marshal.loads(role["args"])
    result = function(**args) if isinstance(args, dict) else function(*args)
    if not isinstance(result, list | tuple | dict | str) and hasattr(result, "__next__"):
        result = list(result)
    said = pack([result, args], lambda value: ["o", type(value).__name__])
    data = to_json(said).encode()
    while data:
        data = data[os.write(out, data) :]


class NotThere(ImportError):
    """The program does not have what the tests import from it."""


def is_test_function(statement: Any) -> bool:
    """True for a function that pytest would call."""
    name, args = getattr(statement, "name", ""), getattr(statement, "args", None)
    return name.startswith("test_") and args is not None and not any(vars(args).values())


def called(function: Any) -> Any:
    """The statement that calls a function, where it stands."""
    import ast

    call = ast.Expr(ast.Call(ast.Name(function.name, ast.Load()), [], []))
    return ast.fix_missing_locations(ast.copy_location(call, function))


class _Tester:
    """Runs tests against a program elsewhere; writes the number of tests, then `+` for each that
    is passed, or why it is not.
    """

    def __init__(self, role: dict[str, Any]) -> None:
        import ast

        self.out = aside(1)
        with os.fdopen(role["secret_fd"], "rb") as secret:
            self.tests = marshal.loads(secret.read())
        self.link = Link(role["link"], is_tester=True)
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self.lines = self.tests["source"].split("\n")
        self.helps = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        self.helps += (ast.Assign, ast.AnnAssign)

    def say(self, line: str) -> None:
        os.write(self.out, line.replace("\n", " ").encode("utf-8", "replace")[:400] + b"\n")

    def run(self) -> None:
        import ast

        try:
            self.body = ast.parse(self.tests["source"], "tests").body
        except SyntaxError as error:
            return self.say(f"? the tests do not parse: {error}")
        if not any(map(self.is_test, self.body)):
            self.body += [called(part) for part in self.body if is_test_function(part)]
        self.say(str(sum(map(self.is_test, self.body))))
        try:
            started = self.link.receive()
            if started[0] == "fault":
                return self.say(f"the program does not run: {started[1][0]}: {started[2]}")
            self.look_up()
            self.offer_module()
        except Absent:
            return self.say("the program ended before its tests")
        for statement in self.body:
            is_test = self.is_test(statement)
            try:
                part = ast.Module([statement], [])
                exec(compile(part, "tests", "exec", dont_inherit=True), self.names)
            except Absent:
                return self.say("the program ended before it answered")
            except BaseException as error:
                if isinstance(error, ImportError) and not isinstance(error, NotThere):
                    return self.say(f"? the tests do not run: {error}")
                self.say(self.where(error))
                if not (self.tests["partial"] and is_test):
                    return
                continue
            if is_test:
                self.say("+")

    def is_test(self, statement: Any) -> bool:
        """True for what can fail; a text of its own documents."""
        is_text = type(getattr(statement, "value", None)).__name__ == "Constant"
        return not isinstance(statement, self.helps) and not is_text

    def offer_module(self) -> None:
        """Lets tests import the program as `solution`, as KodCode's do."""
        program = type(sys)("solution")

        def lookup(name: str) -> Any:
            found = {} if name.startswith("__") else self.link.look_up(name)
            if name not in found:
                raise AttributeError(name) if name.startswith("__") else NotThere(name)
            return found[name]

        vars(program)["__getattr__"] = lookup
        sys.modules["solution"] = program

    def where(self, error: BaseException) -> str:
        """The line of the tests that an error comes from, and what it says."""
        line, trace = 0, error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == "tests":
                line = trace.tb_lineno
            trace = trace.tb_next
        said = "" if isinstance(error, AssertionError) else f": {type(error).__name__}: {error}"
        return f"{self.lines[line - 1].strip()[:120] if line else ''}{said}"

    def look_up(self) -> None:
        """Gets from the program the names that the tests use and do not define.

        Built-in functions stay themselves, unless the tests use no other name of the program: then
        one of them is what was asked for (`sum`, say).
        """
        import ast

        known = vars(builtins)
        nodes = [node for part in self.body for node in ast.walk(part)]
        names = [node for node in nodes if isinstance(node, ast.Name)]
        loads = dict.fromkeys(node.id for node in names if isinstance(node.ctx, ast.Load))
        own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        own |= {n.asname or n.name.partition(".")[0] for n in nodes if isinstance(n, ast.alias)}
        wanted = [name for name in loads if name not in known]
        for name in wanted if set(wanted) - own else loads:
            self.names.update(self.link.look_up(name))


def main(role: dict[str, Any]) -> None:
    """Does what the role says."""
    if role["does"] == "test":
        _Tester(role).run()
    else:
        {"serve": serve, "call": call}[role["does"]](role)
