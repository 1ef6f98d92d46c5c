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
    if not text.isascii() and is_unspaced(text):
        return _WORD.findall(text)
    found = text.split()  # twice as fast, with the cutting
    size, done, parts = LONGEST_WORD, 0, list[str]()
    for place in [i for i, word in enumerate(found) if len(word) > size]:
        parts += found[done:place]
        parts += [found[place][i : i + size] for i in range(0, len(found[place]), size)]
        done = place + 1
    return parts + found[done:]


def is_unspaced(text: str) -> bool:
    """True when a character stands in it that is a word without spaces: Han, kana, Thai.

    >>> is_unspaced("所以"), is_unspaced("So")
    (True, False)
    """
    return _ALONE.search(text) is not None


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
    `\boxed{…}` (as R1 does; several joined by a comma or "and" are one list); what follows the last
    "answer is", "Answer:", "####", "答案是" or the like in other languages; a text that is nothing
    but one expression; else what the last paragraph ends with: a line that is an expression, a
    formula, a number or a bold phrase.

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
        return _boxed(inner) or _stated(inner[-_TAIL:]) or inner or None
    concluded = text.lower().rfind("final answer", max(0, text.rfind(r"\boxed")))
    if concluded >= 0 and (said := _stated(text[concluded:])) and len(prose(said)) < 3:
        return said
    if boxed := _boxed(text):
        return boxed
    text = _EMPTY_BOX.sub("", text)
    tail = text[-_TAIL:]
    return _stated(tail) or _expression(text) or _last_value(tail)


_TAIL = 20_000
"""A final answer that is not marked stands at the end; looking through a megabyte takes seconds."""


_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
_ALONE = re.compile(f"[{_UNSPACED}]")
LONGEST_WORD = 16
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]{{1,{LONGEST_WORD}}}")
_BRACE = re.compile(r"\\[{}\\]|[{}]")
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{\s*\}")
_FORMULA = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<!\\)\$((?:[^$\\]|\\.){1,2000})\$(?![0-9])"
    r"|\\\[((?:[^\\]|\\[^\[\]]){1,2000}?)\\\]|\\\(((?:[^\\]|\\[^()]){1,2000}?)\\\)",
    re.DOTALL,
)
# An inline formula stands on one line: math_verify and lighteval do not read it otherwise.
_BROKEN = re.compile(
    r"(?<!\S)\$[ \t]*\n[^$\n]{0,200}\n[ \t]*\$(?!\S)|\\\([ \t]*\n[^\n]{0,200}\n[ \t]*\\\)"
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.\\^{])(?:[-\u2212]|(?<!\w )[-\u2212]\s)?[$€£¥]?"
    r"(?:\d{1,4} (?=\d{1,3}/\d))?(?:\d{1,3}(?:[, ]\d{3})+(?!\d)|\d+)?(?:[.,](?=\d)\d+)?"
    r"(?:\s?/\s?\d+|(?::\d+)+|\u221a\d+|\u03c0)?(?:\s?\\?%|\s(?:thousand|million|billion)\b|[百千]?万|万?亿)?"
)
_STARS = re.compile(r"(?<![\w)\]}])\*\*")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_STATED = re.compile(
    r"####|^[ \t]*(?:A|Ans)\s?[:.]|(?:\banswers?\b(?: (?:to|of|for) [^.:\n]{1,80}?)?"
    r"|\bfinal (?:result|value)\b|答案|答(?=[:\uff1a])|答え|正解|정답|답(?=[:\uff1a은])"
    r"|उत्तर|الجواب|الإجابة"
    r"|תשובה|คำตอบ|απάντηση|\b(?:r[ée]ponse|antwort|respuesta|resposta|risposta|odpowiedź|odpověď|svar"
    r"|vastaus|cevap|yan\u0131t|ответ|відповідь|отговор|đáp án|đáp số|jawaban|válasz|răspuns)\b)"
    r"[\s*\"]{0,4}(?:ist|is|are|est|es|è|é|jest|adalah|là|är|on|[:\uff1a=]|应?该?[是为]|は|은|는|है|هو|هي)"
    r"[\s*:\uff1a]{0,4}",
    re.IGNORECASE | re.MULTILINE,
)
_GLUE = re.compile(
    r"(?:[\s,;$\uff0c、&]|\\[()\[\] ,;]|\\q?quad|\\(?:text|mbox|textrm)\s?\{\s?(?:and|or)\s?\}"
    r"|\band\b|\bor\b|和|或|[A-Za-z](?:_\{?\w\}?)?\s?=)*"
)
_JOINS = re.compile(r"[,;\uff0c、和或]|\band\b|\bor\b")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$|\$)|[。\uff01\uff1f\n]")
_IS = re.compile(r"\b(?:is|are|by)\b|[是为]|等于")
# "$220 in 12 months": what such a word precedes is not what was asked for, if another number is.
_WHEN = re.compile(
    r"(?:\b(?:in|after|within|during|d['\u2019]ici|dans|après|en|nach|dopo|después de|через)"
    r"|[在过])\s?$",
    re.IGNORECASE,
)
_EQUATION = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?:_\w|\([A-Za-z]\))?\s?=\s?([^=\n]{1,200})$")
_HAN_UNIT = re.compile(
    r"(?<=[0-9A-Za-z)}\]%])\s?(?![百千]?[万亿])"
    r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{1,6}$"
)
_OPERATOR = re.compile(r"[A-Za-z0-9)}]\s?[-+*/^\u221a]\s?[A-Za-z0-9({\\]")
_ASIDE = re.compile(r"\s\((?=[^()]{0,200}[A-Za-z]{3})[^()]{1,200}\)(?=[.!]?\s*$)")
_NAME = re.compile(r"[A-Za-z](?:_\w)?(?:\([A-Za-z]\))?|[A-Z]{1,8}")
_COMMANDS = re.compile(
    r"\\(?:text|mbox|mathrm|textbf)\s?\{[^{}]*\}|\\(?:begin|end)\s?\{[a-z]*\}|\\[A-Za-z]+"
)
_PROSE = re.compile(
    r"[A-Za-z\u00c0-\u024f]{3,}|[\u4e00-\u9fff]+"
    r"|\b(?:is|it|in|on|at|to|of|by|be|we|as|an|if|no|so|he|I)\b",
    re.IGNORECASE,
)
_FUNCTIONS = "sin cos tan cot sec csc arcsin arccos arctan log exp sqrt infinity"
_NO_PROSE = frozenset(["and", "i", "I", *_FUNCTIONS.split()])


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
    return " and ".join(dict.fromkeys(span.content for span in reversed(kept)))


