"""docs/cli.md lists the commands and options that there are, in the words of `--help`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from curate.arguments import build_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> dict[str, tuple[str, dict[str, str]]]:
    """Of each command: what it does, and the help of each argument as `--help` shows it."""
    chosen = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    about = {action.dest: action.help or "" for action in chosen._choices_actions}
    return {
        name: (sentence(about[name]), arguments(parser)) for name, parser in chosen.choices.items()
    }


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def arguments(parser: argparse.ArgumentParser) -> dict[str, str]:
    """`--tasks N`: help, for every argument but the plain `--help`."""
    found: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        words = ", ".join(action.option_strings)
        value = "" if action.nargs == 0 else str(action.metavar or action.dest)
        found[f"{words} {value}".strip()] = action.help or ""
    return found


def written() -> dict[str, tuple[str, dict[str, str]]]:
    """The same, from the page."""
    sections = re.split(r"^## `curate (\w+)`\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = {}
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", body, re.MULTILINE)
        found[name] = (body.strip().splitlines()[0], dict(rows))
    return found


def test_the_page_lists_what_there_is() -> None:
    assert written() == commands()
