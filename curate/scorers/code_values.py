"""Values as they pass between a program in the sandbox and those who judge it: JSON with tags.

`[1, (2,), {"a": 1.5}]` is packed as `["l", 1, ["t", 2], ["d", "a", 1.5]]`. Reading it makes plain
values only, whatever the program wrote.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

Packed = Any  # None, bool, int, float, str, or a list that begins with a tag
_SMALL = 1 << 63
_SEQUENCES: dict[str, type] = {"l": list, "t": tuple, "s": set, "z": frozenset}
# Values of the standard library that a constructor makes again from plain ones.
_BUILT: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
    ("decimal", "Decimal"): lambda v: [str(v)],
    ("fractions", "Fraction"): lambda v: [v.numerator, v.denominator],
    ("datetime", "date"): lambda v: [v.year, v.month, v.day],
    ("datetime", "time"): lambda v: [v.hour, v.minute, v.second, v.microsecond],
    ("datetime", "datetime"): lambda v: [*v.timetuple()[:6], v.microsecond],
    ("datetime", "timedelta"): lambda v: [v.days, v.seconds, v.microseconds],
    ("array", "array"): lambda v: [v.typecode, v.tolist()],
    ("collections", "deque"): lambda v: [list(v)],
    ("collections", "Counter"): lambda v: [dict(v)],
    ("collections", "OrderedDict"): lambda v: [dict(v)],
}


def pack(value: Any, export: Callable[[Any], list[Any]]) -> Packed:
    """A value as nested lists of numbers and text; `export` keeps what is none.

    An instance of a subclass of a plain type counts as its plain content.
    """
    kind = type(value)
    if kind is int and -_SMALL <= value < _SMALL:
        return value
    if value is None or kind is bool or kind is str:
        return value
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_SMALL <= number < _SMALL else ["i", hex(number)]
    if isinstance(value, float):
        number = float.__add__(value, 0.0) if value else float.__pos__(value)
        return number if number - number == 0 else ["f", float.__repr__(number)]
    if isinstance(value, str):
        return str.__str__(value)
    for tag, base in _SEQUENCES.items():
        if isinstance(value, base):
            return [tag, *[pack(item, export) for item in base.__iter__(value)]]  # type: ignore[attr-defined]
    key = (kind.__module__, kind.__name__)
    if key in _BUILT and getattr(sys.modules.get(key[0]), key[1], None) is kind:
        return ["x", *key, *[pack(part, export) for part in _BUILT[key](value)]]
    if isinstance(value, dict):
        return ["d", *[pack(part, export) for item in dict.items(value) for part in item]]
    if kind is complex:
        return ["c", pack(value.real, export), pack(value.imag, export)]
    if kind in (bytes, bytearray):
        return ["b" if kind is bytes else "a", value.hex()]
    if kind is range:
        return ["r", value.start, value.stop, value.step]
    if kind is type and getattr(builtins, value.__name__, None) is value:
        return ["T", value.__name__]
    if kind in (type({}.keys()), type({}.items())):
        return ["s", *[pack(item, export) for item in value]]
    return export(value)


def unpack(value: Packed, handle: Callable[[list[Any]], Any]) -> Any:
    """The value that was packed; `handle` makes what stands for an object elsewhere."""
    if not isinstance(value, list):
        return value
    tag, rest = value[0], value[1:]
    if tag in _SEQUENCES:
        return _SEQUENCES[tag](unpack(item, handle) for item in rest)
    if tag == "d":
        parts = [unpack(item, handle) for item in rest]
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if tag == "x" and (rest[0], rest[1]) in _BUILT:
        module = __import__(rest[0])
        return getattr(module, rest[1])(*[unpack(item, handle) for item in rest[2:]])
    if tag == "T" and isinstance(getattr(builtins, rest[0]), type):
        return getattr(builtins, rest[0])
    plain: dict[str, Callable[..., Any]] = {
        "i": lambda text: int(text, 16),
        "f": float,
        "c": lambda *parts: complex(*(unpack(part, handle) for part in parts)),
        "b": bytes.fromhex,
        "a": bytearray.fromhex,
        "r": range,
    }
    return plain[tag](*rest) if tag in plain else handle(value)


def to_json(value: Packed) -> str:
    """JSON of a packed value, without importing json, which takes as long as the interpreter."""
    from _json import encode_basestring_ascii as quoted  # type: ignore[import-not-found]

    def write(value: Packed) -> str:
        if type(value) is int:
            return repr(value)
        if type(value) is list:
            return f"[{','.join(map(write, value))}]"
        if type(value) is str:
            return quoted(value)
        return (
            {None: "null", True: "true", False: "false"}[value] if is_word(value) else repr(value)
        )

    def is_word(value: Packed) -> bool:
        return value is None or value is True or value is False

    return write(value)


def fault(error: BaseException) -> list[Any]:
    names = [kind.__name__ for kind in type(error).__mro__]
    try:
        text = str(error)
    except Exception:
        text = ""
    return ["fault", names, text[:500]]


def raised(message: list[Any]) -> BaseException:
    """An exception like the one that the program raised: of its nearest built-in kind."""
    for name in message[1]:
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            try:
                return kind(str(message[2]))
            except TypeError:  # UnicodeDecodeError wants more
                continue
    return RuntimeError(str(message[2]))
