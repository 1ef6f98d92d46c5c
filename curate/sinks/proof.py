"""What a student would be trained on, rendered with its own tokenizer, before it is trained.

    proof = prove(rows, tokenizer, max_length=32_768, kind="sft")
    print(proof.text())               # what was found, and one example with the trained part marked
    proof.check()                     # RunError when the reasoning, the end, … would not be trained
    if proof.template:
        tokenizer.chat_template = proof.template
    prove_batch(batch, tokenizer, rows)           # the same on the trainer's own collated batch

Every row is rendered and measured; the longest rows and some of every domain are looked at token
by token.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from curate.errors import RunError
from curate.sinks.proof_batch import fault_in, prove_batch
from curate.sinks.proof_student import Kind, Student, answers_of, prompt_of, squash
from curate.step import unheard
from curate.text import split_think

__all__ = ["Proof", "prove", "prove_batch"]

LONGEST, OF_DOMAIN, DOMAINS = 8, 4, 64
"""How many rows are looked at token by token: the longest, some of a domain, of so many domains."""
EXAMPLE_CHARACTERS = 1_200
"""An example shows so much of the prompt, and of each end of the answer."""
UNCLOSED = "the reasoning never ends (no </think>)"
CUT = "cut by the context length"


@dataclass
class Proof:
    """What was found in the rows; `check` refuses, `text` tells."""

    kind: Kind
    max_length: int | None
    allowed: dict[str, float] = field(default_factory=dict)
    """The share of rows that may have a fault; none where nothing is said."""
    template: str | None = None
    """The training template to put into the tokenizer; None when its own one will do."""
    prefill: str = ""
    """What the generation prompt opens, `<think>` and a newline: completions begin inside of it."""
    end: str = ""
    """What the model is trained to say last."""
    findings: tuple[str, ...] = ()
    rows: int = 0
    looked: int = 0
    longest: int = 0
    """Tokens of the longest row that was tokenized."""
    faults: dict[str, int] = field(default_factory=dict)
    """Rows by what is wrong with them."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first such row."""
    example: str = ""

    @property
    def cut(self) -> int:
        """How many rows the context length cuts."""
        return self.faults.get(CUT, 0)

    def add(self, fault: str, row: Mapping[str, Any], detail: str = "") -> None:
        """Counts what is wrong with a row."""
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self.examples.setdefault(fault, f"{row.get('id') or row.get('prompt_id') or ''}{detail}")

    def refused(self) -> list[str]:
        """The faults of more rows than may have them, in words."""
        return [
            f"{fault}: {n:,} of {self.rows:,} rows ({n / self.rows:.2%}), as {self.examples[fault]}"
            for fault, n in self.faults.items()
            if n > self.allowed.get(fault, 0.0) * self.rows
        ]

    def check(self) -> None:
        """Raises RunError when the student would not be trained on what the dataset says."""
        if not self.rows:
            raise RunError("there is no row to train on; see the funnel of the run for the reason")
        if refused := self.refused():
            raise RunError(
                "the proof before training failed: "
                + "; ".join(refused)
                + "".join(f"; {_NEXT[fault]}" for fault in _NEXT if fault in self.faults)
            )

    def text(self) -> str:
        """The report, with one rendered example, its trained part between ⟦ and ⟧."""
        by = "a training template" if self.template else "the student's own template"
        lines = [f"proof before training ({self.kind}): {self.rows:,} rows, rendered by {by}"]
        lines += [f"  {finding}" for finding in self.findings]
        if self.kind != "grpo":
            share = self.cut / max(self.rows, 1)
            lines.append(
                f"  answers end with {self.end!r}; {self.cut:,} rows ({share:.2%}) are longer than "
                f"{self.max_length:,} tokens"
                if self.max_length
                else f"  answers end with {self.end!r}; no row is cut"
            )
        elif self.prefill:
            lines.append(f"  completions begin after {self.prefill!r}: rewards are told so")
        lines.append(f"  {self.looked:,} rows looked at token by token, to {self.longest:,} tokens")
        lines += [f"  FAULT {fault}" for fault in self.refused()]
        return "\n".join([*lines, "one row, its trained part between ⟦ and ⟧:", self.example])


_NEXT = {
    CUT: "raise max_length, or leave such rows out with Keep(Length(maximum=…))",
    UNCLOSED: "leave such rows out with Keep(ThinkFormat()) or Keep(Finished())",
}


