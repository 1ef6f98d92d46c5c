"""`Evaluation` on answers whose worth is known, and the table of several of them."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from curate.errors import RunError, UsageError
from curate.sample import Sample, canonical_json, prompt_id
from curate.scorers import MathAnswer, ThinkFormat
from curate.select import ByDomain, Keep
from curate.sinks import Evaluation
from curate.sinks.bootstrap import interval
from curate.sinks.evaluation_table import card_section, difference, read, table
from tests.sinks.made import context


def answers(
    number: int, said: Sequence[str], *, gold: str = "7", model: str = "me/small", **changes: Any
) -> list[Sample]:
    """The samples of one problem, each with so many tokens as it has characters."""
    problem = f"Problem {number}: what is {gold}?"
    check = canonical_json({"level": number % 2 + 1})
    prompt = Sample(
        prompt_id=prompt_id("sums", problem, check),
        problem=problem,
        answer=gold,
        domain="math",
        source="sums",
        check=check,
    )
    known = {"model": model, "model_revision": "abc", "finish_reason": "stop"} | changes
    return [
        prompt.with_completion(text, id=f"{number}-{k}", k=k, completion_tokens=len(text), **known)
        for k, text in enumerate(said)
    ]


RIGHT, ALSO, WRONG = "<think>So.</think>\\boxed{7}", "It is \\boxed{14/2}.", "It is \\boxed{8}."
NOTHING = "I do not know"


def evaluate(
    out: Path, samples: Iterable[Sample], *, label: str = "Evaluation", **arguments: Any
) -> dict[str, Any]:
    """What an Evaluation writes about samples."""
    arguments = {"name": "small", "rule": MathAnswer(), "k": 4} | arguments
    step = Evaluation(arguments.pop("name"), arguments.pop("rule"), **arguments)
    step.label = label
    step.prepare(context(out))
    before = set(out.glob("evaluation/*.json"))
    list(step.run(sample.to_document() for sample in samples))
    [file] = set(out.glob("evaluation/*.json")) - before
    return json.loads(file.read_text())


def test_numbers_of_three_problems(tmp_path: Path) -> None:
    given = [
        *answers(1, [RIGHT, ALSO, WRONG, NOTHING]),
        *answers(2, [WRONG, WRONG, RIGHT, ALSO]),
        *answers(3, [NOTHING, NOTHING, NOTHING, WRONG], finish_reason="length"),
    ]
    said = evaluate(tmp_path, given, strict=ThinkFormat(), by=("domain", "level"))
    scores = {name: of["value"] for name, of in said["scores"].items()}
    assert scores == {
        "pass@1": pytest.approx((2 / 4 + 2 / 4 + 0) / 3, abs=1e-6),
        "strict pass@1": pytest.approx((1 / 4 + 1 / 4 + 0) / 3, abs=1e-6),
        "pass@2": pytest.approx((5 / 6 + 5 / 6 + 0) / 3, abs=1e-6),
        "pass@4": pytest.approx(2 / 3, abs=1e-6),
        "cons@2": pytest.approx((4 / 6 + 1 / 2 + 0) / 3, abs=1e-6),
        "cons@4": pytest.approx((1 + 1 / 2 + 0) / 3, abs=1e-6),
    }
    assert said["scores"]["pass@1"]["low"] < scores["pass@1"] < said["scores"]["pass@1"]["high"]
    assert said["answers"] == {
        **{"k": 4, "all": 12, "right": 4, "unjudged": 0, "wrong": 8, "cut": 4, "in_form": 2}
    }
    assert said["tokens"]["right"]["p50"] == len(ALSO)
    assert said["tokens"]["wrong"]["longest"] == len(WRONG)
    assert said["by"].keys() == {"level"}  # one domain is no difference
    assert said["by"]["level"]["1"]["value"] == 0.5
    assert said["by"]["level"]["2"]["problems"] == 2
    assert said["models"] == [{"model": "me/small", "revision": "abc", "answers": 12}]
    by_id = {p["prompt_id"]: p for p in said["per_problem"]}
    assert by_id[given[0].prompt_id] | {"groups": {}} == {
        **{"prompt_id": given[0].prompt_id, "n": 4, "right": 2, "unjudged": 0, "strict": 1},
        **{"classes": [[2, 1.0], [1, 0.0]], "answer": "7", "groups": {}},
    }


def test_what_cannot_be_judged_is_not_right_and_is_told(tmp_path: Path) -> None:
    given = answers(1, [RIGHT] * 4)  # a verdict that is there counts
    unjudged = {"verdicts": [{"name": "MathAnswer", "score": None, "reason": "timed out"}]}
    given[3] = Sample.from_row(given[3].to_row() | unjudged)
    said = evaluate(tmp_path, given)
    assert said["scores"]["pass@1"]["value"] == 0.75
    assert said["scores"]["pass@1 of judged"]["value"] == 1.0
    assert said["answers"]["unjudged"] == 1 and said["answers"]["wrong"] == 0
    text = (tmp_path / "evaluation.md").read_text()
    assert "pass@1 of judged" in text and "25.0 %" in text


def test_problems_without_usable_gold_are_left_out_and_told(tmp_path: Path) -> None:
    given = [*answers(1, [RIGHT] * 4), *answers(2, [RIGHT] * 4, gold="")]
    said = evaluate(tmp_path, given)
    assert said["problem_set"]["problems"] == 1 and said["problem_set"]["gold_unusable"] == 1
    assert (
        "1 left out, as their gold answer cannot be read"
        in (tmp_path / "evaluation.md").read_text()
    )


def test_a_domain_without_rule_is_left_out(tmp_path: Path) -> None:
    given = [*answers(1, [RIGHT] * 4), *answers(2, [RIGHT] * 4, domain="poetry")]
    said = evaluate(tmp_path, given, rule=ByDomain(math=Keep(MathAnswer())))
    assert said["problem_set"]["gold_unusable"] == 1


def test_fewer_answers_than_asked_for_are_told(tmp_path: Path) -> None:
    said = evaluate(tmp_path, [*answers(1, [RIGHT] * 4), *answers(2, [WRONG, RIGHT])])
    assert said["problem_set"]["fewer_answers_than_k"] == 1
    assert said["scores"]["pass@4"]["problems"] == 1
    assert said["scores"]["pass@2"]["problems"] == 2
    assert "1 with fewer answers than k" in (tmp_path / "evaluation.md").read_text()


def test_the_documents_pass_with_their_verdicts_while_others_are_judged(tmp_path: Path) -> None:
    """So any number of answers fits in memory."""
    step = Evaluation("small", MathAnswer(), k=2)
    step.prepare(context(tmp_path))
    given = [s for number in range(400) for s in answers(number, [RIGHT, WRONG])]
    passing = step.run(s.to_document() for s in given)
    first = next(iter(passing))
    assert step.tally.samples < 400
    assert [v["name"] for v in first.metadata["verdicts"]] == ["MathAnswer"]
    assert sorted([first.id, *(d.id for d in passing)]) == sorted(s.id for s in given)
    [file] = (tmp_path / "evaluation").iterdir()
    assert json.loads(file.read_text())["scores"]["pass@1"]["value"] == 0.5


def test_the_same_answers_give_the_same_file_in_any_order(tmp_path: Path) -> None:
    said = [
        answers(number, [RIGHT, WRONG, NOTHING, ALSO][: number % 4 + 1] * 2) for number in range(9)
    ]
    samples, files = [sample for problem in said for sample in problem], []
    for name, order in (("a", samples), ("b", random.Random(0).sample(samples, len(samples)))):
        (tmp_path / name).mkdir()
        evaluate(tmp_path / name, order, k=8)
        [file] = (tmp_path / name / "evaluation").glob("*.json")
        files.append(
            (file.name, file.read_bytes(), (tmp_path / name / "evaluation.md").read_bytes())
        )
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        pytest.param([], "no answer came in", id="nothing"),
        pytest.param([*answers(1, [RIGHT])] * 2, "comes twice", id="twice"),
        pytest.param([Sample("p", "3 + 4?", answer="7")], "ask Generate first", id="a prompt"),
    ],
)  # fmt: skip
def test_what_is_no_evaluation(tmp_path: Path, samples: list[Sample], says: str) -> None:
    with pytest.raises(RunError, match=says):
        evaluate(tmp_path, samples)


def test_when_nothing_can_be_judged(tmp_path: Path) -> None:
    said = [{"name": "MathAnswer", "score": None, "reason": "timed out"}]
    given = [Sample.from_row(s.to_row() | {"verdicts": said}) for s in answers(1, [RIGHT] * 4)]
    with pytest.raises(RunError, match="none of 4 answers can be judged"):
        evaluate(tmp_path, given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param({"k": 0}, "k=0 is not from 1 to 1,000", id="no answer"),
        pytest.param({"name": " "}, "name what is evaluated", id="no name"),
        pytest.param({"rule": "MathAnswer"}, "no scorer and no Keep", id="no rule"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], says: str) -> None:
    given = {"name": "small", "rule": MathAnswer(), "k": 4} | arguments
    with pytest.raises(UsageError, match=says):
        Evaluation(given["name"], given["rule"], k=given["k"])


def test_a_step_that_travels() -> None:
    step = pickle.loads(pickle.dumps(Evaluation("small", Keep(MathAnswer()), k=4)))
    assert (step.called, step.rule.scorer, step.k) == ("small", MathAnswer(), 4)


def of_model(name: str, rights: Sequence[int]) -> list[Sample]:
    """Ten problems or so, of whose four answers so many are right."""
    return [
        sample
        for number, right in enumerate(rights)
        for sample in answers(number, [RIGHT] * right + [WRONG] * (4 - right), model=name)
    ]


BASE, TUNED = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1], [1, 1, 3, 4, 1, 3, 3, 4, 2, 1]


def test_models_side_by_side(tmp_path: Path) -> None:
    """Rows in the order of the pipeline, others' figures beside ours, differences in pairs."""
    evaluate(
        tmp_path, of_model("me/tuned", TUNED), name="tuned", label="Evaluation#2",
        benchmark="Sums", reference={"DeepSeek": 92.8},
    )  # fmt: skip
    evaluate(tmp_path, of_model("me/base", BASE), name=None, benchmark="Sums")
    text = (tmp_path / "evaluation.md").read_text()
    lines = text.splitlines()
    assert lines[2] == "## Sums"
    assert lines[4].startswith("|  | pass@1 | pass@4 | cons@4 | tokens p50 / p95 | cut off |")
    assert lines[4].endswith("| DeepSeek |")
    assert lines[6].startswith("| me/base | 32.5 [") and lines[6].endswith("| 10 x 4 | - |")
    assert lines[7].startswith("| tuned | 57.5 [") and lines[7].endswith("| 92.8 |")
    assert "| tuned | **+25.0 [" in text and "| me/base |  | **-25.0 [" in text
    assert text == table(sorted((tmp_path / "evaluation").glob("*.json")))
    assert card_section(tmp_path).startswith("### Sums\n") and card_section(tmp_path / "no") == ""


