"""What `curate report` and `curate why` tell of a run directory, finished or not."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.run.report import story, text_report, write_html
from curate.sample import Sample
from tests.sinks import made
from tests.sinks.made import sample, samples, write

KEPT = samples(20)
REFUSED = sample(99, 7, completion_tokens=1000)


def reject(out: Path, rows: list[dict[str, Any]]) -> None:
    """Writes refused rows as the run's ledger does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from curate.run.ledger import rejected_schema

    (out / "rejected").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, rejected_schema()), out / "rejected/01-0.parquet")


def refused(given: Sample, step: str, reason: str, detail: str = "") -> dict[str, Any]:
    return given.to_row() | {"step": step, "reason": reason, "detail": detail}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of 20 prompts with two samples each, and one refused sample and prompt."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps(made.manifest() | {"status": "done"}))
    (out / "funnel.json").write_text(json.dumps(made.funnel()))
    write(out, KEPT)
    prompt = Sample(prompt_id="ffff000000000000", problem="What is 1/0?").to_row()
    reject(
        out,
        [
            refused(REFUSED, "Generate", "MathAnswer", "107 is not 106"),
            prompt | {"id": None, "k": None, "step": "Generate", "reason": "gold_unusable"},
        ],
    )
    return out


def line(text: str, begin: str) -> list[str]:
    """The words of the first line that begins so."""
    rows = (row.split() for row in text.splitlines())
    return next(row for row in rows if row[: len(begin.split())] == begin.split())


def test_the_text_has_funnel_reasons_yields_and_lengths(run: Path) -> None:
    text = text_report(run)
    assert text.startswith(f"cold_start in {run}: done\n")
    assert " ".join(line(text, "Generate samples")) == "Generate samples 0 100 40 40.0 % 59 1"
    reason = " ".join(line(text, "Generate MathAnswer"))
    assert reason == f"Generate MathAnswer 50 50.0 % {REFUSED.id}"
    assert line(text, "samples asked for")[-1] == "100"
    assert line(text, "asked for each kept one")[-1] == "2.5"
    assert line(text, "completion tokens, refused")[-1] == "1,000"
    assert line(text, "tokens for each kept sample")[-1] == "64"  # (1,580 + 1,000) / 40 = 64.5
    assert line(text, "completion 39") == ["completion", "39", "48", "49", "49"]
    assert " ".join(line(text, "ThinkFormat")) == "ThinkFormat 40 0.75 0"
    assert line(text, "model SmolLM2-135M-Instruct")[2] == "40"
    assert str(run / "rejected") in re.sub(r"\s", "", text)


GENERATED = {"prompt_tokens": 1_000_000, "completion_tokens": 2_000_000}


@pytest.mark.parametrize(
    ("prices", "numbers", "says"),
    [
        pytest.param("", GENERATED, None, id="no prices"),
        pytest.param("gpus = 8\ngpu_hour_price = 2", GENERATED, "cost 32.00 USD", id="two hours"),
        pytest.param("gpus = 8", GENERATED, "GPU hours 16", id="hours alone"),
        pytest.param(
            "price_per_million_output_tokens = 2\nprice_per_million_input_tokens = 1",
            GENERATED,
            "cost 5.00 USD",
            id="by the token",
        ),
        pytest.param(
            "gpus = 8\ngpu_hour_price = 2",
            {"from_store": 9, "completion_tokens": 0},
            "cost 0.00 USD",
            id="all from the store",
        ),
        pytest.param("gpus = 8\ngpu_hour_price = 2", {}, None, id="nothing is generated"),
        pytest.param("gpus = 'x'", GENERATED, "cost unknown: pyproject.toml: gpus is 'x'", id="x"),
    ],
)
def test_the_cost_of_what_the_run_asked_for(
    run: Path, prices: str, numbers: dict[str, int], says: str | None
) -> None:
    (run.parent / "pyproject.toml").write_text(f"[tool.curate]\n{prices}\n")
    stages = [
        {"name": "01-Prompts", "seconds": 900.0, "numbers": {}},
        {"name": "02-Generate", "seconds": 7200.0, "numbers": numbers},
    ]
    (run / "manifest.json").write_text(json.dumps(made.manifest() | {"stages": stages}))
    text = text_report(run)
    rows = [" ".join(row.split()) for row in text.splitlines()]
    found = [row for row in rows if row.startswith(("cost ", "GPU hours "))]
    if says is None:
        assert not found
    else:
        assert any(row.startswith(says) for row in found)
    page = write_html(run).read_text()
    assert ("cost</div>" in page) == ("cost" in (says or ""))