def _formulas(text: str) -> list[_Span]:
    found = [
        _Span(m.start(), m.end(), (m[m.lastindex or 0]).strip()) for m in _FORMULA.finditer(text)
    ]
    return [span for span in found if span.content and not _is_sentence(span.content)]


def _is_sentence(formula: str) -> bool:
    """True for what stands between two amounts of money, as in "$5 for one of them, so $"."""
    return sum(not word.isupper() for word in prose(formula)) > 1


def _numbers(text: str) -> list[_Span]:
    found = (_Span(m.start(), m.end(), m.group().strip()) for m in _NUMBER.finditer(text))
    return [span for span in found if any(c.isdecimal() for c in span.content)]


def _last_number(text: str) -> _Span | None:
    """The last number; one that only says when ("in 12 months") yields to one before it."""
    found = _numbers(text)
    start = max(
        (m.end() for m in _SENTENCE_END.finditer(text.rstrip(), 0, len(text) - 2)), default=0
    )
    said = [span for span in found if span.start >= start]
    asked = [span for span in said if not _WHEN.search(text[max(0, span.start - 16) : span.start])]
    return (asked or found or [None])[-1]


def _stated(text: str) -> str | None:
    """What follows the last "the answer is"."""
    stated = None
    for start in (max(0, len(text) - 100), 0):  # most stand at the end: a tenth of the time
        for stated in _STATED.finditer(text, start):  # noqa: B007
            pass
        if stated:
            break
    else:
        return None
    rest = text[stated.end() :].strip().lstrip("*:\uff1a ")[:4000]
    if (formula := _FORMULA.match(rest)) and not _is_sentence(formula.group()):
        return _first_group(rest)
    if end := _SENTENCE_END.search(rest):
        rest = rest[: end.start()]
    if said := _expression(rest):
        return said
    if (number := _NUMBER.match(rest)) and re.match(
        r" (?!x )[A-Za-z]|[,;\uff0c]", rest[number.end() :]
    ):
        return number.group().strip()
    return _expression(_IS.split(rest)[-1]) or _last_value(rest) or rest.strip(" *\"'") or None


def _first_group(text: str) -> str | None:
    """The first formula and those listed with it."""
    spans = _formulas(text)
    kept = 1
    while kept < len(spans) and _joined(text, spans[kept - 1 : kept + 1]) != spans[kept].content:
        kept += 1
    return _joined(text, spans[:kept])


def _expression(text: str) -> str | None:
    """The text itself when it is nothing but one expression: one line, at most one word."""
    text = text.strip()
    if whole := _FORMULA.fullmatch(text):
        text = whole[whole.lastindex or 0]
    bare = _HAN_UNIT.sub("", text.strip().strip("*`").rstrip(".。").strip())
    if not bare or "\n" in bare or _STARS.search(bare) or len(bare) > 2000:
        return None
    if prose(bare) not in ([], [bare]) or bare.count("{") != bare.count("}"):
        return None
    return bare if re.search(r"\w|[∞∅]", bare) else None


def _last_value(text: str) -> str | None:
    """What the last paragraph ends with, else the whole text: an expression, number, bold phrase.

    In the sentence with the last number a formula goes before it ("$x = 5$ in step 2"), a name does
    not ("the largest $n$ is 34").
    """
    paragraphs = [p for p in text.rsplit("\n\n", 1) if p.strip()]
    for part in dict.fromkeys((*paragraphs[-1:], text)):
        part = _ASIDE.sub("", _BROKEN.sub(" ", part))
        if said := _last_line(part):
            return said
        formulas = _formulas(part)
        others = [_Span(m.start(), m.end(), m[1]) for m in _BOLD.finditer(part)][-1:]
        if number := _last_number(part):
            others.append(number)
        last = max(others, key=lambda span: span.end, default=None)
        if formulas and (last is None or last.end <= formulas[-1].end):
            return _joined(part, formulas)
        if formulas and last and not _NAME.fullmatch(formulas[-1].content):
            between = part[max(formulas[-1].start, formulas[-1].end - 4) : last.start]
            if not _SENTENCE_END.search(between):
                return _joined(part, formulas)
        if last:
            return last.content.strip()
    return None


def _last_line(text: str) -> str | None:
    """A last line that is an expression, or ends with `x = …`; None where it has formulas."""
    line = text.rstrip().rsplit("\n", 1)[-1].strip()
    if (
        "$" in line
        or r"\(" in line
        or r"\]" in line
        or r"\end" in line
        or not re.search(r"\d", line)
    ):
        return None
    if said := _expression(line):
        return said
    line = line.rstrip(" .。*")
    equation = _EQUATION.search(line)
    if equation and not prose(equation[1]):
        return equation.group()
    said = _expression(_IS.split(line)[-1])
    return said if said and (said[0] in "([{" or _OPERATOR.search(said)) else None
