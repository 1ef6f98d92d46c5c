"""Chat templates that behave like those of model families, in short, and tokenizers for them.

What each does to an answer is what the family's own template does; their text is ours.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.vllm.tiny_model import write_tiny_model

CHATML = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
CHATML_ASKS = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TAIL = "m.content.split('</think>')[-1].lstrip('\\n')"
HEAD = "m.content.split('</think>')[0].split('<think>')[-1].strip('\\n')"
ASKS, SAYS = "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"
ENDS = "<\uff5cend\u2581of\u2581sentence\uff5c>"
HEADER = "<|start_header_id|>{role}<|end_header_id|>\n\n"
CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class Family:
    """A template, the special tokens that it writes, and what there is to find in it."""

    template: str
    tokens: tuple[str, ...]
    eos: str
    prefill: str = ""
    is_kept: bool = False
    """The student's own template will do."""
    finding: str = ""
    ends: str = ""
    """What ends an answer, where it is not eos."""

    @property
    def end(self) -> str:
        return self.ends or self.eos


FAMILIES = {
    "drops the reasoning, opens the tag (DeepSeek-R1-Distill)": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
        f"{{% elif m.role == 'user' %}}{ASKS}{{{{ m.content }}}}{{% else %}}{SAYS}"
        f"{{{{ m.content.split('</think>')[-1] }}}}{ENDS}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{SAYS}<think>\n{{% endif %}}",
        (ASKS, SAYS, ENDS),
        ENDS,
        prefill="<think>\n",
        finding="dropped",
    ),
    "wraps the reasoning anew (Qwen3)": Family(
        "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}"
        f"<|im_start|>assistant\n<think>\n{{{{ {HEAD} if '</think>' in m.content else '' }}}}\n"
        f"</think>\n\n{{{{ {TAIL} }}}}<|im_end|>\n{{% elif m.role == 'assistant' %}}"
        f"<|im_start|>assistant\n{{{{ {TAIL} }}}}<|im_end|>\n{{% else %}}{CHATML}{{% endif %}}"
        f"{{% endfor %}}{CHATML_ASKS}",
        CHATML_TOKENS,
        "<|im_end|>",
        finding="wrapped anew",
    ),
    "opens the tag, drops it of earlier turns (QwQ)": Family(
        f"{{% for m in messages %}}{{% if m.role == 'assistant' and not loop.last %}}"
        f"<|im_start|>assistant\n{{{{ {TAIL} }}}}<|im_end|>\n{{% else %}}{CHATML}{{% endif %}}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}",
        CHATML_TOKENS,
        "<|im_end|>",
        prefill="<think>\n",
        finding="opens",
    ),
    "closes the tag unless told (SmolLM3 without thinking)": Family(
        f"{{% for m in messages %}}{CHATML}{{% endfor %}}{{% if add_generation_prompt %}}"
        "<|im_start|>assistant\n{% if not enable_thinking %}<think>\n\n</think>\n{% endif %}"
        "{% endif %}",
        CHATML_TOKENS,
        "<|im_end|>",
        finding="enable_thinking",
    ),
    "forgets the end (GLM-4.5)": Family(
        "[gMASK]<sop>{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>\n<think>"
        f"{{{{ {HEAD} if '</think>' in m.content else '' }}}}</think>\n{{{{ {TAIL} }}}}"
        "{% else %}<|{{ m.role }}|>\n{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ("[gMASK]", "<sop>", "<|assistant|>", "<|user|>", "<|system|>", "<|endoftext|>"),
        "<|endoftext|>",
        finding="no token ends",
    ),
    "has channels (gpt-oss)": Family(
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
        "{{ '<|return|>' if loop.last else '<|end|>' }}"
        "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>"),
        "<|return|>",
        is_kept=True,
    ),
    "trims (Llama-3)": Family(
        f"{{{{ bos_token }}}}{{% for m in messages %}}{HEADER.format(role='{{ m.role }}')}"
        "{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
        f"{HEADER.format(role='assistant')}{{% endif %}}",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
        is_kept=True,
    ),
    "ends turns and texts apart (Phi)": Family(
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
        "<|endoftext|>",
        is_kept=True,
        ends="<|end|>\n<|endoftext|>",
    ),
    "refuses system turns (Gemma)": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}<start_of_turn>"
        "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
        "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        finding="system turns",
    ),
    "refuses two turns of one role (Mistral)": Family(
        "{{ bos_token }}{% for m in messages %}"
        "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
        "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}"
        " {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
        ("[INST]", "[/INST]"),
        "</s>",
        finding="system turns",
    ),
}


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def row(name: str, prompt: Sequence[Mapping[str, str]], said: str, **more: Any) -> dict[str, Any]:
    """A row of samples."""
    more = {"domain": "math", **more}
    return {"id": name, "prompt": list(prompt), "completion": [turn("assistant", said)], **more}


ASKED = turn("user", "What is 3 + 4, then?")
ROWS = [
    row("short", [ASKED], "<think>three and four</think>It is 7."),
    row("spaced", [ASKED], "<think>\nthree and 四\n</think>\n\nIt is \\boxed{7}."),
    row("plain", [turn("user", "Greet me.")], "Good morning.", domain="general"),
    row(
        "later",
        [turn("user", "Hi"), turn("assistant", "<think>a guest</think>Hello."), ASKED],
        "<think>they ask: 3 + 4</think>Seven.",
    ),
]
WITH_SYSTEM = row(
    "told", [turn("system", "Be brief."), ASKED], "<think>three and four</think>7", domain="told"
)


def tokenizer_for(family: Family, folder: Path) -> Any:
    """A byte-level tokenizer with the family's special tokens and template."""
    transformers: Any = importlib.import_module("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(write_tiny_model(folder))
    tokenizer.add_tokens(sorted({*family.tokens, family.eos}), special_tokens=True)
    tokenizer.eos_token = family.eos
    tokenizer.chat_template = family.template
    return tokenizer