def test_the_text_fits_100_columns_whatever_is_in_it(run: Path) -> None:
    funnel = made.funnel()
    funnel[1]["dropped"] |= {"[bold]reason " + "y" * 200: 3, "tab\tand\x1b[31m\nline": 1}
    (run / "funnel.json").write_text(json.dumps(funnel))
    text = text_report(run)
    places = {str(run), str(run / "dataset"), str(run / "rejected"), str(run / "dataset/README.md")}
    long = [
        row for row in text.splitlines() if len(row) > 100 and not any(p in row for p in places)
    ]
    assert not long
    assert "[bold]reason" in text
    assert "\x1b" not in text


def test_a_run_that_has_not_ended_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(made.manifest()))
    assert "There is no dataset yet" in text_report(tmp_path)
    (tmp_path / "funnel.json").write_text(json.dumps(made.funnel()[:1]))
    assert " ".join(line(text_report(tmp_path), "Prompts")[:4]) == "Prompts prompts 0 60"
    assert "There is no dataset yet" in write_html(tmp_path).read_text()


def test_a_run_without_a_row_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(made.manifest()))
    write(tmp_path, [])
    assert line(text_report(tmp_path), "samples in the dataset")[-1] == "0"
    assert "The dataset is empty" in write_html(tmp_path).read_text()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "there is no folder"),
        ("run/dataset", "is inside of a run; did you mean .*run\\?"),
        (".", "not a run but holds some; did you mean .*run\\?"),
        ("other", r"no manifest.json \(there is notes.txt\)"),
    ],
)
def test_a_folder_that_is_no_run_is_told_so(run: Path, place: str, said: str) -> None:
    (run.parent / "other").mkdir()
    (run.parent / "other/notes.txt").touch()
    with pytest.raises(UsageError, match=said):
        text_report(run.parent / place)


class Page(HTMLParser):
    """Counts a page's tags, and what they would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.loads: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(run: Path) -> None:
    path = write_html(run)
    assert path == run / "report.html"
    page = Page(path.read_text())
    assert not page.open
    assert not page.loads
    assert "url(" not in path.read_text() and "@import" not in path.read_text()
    assert page.tags.count("rect") == 20
    assert "<b>64</b>tokens for each kept sample" in path.read_text()
    assert line(text_report(run), "page")[0] == "page"


def test_no_text_of_a_run_is_markup_in_the_page(run: Path) -> None:
    said = made.manifest() | {"command": "<script>alert(1)</script>"}
    (run / "manifest.json").write_text(json.dumps(said))
    page = Page(write_html(run).read_text())
    assert "script" not in page.tags


@pytest.mark.parametrize("cut", [0, 4], ids=["whole id", "beginning"])
def test_why_a_sample_stayed(run: Path, cut: int) -> None:
    one = KEPT[3]
    text = story(run, one.id[: len(one.id) - cut])
    assert text.startswith(f"Sample {one.id} (number {one.k} of its prompt): in the dataset\n")
    assert one.text in text and one.problem in text
    assert "  1.00  MathAnswer: equal" in text
    assert f"the right answer is {one.answer}" in text


def test_why_a_sample_went(run: Path) -> None:
    text = story(run, REFUSED.id)
    assert "refused by Generate, MathAnswer (107 is not 106)" in text
    assert REFUSED.text in text


@pytest.mark.parametrize("length", [16, 9], ids=["whole id", "beginning"])
def test_of_a_prompt_all_samples_are_told(run: Path, length: int) -> None:
    ids = sorted(s.id for s in KEPT if s.prompt_id == KEPT[0].prompt_id)
    text = story(run, KEPT[0].prompt_id[:length])
    assert text.startswith(f"Prompt {KEPT[0].prompt_id}: 2 of 2 samples are in the dataset\n")
    assert all(f"{one}  in the dataset" in text for one in ids)


def test_why_a_prompt_went(run: Path) -> None:
    text = story(run, "ffff000000000000")
    assert "0 of 0 samples are in the dataset" in text
    assert "The prompt itself: refused by Generate, gold_unusable" in text
    assert "What is 1/0?" in text


def test_an_unknown_id_names_the_nearest(run: Path) -> None:
    right = KEPT[0].prompt_id
    typed = ("0" if right[0] != "0" else "1") + right[1:]
    with pytest.raises(UsageError, match=f"is called {typed}; the nearest is .*{right}"):
        story(run, typed)
    with pytest.raises(UsageError, match=f"the nearest is .*{REFUSED.id}"):
        story(run, REFUSED.id[:-1] + "x")


def test_a_beginning_of_several_is_told_so(run: Path) -> None:
    with pytest.raises(UsageError, match="is the beginning of several, among them"):
        story(run, "")


def test_nothing_is_known_before_anything_was_decided(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(made.manifest()))
    with pytest.raises(UsageError, match="nothing was decided in this run yet"):
        story(tmp_path, "abc")
