"""How large files come to the test Hub and leave it: Xet, parts; who may read; on its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.hub import Fault, Hub, files_of
from tests.servers.test_hub import ROOT, client, shard

UPLOAD = """
    api.create_repo("org/x", repo_type="dataset", exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    new = api.create_commit("org/x", repo_type="dataset", commit_message="all", operations=[
        add(path.relative_to(folder).as_posix(), path) for path in files])
    say({"commit": new.oid})
"""


def test_xet_uploads_chunks_once_and_reads_them_back(tmp_path: Path) -> None:
    local, random_bytes = tmp_path / "local", random.Random(0).randbytes
    (local / "data").mkdir(parents=True)
    first = random_bytes(1_500_000)
    (local / "data/a.bin").write_bytes(first)
    shard(local / "data/b.parquet", 0, 2_000)
    with Hub(tmp_path / "hub", xet=True) as hub:
        client(hub, UPLOAD, local)
        before = hub.uploaded_bytes()
        assert 1_500_000 < before < 1_600_000
        (local / "data/a.bin").write_bytes(first + random_bytes(1_000))
        client(hub, UPLOAD, local, HF_HOME=str(tmp_path / "another machine"))
        assert hub.uploaded_bytes() - before < 200_000, "only the last chunk is another one"
        assert not hub.sent("PUT"), "nothing went the way of LFS"
        (said,) = client(
            hub,
            """
            import datasets
            path = api.snapshot_download("org/x", repo_type="dataset")
            from huggingface_hub import HfFileSystem
            with HfFileSystem().open("datasets/org/x/data/a.bin") as file:
                file.seek(1_499_990)
                end = file.read()
            rows = datasets.load_dataset("org/x", data_files="data/b.parquet", split="train")
            same = Path(path, "data/a.bin").read_bytes() == (folder / "data/a.bin").read_bytes()
            say({"same": same, "end": len(end), "rows": len(rows)})
            """,
            local,
        )
        assert said == {"same": True, "end": 1_010, "rows": 2_000}
        assert dict(files_of(hub, "org/x"))["data/a.bin"] == (local / "data/a.bin").read_bytes()


def test_large_objects_come_in_parts(tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / "a.bin").write_bytes(random.Random(1).randbytes(250_000))
    with Hub(tmp_path / "hub", multipart_bytes=100_000) as hub:
        hub.faults += [
            Fault("PUT", "/part/.*/2$", status=500),
            Fault("PUT", "/part/.*/3$", cut_body=True),
        ]
        client(hub, UPLOAD, local)
        parts = [x.path.rpartition("/")[2] for x in hub.sent("PUT", "/part/") if x.status == 200]
        assert parts == ["1", "2", "3"]
        assert dict(files_of(hub, "org/x"))["a.bin"] == (local / "a.bin").read_bytes()


def test_faults_of_the_objects(tmp_path: Path) -> None:
    local = tmp_path / "local"
    shard(local / "a.parquet", 0, 100)
    script = """
        api.create_repo("org/x", repo_type="dataset")
        def upload():
            try:
                api.create_commit("org/x", repo_type="dataset", commit_message="all",
                                  operations=[add("a.parquet", folder / "a.parquet")])
                return "done"
            except Exception as error:  # a failed upload comes as a RuntimeError
                cause = error.__cause__ or error
                return cause.response.status_code
        say([upload(), upload(), upload()])
    """
    with Hub(tmp_path / "hub") as hub:
        hub.faults += [
            Fault("PUT", "/object/", damage=True),
            Fault("POST", "/commit/", lose_object=True),
        ]
        said = client(hub, script, local)
        assert said == [[400, 400, "done"]]
        assert len(hub.repositories["org/x"].history()) == 2
        assert [fault.name for fault in hub.struck_by] == ["wrong sha256", "missing object"]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("hf_writer", {"private": None, "gated": None, "file": None, "write": None}),
        ("hf_reader", {"private": None, "gated": None, "file": None, "write": 403}),
        ("hf_stranger", {"private": 404, "gated": None, "file": 403, "write": 403}),
    ],
)
def test_private_and_gated(tmp_path: Path, token: str, expected: dict) -> None:
    with Hub(tmp_path / "hub") as hub:
        hub.create("org/secret", private=True)
        hub.create("org/gated", gated="manual").commit(
            "main",
            [
                {"key": "header", "value": {"summary": "all of it"}},
                {"key": "file", "value": {"path": "a.txt", "content": "eA=="}},
            ],
        )
        script = """
            say({"private": status(lambda: api.dataset_info("org/secret")),
                 "gated": status(lambda: api.dataset_info("org/gated")),
                 "file": status(lambda: api.hf_hub_download("org/gated", "a.txt",
                                                            repo_type="dataset")),
                 "write": status(lambda: api.update_repo_settings("org/gated",
                                 repo_type="dataset", gated="auto"))})
        """
        assert client(hub, script, tmp_path, HF_TOKEN=token) == [expected]
        assert hub.repositories["org/gated"].gated == ("auto" if token == "hf_writer" else "manual")


def test_it_runs_on_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.servers.hub", str(tmp_path / "hub")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        lines = [hub.stdout.readline() for _ in range(6)]
        said = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        asked = subprocess.run(
            [sys.executable, "-c", "import huggingface_hub as h; print(h.whoami()['name'])"],
            env={**os.environ, **said},
            capture_output=True,
            text=True,
            timeout=120,
        )
        hub.send_signal(signal.SIGTERM)
    assert asked.stdout.strip() == "org", asked.stderr
    assert hub.returncode == 0
