"""Calls between two processes in the sandbox: the program, and the tester that must not trust it.

Plain values are copied. Other objects stay where they are, and the other side holds handles to
them (`Remote`).
"""

from __future__ import annotations

import builtins
import marshal
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from curate.scorers.code_values import Packed, fault, pack, raised, to_json, unpack

_UNARY = ("abs", "len", "iter", "next", "str", "repr", "bool", "hash", "isinstance")
_BINARY = ("eq", "lt", "le", "gt", "ge", "add", "sub", "mul", "contains", "getitem", "setitem")


class Absent(Exception):
    """The other process has ended."""


class Link:
    """Calls between the two processes; while one waits for an answer it may be called back."""

    def __init__(self, fds: list[int], is_tester: bool) -> None:
        self.fds, self.is_tester = fds, is_tester
        self.kept: list[Any] = []

    def export(self, value: Any) -> list[Any]:
        if isinstance(value, Remote):
            return ["h", -1 - vars(value)["_id"]]
        self.kept.append(value)
        return ["h", len(self.kept) - 1]

    def handle(self, value: list[Any]) -> Any:
        if value[0] != "h":
            raise ValueError(f"no value has the tag {value[0]!r}")
        return self.kept[-1 - value[1]] if value[1] < 0 else Remote(self, value[1])

    def send(self, message: list[Any]) -> None:
        data = marshal.dumps(message) if self.is_tester else to_json(message).encode()
        data = len(data).to_bytes(8, "little") + data
        try:
            while data:
                data = data[os.write(self.fds[1], data) :]
        except BrokenPipeError:
            raise Absent from None

    def receive(self) -> list[Any]:
        size = int.from_bytes(self.read(8), "little")
        data = self.read(size)
        if not self.is_tester:
            return marshal.loads(data)
        import json  # what the program says is only ever read as JSON

        return json.loads(data)

    def read(self, n: int) -> bytes:
        parts = []
        while n > 0:
            part = os.read(self.fds[0], min(n, 1 << 20))
            if not part:
                raise Absent
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def ask(self, op: str, *args: Any) -> Any:
        """What the other process answers; raises what it raised."""
        self.send(["ask", op, [pack(arg, self.export) for arg in args]])
        while True:
            message = self.receive()
            if message[0] == "ask":
                self.answer(message)
            elif message[0] == "fault":
                raise raised(message)
            else:
                return unpack(message[1], self.handle)

    def answer(self, message: list[Any]) -> None:
        """Does what the other process asks for."""
        op = message[1]
        try:
            if self.is_tester and op not in ("call", "attr"):
                raise PermissionError(op)
            args = [unpack(arg, self.handle) for arg in message[2]]
            result = getattr(self, f"do_{op}")(*args)
            reply = ["is", pack(result, self.export)] if op != "name" else ["is", result]
        except Absent:
            raise
        except BaseException as error:
            reply = fault(error)
        self.send(reply)

    def look_up(self, name: str) -> dict[str, Any]:
        """A name of the program with its value, as the tester may use it; empty if it has none."""
        self.send(["ask", "name", [name]])
        message = self.receive()
        if message[0] == "fault":
            raise raised(message)
        tag, *rest = message[1]
        if tag == "value":
            return {name: unpack(rest[0], self.handle)}
        if tag == "absent" or rest[0] not in sys.stdlib_module_names:
            return {}
        module = __import__(rest[0], fromlist=["x"])
        return {name: module if tag == "module" else getattr(module, rest[1])}

    def do_name(self, name: str) -> Packed:
        """What a name of the program stands for: a module's content is looked up in the tester."""
        names = vars(sys.modules["__main__"])
        if name not in names:
            return ["absent"]
        value = names[name]
        if type(value) is type(sys):
            return ["module", value.__name__]
        home = str(getattr(value, "__module__", ""))
        name = getattr(value, "__qualname__", "")
        is_known = isinstance(name, str) and home in sys.stdlib_module_names
        if is_known and getattr(sys.modules.get(home), name, None) is value:
            return ["member", home, name]
        return ["value", pack(value, self.export)]

    def do_call(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        """The result, and the arguments as they are afterwards where they can change."""
        if self.is_tester and isinstance(function, type):
            raise PermissionError("classes of the tests")
        result = function(*args, **kwargs)
        return [result, [arg if isinstance(arg, list | dict | set) else None for arg in args]]

    def do_attr(self, value: Any, name: str) -> Any:
        is_closed = self.is_tester and (name.startswith("_") or is_code(value))
        if is_closed:
            raise PermissionError(name)
        return getattr(value, name)

    def do_setattr(self, value: Any, name: str, content: Any) -> None:
        setattr(value, name, content)

    def do_unary(self, op: str, *args: Any) -> Any:
        return getattr(builtins, op)(*args) if op in _UNARY else None

    def do_binary(self, op: str, *args: Any) -> Any:
        return getattr(operator, op)(*args) if op in _BINARY else None


def is_code(value: Any) -> bool:
    """True for functions, classes and modules, whose attributes lead to everything else."""
    return isinstance(value, type) or type(value) is type(sys) or hasattr(value, "__code__")


class Remote:
    """An object of the other process.

    Its arithmetic and comparisons are the program's only among its own objects: one that equals,
    or is close to, whatever it is compared with gains nothing.
    """

    def __init__(self, link: Link, number: int) -> None:
        vars(self).update(_link=link, _id=number)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result, after = self._link.ask("call", self, list(args), kwargs)
        for mine, theirs in zip(args, after, strict=False):
            if isinstance(mine, list) and isinstance(theirs, list):
                mine[:] = theirs
            elif isinstance(mine, dict | set) and isinstance(theirs, dict | set):
                mine.clear()
                mine.update(theirs)
        return result

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._link.ask("attr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.ask("setattr", self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return other._id == self._id or bool(self._link.ask("binary", "eq", self, other))

    def __instancecheck__(self, value: Any) -> bool:
        return bool(self._link.ask("unary", "isinstance", value, self))

    def __getitem__(self, key: Any) -> Any:
        return self._link.ask("binary", "getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._link.ask("binary", "setitem", self, key, value)

    def __iter__(self) -> Any:
        return self._link.ask("unary", "iter", self)

    def __next__(self) -> Any:
        return self._link.ask("unary", "next", self)

    def __len__(self) -> int:
        return self._link.ask("unary", "len", self)

    def __bool__(self) -> bool:
        return bool(self._link.ask("unary", "bool", self))

    def __str__(self) -> str:
        return self._link.ask("unary", "str", self)

    def __repr__(self) -> str:
        return self._link.ask("unary", "repr", self)

    def __hash__(self) -> int:
        return self._link.ask("unary", "hash", self)


def _among_its_own(op: str) -> Callable[[Remote, Any], Any]:
    def method(self: Remote, other: Any) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented
        return self._link.ask("binary", op, self, other)

    return method


for _op in ("lt", "le", "gt", "ge", "add", "sub", "mul"):
    setattr(Remote, f"__{_op}__", _among_its_own(_op))
