"""Prompts that a model writes: what is asked, what is taken, and that nothing is paid for twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError, UsageError
from curate.run.ledger import TaskLedger, stage_funnel
from curate.sample import Sample
from curate.sources import Magpie
from curate.step import Context
from tests.servers.openai_server import Reply, ScriptedServer


def question(number: int, body: dict[str, Any]) -> Reply:
    """A question that is a function of the seed alone."""
    return Reply([f"What is {body['seed'] % 1000}", f" plus {body['seed'] % 7}?"])


class Outcome:
    """What a source made, with the law of the funnel checked."""

    def __init__(self, folder: Path, url: str, **arguments: Any) -> None:
        folder.mkdir(exist_ok=True)
        step = Magpie(url, **{"model": "m@r1", "store": folder / "store", **arguments})
        stage = folder / f"stage-{len(list(folder.iterdir()))}"
        ledger = TaskLedger(stage, 0)
        self.reports: list[dict[str, float]] = []
        step.prepare(
            Context(folder, folder, folder, ledger=ledger, report=self.reports.append)  # type: ignore[arg-type]
        )
        self.documents = list(step.run())
        self.prompts = [Sample.from_document(d) for d in self.documents]
        ledger.commit()
        (row,), self.notes = stage_funnel(stage, [("Magpie", "prompts")])
        self.row = row.to_json()

    @property
    def problems(self) -> list[str]:
        return [prompt.problem for prompt in self.prompts]


def test_a_model_shown_the_beginning_of_a_users_turn_writes_prompts(tmp_path: Path) -> None:
    with ScriptedServer(question) as server:
        found = Outcome(
            tmp_path, server.url, count=20, family="llama3", system="math", domain="math"
        )
        bodies, paths = server.requests, server.paths
    assert set(paths) == {"/v1/completions"}
    assert {body["prompt"] for body in bodies} == {bodies[0]["prompt"]}
    sent = bodies[0]["prompt"]
    assert sent.startswith("<|start_header_id|>system<|end_header_id|>\n\nYou help")
    assert sent.endswith("<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n")
    assert all((b["temperature"], b["top_p"]) == (1.0, 1.0) for b in bodies)
    assert all(b["stop"][:2] == ["\n", "<|eot_id|>"] for b in bodies)
    assert len({body["seed"] for body in bodies}) == 20
    assert found.row == {
        **{"step": "Magpie", "unit": "prompts", "in": 0, "made": 20, "out": 20},
        **{"dropped": {}, "failed": 0},
    }
    for prompt in found.prompts:
        assert prompt.is_prompt and prompt.answer is None and prompt.verifier is None
        assert (prompt.source, prompt.domain, prompt.language) == ("magpie", "math", "en")
        assert prompt.source_id and prompt.source_id.startswith("m/")
    assert found.notes["magpie"] == {"model": "m", "revision": "r1", "license": None, "asked": 20}
    assert found.reports


SHAPES = [
    ({"family": "chatml"}, "<|im_start|>user\n"),
    ({"family": "deepseek"}, "<\uff5cUser\uff5c>"),
    ({"system": "Be kind."}, "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n"),
    ({"pre_query": "### Question:\n"}, "### Question:\n"),
]


@pytest.mark.parametrize(("arguments", "sent"), SHAPES, ids=lambda value: str(value)[:30])
def test_the_text_up_to_the_users_turn(tmp_path: Path, arguments: dict, sent: str) -> None:
    with ScriptedServer(question) as server:
        Outcome(tmp_path, server.url, count=1, **arguments)
        assert [body["prompt"] for body in server.requests] == [sent]


FAULTS = [
    (Reply([" \n "]), "empty"),
    (Reply(["..."]), "empty"),
    (Reply(["Why so?"]), "too_short"),
    (Reply(["What is the sum of all the"], finish_reason="length"), "truncated"),
    (Reply(["What is 3 plus 4?<|im_end|>"]), "leaked_template"),
    (Reply(["What is 3 plus 4? [/INST] It is 7."]), "leaked_template"),
    (Reply(["What is 3 plus 4?\nassistant\nIt is 7."]), "leaked_template"),
]


@pytest.mark.parametrize(("reply", "reason"), FAULTS, ids=lambda value: str(value)[:30])
def test_what_is_no_prompt_is_left_out_with_its_reason(
    tmp_path: Path, reply: Reply, reason: str
) -> None:
    with ScriptedServer(lambda number, body: reply) as server:
        found = Outcome(tmp_path, server.url, count=2)
    assert (found.problems, found.row["dropped"]) == ([], {reason: 2})


def test_the_same_question_twice_is_one_prompt(tmp_path: Path) -> None:
    said = ["What is  3 plus 4?", "what is 3 plus 4?", "What is 3 plus 5?"]
    with ScriptedServer(lambda number, body: Reply([said[body["seed"] % 3]])) as server:
        found = Outcome(tmp_path, server.url, count=30)
    assert len(found.problems) == 2
    assert found.row["dropped"] == {"duplicate_prompt": 28}


def test_what_the_server_refuses_has_failed(tmp_path: Path) -> None:
    def some(number: int, body: dict[str, Any]) -> Reply:
        if body["seed"] % 2 and body["max_tokens"] > 1:
            return Reply(status=400, body="too hot", content_type="application/json")
        return question(number, body)

    with ScriptedServer(some) as server:
        found = Outcome(tmp_path, server.url, count=30)
    assert found.row["failed"] + found.row["out"] + sum(found.row["dropped"].values()) == 30
    assert found.row["failed"] > 0 and found.row["out"] > 0


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_timing_changes_nothing_and_a_replay_asks_nothing(tmp_path: Path, concurrency: int) -> None:
    def slowly(number: int, body: dict[str, Any]) -> Reply:
        return replace(question(number, body), delay_s=(number * 7 % 5) / 200)

    with ScriptedServer(question) as server:
        expected = Outcome(tmp_path / "a", server.url, count=40)
    with ScriptedServer(slowly) as server:
        url = server.url
        found = Outcome(tmp_path / "b", url, count=40, concurrency=concurrency)
        asked = len(server.requests)
        more = Outcome(tmp_path / "b", url, count=50, concurrency=concurrency)
        assert (asked, len(server.requests)) == (40, 50)
    replay = Outcome(tmp_path / "b", url, count=40)
    assert replay.prompts == found.prompts == expected.prompts
    assert more.problems[: len(found.problems)] == found.problems


def test_another_seed_or_system_turn_asks_anew(tmp_path: Path) -> None:
    with ScriptedServer(question) as server:
        first = Outcome(tmp_path, server.url, count=5)
        other = Outcome(tmp_path, server.url, count=5, seed=1)
        Outcome(tmp_path, server.url, count=5, system="code")
        assert len(server.requests) == 15
    assert not {*first.problems} & {*other.problems}


def test_no_engine_and_nothing_stored_is_said(tmp_path: Path) -> None:
    with ScriptedServer(question) as server:
        url = server.url
    with pytest.raises(EngineError, match="no engine answers"):
        Outcome(tmp_path, url, count=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"count": 0}, "at least 1 prompt"),
        ({"count": 1, "family": "gpt"}, "choose one of chatml, llama3, deepseek"),
        ({"count": 1, "pre_query": "x", "system": "math"}, "put the system turn into it"),
        ({"count": 1, "concurrency": 0}, "at least 1 request"),
        ({"count": 1, "engine": "here"}, "there is no engine 'here'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_said(arguments: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Magpie(**arguments)


def test_where_it_is_asked_is_no_part_of_what_it_is() -> None:
    one = Magpie("http://a/v1", count=3, concurrency=4, store="x").identity()
    assert one == Magpie("http://b/v1", count=3).identity()
    assert one != Magpie("http://b/v1", count=3, system="math").identity()
