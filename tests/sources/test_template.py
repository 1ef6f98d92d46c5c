"""What a template sends, and what is said of a broken one."""

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import SampleError, UsageError
from curate.sample import Sample, Turn
from curate.sources.template import FIELDS, Template, load_template

SHOTS = """For readers: not sent, not even {{nonsense}}.

<!-- system -->
Answer in {{language}}.
<!-- user -->
What is $\\frac{{1}}{2} + \\mathbf{{x}}$?
<!-- assistant -->
\\boxed{\\frac{1}{2} + x}
<!--user-->
Question: {{problem}}
"""
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", language="zh")
PROMPTS = Path(__file__).parents[2] / "pipelines" / "prompts"


@pytest.fixture
def template(tmp_path):
    def write(text: str) -> Template:
        (tmp_path / "t.md").write_text(text, encoding="utf-8")
        return load_template(tmp_path / "t.md")

    return write


def test_a_template_sends_its_turns_and_leaves_latex_alone(template):
    assert template(SHOTS).render(PROMPT) == (
        {"role": "system", "content": "Answer in Chinese."},
        {"role": "user", "content": "What is $\\frac{{1}}{2} + \\mathbf{{x}}$?"},
        {"role": "assistant", "content": "\\boxed{\\frac{1}{2} + x}"},
        {"role": "user", "content": "Question: What is 3 + 4?"},
    )


def test_a_byte_order_mark_and_carriage_returns_change_nothing(tmp_path, template):
    expected = template(SHOTS).turns
    (tmp_path / "w.md").write_bytes(b"\xef\xbb\xbf" + SHOTS.replace("\n", "\r\n").encode())
    assert load_template(tmp_path / "w.md").turns == expected


def test_a_template_is_a_value_that_crosses_processes(template):
    made = template(SHOTS)
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(made) == hash(template(SHOTS))


@given(st.text(min_size=1) | st.sampled_from(["{{problem}}", "{{answer}} \\1 \\g<0>", "{{"]))
def test_what_is_put_in_stays_as_it_is(problem):
    sent = Template((("user", "Q: {{problem}} / {{problem}}"),)).render(
        Sample(prompt_id="p", problem=problem)
    )
    assert sent[0]["content"] == f"Q: {problem} / {problem}"


def test_every_field_is_filled():
    sample = Sample(prompt_id="p", problem="3 + 4", answer="7", language="en").with_completion(
        "<think>\nIt is 7.\n</think>\n<answer>7</answer>"
    )
    text = "|".join(f"{{{{{name}}}}}" for name in FIELDS)
    assert Template((("user", text),)).render(sample)[0]["content"] == "|".join(
        [
            *("3 + 4", "7", "<think>\nIt is 7.\n</think>\n<answer>7</answer>", "It is 7."),
            *("<answer>7</answer>", "7", "English"),
        ]
    )


@pytest.mark.parametrize("field", sorted(set(FIELDS) - {"problem", "language"}))
def test_a_field_that_is_not_there_fails_the_sample(field):
    with pytest.raises(SampleError, match=re.escape(f"t.md asks for {{{{{field}}}}}")):
        Template((("user", f"{{{{{field}}}}}"),), "t.md").render(PROMPT)


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "English"), ("xx", "xx"), (None, "the language of the question")],
    ids=["known", "unlisted", "unknown"],
)
def test_the_language_is_named(code, name):
    sample = Sample(prompt_id="p", problem="?", language=code)
    assert Template((("user", "{{language}}"),)).render(sample)[0]["content"] == name


HISTORY = (
    Turn(role="system", content="Be brief."),
    Turn(role="user", content="What is 1 + 1?"),
    Turn(role="assistant", content="2"),
    Turn(role="user", content="And 2 more?"),
)
TALK = Sample(prompt_id="p", problem="And 2 more?", language="en", prompt=HISTORY)


def test_without_template_a_conversation_is_sent_as_it_is():
    assert Template().render(TALK) == HISTORY


def test_a_conversation_follows_the_shots(template):
    sent = template(SHOTS).render(TALK)
    assert [turn["role"] for turn in sent] == ["system", *["user", "assistant"] * 2, "user"]
    assert sent[0] == HISTORY[0]
    assert [turn["content"] for turn in sent[3:]] == [
        "What is 1 + 1?",
        "2",
        "Question: And 2 more?",
    ]


@pytest.mark.parametrize(
    ("system", "said"), [(None, "Be brief."), ("Be long.", "Be long."), ("", None)]
)
def test_the_given_system_turn_goes_first(template, system, said):
    sent = template(SHOTS).render(TALK, system=system)
    spoken = [turn["content"] for turn in sent if turn["role"] == "system"]
    assert spoken == ([said] if said else [])


def test_a_sample_is_rewritten_without_what_was_sent_to_get_it(template):
    sample = TALK.with_completion("It is 4.")
    sent = template("<!-- user -->\n{{problem}}\n{{completion}}\n").render(sample)
    assert sent == ({"role": "user", "content": "And 2 more?\nIt is 4."},)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- user -->\n{{problm}}", r"t\.md:2: unknown field {{problm}}; did you mean problem\?"),
        ("\n<!-- usr -->\n{{problem}}", r"t\.md:2: unknown marker <!-- usr -->; did you mean user"),
        ("{{problem}}", "there is no user turn"),
        ("<!-- system -->\nBe brief.", "there is no user turn"),
        (
            "<!-- user -->\nA\n<!-- user -->\n{{problem}}",
            r"t\.md:3: a user turn cannot stand after",
        ),
        ("<!-- assistant -->\nA\n<!-- user -->\n{{problem}}", r"t\.md:1: .* cannot stand first"),
        ("<!-- user -->\nA\n<!-- system -->\nB", r"t\.md:3: a system turn cannot .* a user turn"),
        ("<!-- user -->\nA\n<!-- assistant -->\nB", r"t\.md:3: the last turn must be the user's"),
        ("<!-- user -->\nA", r"t\.md:1: the last user turn must hold {{problem}}"),
        ("<!-- system -->\n\n<!-- user -->\n{{problem}}", r"t\.md:1: the system turn is empty"),
    ],
    ids=[
        *("unknown field", "unknown marker", "no turn", "no user turn", "two user turns"),
        *("assistant first", "system later", "assistant last", "no problem", "empty turn"),
    ],
)
def test_a_broken_template_is_refused_with_its_line(template, text, said):
    with pytest.raises(UsageError, match=said):
        template(text)


def test_a_missing_template_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the template .*few\.md"):
        load_template(tmp_path / "few.md")


def test_a_binary_template_is_named(tmp_path):
    (tmp_path / "t.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"cannot read the template .*t\.md"):
        load_template(tmp_path / "t.md")


@pytest.mark.parametrize("name", ["few_shot", "reflect", "rewrite"])
def test_the_shipped_templates_send_the_problem_in_r1s_format(name):
    sample = PROMPT.with_completion("<think>\n3 + 4 = 7.\n</think>\nIt is \\boxed{7}.")
    turns = load_template(PROMPTS / f"{name}.md").render(sample)
    assert "What is 3 + 4?" in turns[-1]["content"]
    for turn in turns:
        if turn["role"] == "assistant":
            assert re.fullmatch(
                r"<think>\n.+\n</think>\n.*\\boxed\{-?\d+\}.*", turn["content"], re.S
            )
