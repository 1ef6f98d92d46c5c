"""The proof before training, on real tokenizers: what templates do is found, and faults are."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from itertools import compress, takewhile
from typing import Any

import pytest

from curate.errors import RunError
from curate.sinks.proof import Proof, prove, prove_batch
from tests.sinks.families import (
    ASKED,
    FAMILIES,
    ROWS,
    WITH_SYSTEM,
    Family,
    row,
    tokenizer_for,
    turn,
)

pytest.importorskip("transformers", reason="transformers is not installed")

every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("students")
    return {name: tokenizer_for(family, folder / "one") for name, family in FAMILIES.items()}


def proved(tokenizer: Any, rows: list[dict[str, Any]] = ROWS, **settings: Any) -> Proof:
    return prove(rows, tokenizer, **{"max_length": 500, "kind": "sft", **settings})


def ready(tokenizer: Any, rows: list[dict[str, Any]] = ROWS) -> Any:
    """The tokenizer as a trainer gets it."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = proved(tokenizer, rows).template or tokenizer.chat_template
    return tokenizer


def collated(tokenizer: Any, rows: list[dict[str, Any]] = ROWS, cut: int = 10_000) -> Any:
    """A batch as TRL makes it: what lies beyond the prompt's tokens counts."""
    encoded = []
    for one in rows:
        asked, whole = (
            tokenizer.apply_chat_template(
                turns, add_generation_prompt=asks, tokenize=True, return_dict=True
            )["input_ids"]
            for turns, asks in ((one["prompt"], True), (one["prompt"] + one["completion"], False))
        )
        same = takewhile(lambda pair: pair[0] == pair[1], zip(asked, whole, strict=False))
        shown = len(list(same))
        encoded.append((whole[:cut], ([-100] * shown + whole[shown:])[:cut]))
    longest = max(len(ids) for ids, _ in encoded)
    pad = tokenizer.pad_token_id
    return {
        "input_ids": [ids + [pad] * (longest - len(ids)) for ids, _ in encoded],
        "labels": [labels + [-100] * (longest - len(labels)) for _, labels in encoded],
    }


@every_family
def test_what_a_template_does_is_found_and_mended(name: str, tokenizers: dict[str, Any]) -> None:
    family, tokenizer = FAMILIES[name], tokenizers[name]
    rows = [*ROWS, WITH_SYSTEM] if "system" in family.finding else ROWS
    proof = proved(tokenizer, rows)
    proof.check()
    assert (proof.rows, proof.looked, proof.cut) == (len(rows), len(rows), 0)
    assert (proof.prefill, proof.end) == (family.prefill, family.end)
    assert (proof.template is None) == family.is_kept
    assert family.finding in "; ".join(proof.findings)
    shown, trained, rest = re.split("[⟦⟧]", proof.example)
    assert "What is 3 + 4, then?" in shown and not rest
    assert "three and four</think>It is 7." in trained and "3 + 4" not in trained
    assert proof.example in proof.text()


@every_family
def test_a_mended_student_needs_no_mending(name: str, tokenizers: dict[str, Any]) -> None:
    student = ready(tokenizers[name])
    again = proved(student)
    again.check()
    assert again.template is None
    prove_batch(collated(student), student, ROWS)


@every_family
def test_the_marked_tokens_are_those_beyond_the_prompt(
    name: str, tokenizers: dict[str, Any]
) -> None:
    student = ready(tokenizers[name])
    if "{%- generation -%}" not in student.chat_template:
        return  # the student's own template: TRL goes by the prompt
    for one, labels in zip(ROWS, collated(student)["labels"], strict=True):
        encoded = student.apply_chat_template(
            one["prompt"] + one["completion"],
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        marked = list(compress(encoded["input_ids"], encoded["assistant_masks"]))
        assert marked == [label for label in labels if label != -100]


@every_family
def test_a_served_student_is_asked_as_before(name: str, tokenizers: dict[str, Any]) -> None:
    old, new = tokenizers[name], ready(tokenizers[name])
    turns = [turn("user", "Hi"), turn("assistant", "Hello."), ASKED]
    switched = {"enable_thinking": True} if "enable_thinking" in FAMILIES[name].finding else {}
    asked = [
        t.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **switched)
        for t in (old, new)
    ]
    assert asked[0] == asked[1]


