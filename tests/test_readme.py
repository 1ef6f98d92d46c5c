"""What the pages show can be typed: commands parse, Python runs, the first pipeline plans."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from curate import project
from curate.arguments import build_parser
from curate.cli import ACTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    return [
        Block(page, language, text)
        for page in PAGES
        for language, text in re.findall(
            r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        if language in languages
    ]


def curate_commands() -> list[str]:
    """Every command line in a shell block that calls `curate`, also from a virtual environment."""
    lines = [line for b in blocks("sh") for line in b.text.replace("\\\n", " ").splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return sorted({p for p in parts if p.split()[:1] in (["curate"], [".venv/bin/curate"])})


def ident(value: object) -> str:
    return f"{value.page.stem}: {value.text[:30]!r}" if isinstance(value, Block) else str(value)


@pytest.mark.parametrize("command", curate_commands(), ids=ident)
def test_commands_parse(command: str) -> None:
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert options.command in ACTS


@pytest.mark.parametrize(
    "command",
    [c for c in curate_commands() if "curate run pipelines/cold_start.py" in c],
    ids=ident,
)
def test_parameters_exist(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.run.load import load, read_parameters

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert len(read_parameters(load(options.file), options.parameters)) == len(options.parameters)


@pytest.mark.parametrize("block", blocks("python"), ids=ident)
def test_python_runs(block: Block) -> None:
    """Importing a pipeline runs nothing; only what reads a finished run is not executed."""
    code = compile(block.text, f"{block.page.name} python block", "exec", dont_inherit=True)
    if "load_dataset" not in block.text:
        exec(code, {"__name__": "shown"})


def first_pipeline() -> str:
    return next(b.text for b in blocks("python") if "@pipeline" in b.text)


def test_the_first_pipeline_has_eight_lines() -> None:
    assert len(first_pipeline().split("@pipeline")[1].splitlines()) == 8


def test_the_first_pipeline_plans_in_a_new_project(tmp_path: Path) -> None:
    project.init(tmp_path / "new")
    (tmp_path / "new" / "pipelines" / "sums.py").write_text(first_pipeline(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "curate.cli", "run", "pipelines/sums.py", "--dry-run"],
        cwd=tmp_path / "new",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Prompts" in done.stdout and "Generate" in done.stdout and "DatasetFolder" in done.stdout
    assert not (tmp_path / "new" / "runs").exists()


def test_the_first_screen_is_what_it_promises() -> None:
    """Two commands, a pipeline, what it produced: in this order, before any heading."""
    first = README.read_text("utf-8").split("\n## ")[0]
    order = [first.index(x) for x in ("curate run", "-m pytest", "@pipeline", "left behind")]
    assert order == sorted(order)
    assert len(re.findall(r"^```sh$", first, re.MULTILINE)) == 2


def test_links_between_pages_lead_somewhere() -> None:
    missing = [
        f"{page.name}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not missing
