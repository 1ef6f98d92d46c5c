"""The card says what the rows and the run say, and no text of theirs can break it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.errors import UsageError
from curate.sample import COLUMNS, Sample
from curate.sinks import DatasetFolder
from curate.sinks.card import funnel_row, parameters_of, shortened
from curate.sinks.markdown import environment, escape
from tests.sinks import made
from tests.sinks.made import sample, samples, write


def card(out: Path, given: Sequence[Sample], *, run: bool = True, **said: Any) -> str:
    out.mkdir(parents=True, exist_ok=True)
    if run:
        (out / "manifest.json").write_text(json.dumps(made.manifest() | said))
        (out / "funnel.json").write_text(json.dumps(made.funnel()))
    write(out, list(given))
    return (out / "dataset/README.md").read_text()


def front_matter(text: str) -> dict[str, Any]:
    assert text.startswith("---\n")
    return yaml.safe_load(text[4 : text.index("\n---\n")])


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first line begins with `head`."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert {len(row) for row in rows} == {len(rows[0])}, "a cell broke the table"
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_head_follows_from_the_rows(tmp_path: Path) -> None:
    given = [sample(0, language="en"), sample(1, language="zh", license="CC-BY-4.0")]
    head = front_matter(card(tmp_path, given))
    assert head["language"] == ["en", "zh"]
    assert head["license"] == "other" and head["license_link"] == "LICENSE"
    assert head["size_categories"] == ["n<1K"]
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert {"text-generation"} == set(head["task_categories"])


def test_it_states_the_audits_of_the_verdicts_it_relies_on(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(made.ROOT / "cards", project / "cards")
    audit = {"scorer": "MathAnswer", "cases": "pairs.jsonl", "rows": 187, "accuracy": 0.973262}
    counts = {"false_accepts": 2, "false_rejects": 3, "unjudged": 1}
    others = {"scorer": "MathAnswer:style=x", "cases": "other.jsonl"}
    (project / "cards/audits.json").write_text(json.dumps([audit | counts, others]))
    write(tmp_path / "run", samples(2), project=project)
    text = (tmp_path / "run/dataset/README.md").read_text()
    assert table(text, "| verdict | cases") == [
        ["`MathAnswer`", "pairs.jsonl", "187", "97.3 %", "2", "3", "1"],
        ["`ThinkFormat`", "not audited", "", "", "", "", ""],
    ]
    kept = tmp_path / "run/dataset/.curate/files/cards/audits.json"
    assert json.loads(kept.read_text())[0]["rows"] == 187


def test_what_the_run_spent_is_told_where_the_project_says_it(tmp_path: Path) -> None:
    stages = [{"name": "02-Generate", "numbers": {"tried": 100, "sample_tokens": 5_000}}]
    spent = {"hardware": "8 | H100", "GPU hours": "4", "cost": "8.00 USD"}
    text = card(tmp_path / "a", samples(3), stages=stages, spent=spent)
    found = table(text, "| what the run that wrote this asked for itself")
    assert found == [["hardware", r"8 \| H100"], ["GPU hours", "4"], ["cost", "8.00 USD"]]
    assert "asked for itself" not in card(tmp_path / "b", samples(3), stages=stages)


def test_a_project_without_cards_gets_the_packaged_one(tmp_path: Path) -> None:
    write(tmp_path / "run", samples(2), project=tmp_path)
    assert "**4 samples of 2 prompts**" in (tmp_path / "run/dataset/README.md").read_text()
    with pytest.raises(UsageError, match=r"no file cards/other\.md"):
        write(tmp_path / "run", samples(2), project=tmp_path, card="cards/other.md")


def test_the_numbers_are_those_of_rows_and_funnel(tmp_path: Path) -> None:
    text = card(tmp_path, samples(20))
    assert "**40 samples of 20 prompts**" in text
    assert table(text, "| domain") == [
        ["code", "14", "35.0 %", "7", "40"],
        ["math", "14", "35.0 %", "7", "39"],
        ["logic", "12", "30.0 %", "6", "38"],
    ]
    # Tokens are 30 to 49, each twice: rank 20, 38 and 40 of 40.
    assert table(text, "| | p50")[0] == ["tokens of a completion", "39", "48", "49", "49", "1,580"]
    funnel = table(text, "| step")
    assert funnel[1][:7] == ["Generate", "samples", "0", "100", "40", "59", "1"]
    assert funnel[1][7] == "MathAnswer 50, ThinkFormat 8, surplus 1"
    assert funnel[2][:5] == ["DatasetFolder", "samples", "40", "0", "40"]
    assert "100 samples were asked for and 40 kept: 2.5 for each kept one" in text
    assert "took 80 tries, of which 40 were accepted (50.0 %)" in text
    assert ["`ThinkFormat`", "40", "0.75", "0"] in table(text, "| verdict")
    assert "| sums | MIT | SmolLM2-135M-Instruct | unknown | 40 |" in text


def test_every_column_is_explained(tmp_path: Path) -> None:
    text = card(tmp_path, samples(1))
    named = {name for row in table(text, "| column") for name in re.findall("`([a-z_]+)`", row[0])}
    assert named == set(COLUMNS)


def test_the_command_makes_the_same_rows_elsewhere(tmp_path: Path) -> None:
    text = card(tmp_path, samples(1))
    assert (
        "```shell\ncurate run pipelines/cold_start.py prompts=problems.jsonl "
        "engine=http://HOST/v1\n```" in text
    )


@pytest.mark.parametrize(
    ("model", "engine", "is_toy"),
    [
        ("SmolLM2-135M-Instruct", {"kind": "local"}, True),
        ("Qwen3-0.6B", {"kind": "endpoint"}, True),
        ("some-model", {"kind": "local"}, True),
        ("DeepSeek-R1", {"kind": "endpoint"}, False),
        ("R1-Distill-Qwen-1.5B", {"kind": "endpoint"}, False),
    ],
)
def test_a_toy_is_called_a_toy(
    tmp_path: Path, model: str, engine: dict[str, Any], is_toy: bool
) -> None:
    text = card(tmp_path, [sample(1, model=model)], engine=engine)
    assert ("toy model and is not for training" in text) is is_toy


def test_what_is_unknown_is_said(tmp_path: Path) -> None:
    given = [sample(1, license=None, language=None, model=None, completion_tokens=None)]
    text = card(tmp_path, given, run=False)
    assert front_matter(text)["license"] == "unknown"
    assert "language" not in front_matter(text)
    assert "| sums | unknown | unknown | unknown | 1 |" in text
    assert "The licence of the prompts of 1 samples is unknown" in text
    assert "The command was not recorded" in text
    assert "written outside of `curate run`" in text


HOSTILE = (
    "---\ntags: [x]\n---\n# Title\n## Limits\n| a | b |\n```\n````\n<script>alert(1)</script> "
    "[l](http://x) \u202e\x00 {{ 1 }}"
)


def test_no_text_of_a_row_or_a_run_breaks_the_card(tmp_path: Path) -> None:
    row = sample(1, domain=HOSTILE, source=HOSTILE, license=HOSTILE, language=HOSTILE)
    row = replace(row, problem=HOSTILE, model=HOSTILE, finish_reason=HOSTILE)
    row = row.with_completion(HOSTILE).with_verdicts({HOSTILE: row.verdicts["MathAnswer"]})
    said = made.manifest()
    said["pipeline"] |= {"doc": HOSTILE, "name": HOSTILE}
    said |= {"parameters": {"limit": HOSTILE}, "command": f"curate run a.py 'x={HOSTILE}'"}
    said |= {"steps": [{"step": HOSTILE, "x": HOSTILE}], "engine": {"kind": HOSTILE}}
    hostile, plain = card(tmp_path / "a", [row], **said), card(tmp_path / "b", [sample(1)])

    assert front_matter(hostile)["tags"] == front_matter(plain)["tags"]
    assert front_matter(hostile)["pretty_name"] == HOSTILE
    headings = re.compile("^## .*$", re.M)
    assert headings.findall(outside_fences(hostile)) == headings.findall(outside_fences(plain))
    assert "<script>" not in outside_fences(hostile)
    assert not re.search(r"(?<!\\)\[l(?<!\\)\]\(", outside_fences(hostile))
    assert "\u202e" not in hostile and "\x00" not in hostile
    for head in ("| step", "| domain", "| source", "| verdict", "| source of", "| parameter"):
        assert table(hostile, head)


def outside_fences(text: str) -> str:
    """The card's body without code, as CommonMark ends fences and spans: by as many backticks."""
    body = text[text.index("\n---\n") + 5 :]
    body = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", body, flags=re.M | re.S)
    return re.sub(r"(?<![`\\])(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", body)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if %}", "line 1"),
        ("a\n{{ rowz }}", "'rowz' is undefined"),
        ("{% if rows %}{{ stats.nothing }}{% endif %}", "no attribute 'nothing'"),
    ],
    ids=["syntax", "unknown name", "unknown name that only rows reach"],
)
def test_a_wrong_template_is_found_before_the_run(tmp_path: Path, template: str, said: str) -> None:
    (tmp_path / "card.md").write_text(template)
    context = replace(made.context(tmp_path / "out"), project=tmp_path)
    with pytest.raises(UsageError, match=said):
        DatasetFolder(card="card.md").prepare(context)


