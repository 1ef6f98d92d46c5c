"""The program in an answer, and in which language it is."""

from __future__ import annotations

import re
import textwrap
from typing import Literal, NamedTuple

Language = Literal["python", "cpp"]

_TAGS: dict[str, Language] = {
    **dict.fromkeys(("python", "python3", "py", "py3", "pypy", "pypy3", "python2"), "python"),
    **dict.fromkeys(("cpp", "c++", "cc", "cxx", "c++17", "c++20", "cpp17", "cpp20"), "cpp"),
}
# A fence opens and closes at the beginning of a line; a cut answer may never close it.
_FENCE = re.compile(
    r"^([ \t]*)```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)


class Program(NamedTuple):
    """The text of a program with its language."""

    text: str
    language: Language


def program_of(
    response: str,
    *,
    defines: str | None = None,
    only: Language | None = None,
    likely: Language | None = None,
) -> Program | None:
    r"""The program that an answer gives; None when it is empty or only in other languages.

    The last fence with a known language counts, else the last one without a name, else the whole
    text. With `defines` the last fence that defines this function goes first: usage examples may
    follow it. Programs in another language than `only` do not count; `likely` is the language of
    one that does not say.

    >>> program_of("So:\n```python\nprint(1)\n```\nIt prints\n```\n1\n```")
    Program(text='print(1)\n', language='python')
    >>> program_of("```\nint main() {}\n```").language
    'cpp'
    >>> program_of("```rust\nfn main() {}\n```") is None
    True
    """
    fences = [
        (m[2].lower(), textwrap.dedent(m[3]) if m[1] else m[3]) for m in _FENCE.finditer(response)
    ]
    known = [Program(text, _TAGS[tag]) for tag, text in fences if tag in _TAGS]
    known = [p for p in known if only in (None, p.language)]
    unnamed = [text for tag, text in fences if not tag] if fences else [response]
    known = known or [Program(text, only or likely or guess(text)) for text in unnamed]
    known = [p for p in known if p.text.strip()]
    if defines:
        known = [p for p in known if does_define(p.text, defines)] or known
    return known[-1] if known else None


def guess(text: str) -> Language:
    """C++ has an include, or a main function with braces; everything else counts as Python."""
    is_cpp = re.search(r"^\s*#\s*include\b|^\s*int\s+main\s*\(", text, re.MULTILINE)
    return "cpp" if is_cpp else "python"


def does_define(text: str, name: str) -> bool:
    """True when a Python text has a function or class of this name, or a method of Solution.

    >>> does_define("class Solution:\\n    def add(self, a, b): ...", "add")
    True
    """
    name = re.escape(name.rpartition(".")[2])
    return bool(re.search(rf"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+{name}\b", text, re.M))
