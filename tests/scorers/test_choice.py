"""Options chosen in every style and in many languages; and what is no choice."""

# ruff: noqa: RUF001 - letters of many scripts look alike

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sample import Sample
from curate.scorers import Choice

CASES = Path(__file__).parents[2] / "../shared/cases"
CITIES: dict[str, Any] = {"options": ["Rome", "Paris", "London", "New York"]}
LISTED = "Which is the capital of France?\n(A) Rome\n(B) Paris\n(C) London\n(D) New York"


def judged(answer: str, gold: str, problem: str = "Which?", **checks: Any) -> float | None:
    prompt = Sample("p", problem, gold, check=json.dumps(checks) if checks else None)
    return Choice().judge(prompt.with_completion(answer)).score


def given_cases() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in ("lighteval-choice-letters", "lighteval-multilingual"):
        if (file := CASES / f"{name}.jsonl").exists():
            rows += map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row.get("match_type", "choice") == "choice"]


@pytest.mark.skipif(not CASES.exists(), reason="needs the shared cases")
def test_the_given_cases() -> None:
    rows = given_cases()
    wrong = [r["id"] for r in rows if judged(r["pred"], r["gold"]) != float(r["equal"])]
    assert (len(rows), wrong) == (15, [])


STYLES = [
    *(
        "{}",
        "({})",
        "{}.",
        "{})",
        "**{}**",
        "[{}]",
        "[[{}]]",
        "Option {}",
        "{}: Paris",
        "{}) Paris",
    ),
    *("Answer: {}", "**Answer:** {}", "**Answer: {}**", "Answer:\n{}", "ANSWER: {}", "#### {}"),
    *(
        "\\boxed{{{}}}",
        "$\\boxed{{\\text{{({})}}}}$",
        "\\boxed{{\\textbf{{{}}}}}",
        "$\\text{{({})}}$",
    ),
    *("<answer>{}</answer>", "<answer>({}) Paris</answer>", "<answer>\\boxed{{{}}}</answer>"),
    *("The answer is {}.", "The answer is '{}'", "The answer is ({}).", "So it must be {}."),
    *("The correct answer is:\n\n({}) Paris", "the correct choice is therefore {}) Paris"),
    *("I would go with {}.", "{} is correct.", "({}) is the right answer.", "We choose option {}."),
    *("Not what one thinks at first: the best answer is {}.", "The answer is no doubt {}."),
    *("Let x = 3. Then f(x) = 5, hence {}.", "{}\n\nExplanation: it is the largest."),
]
LETTERS = st.sampled_from("ABCDEFGH")


@given(style=st.sampled_from(STYLES), said=LETTERS, gold=LETTERS)
def test_a_letter_in_every_style(style: str, said: str, gold: str) -> None:
    assert judged(style.format(said), gold) == float(said == gold)
    assert judged(f"<think>It is {gold}.</think>{style.format(said)}", gold) == float(said == gold)


DENIALS = [
    *("The answer is {0}, not {1}.", "It's not {1} because of that, so I think it's {0}."),
    *(
        "{0}. It can't be {1}",
        "Not {1}: {0}",
        "{1} is wrong. {0} is correct.",
        "{0} rather than {1}",
    ),
    *("The answer isn't {1} but {0}.", "{1} is incorrect, therefore the answer is {0}"),
    *("I eliminate {1}. So {0}.", "The answer is {0} because {1} is false."),
    *("选{0}而不是{1}", "不是{1}，答案是{0}。", "{1}不正确，{0}正确。", "{1} नहीं, {0} सही है"),
    *("答えは{1}ではなく{0}です", "정답은 {1}가 아니라 {0}입니다", "Cevap {1} değil {0}."),
    *("La réponse est {0} et non {1}.", "La respuesta no es {1}, es {0}.", "Ответ не {1}, а {0}."),
    *("উত্তর হলো {0}, {1} নয়।", "సమాధానం {0}, {1} కాదు", "பதில் {0}, {1} அல்ல", "jibu ni {0} sio {1}"),
    *("คำตอบคือ {0} ไม่ใช่ {1}", "đáp án là {0}, không phải {1}", "정답은 {0}, {1}는 아닙니다"),
    *("התשובה היא {0} ולא {1}", "odpowiedź {0}, nie {1}", "jawaban {0} bukan {1}", "{0} non {1}"),
    *("svaret är {0} inte {1}", "απάντηση είναι {0} όχι {1}", "Doğru cevap {0}, {1} değil."),
    *("Die Antwort ist {0}, nicht {1}.", "A resposta é {0}, não {1}.", "الجواب {0} وليس {1}"),
]


