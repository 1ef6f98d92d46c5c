"""Pure functions on the text of an answer: where the reasoning ends, what the final answer is.

Models answer in many shapes: both tags, the opening tag given by the chat template, cut off inside the reasoning, tags
twice, no tags, or a separate reasoning field. Every shape is split once, here.
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

    `prefilled`: only the closing tag, the chat template opened it; `truncated`: it never closes, so there is no response;
    `repeated`: a tag stands more than once, and only what follows the last one is the response.

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
    """One text from an engine that answers with a separate reasoning field; as if the tags had been in it.

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


def final_answer(text: str) -> str | None:
    """The answer that a text comes to; None when it gives none."""
    tagged = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return tagged[-1].strip() if tagged else None
