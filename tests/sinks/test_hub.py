"""The step that releases a run's dataset."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import RunError, UsageError
from curate.run.ledger import TaskLedger
from curate.sample import Sample
from curate.sinks import Hub as HubStep
from tests.run.conftest import Project
from tests.servers.hub import Hub
from tests.sinks.made import context, sample, write
from tests.sinks.released import NAME, client_of, tags, text, there, titles

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""Of how the Hub's client calls its HTTP client."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with client_of(Hub(tmp_path / "hub"), monkeypatch) as hub:
        yield hub


def released(out: Path, prompts: int, step: HubStep) -> tuple[list[Sample], dict[str, Any]]:
    """What a run's last two steps yield, and what the ledger hears."""
    made = write(out, [sample(n, k) for n in range(prompts) for k in range(2)])
    ledger = TaskLedger(out / "stage", 0)
    step.prepare(replace(context(out), ledger=ledger))
    given = [one.to_document() for one in made]
    got = [Sample.from_document(document) for document in step.run(iter(given))]
    assert got == made
    ledger.commit()
    return got, json.loads((out / "stage/numbers/00000.json").read_text())["notes"]


def test_the_dataset_is_released_and_the_documents_go_on(hub: Hub, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _, notes = released(out, 10, HubStep(NAME, private=True))
    said = json.loads((out / "release.json").read_text())
    assert said == {"repo": NAME, "version": "1.0.0", "commit": tags(hub)["v1.0.0"]}
    assert notes["release"] == said
    assert hub.repositories[NAME].private
    shard = next((out / "dataset").glob("data/*.parquet"))
    assert there(hub, "v1.0.0")[f"data/{shard.name}"] == shard.read_bytes()
    assert 'revision="v1.0.0"' in text(hub, "README.md")
    assert "## 1.0.0 (" in text(hub, "CHANGELOG.md")
    released(tmp_path / "again", 10, HubStep(NAME))
    assert len(titles(hub)) == 2, "the same rows and card are the same release"


def test_no_repository_no_release(hub: Hub, tmp_path: Path) -> None:
    step = HubStep(None)
    _, notes = released(tmp_path / "run", 3, step)
    assert notes == {}
    assert step.writes == ()
    assert not (tmp_path / "run/release.json").exists()
    assert not hub.log


def test_nothing_is_never_released(hub: Hub, tmp_path: Path) -> None:
    _, notes = released(tmp_path / "run", 0, HubStep(NAME))
    assert notes["release"] == {"repo": NAME, "version": None, "commit": None}
    assert NAME not in hub.repositories


def test_the_repository_is_where_not_what() -> None:
    step = HubStep(NAME, version="1.0.0", private=True, gated="auto", pull_request=True)
    assert step.identity() == HubStep(None).identity() == {"step": "Hub"}
    assert step.left() and HubStep(None).left() is None
    assert pickle.loads(pickle.dumps(step)).wishes == step.wishes


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no_owner": ({"repo": "sums"}, "it is OWNER/NAME, as in me/sums"),
    "no_version": ({"repo": NAME, "version": "1"}, "MAJOR.MINOR.PATCH"),
    "no_way": ({"repo": NAME, "gated": "always"}, "'auto', 'manual' or None"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        HubStep(**arguments).prepare(context(tmp_path))


def test_a_token_that_cannot_publish_is_found_before_the_run(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(RunError, match="the token of org may only read"):
        HubStep(NAME).prepare(context(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    HubStep(NAME).prepare(context(tmp_path))
    asked = len(hub.log)
    ledger = TaskLedger(tmp_path / "stage", 0)
    HubStep(NAME).prepare(replace(context(tmp_path), ledger=ledger))
    (tmp_path / "manifest.json").write_text('{"status": "done"}')
    HubStep(NAME).prepare(context(tmp_path))
    assert len(hub.log) == asked, "no task and no finished run asks"


PIPELINE = """
    from curate import Step, pipeline
    from curate.sinks import DatasetFolder, Hub
    from curate.sources import Samples

    @pipeline
    def sums(out: str = "runs/sums", repo: str | None = None) -> list[Step]:
        return [Samples("rows.jsonl"), DatasetFolder(), Hub(repo)]
"""


def test_a_run_releases_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path)
    project.write("pipelines/sums.py", PIPELINE)
    rows = [{"problem": f"{n} + 1?", "completion": f"It is {n + 1}."} for n in range(5)]
    (project.root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("run", "pipelines/sums.py", f"repo={NAME}")
    with Hub(tmp_path / "hub") as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        done = project.curate(*words)
        assert done.returncode == 0, done.stderr
        run = project.root / "runs/sums"
        notes = json.loads((run / "manifest.json").read_text())["notes"]
        assert notes["release"] == json.loads((run / "release.json").read_text())
        assert tags(hub) == {"v1.0.0": notes["release"]["commit"]}
        asked = len(hub.log)
        assert "nothing to do" in project.curate(*words).stderr
        assert len(hub.log) == asked, "a finished run needs no network"
        monkeypatch.setenv("HF_TOKEN", "hf_reader")
        done = project.curate(*words, "out=runs/other")
        assert done.returncode == 1
        assert "may only read" in done.stderr
        assert "Traceback" not in done.stderr