def stripped(batch: Any, student: Any) -> Any:
    """Without the reasoning: as a template that drops it would have it."""
    rows = [
        {**one, "completion": [turn("assistant", one["completion"][0]["content"].split(">")[-1])]}
        for one in ROWS
    ]
    return collated(student, rows)


def unmasked(batch: Any, student: Any) -> Any:
    return batch | {"labels": batch["input_ids"]}


def masked(batch: Any, student: Any) -> Any:
    return batch | {"labels": [[-100] * len(ids) for ids in batch["labels"]]}


def endless(batch: Any, student: Any) -> Any:
    labels = copy.deepcopy(batch["labels"])
    for ids in labels:
        end = max(i for i, label in enumerate(ids) if label == student.eos_token_id)
        ids[end:] = [-100] * (len(ids) - end)
    if "<|end|>" in student.get_added_vocab():  # the turn's end stands before it
        for ids in labels:
            while student.decode([i for i in ids if i != -100]).rstrip().endswith("<|end|>"):
                ids[max(i for i, label in enumerate(ids) if label != -100)] = -100
    return batch | {"labels": labels}


def cut(batch: Any, student: Any) -> Any:
    return collated(student, cut=min(len(ids) for ids in batch["input_ids"]) // 2 + 20)


def begun_twice(batch: Any, student: Any) -> Any:
    return {
        "input_ids": [[student.bos_token_id] * 2 + ids for ids in batch["input_ids"]],
        "labels": [[-100] * 2 + ids for ids in batch["labels"]],
    }


FAULTS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "stripped think": (stripped, "the reasoning is not in the trained tokens"),
    "prompt trained": (unmasked, "the prompt is trained"),
    "empty mask": (masked, "the mask is empty"),
    "missing end": (endless, "the end token is missing"),
    "truncated reasoning": (cut, r"cut|mask is empty"),
    "two BOS": (begun_twice, "two BOS"),
}


@every_family
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_in_a_batch_is_refused(
    name: str, fault: str, tokenizers: dict[str, Any]
) -> None:
    student = ready(tokenizers[name])
    plant, said = FAULTS[fault]
    with pytest.raises(RunError, match=said):
        prove_batch(plant(collated(student), student), student, ROWS)


def test_a_batch_of_the_template_that_nobody_mended_is_refused(tokenizers: dict[str, Any]) -> None:
    told = {"dropped": "reasoning is not in", "no token ends": "the end token is missing"}
    for name, family in FAMILIES.items():
        if family.finding not in told:
            continue
        with pytest.raises(RunError, match=told[family.finding]):
            prove_batch(collated(tokenizers[name]), tokenizers[name], ROWS)


@every_family
def test_planted_faults_in_rows_are_refused(name: str, tokenizers: dict[str, Any]) -> None:
    open_end = row("open", [ASKED], "<think>three and fo")
    with pytest.raises(RunError, match=r"never ends .*1 of 5 rows \(20\.00%\), as open"):
        proved(tokenizers[name], [*ROWS, open_end]).check()
    proved(tokenizers[name], [*ROWS, open_end], unclosed_at_most=0.2).check()
    long = row("long", [ASKED], f"<think>{'three and four. ' * 40}</think>7")
    proof = proved(tokenizers[name], [*ROWS, long])
    assert proof.cut == 1 and "1 rows (20.00%)" in proof.text()
    with pytest.raises(RunError, match="cut by the context length: 1 of 5"):
        proof.check()
    proved(tokenizers[name], [*ROWS, long], cut_at_most=0.2).check()


