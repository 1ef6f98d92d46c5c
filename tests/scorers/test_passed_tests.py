"""PassedTests: open-r1's code rewards, in the sandbox of CodeTests."""

from __future__ import annotations

import json
from typing import Any

import pytest

import curate.scorers
from curate.sample import Sample
from curate.scorers import PassedTests, scorer_from

CASES = [{"input": f"{n}\n", "output": f"{2 * n}\n", "type": "stdin_stdout"} for n in (1, 2, 3, 0)]
DOUBLE = "```python\nprint(2 * int(input()))\n```"
ADD_ONE = "```python\nprint(1 + int(input()))\n```"  # right for 1 alone
BROKEN = "```cpp\nint main() { return x; }\n```"
EXPECTED = [
    ("code_reward", DOUBLE, 1.0),
    ("code_reward", ADD_ONE, 0.25),
    ("code_reward", "I cannot.", 0.0),
    ("binary_code_reward", DOUBLE, 1.0),
    ("binary_code_reward", ADD_ONE, 0.0),
    ("cf_code_reward", DOUBLE, 1.1),
    ("cf_code_reward", ADD_ONE, 0.025),
    ("cf_code_reward", "I cannot.", -1.0),
    ("cf_code_reward", BROKEN, -0.1),
    ("cf_code_reward:scoring_mode=pass_fail", ADD_ONE, 0.0),
]


def called(reward: str, text: str, **columns: Any) -> list[float | None]:
    completions = [[{"role": "assistant", "content": text}]]
    return scorer_from(reward)(
        prompts=["Double it."],
        completions=completions,
        trainer_state=object(),
        **{name: [value] for name, value in columns.items()},
    )


@pytest.mark.parametrize(("reward", "text", "expected"), EXPECTED)
def test_the_numbers_are_those_of_open_r1(reward: str, text: str, expected: float) -> None:
    language = "cpp" if "cpp" in text else "python"
    if reward.startswith("cf"):
        columns: dict[str, Any] = {"official_tests": CASES, "language": language}
    else:
        columns = {"verification_info": {"language": language, "test_cases": CASES}}
    assert called(reward, text, **columns) == [pytest.approx(expected)]


def test_verification_may_be_json_in_a_string() -> None:
    info = json.dumps({"language": "python", "test_cases": CASES})
    assert called("code_reward", DOUBLE, verification_info=info) == [1.0]


@pytest.mark.parametrize("columns", [{}, {"verification_info": {"language": "python"}}])
def test_no_tests_no_reward(columns: dict[str, Any]) -> None:
    assert called("code_reward", DOUBLE, **columns) == [None]
    prompt = Sample(prompt_id="p", problem="?", check=json.dumps(columns))
    assert curate.scorers.code_reward.gold_problem(prompt)


def test_a_verdict_is_mapped_onto_the_scale() -> None:
    check = json.dumps({"official_tests": CASES})
    prompt = Sample(prompt_id="p", problem="?", check=check)
    rule = curate.scorers.cf_code_reward
    assert rule.gold_problem(prompt) is None
    verdicts = rule.judge_all([prompt.with_completion(text) for text in (DOUBLE, "I cannot.")])
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0]
    assert PassedTests().scale == (0.0, 1.0)
