"""Text of anyone in a Markdown file: nothing that a model wrote can end a table, open a fence or
add a link.

In a card's template every `{{ value }}` that is a string is escaped, so a template is safe as it is
written. Filters say what a value is instead: `n`, `percent`, `code`, `code_cell`, `fence`, `yaml`,
`spell`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, meta
from markupsafe import Markup

from curate.project import template_root
from curate.sinks.provenance import spell

LONGEST_INLINE = 300


def environment(folder: Path) -> Environment:
    """Jinja for cards in `folder`, which may extend ours.

    An unknown name in a template is an error, None is written as `unknown`.
    """
    # With autoescape Jinja keeps what templates and macros wrote apart from values; `finalize` then
    # escapes the values for Markdown, and Jinja's own HTML escape leaves its Markup alone.
    found = Environment(
        loader=FileSystemLoader([folder, template_root() / "cards"]),
        autoescape=True,
        finalize=_escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "n": number,
        "percent": percent,
        "code": code,
        "code_cell": code_cell,
        "fence": fence,
        "yaml": yaml_value,
        "spell": spell,
    }
    return found


def card_template(path: Path) -> Template:
    """The template in a file; what it extends or includes is looked for beside it."""
    return environment(path.parent).get_template(path.name)


def card_files(path: Path) -> list[Path]:
    """The template's file and those that it extends or includes, where they are named plainly."""
    jinja, files = environment(path.parent), [path]
    for file in files:
        text = file.read_text(encoding="utf-8")
        for name in meta.find_referenced_templates(jinja.parse(text)):
            found = jinja.loader and jinja.loader.get_source(jinja, name)[1] if name else None
            if found and Path(found) not in files:
                files.append(Path(found))
    return files


def escape(value: str) -> Markup:
    """Text that Markdown shows as it is, on one line.

    >>> print(escape("a | b\\n# <b> [x](y) `c` snake_case"))
    a \\| b # &lt;b> \\[x\\](y) \\`c\\` snake_case
    >>> print(escape("--- no rule"))
    \\--- no rule
    """
    line = one_line(value).replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*\[\]|~$])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"^( ?)([-+=#>])", r"\1\\\2", line)
    return Markup(re.sub(r"^( ?\d+)([.)])(?=\s|$)", r"\1\\\2", line))


def one_line(value: str) -> str:
    """The text on one line of at most 300 characters, with what cannot be printed as its escape."""
    line = printable(re.sub(r"\s+", " ", value))
    return line if len(line) <= LONGEST_INLINE else line[: LONGEST_INLINE - 1] + "…"


def printable(value: str) -> str:
    """The text with control, format and direction characters as their escapes; line feeds stay.

    >>> printable("a\\u202eb\\x00")
    'a\\\\u202eb\\\\x00'
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in value
    )


def code(value: Any) -> Markup:
    """An inline code span.

    >>> print(code("a`b"))
    ``a`b``
    """
    line = one_line(str(value)) or " "
    ticks = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markup(f"{ticks}{pad}{line}{pad}{ticks}")


def code_cell(value: Any) -> Markup:
    """A code span inside of a table, where a pipe needs a backslash even in code."""
    return Markup(str(code(value)).replace("|", "\\|"))


def fence(value: Any, language: str = "") -> Markup:
    """A fenced block that its own content cannot end; what is not text is shown as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    ticks = "`" * max(3, _longest_run(text) + 1)
    return Markup(f"{ticks}{language}\n{printable(text)}\n{ticks}")


def yaml_value(value: Any) -> Markup:
    """A value as YAML: of a mapping its lines, else one scalar or flow list."""
    import yaml

    if isinstance(value, Mapping):
        return Markup(yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=100))
    return Markup(json.dumps(value, ensure_ascii=True))


def number(value: float | None) -> str | None:
    """A number as people read it: 12,345 or 3.14; None stays unknown.

    >>> number(12345), number(3.14159), number(2.0)
    ('12,345', '3.14', '2')
    """
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(part: float | None, whole: float | None) -> str:
    """How much `part` is of `whole`.

    >>> percent(1, 8), percent(1, 0)
    ('12.5 %', '-')
    """
    return f"{100 * part / whole:.1f} %" if whole and part is not None else "-"


def _escaped(value: Any) -> Any:
    if value is None:
        return "unknown"
    return escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
