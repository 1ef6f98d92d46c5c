"""Every scorer with a sample that it likes and one that it does not."""

from __future__ import annotations

from dataclasses import replace

from curate.sample import Sample
from curate.scorers import (
    Agreed,
    AllOf,
    AnswerInProblem,
    BoxedAnswer,
    Choice,
    CodeFormat,
    Contradiction,
    CosineScaled,
    Finished,
    FirstOf,
    ForeignScript,
    Identity,
    Language,
    LanguageConsistency,
    Length,
    LinkInProblem,
    MathAnswer,
    MissingContext,
    MissingFigure,
    MissingOptions,
    MultiPartProblem,
    PersonalData,
    ProblemLength,
    ProofProblem,
    Readability,
    ReasoningSteps,
    Reflection,
    Refusal,
    RelativeLength,
    Repetition,
    RepetitionPenalty,
    Scorer,
    SoftOverlong,
    TagCount,
    TextAnswer,
    ThinkFormat,
    UnfinishedProblem,
)

PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7", language="en")
GOOD = PROMPT.with_completion(
    "<think>I add three and four, which makes seven.</think><answer>It is \\boxed{7}.</answer>",
    finish_reason="stop",
    completion_tokens=20,
)
LOOP = "three and four and " * 200
CUT = PROMPT.with_completion(
    "一二三四五六七八九十" * 20 + LOOP, finish_reason="length", completion_tokens=400
)

PROBLEM_RULES: dict[Scorer, str] = {
    ProofProblem(): "Prove that 3 + 4 = 7.",
    MultiPartProblem(): "(a) What is 3 + 4? (b) What is 4 + 4?",
    MissingFigure(): "In the figure below, how long is $AB$?",
    MissingFigure(drawn=False): "[asy] draw((0,0)--(1,1)); [/asy] How long is it?",
    LinkInProblem(): "Solve https://a.org/7.",
    MissingOptions(): "Which of the following is 3 + 4?",
    MissingContext(): "What is the sum in the previous problem?",
    UnfinishedProblem(): "What is 3 + 4 and",
    AnswerInProblem(): "What is 3 + 4? The answer is 7.",
    ProblemLength(maximum=5): "What is the sum of 3 and 4?",
    ProblemLength(minimum=5, unit="characters"): "3+4",
}
"""What each rule on problems refuses; completions are nothing to it."""

SCORERS: list[Scorer] = [
    MathAnswer(),
    Choice(),
    ThinkFormat(),
    ThinkFormat(style="think-answer"),
    ThinkFormat(style="r1"),
    ThinkFormat(style="prefilled"),
    ThinkFormat(style="boxed"),
    ThinkFormat(style="trl"),
    ThinkFormat(style="verifiers"),
    ThinkFormat(style="begin-of-thought"),
    ThinkFormat(style="open-r1"),
    ThinkFormat(style="think-answer", tags="[T] [/T] [A] [/A]"),
    TagCount(),
    TagCount(style="think-answer"),
    TagCount(style="open-r1"),
    CodeFormat(),
    CodeFormat(language="cpp", style="open-r1"),
    ReasoningSteps(),
    ReasoningSteps(steps=2, peer="open-r1"),
    BoxedAnswer(),
    BoxedAnswer(after="</think>"),
    CosineScaled(max_len=100_000),
    CosineScaled(max_len=1_000_000, unit="characters", clamp=False, boxed=True),
    RelativeLength(),
    RelativeLength(unit="characters", within="call", boxed=True),
    RepetitionPenalty(),
    SoftOverlong(max_completion_len=100, soft_punish_cache=20),
    LanguageConsistency(),
    LanguageConsistency(language="en", unit="letters", min_words=2),
    LanguageConsistency(window=5),
    LanguageConsistency(window=5, by="script"),
    LanguageConsistency(unit="segments", window=2),
    Language(),
    Language(language="en", min_letters=4),
    ForeignScript(),
    ForeignScript(letters=3),
    Repetition(),
    Repetition(n=4, loop=6),
    Repetition(in_a_row=20),
    Length(maximum=100),
    Length(minimum=2, maximum=50, unit="words"),
    Length(maximum=400, unit="characters"),
    Length(maximum=100, soft=50),
    Finished(),
    Contradiction(),
    Identity(),
    Identity(model="Qwen|QwQ", maker="Alibaba"),
    PersonalData(),
    Readability(),
    Readability(paragraph_words=20, code_blocks=None),
    Reflection(),
    Reflection(enough=3),
    Refusal(),
    TextAnswer(),
    TextAnswer(longest=9),
    *PROBLEM_RULES,
]

