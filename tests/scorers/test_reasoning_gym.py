"""reasoning-gym's scores, and that none of them runs what a model wrote."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from typing import Any

import pytest

from curate.sample import Sample
from curate.scorers import ReasoningGym
from curate.scorers import reasoning_gym as rule
from curate.sources import gym
from curate.sources.row import BadRow

pytest.importorskip("reasoning_gym", reason="needs the extra `gym`")
from reasoning_gym.factory import DATASETS

# Of one kind each: numbers, lists, grids, boards, moves, words, JSON, formulas, booleans.
TASKS = [
    *("chain_sum", "number_sorting", "spiral_matrix", "rotate_matrix", "sudoku", "word_ladder"),
    *("n_queens", "polynomial_multiplication", "simple_integration", "countdown", "puzzle24"),
    *("knights_knaves", "zebra_puzzles", "string_insertion", "binary_matrix", "bitwise_arithmetic"),
    *("rearc", "tower_of_hanoi", "syllogism", "fraction_simplification", "complex_arithmetic"),
]


def prompt_of(task: str, row: int = 0) -> Sample:
    """A prompt as `Prompts` makes it."""
    rows = gym.open_gym(f"reasoning-gym:{task}?size={row + 1}&seed=5").rows()
    columns = next(itertools.islice(rows, row, None)).value
    assert not isinstance(columns, BadRow)
    check = json.dumps({name: columns[name] for name in ("task", "metadata")})
    return Sample("p", columns["problem"], columns["answer"], check=check)


STYLES = ["<think>Hm.</think><answer>{}</answer>", "{}", "<answer>\n{}\n</answer>", "```\n{}\n```"]


@pytest.mark.parametrize("task", TASKS)
def test_the_gold_answer_is_right_and_another_is_not(task: str) -> None:
    prompt = prompt_of(task)
    right = [prompt.with_completion(style.format(prompt.answer)) for style in STYLES]
    wrong = [prompt.with_completion(style.format("(77777 - 1)")) for style in STYLES]
    wrong += [prompt.with_completion(""), prompt.with_completion("<think>" + right[1].text)]
    scores = [verdict.score for verdict in ReasoningGym().judge_all(right + wrong)]
    assert scores[:4] == [1.0] * 4
    assert all(score is not None and score < 0.5 for score in scores[4:])
    assert ReasoningGym().gold_problem(prompt) is None


def test_a_part_of_an_answer_has_a_part_of_the_score() -> None:
    prompt = prompt_of("knights_knaves")
    terms = prompt.checks["metadata"]["knight_knave_terms"]
    first, _, second = (prompt.answer or "").partition(",")
    old, new = terms["a_knight"], terms["a_knave"]
    turned = first.replace(old, new) if old in first else first.replace(new, old)
    verdict = ReasoningGym().judge(prompt.with_completion(f"<answer>{turned},{second}</answer>"))
    # Two people: 0.3, and 0.7 for the share of them that is right.
    assert verdict.score == pytest.approx(0.65)
    assert verdict.reason == "knights_knaves: 0.65"


def test_a_boxed_answer_and_a_stated_one() -> None:
    prompt = prompt_of("chain_sum")
    for style in ("It is \\boxed{{{}}}.", "So the answer is {}.", "We get {}."):
        sample = prompt.with_completion(style.format(prompt.answer))
        assert ReasoningGym().judge(sample).score == 1.0
    marked = f"It is {prompt.answer}, no, \\boxed{{-1}}"
    assert ReasoningGym().judge(prompt.with_completion(marked)).score == 0.0


ATTACKS = [
    "__import__('pathlib').Path({0!r}).touch()",
    "[__import__('pathlib').Path({0!r}).touch()]",
    'exec("import pathlib; pathlib.Path({0!r}).touch()")',
    "[x for x in ().__class__.__base__.__subclasses__() if x.__name__ == 'Popen'][0]"
    "(['touch', {0!r}])",
    "(lambda: open({0!r}, 'w'))()",
]


@pytest.mark.parametrize("task", sorted(rule.LITERALS | rule.FORMULAS | {rule.BITS}))
def test_an_answer_is_never_run(task: str, tmp_path: Any) -> None:
    prompt, mark = prompt_of(task), tmp_path / "ran"
    texts = [f"<answer>{attack.format(str(mark))}</answer>" for attack in ATTACKS]
    verdicts = ReasoningGym().judge_all([prompt.with_completion(text) for text in texts])
    assert not mark.exists()
    assert all(verdict.score is None or verdict.score < 0.1 for verdict in verdicts)


@pytest.mark.parametrize(
    ("task", "name"),
    [("bitwise_arithmetic", "problem"), ("simple_integration", "integrand")],
)
def test_a_prompt_is_never_run(task: str, name: str, tmp_path: Any) -> None:
    prompt, mark = prompt_of(task), tmp_path / "ran"
    metadata = prompt.checks["metadata"] | {name: ATTACKS[0].format(str(mark))}
    check = json.dumps({"task": task, "metadata": metadata})
    sample = Sample("p", "?", prompt.answer, check=check).with_completion("<answer>1</answer>")
    assert ReasoningGym().judge(sample).score is None
    polynomial = prompt_of("polynomial_multiplication")
    gold = ATTACKS[0].format(str(mark))
    sample = Sample("p", "?", gold, check=polynomial.check).with_completion("<answer>1</answer>")
    assert ReasoningGym().judge(sample).score is None
    assert not mark.exists()


def test_the_attacks_work_where_nothing_is_done_about_them(tmp_path: Any) -> None:
    import sympy

    for n, attack in enumerate(ATTACKS[:3]):
        eval(attack.format(str(tmp_path / str(n))))
        assert (tmp_path / str(n)).exists()
    with pytest.raises(Exception):  # noqa: B017 - what comes of it matters, not how it ends
        sympy.parse_expr(ATTACKS[0].format(str(tmp_path / "sympy")) + ".x")
    assert (tmp_path / "sympy").exists()


def test_no_other_task_runs_text(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        task
        for task, (kind, _) in DATASETS.items()
        if rule.RUNS.search(inspect.getsource(inspect.getmodule(kind) or kind))
    }
    assert found == rule.LITERALS | rule.FORMULAS | rule.HARMLESS | {rule.BITS}
    monkeypatch.setattr(rule, "LITERALS", rule.LITERALS - {"n_queens"})
    rule._dataset.cache_clear()
    with pytest.raises(ValueError, match="n_queens may run what it is given"):
        rule._dataset("n_queens")
    rule._dataset.cache_clear()


def test_what_hangs_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "TIMEOUT_S", 6.0)
    prompt = prompt_of("countdown")
    verdict = ReasoningGym().judge(prompt.with_completion("<answer>9**9**9**9</answer>"))
    assert verdict.score is None
    assert "6 s" in verdict.reason or "memory" in verdict.reason


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ({}, "the prompt has no task and metadata of reasoning-gym"),
        ({"task": "gcd"}, "the prompt has no task and metadata of reasoning-gym"),
        ({"task": "gdc", "metadata": {}}, "reasoning-gym has no task 'gdc'"),
    ],
)
def test_prompts_of_another_kind_are_not_judged(check: dict[str, Any], reason: str) -> None:
    prompt = Sample("p", "?", "1", check=json.dumps(check))
    assert ReasoningGym().judge(prompt.with_completion("1")).reason == reason
    assert ReasoningGym().gold_problem(prompt) == reason


def test_another_version_and_none_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = prompt_of("gcd")
    monkeypatch.setattr(rule, "VERSION", "7.")
    rule._tasks.cache_clear()
    reason = ReasoningGym().judge(prompt.with_completion("1")).reason
    rule._tasks.cache_clear()
    assert re.fullmatch(r"needs reasoning-gym 7\.\*, not [0-9.]+", reason)
