"""Rules on problems: what they find, what they let pass, and what they do on real problems."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import (
    AnswerInProblem,
    LinkInProblem,
    MissingContext,
    MissingFigure,
    MissingOptions,
    MultiPartProblem,
    ProblemLength,
    ProofProblem,
    Scorer,
    UnfinishedProblem,
)
from curate.select import Keep
from curate.sources.row import Defaults, read_row
from filters.prompts import CHECKED, answerable, contest_statement
from tests.scorers import problem_cases as cases

DATA = Path(__file__).parents[2] / "../shared/data"
CASES: list[tuple[Scorer, list, list]] = [
    (ProofProblem(), cases.PROOFS, cases.NO_PROOFS),
    (MultiPartProblem(), cases.PARTS, cases.ONE_QUESTION),
    (MissingFigure(), cases.FIGURES, cases.NO_FIGURES),
    (LinkInProblem(), cases.LINKS, cases.NO_LINKS),
    (MissingOptions(), cases.OPTIONLESS, cases.WITH_OPTIONS),
    (MissingContext(), cases.CONTEXTLESS, cases.WITH_CONTEXT),
    (UnfinishedProblem(), cases.UNFINISHED, cases.FINISHED),
    (AnswerInProblem(), cases.ANSWERED, cases.UNANSWERED),
]
RULES = [rule for rule, _, _ in CASES]


def prompt(case: str | tuple[str, str]) -> Sample:
    problem, answer = case if isinstance(case, tuple) else (case, None)
    return Sample(prompt_id="p", problem=problem, answer=answer, domain="math")


FAULTY = [(rule, case) for rule, faulty, _ in CASES for case in faulty]
SOUND = [(rule, case) for rule, _, sound in CASES for case in sound]


@pytest.mark.parametrize(("rule", "case"), FAULTY, ids=lambda value: str(value)[:60])
def test_a_fault_is_found_with_its_reason(rule: Scorer, case: str | tuple[str, str]) -> None:
    verdict = rule.judge(prompt(case))
    assert verdict.score == 0.0
    assert 0 < len(verdict.reason) <= 200


@pytest.mark.parametrize(("rule", "case"), SOUND, ids=lambda value: str(value)[:60])
def test_what_looks_like_a_fault_is_none(rule: Scorer, case: str | tuple[str, str]) -> None:
    assert rule.judge(prompt(case)).score == 1.0


def test_a_sample_is_judged_by_its_problem() -> None:
    for rule, case in FAULTY:
        sample = prompt(case).with_completion("It is 7.")
        assert rule.judge(sample) == rule.judge(prompt(case))
        assert Keep(rule).filter(prompt(case).to_document()) == (False, rule.name)


def test_drawings_in_the_text_can_be_refused_too() -> None:
    drawn = prompt("[asy] draw((0,0)--(4,3)); [/asy] How long is the line?")
    assert MissingFigure().judge(drawn).score == 1.0
    assert MissingFigure(drawn=False).judge(drawn).score == 0.0


def test_options_may_stand_in_a_column() -> None:
    asked = Sample(
        prompt_id="p", problem="Which of the following is prime?", check='{"options": ["4", "5"]}'
    )
    assert MissingOptions().judge(asked).score == 1.0


def test_the_length_counts_words_or_characters() -> None:
    assert ProblemLength(minimum=4, maximum=4).judge(prompt("What is 3+4 now?")).score == 1.0
    assert ProblemLength(maximum=3).judge(prompt("What is 3+4 now?")).reason == "4 words"
    assert ProblemLength(minimum=5).judge(prompt("三加四等于几")).score == 1.0
    assert ProblemLength(minimum=99, unit="characters").judge(prompt("Add.")).score == 0.0
    with pytest.raises(UsageError, match="leaves no length"):
        ProblemLength(minimum=5, maximum=4)


ODD = ["a" * 1_000_000, "$" * 1_000_000, "(a) " * 250_000, "\\[" * 500_000, "? " * 500_000]
ODD += [
    "\\boxed{" * 140_000,
    "the figure " * 90_000,
    "证明" * 500_000,
    "\ud83d" * 1000,
    "\x00" * 99,
]


@pytest.mark.parametrize("text", ODD, ids=[repr(text[:8]) for text in ODD])
def test_any_problem_gets_a_verdict(text: str) -> None:
    for rule in [*RULES, ProblemLength()]:
        verdict = rule.judge(prompt((text, text)))
        assert verdict.score in (0.0, 1.0)
        assert len(verdict.reason) <= 200


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared with real problems")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        *(("gsm8k_test.jsonl.gz", {}), ("cmath.jsonl", {}), ("humaneval.jsonl.gz", {})),
        # Read one by one: answers that the problem gives as something else, a box that is an
        # operation, six questions at once, and the question of a survey.
        ("math_test.jsonl.gz", {"AnswerInProblem": 4, "MultiPartProblem": 2}),
        ("mbpp.jsonl.gz", {}),
        ("ifeval.jsonl", {"LinkInProblem": 2}),
    ],
)
def test_what_the_rules_refuse_of_answerable_problems(name: str, most: dict[str, int]) -> None:
    path = DATA / name
    data = path.read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    refused: Counter[str] = Counter()
    for line in text.strip().split("\n")[-1500:]:
        sample = read_row(json.loads(line), Defaults(name))
        assert isinstance(sample, Sample)
        for keep in answerable():
            if keep.domains and sample.domain not in keep.domains:
                continue
            if not keep.accepts(keep.scorer.judge(sample)):
                refused[keep.scorer.name] += 1
    assert refused == Counter(most)


def test_the_filters_are_for_domains_with_one_answer() -> None:
    both = "What has keys but no locks? How would you explain it?"
    document = Sample(prompt_id="p", problem=both, domain="general").to_document()
    for keep in answerable():
        assert list(keep.run([document])) == [document]
    rule = next(k for k in answerable() if isinstance(k.scorer, MultiPartProblem))
    assert rule.domains == CHECKED
    assert list(rule.run([prompt(both).to_document()])) == []
    short = Sample(prompt_id="p", problem="Add two numbers.", domain="code").to_document()
    assert list(contest_statement.run([short])) == []
