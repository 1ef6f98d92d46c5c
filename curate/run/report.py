"""What a run directory says about its run: `curate report RUN` as text, OUT/report.html, and
`curate why RUN ID`.

Works on a run that has not ended: it reads manifest.json, funnel.json, dataset/ and rejected/ as
far as they are there.
"""

from __future__ import annotations

import difflib
import heapq
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import UsageError
from curate.run.outcome import PERCENTILES, Outcome, read_manifest, read_run
from curate.sinks.atomic import write_text
from curate.sinks.card import most
from curate.sinks.markdown import number, one_line, percent, printable
from curate.sinks.shards import read_rows, shard_paths
from curate.sinks.statistics import Statistics

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100
HISTOGRAM_BARS = 40
# A beginning that more prompts than this have is not looked up any further.
SEVERAL = 3


def text_report(out: Path) -> str:
    """The report of a run as plain text of at most 100 columns."""
    from rich.console import Console

    report = read_run(out)
    text = io.StringIO()
    console = Console(
        file=text, width=WIDTH, color_system=None, markup=False, emoji=False, highlight=False
    )
    status = report.manifest.get("status") or "unknown"
    console.print(f"{one_line(report.name)} in {out}: {status}")
    _print_funnel(console, report)
    _print_reasons(console, report)
    _print_rows(console, "Yields and tokens", ("", ">"), report.facts())
    _print_rows(console, "Selection", ("", ""), report.selection())
    heads = ("tokens of a", *(f">{'longest' if p == 100 else f'p{p}'}" for p in PERCENTILES))
    _print_rows(console, "Lengths", heads, ((name, *ps) for name, ps in report.lengths()))
    if report.statistics:
        _print_statistics(console, report.statistics)
    elif status != "done":
        console.print("\nThere is no dataset yet: the run has not come to its end.")
    for title, path in report.own_reports():
        console.print(f"\n{title}\n\n{path.read_text(encoding='utf-8').strip()}", soft_wrap=True)
    _print_rows(console, "Where", ("", ""), ((name, str(path)) for name, path in report.places()))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _print_funnel(console: Console, report: Outcome) -> None:
    heads = ("step", "counts", ">in", ">made", ">out", ">of in + made", ">dropped", ">failed")
    numbers = ("in", "made", "out")
    rows = [
        (
            *(row["step"], row["unit"], *(number(row[n]) for n in numbers)),
            percent(row["out"], row["in"] + row["made"]),
            *(number(row["dropped"]), number(row["failed"])),
        )
        for row in report.funnel
    ]
    _print_rows(console, "Funnel", heads, rows)


def _print_reasons(console: Console, report: Outcome) -> None:
    """Why documents were dropped: from the funnel, with an id of each kind from rejected/."""
    heads = ("step", "reason", ">n", ">of in + made", "for example")
    rows = [
        (
            *(row["step"], reason, number(n), percent(n, row["in"] + row["made"])),
            report.refused.examples.get((row["step"], reason), ""),
        )
        for row in report.funnel
        for reason, n in row["reasons"][:10]
    ]
    _print_rows(console, "Reasons", heads, rows)
    if report.refused.examples:
        console.print(f"One sample's or prompt's story: curate why {report.out} ID")


def _print_statistics(console: Console, statistics: Statistics) -> None:
    models = {" at ".join(filter(None, m)) or None: n for m, n in statistics.models.items()}
    counts = (
        *(("domain", statistics.domains), ("source", statistics.sources), ("model", models)),
        *(("language", statistics.languages), ("ended by", statistics.finish_reasons)),
    )
    rows = [
        (title, name or "unknown", number(n), percent(n, statistics.rows))
        for title, counted in counts
        for name, n in most(counted, 10)
    ]
    _print_rows(console, "Dataset", ("", "", ">samples", ">share"), rows)
    judged = [
        (name, number(v.judged), number(v.mean) or "-", number(v.unjudged))
        for name, v in sorted(statistics.verdicts.items())
    ]
    _print_rows(console, "Verdicts", ("scorer", ">judged", ">mean", ">not judged"), judged)
    rates = [
        (f"{min(tenth, 10) * 10} %" + (" and up" if tenth < 10 else ""), number(n))
        for tenth, n in sorted(statistics.pass_rates.items())
    ]
    _print_rows(console, "Pass rates", ("from", ">prompts"), rates)


def _print_rows(
    console: Console, title: str, heads: Iterable[str], rows: Iterable[Iterable[Any]]
) -> None:
    """A titled table; a head that begins with > aligns its column right. Nothing without rows."""
    from rich import box
    from rich.table import Table

    rows, heads = list(rows), list(heads)
    if not rows:
        return
    named = any(head.strip(">") for head in heads)
    table = Table(
        box=box.SIMPLE_HEAD if named else None, show_header=named, show_edge=False, pad_edge=False
    )
    for head in heads:
        table.add_column(
            head.removeprefix(">"),
            justify="right" if head.startswith(">") else "left",
            no_wrap=head.startswith(">"),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(one_line(str(value)) for value in row))
    console.print(f"\n{title}")
    console.print(table)


