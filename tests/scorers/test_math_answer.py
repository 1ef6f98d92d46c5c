"""Which answers are the gold answer."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sample import Sample, Verdict, as_turns
from curate.scorers import MathAnswer, math_answer, pool
from tests.scorers import math_hostile, math_pairs

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
    ("٣", "3", "Arabic digit"),
    ("30000", "3万", "Chinese scale word"),
    (r"25 \mathrm{~km} / \mathrm{h}", "25", "speed"),
    (r"16\pi", r"16\pi \text{ square inches}", "unit in words"),
    ("2:3", r"\frac{2}{3}", "ratio"),
    (r"0.\overline{3}", r"\frac13", "repeating decimal"),
    (r"\binom{5}{2}", "10", "binomial"),
    (r"\sin 30^\circ", r"\frac12", "angle in degrees"),
    ("x < 5", r"(-\infty, 5)", "inequality as an interval"),
    (r"(1, 2)", r"\{x : 1 < x < 2\}", "set by a rule"),
    (r"(-\infty,3) \cup (3,\infty)", r"x \ne 3", "all but one"),
    (r"1 \le |z| \le \frac32", r"[-\tfrac32,-1] \cup [1,\tfrac32]", "only math_verify reads it"),
    (r"x = 1, y = 2", "(x, y) = (1, 2)", "named values as a pair"),
    (r"12x - 34", r"12x - 34 \text{ or } -34 + 12x", "said twice"),
    (r"\begin{pmatrix}3\\3\end{pmatrix}", r"3\begin{pmatrix}1\\1\end{pmatrix}", "matrix product"),
    (r"\frac{x^2}{4}+y^2=1", "x^2+4y^2=4", "equation times 4"),
    (r"\sqrt[3]{-8}", "-2", "odd root"),
    ("x - 2", r"\begin{aligned} x - 2 \end{aligned}", "environment"),
    ("(B)", r"\textbf{(B)}\ 17", "letter with its value"),
    (r"6 \text{ square cm}", r"6\text{ cm}^2", "square"),
    (r"6 \text{ square units}", "6 units^2", "square units"),
    (r"90^\circ", r"90 \text{ degrees}", "degrees in words"),
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
    ("1", "1 + 10^{-70}", "beyond 50 digits"),
    (
        r"\begin{pmatrix} 2^{-99} \end{pmatrix}",
        r"\begin{pmatrix} 2^{-98} \end{pmatrix}",
        "matrix of tiny numbers",
    ),
    ("|x|", "x", "absolute value"),
    (r"9 \text{ a.m.}", r"9 \text{ p.m.}", "half of the day"),
    (r"6\text{ cm}^2", r"6\text{ cm}^3", "power of the unit"),
    (r"20^\circ", "20 miles", "degrees"),
    (r"20\%", "20 cm", "percent and length"),
    ("x = 1, y = 2", "x = 2, y = 1", "names swapped"),
    ("(1, 2)", "y = 1, x = 2", "coordinates swapped"),
    ("7 = 11a + c", "11a + c", "equation and expression"),
    (r"\{1, 2\}", "1", "element of a set"),
    (r"\frac{x+1}{2}", r"x+\frac12", "bracket lost"),
]


@pytest.mark.parametrize(("gold", "answer", "reason"), DIFFERENT, ids=[d[2] for d in DIFFERENT])
def test_different(gold: str, answer: str, reason: str) -> None:
    verdict = judge(gold, rf"<think>Well.</think>It is $\boxed{{{answer}}}$.")
    assert verdict.score == 0.0, verdict.reason


NO_GOLD = [
    (None, "no gold answer", "none"),
    ("  ", "no gold answer", "blank"),
    (r"So it is $\boxed{}$.", "no gold answer", "an empty box"),
    ("9" * 3000, "longer than 2000 characters", "too long"),
    ("(" * 50 + "x+1" + ")" * 50, "nested deeper than 40", "too deep"),
    ("9^{9^{9^9}}", "too large to be worked out", "too large"),
    ("It is a long way to the sea, and nobody has ever walked it at night.", "prose", "prose"),
    (r"\text{all numbers that are even and prime}", "prose", "prose as LaTeX"),
    ("?!", "not readable", "marks"),
    (r"\frac{1}{2", "not readable", "a brace without end"),
    (r"\frac{}{}", "not readable", "nothing in it"),
    ("2 +", "not readable", "a sum without end"),
]


@pytest.mark.parametrize(("gold", "problem", "reason"), NO_GOLD, ids=[n[2] for n in NO_GOLD])
def test_gold_that_cannot_be_judged_is_found_beforehand(
    gold: str | None, problem: str, reason: str
) -> None:
    found = RULE.gold_problem(Sample(prompt_id="p", problem="?", answer=gold))
    assert found is not None and problem in found


@pytest.mark.parametrize(("gold", "problem", "reason"), NO_GOLD, ids=[n[2] for n in NO_GOLD])
def test_nothing_is_right_or_wrong_by_a_bad_gold(
    gold: str | None, problem: str, reason: str
) -> None:
    """Not even the same text: open-r1 #86 rewarded everything there."""
    for answer in (gold or "7", "7", "I do not know."):
        verdict = judge(gold, f"<answer>{answer}</answer>")
        assert verdict.score is None and problem in verdict.reason


