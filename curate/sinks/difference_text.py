"""A difference in words: for the terminal, for CHANGELOG.md, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from curate.sinks import difference_totals
from curate.sinks.difference_totals import Tally

if TYPE_CHECKING:
    from curate.sinks.difference import Difference

LISTED = 12
"""Lines of one kind that are shown; JSON has all of them."""
SPLITS = ("config", "domain", "source")
DIMENSIONS = {"license": "licence", "model": "model", "model_revision": "revision"}


def report(found: Difference) -> str:
    """What differs, one subject a paragraph."""
    if found.bump() is None:
        return f"{found.before.name} and {found.after.name} are equal: {rows_of(found)}"
    blocks = [
        [f"A {found.before.name}", f"B {found.after.name}", "", rows_of(found)],
        splits(found),
        why(found),
        columns(found),
        figures(found),
        made(found),
        [f"The next version is a {found.bump()} one: {because(found)}."],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def section(found: Difference, version: str, date: str) -> str:
    """The section of CHANGELOG.md for the version that `after` becomes."""
    lines = [f"## {version} ({date})", "", f"{rows_of(found)}.", ""]
    lines += [f"- {line}" for line in split_lines(found)]
    lines += [f"- {line}" for line in (*why(found), *schema_lines(found)) if line]
    if found.columns:
        lines.append(f"- Values that changed: {counted(found.columns, 'in {} rows')}.")
    lines += [f"- {line}" for line in figures(found)]
    lines += [f"- {line}" for line in made(found, brief=True)]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_json(found: Difference) -> dict[str, Any]:
    """All figures, nothing cut."""

    def tally(of: Tally) -> dict[str, Any]:
        by = {name: dict(sorted(counter.items())) for name, counter in sorted(of.by.items())}
        return {"rows": of.rows, "by": by}

    before, after = found.totals
    return {
        "a": {"name": found.before.name} | dict(difference_totals.as_json(before)),
        "b": {"name": found.after.name} | dict(difference_totals.as_json(after)),
        "equal": found.bump() is None,
        "bump": found.bump(),
        "id_column": found.id_column,
        **{name: tally(getattr(found, name)) for name in ("added", "removed", "changed")},
        "changed_columns": dict(found.columns.most_common()),
        "renamed_prompts": found.renamed_prompts,
        "removed_by_reason": dict(found.left_out.most_common()),
        "added_by_former_reason": dict(found.let_in.most_common()),
        "schema": {
            "added": list(found.schema.added),
            "removed": list(found.schema.removed),
            "retyped": [list(change) for change in found.schema.retyped],
        },
        "about": found.about.json(),
    }


def rows_of(found: Difference) -> str:
    """`1,300 rows (1,234 before): 80 added, 14 removed, 3 changed`."""
    before, after = (totals.rows for totals in found.totals)
    rows = f"{after:,} rows" + ("" if before == after else f" ({before:,} before)")
    said = (
        ("added", found.added),
        ("removed", found.removed),
        ("changed", found.changed),
    )
    told = ", ".join(f"{tally.rows:,} {word}" for word, tally in said if tally.rows)
    return f"{rows}: {told}" if told else f"{rows}, all as before"


def splits(found: Difference) -> list[str]:
    """Rows by config, domain and source, where there is more than one."""
    lines: list[str] = []
    for name in SPLITS:
        values = values_of(found, name)
        if not values or (len(values) == 1 and name == "config"):
            continue
        width = max(len(name), *map(len, values))
        lines += ["", f"{name:<{width}} {'added':>9} {'removed':>9} {'changed':>9} {'now':>11}"]
        for value in values[:LISTED]:
            numbers = (t.of(name)[value] for t in (found.added, found.removed, found.changed))
            now = found.totals[1].of(name)[value]
            told = " ".join(f"{n:>9,}" for n in numbers)
            lines.append(f"{value or '(none)':<{width}} {told} {now:>11,}")
        if len(values) > LISTED:
            lines.append(f"… and {len(values) - LISTED:,} more (--json has all)")
    return lines[1:]


def split_lines(found: Difference) -> Iterator[str]:
    """The same as sentences: `math: 80 added, 14 removed`, by config or else by domain."""
    for name in SPLITS:
        values = values_of(found, name)
        if len(values) < 2 and name != "domain":
            continue
        for value in values[:LISTED]:
            said = ((t.of(name)[value], w) for t, w in tallies(found))
            now = found.totals[1].of(name)[value]
            told = ", ".join(f"{n:,} {word}" for n, word in said if n)
            yield f"{name} `{value or 'none'}`: {told} ({now:,} now)"
        if len(values) > LISTED:
            yield f"and {len(values) - LISTED:,} more of {name}"


def tallies(found: Difference) -> list[tuple[Tally, str]]:
    return [(found.added, "added"), (found.removed, "removed"), (found.changed, "changed")]


def values_of(found: Difference, name: str) -> list[str]:
    """The configs, domains, … with rows that differ, those with most first."""
    counts: Counter[str] = Counter()
    for tally, _ in tallies(found):
        counts.update(tally.of(name))
    return sorted(counts, key=lambda value: (-counts[value], value))


def why(found: Difference) -> list[str]:
    """Reasons that the runs gave."""
    said = (
        ("Removed because of", found.left_out),
        ("Added, formerly left out by", found.let_in),
    )
    return [f"{word} {counted(counter)}" for word, counter in said if counter]


def columns(found: Difference) -> list[str]:
    """The schema, and where changed rows differ."""
    lines = schema_lines(found)
    if found.columns:
        lines.append(f"Changed values in {counted(found.columns)}")
    if found.renamed_prompts:
        lines.append(f"{found.renamed_prompts:,} unchanged prompts have another prompt_id")
    return lines


def schema_lines(found: Difference) -> list[str]:
    schema, types = found.schema, found.after.columns
    lines = [f"New column `{name}` ({types[name]})" for name in schema.added]
    lines += [f"Column `{name}` is gone" for name in schema.removed]
    lines += [f"Column `{name}` is now {new}, it was {old}" for name, old, new in schema.retyped]
    return lines + [f"Config `{name}` is gone" for name in found.removed_configs]


def figures(found: Difference) -> list[str]:
    """Lengths, pass rates, licences and models that are others now."""
    before, after = found.totals
    lines: list[str] = []
    for name in difference_totals.LENGTHS:
        told = [
            "median {:,}, 95 % up to {:,}".format(*map(t.lengths[name].percentile, (50, 95)))
            if t.lengths.get(name)
            else "unknown"
            for t in (before, after)
        ]
        if told[0] != told[1]:
            lines.append(f"{name.replace('_', ' ').capitalize()}: {told[1]} (before: {told[0]})")
    rates = [share(t.correct, t.tried) for t in (before, after)]
    if rates[0] != rates[1]:
        lines.append(f"Correct of the samples tried: {rates[1]} (before: {rates[0]})")
    for name, word in DIMENSIONS.items():
        old, new = before.of(name), after.of(name)
        came, went = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
        if came or went:
            told = [*(f"{value or 'none'} is new" for value in came)]
            told += [f"{value or 'none'} is gone" for value in went]
            lines.append(f"{word.capitalize()}: {', '.join(told[:LISTED])}")
    return lines


def made(found: Difference, brief: bool = False) -> list[str]:
    """What differs in how it was made and in what is said of it."""
    about = found.about
    lines = [f"{what.capitalize()}: `{name}`" for name, what in about.files.items()][:LISTED]
    for kind, pairs in (
        ("Parameter", about.parameters),
        ("Engine", about.engine),
        ("Package", about.packages),
    ):
        lines += [f"{kind} {n}: {old} -> {new}" for n, (old, new) in pairs.items()]
    if not brief:
        lines += [f"Step {line}" for line in about.steps]
    if about.told:
        lines.append(f"Other text in {', '.join(about.told)}")
    if about.shards and not found.has_other_rows:
        lines.append("The data files are others, with the same rows")
    return lines


def because(found: Difference) -> str:
    """What decides the version."""
    match found.bump():
        case "major":
            return "columns, configs or ids that others rely on are gone or others"
        case "minor":
            return "rows or columns are new, gone or changed"
        case _:
            return "the rows are the same"


def counted(counter: Counter[str], form: str = "{}") -> str:
    """The most frequent first: `LanguageConsistency (12), surplus (3)`."""
    told = [f"`{name}` ({form.format(f'{n:,}')})" for name, n in counter.most_common(LISTED)]
    rest = len(counter) - LISTED
    return ", ".join(told) + (f" and {rest:,} more" if rest > 0 else "")


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "unknown"
