"""The 25 instructions of IFEval (Zhou et al. 2023, arXiv 2311.07911, table 1) that code can check.

    RULES["keywords:frequency"]("No war, no War.", {"keyword": "war", "relation": "at least",
                                                    "frequency": 2})          # True

Each rule takes a response and the instruction's arguments. An argument that is missing is a
KeyError, so that the scorer can say which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from curate.scorers import instructions_text as count

Rule = Callable[[str, Mapping[str, Any]], bool]


FEW_LETTERS = 10
"""Below that no language is asked of a text in capitals or small letters; see `Language`."""


class UnknownRelationError(ValueError):
    """A relation other than "at least" and "less than"."""


def _related(number: int, arguments: Mapping[str, Any], relation: str, wanted: str) -> bool:
    if arguments[relation] == "at least":
        return number >= arguments[wanted]
    if arguments[relation] == "less than":
        return number < arguments[wanted]
    raise UnknownRelationError(f"relation '{arguments[relation]}'")


def _has(keyword: str, text: str) -> int:
    """How often a keyword stands in a text, in any case, also inside of a word."""
    return len(re.findall(re.escape(keyword), text, re.IGNORECASE))


def _existence(text: str, arguments: Mapping[str, Any]) -> bool:
    return all(_has(keyword, text) for keyword in arguments["keywords"])


def _frequency(text: str, arguments: Mapping[str, Any]) -> bool:
    return _related(_has(arguments["keyword"], text), arguments, "relation", "frequency")


def _forbidden(text: str, arguments: Mapping[str, Any]) -> bool:
    words = (rf"(?<!\w){re.escape(word)}(?!\w)" for word in arguments["forbidden_words"])
    return not any(re.search(word, text, re.IGNORECASE) for word in words)


def _letters(text: str, arguments: Mapping[str, Any]) -> bool:
    number = text.lower().count(arguments["letter"].lower())
    return _related(number, arguments, "let_relation", "let_frequency")


def _parts(text: str, mark: str) -> list[str] | None:
    """The parts between marks; None when one inside is empty."""
    parts = [part.strip() for part in text.split(mark)]
    parts = parts[not parts[0] : len(parts) - (len(parts) > 1 and not parts[-1])]
    return parts if all(parts) else None


def _paragraphs(text: str, arguments: Mapping[str, Any]) -> bool:
    parts = _parts(text, "***")
    return parts is not None and len(parts) == arguments["num_paragraphs"]


def _first_word(text: str, arguments: Mapping[str, Any]) -> bool:
    paragraphs = text.split("\n\n")
    nth = arguments["nth_paragraph"]
    if sum(bool(p.strip()) for p in paragraphs) != arguments["num_paragraphs"]:
        return False
    said = paragraphs[nth - 1].split() if nth <= len(paragraphs) else []
    first = re.match(r"[^.,?!'\"]*", said[0].lstrip("'\"")) if said else None
    return first is not None and first.group().lower() == arguments["first_word"].lower()


def _placeholders(text: str, arguments: Mapping[str, Any]) -> bool:
    return len(re.findall(r"\[[^\[\]\n]*\]", text)) >= arguments["num_placeholders"]


def _postscript(text: str, arguments: Mapping[str, Any]) -> bool:
    marker = arguments["postscript_marker"].strip()
    letters = [re.escape(letter) for letter in marker.rstrip(".").split(".")]
    pattern = r"\.\s?".join(letters) if re.fullmatch(r"(?:P\.)+S\.?", marker) else re.escape(marker)
    pattern += r"\." if marker.endswith("S.") else ""
    return bool(re.search(pattern, text, re.IGNORECASE))


def _bullets(text: str, arguments: Mapping[str, Any]) -> bool:
    number = sum(bool(re.match(r"\s*(?:\*[^*]|-)", f"{line}\n")) for line in text.split("\n"))
    return number == arguments["num_bullets"]


def _constrained(text: str, arguments: Mapping[str, Any]) -> bool:
    return any(f"My answer is {said}." in text for said in ("yes", "no", "maybe"))


def _highlights(text: str, arguments: Mapping[str, Any]) -> bool:
    spans = re.findall(r"\*\*([^\n*]*)\*\*", text) + re.findall(r"\*([^\n*]*)\*", text)
    return sum(bool(span.strip()) for span in spans) >= arguments["num_highlights"]


def _sections(text: str, arguments: Mapping[str, Any]) -> bool:
    mark = re.escape(arguments["section_spliter"].strip())
    return len(re.findall(rf"{mark}\s?\d+", text)) >= arguments["num_sections"]


def _json(text: str, arguments: Mapping[str, Any]) -> bool:
    bare = re.sub(r"^```(?:json)?", "", text.strip(), flags=re.IGNORECASE)
    try:
        json.loads(bare.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str, arguments: Mapping[str, Any]) -> bool:
    for line in text.split("\n"):
        start = line.find("<<")
        end = line.rfind(">>", start + 2) if start >= 0 else -1
        if end >= 0 and line[start:end].strip("<> \t"):
            return True
    return False


def _two_responses(text: str, arguments: Mapping[str, Any]) -> bool:
    parts = _parts(text, "******")
    return parts is not None and len(parts) == 2 and parts[0] != parts[1]


def _repeats(text: str, arguments: Mapping[str, Any]) -> bool:
    return text.strip().lower().startswith(arguments["prompt_to_repeat"].strip().lower())


def _ends(text: str, arguments: Mapping[str, Any]) -> bool:
    return text.strip().strip('"').lower().endswith(arguments["end_phrase"].strip().lower())


def _quoted(text: str, arguments: Mapping[str, Any]) -> bool:
    return len(text.strip()) > 1 and text.strip()[0] == '"' == text.strip()[-1]


def _capital_words(text: str, arguments: Mapping[str, Any]) -> bool:
    return _related(count.capitals(text), arguments, "capital_relation", "capital_frequency")


def _words(text: str, arguments: Mapping[str, Any]) -> bool:
    return _related(count.words(text), arguments, "relation", "num_words")


def _sentences(text: str, arguments: Mapping[str, Any]) -> bool:
    return _related(count.sentences(text), arguments, "relation", "num_sentences")


def _language(text: str, arguments: Mapping[str, Any]) -> bool:
    return count.is_in(text, arguments["language"])


def _uppercase(text: str, arguments: Mapping[str, Any]) -> bool:
    return text.isupper() and count.is_in(text.lower(), "en", unless_shorter=FEW_LETTERS)


def _lowercase(text: str, arguments: Mapping[str, Any]) -> bool:
    return text.islower() and count.is_in(text, "en", unless_shorter=FEW_LETTERS)


RULES: dict[str, Rule] = {
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": _uppercase,
    "change_case:english_lowercase": _lowercase,
    "combination:repeat_prompt": _repeats,
    "combination:two_responses": _two_responses,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:constrained_response": _constrained,
    "detectable_format:json_format": _json,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:title": _title,
    "keywords:existence": _existence,
    "keywords:forbidden_words": _forbidden,
    "keywords:frequency": _frequency,
    "keywords:letter_frequency": _letters,
    "language:response_language": _language,
    "length_constraints:nth_paragraph_first_word": _first_word,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_sentences": _sentences,
    "length_constraints:number_words": _words,
    "punctuation:no_comma": lambda text, arguments: "," not in text,
    "startend:end_checker": _ends,
    "startend:quotation": _quoted,
}
