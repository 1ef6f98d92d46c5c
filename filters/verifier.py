"""Is the answer right? DeepSeek-R1 keeps correct answers only (v1, section 2.3.3).

`MathAnswer` on 567 labelled pairs of other projects (Math-Verify, lighteval, NeMo-Skills,
Hendrycks, GSM8K model outputs): no wrong answer accepted, except where a label forbids what we
allow (6: a formula over two lines, another order of a list); 11 right ones refused.
"""

from curate.scorers import (
    Choice,
    CodeTests,
    Countdown,
    FirstOf,
    Judge,
    KnightsKnaves,
    MathAnswer,
    ReasoningGym,
    Scorer,
)
from curate.select import ByDomain, Keep

correct_answer = Keep(MathAnswer())
"""The final answer equals the gold answer: 1 or 0, no threshold to choose (v1, section 2.2.2)."""

passes_tests = Keep(CodeTests())
"""The program passes all tests of its prompt, in a sandbox (v1, section 2.2.2)."""

right_choice = Keep(Choice())
"""The answer chooses the right options and no other (v2, section 2.2: STEM)."""

solves_puzzle = Keep(FirstOf(ReasoningGym(), Countdown(), KnightsKnaves(), Choice(), MathAnswer()))
"""The rule of the puzzle's kind says that it is solved: generated puzzles by their own checkers,
others are "an option or a number" (v2, table 4: logic).
"""


def right_answer(
    judge: str | None = None, judge_model: str | None = None, store: str = "runs/store"
) -> ByDomain:
    """Keeps right answers, by the rule of their domain: math, code, stem, logic.

    `judge`, an engine, is asked where a rule cannot tell, with gold answer and prediction before it
    (v1, section 2.3.3: DeepSeek-V3 as generative reward); code is judged by tests alone.
    """

    def rule(scorer: Scorer) -> Keep:
        asked = [Judge(engine=judge, model=judge_model, store=store)] if judge else []
        return Keep(FirstOf(scorer, *asked)) if asked else Keep(scorer)

    return ByDomain(
        math=rule(correct_answer.scorer),
        code=passes_tests,
        stem=rule(right_choice.scorer),
        logic=rule(solves_puzzle.scorer),
    )