def prove(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: Any,
    *,
    max_length: int | None,
    kind: Kind,
    cut_at_most: float = 0.0,
    unclosed_at_most: float = 0.0,
    report: Callable[[Mapping[str, float]], None] = unheard,
) -> Proof:
    """What a trainer of `kind` would make of the rows of a dataset, read once.

    `prompt` with `completion` (sft), `chosen` and `rejected` (dpo) or nothing (grpo): turns, or
    plain text. `max_length` counts the tokens of prompt and completion (grpo: of the prompt).
    `cut_at_most` and `unclosed_at_most` are the shares of rows that may be cut by it, and whose
    reasoning may have no end; none by default: such a row teaches never to answer. Raises RunError
    for a template that cannot be trained on.
    """
    student, proof = Student(tokenizer), Proof(kind, max_length)
    proof.allowed = {CUT: cut_at_most, UNCLOSED: unclosed_at_most}
    looked = _Looked()
    for row in rows:
        proof.rows += 1
        if not proof.rows % 256:
            report({"proved": proof.rows})
        looked.add(row, _measure(student, proof, row))
    for row in looked.rows():
        _look_at(student, proof, row)
    if found := student.looked:
        proof.template = found.prompting if kind == "grpo" else found.template
        proof.prefill, proof.end, proof.findings = found.prefill, found.end, found.findings
    else:
        proof.end = student.eos
    return proof


def _measure(student: Student, proof: Proof, row: Mapping[str, Any]) -> int:
    """Counts what can be seen without tokens, and rows that are too long; gives the length."""
    prompt, longest, is_cut = prompt_of(row), 0, False
    for number, answer in enumerate(answers_of(row, proof.kind) or [None]):
        try:
            text = student.text(prompt, answer)
        except RunError:
            raise
        except Exception as error:  # templates raise what they like
            proof.add(f"the chat template refuses it ({error})", row)
            return 0
        if answer is not None and not _is_in(student.said(prompt, answer), text):
            proof.add("the template changes the answer", row)
        if answer and not number and split_think(answer).shape == "truncated":
            proof.add(UNCLOSED, row)  # a rejected answer may have any fault
        longest = max(longest, len(text))
        # A token is a byte at least; one may stand before them.
        if proof.max_length and len(text.encode()) + 1 > proof.max_length:
            is_cut = is_cut or student.length(text) > proof.max_length
    if is_cut:
        proof.add(CUT, row)
    return longest


def _is_in(said: str, text: str) -> bool:
    """True where a text is said, but for spaces; 90 times as fast where it is verbatim (40 kB)."""
    return said in text or squash(said) in squash(text)


class _Entry(NamedTuple):
    rank: int
    number: int
    row: Mapping[str, Any]


class _Looked:
    """Keeps the longest rows and some of every domain, those with the smallest hash."""

    def __init__(self) -> None:
        self._number = 0
        self._longest: list[_Entry] = []
        self._domains: dict[str, list[_Entry]] = {}

    def add(self, row: Mapping[str, Any], length: int) -> None:
        self._number += 1
        _keep(self._longest, _Entry(length, self._number, row), LONGEST)
        domain = row.get("domain") or ""
        if domain in self._domains or len(self._domains) < DOMAINS:
            key = row.get("id") or row.get("prompt_id") or str(self._number)
            entry = _Entry(-zlib.crc32(key.encode()), self._number, row)
            _keep(self._domains.setdefault(domain, []), entry, OF_DOMAIN)

    def rows(self) -> list[Mapping[str, Any]]:
        """The rows that were kept, each once, in the order they came."""
        entries = [*self._longest, *(e for kept in self._domains.values() for e in kept)]
        return [row for _, row in sorted({e.number: e.row for e in entries}.items())]


def _keep(heap: list[_Entry], entry: _Entry, size: int) -> None:
    (heapq.heappush if len(heap) < size else heapq.heappushpop)(heap, entry)


def _look_at(student: Student, proof: Proof, row: Mapping[str, Any]) -> None:
    """Looks at the tokens of one row, as its trainer will make them."""
    prompt = prompt_of(row)
    proof.looked += 1
    for answer in answers_of(row, proof.kind) or [None]:
        if answer is None:
            shown, trained = student.ids(prompt), []
        else:
            shown, trained = student.halves(prompt, answer)
            fault = fault_in(student.decode(trained), student, prompt, answer)
            if fault:
                proof.add(fault, row)
        proof.longest = max(proof.longest, len(shown) + len(trained))
        if student.begins_twice([*shown, *trained]):
            proof.add("two BOS tokens stand one after the other", row)
        if not proof.example:
            proof.example = _example(student.decode(shown), student.decode(trained))


def _example(shown: str, trained: str) -> str:
    return f"{_short(shown)}⟦{_short(trained)}⟧"


def _short(text: str) -> str:
    """A text with its middle left out when it is long."""
    n = EXAMPLE_CHARACTERS
    if len(text) <= 2 * n:
        return text
    return f"{text[:n]} … ({len(text) - 2 * n:,} characters) … {text[-n:]}"
