"""Pieces of what the test Hub answers: a card's metadata, a large file, a pull request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.servers.hub_repository import Entry, Repository


def is_true(values: list[str] | None) -> bool:
    """Of a parameter of an address.

    >>> is_true(["True"]), is_true(None)
    (True, False)
    """
    return bool(values) and values[0].lower() in ("true", "1")


def card_data(card: str) -> dict[str, Any]:
    """The metadata at the head of a card; ValueError when they are none.

    >>> card_data("---\\nlicense: mit\\n---\\nhello")
    {'license': 'mit'}
    """
    import yaml

    found = re.match(r"\s*---\r?\n(.*?)\r?\n---", card, re.DOTALL)
    try:
        said = yaml.safe_load(found[1]) if found else {}
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(said or {}, dict):
        raise ValueError("the metadata is not a mapping")
    return said or {}


def tags_of(about: Mapping[str, Any]) -> list[str]:
    """The tags of a dataset: its own, and the fields that the Hub searches by."""
    fields = ("license", "language", "task_categories", "size_categories")
    found = list(about.get("tags") or [])
    for name in fields:
        values = about.get(name) or []
        found += [f"{name}:{v}" for v in ([values] if isinstance(values, str) else values)]
    return found


def large(entry: Entry) -> dict[str, Any]:
    return {"oid": entry.sha256, "sha256": entry.sha256, "size": entry.size, "pointerSize": 134}


def pull_request(repository: Repository, number: int) -> dict[str, Any]:
    date = repository.resolve("main").date
    return {
        **{"num": number, "title": repository.pulls[number]["title"]},
        "status": repository.pulls[number]["status"],
        **{"isPullRequest": True, "author": {"name": "org"}, "createdAt": date, "events": []},
        **{"changes": {"base": "refs/heads/main"}, "filesWithConflicts": []},
        "repo": {"name": repository.name, "type": "dataset"},
        "url": f"/datasets/{repository.name}/discussions/{number}",
    }
