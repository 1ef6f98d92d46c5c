"""docs/columns.md says what the schema says: names, order, types."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from curate.sample import COLUMNS, schema

PAGE = Path(__file__).parents[2] / "docs" / "columns.md"


def test_the_table_is_the_schema() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(name for name, _ in rows) == COLUMNS
    for name, words in rows:
        kind = schema().field(name).type
        if pa.types.is_list(kind):
            inner = ", ".join(field.name for field in kind.value_type)
            assert words == f"list of {{{inner}}}"
        else:
            assert words == {"float": "float32"}.get(str(kind), str(kind))
