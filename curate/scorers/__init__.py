"""How good is an answer? One rule a file: a frozen object that filters, accepts and rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.scorers.boxed_answer import BoxedAnswer
    from curate.scorers.choice import Choice
    from curate.scorers.code_format import CodeFormat
    from curate.scorers.code_tests import CodeTests
    from curate.scorers.composed import Agreed, AllOf, FirstOf
    from curate.scorers.contradiction import Contradiction
    from curate.scorers.cosine_scaled import CosineScaled
    from curate.scorers.countdown import Countdown
    from curate.scorers.finished import Finished
    from curate.scorers.foreign_script import ForeignScript
    from curate.scorers.identity import Identity
    from curate.scorers.instructions import Instructions
    from curate.scorers.judge import Judge
    from curate.scorers.knights_knaves import KnightsKnaves
    from curate.scorers.language import Language
    from curate.scorers.language_consistency import LanguageConsistency
    from curate.scorers.length import Length
    from curate.scorers.majority import Majority
    from curate.scorers.math_answer import MathAnswer
    from curate.scorers.passed_tests import PassedTests
    from curate.scorers.personal_data import PersonalData
    from curate.scorers.problem_asks import MultiPartProblem, ProofProblem
    from curate.scorers.problem_context import (
        LinkInProblem,
        MissingContext,
        MissingFigure,
        MissingOptions,
    )
    from curate.scorers.problem_text import AnswerInProblem, ProblemLength, UnfinishedProblem
    from curate.scorers.readability import Readability
    from curate.scorers.reasoning_gym import ReasoningGym
    from curate.scorers.reasoning_steps import ReasoningSteps
    from curate.scorers.reflection import Reflection
    from curate.scorers.refusal import Refusal
    from curate.scorers.relative_length import RelativeLength
    from curate.scorers.repetition import Repetition
    from curate.scorers.repetition_penalty import RepetitionPenalty
    from curate.scorers.reward_model import RewardModel
    from curate.scorers.scorer import Scorer, scorer_from
    from curate.scorers.soft_overlong import SoftOverlong
    from curate.scorers.tag_count import TagCount
    from curate.scorers.text_answer import TextAnswer
    from curate.scorers.think_format import ThinkFormat
    from curate.scorers.toxicity import Toxicity

__all__ = [
    "Agreed",
    "AllOf",
    "AnswerInProblem",
    "BoxedAnswer",
    "Choice",
    "CodeFormat",
    "CodeTests",
    "Contradiction",
    "CosineScaled",
    "Countdown",
    "Finished",
    "FirstOf",
    "ForeignScript",
    "Identity",
    "Instructions",
    "Judge",
    "KnightsKnaves",
    "Language",
    "LanguageConsistency",
    "Length",
    "LinkInProblem",
    "Majority",
    "MathAnswer",
    "MissingContext",
    "MissingFigure",
    "MissingOptions",
    "MultiPartProblem",
    "PassedTests",
    "PersonalData",
    "ProblemLength",
    "ProofProblem",
    "Readability",
    "ReasoningGym",
    "ReasoningSteps",
    "Reflection",
    "Refusal",
    "RelativeLength",
    "Repetition",
    "RepetitionPenalty",
    "RewardModel",
    "Scorer",
    "SoftOverlong",
    "TagCount",
    "TextAnswer",
    "ThinkFormat",
    "Toxicity",
    "UnfinishedProblem",
    "scorer_from",
]

_MODULES = {
    "Agreed": "composed",
    "AllOf": "composed",
    "AnswerInProblem": "problem_text",
    "BoxedAnswer": "boxed_answer",
    "Choice": "choice",
    "CodeFormat": "code_format",
    "CodeTests": "code_tests",
    "Contradiction": "contradiction",
    "CosineScaled": "cosine_scaled",
    "Countdown": "countdown",
    "Finished": "finished",
    "FirstOf": "composed",
    "ForeignScript": "foreign_script",
    "Identity": "identity",
    "Instructions": "instructions",
    "Judge": "judge",
    "KnightsKnaves": "knights_knaves",
    "Language": "language",
    "LanguageConsistency": "language_consistency",
    "Length": "length",
    "LinkInProblem": "problem_context",
    "Majority": "majority",
    "MathAnswer": "math_answer",
    "MissingContext": "problem_context",
    "MissingFigure": "problem_context",
    "MissingOptions": "problem_context",
    "MultiPartProblem": "problem_asks",
    "PassedTests": "passed_tests",
    "PersonalData": "personal_data",
    "ProblemLength": "problem_text",
    "ProofProblem": "problem_asks",
    "Readability": "readability",
    "ReasoningGym": "reasoning_gym",
    "ReasoningSteps": "reasoning_steps",
    "Reflection": "reflection",
    "Refusal": "refusal",
    "RelativeLength": "relative_length",
    "Repetition": "repetition",
    "RepetitionPenalty": "repetition_penalty",
    "RewardModel": "reward_model",
    "Scorer": "scorer",
    "SoftOverlong": "soft_overlong",
    "TagCount": "tag_count",
    "TextAnswer": "text_answer",
    "ThinkFormat": "think_format",
    "Toxicity": "toxicity",
    "UnfinishedProblem": "problem_text",
    "scorer_from": "scorer",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    if name in _MODULES:
        return getattr(importlib.import_module(f"curate.scorers.{_MODULES[name]}"), name)
    if name.endswith(("_reward", "_punishment")):  # open-r1's and TRL's, by their names
        peers = importlib.import_module("curate.scorers.peer_names").peer_rewards()
        if name in peers:
            return peers[name]
    raise AttributeError(f"module 'curate.scorers' has no attribute {name!r}")
