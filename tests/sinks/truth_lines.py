"""The lines and tables of a card, each against the files; for `tests.sinks.truth`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import polars

from tests.sinks.truth_files import (
    Truth,
    close,
    number,
    percentile,
    rows_of_table,
    tenths,
    unescaped,
)

ROOT = Path(__file__).parents[2]
TOLD = ("engine of", "parameter", "column")
"""Tables that repeat what the run was told, or say what a column is: no numbers of the rows."""
Line = Callable[[Truth, re.Match[str]], None]


def check_lines(truth: Truth) -> None:
    files = [*(ROOT / "cards").glob("*.md"), *truth.folder.glob(".curate/files/**/*.md")]
    typed = {line for path in files for line in lines_of(path)}
    typed |= {truth.head["pretty_name"], str(truth.manifest["pipeline"].get("doc")).strip()}
    for head, line in prose(truth.body):
        if not re.search(r"\d", line) or line in typed or line.removeprefix("# ") in typed:
            continue
        if head is not None:
            check_row(truth, head, line)
        elif not check_sentence(truth, line) and re.search(r"\d", re.sub("`[^`]*`", "", line)):
            raise AssertionError(f"no rule for: {line}")
    check_funnel(truth)


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def prose(body: str) -> Iterator[tuple[str | None, str]]:
    """The lines outside of code, with the head of the table that they are in."""
    body = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", body, flags=re.M | re.S)
    body = re.sub(r"## Examples\n.*?(?=^## )", "", body, flags=re.M | re.S)
    head: str | None = None
    for line in body.splitlines():
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = line
            continue
        if re.match(r"\d+\. `|Written by curate |#", line):  # steps, versions: what was told
            continue
        yield head, line


def check_row(truth: Truth, head: str, line: str) -> None:
    titles = [c.strip() for c in head.strip("|").split("|")]
    cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
    kind = titles[0]
    if kind.startswith(TOLD) or set(line) <= set("|-: "):
        return
    second = {"cases": "audit", "pairs": "pairs"}.get(titles[1])
    name = second or kind or "lengths"
    assert name in TABLES, f"no rule for the table {head}"
    TABLES[name](truth, cells)
    truth.seen.add(name)


def count_of(column: str) -> Callable[[Truth, list[str]], None]:
    def check(truth: Truth, cells: list[str]) -> None:
        of = truth.of(column, unescaped(cells[0]))
        assert number(cells[1]) == of.height, f"{column} {cells[0]}: {cells[1]} is not {of.height}"
        close(number(cells[2]), 100 * of.height / truth.samples.height, cells[0], 1)
        if column == "domain":
            assert number(cells[3]) == of["prompt_id"].n_unique()
            lengths = of["completion_tokens"].drop_nulls().to_list()
            assert number(cells[4]) == (percentile(lengths, 50) if lengths else None)

    return check


def check_config(truth: Truth, cells: list[str]) -> None:
    stem = f"{'data' if cells[0] == 'default' else cells[0]}/{cells[1]}-"
    of = polars.concat([f for p, f in truth.shards.items() if p.startswith(stem)])
    assert [number(c) for c in cells[2:4]] == [of.height, of["prompt_id"].n_unique()]
    assert number(cells[4]) == (of["completion_tokens"].sum() or 0)
    domains = dict(re.findall(r"(\S.*?) ([\d,]+)(?:, |$)", cells[5]))
    assert {d: number(n) for d, n in domains.items()} == dict(of["domain"].value_counts().rows())


def check_lengths(truth: Truth, cells: list[str]) -> None:
    column = "completion_tokens" if "completion" in cells[0] else "prompt_tokens"
    lengths = truth.samples[column].drop_nulls().to_list()
    found = [*(percentile(lengths, p) for p in (50, 95, 99, 100)), sum(lengths)]
    assert [number(c) for c in cells[1:]] == found, cells[0]


def check_verdict(truth: Truth, cells: list[str]) -> None:
    said = [v for row in truth.samples["verdicts"].to_list() for v in row]
    of = [v["score"] for v in said if v["name"] == unescaped(cells[0])]
    scores = [s for s in of if s is not None]
    assert number(cells[1]) == len(scores) and number(cells[3]) == len(of) - len(scores)
    close(number(cells[2]), sum(scores) / len(scores) if scores else None, cells[0])


def check_audit(truth: Truth, cells: list[str]) -> None:
    kept = json.loads((truth.folder / ".curate/files/cards/audits.json").read_text())
    of = [a for a in kept if a["scorer"] == unescaped(cells[0])]
    if cells[1] == "not audited":
        assert not of
        return
    (audit,) = [a for a in of if a["cases"] == cells[1]]
    assert number(cells[2]) == audit["rows"]
    close(number(cells[3]), 100 * audit["accuracy"], cells[1], 1)
    names = ("false_accepts", "false_rejects", "unjudged")
    assert [number(c) for c in cells[4:]] == [audit[n] for n in names]


def check_origin(truth: Truth, cells: list[str]) -> None:
    of = truth.samples
    columns = ("source", "license", "model", "model_revision")
    for column, cell in zip(columns, cells[:4], strict=True):
        held, value = polars.col(column), unescaped(cell)
        of = of.filter((held.is_null() | (held == "")) if value is None else held == value)
    assert number(cells[4]) == of.height, cells


def check_target(truth: Truth, cells: list[str]) -> None:
    """What was taken is in the files; what came and was asked for, the run reported."""
    wanted, taken, missing = (number(c) or 0 for c in cells[1:4])
    assert wanted - taken == missing
    assert taken == truth.of("domain", unescaped(cells[0])).height


def check_pair_domain(truth: Truth, cells: list[str]) -> None:
    of = truth.rows.filter(polars.col("domain") == unescaped(cells[0]))
    sizes = [
        [sum(len(t["content"]) for t in r[h]) for h in ("chosen", "rejected")]
        for r in of.to_dicts()
    ]
    assert number(cells[1]) == of.height
    gaps: list[float] = of["gap"].to_list()
    close(number(cells[2]), sum(gaps) / of.height, "gap")
    ratio = 1.0
    for chosen, rejected in sizes:
        ratio *= ((1 + chosen) / (1 + rejected)) ** (1 / of.height)
    close(number(cells[3]), ratio, "ratio of lengths")
    close(number(cells[4]), 100 * sum(a > b for a, b in sizes) / of.height, "longer", 1)


TABLES: dict[str, Callable[[Truth, list[str]], None]] = {
    **{
        "domain": count_of("domain"),
        "source": count_of("source"),
        "language": count_of("language"),
    },
    **{"config": check_config, "lengths": check_lengths, "verdict": check_verdict},
    **{"audit": check_audit, "source of prompts": check_origin, "target": check_target},
    "pairs": check_pair_domain,
    "step": lambda truth, cells: None,  # all lines together: `check_funnel`
}


def check_funnel(truth: Truth) -> None:
    """Dropped rows are those in `rejected/`, and what goes on follows from them and the dataset."""
    if "| step |" not in truth.body or truth.rejected is None:
        return
    gone = Counter(truth.rejected["step"].to_list())
    table = rows_of_table(truth.body, "| step |")
    for step in {row[0] for row in table}:
        lines = [row for row in table if row[0] == step]
        lost = sum((number(row[5]) or 0) + (number(row[6]) or 0) for row in lines)
        assert lost == gone[step], f"{step} dropped {lost}, in rejected/ are {gone[step]}"
        reasons = Counter(
            r.partition(":")[0]
            for r in truth.rejected.filter(polars.col("step") == step)["reason"].to_list()
        )
        said: Counter[str] = Counter()
        for row in lines:
            for reason, n in re.findall(r"(\S[^,]*?) ([\d,]+)(?:, |$)", row[7]):
                said[unescaped(reason) or "unknown"] += int(number(n) or 0)
        for reason, n in said.items():
            assert n <= reasons[reason] if "…" in "".join(r[7] for r in lines) else True
            assert n == reasons[reason], f"{step}: {reason} {n} is not {reasons[reason]}"
    for row in table:
        come, made, out, dropped, failed = (number(c) or 0 for c in row[2:7])
        assert come + made == out + dropped + failed, row
    assert number(table[-1][4]) == truth.samples.height, table[-1]
    truth.seen.add("funnel")


def check_sentence(truth: Truth, line: str) -> bool:
    """Whether a rule knows the sentence; the rule itself fails when it is wrong."""
    found = False
    for pattern, rule in SENTENCES:
        for match in re.finditer(pattern, line):
            rule(truth, match)
            truth.seen.add(pattern)
            found = True
    return found


def kept_per_prompt(truth: Truth, match: re.Match[str]) -> None:
    sizes = Counter(truth.samples["prompt_id"].value_counts()["count"].to_list())
    said = {number(a): number(b) for a, b in re.findall(r"([\d,]+) of ([\d,]+) prompts", match[0])}
    assert said == dict(sizes)


def tries(truth: Truth, match: re.Match[str]) -> None:
    of = truth.prompts().filter(polars.col("samples_tried").is_not_null())
    tried, correct = (of[f"samples_{name}"].to_list() for name in ("tried", "correct"))
    accepted = sum(n or 0 for n in correct)
    assert number(match[1]) == sum(tried) and number(match[2]) == accepted
    close(number(match[3]), 100 * accepted / sum(tried), "accepted", 1)
    assert [number(match[4]), number(match[5])] == [percentile(tried, 50), max(tried)]


def rates(truth: Truth, match: re.Match[str]) -> None:
    said = {
        int(low) // 10: number(n)
        for low, n in re.findall(r"(\d+)(?: to \d+)? %: ([\d,]+) prompts", match[0])
    }
    assert said == dict(tenths(truth))


def endings(truth: Truth, match: re.Match[str]) -> None:
    for reason, n in re.findall(r"(\S+) ([\d,]+)(?:, |$)", match[1]):
        assert truth.of("finish_reason", unescaped(reason)).height == number(n)


def headline(truth: Truth, match: re.Match[str]) -> None:
    assert number(match[1]) == truth.samples.height
    assert number(match[2]) == truth.samples["prompt_id"].n_unique()
    if match[3]:
        assert number(match[3]) == sum(truth.answered)


def asked(truth: Truth, match: re.Match[str]) -> None:
    """Every sample that was made is in the dataset or, refused after it was made, in rejected/."""
    made = number(match[1]) or 0
    table = rows_of_table(truth.body, "| step |")
    assert made == sum(number(r[3]) or 0 for r in table if r[0].startswith("Generate"))
    if match.lastindex and match.lastindex >= 3:
        whole = truth.samples.height
        assert number(match[2]) == whole
        of = whole / 2 if truth.is_pairs else whole
        close(number(match[3]), made / of, "asked for each")


def gone(kind: str) -> Line:
    def check(truth: Truth, match: re.Match[str]) -> None:
        if truth.rejected is not None:
            reasons = truth.rejected["reason"].to_list()
            assert number(match[1]) == sum(r.startswith(kind) for r in reasons), kind

    return check


def missing(column: str) -> Line:
    def check(truth: Truth, match: re.Match[str]) -> None:
        assert number(match[1]) == truth.of(column, None).height, column

    return check


def cut_off(truth: Truth, match: re.Match[str]) -> None:
    assert number(match[1]) == truth.of("finish_reason", "length").height


def not_listed(truth: Truth, match: re.Match[str]) -> None:
    """Behind a table of 25: of a column's values, or of who made what."""
    origin = ["source", "license", "model", "model_revision"]
    filled = truth.samples.with_columns(polars.col(origin).fill_null(""))
    kinds = [filled.select(origin).n_unique()]
    kinds += [truth.samples[c].fill_null("").n_unique() for c in ("domain", "source", "language")]
    assert (number(match[1]) or 0) + 25 in kinds