COMPOSED: list[Scorer] = [
    FirstOf(MathAnswer(), ThinkFormat()),
    FirstOf(Length(maximum=100), ForeignScript()),
    AllOf(MathAnswer(), ThinkFormat(), Length(maximum=100)),
    Agreed(ThinkFormat(), Repetition()),
]
"""Written in Python, not typed."""

ELSEWHERE = {"Judge": "a server", "RewardModel": "a server", "Majority": "the other samples"}
ELSEWHERE |= {"Toxicity": "a server"}
ELSEWHERE |= dict.fromkeys(
    ["CodeTests", "Countdown", "Instructions", "KnightsKnaves", "PassedTests", "ReasoningGym"],
    "columns of the prompt",
)
"""What they need besides a sample; test_judge, test_reward_model, test_majority, test_countdown
and test_code_tests have it.
"""

LINES = "<think>\nFirst, I add.\nFinally, it is seven.\n</think>\n<answer>\n{}\n</answer>"
OTHER_GOOD: dict[Scorer, Sample] = {
    scorer: replace(PROMPT.with_completion(text), finish_reason="stop", completion_tokens=20)
    for scorer, text in [
        (
            ThinkFormat(style="begin-of-thought"),
            "<|begin_of_thought|>\n\nI add.\n\n<|end_of_thought|>\n\n"
            "<|begin_of_solution|>\n\nIt is 7.\n\n<|end_of_solution|>",
        ),
        (ThinkFormat(style="open-r1"), LINES.format("7")),
        (ThinkFormat(style="think-answer", tags="[T] [/T] [A] [/A]"), "[T]I add.[/T] [A]7[/A]"),
        (TagCount(style="open-r1"), LINES.format("7")),
        (CodeFormat(), "<think>I add.</think>So:\n```python\nprint(3 + 4)\n```"),
        (CodeFormat(language="cpp", style="open-r1"), LINES.format("```cpp\nint x = 7;\n```")),
        (ReasoningSteps(), "1. Take 3.\n2. Add 4.\n3. It is 7."),
        (ReasoningSteps(steps=2, peer="open-r1"), LINES.format("7")),
        (Contradiction(), "<think>So the answer is 7.</think>It is 7."),
        (Reflection(), "<think>It is 8. Wait, no: 7.</think>It is 7."),
        (Reflection(enough=3), "<think>8? Wait, that is wrong. I check: 7.</think>It is 7."),
    ]
}
"""What rules like that want something else than `GOOD` has."""
LEAK = "I am ChatGPT, a model made by OpenAI."
OTHER_CUT: dict[Scorer, Sample] = {
    scorer: PROMPT.with_completion(text)
    for scorer, text in [
        (Contradiction(), "<think>So the answer is 7.</think>It is 8."),
        (Identity(), LEAK),
        (Identity(model="Qwen|QwQ", maker="Alibaba"), LEAK),
        (Language(), "Ich zähle drei und vier zusammen, das macht sieben."),
        (Language(language="en", min_letters=4), "J'ajoute trois et quatre, ce qui fait sept."),
        (PersonalData(), "Ask jane.doe@mail.org, or ring +44 20 7946 0958."),
        (Refusal(), "<think>No.</think>I'm sorry, but I can't help with that."),
    ]
}
OTHER_CUT |= {
    scorer: replace(PROMPT, problem=text).with_completion("It is 7.")
    for scorer, text in PROBLEM_RULES.items()
}
"""What rules dislike that find no fault with a loop."""


def good(scorer: Scorer) -> Sample:
    """A sample that this rule gives 1.0."""
    return OTHER_GOOD.get(scorer, GOOD)


def bad(scorer: Scorer) -> Sample:
    """A sample that this rule gives less than 0.99."""
    return OTHER_CUT.get(scorer, CUT)
