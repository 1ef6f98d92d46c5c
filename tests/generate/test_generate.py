"""`Generate` against a real HTTP server whose answers are a function of the request."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError, RunError, UsageError
from curate.generate import Generate
from curate.generate.rollout import seed_of
from curate.run.ledger import TaskLedger, stage_funnel
from curate.sample import Sample, Verdict, prompt_id
from curate.scorers import MathAnswer, ThinkFormat
from curate.scorers.scorer import Scorer
from curate.select import Keep
from curate.step import Context
from tests.servers.openai_server import Reply, ScriptedServer

RULES = [Keep(ThinkFormat()), Keep(MathAnswer())]


def add(number: int, body: dict[str, Any]) -> Reply:
    """Adds two numbers; wrong for every third seed, without the opening tag for every fifth."""
    a, b = map(int, re.findall(r"\d+", body["messages"][-1]["content"])[-2:])
    total = a + b + (body["seed"] % 3 == 0)
    text = f"<think>{a} + {b} = {total}.</think>It is \\boxed{{{total}}}."
    return Reply([text if body["seed"] % 5 else text.replace("<think>", "")])


def prompts(n: int) -> list[Sample]:
    problems = [f"What is {i} + {i + 1}?" for i in range(n)]
    return [
        Sample(prompt_id=prompt_id("t", p, None), problem=p, answer=str(2 * i + 1), domain="math")
        for i, p in enumerate(problems)
    ]


@dataclass
class Outcome:
    samples: list[Sample]
    funnel: dict[str, dict[str, Any]]
    notes: dict[str, Any]


def run(tmp_path: Path, url: str, asked: list[Sample], **changes: Any) -> Outcome:
    """One task of the step with a store in `tmp_path`; checks the law on the way."""
    tmp_path.mkdir(exist_ok=True)
    arguments: dict[str, Any] = {"model": "m@r1", "samples": 6, "keep": 2, "accept": RULES}
    step = Generate(url, **{**arguments, "store": tmp_path / "store", **changes})
    folder = tmp_path / f"stage-{len(list(tmp_path.iterdir()))}"
    ledger = TaskLedger(folder, 0)
    context = Context(tmp_path / "out", tmp_path, tmp_path, ledger=ledger)
    step.prepare(context)
    documents = list(step.run(s.to_document() for s in asked))
    ledger.commit()
    rows, notes = stage_funnel(folder, [("Generate", "prompts")])
    funnel = {row.unit: row.to_json() for row in rows}
    return Outcome([Sample.from_document(d) for d in documents], funnel, notes)


def test_up_to_keep_accepted_samples_of_each_prompt(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, prompts(20))
    per_prompt = Counter(s.prompt_id for s in outcome.samples)
    assert set(per_prompt.values()) <= {1, 2}
    for sample in outcome.samples:
        assert sample.final_answer == sample.answer
        assert sample.seed is not None and sample.seed % 3 and sample.seed % 5
        assert sample.seed == seed_of(0, sample.prompt_id, sample.k)
        assert sample.id.startswith(f"{sample.prompt_id}-")
        assert sample.prompt == ({"role": "user", "content": sample.problem},)
        assert (sample.model, sample.model_revision) == ("m", "r1")
        assert sample.verdicts == {
            "ThinkFormat": Verdict(1.0, sample.verdicts["ThinkFormat"].reason),
            "MathAnswer": Verdict(1.0, sample.verdicts["MathAnswer"].reason),
        }
        assert sample.pass_rate is None
        assert sample.samples_tried and sample.samples_correct
    assert outcome.funnel["prompts"]["in"] == 20
    assert outcome.funnel["prompts"]["out"] == len(per_prompt)
    assert outcome.funnel["samples"]["out"] == len(outcome.samples)
    ahead = outcome.notes["numbers"]["speculative"]
    assert 0 <= len(server.requests) - outcome.funnel["samples"]["made"] <= ahead
    assert len({json.dumps(r, sort_keys=True) for r in server.requests}) == len(server.requests)


def test_a_prompt_is_asked_until_enough_are_accepted_and_no_longer(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, prompts(20), keep=1)
    first_good: dict[str, int] = {}
    for prompt in prompts(20):
        seeds = [seed_of(0, prompt.prompt_id, k) for k in range(6)]
        good = [k for k, seed in enumerate(seeds) if seed % 3 and seed % 5]
        if good:
            first_good[prompt.prompt_id] = good[0]
    assert {s.prompt_id: s.k for s in outcome.samples} == first_good
    needed = sum(first_good.values()) + len(first_good) + 6 * (20 - len(first_good))
    numbers = outcome.notes["numbers"]
    assert needed <= len(server.requests) <= needed + numbers["speculative"]
    assert numbers["speculative_tokens"] <= 0.05 * numbers["completion_tokens"] + 1


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_timing_changes_nothing_and_a_replay_asks_nothing(tmp_path: Path, concurrency: int) -> None:
    def slowly(number: int, body: dict[str, Any]) -> Reply:
        return replace(add(number, body), delay_s=(number * 7 % 5) / 200)

    with ScriptedServer(add) as server:
        expected = run(tmp_path / "a", server.url, prompts(12))
    with ScriptedServer(slowly) as server:
        outcome = run(tmp_path / "b", server.url, prompts(12), concurrency=concurrency)
        url = server.url
    replay = run(tmp_path / "b", url, prompts(12), concurrency=concurrency)

    def by_id(samples: list[Sample]) -> list[Sample]:
        return sorted(samples, key=lambda s: s.id)

    assert by_id(outcome.samples) == by_id(expected.samples) == by_id(replay.samples)
    assert replay.notes["numbers"]["requests"] == 0
    assert replay.funnel == outcome.funnel == expected.funnel


def test_only_what_changed_is_asked_again(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        run(tmp_path, server.url, prompts(8), keep=1)
        before = len(server.requests)
        run(
            tmp_path, server.url, prompts(8), keep=1, accept=[Keep(MathAnswer())], max_tokens=20_000
        )
        assert len(server.requests) == before, "a filter and a larger limit reuse what ended"
        run(tmp_path, server.url, prompts(8), keep=1, temperature=0.9)
        assert len(server.requests) > before, "another temperature is another answer"


def test_keep_all_asks_for_a_fixed_number_and_gives_a_pass_rate(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, prompts(6), keep="all", samples=5)
    assert len(server.requests) == 30
    for sample in outcome.samples:
        seeds = [seed_of(0, sample.prompt_id, k) for k in range(5)]
        assert sample.pass_rate == pytest.approx(sum(s % 3 > 0 and s % 5 > 0 for s in seeds) / 5)
        assert sample.samples_tried == 5


def test_every_refused_sample_has_its_rule(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, prompts(20), keep="all", early_stop=False)
    reasons: Counter[str] = Counter()
    for request in server.requests:
        if request["seed"] % 5 == 0:
            reasons["ThinkFormat"] += 1
        elif request["seed"] % 3 == 0:
            reasons["MathAnswer"] += 1
    assert outcome.funnel["samples"]["dropped"] == dict(reasons)


@pytest.mark.parametrize(
    "gold",
    [None, "", "We first note that the two sides are equal for all real x."],
    ids=["none", "empty", "prose"],
)
def test_gold_that_cannot_be_judged_is_never_asked(tmp_path: Path, gold: str | None) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, [replace(prompts(1)[0], answer=gold)])
    assert not server.requests
    assert outcome.funnel["prompts"]["dropped"] == {"gold_unusable": 1}


def test_a_request_that_the_server_refuses_ends_its_prompt_only(tmp_path: Path) -> None:
    def picky(number: int, body: dict[str, Any]) -> Reply:
        if "What is 1 + 2" in body["messages"][-1]["content"]:
            return Reply(status=400, body='{"error": {"message": "too long"}}')
        return add(number, body)

    with ScriptedServer(picky) as server:
        outcome = run(tmp_path, server.url, prompts(4))
        asked = len(server.requests)
        again = run(tmp_path, server.url, prompts(4))
        assert len(server.requests) == asked, "a refusal is remembered too"
    assert outcome.funnel["samples"]["failed"] == 1
    assert outcome.funnel["prompts"]["dropped"]["refused"] == 1
    assert again.funnel == outcome.funnel


def test_a_hopeless_stream_is_closed_and_the_rows_are_the_same(tmp_path: Path) -> None:
    def rambling(number: int, body: dict[str, Any]) -> Reply:
        reply = add(number, body)
        if reply.content[0].startswith("<think>"):
            return reply
        return Reply(["no tags at all, and on it goes. "] * 200, pause_s=0.002)

    with ScriptedServer(rambling) as server:
        early = run(tmp_path / "a", server.url, prompts(10))
        assert server.dropped > 0
        replay = run(tmp_path / "a", server.url, prompts(10))
        late = run(tmp_path / "b", server.url, prompts(10), early_stop=False)
    assert {s.id: s.text for s in early.samples} == {s.id: s.text for s in late.samples}
    assert early.funnel == late.funnel == replay.funnel
    assert replay.notes["numbers"]["requests"] == 0


@dataclass(frozen=True)
class Shy(Scorer):
    """Never says anything."""

    def judge(self, sample: Sample) -> Verdict:
        return Verdict(None, "no idea")


def test_a_rule_that_cannot_judge_stops_the_run(tmp_path: Path) -> None:
    with ScriptedServer(add) as server, pytest.raises(RunError, match="Shy could not judge"):
        run(tmp_path, server.url, prompts(30), accept=[Keep(Shy())])


def test_a_rewrite_is_a_new_sample_of_the_same_prompt(tmp_path: Path) -> None:
    template = tmp_path / "again.md"
    template.write_text(
        "<!-- user -->\n{{problem}}\n\nDraft: {{completion}}\n\nWhat is {{problem}}\n"
    )
    asked = prompts(6)
    with ScriptedServer(add) as server:
        raw = run(tmp_path, server.url, asked, keep=1)
        outcome = run(tmp_path, server.url, raw.samples, keep=1, template="again.md")
    assert outcome.samples
    parents = {s.prompt_id: s for s in raw.samples}
    for sample in outcome.samples:
        parent = parents[sample.prompt_id]
        assert sample.id != parent.id
        assert sample.prompt == parent.prompt, "a trainer is shown the question, not the order"
    drafts = [
        r["messages"][-1]["content"] for r in server.requests if "Draft" in str(r["messages"])
    ]
    assert all(any(p.text in draft for p in raw.samples) for draft in drafts)


def test_a_template_that_cannot_be_filled_leaves_the_prompt_out(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("<!-- user -->\n{{problem}} Not {{answer}}!\n")
    asked = [replace(p, answer="none of 3 + 4" if i else None) for i, p in enumerate(prompts(3))]
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, asked, template="t.md", accept=RULES[:1])
    assert outcome.funnel["prompts"]["dropped"]["template_unfilled"] == 1
    assert outcome.funnel["prompts"]["in"] == 3


def test_the_system_prompt_is_sent(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        run(tmp_path, server.url, prompts(1), system="Be brief.", stop=("END",), top_p=0.5)
    body = server.requests[0]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["stop"], body["top_p"], body["temperature"]) == (["END"], 0.5, 0.6)
    assert body["max_tokens"] == 16_384


def test_a_dead_engine_is_one_error(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        url = server.url
    with pytest.raises(EngineError, match="no engine answers at"):
        run(tmp_path, url, prompts(3))


BAD: list[Any] = [
    pytest.param({"keep": 7}, "from 1 to samples=6", id="keep more than samples"),
    pytest.param({"keep": "most"}, "or 'all'", id="keep is a word"),
    pytest.param({"samples": 0, "keep": 1}, "at least 1", id="no samples"),
    pytest.param({"concurrency": 0}, "at least 1 request", id="no requests"),
    pytest.param({"template": "nowhere.md"}, "there is no file nowhere.md", id="no template"),
]


@pytest.mark.parametrize(("changes", "says"), BAD)
def test_arguments_that_make_no_sense(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run(tmp_path, "http://127.0.0.1:9/v1", prompts(1), **changes)


def test_what_says_where_it_runs_is_no_part_of_the_identity() -> None:
    def identity(engine: str, **changes: Any) -> dict[str, Any]:
        return Generate(engine, accept=RULES, **changes).identity()

    one = identity("http://a:1/v1", concurrency=3, store="here")
    assert one == identity("http://b:2/v1", concurrency=9, store="there", early_stop=False)
    assert one != identity("local")
    assert one != identity("http://a:1/v1", samples=5)
    assert json.dumps(one)
