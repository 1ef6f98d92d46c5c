"""Refusal: what declines, and what only looks like it."""

from __future__ import annotations

import pytest

from curate.sample import Sample
from curate.scorers import Refusal
from tests.scorers.real import needs_data, texts

PROMPT = Sample(prompt_id="p", problem="?")

REFUSES = {
    "apology": "I'm sorry, but I can't assist with that.",
    "curly quotes": "I\u2019m sorry, but I can\u2019t help with that request.",
    "no apology": "I cannot provide instructions for making weapons.",
    "unable": "I'm really sorry, but I'm not able to provide that information.",
    "as an AI": "As an AI language model, I cannot browse the internet.",
    "declines": "I must decline.",
    "after an apology": "I'm sorry. I can't help with that.",
    "after understanding": "I understand that you are upset, but I can't help with that.",
    "rules": "That request violates my guidelines.",
    "after the reasoning": "<think>No.</think>\n\nI'm sorry, but I can't help with malware.",
    "in the answer element": "<think>x</think><answer>I cannot assist with your request.</answer>",
    "Chinese": "抱歉，我无法回答这个问题。",  # noqa: RUF001
    "Chinese, no apology": "我无法提供该信息。",
    "Chinese, as an AI": "作为一个AI语言模型，我无法浏览网页。",  # noqa: RUF001
    "German": "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "French": "Je suis désolé, mais je ne peux pas vous aider avec ça.",
    "Spanish": "Lo siento, pero no puedo ayudarte con eso.",
    "Portuguese": "Desculpe, mas não posso ajudar com isso.",
    "Italian": "Mi dispiace, ma non posso aiutarti.",
    "Russian": "Извините, но я не могу вам помочь.",
    "Japanese": "申し訳ありませんが、そのご要望にはお応えできません。",
    "Korean": "죄송하지만 그 요청은 도와드릴 수 없습니다.",
}
ANSWERS = {
    "no such number": "I cannot find a smaller number, so it is 7.",
    "sympathy": "I'm sorry to hear that you are sad. Try walking.",
    "a letter": "Dear Bob, I'm sorry, but I can't come to your party.",
    "quoted": "\"I'm sorry, but I can't help with that,\" said the robot.",
    "told": 'The robot said: "I cannot assist with your request." Then it left.',
    "weighed": "<think>I'm sorry, but I can't help with that... no, it is fine.</think>It is 7.",
    "a correction": "Sorry, I made an error: it is 7.",
    "feelings": "As an AI, I don't have feelings, but thank you.",
    "Chinese correction": "抱歉，我不是 ChatGPT，我是小明。",  # noqa: RUF001
    "Chinese story": "我不能去参加聚会。",
    "later": "It is 7. So it is. And so on. I can't help with that.",
    "empty": "",
}


@pytest.mark.parametrize("text", REFUSES.values(), ids=REFUSES.keys())
def test_a_refusal_is_found(text: str) -> None:
    verdict = Refusal().judge(PROMPT.with_completion(text))
    assert verdict.score == 0.0 and verdict.reason.startswith("refuses: ")


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_is_none(text: str) -> None:
    assert Refusal().judge(PROMPT.with_completion(text)).score == 1.0


def test_a_response_that_begins_so_is_hopeless_when_the_sentence_has_ended() -> None:
    begun = "<think>They want malware.</think>I'm sorry, but I can't help with that."
    assert Refusal().hopeless(PROMPT.with_completion(begun), 1.0) is None
    assert Refusal().hopeless(PROMPT.with_completion(begun + " "), 1.0)
    assert Refusal().hopeless(PROMPT.with_completion(begun + " "), 0.0) is None


@needs_data
def test_solutions_and_answers_are_no_refusals() -> None:
    said = [
        *texts("traces_math500.jsonl.gz", "response"),
        *texts("math_test.jsonl.gz", "solution")[::3],
        *texts("gsm8k_test.jsonl.gz", "solution"),
        *texts("self_instruct_seeds.jsonl", "answer", "problem"),
        *texts("identity.jsonl", "answer"),
        *texts("mbpp.jsonl.gz", "answer"),
    ]
    scores = [Refusal().judge(PROMPT.with_completion(text)).score for text in said]
    assert len(said) > 4000 and set(scores) == {1.0}
