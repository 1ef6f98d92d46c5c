"""reasoning-gym tasks as prompts, with their parameters as a person types them."""

import itertools
import json

import pytest

from curate.errors import UsageError
from curate.sources import Prompts, gym

pytest.importorskip("reasoning_gym", reason="needs the extra `gym`")
SUMS = "reasoning-gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=1"


def test_a_task_makes_prompts_with_gold_and_what_judges_them(told):
    prompts = told(SUMS, limit=30).prompts
    assert len({p.prompt_id for p in prompts}) == 30
    for prompt in prompts:
        expression = prompt.checks["metadata"]["expression"]
        assert expression in prompt.problem
        a, sign, b = expression.split()
        assert int(prompt.answer or "") == int(a) + (int(b) if sign == "+" else -int(b))
        assert prompt.checks["task"] == "chain_sum"
        assert "source_index" not in prompt.checks["metadata"]
        assert (prompt.source, prompt.domain) == ("reasoning-gym:chain_sum", "math")
        assert (prompt.license, prompt.language) == ("Apache-2.0", "en")


def test_no_more_is_made_than_the_limit_needs(told):
    found = told(SUMS, limit=60)
    assert found.numbers["into"] < 100
    assert set(found.reasons) == {"duplicate_prompt"}


def test_the_same_spec_makes_the_same_prompts_and_a_seed_others(told):
    assert told(SUMS, limit=20).prompts == told(SUMS + "&seed=0", limit=20).prompts
    assert told(SUMS, limit=20).prompts != told(SUMS + "&seed=1", limit=20).prompts


def test_size_is_the_number_of_rows(told):
    assert told(SUMS + "&size=7").numbers["into"] == 7


def test_a_size_that_is_not_given_is_ten_thousand(context):
    step = Prompts(SUMS)
    step.prepare(context)
    assert sum(1 for _ in itertools.islice(step.rows_of.rows(), 10_001)) == 10_000


def test_several_tasks_take_turns(told):
    prompts = told("reasoning-gym:gcd,knights_knaves?size=4").prompts
    assert [p.checks["task"] for p in prompts] == ["gcd", "knights_knaves"] * 4
    assert [p.domain for p in prompts] == ["math", "logic"] * 4
    given = told("reasoning-gym:gcd?size=1", source="a", domain="b", language="c").prompts[0]
    assert (given.source, given.domain, given.language) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("basic_arithmetic?operators=+,-", "operators", ["+", "-"]),
        ("basic_arithmetic?allow_negation=true", "allow_negation", True),
        ("basic_arithmetic?format_style=natural", "format_style", "natural"),
        ("complex_arithmetic?operations=+,-", "operations", ("+", "-")),
        ("figlet_font?static_word=None", "static_word", None),
        ("number_format?max_num_candidates=3", "max_num_candidates", 3),
        ("binary_matrix?p_zero=0.5", "p_zero", 0.5),
    ],
    ids=["list", "truth", "one of", "tuple", "none", "whole number", "fraction"],
)
def test_parameters_become_what_the_task_wants(query, name, value):
    assert gym.open_gym(gym.PREFIX + query).parameters == ((name, value),)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("chainsum", "no task 'chainsum'; did you mean chain_sum"),
        ("gcd,", "no task ''; its"),
        ("gcd?min_trms=2", "gcd has no parameter 'min_trms'; did you mean min_"),
        ("gcd,chain_sum?min_terms=2", "gcd has no parameter 'min_terms'"),
        ("gcd?size", "'size' is not param=value"),
        ("gcd?size=many", "gcd: size is a int, not 'many'"),
        ("basic_arithmetic?allow_negation=maybe", "allow_negation is a bool, not 'maybe'"),
        ("basic_arithmetic?format_style=x", "format_style is one of simple, natural, not 'x'"),
        ("word_sorting?transformation=x", "transformation cannot be given as text"),
        ("chain_sum?min_terms=5&max_terms=2", "chain_sum refuses its parameters"),
    ],
    ids=[
        *("unknown task", "empty task", "unknown parameter", "parameter of another task"),
        *("no value", "not a number", "not a truth", "not one of", "no text type", "refused"),
    ],
)
def test_a_wrong_spec_is_refused_before_anything_runs(context, spec, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        Prompts(gym.PREFIX + spec).prepare(context)


def test_its_version_is_part_of_what_it_is():
    assert Prompts(SUMS).identity()["reasoning_gym"] == gym.version()


# Not here: tasks that need another parameter (composite) or take seconds to build their first row.
@pytest.mark.parametrize("task", ["countdown", "rubiks_cube", "graph_color", "mini_sudoku", "aiw"])
def test_metadata_of_every_kind_is_kept_as_json(told, task):
    (prompt,) = told(f"reasoning-gym:{task}?size=1").prompts
    assert json.loads(prompt.check or "")["task"] == task
