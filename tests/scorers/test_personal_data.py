"""PersonalData: what is somebody's, and what is a number."""

from __future__ import annotations

import random

import pytest

from curate.sample import Sample
from curate.scorers import PersonalData
from tests.scorers.real import needs_data, texts

PROMPT = Sample(prompt_id="p", problem="?")

SOMEBODYS = [
    ("an e-mail address", "Contact: bob_smith+x@sub.uni-bonn.de."),
    ("an e-mail address", "我的邮箱是zhang@qq.com。"),
    ("an IP address", "ping 8.8.4.4 now"),
    ("an IP address", "at 2a00:1450:4001:81b::200e"),
    ("a telephone number", "+44 20 7946 0958"),
    ("a telephone number", "+49 (0)30 901820 12"),
    ("a telephone number", "(212) 456-7890"),
    ("a telephone number", "212-456-7890"),
    ("a telephone number", "call me at 2124567890"),
    ("a telephone number", "电话：13812345678"),  # noqa: RUF001
    ("a payment card", "4539 1488 0343 6467"),
    ("a payment card", "card number 4539148803436467"),
    ("a payment card", "3782 822463 10005"),
    ("a bank account", "DE89 3704 0044 0532 0130 00"),
    ("a bank account", "to GB82WEST12345698765432."),
    ("a bank account", "FR14 2004 1010 0505 0001 3M02 606"),
    ("a social security number", "SSN 219-09-9999"),
    ("an identity number", "身份证号：11010519491231002X。"),  # noqa: RUF001
]
NOBODYS = {
    "card without a word for it": "4539148803436467",
    "Luhn fails": "4539 1488 0343 6468",
    "no issuer": "1234 5678 9012 3456",
    "reserved domain": "user@example.com and a@b.test",
    "private network": "192.168.0.1, 10.0.0.1, 127.0.0.1",
    "a version": "version 1.2.3.4 and 1.2.3.4.5",
    "fictional number": "212-555-0134",
    "power of two": "2^34 = 17179869184",
    "digits": "12345678901234567890123",
    "decimals": "3.14159265358979 and 1/998001 = 0.000001002003004",
    "matrix product": "A@B.T and W @ x.shape and W@x.sum()",
    "decorator": "@app.route('/')",
    "differences": "x = 123-45-678, 100-200-3000, 1,000,000,000",
    "C++": "std::vector and ab::cd",
    "time": "12:30:45",
    "IBAN fails": "DE88 3704 0044 0532 0130 00",
    "identity number fails": "110105194912310021",
    "unissued number": "000-12-3456 and 666-12-3456",
    "empty": "",
}


@pytest.mark.parametrize(("kind", "text"), SOMEBODYS, ids=[text for _, text in SOMEBODYS])
def test_personal_data_is_found_and_not_spread(kind: str, text: str) -> None:
    verdict = PersonalData().judge(PROMPT.with_completion(text))
    assert verdict.score == 0.0 and verdict.reason.startswith(f"{kind}: ")
    assert len(verdict.reason) <= len(kind) + 6
    assert PersonalData().hopeless(PROMPT.with_completion(f"{text}\n"), 1.0)


@pytest.mark.parametrize("text", NOBODYS.values(), ids=NOBODYS.keys())
def test_numbers_and_examples_are_nobodys(text: str) -> None:
    verdict = PersonalData().judge(PROMPT.with_completion(text))
    assert verdict.score == 1.0, verdict.reason


def test_random_numbers_are_nobodys() -> None:
    numbers = random.Random(1)
    for _ in range(300):
        text = " ".join(str(numbers.randrange(10**size)) for size in range(1, 30))
        assert PersonalData().judge(PROMPT.with_completion(text)).score == 1.0, text


@needs_data
def test_mathematics_and_code_hold_no_personal_data() -> None:
    said = [
        *texts("traces_math500.jsonl.gz", "response"),
        *texts("math_test.jsonl.gz", "solution", "problem")[::3],
        *texts("gsm8k_test.jsonl.gz", "solution", "problem"),
        *texts("cmath.jsonl", "problem"),
        *texts("mbpp.jsonl.gz", "answer", "problem"),
        *texts("countdown.jsonl", "answer", "problem"),
    ]
    scores = [PersonalData().judge(PROMPT.with_completion(text)).score for text in said]
    assert len(said) > 10_000 and set(scores) == {1.0}