def write_html(out: Path) -> Path:
    """Writes OUT/report.html, one page without anything from elsewhere, and gives its path."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    report = read_run(out)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"n": number, "percent": percent}
    tokens = report.statistics.completion_tokens if report.statistics else None
    page = environment.get_template("report.html.jinja").render(
        report=report,
        stats=report.statistics,
        most=most,
        widest=max((r["in"] + r["made"] for r in report.funnel), default=0),
        histogram=tokens.histogram(HISTOGRAM_BARS) if tokens else [],
        percentiles=PERCENTILES,
    )
    path = out / "report.html"
    write_text(path, page)
    return path


def story(out: Path, id: str) -> str:
    """Why a sample stayed or went, as text; of a prompt, what became of all its samples.

    `id` is a sample's, a prompt's or a beginning that only one of them has, else UsageError names
    the nearest.
    """
    read_manifest(out)
    rows = [row for row in _rows_of(out, id) if id in (row["id"], row["prompt_id"])]
    prompts = {row["prompt_id"] for row in rows}
    for row in _rows_of(out, id) if not rows else ():
        rows.append(row)
        prompts.add(row["prompt_id"])
        if len(prompts) > SEVERAL:
            break
    if not rows:
        near = " or ".join(_nearest(out, id))
        raise UsageError(
            f"no sample or prompt of {out} is called {id}"
            + (f"; the nearest is {near}" if near else "; nothing was decided in this run yet")
        )
    if len(prompts) > 1:
        several = ", ".join(sorted(prompts)[:SEVERAL])
        raise UsageError(f"{id} is the beginning of several, among them {several}")
    rows.sort(key=lambda row: (row["k"] if row["k"] is not None else -1, row["id"] or ""))
    is_one = len(rows) == 1 and rows[0]["id"] and not rows[0]["prompt_id"].startswith(id)
    return "\n".join(_sample_story(rows[0]) if is_one else _prompt_story(rows)) + "\n"


def _rows_of(out: Path, id: str) -> Iterator[dict[str, Any]]:
    """Rows of dataset/ and rejected/ whose id or prompt_id begins with `id`."""
    import pyarrow.parquet as pq

    for path in (*shard_paths(out / "dataset"), *sorted(out.glob("rejected/*.parquet"))):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                names = file.read_row_group(group, columns=["id", "prompt_id"]).to_pylist()
                hits = [n for n, row in enumerate(names) if _begins(row, id)]
                if hits:
                    yield from file.read_row_group(group).take(hits).to_pylist()


def _begins(row: Mapping[str, str | None], id: str) -> bool:
    return any(name and name.startswith(id) for name in (row["id"], row["prompt_id"]))


def _nearest(out: Path, id: str) -> list[str]:
    """Up to three ids that look like `id`; sample ids for a sample's, else prompt ids."""
    column = "id" if "-" in id else "prompt_id"
    folders = (out / "dataset", out / "rejected")
    names = {row[column] for f in folders for row in read_rows(f, [column]) if row[column]}
    likely = heapq.nlargest(2000, sorted(names), key=lambda n: _common(n, id))
    return difflib.get_close_matches(id, likely, 3, 0.0)


def _common(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _sample_story(row: Mapping[str, Any]) -> list[str]:
    answer = f"the right answer is {row['answer']}" if row["answer"] else "no right answer is known"
    tokens = f"{row['completion_tokens']} tokens" if row["completion_tokens"] else "tokens unknown"
    return [
        f"Sample {row['id']} (number {row['k']} of its prompt): {_fate(row)}",
        f"{row['domain'] or 'no domain'}, source {row['source'] or 'unknown'}; {answer}",
        f"model {row['model'] or 'unknown'}, seed {row['seed']}, ended by "
        f"{row['finish_reason'] or 'unknown'}, {tokens}",
        "",
        "Verdicts",
        *(f"  {line}" for line in _verdicts(row) or ["none"]),
        *(f"\n[{turn['role']}]\n{printable(turn['content'])}" for turn in _turns(row)),
    ]


def _prompt_story(rows: list[dict[str, Any]]) -> list[str]:
    first = rows[0]
    kept = sum("step" not in row for row in rows)
    samples = [row for row in rows if row["id"]]
    lines = [
        f"Prompt {first['prompt_id']}: {kept} of {len(samples)} samples are in the dataset",
        f"{first['domain'] or 'no domain'}, source {first['source'] or 'unknown'}",
        *(f"The prompt itself: {_fate(row)}" for row in rows if not row["id"]),
        *("", printable(first["problem"] or ""), f"Right answer: {first['answer'] or 'unknown'}"),
    ]
    for row in samples:
        lines += ["", f"{row['id']}  {_fate(row)}", *(f"  {line}" for line in _verdicts(row))]
    return lines


def _fate(row: Mapping[str, Any]) -> str:
    if "step" not in row:
        return "in the dataset"
    detail = f" ({one_line(row['detail'])})" if row["detail"] else ""
    return f"refused by {row['step']}, {one_line(row['reason'] or 'no reason')}{detail}"


def _verdicts(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{'null' if v['score'] is None else format(v['score'], '.2f'):>4}  {one_line(v['name'])}"
        + (f": {one_line(v['reason'])}" if v["reason"] else "")
        for v in row["verdicts"] or ()
    ]


def _turns(row: Mapping[str, Any]) -> list[dict[str, str]]:
    return [*(row["prompt"] or ()), *(row.get("completion") or row.get("chosen") or ())]
