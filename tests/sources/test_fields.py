"""Fields that a pipeline fills: in prompts, and in templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.generate import Generate
from curate.sample import Sample
from curate.sources import Prompts
from curate.sources.template import load_template
from curate.step import Context

NAMES = {"name": "Ada", "author": "Ada Lab"}
TEMPLATE = "<!-- system -->\nYou are {{name}}.\n<!-- user -->\n{{name}}: {{problem}} {{x}}\n"


def prompts(folder: Path, fields: dict[str, str] | None) -> list[Sample]:
    row = {"problem": "Are you {{name}}?", "answer": "{{name}} by {{author}}", "n": ["{{name}}"]}
    (folder / "p.jsonl").write_text(json.dumps(row) + "\n")
    step = Prompts("p.jsonl", fields=fields)
    step.prepare(Context(folder, folder, folder))
    return [Sample.from_document(document) for document in step.run()]


def test_a_prompt_says_what_the_fields_say_and_is_named_by_it(tmp_path: Path) -> None:
    (ada,) = prompts(tmp_path, NAMES)
    (bob,) = prompts(tmp_path, NAMES | {"name": "Bob"})
    assert (ada.problem, ada.answer, ada.checks) == (
        "Are you Ada?",
        "Ada by Ada Lab",
        {"n": ["Ada"]},
    )
    assert ada.prompt_id != bob.prompt_id
    (asis,) = prompts(tmp_path, None)
    assert asis.problem == "Are you {{name}}?"


def test_a_template_says_it_too_and_other_words_are_still_typos(tmp_path: Path) -> None:
    path = tmp_path / "t.md"
    path.write_text(TEMPLATE)
    turns = load_template(path, NAMES).render(Sample("p", "Who is {{author}}?"))
    assert [turn["content"] for turn in turns] == ["You are Ada.", "Ada: Who is {{author}}? {{x}}"]
    with pytest.raises(UsageError, match=r"t.md:2: unknown field \{\{name\}\}"):
        load_template(path)


def test_names_are_part_of_what_the_data_is() -> None:
    one, other = (Generate("local", accept=[], fields={"name": name}) for name in ("Ada", "Bob"))
    assert one.identity() != other.identity()
    assert Prompts("p", fields=NAMES).identity() != Prompts("p").identity()


def test_a_source_has_its_own_template_before_its_domain(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.md").write_text(f"<!-- user -->\n{name}: {{{{problem}}}}\n")
    step = Generate(
        "local", accept=[], template={"letters": "a.md", "general": "b.md", "*": "c.md"}
    )
    step.prepare(Context(tmp_path, tmp_path, tmp_path))
    asked = [
        Sample("p", "?", source="letters", domain="general"),
        Sample("p", "?", source="other", domain="general"),
        Sample("p", "?", source="other", domain="math"),
    ]
    assert [step._messages(prompt)[0]["content"] for prompt in asked] == ["a: ?", "b: ?", "c: ?"]