@every_family
def test_planted_faults_in_a_template(name: str, tokenizers: dict[str, Any]) -> None:
    family = FAMILIES[name]
    tokenizer = copy.deepcopy(tokenizers[name])
    tokenizer.chat_template = f"{{{{ bos_token }}}}{{{{ bos_token }}}}{family.template}"
    with pytest.raises(RunError, match="two BOS"):
        proved(tokenizer).check()
    tokenizer.chat_template = family.template.replace("{{ m.content", "{{ m.nothing")
    with pytest.raises(RunError, match=r"chat template|user's turn"):
        proved(tokenizer).check()
    endless = family.template.replace("{{ eos_token }}", "")
    for token in (family.eos, "<|end|>"):
        endless = endless.replace(token, "")
    tokenizer.chat_template = endless
    proof = proved(tokenizer)
    assert proof.end == family.eos
    assert "no token ends an answer" in "; ".join(proof.findings)


def test_a_template_that_cannot_open_the_reasoning_is_refused(tokenizers: dict[str, Any]) -> None:
    tokenizer = copy.deepcopy(tokenizers["closes the tag unless told (SmolLM3 without thinking)"])
    tokenizer.chat_template = tokenizer.chat_template.replace("not enable_thinking", "true")
    with pytest.raises(RunError, match="closes the reasoning in the generation prompt"):
        proved(tokenizer)


def test_a_tokenizer_without_a_template_is_refused(tokenizers: dict[str, Any]) -> None:
    tokenizer = copy.deepcopy(tokenizers["trims (Llama-3)"])
    tokenizer.chat_template = None
    with pytest.raises(RunError, match="has no chat template"):
        proved(tokenizer)


def test_plain_text_needs_no_template(tokenizers: dict[str, Any]) -> None:
    tokenizer = copy.deepcopy(tokenizers["trims (Llama-3)"])
    tokenizer.chat_template = None
    rows = [
        {"id": "a", "prompt": "User: 3 + 4?\nAssistant: ", "completion": "<think>7</think>It is 7."}
    ]
    proof = proved(tokenizer, rows)
    proof.check()
    assert (proof.template, proof.end) == (None, "<|eot_id|>")
    assert proof.example.endswith("⟦<think>7</think>It is 7.<|eot_id|>⟧")


@every_family
def test_pairs_are_proved_on_both_sides(name: str, tokenizers: dict[str, Any]) -> None:
    pair = {"id": "p", "prompt": [ASKED], "chosen": ROWS[0]["completion"]}
    proof = proved(tokenizers[name], [pair | {"rejected": ROWS[1]["completion"]}], kind="dpo")
    proof.check()
    assert (proof.template is None) == FAMILIES[name].is_kept or "system" in FAMILIES[name].finding
    long = [turn("assistant", f"<think>{'no ' * 300}</think>8")]
    with pytest.raises(RunError, match="cut by the context length"):
        proved(tokenizers[name], [pair | {"rejected": long}], kind="dpo").check()


@every_family
def test_prompts_alone_say_what_is_opened(name: str, tokenizers: dict[str, Any]) -> None:
    family = FAMILIES[name]
    rows = [{"id": "a", "prompt": [ASKED]}, {"id": "b", "prompt": WITH_SYSTEM["prompt"]}]
    proof = proved(tokenizers[name], rows, kind="grpo")
    proof.check()
    assert proof.prefill == family.prefill
    assert ("rewards are told so" in proof.text()) == bool(family.prefill)
    is_mended = "system" in family.finding or "enable" in family.finding
    assert (proof.template is not None) == is_mended


def test_the_rows_that_are_looked_at(tokenizers: dict[str, Any]) -> None:
    seen: list[Mapping[str, float]] = []
    rows = [
        row(f"r{n}", [ASKED], f"<think>{'a' * (n % 97)}</think>7", domain=f"d{n % 3}")
        for n in range(600)
    ]
    proof = prove(
        iter(rows), tokenizers["trims (Llama-3)"], max_length=None, kind="sft", report=seen.append
    )
    proof.check()
    assert proof.rows == 600 and 8 < proof.looked <= 8 + 3 * 4
    assert seen == [{"proved": 256}, {"proved": 512}]
    again = prove(rows, tokenizers["trims (Llama-3)"], max_length=None, kind="sft")
    assert again == proof


def test_no_row_is_refused(tokenizers: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="no row to train on"):
        proved(tokenizers["trims (Llama-3)"], []).check()


def test_families_are_many() -> None:
    assert len(FAMILIES) >= 5 and all(isinstance(f, Family) for f in FAMILIES.values())
