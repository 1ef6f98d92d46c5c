"""How a student reads a row: the text and the token ids that its trainer will make of it.

The calls are those of TRL's trainers: a prompt and the whole are tokenized apart, and what lies
beyond their common beginning is the completion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any, Literal

from curate.errors import RunError
from curate.sample import as_turns
from curate.sinks.training_template import Rendering, look, loses_system

Kind = Literal["sft", "dpo", "grpo"]
Ids = list[int]

_BLANK = re.compile(r"\s+")


class Student:
    """A tokenizer with its chat template, as `look` found it; plain text needs no template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.eos: str = tokenizer.eos_token or ""
        self.keeps_system: bool | None = None
        self._rendering: Rendering | None = None

    @property
    def rendering(self) -> Rendering:
        """What the student's chat template does; RunError when it has none."""
        if self._rendering is None:
            try:
                own = self.tokenizer.get_chat_template()
            except ValueError:
                raise RunError(
                    "the student's tokenizer has no chat template, and the prompts are turns; give "
                    "one (chat_template=FILE.jinja), or train on plain text"
                ) from None
            added = self.tokenizer.get_added_vocab()
            self._rendering = look(self.render, own, eos=self.eos, tokens=added)
        return self._rendering

    @property
    def looked(self) -> Rendering | None:
        """The same, when a row with turns was read; None for plain text."""
        return self._rendering

    def render(self, turns: Sequence[Any], template: str | None, asks: bool) -> str:
        """The text of turns; `asks` adds the generation prompt."""
        return self.tokenizer.apply_chat_template(
            list(turns), chat_template=template, add_generation_prompt=asks, tokenize=False
        )

    def text(self, prompt: Any, answer: str | None = None) -> str:
        """The prompt as the student is shown it, with the answer and its end where there is one."""
        if isinstance(prompt, str):
            return prompt if answer is None else prompt + self.said(prompt, answer)
        template = self._template(prompt)
        if answer is None:
            return self.render(prompt, template, True)
        return self.render([*prompt, assistant(answer)], template, False)

    def said(self, prompt: Any, answer: str) -> str:
        """What the model is trained to say."""
        if isinstance(prompt, str):  # as TRL ends it
            return answer if answer.endswith(self.eos) else answer + self.eos
        return self.rendering.said(answer)

    def ids(self, prompt: Any, answer: str | None = None) -> Ids:
        """The same as tokens, beginning of text included where the trainer puts one."""
        if isinstance(prompt, str):
            return self.tokenizer(self.text(prompt, answer))["input_ids"]
        turns = prompt if answer is None else [*prompt, assistant(answer)]
        return self.tokenizer.apply_chat_template(
            list(turns),
            chat_template=self._template(prompt),
            add_generation_prompt=answer is None,
            tokenize=True,
            return_dict=True,
        )["input_ids"]

    def halves(self, prompt: Any, answer: str) -> tuple[Ids, Ids]:
        """The tokens that are shown and those that are trained, as TRL divides them."""
        asked, whole = self.ids(prompt), self.ids(prompt, answer)
        pairs = zip(asked, whole, strict=False)
        shown = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return whole[:shown], whole[shown:]

    def decode(self, ids: Ids) -> str:
        """The text of tokens, special ones too."""
        return self.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )

    def length(self, text: str) -> int:
        """The tokens of a rendered text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def begins_twice(self, ids: Ids) -> bool:
        """True where two BOS tokens stand one after the other."""
        bos = self.tokenizer.bos_token_id
        if bos is None or bos == self.tokenizer.eos_token_id:
            return False
        return any(a == b == bos for a, b in pairwise(ids))

    def _template(self, prompt: Sequence[Mapping[str, Any]]) -> str | None:
        found = self.rendering
        if self.keeps_system is None and prompt and prompt[0]["role"] == "system":
            self.keeps_system = not loses_system(self.render, found.template)
            if not self.keeps_system:
                found = self._rendering = found.folding()
        return found.template


def assistant(answer: str) -> dict[str, str]:
    """An answer as a turn."""
    return {"role": "assistant", "content": answer}


def prompt_of(row: Mapping[str, Any]) -> Any:
    """The prompt as TRL takes it: a string, or a list of turns."""
    prompt = row["prompt"]
    return prompt if isinstance(prompt, str) else [dict(turn) for turn in as_turns(prompt, "user")]


def answers_of(row: Mapping[str, Any], kind: Kind) -> list[str]:
    """The completions of a row that are trained on: one, of a pair two, of a prompt none."""
    columns = {"sft": ("completion",), "dpo": ("chosen", "rejected"), "grpo": ()}[kind]
    return ["".join(turn["content"] for turn in as_turns(row[c], "assistant")) for c in columns]


def squash(text: str) -> str:
    """A text without its spaces: tokenizers and templates move those at the edges.

    >>> squash("It is\\n 7. ")
    'Itis7.'
    """
    return _BLANK.sub("", text)
