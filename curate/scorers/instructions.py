"""Are a prompt's checkable instructions followed? The 25 kinds of IFEval (arXiv 2311.07911).

{"instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
 "kwargs": [{}, {"relation": "at least", "num_words": 300}], "completion": "…"}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers.instructions_rules import RULES, UnknownRelationError
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Instructions(Scorer):
    """1.0 when the response follows every instruction of its prompt, 0.0 when it breaks one, None
    when the prompt has none or one of an unknown kind.

    `score=share` is the share of instructions that are followed. `mode=loose` also takes a response
    that follows one without its first line, its last line or its asterisks (section 2.2 of the
    paper), so that "Sure, here it is:" breaks nothing. What is judged is the response after the
    reasoning.

    >>> check = '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'
    >>> prompt = Sample("p", "Name three colours without a comma.", check=check)
    >>> Instructions().judge(prompt.with_completion("Red and green and blue."))
    Verdict(score=1.0, reason='follows 1 of 1')
    >>> Instructions().judge(prompt.with_completion("Red, green, blue."))
    Verdict(score=0.0, reason='follows 0 of 1, breaks punctuation:no_comma')
    """

    mode: Literal["strict", "loose"] = "strict"
    score: Literal["all", "share"] = "all"

    def judge(self, sample: Sample) -> Verdict:
        asked = _asked(sample.checks)
        if isinstance(asked, str):
            return Verdict(None, asked)
        texts = [sample.response]
        if self.mode == "loose":
            texts += _loosened(sample.response)
        texts = [text for text in dict.fromkeys(texts) if text.strip()]
        try:
            broken = [kind for kind, args in asked if not any(RULES[kind](t, args) for t in texts)]
        except KeyError as missing:
            return Verdict(None, f"an instruction has no argument {missing}")
        except (UnknownRelationError, TypeError, AttributeError) as error:
            return Verdict(None, f"an instruction's arguments are not readable: {error}"[:200])
        reason = f"follows {len(asked) - len(broken)} of {len(asked)}"
        if broken:
            reason = f"{reason}, breaks {', '.join(broken)}"[:250]
        share = 1 - len(broken) / len(asked)
        return Verdict(share if self.score == "share" else float(not broken), reason)

    def gold_problem(self, prompt: Sample) -> str | None:
        asked = _asked(prompt.checks)
        return asked if isinstance(asked, str) else None


class _Asked(NamedTuple):
    kind: str
    arguments: Mapping[str, Any]


def _asked(checks: Mapping[str, Any]) -> list[_Asked] | str:
    """The instructions of a prompt, or why they cannot be judged."""
    kinds, arguments = (_parsed(checks.get(name)) for name in ("instruction_id_list", "kwargs"))
    if not isinstance(kinds, list) or not kinds:
        return "the prompt has no instruction_id_list"
    if unknown := [str(kind) for kind in kinds if kind not in RULES]:
        return f"no rule for the instruction {unknown[0]}"[:200]
    arguments = arguments or [{}] * len(kinds)
    if not isinstance(arguments, list) or len(arguments) != len(kinds):
        return f"{len(kinds)} instructions, but kwargs are not a list of as many"
    # Tables that hold every kind's arguments in one struct fill the others with null.
    given = [{k: v for k, v in (_parsed(a) or {}).items() if v is not None} for a in arguments]
    return [_Asked(kind, args) for kind, args in zip(kinds, given, strict=True)]


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" and value else value


def _loosened(text: str) -> Iterator[str]:
    """The text without its first line, its last, both; and each without asterisks."""
    lines = text.split("\n")
    for part in (lines, lines[1:], lines[:-1], lines[1:-1]):
        joined = "\n".join(part).strip()
        yield joined
        yield joined.replace("*", "")
