"""The proof on what a trainer collated: the tokens whose labels count, against the rows.

Here a template that nobody looked at, a mask that covers too much or nothing, or a cut would show,
whatever the trainer's settings are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from curate.errors import RunError
from curate.sinks.proof_student import Kind, Student, answers_of, prompt_of, squash
from curate.text import split_think

IGNORED = -100
"""The label of a token that is not trained (torch's and TRL's)."""


def prove_batch(
    batch: Mapping[str, Any],
    tokenizer: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    may_be_cut: bool = False,
) -> None:
    """Raises RunError unless the trained tokens of a batch are the answers of `rows` and their end.

    `batch` is the trainer's own, collated from these rows in any order, also packed: `input_ids`
    with `labels` (sft) or `completion_mask` (dpo: chosen and rejected). `may_be_cut` lets answers
    pass that end before their end.
    """
    student = Student(tokenizer)
    spans = list(_spans(batch, student))
    texts = [squash(text) for text in spans]
    kind: Kind = "sft" if "completion" in rows[0] else "dpo"
    expected = [
        (row, prompt_of(row), answer)
        for number in range(2 if kind == "dpo" else 1)
        for row in rows
        for answer in answers_of(row, kind)[number : number + 1]
    ]
    faults: dict[str, list[str]] = {}
    for place, (row, prompt, answer) in enumerate(expected):
        if squash(student.said(prompt, answer)) in texts:
            continue
        beside = spans[place] if len(spans) == len(expected) else _nearest(spans, answer)
        fault = fault_in(beside, student, prompt, answer)
        if fault and not (may_be_cut and fault == BROKEN_OFF):
            name = row.get("id") or row.get("prompt_id") or f"row {place}"
            faults.setdefault(fault, []).append(name)
    for ids in _sequences(batch, "input_ids"):
        if student.begins_twice(ids):
            faults.setdefault("two BOS tokens stand one after the other", []).append("the batch")
    if faults:
        told = "; ".join(f"{f} ({len(n)} rows, as {n[0]})" for f, n in faults.items())
        raise RunError(
            f"the trainer's batch is not what the dataset says: {told}. Put the training template "
            "of the proof into the tokenizer (tokenizer.chat_template = proof.template), and train "
            "on the completion only"
        )


EMPTY = "no token of the answer is trained (the mask is empty)"
PROMPT = "the prompt is trained"
LOST = "the reasoning is not in the trained tokens"
ENDLESS = "the end token is missing"
BROKEN_OFF = "the answer is cut"
OTHER = "the trained text is not the answer of the dataset"


def fault_in(trained: str, student: Student, prompt: Any, answer: str) -> str:
    """What is wrong with the trained text of a row; empty when it is the answer and its end."""
    got, said = squash(trained), squash(student.said(prompt, answer))
    if got == said:
        return ""
    if not got:
        return EMPTY
    if got + squash(_end(student, prompt)) == said:
        return ENDLESS
    if said.startswith(got):
        return BROKEN_OFF
    question = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    if got.endswith(said) or (question and squash(question) in got.removesuffix(said)):
        return PROMPT
    reasoning = split_think(answer).reasoning
    if reasoning and squash(reasoning) not in got:
        return LOST
    return OTHER


def _end(student: Student, prompt: Any) -> str:
    return student.eos if isinstance(prompt, str) else student.rendering.end


def _nearest(spans: Sequence[str], answer: str) -> str:
    """Of several trained texts the one that has most words of an answer."""
    words = set(answer.split())
    return max(spans, key=lambda text: len(words & set(text.split())), default="")


def _spans(batch: Mapping[str, Any], student: Student) -> Iterator[str]:
    """The trained texts: of each sequence its runs of trained tokens, or one empty text."""
    name = "labels" if "labels" in batch else "completion_mask"
    nothing = IGNORED if name == "labels" else 0
    for ids, marks in zip(_sequences(batch, "input_ids"), _sequences(batch, name), strict=True):
        runs = groupby(zip(ids, marks, strict=True), lambda pair: pair[1] != nothing)
        texts = [student.decode([i for i, _ in run]) for trained, run in runs if trained]
        yield from texts or [""]


def _sequences(batch: Mapping[str, Any], name: str) -> list[list[int]]:
    values = batch[name]
    return values.tolist() if hasattr(values, "tolist") else [list(v) for v in values]