@given(pair=st.lists(LETTERS, min_size=2, max_size=2, unique=True), style=st.sampled_from(DENIALS))
def test_a_denied_letter_is_not_chosen(pair: list[str], style: str) -> None:
    assert judged(style.format(*pair), pair[0]) == 1.0
    assert judged(style.format(*pair), pair[1]) == 0.0


LANGUAGES = {
    "French": ("La réponse correcte est {}.", "Réponse : {}", "La bonne réponse est la ({})."),
    "Spanish": ("La respuesta correcta es la {}.", "Respuesta: {}", "La opción {} es correcta."),
    "Portuguese": ("A resposta correta é {}.", "Resposta: {}"),
    "Italian": ("La risposta corretta è {}.", "Risposta: {}"),
    "German": ("Die richtige Antwort ist {}.", "Antwort: {}", "{} ist richtig."),
    "Dutch": ("Het juiste antwoord is {}.",),
    "Swedish": ("Svaret är {}.", "Rätt svar: {}"),
    "Finnish": ("Oikea vastaus on {}.",),
    "Polish": ("Prawidłowa odpowiedź to {}.",),
    "Czech": ("Správná odpověď je {}.",),
    "Hungarian": ("A helyes válasz: {}",),
    "Romanian": ("Răspunsul corect este {}.",),
    "Turkish": ("Doğru cevap {}'dir.", "Cevap: {}", "Doğru yanıt {} şıkkıdır."),
    "Vietnamese": ("Đáp án đúng là {}.", "Đáp án: {}"),
    "Indonesian": ("Jawaban yang benar adalah {}.", "Jawaban: {}"),
    "Swahili": ("Jibu ni {}", "Jibu sahihi ni {}."),
    "Russian": ("Правильный ответ: {}", "Ответ: {}.", "Правильный ответ — {}."),
    "Ukrainian": ("Правильна відповідь: {}",),
    "Greek": ("Η σωστή απάντηση είναι το {}",),
    "Hebrew": ("התשובה הנכונה היא {}",),
    "Arabic": ("الإجابة الصحيحة هي {}", "الجواب: {}", "الإجابة هي ({})"),
    "Persian": ("پاسخ صحیح گزینه {} است",),
    "Hindi": ("सही उत्तर {} है", "उत्तर: ({})"),
    "Bengali": ("সঠিক উত্তর হল {}", "উত্তর: {}"),
    "Telugu": ("సరైన సమాధానం {}", "సమాధానం: {}"),
    "Tamil": ("சரியான விடை {}", "பதில்: {}"),
    "Urdu": ("جواب: {}",),
    "Thai": ("คำตอบคือ {}", "ตอบ {}", "คำตอบที่ถูกต้องคือข้อ {}"),
    "Korean": ("정답은 {}입니다.", "정답: {}", "{}가 정답입니다."),
    "Japanese": ("答えは{}です。", "正解は{}です", "{}が正解です。"),
    "Chinese": (
        "答案：{}",
        "答案是{}。",
        "故选（{}）",
        "选{}",
        "故选：{}。",
        "{}正确",
        "正确答案为 {}",
    ),
}