def test_no_answer_is_wrong_and_a_truncated_one_has_none() -> None:
    assert judge("7", "I do not know, sorry.").score == 0.0
    assert judge("7", "<think>It may be 7").reason == "no final answer"


def test_a_worked_solution_is_a_gold_answer() -> None:
    assert judge(r"Adding, we get $\boxed{7}$.", "7").score == 1.0
    assert judge("She has 3 + 4 = 7.\n#### 7", r"\boxed{7}").score == 1.0


HARD = (r"1 \le |z| \le 2", r"\boxed{[-2,-1] \cup [1,2]}")


def test_off_the_main_thread_the_verdict_is_the_same() -> None:
    """signal.alarm, which math_verify uses, raises there."""
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(judge(*HARD)))
    thread.start()
    thread.join()
    assert verdicts == [judge(*HARD)] and verdicts[0].score == 1.0


def test_each_distinct_answer_is_judged_once_and_the_hard_ones_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[list[tuple[str, ...]]] = []

    def spied(function: Any, arguments: Any, **options: Any) -> list[Any]:
        calls.append(list(arguments))
        return pool.guarded_all(function, arguments, **options)

    monkeypatch.setattr(math_answer, "guarded_all", spied)
    monkeypatch.setattr(math_answer, "_answered", {})
    prompt = Sample(prompt_id="p", problem="?", answer=r"2 \le |z| \le 3")
    answers = [r"\boxed{[-3,-2] \cup [2,3]}", r"\boxed{\oint x}", r"\boxed{7}"] * 4
    samples = [prompt.with_completion(answer) for answer in answers]
    scores = [verdict.score for verdict in RULE.judge_all(samples)]
    assert scores == [1.0, 0.0, 0.0] * 4
    asked = [pair for call in calls for pair in call]
    assert len(asked) == len(set(asked)) and [len(call) for call in calls][1:] in ([2], [3])
    RULE.judge_all(samples)
    assert len([pair for call in calls for pair in call]) == len(asked)


ORDERS = [
    ("Find all roots.", 1.0, "no order asked for"),
    ("List the roots in increasing order.", 0.0, "order asked for"),
    ("Find the lengths of AB and CD, respectively.", 0.0, "respectively"),
    ("", None, "no question"),
]


@pytest.mark.parametrize(("problem", "score", "reason"), ORDERS, ids=[o[2] for o in ORDERS])
def test_the_order_of_a_list_counts_where_the_question_says_so(
    problem: str, score: float | None, reason: str
) -> None:
    prompt = Sample(prompt_id="p", problem=problem, answer="-1, 3")
    assert RULE.judge(prompt.with_completion(r"\boxed{3, -1}")).score == score
    assert RULE.judge(prompt.with_completion(r"\boxed{-1, 3}")).score == 1.0
    if problem.startswith("Find all"):
        assert RULE.judge(prompt.with_completion(r"\boxed{3 \text{ and } -1}")).score == 1.0


def test_nothing_that_is_loaded_is_pickled() -> None:
    judge("x^2-4", "(x-2)(x+2)")
    assert len(pickle.dumps(RULE)) < 100


