"""open-r1's rewards under its names: the numbers that its own functions give on its own tests."""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import curate.scorers
from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import (
    BoxedAnswer,
    CodeFormat,
    CosineScaled,
    ReasoningSteps,
    RelativeLength,
    RepetitionPenalty,
    Scorer,
    SoftOverlong,
    scorer_from,
)
from curate.scorers.peer_names import peer_rewards

CASES = Path(__file__).parents[2] / "../shared/cases/openr1-rewards-tests.jsonl"
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")

DIFFERENT = {
    # A gold answer that is words: open-r1 rewards any answer to it as if it were right.
    "unparseable_latex": [None, None],
}


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def made(function: str, params: dict[str, Any]) -> Scorer:
    reward = peer_rewards()[function]
    return reward if isinstance(reward, Scorer) else reward(**params)


@pytest.mark.skipif(not CASES.exists(), reason="no ../shared with the cases of open-r1")
def test_every_number_is_that_of_open_r1() -> None:
    pytest.importorskip("jieba", reason="jieba, which cuts Chinese words, is not installed")
    for row in rows():
        ids = [[1] * n for n in row.get("completion_lengths", ())] or None
        said = row.get("completions") or [""] * len(row["expected"])
        completions = [[{"role": "assistant", "content": text}] for text in said]
        gold = {"solution": row["solution"]} if "solution" in row else {}
        rewards = made(row["function"], row["params"])(
            completions=completions, completion_ids=ids, **gold
        )
        expected = DIFFERENT.get((row.get("solution") or [""])[0], row["expected"])
        assert rewards == pytest.approx(expected, abs=1e-6), row["id"]


def call(reward: Scorer, texts: list[str], **columns: Any) -> list[float | None]:
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    return reward(completions=completions, **columns)


def test_a_gold_answer_that_cannot_be_read_is_never_a_reward() -> None:
    rewards = ["accuracy_reward", "len_reward", "get_cosine_scaled_reward"]
    for name in rewards:
        for gold in ("forty two", "unparseable_latex", "", None):
            for said in (r"\boxed{42}", "It is 42.", ""):
                assert call(scorer_from(name), [said], solution=[gold]) == [None], (name, gold)