def test_a_paired_difference_is_that_of_the_problems(tmp_path: Path) -> None:
    one = evaluate(tmp_path, of_model("m", TUNED), name="tuned")
    other = evaluate(tmp_path, of_model("m", BASE), name="base")
    found = difference(one, other)
    assert found.value == 0.25
    expected = interval([(a - b) / 4 for a, b in zip(TUNED, BASE, strict=True)], -1.0, 1.0)
    assert found == expected


def test_problems_that_only_one_has_are_not_compared(tmp_path: Path) -> None:
    evaluate(tmp_path, of_model("m", TUNED), name="tuned")
    evaluate(tmp_path, of_model("m", BASE[:4]), name="base")
    one, other = read(sorted((tmp_path / "evaluation").glob("*.json")))
    assert difference(other, one).value == 3 / 16
    assert (
        "Not all rows have answered the same problems." in (tmp_path / "evaluation.md").read_text()
    )
    away = dict(one) | {"per_problem": [p | {"prompt_id": "else"} for p in one["per_problem"][:1]]}
    with pytest.raises(RunError, match="no problem with pass@1 in common"):
        difference(other, away)


def test_seeds_are_one_row_of_their_mean(tmp_path: Path) -> None:
    for seed, rights in enumerate((BASE, TUNED)):
        evaluate(
            tmp_path, of_model("m", rights), name="sft", seed=seed, label=f"Evaluation#{seed + 1}"
        )
    evaluate(tmp_path, of_model("m", BASE), name="base", label="Evaluation#3")
    text = (tmp_path / "evaluation.md").read_text()
    assert len([line for line in text.splitlines() if line.startswith("| sft |")]) == 2
    assert "| sft | 45.0 [" in text and "| 2 (32.5 to 57.5) |" in text
    assert "| base |" in text and "| 1 |" in text
    assert "| base | -12.5 [" in text or "| base | **-12.5 [" in text


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    evaluate(tmp_path, of_model("m", BASE))
    with pytest.raises(RunError, match="two evaluations on sums are of small"):
        evaluate(tmp_path, of_model("m", TUNED), label="Evaluation#2")


def test_a_table_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "x"}')
    with pytest.raises(RunError, match=r"a\.json is no evaluation"):
        table([tmp_path / "a.json"])


def test_programs_have_no_vote(tmp_path: Path) -> None:
    """A program says the same in too many ways to be counted."""
    from curate.scorers import CodeTests, FirstOf

    verdict = [{"name": FirstOf(CodeTests(), MathAnswer()).name, "score": 1.0, "reason": ""}]
    given = [Sample.from_row(s.to_row() | {"verdicts": verdict}) for s in answers(1, [RIGHT] * 4)]
    said = evaluate(tmp_path, given, rule=FirstOf(CodeTests(), MathAnswer()))
    assert said["scores"].keys() == {"pass@1", "pass@2", "pass@4"}
