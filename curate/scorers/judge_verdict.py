r"""What a judge's reply says, however it was written: JSON, JSON in a fence, or JSON gone wrong.

    {"analysis": "Both are 7.", "correctness": "correct"}
    ```json {'analysis': 'It's 8.', 'correctness': 'incorrect' ```       (no closing brace)

The verdict is the value of its own key and nothing else: what the analysis quotes of the judged
answer is no verdict. Two different verdicts, or none, are no verdict at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from curate.sample import Verdict
from curate.text import split_think

CLASSES: dict[str, dict[str, float]] = {
    "correctness": {"correct": 1.0, "incorrect": 0.0},
    "safety": {"safe": 1.0, "unsafe": 0.0},
    "score": {str(points): (points - 1) / 9 for points in range(1, 11)},
}
"""The keys that a reply may have, and what their values are worth."""

_LONGEST_REASON = 200
_STRAY = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
"""A backslash that JSON does not allow, as LaTeX in an analysis has it."""
_DECODER = json.JSONDecoder(strict=False)


def read_verdict(said: str, key: str, *, is_whole: bool = True) -> Verdict:
    r"""The verdict in a judge's reply, with its analysis as the reason; None when it has none.

    A reply that was cut off (not `is_whole`) counts only if a JSON object in it is complete.

    >>> read_verdict('{"analysis": "Both are 7.", "correctness": "correct"}', "correctness")
    Verdict(score=1.0, reason='correct: Both are 7.')
    >>> read_verdict("{'analysis': 'It\'s 8.', 'correctness': 'incorrect'", "correctness").score
    0.0
    >>> read_verdict("I think it is correct.", "correctness")
    Verdict(score=None, reason='the judge gave no "correctness": I think it is correct.')
    """
    text = split_think(said).response
    found = list(_objects(text)) or list(_objects(_STRAY.sub(r"\\\\", text)))
    if found:
        values = [str(value[key]) for value in found if key in value]
        analysis = str(found[-1].get("analysis") or "")
    else:
        values = _pair(key).findall(text) if is_whole else []
        analysis = ""
    words = {value.strip().lower().removesuffix("/10") for value in values}
    if len(words) > 1:
        return Verdict(None, f"the judge gave two verdicts: {_short(', '.join(sorted(words)))}")
    word = next(iter(words), None)
    if word is None:
        rest = _short(text) or "an empty reply"
        return Verdict(None, f'the judge gave no "{key}": {rest}')
    score = CLASSES[key].get(word.removesuffix(".0"))
    if score is None:
        allowed = "1 to 10" if key == "score" else " or ".join(CLASSES[key])
        return Verdict(None, f'the judge\'s "{key}" is not {allowed}: {_short(word)}')
    return Verdict(score, f"{word}: {_short(analysis)}" if analysis else word)


def key_of(prompt: str) -> str | None:
    """The key that a prompt asks for, in quotes; None when it asks for none or for several.

    >>> key_of('Reply with {"analysis": "...", "safety": "safe or unsafe"}')
    'safety'
    """
    asked = [key for key in CLASSES if f'"{key}"' in prompt]
    return asked[0] if len(asked) == 1 else None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The complete JSON objects in a text that are in no other one."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if value and isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _pair(key: str) -> re.Pattern[str]:
    """The key with one of its values where no JSON can be read; nothing but signs follows it."""
    value = r"\d+(?:\.0)?(?:/10)?" if key == "score" else "|".join(CLASSES[key])
    return re.compile(
        rf"(?<!\w){key}[^\w\n:=\uff1a-]*[:=\uff1a][^\w\n-]*({value})(?![\w.])[^\w\n]*$",
        re.IGNORECASE | re.MULTILINE,
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."
