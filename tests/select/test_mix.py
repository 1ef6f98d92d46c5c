"""`Mix`: exact counts and budgets, drawn by ids and seed."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.scorers import RewardModel
from curate.select import Mix
from curate.select.mix import copy_of
from filters.mixes import R1_RL, R1_SFT
from tests.select.passing import Passed, group, passed, scored


def pool(domain: str, prompts: int, each: int = 1, **changes: Any) -> list[Document]:
    """Samples of 1 to 9 tokens."""
    return [
        document
        for n in range(prompts)
        for document in group(
            *("x" * (1 + (n + k) % 9) for k in range(each)),
            prompt=f"{domain}{n:04d}",
            domain=domain,
            **changes,
        )
    ]


def counts(found: Passed) -> Counter[str]:
    return Counter(d.metadata["domain"] for d in found.kept)


def target(found: Passed, name: str) -> dict[str, Any]:
    return next(t for t in found.notes["mix"]["targets"] if t["target"] == name)


def test_exact_counts_the_rest_is_surplus_or_has_no_target() -> None:
    documents = [*pool("math", 20), *pool("code", 9), *pool("poem", 2)]
    found = passed(Mix({"math": 7, "code": 9}), documents)
    assert counts(found) == {"math": 7, "code": 9}
    assert Counter(found.reasons.values()) == {"surplus": 13, "no_target": 2}
    assert "math: 7 of 20 samples" in found.details.values()


def test_by_language() -> None:
    documents = [
        *pool("en-math", 9, language="en"),
        *pool("zh-math", 9, language="zh"),
        *pool("fr-math", 9, language="fr"),
        *pool("math", 9),
    ]
    for d in documents:
        d.metadata["domain"] = "math"
    found = passed(Mix({"math": {"en": 4, "zh": 2, "unknown": 1}}), documents)
    languages = Counter(d.metadata["language"] for d in found.kept)
    assert languages == {"en": 4, "zh": 2, None: 1}
    assert Counter(found.reasons.values()) == {"surplus": 20, "no_target": 9}
    assert found.details["fr-math0000-0"] == "math/fr"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=25),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 12), min_size=1),
    st.sampled_from([False, 2, 3]),
    st.randoms(use_true_random=False),
)
def test_exact_wherever_possible_and_the_same_in_any_order(
    prompts: list[tuple[str, int]],
    targets: dict[str, int],
    upsample: Any,
    chance: random.Random,
) -> None:
    documents = [
        d
        for n, (domain, each) in enumerate(prompts)
        for d in group(*"x" * each, prompt=f"{n:02d}", domain=domain)
    ]
    found = passed(Mix(targets, upsample=upsample), documents)
    here = Counter(d.metadata["domain"] for d in documents)
    most = upsample or 1
    wanted = {d: min(n, here[d] * most) for d, n in targets.items()}
    assert counts(found) == {d: n for d, n in wanted.items() if n}
    assert found.made == sum(max(0, n - here[d]) for d, n in wanted.items())
    assert len(set(found.ids)) == len(found.ids)
    chance.shuffle(documents)
    for tasks in (1, 3):
        again = passed(Mix(targets, upsample=upsample), documents, tasks=tasks)
        assert sorted(again.ids) == sorted(found.ids)
        assert again.reasons == found.reasons


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=25), st.integers(0, 200), st.sampled_from([False, 2]))
def test_a_token_budget_is_filled_and_never_exceeded(
    sizes: list[int], budget: int, upsample: Any
) -> None:
    documents = group(*("x" * n for n in sizes), domain="math")
    found = passed(Mix({"math": budget}, unit="tokens", upsample=upsample), documents)
    taken = sum(d.metadata["completion_tokens"] for d in found.kept)
    told = target(found, "math")
    assert (taken, sum(sizes)) == (told["taken"], told["here"])
    assert taken <= budget
    left_out = [len(d.text) for d in documents if d.id in found.reasons]
    assert all(size > budget - taken for size in left_out)
    short = sum(sizes) * (upsample or 1) < budget
    assert told["missing"] == (budget - taken if short else 0)


def test_a_sample_without_a_token_count_fits_no_budget() -> None:
    documents = group("a", "b", domain="math")
    documents[0].metadata["completion_tokens"] = None
    found = passed(Mix({"math": 9}, unit="tokens"), documents)
    assert (found.ids, found.reasons) == (["p-1"], {"p-0": "no_token_count"})


def test_one_of_every_prompt_before_a_second_of_any() -> None:
    documents = [*pool("math", 10, each=5), *group("x", prompt="alone", domain="math")]
    for wanted in (6, 11, 14, 22, 23):
        found = passed(Mix({"math": wanted}), documents)
        of_prompts = Counter(d.metadata["prompt_id"] for d in found.kept)
        assert max(of_prompts.values()) == (1 if wanted <= 11 else 2 if wanted < 22 else 3)


def test_a_prompt_with_many_samples_is_drawn_no_sooner() -> None:
    many, one = pool("math", 300, each=8), pool("a", 300)
    for d in one:
        d.metadata["domain"] = "math"
    found = passed(Mix({"math": 300}), [*many, *one])
    of_many = sum(d.metadata["prompt_id"].startswith("math") for d in found.kept)
    assert 110 <= of_many <= 190  # 150 expected; 4 standard deviations


def test_sources_with_priority_come_first_in_their_order() -> None:
    documents = [
        d
        for source in ("c", "b", "a")
        for d in group("x", "x", prompt=source, domain="math", source=source)
    ]
    for wanted, sources in ((2, "aa"), (3, "aab"), (4, "aabb"), (5, "aabbc")):
        found = passed(Mix({"math": wanted}, priorities={"math": ["a", "b"]}), documents)
        assert sorted(d.metadata["source"] for d in found.kept) == list(sources)


def test_or_the_samples_with_the_best_verdict() -> None:
    rule = RewardModel(engine="http://localhost:9/v1")
    scores = {"p": [0.1, 0.4, None], "q": [0.3, 0.2, 0.9], "r": [None, None, None]}
    documents = [
        scored(d, rule.name, s) if s is not None else d
        for prompt, said in scores.items()
        for d, s in zip(group(*"xxx", prompt=prompt, domain="math"), said, strict=True)
    ]
    chosen = [
        sorted(passed(Mix({"math": n}, priorities={"math": rule}), documents).ids)
        for n in (1, 2, 4, 5)
    ]
    assert chosen[:2] == [["q-2"], ["p-1", "q-2"]]
    assert {"p-1", "q-2", "q-0"} < set(chosen[2]) < set(chosen[3])


def test_more_input_changes_little() -> None:
    documents = pool("math", 1000)
    first = set(passed(Mix({"math": 500}), documents[:900]).ids)
    second = set(passed(Mix({"math": 500}), documents).ids)
    new = {d.id for d in documents[900:]}
    assert first - second and len(first - second) == len(second & new)
    assert second - first == second & new
    assert set(passed(Mix({"math": 500}, seed=1), documents).ids) != second


def test_scale_rounds_each_target_to_the_nearest() -> None:
    step = Mix(R1_SFT, scale=0.0005)
    assert {t.domain: t.wanted for t in step.targets} == {
        **{"math": 198, "code": 106, "stem": 5, "logic": 5, "general": 89}
    }
    at_least_ten = Mix(R1_SFT | {"poem": 3}, scale=0.0005, floor=10)
    assert [t.wanted for t in at_least_ten.targets] == [198, 106, 10, 10, 89, 3]
    assert sum(R1_SFT.values()) == 804_745
    assert sum(n for d, n in R1_SFT.items() if d != "general") == 626_933
    assert set(R1_RL) == set(R1_SFT) - {"general"}


def test_copies_stand_beside_the_sample_under_ids_of_their_own() -> None:
    found = passed(Mix({"math": 5}, upsample=3), pool("math", 2))
    (once, twice) = (
        [id.partition("~")[0] for id in found.ids].count(f"math000{n}-0") for n in "01"
    )
    assert {once, twice} == {2, 3}
    assert found.ids[:2] == ["math0000-0", "math0000-0~2"]
    assert found.made == 3 and target(found, "math")["copied"] == 3
    for d in found.kept:
        assert Sample.from_document(d).id == d.id
    assert len({tuple(d.metadata["prompt_id"] for d in found.kept)}) == 1


def test_a_copied_prompt_is_another_row() -> None:
    prompt = Sample(prompt_id="p", problem="?").to_document()
    copy = Sample.from_document(copy_of(prompt, 2))
    assert (copy.id, copy.prompt_id, copy.to_document().id) == ("p~2", "p", "p~2")


def test_what_is_short_is_told_with_what_it_would_take(capsys: pytest.CaptureFixture[str]) -> None:
    documents = [*pool("math", 10, each=2), *pool("code", 30)]
    found = passed(Mix({"math": 50, "code": 10, "stem": 5}), documents)
    told = target(found, "math")
    assert (told["taken"], told["missing"], told["yield"]) == (20, 30, 1.0)
    assert (told["more_samples"], told["more_prompts"]) == (30, math.ceil(10 * 30 / 20))
    assert target(found, "stem")["more_prompts"] is None
    said = capsys.readouterr().err
    assert "short in 2 of 3 targets" in said
    assert "math: 20 of 50 samples, 30 missing" in said and "15 more prompts" in said
    assert "stem: 0 of 5 samples, 5 missing; none came" in said


def test_nothing_is_said_when_nothing_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    passed(Mix({"code": 3}, require=True), pool("code", 3))
    assert capsys.readouterr().err == ""


def test_require_stops_the_run() -> None:
    with pytest.raises(RunError, match="code: 3 of 4 samples, 1 missing"):
        passed(Mix({"code": 4}, require=True), pool("code", 3))


def test_a_gap_that_no_sample_fits_into_is_not_short() -> None:
    documents = group("x" * 60, "x" * 50, domain="math")
    found = passed(Mix({"math": 100}, unit="tokens", require=True), documents)
    assert len(found.ids) == 1 and target(found, "math")["missing"] == 0


def test_other_documents_in_the_second_pass_are_refused() -> None:
    class Forgetful(Mix):
        def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
            return super().run(list(data)[:-1], rank, world_size)

    with pytest.raises(RunError, match=r"was given 2 documents, and 3 when they were counted"):
        passed(Forgetful({"code": 4}), pool("code", 3))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda: Mix({}), "there is no target", id="nothing"),
        pytest.param(lambda: Mix({"math": {}}), "there is no target", id="no language"),
        pytest.param(lambda: Mix({"math": 0.5}), "whole number", id="a share"),  # type: ignore[dict-item]
        pytest.param(lambda: Mix({"math": -1}), "whole number", id="negative"),
        pytest.param(lambda: Mix({"math": True}), "whole number", id="a truth"),
        pytest.param(lambda: Mix({"math": 1}, scale=0), "above 0", id="scale"),
        pytest.param(lambda: Mix({"math": 1}, floor=-1), "from 0 on", id="floor"),
        pytest.param(lambda: Mix({"math": 1}, unit="rows"), "'samples' or 'tokens'", id="unit"),  # type: ignore[arg-type]
        pytest.param(lambda: Mix({"math": 1}, upsample=True), "how often", id="upsample"),
        pytest.param(lambda: Mix({"math": 1}, upsample=1), "how often", id="once"),
        pytest.param(
            lambda: Mix({"math": 1}, priorities={"maths": []}), "did you mean 'math'", id="domain"
        ),
        pytest.param(
            lambda: Mix({"math": 1}, priorities={"math": "gsm8k"}), "a list of", id="a word"
        ),
    ],
)
def test_arguments_that_make_no_sense(make: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
