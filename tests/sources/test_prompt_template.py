"""The column `prompt` in the words of a template."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.sources import PromptTemplate
from curate.step import Context

ROOT = Path(__file__).parents[2]
PROMPTS = [Sample("p", "What is 3 + 4?", answer="7"), Sample("q", "Why?")]


def asked(template: Path) -> list[Sample]:
    step = PromptTemplate(template.name)
    step.prepare(Context(template.parent, template.parent, template.parent))
    assert step.files() == [template]
    return [Sample.from_document(d) for d in step.run(p.to_document() for p in PROMPTS)]


def test_r1_zero_is_one_user_turn_and_the_prompt_stays_itself() -> None:
    found = asked(ROOT / "pipelines/prompts/r1_zero.md")
    assert [(p.prompt_id, p.problem, p.answer) for p in found] == [
        (p.prompt_id, p.problem, p.answer) for p in PROMPTS
    ]
    [turn] = found[0].prompt
    assert turn["role"] == "user"
    assert turn["content"].endswith(" User: What is 3 + 4?. Assistant:")


def test_a_prompt_without_what_is_asked_for_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("<!-- user -->\n{{problem}} Show that it is {{answer}}.\n")
    [found] = asked(tmp_path / "t.md")
    assert found.prompt[0]["content"] == "What is 3 + 4? Show that it is 7."


def test_a_template_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file nowhere\.md"):
        PromptTemplate("nowhere.md").prepare(Context(tmp_path, tmp_path, tmp_path))