@pytest.mark.parametrize("style", [style for styles in LANGUAGES.values() for style in styles])
def test_languages(style: str) -> None:
    for said in "ABCD":
        assert judged(style.format(said), "C") == float(said == "C")


NATIVE = {
    "Arabic": ("الإجابة: {}", "أبجد"),
    "Russian": ("Ответ: {}", "АБВГ"),
    "Hindi": ("उत्तर: {}", "कखगघ"),
    "Bengali": ("উত্তর: {}", "কখগঘ"),
    "Thai": ("คำตอบคือ {}", "กขคง"),
    "Korean": ("정답은 {}", "가나다라"),
    "Korean letters": ("정답: {}", "ㄱㄴㄷㄹ"),
    "Japanese": ("答えは{}です", "アイウエ"),
    "Chinese": ("选{}", "甲乙丙丁"),
    "Greek": ("Απάντηση: {}", "ΑΒΓΔ"),
    "Hebrew": ("תשובה: {}", "אבגד"),
    "fullwidth": ("答案：{}", "ＡＢＣＤ"),
    "circled": ("Answer: {}", "ⒶⒷⒸⒹ"),
}


@pytest.mark.parametrize(("style", "letters"), NATIVE.values(), ids=NATIVE.keys())
def test_native_letters(style: str, letters: str) -> None:
    for gold in letters:
        for said in letters:
            assert judged(style.format(said), gold) == float(said == gold)
            assert judged(f"({said})", gold) == float(said == gold)
    assert judged("(C)", letters[2]) == 1.0
    assert judged(letters[2], "C", problem=" ".join(f"{c}) x\n" for c in letters)) == 1.0


SEVERAL = [
    "{}, {}",
    "{} and {}",
    "{}{}",
    "\\boxed{{{}{}}}",
    "The answers are {} and {}.",
    "选{}和{}",
]


@pytest.mark.parametrize("style", [*SEVERAL, "{}. one\n{}. other", "\\boxed{{{}}}, \\boxed{{{}}}"])
@pytest.mark.parametrize("gold", ["AC", "A, C", "A and C", '["A", "C"]', "A;C"])
def test_several_letters(style: str, gold: str) -> None:
    assert judged(style.format("A", "C"), gold) == 1.0
    assert judged(style.format("A", "D"), gold) == 0.0
    assert judged(style.format("A", "C"), "A") == 0.0
    assert judged("A", gold) == 0.0
    assert judged("A is correct. B is wrong. C is correct. D is wrong.", gold) == 1.0
    assert judged("A is wrong. B is correct. C is correct.", gold) == 0.0


@pytest.mark.parametrize(
    "said", ["3", "③", "(3)", "III", "(iii)", "The answer is 3.", "\\boxed{3}"]
)
def test_numbers(said: str) -> None:
    assert judged(said, "3") == judged(said, "III") == judged(said, "③") == 1.0
    assert judged(said, "2") == judged(said, "IV") == 0.0


TEXTS = [
    *("{}", "The answer is {}.", "\\boxed{{\\text{{{}}}}}", "<answer>{}</answer>", "It must be {}"),
    *("The capital of France is {}.", "I think about it.\n\nSo the capital is **{}**."),
]


@pytest.mark.parametrize("style", TEXTS)
def test_the_text_of_an_option_stands_for_its_letter(style: str) -> None:
    said = style.format("Paris")
    assert judged(said, "B", **CITIES) == judged(said, "Paris", **CITIES) == 1.0
    assert judged(said, "B", LISTED) == judged(said, "(B) Paris", LISTED) == 1.0
    assert judged(style.format("New York"), "B", LISTED) == 0.0
    assert judged(style.format("York"), "D", LISTED) == 0.0


