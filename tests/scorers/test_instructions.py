"""Each of IFEval's 25 instructions, followed and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sample import Sample, Verdict
from curate.scorers import Instructions
from curate.scorers.instructions_rules import RULES
from curate.scorers.instructions_text import capitals, sentences, words

SHARED = Path(__file__).parents[2] / "../shared"


def judged(
    response: str,
    kinds: Any,
    arguments: Any = None,
    mode: Literal["strict", "loose"] = "strict",
    score: Literal["all", "share"] = "all",
) -> Verdict:
    check = json.dumps({"instruction_id_list": kinds, "kwargs": arguments})
    prompt = Sample("p", "Do it.", check=check)
    return Instructions(mode=mode, score=score).judge(prompt.with_completion(response))


AT_LEAST, LESS = {"relation": "at least"}, {"relation": "less than"}
TWO = {"num_paragraphs": 2}
ENGLISH = "the cat sat on the mat and it was happy there"
# kind, arguments, responses that follow it, responses that break it
TABLE: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("change_case:capital_word_frequency", {"capital_relation": "at least", "capital_frequency": 2},
     ["NASA and ESA", "A B"], ["NASA and Esa", ""]),
    ("change_case:capital_word_frequency",
     {"capital_relation": "less than", "capital_frequency": 2}, ["NASA", "no"], ["A B C"]),
    ("change_case:english_capital", {}, [ENGLISH.upper()],
     [ENGLISH, "DIE KATZE SASS AUF DER MATTE UND FREUTE SICH"]),
    ("change_case:english_lowercase", {}, [ENGLISH, ENGLISH + "!"],
     [ENGLISH + " I", "die katze sass auf der matte und freute sich sehr"]),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."},
     ["Write a poem.\nRoses", "write a POEM. Yes"], ["Sure! Write a poem.", "Roses"]),
    ("combination:two_responses", {}, ["one\n******\ntwo", "******\none******two"],
     ["one", "one******one", "one******two******three", "one\n***\ntwo"]),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[a] [b]", "[a][b] [c]"],
     ["[a]", "a b", "[a\nb] [c]"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["Yes.\nP.S. No", "x p. s. y"],
     ["Yes", "PS No"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"},
     ["Yes.\nP.P.S No", "P.P.S. y"],
     ["P.S. No", "PPS"]),
    ("detectable_format:constrained_response", {}, ["My answer is yes.", "So: My answer is maybe."],
     ["My answer is yes", "yes", "my answer is no."]),
    ("detectable_format:json_format", {}, ['{"a": 1}', "```json\n[1, 2]\n```", "```\n{}\n```"],
     ["{'a': 1}", "a", "", 'Here: {"a": 1}']),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2},
     ["SECTION 1\na\nSECTION 2\nb"], ["SECTION 1", "Section 1\nSection 2", "SECTION\nSECTION"]),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ["* a\n* b", "- a\ntext\n  - b"],
     ["* a", "* a\n* b\n- c", "1. a\n2. b", "**a**\n**b**"]),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2},
     ["*a* and *b*", "**a** *b*"], ["*a*", "a b", "** **"]),
    ("detectable_format:title", {}, ["<<A title>>\ntext"], ["<A title>", "<<\ntitle>>", "<<>>"]),
    ("keywords:existence", {"keywords": ["cat", "dog"]}, ["Cats and DOGS"], ["cats", ""]),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, ["a category", "dog"], ["The Cat."]),
    ("keywords:frequency", AT_LEAST | {"keyword": "war", "frequency": 2}, ["War, war"], ["war"]),
    ("keywords:frequency", LESS | {"keyword": "war", "frequency": 2}, ["war"], ["war warfare"]),
    ("keywords:letter_frequency", {"let_relation": "at least", "letter": "Q", "let_frequency": 2},
     ["Qq", "q and q"], ["q"]),
    ("keywords:letter_frequency", {"let_relation": "less than", "letter": "#", "let_frequency": 1},
     ["a"], ["#"]),
    ("language:response_language", {"language": "de"}, ["Die Katze sitzt auf der Matte."],
     ["The cat sits on the mat.", "猫坐在垫子上因为它很高兴", "12 + 3", "```\nx = 1\n```"]),
    ("language:response_language", {"language": "kn"}, ["ನಾನು ಕನ್ನಡದಲ್ಲಿ ಬರೆಯುತ್ತೇನೆ"], [ENGLISH]),
    ("length_constraints:nth_paragraph_first_word",
     {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Yes"},
     ["No.\n\nyes, it is", 'No.\n\n"Yes!" she said'], ["Yes.\n\nNo.", "Yes", "a\n\nYesterday"]),
    ("length_constraints:number_paragraphs", TWO, ["one\n***\ntwo", "one *** two ***"],
     ["one\n\ntwo", "one *** two *** three", "one *** *** two"]),
    ("length_constraints:number_sentences", AT_LEAST | {"num_sentences": 2},
     ["One. Two!"], ["One."]),
    ("length_constraints:number_sentences", LESS | {"num_sentences": 2}, ["Dr. No"], ["One. Two!"]),
    ("length_constraints:number_words", AT_LEAST | {"num_words": 3},
     ["one two three"], ["one two"]),
    ("length_constraints:number_words", LESS | {"num_words": 3}, ["one two"], ["one two three"]),
    ("punctuation:no_comma", {}, ["a; b"], ["a, b"]),
    ("startend:end_checker", {"end_phrase": "The End."},
     ["It is the end.", '"The End."', "The End. "], ["The End. Yes", "End"]),
    ("startend:quotation", {}, ['"Yes."', ' "a"\n'], ["Yes.", '"Yes', '"']),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "arguments", "follow", "broken"), TABLE)
def test_each_kind(
    kind: str, arguments: dict[str, Any], follow: list[str], broken: list[str]
) -> None:
    for response in follow:
        assert judged(response, [kind], [arguments]) == Verdict(1.0, "follows 1 of 1"), response
        padded: dict[str, Any] = dict.fromkeys(("num_words", "language", "letter"))
        assert judged(response, [kind], [padded | arguments]).score == 1.0
    for response in broken:
        said = Verdict(0.0, f"follows 0 of 1, breaks {kind}")
        assert judged(response, [kind], [arguments]) == said, response


def test_every_kind_has_a_row() -> None:
    assert {row[0] for row in TABLE} == set(RULES)
    assert len(RULES) == 25


def test_several_instructions_all_or_a_share() -> None:
    kinds, arguments = ["punctuation:no_comma", "startend:quotation"], [{}, {}]
    assert judged('"a"', kinds, arguments).score == 1.0
    said = Verdict(0.0, "follows 1 of 2, breaks startend:quotation")
    assert judged("a", kinds, arguments) == said
    assert judged("a", kinds, arguments, score="share").score == 0.5
    assert judged("a, b", kinds, arguments, score="share").score == 0.0
    assert judged('"a"', json.dumps(kinds), json.dumps(arguments)).score == 1.0
    assert judged('"a"', kinds).score == 1.0


@pytest.mark.parametrize(
    "response", ['Sure:\n"a"', '"a"\nHope it helps!', 'Sure:\n"a"\nBye', '**"a"**', '"a"']
)
def test_loose_leaves_out_the_first_and_the_last_line_and_asterisks(response: str) -> None:
    strict = judged(response, ["startend:quotation"], [{}])
    assert strict.score == float(response == '"a"')
    assert judged(response, ["startend:quotation"], [{}], "loose").score == 1.0
    assert judged("a\nb\nc", ["startend:quotation"], [{}], "loose").score == 0.0


def test_the_reasoning_is_not_judged_and_nothing_follows_no_instruction() -> None:
    assert judged("<think>a, b</think>a b", ["punctuation:no_comma"], [{}]).score == 1.0
    assert judged("<think>a b", ["punctuation:no_comma"], [{}]).score == 0.0
    assert judged("", ["punctuation:no_comma"], [{}], "loose").score == 0.0


@pytest.mark.parametrize(
    ("kinds", "arguments", "reason"),
    [
        (None, None, "the prompt has no instruction_id_list"),
        ([], [], "the prompt has no instruction_id_list"),
        (["new:kind"], [{}], "no rule for the instruction new:kind"),
        (
            ["punctuation:no_comma"],
            [{}, {}],
            "1 instructions, but kwargs are not a list of as many",
        ),
        (["keywords:existence"], [{}], "an instruction has no argument 'keywords'"),
        (["keywords:existence"], [{"keywords": None}], "an instruction has no argument 'keywords'"),
        (
            ["length_constraints:number_words"],
            [{"relation": "about", "num_words": 3}],
            "an instruction's arguments are not readable: relation 'about'",
        ),
    ],
)
def test_what_cannot_be_judged(kinds: Any, arguments: Any, reason: str) -> None:
    assert judged("Yes.", kinds, arguments) == Verdict(None, reason)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data")
def test_every_prompt_of_ifeval_can_be_judged() -> None:
    file = SHARED / "data/ifeval.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        kinds, arguments = row["instruction_id_list"], row["kwargs"]
        assert judged("Some words.", kinds, arguments).is_judged
        assert judged(row["problem"], kinds, arguments, "loose", "share").is_judged
    assert len(rows) == 541


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("One", 1),
        ("One. Two? Three!", 3),
        ("Mr. Smith met Dr. No at 3.5 p.m. today. He left.", 2),
        ("See e.g. the U.S. law, i.e. that one.", 1),
        ("1. First item.\n2. Second item.", 2),
        ("It is 42. Then 43.", 2),
        ('"Really?" she said. "Yes."', 2),
        ("Wait... what?!", 2),
        ("これは文です。次の文です。", 2),
        ("यह एक वाक्य है। यह दूसरा है।", 2),
        ("no end. and more", 2),
    ],
)
def test_sentences(text: str, number: int) -> None:
    assert sentences(text) == number


PLAIN = st.lists(st.sampled_from(["cat", "dog", "runs", "fast"]), min_size=1, max_size=8)


@given(st.lists(PLAIN, max_size=8), st.sampled_from([". ", "! ", "? ", ".\n", "?! "]))
def test_as_many_sentences_and_words_as_were_put_together(parts: list[list[str]], end: str) -> None:
    text = "".join(" ".join(part).capitalize() + end for part in parts)
    assert (sentences(text), words(text)) == (len(parts), sum(map(len, parts)))
    assert capitals(text.upper()) == words(text)
    assert capitals(text) == 0


def test_stops_without_words_are_no_sentences() -> None:
    assert sentences(". " * 100_000) == 0
