"""What holds for every scorer."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import curate.scorers
from curate.sample import Sample, Verdict
from curate.scorers import LanguageConsistency, Scorer, scorer_from
from curate.scorers.scorer import Watching
from curate.select import Keep
from tests.scorers.samples import (
    COMPOSED,
    CUT,
    ELSEWHERE,
    GOOD,
    LOOP,
    PROBLEM_RULES,
    PROMPT,
    SCORERS,
    bad,
    good,
)

every_scorer = pytest.mark.parametrize(
    "scorer", [*SCORERS, *COMPOSED], ids=lambda scorer: scorer.name
)


def test_every_public_scorer_is_here() -> None:
    public = {n for n in curate.scorers.__all__ if n not in ("Scorer", "scorer_from")}
    here = {type(scorer).__name__ for scorer in (*SCORERS, *COMPOSED)}
    assert here | ELSEWHERE.keys() == public
    assert not here & ELSEWHERE.keys()


@every_scorer
def test_likes_the_right_answer_and_not_the_cut_loop(scorer: Scorer) -> None:
    liked, cut = scorer.judge_all([good(scorer), bad(scorer)])
    assert liked.score == 1.0
    assert cut.score is not None and cut.score < 0.99


@every_scorer
def test_pickles_and_is_named_as_it_is_typed(scorer: Scorer) -> None:
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    if scorer not in COMPOSED:
        assert scorer_from(scorer.name) == scorer
    assert hash(scorer) == hash(replace(scorer))


@every_scorer
@pytest.mark.parametrize(
    "sample", [GOOD, CUT, PROMPT.with_completion("")], ids=["good", "cut", "no"]
)
def test_the_same_grade_as_filter_as_acceptance_and_as_reward(
    scorer: Scorer, sample: Sample
) -> None:
    verdict = scorer.judge(sample)
    assert scorer.judge_all([sample, sample]) == [verdict, verdict]
    keep = Keep(scorer, at_least=0.99)
    document = sample.to_document()
    assert keep.accepts(keep.verdict(sample)) == (keep.filter(document) is True)
    assert Sample.from_document(document).verdicts == {scorer.name: verdict}
    rewards = scorer(
        prompts=[[{"role": "user", "content": sample.problem}]] * 2,
        completions=[[{"role": "assistant", "content": sample.text}]] * 2,
        completion_ids=[[1] * (sample.completion_tokens or 0)] * 2
        if sample.completion_tokens
        else None,
        answer=["7", "7"],
        finish_reason=[sample.finish_reason] * 2,
        trainer_state=object(),
    )
    assert rewards == scorer.rewards([sample, sample])
    if type(scorer).rewards is Scorer.rewards:  # no scale of its own
        assert rewards == [verdict.score] * 2
    assert scorer.__name__ == scorer.name


@every_scorer
def test_a_reward_takes_plain_strings_and_the_column_solution(scorer: Scorer) -> None:
    sample = good(scorer)
    rewards = scorer(
        prompts=[sample.problem], completions=[sample.text], solution=["7"], finish_reason=["stop"]
    )
    assert rewards == pytest.approx(scorer.rewards([sample]))


ODD = {
    "empty": "",
    "a megabyte of words": "word " * 200_000,
    "a megabyte of one word": "a" * 1_000_000,
    "a megabyte of braces": "\\boxed{" * 140_000,
    "a megabyte of dollars": "$" * 1_000_000,
    "Chinese": "因为三加四等于七" * 1000,
    "Arabic": "الجواب هو سبعة" * 1000,
    "control characters": "".join(map(chr, range(32))) * 1000,
    "half of a surrogate pair": "\ud83d" * 1000,
    "emoji": "👩‍👩‍👧" * 1000,
}


@every_scorer
@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_any_text_gets_a_verdict(scorer: Scorer, text: str) -> None:
    for completion in (text, f"<think>{text}</think>{text}"):
        verdict = scorer.judge(PROMPT.with_completion(completion))
        assert verdict.score is None or 0.0 <= verdict.score <= 1.0
        assert len(verdict.reason) < 300


PIECES = [
    *("<think>", "</think>", "<answer>", "</answer>", "<thi", "nk>", " ", "\n", "7", "seven "),
    *("\\boxed{7}", "\\boxed{", "}", LOOP, "三加四", "I add three and four. ", "ha" * 40, "$x$"),
    *("```", "$", "\\[", "\\]", "\n\n", "сумма трёх ", "三加四等于七。" * 3, "https://a.b/"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=4)


@every_scorer
@settings(deadline=None, max_examples=60)
@given(beginning=TEXTS, ending=TEXTS, tokens=st.integers(0, 200), more=st.integers(0, 200))
@example(beginning=LOOP, ending="", tokens=150, more=0)
@example(beginning="It is", ending=" 7", tokens=2, more=2)
@example(beginning="<think>a</think>b<think>", ending="</think>7", tokens=2, more=2)
def test_hopeless_is_never_wrong(
    scorer: Scorer, beginning: str, ending: str, tokens: int, more: int
) -> None:
    begun = PROMPT.with_completion(beginning, completion_tokens=tokens)
    whole = PROMPT.with_completion(
        beginning + ending, completion_tokens=tokens + more, finish_reason="stop"
    )
    for at_least in (0.0, 0.5, 1.0):
        if scorer.hopeless(begun, at_least):
            assert not scorer.judge(whole).reaches(at_least)


@every_scorer
@settings(deadline=None, max_examples=50)
@given(beginning=TEXTS, ending=TEXTS, tokens=st.integers(0, 200), sizes=SIZES)
@example(beginning=LOOP, ending="", tokens=150, sizes=[7])
@example(beginning="<think>三加四等于七 ```", ending="```</think>7", tokens=2, sizes=[1])
@example(beginning="三加四等于七 $ 三加四等于七", ending="$", tokens=2, sizes=[3])
def test_watch_is_never_wrong_however_the_text_is_cut(
    scorer: Scorer, beginning: str, ending: str, tokens: int, sizes: list[int]
) -> None:
    begun = PROMPT.with_completion(beginning, completion_tokens=tokens)
    whole = PROMPT.with_completion(
        beginning + ending, completion_tokens=tokens + 1, finish_reason="stop"
    )
    for at_least in (0.0, 0.5, 1.0):
        watch = scorer.watch(PROMPT, at_least)
        fault = fed(watch, beginning, tokens, sizes) if watch else None
        assert bool(fault) == bool(scorer.hopeless(begun, at_least))
        if fault:
            assert not scorer.judge(whole).reaches(at_least)


def fed(watch: Watching, text: str, tokens: int, sizes: list[int]) -> str | None:
    """What a watch says at the end of a text that it got in pieces of these sizes, in turn."""
    fault, start = None, 0
    for size in itertools.cycle(sizes):
        is_last = start + size >= len(text)
        fault = watch(text[start : start + size], tokens if is_last else 0)
        start += size
        if is_last:
            return fault
    raise AssertionError("cycle does not end")


def test_hopeless_is_of_use() -> None:
    hopeless = {s.name for s in SCORERS if s.hopeless(CUT, 1.0)}
    assert hopeless == {
        *("ThinkFormat", "ThinkFormat:style=think-answer", "ThinkFormat:style=r1"),
        *("ThinkFormat:style=boxed", "ForeignScript", "ForeignScript:letters=3"),
        *("Repetition", "Repetition:n=4,loop=6", "Repetition:in_a_row=20"),
        *("Length:maximum=100", "Length:minimum=2,maximum=50,unit=words"),
        "Length:maximum=400,unit=characters",
        *("ThinkFormat:style=trl", "ThinkFormat:style=verifiers", "ThinkFormat:style=open-r1"),
        *("ThinkFormat:style=begin-of-thought", "CodeFormat"),
        "ThinkFormat:style=think-answer,tags=[T] [/T] [A] [/A]",
        *("CodeFormat:language=cpp,style=open-r1", "CosineScaled:max_len=100000"),
        "SoftOverlong:max_completion_len=100,soft_punish_cache=20",
        *("Length:maximum=100,soft=50", "Readability"),
        "Readability:paragraph_words=20,code_blocks=None",
    }
    leak = PROMPT.with_completion(
        "<think>I add three 三加四等于七所以是七个苹果吗那么我再算一遍答案还是七没有错就这样写下来"
    )
    assert LanguageConsistency(window=5, by="script").hopeless(leak, 0.5)


def test_a_rule_that_cannot_tell_early_is_not_watched() -> None:
    silent = {s.name for s in SCORERS if s.watch(PROMPT, 1.0) is None}
    lazy = "LanguageConsistency:language=en,unit=letters,min_words=2"
    assert silent == {
        *("Choice", "MathAnswer", "Finished", "LanguageConsistency", lazy, "RepetitionPenalty"),
        *("Language", "Language:language=en,min_letters=4"),
        *("ReasoningSteps", "ReasoningSteps:steps=2,peer=open-r1"),
        *("Contradiction", "Reflection", "Reflection:enough=3"),
        *("TextAnswer", "TextAnswer:longest=9"),
        *("BoxedAnswer", "BoxedAnswer:after=</think>"),
        *("RelativeLength", "RelativeLength:unit=characters,within=call,boxed=True"),
        "CosineScaled:max_len=1000000,unit=characters,clamp=False,boxed=True",
        *(scorer.name for scorer in PROBLEM_RULES),
    }


@every_scorer
def test_only_a_rule_that_needs_the_gold_answer_finds_fault_with_it(scorer: Scorer) -> None:
    assert scorer.gold_problem(PROMPT) is None
    assert bool(scorer.gold_problem(replace(PROMPT, answer=None))) == scorer.needs_gold


def test_a_verdict_that_is_there_counts() -> None:
    keep = Keep(SCORERS[0])
    sample = GOOD.with_verdicts({keep.scorer.name: Verdict(0.0, "said before")})
    assert keep.verdict(sample).reason == "said before"
    assert keep.filter(sample.to_document()) == (False, "MathAnswer")
