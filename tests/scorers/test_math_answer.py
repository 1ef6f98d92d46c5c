"""Which answers are the gold answer."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path

import pytest

from curate.sample import Sample, Verdict
from curate.scorers import MathAnswer

SHARED = Path(__file__).parents[2] / "../shared"
RULE = MathAnswer()


def judge(gold: str | None, completion: str) -> Verdict:
    return RULE.judge(Sample(prompt_id="p", problem="?", answer=gold).with_completion(completion))


SAME = [
    ("1234.5", "1,234.50", "thousands separator, trailing zero"),
    ("14916", "14{,}916", "LaTeX separator"),
    ("1000", "1 000", "space separator"),
    ("1/2", r"\frac12", "short fraction"),
    ("0.5", r"\dfrac{1}{2}", "decimal and fraction"),
    (r"918\frac{1}{2}", "918.5", "mixed number"),
    ("10%", "10", "percent sign left out"),
    ("0.1", r"10\%", "percent worked in"),
    ("5000000", "5 million", "scale word"),
    ("18", r"\$18", "money"),
    ("15", r"15\mbox{ cm}^2", "unit"),
    (r"10\sqrt{3}", r"10\sqrt{3}\text{ cm}", "unit of a root"),
    (r"90^\circ", "90", "degrees"),
    ("1/3", "0.333333", "six places of a fraction without end"),
    ("120000", r"1.2 \times 10^5", "power of ten"),
    ("x^2+2x+1", "(x+1)^2", "polynomial"),
    ("y = x^2+2x+1", "2x+1+x^2", "name left out"),
    ("x=5", "5", "variable left out"),
    ("3, -1", r"-1 \text{ and } 3", "order of a list"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5", "plus-minus"),
    ("34x+45y=100", "-34x-45y+100=0", "equation times -1"),
    ("x < 1", "-x > -1", "inequality times -1"),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        r"\begin{bmatrix}1 & 2\\3 & 4\end{bmatrix}",
        "matrix",
    ),
    (r"\text{Evelyn}", "Evelyn", "word"),
    (r"\text{(C)}", "C", "choice in brackets"),
    (r"\tan^2 y+1", r"\sec^2 y", "identity"),
    ("２", "2", "full-width digit"),  # noqa: RUF001
]


@pytest.mark.parametrize(("gold", "answer", "reason"), SAME, ids=[s[2] for s in SAME])
def test_the_same(gold: str, answer: str, reason: str) -> None:
    verdict = judge(gold, rf"<think>Well.</think>It is $\boxed{{{answer}}}$.")
    assert verdict.score == 1.0, verdict.reason


DIFFERENT = [
    (r"1 - \frac{1}{\mathrm{e}}", r"1 + \frac{1}{\mathrm{e}}", "math_verify drops 1/e"),
    (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}", "math_verify rounds to six places"),
    (r"\frac{2^{2005}+1}{3 \cdot 2^{2006}}", r"\frac{1}{3 \cdot 2^{2006}}", "both tiny"),
    ("3*x-1*y+13=0", "3x+4y+14=0", "both parse to 0"),
    ("204_5", "204_7", "math_verify drops the base"),
    (r"\text{odd}", "ddo", "math_verify multiplies letters"),
    ("5", "5.001", "near"),
    ("1/3", "0.33", "two places"),
    ("7", "-7", "sign"),
    ("5", "5x", "factor"),
    ("5", "5!", "factorial"),
    ("5 cm", "5 m", "unit"),
    ("5", "5 million", "scale word"),
    ("10%", "20", "percent"),
    ("3", "3, 4", "one of two"),
    ("3", "3 or 5", "hedged"),
    (r"\pm 2021", "2021", "one of two signs"),
    ("1,2", "1.2", "list and decimal"),
    ("(1,2)", "(2,1)", "order of a pair"),
    ("[0,1)", "[0,1]", "bracket"),
    ("x>5", r"x\ge 5", "strict inequality"),
    ("x=5", "y=5", "another variable"),
    ("12:00", "1:00", "time of day"),
    ("1:2:3", "1:4:9", "ratio"),
    ("x^2", "x2", "exponent lost"),
    (r"\infty", "1", "infinity"),
    ("even", "odd", "word"),
]


@pytest.mark.parametrize(("gold", "answer", "reason"), DIFFERENT, ids=[d[2] for d in DIFFERENT])
def test_different(gold: str, answer: str, reason: str) -> None:
    verdict = judge(gold, rf"<think>Well.</think>It is $\boxed{{{answer}}}$.")
    assert verdict.score == 0.0, verdict.reason


NO_GOLD = [
    (None, "no gold answer", "none"),
    ("  ", "no gold answer", "blank"),
    ("9" * 3000, "longer than 2000 characters", "too long"),
    ("(" * 50 + "x+1" + ")" * 50, "nested deeper than 40", "too deep"),
    ("9^{9^{9^9}}", "too large to be worked out", "too large"),
    ("It is a long way to the sea, and nobody has ever walked it at night.", "prose", "prose"),
    ("?!", "not readable", "marks"),
]


@pytest.mark.parametrize(("gold", "problem", "reason"), NO_GOLD, ids=[n[2] for n in NO_GOLD])
def test_gold_that_cannot_be_judged_is_found_beforehand(
    gold: str | None, problem: str, reason: str
) -> None:
    found = RULE.gold_problem(Sample(prompt_id="p", problem="?", answer=gold))
    assert found is not None and problem in found


HOSTILE = [
    *("9^{9^9}", r"10^{10^{10}}", "9999999!", r"\binom{10^9}{5\cdot 10^8}", "2^{2^{40}}"),
    *("(" * 3000 + ")" * 3000, "{" * 50_000, ",".join(map(str, range(3000)))),
]


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer[:20])
@pytest.mark.parametrize("gold", ["4", "x^2"])
def test_what_would_stop_a_worker_is_not_parsed(gold: str, answer: str) -> None:
    """math_verify takes 5 to 11 seconds for each of these, and longer without its alarm."""
    assert judge(gold, f"<answer>{answer}</answer>").score in (None, 0.0)


def test_no_answer_is_wrong_and_a_truncated_one_has_none() -> None:
    assert judge("7", "I do not know, sorry.").score == 0.0
    assert judge("7", "<think>It may be 7").reason == "no final answer"


def test_a_worked_solution_is_a_gold_answer() -> None:
    assert judge(r"Adding, we get $\boxed{7}$.", "7").score == 1.0
    assert judge("She has 3 + 4 = 7.\n#### 7", r"\boxed{7}").score == 1.0


def test_off_the_main_thread_the_verdict_is_the_same() -> None:
    """signal.alarm raises there; math_verify then runs without it."""
    verdicts: list[Verdict] = []
    pair = ("x^2-4", r"\boxed{(x-2)(x+2)}")
    thread = threading.Thread(target=lambda: verdicts.append(judge(*pair)))
    thread.start()
    thread.join()
    assert verdicts == [judge(*pair)] and verdicts[0].score == 1.0


def test_nothing_that_is_loaded_is_pickled() -> None:
    judge("x^2-4", "(x-2)(x+2)")
    assert len(pickle.dumps(RULE)) < 100


# Labels that we do not follow, by the end of their ids.
ALLOWED = {
    "mathverify-equivalence-0028": "a formula over two lines is read",
    "mathverify-equivalence-0029": "a formula over two lines is read",
    "lighteval-equivalence-0027": "a formula over two lines is read",
    "lighteval-equivalence-0028": "a formula over two lines is read",
    "hendrycks-isequiv-0001": "the order of a list does not count",
    "hendrycks-isequiv-0008": "the order of a list does not count",
}


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with labelled cases")
@pytest.mark.parametrize(
    ("file", "most_refused"),
    [
        ("mathverify-equivalence", 5),
        ("lighteval-equivalence", 6),
        ("nemoskills-mathequal", 0),
        ("hendrycks-isequiv", 0),
        ("gsm8k-labelled-outputs", 0),
    ],
)
def test_labelled_pairs_of_other_projects(file: str, most_refused: int) -> None:
    wrongly: dict[bool, list[str]] = {True: [], False: []}
    for line in (SHARED / f"cases/{file}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        said = row["output"] if "output" in row else row["pred"]
        verdict = judge(str(row["gold"]), "" if said is None else str(said))
        label = bool(row["correct"] if "correct" in row else row["equal"])
        if (verdict.score == 1.0) != label:
            wrongly[verdict.score == 1.0].append(row["id"])
    assert [i for i in wrongly[True] if i not in ALLOWED] == []
    assert len(wrongly[False]) <= most_refused, wrongly[False]