def pairs(file: str) -> Iterator[tuple[str, str, str, bool]]:
    """Id, gold answer, completion and label of the rows that are not disputed."""
    for line in (SHARED / f"cases/{file}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "note" in row or row.get("match_type") == "choice":
            continue
        if "function" in row:
            if row["function"] == "accuracy_reward":
                for said, gold, score in zip(
                    row["completions"], row["solution"], row["expected"], strict=True
                ):
                    yield row["id"], gold, as_turns(said, "assistant")[-1]["content"], score == 1.0
            continue
        said = row["output"] if "output" in row else row["pred"]
        label = bool(row["correct"] if "correct" in row else row["equal"])
        yield row["id"], str(row["gold"]), "" if said is None else str(said), label


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with labelled cases")
@pytest.mark.parametrize(
    ("file", "most_refused"),
    [
        ("mathverify-equivalence", 2),
        ("lighteval-equivalence", 2),
        ("lighteval-multilingual", 0),
        ("nemoskills-mathequal", 0),
        ("hendrycks-isequiv", 0),
        ("gsm8k-labelled-outputs", 0),
        ("openr1-rewards-tests", 0),
    ],
)
def test_labelled_pairs_of_other_projects(file: str, most_refused: int) -> None:
    """The four refused ones take 2.6667 for 8/3 and 0.33 for 1/3: their tests round to 2 places."""
    rows = list(pairs(file))
    assert rows
    samples = [Sample("p", "", gold).with_completion(said) for _, gold, said, _ in rows]
    wrongly: dict[bool, list[str]] = {True: [], False: []}
    for (name, _, _, label), verdict in zip(rows, RULE.judge_all(samples), strict=True):
        if (verdict.score == 1.0) != label:
            wrongly[verdict.score == 1.0].append(name)
    assert wrongly[True] == []
    assert len(wrongly[False]) <= most_refused, wrongly[False]


PIECES = [
    *(
        "1",
        "23",
        "0.5",
        "x",
        "y",
        "e",
        "i",
        r"\pi",
        r"\frac{1}{2}",
        r"\frac",
        r"\sqrt{2}",
        "{",
        "}",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        ":",
        "=",
        "<",
        r"\le",
        r"\ne",
        "+",
        "-",
        "*",
        "/",
        "^",
        "!",
        "&",
    ),
    *(
        r"\%",
        r"\pm",
        r"\cup",
        r"\infty",
        r"\begin{pmatrix}",
        r"\end{pmatrix}",
        "\\\\",
        r"\sin",
        r"\{",
    ),
    *(
        r"\text{and}",
        "cm",
        r"\in",
        r"\mathbb{R}",
        r"\}",
        r"\log",
        r"^\circ",
        r"0.\overline{3}",
        "万",
    ),
]


@given(*[st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join)] * 2)
def test_any_two_texts_are_compared(gold: str, answer: str) -> None:
    """By the steps in this process: none raises, and what is equal is so from both sides."""
    math_answer._gold_problem(gold)
    verdicts = math_answer._compare(gold, answer), math_answer._compare(answer, gold)
    if None not in verdicts:
        assert len({verdict.score == 1.0 for verdict in verdicts if verdict}) == 1


def test_pairs_that_are_equal_or_nearly_by_construction() -> None:
    """All 4,000: python -m tests.scorers.math_pairs."""
    made = list(math_pairs.pairs(300, seed=1))
    samples = [Sample("p", "?", p.gold).with_completion(p.completion) for p in made]
    verdicts = zip(made, RULE.judge_all(samples), strict=True)
    assert [pair for pair, verdict in verdicts if (verdict.score == 1.0) != pair.same] == []


def test_nothing_hostile_hangs_or_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 answers; what only math_verify would read gets 0.2 s here."""
    monkeypatch.setattr(math_answer, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(math_answer, "_answered", {})
    prompt = Sample(prompt_id="p", problem="?", answer="4")
    samples = [
        prompt.with_completion(f"<answer>{said}</answer>") for said in math_hostile.hostile()
    ]
    assert len(samples) == 200
    assert {verdict.score for verdict in RULE.judge_all(samples)} <= {None, 0.0}
    problems = math_answer.gold_problems(list(math_hostile.hostile(40)))
    assert sum(problem is not None for problem in problems) > 20
