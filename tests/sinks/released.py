"""Dataset folders for the tests of releases, made by the project's own writer, and the test Hub for
the client of this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from curate.sample import sort_key
from curate.sinks.shards import write_shards
from tests.servers.hub import Hub, files_of
from tests.sinks.made import CARD, sample

NAME = "org/sums"


def folder(
    place: Path, prompts: int, *, first: int = 0, shard_bytes: int = 1 << 30, card: str = "Sums."
) -> Path:
    """A dataset of the prompts from `first` on, two samples each."""
    place.mkdir(parents=True, exist_ok=True)
    rows = [sample(n, k).to_row() for n in range(first, first + prompts) for k in range(2)]
    shards = write_shards(sorted(rows, key=sort_key), place, shard_bytes=shard_bytes)
    (place / "README.md").write_text(CARD.format(text=card))
    (place / "LICENSE").write_text("MIT\n")
    manifest = {"shards": [shard._asdict() for shard in shards], "parameters": {"n": prompts}}
    (place / ".curate").mkdir(exist_ok=True)
    (place / ".curate/manifest.json").write_text(json.dumps(manifest, indent=2))
    return place


@contextmanager
def client_of(hub: Hub, patch: pytest.MonkeyPatch, *, xet: bool = False) -> Iterator[Hub]:
    """The client in this process talks to the Hub: it read its environment at import."""
    from huggingface_hub import constants

    with hub:
        patch.setattr(constants, "ENDPOINT", hub.address)
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
        patch.setattr(constants, "HF_HUB_CACHE", str(hub.folder / "cache"))
        patch.setenv("HF_TOKEN", "hf_writer")
        patch.setattr("curate.sinks.hub_errors.FIRST_WAIT_S", 0.01)
        patch.setattr("curate.sinks.hub_errors.LONGEST_WAIT_S", 0.02)
        yield hub


def titles(hub: Hub, revision: str = "main") -> list[str]:
    """The commits, the newest first."""
    return [commit.title for commit in hub.repositories[NAME].history(revision)]


def tags(hub: Hub) -> dict[str, str]:
    return hub.repositories[NAME].tags


def there(hub: Hub, revision: str = "main") -> dict[str, bytes]:
    """Every file at a revision."""
    return dict(files_of(hub, NAME, revision))


def text(hub: Hub, path: str, revision: str = "main") -> str:
    return there(hub, revision)[path].decode()


def put(hub: Hub, path: str, content: str, *, title: str = "theirs") -> None:
    """Somebody else commits a file."""
    import base64

    value: dict[str, Any] = {
        "path": path,
        "content": base64.b64encode(content.encode()).decode(),
        "encoding": "base64",
    }
    hub.repositories[NAME].commit(
        "main",
        [{"key": "header", "value": {"summary": title}}, {"key": "file", "value": value}],
    )
