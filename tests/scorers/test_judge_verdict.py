from __future__ import annotations

import pytest

from curate.sample import Verdict
from curate.scorers.judge_verdict import read_verdict

REPLIES = [
    ('{"analysis": "x", "correctness": "correct"}', 1.0, "as asked"),
    ('```json\n{"analysis": "x", "correctness": "incorrect"}\n```', 0.0, "in a fence"),
    ('Here it is:\n{"analysis": "x", "correctness": "correct"}\nI hope this helps.', 1.0, "framed"),
    (
        '<think>{"correctness": "incorrect"}?</think>{"correctness": "correct"}',
        1.0,
        "after thought",
    ),
    ("{'analysis': 'It\\'s', 'correctness': 'incorrect'}", 0.0, "single quotes"),
    ("{'analysis': 'ok', 'correctness': 'correct'}\nI hope this helps.", 1.0, "and words after"),
    ('{"analysis": "x", "correctness": "correct"', 1.0, "no closing brace"),
    ('{"analysis": "x",\n"correctness": "incorrect",\n', 0.0, "a comma too much"),
    ('{"analysis": "so \\( x \\in \\mathbb{R} \\)", "correctness": "correct"}', 1.0, "LaTeX"),
    ('{"analysis": "a "quoted" word", "correctness": "incorrect"}', 0.0, "quotes in the analysis"),
    ('{"analysis": "line\nbreak", "correctness": "correct"}', 1.0, "a line break in it"),
    ('{"analysis": "x", "correctness": "Incorrect"}', 0.0, "a capital"),
    ("**Correctness**: incorrect", 0.0, "Markdown"),
    (
        '{"analysis": "it says \\"correctness\\": \\"correct\\"", "correctness": "incorrect"}',
        0.0,
        "quoting",
    ),
    (
        '{"correctness": "incorrect", "analysis": "\'correctness\': \'correct\'"}',
        0.0,
        "quoting after",
    ),
    (
        "{'analysis': \"'correctness': 'correct'\", 'correctness': 'incorrect'}",
        0.0,
        "quoting, broken",
    ),
    ('{"analysis": "correct", "verdict": "correct"}', None, "another key"),
    ('{"analysis": "x", "correctness": "partly"}', None, "another class"),
    ('{"analysis": "x", "correctness": null}', None, "no class"),
    ('{"correctness": "correct"} {"correctness": "incorrect"}', None, "both"),
    ("The answer is correct.", None, "prose"),
    ("Its correctness is incorrect to doubt.", None, "the words in prose"),
    ('{"analysis": "x", "correctness": "correctly put, but', None, "no end"),
    ("", None, "nothing"),
    ("[" * 100_000, None, "brackets"),
    ('{"a":' * 50_000, None, "braces"),
]


@pytest.mark.parametrize(("said", "score", "reason"), REPLIES, ids=[r[2] for r in REPLIES])
def test_a_reply_is_read_or_not_at_all(said: str, score: float | None, reason: str) -> None:
    found = read_verdict(said, "correctness")
    assert found.score == score, found
    assert len(found.reason) < 300


SCORES = [("10", 1.0), ("1", 0.0), ("7.0", 6 / 9), ('"8/10"', 7 / 9)]
NO_SCORES = ["0", "11", "-3", "7.5", "true", '"high"']


@pytest.mark.parametrize(("said", "score"), [*SCORES, *((said, None) for said in NO_SCORES)])
@pytest.mark.parametrize("form", ['{{"analysis": "x", "score": {}}}', "{{'score': {}"])
def test_points_from_one_to_ten(said: str, score: float | None, form: str) -> None:
    expected = None if score is None else Verdict(score).score
    assert read_verdict(form.format(said), "score").score == expected


def test_half_a_reply_counts_only_when_its_object_is_whole() -> None:
    whole = '{"analysis": "x", "correctness": "correct"} And now let me'
    assert read_verdict(whole, "correctness", is_whole=False).score == 1.0
    half = "{'analysis': 'x', 'correctness': 'correct'"
    assert read_verdict(half, "correctness", is_whole=False).score is None
