"""Pure functions on the text of an answer: where the reasoning ends, what the final answer is.

Models answer in many shapes: both tags, the opening tag given by the chat template, cut off inside
the reasoning, tags twice, no tags, or a separate reasoning field. Every shape is split once, here.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

OPEN, CLOSE = "<think>", "</think>"

Shape = Literal["whole", "prefilled", "truncated", "repeated", "none"]


class Split(NamedTuple):
    """An answer in its two parts, stripped, and the shape it came in."""

    reasoning: str | None
    response: str
    shape: Shape


def split_think(text: str) -> Split:
    """The reasoning (None without tags) and the response of an answer.

    `prefilled`: only the closing tag, the chat template opened it; `truncated`: it never closes, so
    there is no response; `repeated`: a tag stands more than once, and only what follows the last
    one is the response.

    >>> split_think("<think>3 + 4 = 7</think>\\nIt is 7.")
    Split(reasoning='3 + 4 = 7', response='It is 7.', shape='whole')
    >>> split_think("3 + 4 = 7</think>It is 7.").shape
    'prefilled'
    >>> split_think("<think>3 + 4")
    Split(reasoning='3 + 4', response='', shape='truncated')
    >>> split_think("It is 7.")
    Split(reasoning=None, response='It is 7.', shape='none')
    """
    opened, closed = text.count(OPEN), text.count(CLOSE)
    if not opened and not closed:
        return Split(None, text.strip(), "none")
    first = text.find(OPEN)
    start = first + len(OPEN) if opened and (not closed or first < text.find(CLOSE)) else 0
    if not closed:
        return Split(text[start:].strip(), "", "truncated")
    end = text.rfind(CLOSE)
    if text.find(OPEN, end) >= 0:
        return Split(text[start:].strip(), "", "truncated")
    shape: Shape = "repeated" if opened > 1 or closed > 1 else "whole" if start else "prefilled"
    return Split(text[start:end].strip(), text[end + len(CLOSE) :].strip(), shape)


def join_think(reasoning: str | None, content: str | None) -> str:
    """One text, as if tagged, from an engine that answers with a separate reasoning field.

    >>> join_think("3 + 4 = 7", "It is 7.")
    '<think>3 + 4 = 7</think>It is 7.'
    >>> join_think(None, "It is 7.")
    'It is 7.'
    """
    content = content or ""
    if not reasoning:
        return content
    return f"{OPEN}{reasoning}{CLOSE}{content}" if content else f"{OPEN}{reasoning}"


def restore_open(text: str) -> str:
    """The text with the opening tag that a chat template had put into the prompt.

    >>> restore_open("3 + 4 = 7</think>It is 7.")
    '<think>\\n3 + 4 = 7</think>It is 7.'
    """
    return f"{OPEN}\n{text}" if split_think(text).shape == "prefilled" else text


def words(text: str) -> list[str]:
    """The words of a text: what stands between spaces, and each Han, kana or Thai character.

    A word is cut every 16 characters, so a loop without spaces (`hahaha…`) is a loop of words.

    >>> words("Wait, 3+4=7. 所以是7")
    ['Wait,', '3+4=7.', '所', '以', '是', '7']
    """
    return _WORD.findall(text)


def prose(text: str) -> list[str]:
    r"""The words of plain language in an expression: not its commands, names and units.

    >>> prose(r"2 \sin x + \sqrt{ab} \text{ cm}"), prose("It is $5$")
    ([], ['It', 'is'])
    """
    return [word for word in _PROSE.findall(_COMMANDS.sub(" ", text)) if word not in _NO_PROSE]


def braced(text: str, start: int) -> int:
    """Where the group that opens at `start` ends, after its closing brace; -1 if it never does."""
    depth = 0
    for mark in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(mark.group(), 0)
        if depth == 0:
            return mark.end()
    return -1


def final_answer(text: str) -> str | None:
    r"""The answer that a text comes to, in its own spelling; None when it gives none.

    In this order: the last `<answer>` element; a "final answer is" after the last box; the last
    `\boxed{…}` (several joined by a comma or "and" are one list); what follows the last "answer
    is", "Answer:", "####" or "答案是"; a text that is nothing but one expression; else the last
    formula, number or bold phrase.

    >>> final_answer(r"So $x = \boxed{\frac{1}{2}}$, as claimed.")
    '\\frac{1}{2}'
    >>> final_answer("She pays 3 * 4 = 12.\n#### 12"), final_answer("Thus it has **9** divisors.")
    ('12', '9')
    >>> final_answer("I do not know.") is None
    True
    """
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    if start >= 0:
        inner = text[start + len("<answer>") : end].strip()
        return _boxed(inner) or _stated(inner) or inner or None
    concluded = text.lower().rfind("final answer", max(0, text.rfind(r"\boxed")))
    if concluded >= 0 and (said := _stated(text[concluded:])):
        return said
    tail = text[-_TAIL:]
    return _boxed(text) or _stated(tail) or _expression(text) or _last_value(tail)


_TAIL = 20_000
"""A final answer that is not marked stands at the end; looking through a megabyte takes seconds."""


_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]{{1,16}}")
_BRACE = re.compile(r"\\[{}\\]|[{}]")
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_FORMULA = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<!\\)\$((?:[^$\\]|\\.){1,2000})\$(?![0-9])"
    r"|\\\[((?:[^\\]|\\[^\[\]]){1,2000}?)\\\]|\\\(((?:[^\\]|\\[^()]){1,2000}?)\\\)",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.\\^{])[-\u2212]?\s?[$€£¥]?"
    r"(?:[0-9]{1,3}(?:[, ][0-9]{3})+(?![0-9])|[0-9]+)?(?:[.,](?=[0-9])[0-9]+)?"
    r"(?:\s?/\s?[0-9]+)?(?:\s?\\?%)?"
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_STATED = re.compile(
    r"####|^[ \t]*A:|(?:\banswers?\b|答案)[\s*\"]{0,4}(?:is|are|[:\uff1a=]|应?该?[是为])"
    r"[\s*:\uff1a]{0,4}",
    re.IGNORECASE | re.MULTILINE,
)
_GLUE = re.compile(
    r"(?:[\s,;$\uff0c、&]|\\[()\[\] ,;]|\\q?quad|\\(?:text|mbox|textrm)\s?\{\s?(?:and|or)\s?\}"
    r"|\band\b|\bor\b|和|或|[A-Za-z](?:_\{?\w\}?)?\s?=)*"
)
_JOINS = re.compile(r"[,;\uff0c、和或]|\band\b|\bor\b")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$|\$)|[。\uff01\uff1f\n]")
_IS = re.compile(r"\b(?:is|are|by)\b|[是为]")
_NAME = re.compile(r"[A-Za-z](?:_\w)?(?:\([A-Za-z]\))?|[A-Z]{1,8}")
_COMMANDS = re.compile(
    r"\\(?:text|mbox|mathrm|textbf)\s?\{[^{}]*\}|\\(?:begin|end)\s?\{[a-z]*\}|\\[A-Za-z]+"
)
_PROSE = re.compile(
    r"[A-Za-z\u00c0-\u024f]{3,}|[\u4e00-\u9fff]+"
    r"|\b(?:is|it|in|on|at|to|of|by|be|we|as|an|if|no|so|he|I)\b",
    re.IGNORECASE,
)
_NO_PROSE = frozenset(["and", "sin", "cos", "tan", "log", "i", "I"])


class _Span(NamedTuple):
    start: int
    end: int
    content: str


def _boxed(text: str) -> str | None:
    """The content of the last box, with the boxes that it is listed with."""
    spans: list[_Span] = []
    # Only the last ones count: where no brace closes, each of them reads to the end of the text.
    for box in list(_BOX.finditer(text))[-16:]:
        if text.startswith("{", box.end()):
            end = braced(text, box.end())
            if end > 0:
                spans.append(_Span(box.start(), end, text[box.end() + 1 : end - 1].strip()))
        elif bare := re.compile(r"[^\s$\\{}]{1,40}").match(text, box.end()):
            spans.append(_Span(box.start(), bare.end(), bare.group().rstrip(".,")))
    return _joined(text, [span for span in spans if span.content])


def _joined(text: str, spans: list[_Span]) -> str | None:
    """The last span, with those before it that only a comma, "and" or "or" separates from it."""
    if not spans:
        return None
    kept = [spans[-1]]
    for span in reversed(spans[:-1]):
        glue = text[span.end : kept[-1].start]
        if len(glue) > 60 or not _JOINS.search(glue) or not _GLUE.fullmatch(glue):
            break
        kept.append(span)
    return ", ".join(dict.fromkeys(span.content for span in reversed(kept)))


def _formulas(text: str) -> list[_Span]:
    found = [
        _Span(m.start(), m.end(), (m[m.lastindex or 0]).strip()) for m in _FORMULA.finditer(text)
    ]
    return [span for span in found if span.content]


def _numbers(text: str) -> list[_Span]:
    found = (_Span(m.start(), m.end(), m.group().strip()) for m in _NUMBER.finditer(text))
    return [span for span in found if any(c in "0123456789" for c in span.content)]


def _stated(text: str) -> str | None:
    """What follows the last "the answer is"."""
    stated = None
    for stated in _STATED.finditer(text):  # noqa: B007
        pass
    if stated is None:
        return None
    rest = text[stated.end() :].strip().lstrip("*:\uff1a ")[:4000]
    if _FORMULA.match(rest):
        return _first_group(rest)
    if end := _SENTENCE_END.search(rest):
        rest = rest[: end.start()]
    if (number := _NUMBER.match(rest)) and re.match(r" [A-Za-z]|[,;]", rest[number.end() :]):
        return number.group().strip()
    said = _expression(rest) or _expression(_IS.split(rest)[-1])
    return said or _last_value(rest) or rest.strip(" *\"'") or None


def _first_group(text: str) -> str | None:
    """The first formula and those listed with it."""
    spans = _formulas(text)
    kept = 1
    while kept < len(spans) and _joined(text, spans[kept - 1 : kept + 1]) != spans[kept].content:
        kept += 1
    return _joined(text, spans[:kept])


def _expression(text: str) -> str | None:
    """The text itself when it is nothing but one expression: one line, at most one word."""
    bare = text.strip().strip("*").rstrip(".。").strip()
    if not bare or "\n" in bare or "**" in bare or len(bare) > 2000:
        return None
    if prose(bare) not in ([], [bare]) or bare.count("{") != bare.count("}"):
        return None
    return bare if re.search(r"\w", bare) else None


def _last_value(text: str) -> str | None:
    """The last formula, number or bold phrase of the last paragraph, else of the whole text.

    In the sentence with the last number a formula goes before it ("$x = 5$ in step 2"), a name does
    not ("the largest $n$ is 34").
    """
    paragraphs = [p for p in text.rsplit("\n\n", 1) if p.strip()]
    for part in dict.fromkeys((*paragraphs[-1:], text)):
        formulas = _formulas(part)
        others = [_Span(m.start(), m.end(), m[1]) for m in _BOLD.finditer(part)][-1:]
        last = max(_numbers(part)[-1:] + others, key=lambda span: span.end, default=None)
        if formulas and (last is None or last.end <= formulas[-1].end):
            return _joined(part, formulas)
        if formulas and last and not _NAME.fullmatch(formulas[-1].content):
            between = part[max(formulas[-1].start, formulas[-1].end - 4) : last.start]
            if not _SENTENCE_END.search(between):
                return _joined(part, formulas)
        if last:
            return last.content.strip()
    return None
