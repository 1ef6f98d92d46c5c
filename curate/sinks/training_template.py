r"""What a chat template does to an answer, found by rendering, and the template that trains on it.

Templates drop the reasoning (DeepSeek-R1-Distill), wrap it anew (Qwen3, GLM-4.5), open `<think>` in
the generation prompt (QwQ), close it there (SmolLM3 without thinking), refuse system turns (Gemma)
or forget the end token (GLM-4.5). What is trained should be what the model is shown and says later:

    the generation prompt, as it is + the answer, verbatim + the token that ends a turn

A training template is the student's own one, given the prompt alone, and the answer after it; so it
is right for every template that can render a prompt, and stays right when the student is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from curate.errors import RunError
from curate.text import CLOSE, OPEN

Render = Callable[[Sequence[Any], str | None, bool], str]
"""Gives the text of turns under a template (None: the student's own), with the generation prompt or
without; raises what the template raises."""

QUESTION, REASONING, ANSWER = "What is 3 + 4, please?", "Three and four make it.", "It is seven."
ASKED = {"role": "user", "content": QUESTION}
THOUGHT = f"{OPEN}{REASONING}{CLOSE}\n{ANSWER}"
SYSTEM = "Answer in one word only."
CLOSED = f"\n{CLOSE}\n\n"
"""Ends the reasoning that a prompt opened where an answer has none: what DeepSeek-R1's own service
and Qwen3 write for "no thinking" (`<think>\\n\\n</think>\\n\\n`)."""
SWITCHES = ("enable_thinking", "thinking")
"""The variables by which templates open the reasoning (Qwen3 and SmolLM3; DeepSeek-V3.1)."""


@dataclass(frozen=True)
class Rendering:
    """How answers of a student are rendered for training."""

    own: str
    """The student's template as it came."""
    prefill: str = ""
    """What the generation prompt opens: `<think>` with the spaces after it, or nothing."""
    lead: str = ""
    """What stands between the generation prompt and an answer with reasoning; the model says it."""
    plain: str = ""
    """The same for an answer without reasoning."""
    end: str = ""
    """The token that ends a turn, or eos; the model says it."""
    switch: str = ""
    """The variable that must be true for the reasoning to be open."""
    folds_system: bool = False
    """System turns are put before the first user turn."""
    rewrites: bool = False
    """The own template does not render prompt, answer and end one after the other."""
    findings: tuple[str, ...] = ()
    """What was found, in words."""

    @property
    def template(self) -> str | None:
        """The training template; None when the student's own one will do."""
        if not (self.rewrites or self.switch or self.folds_system):
            return None
        return training_template(self)

    @property
    def prompting(self) -> str | None:
        """The template for prompts alone (GRPO); None when the student's own one will do."""
        return self.template if self.switch or self.folds_system else None

    def folding(self) -> Rendering:
        """The same, for a student that refuses or loses system turns."""
        found = "system turns are refused or lost: put before the first user turn"
        return replace(self, folds_system=True, findings=(*self.findings, found))

    def said(self, answer: str) -> str:
        """What the model is trained to say for an answer, end included."""
        if CLOSE not in answer and OPEN not in answer:
            return self.plain + answer + self.end
        if self.prefill and answer.lstrip().startswith(OPEN):
            answer = answer.lstrip()[len(OPEN) :]
            answer = answer.lstrip("\n") if self.prefill.endswith("\n") else answer
        return self.lead + answer + self.end


def look(render: Render, own: str, *, eos: str, tokens: Iterable[str]) -> Rendering:
    """What a template does, found by rendering a question with and without an answer.

    `tokens` are the added tokens of the tokenizer. Raises RunError for a template that cannot be
    trained on, with the reason.
    """
    own, switch, asked = _opened(render, own)
    findings = [f"reasoning is closed in the generation prompt: {switch}=true opens it"] * bool(
        switch
    )
    tail = asked[asked.rindex(QUESTION) + len(QUESTION) :]
    prefill = found.group() if (found := re.search(rf"{OPEN}\s*$", tail)) else ""
    plain, end = _around(render, own if switch else None, asked, tokens)
    rendered = Rendering(
        own,
        prefill,
        lead="" if prefill else plain.partition(OPEN)[0],
        plain=CLOSED if prefill else plain,
        end=end,
        switch=switch,
    )
    if prefill:
        findings.append(f"the generation prompt opens {prefill!r}: it is not trained again")
    if not end:
        findings.append(f"no token ends an answer: {eos} is put there")
    fault = _fault(render, own if switch else None, asked, rendered)
    findings += [fault] * bool(fault)
    rewrites = bool(fault) or not end
    return replace(rendered, end=end or eos, rewrites=rewrites, findings=tuple(findings))


def _opened(render: Render, own: str) -> tuple[str, str, str]:
    """The template with its reasoning open, the switch that opened it, and the rendered prompt."""
    asked = _tried(render, [ASKED], None)
    if QUESTION not in asked:
        raise RunError(
            "the chat template leaves out the user's turn; "
            "set a template of your own in the tokenizer (tokenizer.chat_template)"
        )
    if CLOSE not in asked[asked.rindex(QUESTION) :]:
        return own, "", asked
    for switch in SWITCHES:
        opened = f"{{%- set {switch} = true %}}\n{own}"
        asked = _tried(render, [ASKED], opened)
        if CLOSE not in asked[asked.rindex(QUESTION) :]:
            return opened, switch, asked
    raise RunError(
        f"the chat template closes the reasoning in the generation prompt ({CLOSE} after the user's"
        f" turn), and {' or '.join(SWITCHES)} = true does not open it: a student would be trained"
        " to reason where it never can; set a template of your own in the tokenizer"
    )


def _tried(render: Render, turns: Sequence[Any], template: str | None) -> str:
    try:
        return render(turns, template, True)
    except Exception as error:  # templates raise what they like
        raise RunError(f"the chat template cannot render a user's turn: {error}") from error


def _around(
    render: Render, template: str | None, asked: str, tokens: Iterable[str]
) -> tuple[str, str]:
    """What stands between the generation prompt and a plain answer, and the token that ends it."""
    try:
        text = render([ASKED, {"role": "assistant", "content": ANSWER}], template, False)
    except Exception:  # it renders prompts alone: the training template does the rest
        return "", ""
    if ANSWER not in text:
        return "", ""
    at = text.rindex(ANSWER)
    lead = text[len(asked) : at] if text.startswith(asked) else ""
    return lead, end_in(text[at + len(ANSWER) :], tokens)


def end_in(suffix: str, tokens: Iterable[str]) -> str:
    """What follows an answer up to the last token that ends it; nothing when none does.

    >>> end_in("<|im_end|>\\n", {"<|im_start|>", "<|im_end|>"})
    '<|im_end|>'
    >>> end_in("\\n", {"<|im_end|>"})
    ''
    """
    ends = [suffix.rfind(token) + len(token) for token in tokens if token and token in suffix]
    return suffix[: max(ends)] if ends else ""


def _fault(render: Render, template: str | None, asked: str, found: Rendering) -> str:
    """What a template does to an answer with reasoning; empty when it keeps it."""
    try:
        text = render([ASKED, {"role": "assistant", "content": THOUGHT}], template, False)
    except Exception as error:  # templates raise what they like
        return f"answers with reasoning are refused ({error}): they are kept verbatim"
    if REASONING not in text:
        return "reasoning is dropped from the answer: it is kept"
    if text.startswith(asked + found.said(THOUGHT)):
        return ""
    if THOUGHT in text or (found.prefill and THOUGHT.removeprefix(OPEN) in text):
        return "the generation prompt is not what stands before an answer: it is put there"
    return "reasoning is wrapped anew: it is kept verbatim"


def training_template(of: Rendering) -> str:
    """The Jinja text that renders a prompt as the student's own template does, and a last turn of
    the assistant verbatim after it, in a `{% generation %}` block.
    """
    lead, plain, end = (json.dumps(s, ensure_ascii=False) for s in (of.lead, of.plain, of.end))
    tags = f"{OPEN!r} in curate_said or {CLOSE!r} in curate_said"
    said = "curate_said"
    if of.prefill:
        rest = f"curate_said.lstrip()[{len(OPEN)}:]"
        rest += ".lstrip('\\n')" if of.prefill.endswith("\n") else ""
        said = f"({rest} if curate_said.lstrip().startswith({OPEN!r}) else curate_said)"
    is_prompt = "add_generation_prompt or not messages or messages[-1]['role'] != 'assistant'"
    parts = [
        f"{{%- set curate_said = none if {is_prompt} else messages[-1]['content'] -%}}",
        "{%- set messages = messages if curate_said is none else messages[:-1] -%}",
        _FOLD if of.folds_system else "",
        "{%- set add_generation_prompt = curate_said is not none or add_generation_prompt %}\n",
        of.own.removesuffix("\n"),
        "{{ '' }}{%- if curate_said is not none -%}{%- generation -%}",
        f"{{{{- ({lead} + {said} if {tags} else {plain} + curate_said) + {end} -}}}}",
        "{%- endgeneration -%}{%- endif -%}",
    ]
    return "".join(parts)


_FOLD = (
    "{%- if messages and messages[0]['role'] == 'system' -%}"
    "{%- set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n'"
    " + messages[1]['content']}] + messages[2:] -%}{%- endif -%}"
)


def loses_system(render: Render, template: str | None) -> bool:
    """True for a template that raises at a system turn or leaves its text out."""
    try:
        return SYSTEM not in render([{"role": "system", "content": SYSTEM}, ASKED], template, True)
    except Exception:  # templates raise what they like
        return True