def test_templates_escape_values_but_not_themselves(tmp_path: Path) -> None:
    (tmp_path / "part.md").write_text("*part* {{ x }}")
    template = environment(tmp_path).from_string(
        "{% macro bold(v) %}**{{ v }}**{% endmacro %}"
        "{{ bold(x) }} {% include 'part.md' %} {{ 1.5 }}"
    )
    assert template.render(x="a*b") == "**a\\*b** *part* a\\*b 1.5"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("snake_case", "snake_case"),
        ("_x_", "\\_x\\_"),
        ("1. one", "1\\. one"),
        ("2.5", "2.5"),
        ("$x$", "\\$x\\$"),
        ("a & b", "a &amp; b"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_escaping(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_reasons_are_counted_by_kind() -> None:
    dropped = {"duplicate_of:1": 2, "duplicate_of:2": 1, "surplus": 4}
    row = funnel_row({"step": "Dedup", "dropped": dropped})
    assert row["reasons"] == [("surplus", 4), ("duplicate_of", 3)]
    assert row["dropped"] == 7


@pytest.mark.parametrize("name", ["QwQ", "gpt-4", "llama3", "7Bit-thing"])
def test_no_size_is_read_out_of_a_name_without_one(name: str) -> None:
    assert parameters_of(name) is None


def test_long_texts_are_cut_in_their_middle() -> None:
    short = shortened({"a": ["x" * 5000, "y"]})["a"]
    assert short[1] == "y"
    assert len(short[0]) < 1300 and "3,800 characters" in short[0]
