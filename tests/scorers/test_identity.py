"""Identity: who a model says that it is."""

from __future__ import annotations

import pytest

from curate.sample import Sample
from curate.scorers import Identity
from tests.scorers.real import needs_data, rows, texts

PROMPT = Sample(prompt_id="p", problem="Who are you?")

LEAKS = {
    "name and maker": "I am ChatGPT, a large language model trained by OpenAI.",
    "a name only": "I\u2019m ChatGPT.",
    "a shared name and its kind": "Hello! I'm Claude, an AI assistant made by Anthropic.",
    "a shared name alone": "Hi! I'm Claude.",
    "a maker only": "I was developed by OpenAI.",
    "as a model": "As an AI language model developed by OpenAI, I don't have feelings.",
    "my name": "My name is Qwen, and I was created by Alibaba Cloud.",
    "as whom": "As ChatGPT, I can't browse the web.",
    "the company": "I am an AI assistant created by the Chinese company DeepSeek.",
    "the maker first": "OpenAI created me in 2022.",
    "in the reasoning": "<think>Hmm, as ChatGPT I should be careful.</think>It is 7.",
    "a placeholder": "I am {{name}}, an AI assistant developed by {{author}}.",
    "Chinese": "我是通义千问，由阿里云开发的人工智能助手。",  # noqa: RUF001
    "Chinese, a maker": "我是由OpenAI训练的大型语言模型。",
    "Chinese, as whom": "作为通义千问，我可以帮助你。",  # noqa: RUF001
    "Chinese, a shared name": "我是Claude，由Anthropic创建的AI助手",  # noqa: RUF001
    "German": "Ich bin ChatGPT, ein Sprachmodell von OpenAI.",
    "French": "Je suis un modèle de langage développé par OpenAI.",
    "Spanish": "Soy un modelo de lenguaje entrenado por Google.",
    "Japanese": "私はChatGPTです。",
    "Korean": "저는 OpenAI에서 개발한 ChatGPT입니다.",
}
NONE = {
    "about it": "ChatGPT is a model made by OpenAI.",
    "denied": "I am not ChatGPT, and I'm not developed by OpenAI.",
    "denied in Chinese": "抱歉，我不是 OpenAI 开发的 ChatGPT。",  # noqa: RUF001
    "supposed": "The user thinks I am ChatGPT, but if I am ChatGPT, then what?",
    "asked": "Is it true that I am ChatGPT?",
    "quoted": 'He said: "I am ChatGPT."',
    "a painter": "I am Claude Monet, a painter.",
    "somebody else": "My name is Claude and I live in Paris.",
    "a star sign": "I'm a Gemini, born in June.",
    "a user": "I am using ChatGPT to write, and I have been a Google user for years.",
    "an employee": "I was trained by a Google engineer in 2010 to sell shoes.",
    "one's own": "I am Nova, an assistant developed by Acme Corp.",
    "a user in Chinese": "我用ChatGPT写作业。",
    "about it in Chinese": "ChatGPT是由OpenAI开发的。",
    "empty": "",
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS.keys())
def test_a_claim_to_be_anothers_model_is_found(text: str) -> None:
    assert Identity().judge(PROMPT.with_completion(text)).score == 0.0
    assert Identity().hopeless(PROMPT.with_completion(f"{text}\n"), 1.0)


@pytest.mark.parametrize("text", NONE.values(), ids=NONE.keys())
def test_what_is_said_about_models_is_none(text: str) -> None:
    verdict = Identity().judge(PROMPT.with_completion(text))
    assert verdict.score == 1.0, verdict.reason


def test_ones_own_name_is_no_leak() -> None:
    said = PROMPT.with_completion("I am Qwen2.5, made by Alibaba Cloud.")
    assert Identity().judge(said).score == 0.0
    assert Identity(model="Qwen").judge(said).score == 1.0
    assert Identity(model="GPT|Qwen", maker="Alibaba").judge(said).score == 1.0
    other = PROMPT.with_completion("I am Qwen2.5. I was made by OpenAI.")
    assert Identity(model="Qwen", maker="Alibaba").judge(other).score == 0.0


@needs_data
def test_a_self_cognition_set_passes_with_ones_own_name_only() -> None:
    for row in rows("identity.jsonl"):
        for name, author, score in (("Nova", "Acme", 1.0), ("ChatGPT", "OpenAI", 0.0)):
            said = row["answer"].replace("{{name}}", name).replace("{{author}}", author)
            if "{{" in row["answer"]:
                assert Identity().judge(PROMPT.with_completion(said)).score == score, said


@needs_data
def test_mathematics_and_instructions_leak_nothing() -> None:
    said = [
        *texts("traces_math500.jsonl.gz", "response"),
        *texts("math_test.jsonl.gz", "solution", "problem")[::4],
        *texts("gsm8k_test.jsonl.gz", "solution", "problem"),
        *texts("self_instruct_seeds.jsonl", "answer", "problem"),
        *texts("ifeval.jsonl", "problem"),
        *texts("tatoeba_pairs.jsonl.gz", "english")[::3],
    ]
    scores = [Identity().judge(PROMPT.with_completion(text)).score for text in said]
    assert len(said) > 10_000 and set(scores) == {1.0}