SHAPES = {
    "list": ["Rome", "Paris"],
    "labelled": ["A. Rome", "B. Paris"],
    "letters to texts": {"A": "Rome", "B": "Paris"},
    "ARC": {"label": ["A", "B"], "text": ["Rome", "Paris"]},
    "objects": [{"label": "A", "text": "Rome"}, {"label": "B", "text": "Paris"}],
}


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())
def test_the_column_of_options(options: Any) -> None:
    assert judged("Paris", "B", options=options) == 1.0
    assert judged("B", "Paris", choices=options) == 1.0
    assert judged("Rome", "B", options=options) == 0.0


@pytest.mark.parametrize(
    "said",
    [
        *("", "A cat sat on a mat.", "I do not know.", "A or B", "A, B", "It's not B.", "AB"),
        *("The answer is not B.", "B is wrong.", "The answer is A or B", "Is it a good one?"),
        *(
            "<think>It is B.",
            "<answer>A</answer> B",
            "\\boxed{A}\nThe other was B",
            "Vitamin",
            "b2",
        ),
        *(
            "A) Rome B) Paris C) London D) Oslo",
            "(B) Paris\n(C) London\n(D) Oslo",
            "(B) x (C) y (D) z",
        ),
        *("B is not correct, C is.", "A good question. I would say C.", "The answer is 'AB'."),
    ],
)
def test_what_is_no_choice_or_another(said: str) -> None:
    assert judged(said, "B") == 0.0


@pytest.mark.parametrize(
    ("gold", "checks"),
    [
        *[(gold, {}) for gold in ("", "seventeen apples", "A cat", "?", "London is large")],
        *[(gold, CITIES) for gold in ("Berlin", "E", "2", "0")],
    ],
)
def test_gold_that_is_no_option_is_not_judged(gold: str, checks: dict[str, Any]) -> None:
    assert judged("B", gold, **checks) is None
    prompt = Sample("p", "Which?", gold, check=json.dumps(checks))
    assert Choice().gold_problem(prompt)


SIGNS: dict[str, Any] = {"options": ["x < 3", "x > 3", "-5", "5", "1/2", "x^2", "5.5", "5%"]}


@pytest.mark.parametrize("said", range(8))
def test_options_that_differ_in_a_sign(said: int) -> None:
    for gold in range(8):
        for style in ("{}", "The answer is ${}$.", "\\boxed{{{}}}"):
            answer = style.format(SIGNS["options"][said])
            assert judged(answer, "ABCDEFGH"[gold], **SIGNS) == float(said == gold), answer


PLACES = "Which holds?\n1. It is red.\n2. It is blue.\nA. 1 only\nB. 2 only\nC. both\nD. none"


def test_the_list_with_the_labels_of_gold_counts() -> None:
    assert judged("D", "D", "1. It is red.\n2. It is blue.\nWhich letter is it?") == 1.0
    assert judged("The answer is 2 only.", "B", PLACES) == judged("both", "C", PLACES) == 1.0
    assert judged("The answer is 2 only.", "A", PLACES) == 0.0
    assert judged("2", "2", options={"label": ["1", "2"], "text": ["red", "blue"]}) == 1.0
    assert judged("(A) red, e.g. a rose (B) blue", "C", "(A) red, i.e. a\n(B) blue\n(C) no") == 0.0


def test_the_article_is_no_letter_and_the_letter_is() -> None:
    assert judged("A cat has nine lives.", "A") == 0.0
    assert judged("A", "A") == judged("A, because it has.", "A") == judged("It is A.", "A") == 1.0
    assert judged("A resposta é E.", "E") == judged("La risposta è E", "E") == 1.0


def test_cyrillic_letters_that_look_like_latin_ones() -> None:
    assert judged("Ответ: В", "B") == 1.0
    assert judged("Ответ: В", "C", "Что?\nА) один\nБ) два\nВ) три") == 1.0


def test_ten_options() -> None:
    assert judged("The answer is (J).", "J") == judged("\\boxed{I}", "I") == 1.0
    assert judged("\\boxed{I}", "J") == 0.0
