"""Who is a knight and who a knave, said in many ways."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sample import Sample, Verdict
from curate.scorers import KnightsKnaves

SHARED = Path(__file__).parents[2] / "../shared"
GOLD = "(1) Zoey is a knight\n(2) Ethan is a knave\n(3) Grace is a knight"


def judged(answer: str, gold: str | None = GOLD) -> Verdict:
    return KnightsKnaves().judge(Sample("p", "Who?", gold).with_completion(answer))


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared cases")
def test_the_given_cases() -> None:
    file = SHARED / "cases/logic-knights-knaves.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    wrong = [
        row["id"]
        for row in rows
        for answer in (row["answer"], f"<think>Hm.</think><answer>{row['answer']}</answer>")
        if judged(answer, row["gold"]).score != float(row["correct"])
    ]
    assert (len(rows), wrong) == (90, [])


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data")
def test_every_gold_answer_is_right_and_the_solution() -> None:
    with gzip.open(SHARED / "data/knights_knaves.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        said = ", ".join(
            f"{name} is a {'knight' if truthful else 'knave'}"
            for name, truthful in zip(row["names"], row["solution"], strict=True)
        )
        assert judged(row["answer"], row["answer"]).score == judged(said, row["answer"]).score == 1
    assert len(rows) == 1370


RIGHT = [
    "Zoey and Grace are knights, Ethan is a knave.",
    "Zoey and Grace are knights, and the other is a knave.",
    "Ethan is a knave. The others are knights.",
    "Ethan is a knave and everyone else is a knight.",
    "Only Ethan is a knave.",
    "Ethan is the only knave.",
    "The only knave is Ethan.",
    "Everyone except Ethan is a knight.",
    "All of them are knights except for Ethan.",
    "Knights: Zoey, Grace\nKnaves: Ethan",
    "Knights: Zoey, Grace; Knaves: Ethan",
    "Knights: Zoey and Grace. Knave: Ethan.",
    "**Knights:**\n- Zoey\n- Grace\n\n**Knaves:**\n- Ethan",
    "The knights are Zoey and Grace, and the knave is Ethan.",
    "The knights are Zoey and Grace, while Ethan is a knave.",
    "| Name | Role |\n|---|---|\n| Zoey | Knight |\n| Ethan | Knave |\n| Grace | Knight |",
    "| Zoey | Ethan | Grace |\n|---|---|---|\n| knight | knave | knight |",
    "| Zoey | Knight | says Ethan is a knave |\n| Ethan | Knave | lied. |\n| Grace | Knight | |",
    "- **Zoey** - Knight\n- **Ethan** - Knave\n- **Grace** - Knight",
    "Zoey \u2192 Knight\nEthan \u2192 Knave\nGrace \u2192 Knight",
    "Zoey (knight), Ethan (knave), Grace (knight)",
    "zoey is a knight, ethan is a knave, grace is a knight",
    "ZOEY: KNIGHT\nETHAN: KNAVE\nGRACE: KNIGHT",
    "Zoey's role: knight\nEthan's role: knave\nGrace's role: knight",
    "Zoey, Ethan and Grace are knight, knave and knight respectively.",
    "(1) knight\n(2) knave\n(3) knight",
    "Zoey is not a knave, Ethan is not a knight, and Grace is a knight.",
    "Neither Zoey nor Grace is a knave, and Ethan isn't a knight.",
    "Zoey must be a knight; Ethan has to be a knave; Grace is therefore a knight.",
    "Zoey is a truth-teller, Ethan is a liar and Grace is a truth-teller.",
    r"\boxed{\text{Zoey is a knight, Ethan is a knave, Grace is a knight}}",
    '{"Zoey": "knight", "Ethan": "knave", "Grace": "knight"}',
    "<answer>(3) Grace is a knight (1) Zoey is a knight (2) Ethan is a knave</answer>",
    "If Zoey is a knave, Ethan is a knight.\n\nSo Zoey is a knight, Grace too is a knight, and "
    "Ethan is a knave because Grace said so.",
    "Suppose Zoey is a knave. Then Grace is a knave.\n\nThat fails.\n\n"
    "Zoey is a knight.\n\nEthan is a knave.\n\nGrace is a knight.",
    "Ethan is a knave, but Zoey and Grace are knights.",
    "Zoey is a knight but Ethan is a knave and Grace is a knight.",
    "Zoey is a knight and so is every other but Ethan: Ethan is a knave, Grace is a knight.",
    "Zoey the knight, Ethan the knave and Grace the knight.",
    "Zoey is a knight, not a knave. Ethan is not a knight but a knave. Grace cannot be a knave.",
    "Will Zoey pass? By the grace of logic: Zoey is a knight, Ethan a knave, Grace a knight.",
]


@pytest.mark.parametrize("answer", RIGHT)
def test_right_answers_and_the_same_with_a_role_turned(answer: str) -> None:
    assert judged(answer) == Verdict(1.0, "all 3 roles are right")
    assert judged(answer, GOLD.replace("Ethan is a knave", "Ethan is a knight")).score == 0.0
    assert judged(answer, GOLD.replace("Zoey is a knight", "Zoey is a knave")).score == 0.0
    assert judged(f"<think>{answer}").score == 0.0


WRONG = {
    "no answer": ("", "nothing is said of Zoey"),
    "someone is left out": ("Zoey is a knight, Ethan is a knave.", "nothing is said of Grace"),
    "a group without the others": ("Zoey and Grace are knights.", "nothing is said of Ethan"),
    "both": (GOLD + "\n(4) Grace is a knave", "Grace is called both"),
    "everyone": ("All are knights.", "Ethan is called a knight"),
    "nobody": ("None of them is a knight.", "Zoey is called a knave"),
    "either": ("Zoey is a knight or a knave.", "nothing is said of Zoey"),
    "asked": ("Is Zoey a knight? Is Ethan a knave? Is Grace a knight?", "nothing is said of Zoey"),
    "others": ("Bob is a knight and Ann is a knave.", "nothing is said of Zoey"),
    "turned": ("(1) knight\n(2) knight\n(3) knave", "Ethan is called a knight"),
    "marked": (f"{GOLD}\n<answer>Zoey is a knave</answer>", "Zoey is called a knave"),
}


@pytest.mark.parametrize(("answer", "reason"), WRONG.values(), ids=WRONG.keys())
def test_wrong_answers(answer: str, reason: str) -> None:
    assert judged(answer) == Verdict(0.0, reason)


@pytest.mark.parametrize("gold", [None, "", "7", "No valid solution exists.", "Zoey is a spy."])
def test_gold_without_roles_is_not_judged(gold: str | None) -> None:
    assert judged("Zoey is a knight.", gold).score is None
    assert KnightsKnaves().gold_problem(Sample("p", "Who?", gold))


@pytest.mark.parametrize("pair", ["pioneer laggard", "hero villain", "angel devil", "sage fool"])
def test_other_names_of_the_roles(pair: str) -> None:
    true, false = pair.split()
    gold = f"Zoey is a {true}, Ethan is an {false}, and Grace is a {true}."
    plural = f"{true}es" if true.endswith("o") else f"{true}s"
    assert judged(f"Zoey and Grace are {plural}, Ethan is a {false}.", gold).score == 1.0
    assert judged(f"Zoey is a {false}, Ethan is a {false}, Grace a {true}.", gold).score == 0.0


NAMES = ["Zoey", "Ethan", "Grace", "Will", "Mia", "Noah"]


def listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def groups(roles: dict[str, bool], style: str) -> str:
    """Both groups by a style such as "{names} are {role}s", those that are empty left out."""
    parts = [
        re.sub(r"#(\w+)\|(\w+)#", r"\1" if len(names) == 1 else r"\2", style).format(
            names=listed(names), role=role, Role=role.capitalize()
        )
        for role, wanted in (("knight", True), ("knave", False))
        if (names := [name for name, truthful in roles.items() if truthful == wanted])
    ]
    return "\n".join(parts)


GROUPS = [
    *("{names} #is|are# {role}s.", "{Role}s: {names}", "The {role}s are {names}."),
    *("{names} #is a|are# {role}s", "{Role}: {names};"),
]
LINES = [
    *("{name} is a {role}.", "({n}) {name} is a {role}", "{n}. **{name}**: {role}"),
    *("| {name} | {role} |", "- {name} - {role}", "{name} = {role}", "* {name} must be a {role}"),
    *("{name} isn't a {other}.", '"{name}": "{role}",', "{name} ({role})"),
]


def lines(roles: dict[str, bool], style: str) -> str:
    return "\n".join(
        style.format(
            n=n, name=name, role=("knave", "knight")[truth], other=("knight", "knave")[truth]
        )
        for n, (name, truth) in enumerate(roles.items(), 1)
    )


@settings(deadline=None)
@given(
    names=st.lists(st.sampled_from(NAMES), min_size=2, unique=True),
    bits=st.lists(st.booleans(), min_size=6, max_size=6),
    style=st.sampled_from(LINES + GROUPS),
    frame=st.sampled_from(["{}", "Let me see.\n\n{}", "<think>x</think>**Answer**\n\n{}"]),
    turned=st.integers(0, 5),
)
def test_random_answers_in_many_renderings(
    names: list[str], bits: list[bool], style: str, frame: str, turned: int
) -> None:
    roles = dict(zip(names, bits, strict=False))
    gold = lines(roles, "({n}) {name} is a {role}")
    render = lines if style in LINES else groups
    answer = frame.format(render(roles, style))
    assert judged(answer, gold).score == 1.0
    name = names[turned % len(names)]
    other = frame.format(render({**roles, name: not roles[name]}, style))
    assert judged(other, gold) == Verdict(
        0.0, f"{name} is called a {'knave' if roles[name] else 'knight'}"
    )
    fewer = {n: truth for n, truth in roles.items() if n != name}
    assert judged(frame.format(render(fewer, style)), gold).score == 0.0
