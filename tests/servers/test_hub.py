"""The test Hub, used by the real clients as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.servers.hub import Fault, Hub, files_of
from tests.servers.hub_repository import Repository

ROOT = Path(__file__).parents[2]
START = """
import json, sys
from pathlib import Path
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
folder = Path(sys.argv[1])
api = HfApi()
def say(value): print(json.dumps(value))
def add(path, content): return CommitOperationAdd(path, content)
def status(call):
    try:
        call()
    except HfHubHTTPError as error:
        return error.response.status_code
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        yield hub


def client(hub: Hub, script: str, folder: Path, **environment: str) -> list[Any]:
    """What a script says in a process of its own: the client reads its address once."""
    done = subprocess.run(
        [sys.executable, "-c", START + textwrap.dedent(script), str(folder)],
        env={**os.environ, **hub.environment, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", "{"))]


def shard(path: Path, first: int, rows: int) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(range(first, first + rows))
    pq.write_table(pa.table({"problem": [f"{n} + 1?" for n in numbers], "n": numbers}), path)
    return path.read_bytes()


def test_create_commit_tag_and_read_back(hub: Hub, tmp_path: Path) -> None:
    content = shard(tmp_path / "local/data/train-00000-of-00001.parquet", 0, 50)
    (said,) = client(
        hub,
        """
        api.create_repo("org/sums", repo_type="dataset", private=True)
        api.create_repo("org/sums", repo_type="dataset", exist_ok=True)
        one = api.create_commit("org/sums", repo_type="dataset", commit_message="one", operations=[
            add("data/train-00000-of-00001.parquet", folder / "data/train-00000-of-00001.parquet"),
            add("README.md", b"---\\nlicense: mit\\n---\\nhello"), add("old.txt", b"old")])
        api.create_tag("org/sums", repo_type="dataset", tag="v1.0.0", revision=one.oid)
        two = api.create_commit("org/sums", repo_type="dataset", commit_message="two",
            parent_commit=one.oid, operations=[CommitOperationDelete("old.txt")])
        stale = status(lambda: api.create_commit("org/sums", repo_type="dataset",
            commit_message="three", parent_commit=one.oid, operations=[add("x", b"x")]))
        again = status(lambda: api.create_tag("org/sums", repo_type="dataset", tag="v1.0.0"))
        tree = api.list_repo_tree("org/sums", repo_type="dataset", revision="v1.0.0",
                                  recursive=True)
        refs = api.list_repo_refs("org/sums", repo_type="dataset")
        path = api.snapshot_download("org/sums", repo_type="dataset", revision="v1.0.0")
        say({"stale": stale, "again": again, "files": sorted(t.path for t in tree),
             "tags": {t.name: t.target_commit == one.oid for t in refs.tags},
             "commits": len(api.list_repo_commits("org/sums", repo_type="dataset")),
             "read": Path(path, "data/train-00000-of-00001.parquet").read_bytes().hex(),
             "whoami": api.whoami()["name"]})
        """,
        tmp_path / "local",
    )
    assert (said["stale"], said["again"]) == (412, 409)
    assert said["tags"] == {"v1.0.0": True}
    assert said["files"] == [
        *("README.md", "data", "data/train-00000-of-00001.parquet", "old.txt"),
    ]
    assert said["commits"] == 3
    assert bytes.fromhex(said["read"]) == content
    assert dict(files_of(hub, "org/sums"))["README.md"].endswith(b"hello")
    assert "old.txt" not in dict(files_of(hub, "org/sums"))


def test_only_what_is_new_is_uploaded(hub: Hub, tmp_path: Path) -> None:
    for n in range(3):
        shard(tmp_path / f"local/data/train-{n:05d}-of-00003.parquet", n * 1000, 1000)
    upload = """
        api.create_repo("org/sums", repo_type="dataset", exist_ok=True)
        api.upload_folder(repo_id="org/sums", repo_type="dataset", folder_path=folder)
    """
    client(hub, upload, tmp_path / "local")
    first = hub.uploaded_bytes()
    new = shard(tmp_path / "local/data/train-00001-of-00003.parquet", 7000, 1000)
    client(hub, upload, tmp_path / "local")
    assert hub.uploaded_bytes() - first == len(new)
    commits = len(hub.repositories["org/sums"].history())
    client(hub, upload, tmp_path / "local")
    assert len(hub.repositories["org/sums"].history()) == commits


def test_datasets_and_the_file_system(hub: Hub, tmp_path: Path) -> None:
    (said,) = client(
        hub,
        """
        import datasets, pyarrow.parquet as pq
        from huggingface_hub import HfFileSystem
        rows = datasets.Dataset.from_dict({"n": list(range(40))})
        rows.push_to_hub("org/n", "reasoning", num_shards=2)
        one = datasets.load_dataset("org/n", "reasoning", split="train")
        stream = datasets.load_dataset("org/n", "reasoning", split="train", streaming=True)
        files = HfFileSystem().glob("datasets/org/n/**/*.parquet")
        with HfFileSystem().open(files[0]) as file:
            rows_of_one = pq.ParquetFile(file).metadata.num_rows
        say({"rows": len(one), "streamed": len(list(stream)), "files": len(files),
             "in_one": rows_of_one})
        """,
        tmp_path,
    )
    assert said == {"rows": 40, "streamed": 40, "files": 2, "in_one": 20}


def test_pull_requests_branches_and_squashing(hub: Hub, tmp_path: Path) -> None:
    (said,) = client(
        hub,
        """
        api.create_repo("org/x", repo_type="dataset")
        pull = api.create_commit("org/x", repo_type="dataset", commit_message="please",
                                 operations=[add("a.txt", b"a")], create_pr=True)
        api.create_branch("org/x", repo_type="dataset", branch="release")
        api.create_commit("org/x", repo_type="dataset", commit_message="b", revision="release",
                          operations=[add("b.txt", b"b")])
        api.super_squash_history("org/x", repo_type="dataset", branch="release")
        say({"pull": pull.pr_num,
             "main": api.list_repo_files("org/x", repo_type="dataset"),
             "of_pull": api.list_repo_files("org/x", repo_type="dataset", revision="refs/pr/1"),
             "commits": len(api.list_repo_commits("org/x", repo_type="dataset",
                                                  revision="release"))})
        """,
        tmp_path,
    )
    assert said == {"pull": 1, "main": [], "of_pull": ["a.txt"], "commits": 1}


def test_who_may_do_what(hub: Hub, tmp_path: Path) -> None:
    hub.create("org/secret", private=True)
    script = """
        say({"read": status(lambda: api.dataset_info("org/secret")),
             "write": status(lambda: api.create_commit("org/secret", repo_type="dataset",
                             commit_message="x", operations=[add("a", b"a")]))})
    """
    assert client(hub, script, tmp_path) == [{"read": None, "write": None}]
    reader = client(hub, script, tmp_path, HF_TOKEN="hf_reader")
    assert reader == [{"read": None, "write": 403}]
    wrong = client(hub, script, tmp_path, HF_TOKEN="hf_wrong")
    assert wrong == [{"read": 401, "write": 401}]


def test_faults_strike_as_they_are_told_to(hub: Hub, tmp_path: Path) -> None:
    repository = hub.create("org/x")
    hub.faults += [
        Fault("POST", "/commit/", status=503, headers={"Retry-After": "1"}, times=1),
        Fault("POST", "/commit/", times=1),
    ]
    script = """
        def commit(name):
            try:
                api.create_commit("org/x", repo_type="dataset", commit_message=name,
                                  operations=[add(name, b"a")])
                return "done"
            except HfHubHTTPError as error:
                return str(error.response.status_code)
            except Exception as error:
                return type(error).__name__
        say([commit("a"), commit("b"), commit("c")])
    """
    (said,) = client(hub, script, tmp_path)
    assert said == ["503", "RemoteProtocolError", "done"]
    titles = [commit.title for commit in repository.history()]
    assert titles == ["c", "b", "initial commit"], "what was cut off was done"


def test_a_torn_upload_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.create("org/x")
    shard(tmp_path / "local/a.parquet", 0, 2000)
    hub.faults.append(Fault("PUT", "/object/", cut_body=True))
    upload = """
        api.upload_folder(repo_id="org/x", repo_type="dataset", folder_path=folder)
    """
    client(hub, upload, tmp_path / "local")
    assert dict(files_of(hub, "org/x"))["a.parquet"] == (tmp_path / "local/a.parquet").read_bytes()
    assert len(hub.sent("PUT", "/object/")) == 2


def test_somebody_else_commits_first(hub: Hub, tmp_path: Path) -> None:
    repository = hub.create("org/x")
    hub.faults.append(Fault("POST", "/commit/", before=lambda: foreign(repository)))
    script = """
        head = api.dataset_info("org/x").sha
        say([status(lambda: api.create_commit("org/x", repo_type="dataset", commit_message="mine",
                    parent_commit=head, operations=[add("a", b"a")]))])
    """
    assert client(hub, script, tmp_path) == [[412]]
    assert [path for path, _ in files_of(hub, "org/x")] == ["theirs.txt"]


def foreign(repository: Repository) -> None:
    repository.commit(
        "main",
        [
            {"key": "header", "value": {"summary": "theirs"}},
            {"key": "file", "value": {"path": "theirs.txt", "content": "eA=="}},
        ],
    )
