"""Templates: what is sent to a model, kept as a Markdown file with its few-shots.

    Text up here is for readers of the file; it is never sent.

    <!-- system -->
    You think first, then answer.
    <!-- user -->
    What is 3 + 4?
    <!-- assistant -->
    <think>
    3 + 4 = 7.
    </think>
    The answer is \\boxed{7}.
    <!-- user -->
    {{problem}}

A marker stands on a line of its own. The last turn is the user's and holds `{{problem}}`; turns
before it are shots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from curate.errors import SampleError, UsageError
from curate.sample import Sample, Turn

ROLES = ("system", "user", "assistant")
MARKER = re.compile(r"<!--[ \t]*([\w-]+)[ \t]*-->[ \t]*")
# One letter between double braces is LaTeX, as in \mathbf{{x}}; two or more are meant as a field.
FIELD = re.compile(r"\{\{([a-z_]{2,})\}\}")

LANGUAGES = {
    **{"ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German"},
    **{"el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish"},
    **{"fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian"},
    **{"it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian"},
    **{"pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish"},
    **{"th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese"},
}


def language_name(sample: Sample) -> str:
    """The English name of a sample's language; an unlisted code stands for itself."""
    if sample.language is None:
        return "the language of the question"
    return LANGUAGES.get(sample.language, sample.language)


FIELDS: dict[str, Callable[[Sample], str | None]] = {
    "problem": lambda sample: sample.problem,
    "answer": lambda sample: sample.answer,
    "completion": lambda sample: sample.text or None,
    "reasoning": lambda sample: sample.reasoning,
    "response": lambda sample: sample.response or None,
    "final_answer": lambda sample: sample.final_answer,
    "language": language_name,
}


@dataclass(frozen=True)
class Template:
    """Turns with `{{field}}`s; without arguments the plain one, which sends the problem as it is.

    >>> Template().render(Sample(prompt_id="p", problem="What is {{x}}?"))
    ({'role': 'user', 'content': 'What is {{x}}?'},)
    """

    turns: tuple[tuple[str, str], ...] = (("user", "{{problem}}"),)
    """(role, content) each; a Turn is a dict and could not stand in a frozen value."""
    name: str = "no template"

    def render(self, sample: Sample, system: str | None = None) -> tuple[Turn, ...]:
        """The turns to send; `system` goes before the system turn of conversation or template.

        A prompt that is a conversation keeps its earlier turns, after the shots. Raises SampleError
        when a field that the template asks for is not there (`{{answer}}` without gold answer,
        `{{completion}}` before generation).
        """
        turns = [Turn(role=r, content=self._fill(text, sample)) for r, text in self.turns]
        # Of a sample, `prompt` is what was sent to get it, shots included; only a prompt's own
        # turns are history.
        history = list(sample.prompt[:-1]) if sample.is_prompt else []
        candidates = [turn["content"] for turn in history + turns if turn["role"] == "system"]
        spoken = [turn for turn in [*turns[:-1], *history, turns[-1]] if turn["role"] != "system"]
        first = system if system is not None else next(iter(candidates), None)
        return ((Turn(role="system", content=first),) if first else ()) + tuple(spoken)

    def _fill(self, text: str, sample: Sample) -> str:
        def value(match: re.Match[str]) -> str:
            found = FIELDS[match[1]](sample)
            if found is None:
                raise SampleError(f"{self.name} asks for {match[0]}, which this sample lacks")
            return found

        # One pass: what is put in is never searched again.
        return FIELD.sub(value, text)


def load_template(path: str | Path, fields: Mapping[str, str] | None = None) -> Template:
    """Reads a template; UsageError with FILE:LINE for what is wrong with it.

    `fields` are further `{{field}}`s, which say the same to every sample.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the template {path}: {error}") from None
    turns: list[tuple[str, list[str], int]] = []
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if marker := MARKER.fullmatch(line):
            turns.append((_role(marker[1], where), [], number))
        elif turns:
            line = fill(line, fields or {})
            _check_fields(line, where)
            turns[-1][1].append(line)
    _check_order([(role, f"{path}:{number}") for role, _, number in turns], str(path))
    texts = tuple((role, "\n".join(text).strip()) for role, text, _ in turns)
    for (role, text), (_, _, number) in zip(texts, turns, strict=True):
        if not text:
            raise UsageError(f"{path}:{number}: the {role} turn is empty")
    if "{{problem}}" not in texts[-1][1]:
        raise UsageError(f"{path}:{turns[-1][2]}: the last user turn must hold {{{{problem}}}}")
    return Template(texts, path.name)


def fill(text: str, fields: Mapping[str, str]) -> str:
    """The text with these fields filled; others stay as they are.

    >>> fill("{{name}} asks: {{problem}}", {"name": "Ada"})
    'Ada asks: {{problem}}'
    """
    return FIELD.sub(lambda match: fields.get(match[1], match[0]), text)


def _role(word: str, where: str) -> str:
    if word in ROLES:
        return word
    raise UsageError(
        f"{where}: unknown marker <!-- {word} -->{_nearest(word, ROLES)}; "
        f"there are {', '.join(f'<!-- {role} -->' for role in ROLES)}"
    )


def _check_fields(line: str, where: str) -> None:
    for match in FIELD.finditer(line):
        if match[1] not in FIELDS:
            raise UsageError(
                f"{where}: unknown field {match[0]}{_nearest(match[1], FIELDS)}; there are "
                f"{', '.join(FIELDS)} (in LaTeX put a space between the braces)"
            )


def _check_order(turns: list[tuple[str, str]], path: str) -> None:
    """A system turn at most at the start, then user and assistant in turn, a user turn last."""
    if not any(role == "user" for role, _ in turns):
        raise UsageError(
            f"{path}: there is no user turn; mark one with <!-- user --> on its own line"
        )
    before = None
    for role, where in turns:
        allowed = {None: ("system", "user"), "user": ("assistant",)}.get(before, ("user",))
        if role not in allowed:
            stand = f"after a {before} turn" if before else "first"
            raise UsageError(
                f"{where}: a {role} turn cannot stand {stand}; here comes {' or '.join(allowed)}"
            )
        before = role
    if before != "user":
        raise UsageError(f"{turns[-1][1]}: the last turn must be the user's, with {{{{problem}}}}")


def _nearest(word: str, known: object) -> str:
    close = get_close_matches(word, list(known), 1)  # type: ignore[call-overload]
    return f"; did you mean {close[0]}?" if close else ""