FORMS = [
    ("<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0, "all tags on lines of their own"),
    ("<think>\na\n</think>\n<answer>\nb\n</answer>\nand more", 1.0, "text after the answer"),
    ("<think>\na\n</think>\n<answer>\nb\n</answer> and more", 0.0, "on the same line"),
    ("<think>\n<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0, "a tag twice"),
    ("<think>a</think><answer>b</answer>", 0.0, "no line breaks"),
    ("<think>\na\n</think>\n<answer>\n</answer>", 0.0, "one line break for two"),
    ("<think>\n</think>\n<answer>\nb\n</answer>", 0.0, "the same at the beginning"),
    ("<think>\n\n</think>\n<answer>\n\n</answer>", 1.0, "empty thoughts"),
]


@pytest.mark.parametrize(("text", "score", "reason"), FORMS, ids=[f[2] for f in FORMS])
def test_the_form_of_open_r1(text: str, score: float, reason: str) -> None:
    assert call(curate.scorers.format_reward, [text]) == [score]


def test_a_hostile_form_is_not_looked_at_again_and_again() -> None:
    text = "<think>\n" + "\n</think>\n<answer>\n```python" * 50_000
    assert call(curate.scorers.format_reward, [text]) == [0.0]
    assert call(curate.scorers.get_code_format_reward(), [text]) == [0.0]


def test_the_cosine_of_open_r1_rises_again_and_ours_does_not() -> None:
    right = PROMPT.with_completion(r"\boxed{7}" + " " * 191, completion_tokens=200)
    peers = curate.scorers.get_cosine_scaled_reward(max_len=100)
    assert peers.rewards([right]) == [pytest.approx(1.0)]
    assert CosineScaled(max_len=100).rewards([right]) == [pytest.approx(0.5)]


def test_a_group_is_a_prompts_and_at_open_r1_a_calls() -> None:
    other = Sample(prompt_id="q", problem="What is 3 + 5?", answer="8")
    samples = [
        PROMPT.with_completion(r"\boxed{7}"),
        PROMPT.with_completion(r"\boxed{7}."),
        other.with_completion(r"\boxed{8}" + "." * 11),
    ]
    assert RelativeLength(unit="characters").rewards(samples) == [0.5, -0.5, 0.0]
    assert curate.scorers.len_reward.rewards(samples) == pytest.approx([0.5, 0.5 - 1 / 11, -0.5])


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_said_is_nothing_repeated(text: str) -> None:
    assert RepetitionPenalty().rewards([PROMPT.with_completion(text)]) == [0.0]


def test_steps_are_counted_on_every_line() -> None:
    listed = PROMPT.with_completion("1. Take 3.\n2. Add 4.\n3. It is 7.")
    ruled = PROMPT.with_completion("It is 7.\n---\n---\n---")
    for rule, scores in [
        (ReasoningSteps(), (1.0, 0.0)),
        (ReasoningSteps(peer="open-r1"), (1 / 3, 1)),
    ]:
        verdicts = rule.judge_all([listed, ruled])
        assert [v.score for v in verdicts] == pytest.approx(scores)


def test_the_language_of_a_row_counts_when_it_is_one_of_programming() -> None:
    said = "<think>a</think>\n```{}\nx\n```"
    rule = CodeFormat()
    for language, block, score in [("cpp", "cpp", 1), ("cpp", "python", 0), ("en", "python", 1)]:
        sample = Sample(prompt_id="p", problem="?", language=language)
        assert rule.judge(sample.with_completion(said.format(block))).score == score


BOXES = [
    (r"It is \boxed{7}.", 1.0, "a box"),
    ("It is 7.", 0.0, "no box"),
    ("The final answer is $7$.", 1.0, "said to be final"),
    (r"<think>\boxed{7}</think>It is 7.", 1.0, "a box in the reasoning"),
    (r"\boxed{8} or rather \boxed{7}", 1.0, "the last box"),
    (r"<answer>\boxed{7}</answer>", 1.0, "in a tag"),
    ("<answer>7</answer>", 0.0, "a tag is no box"),
    (r"\boxed{", 0.0, "an open box"),
]


@pytest.mark.parametrize(("text", "score", "reason"), BOXES, ids=[b[2] for b in BOXES])
def test_the_answer_is_boxed(text: str, score: float, reason: str) -> None:
    assert BoxedAnswer().judge(PROMPT.with_completion(text)).score == score


def test_after_the_reasoning_the_box_counts() -> None:
    rule = BoxedAnswer(after="</think> [/T]")
    judged = {
        r"<think>\boxed{8}</think>\boxed{7}": 1.0,
        r"[T]\boxed{8}[/T]\boxed{7}": 1.0,
        r"<think>\boxed{7}</think>It is 7.": 0.0,
        r"<think>\boxed{7}": 0.0,
    }
    assert [rule.judge(PROMPT.with_completion(said)).score for said in judged] == [*judged.values()]


PARAMETERS = [
    (
        "SoftOverlong:max_completion_len=9,soft_punish_cache=10",
        "from 0 to",
        "more to fall than all",
    ),
    ("RepetitionPenalty:max_penalty=0.5", "at most 0", "a penalty that rewards"),
    ("RepetitionPenalty:ngram_size=0", "at least 1", "no n-gram"),
    ("CosineScaled:max_len=0", "at least 1", "no length"),
    ("CosineScaled:clamp=false", "True, False", "no truth value"),
    ("ReasoningSteps:steps=0", "at least 1", "no step"),
    ("get_soft_overlong_punishment", "needs max_completion_len", "nothing given"),
    ("get_repetition_penalty_reward:ngram_size=3", "needs max_penalty", "not all given"),
    ("acuracy_reward", "did you mean 'accuracy_reward'", "a name of open-r1"),
    ("len_reward:max=3", "it takes unit, within, boxed", "a parameter that is none"),
]


@pytest.mark.parametrize(("text", "says", "reason"), PARAMETERS, ids=[p[2] for p in PARAMETERS])
def test_what_is_typed_wrong_is_said(text: str, says: str, reason: str) -> None:
    with pytest.raises(UsageError, match=says):
        scorer_from(text)


def test_every_name_gives_a_scorer_that_pickles_and_is_typed_by_its_own_name() -> None:
    given = {"ngram_size": 3, "max_penalty": -1.0, "max_completion_len": 9, "soft_punish_cache": 2}
    for name, found in peer_rewards().items():
        wanted = {} if isinstance(found, Scorer) else _required(found)
        typed = ",".join(f"{key}={given.get(key, 100)}" for key in wanted)
        scorer = scorer_from(f"{name}:{typed}")
        assert pickle.loads(pickle.dumps(scorer)) == scorer == scorer_from(scorer.name)
        if "." not in name:
            assert getattr(curate.scorers, name) is found


def _required(maker: Callable[..., Scorer]) -> list[str]:
    parameters = inspect.signature(maker).parameters.values()
    return [p.name for p in parameters if p.default is p.empty]


def test_a_number_of_its_own_scale_is_mapped_for_verdicts() -> None:
    rule = SoftOverlong(max_completion_len=100, soft_punish_cache=20)
    sample = PROMPT.with_completion("7", completion_tokens=95)
    assert rule.rewards([sample]) == [-0.75]
    assert rule.judge(sample).score == 0.25 and rule.judge(sample).reason == "-0.75: 95 tokens"
    assert RepetitionPenalty(max_penalty=0.0).judge(sample).score == 1.0
