"""Typed words as parameters, and pipeline files as modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from curate.errors import UsageError
from curate.run.load import Pipeline, convert, describe, from_here, load, read_parameters
from curate.step import pipeline


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        pytest.param("3", int, 3, id="int"),
        pytest.param("395_285", int, 395_285, id="digits in groups"),
        pytest.param("-1", int, -1, id="negative"),
        pytest.param("0.5", float, 0.5, id="float"),
        pytest.param("none", int | None, None, id="none"),
        pytest.param("", str | None, None, id="empty is none"),
        pytest.param("7", int | None, 7, id="optional"),
        pytest.param("yes", bool, True, id="yes"),
        pytest.param("False", bool, False, id="false"),
        pytest.param("none", str, "none", id="text"),
        pytest.param("a=b", str, "a=b", id="equals inside"),
        pytest.param("b", Literal["a", "b"], "b", id="choice"),
        pytest.param("2", Literal[1, 2], 2, id="number choice"),
        pytest.param("a,b", list[str], ["a", "b"], id="list"),
        pytest.param("x/y", Path, Path("x/y"), id="path"),
        pytest.param("all", int | str, "all", id="first type that fits"),
    ],
)
def test_convert(text: str, hint: Any, value: Any) -> None:
    converted = convert("p", text, hint)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("text", "hint", "says"),
    [
        pytest.param("x", int, "a whole number", id="int"),
        pytest.param("1.5", int | None, "a whole number or none", id="float for int"),
        pytest.param("maybe", bool, "true or false", id="bool"),
        pytest.param("c", Literal["a", "b"], "a or b", id="choice"),
    ],
)
def test_convert_says_what_is_allowed(text: str, hint: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        convert("p", text, hint)
    assert says in describe(hint)


@pipeline
def example(
    prompts: str = "a.jsonl", extra: Path = Path("x"), name: str = "n", out: str = "o"
) -> list:
    return []


def test_typed_paths_count_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project/deep")
    target = Pipeline(example, tmp_path / "project/p.py", tmp_path / "project")
    words = ["prompts=../b.jsonl", "extra=e", "name=../b", f"out={tmp_path}/away"]
    assert read_parameters(target, words) == {
        "prompts": "b.jsonl",
        "extra": Path("deep/e"),
        "name": "../b",
        "out": f"{tmp_path}/away",
    }


@pytest.mark.parametrize("spec", ["hub:a/b@c", "reasoning-gym:chain_sum?x=1", "http://h:1/v1"])
def test_other_specs_are_not_paths(spec: str) -> None:
    assert from_here(spec, Path("/nowhere")) == spec


def test_a_pipeline_needs_types_and_defaults() -> None:
    with pytest.raises(UsageError, match="parameter 'n' needs a type and a default"):

        @pipeline
        def without(n) -> list:  # type: ignore[no-untyped-def]
            return []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        pytest.param("plain.py", "x = 1", "no function marked with @pipeline", id="no pipeline"),
        pytest.param("broken.py", "def", "cannot be imported", id="syntax"),
        pytest.param("needs.py", "import no_such_package", "no_such_package", id="missing package"),
        pytest.param(
            "raises.py", "x = 1\nraise OSError('boo')", "raises.py:2: OSError: boo", id="raises"
        ),
        pytest.param("with-dash.py", "", "names that Python can import", id="name"),
        pytest.param("notes.md", "", "is not a Python file", id="suffix"),
    ],
)
def test_files_that_hold_no_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, says: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pyproject.toml").touch()
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        load(str(file))


def test_the_pipeline_named_like_the_file_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pyproject.toml").touch()
    one = "@pipeline\ndef {}(out: str = 'o') -> list:\n    return []\n"
    head = "from curate import pipeline\n"
    file = tmp_path / "twofold.py"
    file.write_text(head + one.format("other") + one.format("twofold"))
    assert load(str(file)).name == "twofold"
    assert load(f"{file}@other").name == "other"
    file = tmp_path / "manifold.py"
    file.write_text(head + one.format("a") + one.format("b"))
    with pytest.raises(UsageError, match="several pipelines; say which"):
        load(str(file))
