"""Releases on the test Hub: one commit, one tag, whatever happens in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from curate.errors import RunError
from curate.sinks.release import Released, Wishes, publish
from tests.servers.hub import Fault, Hub, files_of
from tests.sinks.released import NAME, client_of, folder, put, tags, text, there, titles

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""Of how the Hub's client calls its HTTP client."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with client_of(Hub(tmp_path / "hub"), monkeypatch) as hub:
        yield hub


def test_the_first_release(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 20)
    done = publish(dataset, NAME)
    head = hub.repositories[NAME].history()[0]
    assert done == Released(NAME, "1.0.0", head.id, is_new=True)
    assert tags(hub) == {"v1.0.0": head.id}
    assert titles(hub) == ["Release v1.0.0: 40 rows", "initial commit"]
    files = there(hub, "v1.0.0")
    shard = next(dataset.glob("data/*.parquet"))
    assert files[f"data/{shard.name}"] == shard.read_bytes()
    assert "## 1.0.0 (" in files["CHANGELOG.md"].decode()
    assert f'load_dataset("{NAME}", split="train", revision="v1.0.0")' in text(hub, "README.md")
    record = json.loads(files[".curate/release.json"])
    assert (record["version"], record["parent"]) == ("1.0.0", None)
    assert record["rows"] == {"default": {"train": 40}}
    assert {*record["files"], ".curate/release.json"} == set(files)


def test_again_does_nothing(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 20)
    first = publish(dataset, NAME)
    sent = hub.uploaded_bytes()
    for wishes in (Wishes(), Wishes("1.0.0"), Wishes(verify=True)):
        assert publish(dataset, NAME, wishes) == first._replace(is_new=False)
    assert len(titles(hub)) == 2
    assert hub.uploaded_bytes() == sent


def test_the_next_version_follows_from_what_changed(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 20), NAME)
    more = publish(folder(tmp_path / "b", 21), NAME)
    assert more.version == "1.1.0"
    card = publish(folder(tmp_path / "c", 21, card="Sums of two numbers."), NAME)
    assert card.version == "1.1.1"
    log = text(hub, "CHANGELOG.md")
    assert [line[:8] for line in log.splitlines() if line.startswith("## ")] == [
        *("## 1.1.1", "## 1.1.0", "## 1.0.0"),
    ]
    record = json.loads(text(hub, ".curate/release.json"))
    assert record["parent"] == {"version": "1.1.0", "commit": more.commit}
    assert len(titles(hub)) == 4


def test_only_new_shards_are_sent_and_old_ones_go(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 60, shard_bytes=4_000), NAME)
    before = {p: c for p, c in there(hub).items() if p.endswith(".parquet")}
    sent = hub.uploaded_bytes()
    dataset = folder(tmp_path / "b", 61, shard_bytes=4_000)
    publish(dataset, NAME)
    after = {f"data/{p.name}": p.read_bytes() for p in dataset.glob("data/*.parquet")}
    assert {p: c for p, c in there(hub).items() if p.endswith(".parquet")} == after
    new = set(after.values()) - set(before.values())
    assert hub.uploaded_bytes() - sent == sum(map(len, new))
    assert there(hub, "v1.0.0").items() >= before.items()


FAULTS = {
    "who_503": [Fault("GET", "/whoami", status=503, times=2)],
    "look_429": [Fault("GET", "/datasets/", status=429, headers={"Retry-After": "0"})],
    "commit_503": [Fault("POST", "/commit/", status=503, times=2)],
    "commit_409": [Fault("POST", "/commit/", status=409)],
    "commit_429": [Fault("POST", "/commit/", status=429, headers={"Retry-After": "0"})],
    "commit_answer_lost": [Fault("POST", "/commit/")],
    "tag_503": [Fault("POST", "/tag/", status=503)],
    "tag_answer_lost": [Fault("POST", "/tag/")],
    "create_answer_lost": [Fault("POST", "/repos/create")],
    "upload_500": [Fault("PUT", "/object/", status=500)],
    "upload_cut": [Fault("PUT", "/object/", cut_body=True)],
    "upload_refused": [Fault("PUT", "/object/", status=400)],
    "batch_503": [Fault("POST", "/objects/batch", status=503)],
    "preupload_503": [Fault("POST", "/preupload/", status=503)],
    "object_lost": [Fault("POST", "/commit/", lose_object=True)],
    "tree_500": [Fault("GET", "/tree/", status=500)],
    "read_back_lost": [Fault("GET", "/tree/", after=1)],
    "several": [
        Fault("POST", "/commit/", status=429, headers={"Retry-After": "0"}),
        Fault("POST", "/commit/"),
        Fault("POST", "/tag/"),
        Fault("PUT", "/object/", cut_body=True),
    ],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_one_commit_and_one_tag_whatever_fails(
    hub: Hub, tmp_path: Path, faults: list[Fault]
) -> None:
    dataset = folder(tmp_path / "a", 10)
    hub.faults += [replace(fault) for fault in faults]
    done = publish(dataset, NAME)
    assert not [fault for fault in hub.faults if fault.times], "every fault has struck"
    assert titles(hub) == ["Release v1.0.0: 20 rows", "initial commit"]
    assert tags(hub) == {"v1.0.0": done.commit}
    assert done.is_new
    shard = next(dataset.glob("data/*.parquet"))
    assert there(hub, "v1.0.0")[f"data/{shard.name}"] == shard.read_bytes()


def test_somebody_else_is_faster(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    hub.faults.append(Fault("POST", "/commit/", before=lambda: put(hub, "theirs.txt", "x")))
    done = publish(folder(tmp_path / "b", 11), NAME)
    assert titles(hub)[:2] == ["Release v1.1.0: 22 rows", "theirs"]
    assert there(hub, done.commit)["theirs.txt"] == b"x"


def test_a_publish_that_ended_before_its_tag_is_finished(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 10)
    hub.faults.append(Fault("POST", "/tag/", status=503, times=99))
    with pytest.raises(RunError, match=r"out of order .503.*run the same command again"):
        publish(dataset, NAME)
    commit = hub.repositories[NAME].history()[0].id
    hub.faults.clear()
    put(hub, "theirs.txt", "x")
    assert publish(dataset, NAME) == Released(NAME, "1.0.0", commit, is_new=False)
    assert tags(hub) == {"v1.0.0": commit}
    assert titles(hub)[0] == "theirs"


def test_a_release_without_tag_gets_it_before_the_next(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("POST", "/tag/", status=503, times=99))
    with pytest.raises(RunError):
        publish(folder(tmp_path / "a", 10), NAME)
    hub.faults.clear()
    assert publish(folder(tmp_path / "b", 11), NAME).version == "1.1.0"
    assert sorted(tags(hub)) == ["v1.0.0", "v1.1.0"]
    assert len(titles(hub)) == 3


def test_the_hub_asks_for_more_patience_than_there_is(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 10)
    hub.faults.append(Fault("POST", "/commit/", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(RunError, match=r"too many requests \(429\) and asks to wait for 3600 s"):
        publish(dataset, NAME)
    assert publish(dataset, NAME).version == "1.0.0"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.0.0", "exists and has another content"),
        ("0.9.0", "is not above v1.0.0"),
        ("1.0.1", "is too small: rows or columns are new.*the next version is v1.1.0"),
    ],
)
def test_a_version_is_never_changed_nor_too_small(
    hub: Hub, tmp_path: Path, version: str, said: str
) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    with pytest.raises(RunError, match=said):
        publish(folder(tmp_path / "b", 11), NAME, Wishes(version))
    assert len(titles(hub)) == 2
    assert publish(folder(tmp_path / "c", 11), NAME, Wishes("v2.0.0")).version == "2.0.0"


PROSE = "<!-- author: summary -->\nMade with care.\n<!-- /author: summary -->"


def test_prose_entries_and_files_of_others_stay(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    empty = "<!-- author: summary -->\n<!-- /author: summary -->"
    put(hub, "README.md", text(hub, "README.md").replace(empty, PROSE))
    put(hub, "CHANGELOG.md", text(hub, "CHANGELOG.md") + "\nNot ours.\n")
    put(hub, "notes/theirs.md", "x")
    publish(folder(tmp_path / "b", 11), NAME)
    assert PROSE in text(hub, "README.md")
    log = text(hub, "CHANGELOG.md")
    assert log.index("## 1.1.0") < log.index("## 1.0.0") < log.index("Not ours.")
    assert text(hub, "notes/theirs.md") == "x"
    assert "Made with care" not in text(hub, "README.md", "v1.0.0")


FOREIGN = {
    "card": ("README.md", "# Another card\n", "README.md was changed"),
    "licence": ("LICENSE", "None\n", "LICENSE was changed"),
    "shard": ("data/train-00000-of-00001.parquet", "x", "data/train-00000.* was changed"),
    "more_rows": ("data/train-99.parquet", "x", "would be read with its rows"),
    "new_of_ours": ("NOTICE", "x", "NOTICE was changed"),
}


@pytest.mark.parametrize(("path", "content", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_change_of_our_files_stops_the_release(
    hub: Hub, tmp_path: Path, path: str, content: str, said: str
) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    put(hub, path, content)
    dataset = folder(tmp_path / "b", 11)
    (dataset / "LICENSE").write_text("MIT, all of it\n")
    (dataset / "NOTICE").write_text("A notice.\n")
    with pytest.raises(RunError, match=f"{said}.*--overwrite"):
        publish(dataset, NAME)
    assert len(titles(hub)) == 3
    publish(dataset, NAME, Wishes(overwrite=True))
    assert (there(hub)[path] == content.encode()) == (path == "data/train-99.parquet")


def test_a_repository_that_has_a_readme_already(hub: Hub, tmp_path: Path) -> None:
    hub.create(NAME)
    put(hub, "README.md", "---\nlicense: mit\n---\n")
    put(hub, ".gitattributes", "*.parquet filter=lfs\n")
    publish(folder(tmp_path / "a", 10), NAME)
    assert set(there(hub)) > {".gitattributes", "README.md"}


def test_a_readme_of_somebody_else_is_not_lost(hub: Hub, tmp_path: Path) -> None:
    hub.create(NAME)
    put(hub, "README.md", "# My sums\n\nThere were others.\n")
    with pytest.raises(RunError, match=r"before the first release: README.md was changed"):
        publish(folder(tmp_path / "a", 10), NAME)


def test_two_publish_at_a_time(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 10)
    other: list[Released] = []
    hub.faults.append(
        Fault("POST", "/commit/", before=lambda: other.append(publish(dataset, NAME)))
    )
    done = publish(dataset, NAME)
    assert other == [done._replace(is_new=True)]
    assert titles(hub) == ["Release v1.0.0: 20 rows", "initial commit"]
    assert tags(hub) == {"v1.0.0": done.commit}


def test_a_release_that_is_not_curates(hub: Hub, tmp_path: Path) -> None:
    hub.create(NAME)
    put(hub, "notes.txt", "x")
    hub.repositories[NAME].add_tag("v1.0.0", "main")
    with pytest.raises(RunError, match=r"v1.0.0 of org/sums was not made by curate"):
        publish(folder(tmp_path / "a", 10), NAME)


def test_a_copy_of_a_release_goes_elsewhere_with_its_changelog(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    copy = tmp_path / "copy"
    for path, content in there(hub).items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
    assert publish(copy, NAME).version == "1.0.0", "but for its commands it is what was released"
    publish(copy, "org/copy", Wishes("3.0.0"))
    log = dict(files_of(hub, "org/copy"))["CHANGELOG.md"].decode()
    assert log.index("## 3.0.0") < log.index("## 1.0.0")
