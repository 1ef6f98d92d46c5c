r"""Multiple choice: which options does an answer choose, and are they the right ones?

    {"answer": "C", "completion": "It can't be A, so the answer is **(C)**."}              # 1.0
    {"answer": "B", "options": ["Rome", "Paris"], "completion": "\\boxed{Paris}"}          # 1.0
    {"answer": "AC", "completion": "选A和C"}                                               # 1.0

What counts, in this order: an `<answer>` element, the last box, the last statement ("the answer is
…", "… is correct", in some sixty languages), a line that begins with the letter, a weaker statement
("so it's …"), the only letter of the end. Letters that are denied ("not A") never count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers import choice_letters as words
from curate.scorers.choice_reading import TAIL, Labels, Reading, clean
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Choice(Scorer):
    r"""1.0 when the answer chooses exactly the options of the gold answer, 0.0 when it chooses
    others, several or none, None when gold is no option.

    Gold is a letter ("C", "(C) Rome", "ج"), several ("A, C"), a number of a numbered option ("2",
    "III"), or an option's text. The options are those of the column `options` (or `choices`), else
    those that the problem lists.

    >>> prompt = Sample(prompt_id="p", problem="Which? (A) Rome (B) Paris", answer="B")
    >>> Choice().judge(prompt.with_completion("It's not A, so the answer is (B)."))
    Verdict(score=1.0, reason='chooses B')
    >>> Choice().judge(prompt.with_completion("The answer is Rome."))
    Verdict(score=0.0, reason='chooses A, not B')
    """

    needs_gold: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        task = _task(sample)
        if isinstance(task, str):
            return Verdict(None, task)
        chosen = Reading(sample.response, task.labels).chosen
        right = task.labels.named(task.gold)
        if chosen is None:
            return Verdict(0.0, f"chooses nothing; right is {right}")
        if chosen == task.gold:
            return Verdict(1.0, f"chooses {right}")
        return Verdict(0.0, f"chooses {task.labels.named(chosen)}, not {right}")

    def gold_problem(self, prompt: Sample) -> str | None:
        task = _task(prompt)
        return task if isinstance(task, str) else None


class _Task(NamedTuple):
    labels: Labels
    gold: frozenset[int]


_LISTED = re.compile(
    r"(?:^|(?<=\s))[(\[]?(?P<label>[A-Ja-j]|[1-9]|10|(?i:IX|IV|VI{0,3}|I{1,3})|[^\W\d_a-zA-Z])"
    r"(?:[)\]][.:]?|[.:\u3001\uff1a\uff0e])\s{0,4}",
    re.MULTILINE,
)


class _Options(NamedTuple):
    """How options are labelled (empty when nothing says it), and their texts."""

    labels: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def _task(prompt: Sample) -> _Task | str:
    """The options and which of them gold is, or why nobody can say."""
    gold = (prompt.answer or "").strip()
    if not gold:
        return "no gold answer"
    return _read_gold(gold, _given(prompt.checks), prompt.problem)


@lru_cache(maxsize=4096)
def _read_gold(gold: str, given: _Options, problem: str) -> _Task | str:
    listed = _listed(problem)
    own, texts = given.labels or listed.labels, given.texts or listed.texts
    lettered = Labels(False, min(len(texts) or 10, 10), texts, "".join(own) + gold)
    if (place := lettered.by_text(gold)) is not None:
        return _Task(replace(lettered, numbered=own[:1] in _NUMBERED), frozenset([place]))
    bare = re.sub(r"[\[\]\"'(){}.\s]", "", clean(gold))
    is_roman = bare.upper() in words.ROMAN and (len(bare) > 1 or own[1:2] in (("II",), ("ii",)))
    if bare.isdecimal() or is_roman:
        if given.texts and own[:1] not in _NUMBERED:
            return "gold is a number, the options are a list: give the letter or the text"
        numbered = Labels(True, len(texts) or 99, texts)
        found = numbered.place(bare)
        return "gold is no option" if found is None else _Task(numbered, frozenset([found]))
    if own[:1] in _NUMBERED and not given.texts:  # the problem's numbered list is not the options
        lettered = Labels(False, 10, (), gold)
    chosen = Reading(gold, lettered).chosen
    if chosen is None:
        return "gold is no option"
    size = lettered.size if lettered.texts else max(8, *(place + 1 for place in chosen))
    return _Task(replace(lettered, size=size, several=len(chosen) > 1), chosen)


def _given(checks: dict[str, Any]) -> _Options:
    """The column `options` or `choices`: a list, letters to texts, or labels and texts (ARC)."""
    options = checks.get("options", checks.get("choices"))
    if isinstance(options, dict) and isinstance(options.get("text"), list):
        return _Options(tuple(map(str, options.get("label", ()))), tuple(map(str, options["text"])))
    if isinstance(options, dict):
        return _Options(tuple(sorted(options)), tuple(str(options[k]) for k in sorted(options)))
    if not isinstance(options, list):
        return _Options()
    texts = [str(o.get("text", o)) if isinstance(o, dict) else str(o) for o in options[:99]]
    marks = [_LISTED.match(text) for text in texts]
    labels = tuple(mark["label"] for mark in marks if mark)
    if labels and labels == tuple(_FIRST.get(labels[0], ()))[: len(texts)]:
        return _Options(labels, tuple(t[m.end() :] for t, m in zip(texts, marks, strict=True) if m))
    return _Options((), tuple(texts))


def _listed(problem: str) -> _Options:
    """The options that a problem lists; the last such list counts."""
    markers = list(_LISTED.finditer(unicodedata.normalize("NFKC", problem[-TAIL:])))
    found: list[re.Match[str]] = []
    for start, marker in enumerate(markers):
        if marker["label"] in _FIRST:
            chain = _chain(markers[start : start + 40])
            found = chain if len(chain) >= 2 else found
    ends = [m.start() for m in found[1:]]
    texts = [m.string[m.end() : end].strip() for m, end in zip(found, ends, strict=False)]
    texts += [m.string[m.end() :].split("\n")[0].strip() for m in found[-1:]]
    return _Options(tuple(m["label"] for m in found), tuple(texts))


def _chain(markers: list[re.Match[str]]) -> list[re.Match[str]]:
    """The markers that go on as the first begins: (A), (B), (C), with the same brackets."""
    order, chain = _FIRST[markers[0]["label"]], markers[:1]
    for marker in markers[1:]:
        if len(chain) == len(order) or marker["label"] == order[0]:
            break
        if marker["label"] == order[len(chain)] and _shape(marker) == _shape(chain[0]):
            chain.append(marker)
    return chain


def _shape(marker: re.Match[str]) -> str:
    return marker.group().replace(marker["label"], "", 1).strip()


_NUMBERED = (("1",), ("I",), ("i",))
_FIRST: dict[str, Sequence[str]] = {
    **{alphabet[0]: alphabet for alphabet in reversed(words.ALPHABETS)},
    **{"A": words.LATIN, "a": words.LATIN.lower(), "1": [str(n) for n in range(1, 11)]},
    **{"I": words.ROMAN, "i": [roman.lower() for roman in words.ROMAN]},
}
