"""Models on benchmarks: who answers rightly how often, asked as R1 was, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from filters.evaluations import EVALUATIONS, benchmark_named
from filters.sampling import sampling_named
from tests.pipelines.running import PROMPTS, answering, finish, right, write_rows
from tests.servers.openai_server import Reply, ScriptedServer

GPQA = [
    {
        "Question": f"Which of these is a metal, in case {n}?",
        "Correct Answer": "iron",
        **{f"Incorrect Answer {i}": said for i, said in enumerate(("milk", "wood", "air"), 1)},
        **{"Record ID": f"rec{n}", "High-level domain": "Chemistry" if n % 2 else "Physics"},
    }
    for n in range(6)
]


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}"]


def found(out: Path) -> list[dict[str, Any]]:
    """The evaluations of a run, by their place in the pipeline."""
    files = (out / "evaluation").glob("*.json")
    return sorted((json.loads(f.read_text()) for f in files), key=lambda said: said["number"])


def test_a_laptop_evaluates_the_embedded_model(laptop_store: Path, tmp_path: Path) -> None:
    """On the embedded model with the defaults, of 30 sums the first 3."""
    out = tmp_path / "out"
    finish("evaluate", f"out={out}", f"store={laptop_store}", "limit=3", "samples=2")
    [said] = found(out)
    assert said["answers"]["all"] == 6 and said["problem_set"]["problems"] == 3
    assert said["engine"]["temperature"] == 0.6 and said["engine"]["max_tokens"] == 160
    assert said["engine"]["model"] == said["name"] != "local"
    assert said["answers"]["right"] >= 1
    assert f"| {said['name']} |" in (out / "evaluation.md").read_text()


def test_two_models_on_own_problems(tmp_path: Path, places: list[str]) -> None:
    """The base model is right every second time, the tuned one always; a replay asks nobody."""
    prompts = write_rows(tmp_path / "held_out.jsonl", PROMPTS)

    def reply(number: int, body: dict[str, Any]) -> Reply:
        said = right(body["messages"][-1]["content"])
        is_right = body["model"] == "tuned" or body["seed"] % 2
        return Reply([said if is_right else "<think>\nHm.\n</think>\nNo idea."])

    words = (f"benchmark={prompts}", "model=base,tuned")
    with ScriptedServer(reply, models=("base", "tuned")) as server:
        finish("evaluate", *words, f"engine={server.url}", *places)
        asked, url = server.requests, server.url
    assert len(asked) == 2 * 4 * 4
    assert {body["temperature"] for body in asked} == {0.6}
    assert {body["top_p"] for body in asked} == {0.95}
    assert {body["max_tokens"] for body in asked} == {32_768}
    assert all(len(body["messages"]) == 1 for body in asked)  # no examples
    base, tuned = found(tmp_path / "out")
    assert (base["name"], tuned["name"]) == ("base", "tuned")
    odd = sum(body["seed"] % 2 for body in asked if body["model"] == "base")
    assert base["answers"]["right"] == odd and tuned["answers"]["right"] == 16
    assert tuned["scores"]["pass@1"]["value"] == tuned["scores"]["cons@4"]["value"] == 1.0
    assert tuned["scores"]["cons@4"]["problems"] == 3  # programs have no vote
    assert tuned["by"]["domain"].keys() == {"code", "logic", "math", "stem"}
    text = (tmp_path / "out/evaluation.md").read_text()
    assert text.startswith("# Evaluation\n\n## held\\_out\n") or "## held_out\n" in text
    again = tmp_path / "again"
    finish("evaluate", *words, f"engine={url}", f"out={again}", places[1])
    assert (again / "evaluation.md").read_text() == text
    assert found(again) == found(tmp_path / "out")


def test_gpqa_has_its_options_in_an_order_of_each_question(
    tmp_path: Path, places: list[str]
) -> None:
    """Rows as the dataset names its columns; a model that always says A is right by chance."""
    prompts = write_rows(tmp_path / "gpqa.jsonl", GPQA)
    with answering(lambda asked, place: "<think>\nHm.\n</think>\nIt is \\boxed{A}.") as server:
        finish(
            "evaluate", "benchmark=gpqa", f"prompts={prompts}", f"engine={server.url}", "samples=1",
            "limit=none", *places,
        )  # fmt: skip
        asked = [body["messages"][-1]["content"] for body in server.requests]
    firsts = [text.split("\nA. ")[1].split("\n")[0] for text in asked]
    assert all(f"\n{letter}. " in text for text in asked for letter in "ABCD")
    assert all("letter of the right option" in text for text in asked)
    [said] = found(tmp_path / "out")
    assert 0 < said["answers"]["right"] == firsts.count("iron") < 6
    assert said["benchmark"] == "GPQA Diamond"
    assert said["by"].keys() == {"High-level domain"} or said["by"] == {}
    assert {p["source_id"] for p in said["per_problem"]} == {f"rec{n}" for n in range(6)}


def test_a_prompt_that_is_refused_is_told(tmp_path: Path, places: list[str]) -> None:
    prompts = write_rows(tmp_path / "held.jsonl", PROMPTS[:2])

    def reply(number: int, body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        if "metal" in asked:
            error = {"message": "this model's maximum context length is 8 tokens"}
            return Reply(status=400, body=json.dumps({"error": error}))
        return Reply([right(asked)])

    with ScriptedServer(reply) as server:
        finish("evaluate", f"benchmark={prompts}", f"engine={server.url}", "samples=2", *places)
    [said] = found(tmp_path / "out")
    assert said["problem_set"]["not_asked"] == {"refused": 1}
    assert "1 not asked (refused)" in (tmp_path / "out/evaluation.md").read_text()


def test_benchmarks_by_name() -> None:
    """Every one has a source; those of the Hub stand at a commit or, where it asks, a branch."""
    for name, benchmark in EVALUATIONS.items():
        [source, *_] = benchmark.source(limit=5)
        spec = source.arguments["spec"]
        assert spec.startswith(("hub:", "reasoning-gym:")), name
    assert benchmark_named("math500").samples == 16
    assert benchmark_named("aime24").samples == EVALUATIONS["gpqa"].samples == 64
    assert EVALUATIONS["math500"].reference("x/DeepSeek-R1-Distill-Llama-8B@main") == {
        "DeepSeek": 89.1, "Open-R1, update 1": 85.8, "Open-R1, README": 88.6,
    }  # fmt: skip
    assert EVALUATIONS["math500"].reference("someone/else") == {}
    with pytest.raises(UsageError, match="did you mean math500"):
        benchmark_named("math50")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("r2", "'r2' is none of r1, greedy", id="no name"),
        pytest.param("temprature=1", "'temprature' is none of", id="a near miss"),
        pytest.param("temperature=hot", "'temperature' is none of", id="no number"),
        pytest.param("top_p=0", "top_p above 0", id="no mass"),
        pytest.param("max_tokens=1.5", "a whole number", id="half a token"),
    ],
)
def test_settings_that_are_none(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sampling_named(text)