def only_rows(truth: Truth, match: re.Match[str]) -> None:
    assert number(match[1]) == truth.rows.height


def reported(truth: Truth, match: re.Match[str]) -> None:
    """Not in the files: refused samples among them; the card says that the engine reported it."""
    assert number(match[2]) >= sum(truth.answered) or truth.is_pairs  # type: ignore[operator]


def not_read(truth: Truth, match: re.Match[str]) -> None:
    """A benchmark that could not be read: the run noted it, and nothing was left out for it."""
    name = unescaped(match[1])
    notes = [v for k, v in truth.manifest["notes"].items() if k.startswith("decontamination")]
    assert any(name in note["not_checked"] for note in notes), name
    if truth.rejected is not None:
        reasons = truth.rejected["reason"].to_list()
        assert not any(r.startswith(f"contaminated_by:{name}/") for r in reasons), name


def noted(truth: Truth, match: re.Match[str]) -> None:
    """What a step noted: it is in the manifest beside the rows, under a name of its own."""
    numbers = re.findall(r"[\d,]+(?:\.\d+)?", match[0])
    kept = json.dumps(truth.manifest["notes"])
    assert all(n.replace(",", "") in kept or "%" in match[0] for n in numbers), match[0]


SENTENCES: list[tuple[str, Line]] = [
    (
        r"\*\*([\d,]+) (?:samples|rows) of ([\d,]+) (?:prompts|problems)\*\*"
        r"(?:, ([\d,]+) tokens of completions)?",
        headline,
    ),
    (r"\*\*([\d,]+) (?:pairs|prompts)\.\*\*", only_rows),
    (r"Samples kept per prompt: .*", kept_per_prompt),
    (
        r"took ([\d,]+) tries, of which ([\d,]+) were accepted \(([\d.]+) %\); "
        r"in the median ([\d,]+), at most ([\d,]+)",
        tries,
    ),
    (r"Pass rates, where the number of tries was fixed in advance: .*", rates),
    (r"How answers ended: (.*?)\. Tokens", endings),
    (r"([\d,]+) samples were asked for and ([\d,]+) kept: ([\d,.]+) for", asked),
    (
        r"([\d,]+) samples were asked for, of which ([\d,]+) are halves of pairs: ([\d,.]+) for",
        asked,
    ),
    (r"([\d,]+) samples of the pilot were asked for", asked),
    (r"([\d,]+) prompts or samples were left out as duplicates", gone("duplicate")),
    (r"([\d,]+) prompts or samples were left out for that", gone("contaminated_by")),
    (r"The language of ([\d,]+) samples was not recorded", missing("language")),
    (r"The licence of the prompts of ([\d,]+) samples is unknown", missing("license")),
    (r"([\d,]+) completions were cut off at the token limit", cut_off),
    (r"([\d,]+) samples of ([\d,]+) tokens were decided", reported),
    (r"^([\d,]+) more are not listed", not_listed),
    (r"n-grams of (\d+) tokens", noted),
    (r"^\* (\S+): cannot read hub:", not_read),
    (r"drawn by a hash of the ids \(seed (\d+)\)", noted),
    (r"Of ([\d,]+) comparisons .*", noted),
]
