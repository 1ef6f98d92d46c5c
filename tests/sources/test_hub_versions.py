"""Two versions of one dataset on a Hub: read back by every client, and pinned to their commits."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from curate.sample import Sample, sort_key
from curate.sinks.shards import write_shards
from tests.servers.hub import Hub
from tests.sinks.made import samples

ROOT = Path(__file__).parents[2]
REPO = "org/traces"
CONFIGS = {"reasoning": ("math", "logic"), "general": ("code",)}
CARD = "---\nconfigs:\n" + "".join(
    f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*.parquet\n"
    for name in CONFIGS
)
VERSIONS = {"v1.0.0": samples(12), "v1.1.0": samples(15)[3:]}

READ = """
import json, sys
from pathlib import Path
import datasets, polars
from huggingface_hub import HfFileSystem, hf_hub_download
from curate.sources import Prompts, Samples
from curate.sources.hub import fetched, pinned
from curate.step import Context

repo, found = sys.argv[1], {}
context = Context(out=Path("/nowhere"), project=Path("/"), pipeline_dir=Path("/"))

def steps(step):
    step.prepare(context)
    return list(step.run())

for tag in ("v1.0.0", "v1.1.0"):
    for config in ("reasoning", "general"):
        rows = datasets.load_dataset(repo, config, revision=tag, split="train")
        stream = datasets.load_dataset(repo, config, revision=tag, split="train", streaming=True)
        file = f"{config}/train-00000-of-00001.parquet"
        local = hf_hub_download(repo, file, repo_type="dataset", revision=tag)
        with HfFileSystem().open(f"datasets/{repo}@{tag}/{file}") as remote:
            opened = polars.read_parquet(remote)
        spec = f"hub:{repo}@{tag}?config={config}"
        found[f"{tag} {config}"] = {
            "loaded": list(rows["id"]),
            "streamed": [row["id"] for row in stream],
            "polars": polars.read_parquet(local)["id"].to_list(),
            "file system": opened["id"].to_list(),
            "Samples": [d.id for d in steps(Samples(spec))],
        }
        found[f"{tag} {config} problems"] = {
            "loaded": sorted(set(rows["problem"])),
            "Prompts": sorted(d.text for d in steps(Prompts(spec))),
        }
    found[tag] = [pinned(repo, tag), fetched(f"hub:{repo}@{tag}").name]
print(json.dumps(found))
"""
PINNED = """
import json, sys
from pathlib import Path
from curate.errors import CurateError
from curate.sources import Samples
from curate.step import Context

class Ledger:
    notes = {}
    def count(self, *_, **__): pass
    def drop(self, *_, **__): pass
    def note(self, name, value): self.notes[name] = value

out = Path(sys.argv[1])
for spec in sys.argv[2:]:
    step = Samples(spec)
    step.prepare(Context(out=out, project=out, pipeline_dir=out, ledger=Ledger()))
    try:
        print(json.dumps([sorted(d.id for d in step.run()), Ledger.notes.get("datasets")]))
    except CurateError as error:
        print(json.dumps(str(error)))
"""


class Done(NamedTuple):
    """What a process said on standard output and standard error."""

    said: str
    warned: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.said.splitlines()]


class Client(NamedTuple):
    """A process of its own, as the real clients read their environment once."""

    hub: Hub
    home: Path

    def run(self, script: str, *words: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            env={**os.environ, **self.hub.environment, "HF_HOME": str(self.home)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        return Done(done.stdout, done.stderr)


def release(hub: Hub, tag: str | None, given: Sequence[Sample]) -> str:
    """One commit to main with the two configs, and its tag."""
    lines: list[dict[str, Any]] = [{"key": "header", "value": {"summary": tag or "no release"}}]
    for config, domains in CONFIGS.items():
        rows = sorted((s.to_row() for s in given if s.domain in domains), key=sort_key)
        folder = hub.folder / f"built-{tag}-{config}"
        write_shards(rows, folder, shard_bytes=10**9)
        content = next(folder.rglob("*.parquet")).read_bytes()
        oid = hashlib.sha256(content).hexdigest()
        hub.objects.put(oid, content)
        value = {"path": f"{config}/train-00000-of-00001.parquet", "algo": "sha256", "oid": oid}
        lines.append({"key": "lfsFile", "value": value | {"size": len(content)}})
    card = base64.b64encode(f"{CARD}---\n# {tag}\n".encode()).decode()
    lines.append({"key": "file", "value": {"path": "README.md", "content": card}})
    commit = hub.repositories[REPO].commit("main", lines).id
    if tag:
        hub.repositories[REPO].add_tag(tag, commit)
    return commit


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Hub(tmp_path / "hub") as hub:
        hub.create(REPO)
        yield Client(hub, tmp_path / "home")


def ids(given: Sequence[Sample], config: str = "") -> list[str]:
    domains = CONFIGS.get(config, ("math", "logic", "code"))
    rows = (s.to_row() for s in given if s.domain in domains)
    return [row["id"] for row in sorted(rows, key=sort_key)]


def test_every_client_reads_both_versions_as_they_were_built(client: Client) -> None:
    commits = {tag: release(client.hub, tag, given) for tag, given in VERSIONS.items()}
    release(client.hub, None, samples(2))  # main is elsewhere by now
    (found,) = client.run(READ, REPO).lines
    for tag, given in VERSIONS.items():
        assert found[tag] == [commits[tag]] * 2
        for config, domains in CONFIGS.items():
            expected = ids(given, config)
            assert expected
            assert found[f"{tag} {config}"] == dict.fromkeys(
                ("loaded", "streamed", "polars", "file system", "Samples"), expected
            )
            problems = sorted({s.problem for s in given if s.domain in domains})
            assert found[f"{tag} {config} problems"] == {"loaded": problems, "Prompts": problems}


def test_a_run_stays_with_the_commit_that_it_began_with(client: Client, tmp_path: Path) -> None:
    first = release(client.hub, "v1.0.0", VERSIONS["v1.0.0"])
    (tmp_path / "run/stages").mkdir(parents=True)
    specs = [f"hub:{REPO}@main?config=reasoning", f"hub:{REPO}@v1.0.0?config=general"]
    before = client.run(PINNED, str(tmp_path / "run"), *specs).lines
    second = release(client.hub, "v1.1.0", VERSIONS["v1.1.0"])
    client.hub.repositories[REPO].tags["v1.0.0"] = second  # what nobody should do
    done = client.run(PINNED, str(tmp_path / "run"), *specs)
    again = done.lines
    names = [f"hub:{REPO}@main", f"hub:{REPO}@v1.0.0"]
    assert again[0] == [sorted(ids(VERSIONS["v1.0.0"], "reasoning")), dict.fromkeys(names, first)]
    assert again[1] == before[1]
    for name in names:
        assert f"{name} is {second[:12]} by now; this run stays with {first[:12]}" in done.warned
    (tmp_path / "other/stages").mkdir(parents=True)
    new = client.run(PINNED, str(tmp_path / "other"), specs[0]).lines
    assert new == [[sorted(ids(VERSIONS["v1.1.0"], "reasoning")), {names[0]: second}]]


def test_what_is_not_there_is_said_with_what_is(client: Client, tmp_path: Path) -> None:
    release(client.hub, "v1.0.0", VERSIONS["v1.0.0"])
    said = client.run(
        PINNED,
        str(tmp_path),
        f"hub:{REPO}@v2.0.0?config=general",
        f"hub:{REPO}@v1.0.0?config=genral",
        f"hub:{REPO}@v1.0.0",
        "hub:org/none@main",
    ).lines
    assert f"hub:{REPO}@v2.0.0: it has no revision 'v2.0.0'; it has v1.0.0, main" in said[0]
    assert "BuilderConfig 'genral' not found. Available: ['reasoning', 'general']" in said[1]
    assert "['reasoning', 'general']" in said[2]
    assert "there is no dataset org/none" in said[3]


def test_versions_on_the_hub_are_compared_by_the_command(client: Client) -> None:
    for tag, given in VERSIONS.items():
        release(client.hub, tag, given)
    specs = [f"hub:{REPO}@{tag}" for tag in VERSIONS]
    script = "import sys; from curate.cli import main; sys.exit(main(sys.argv[1:]))"
    found = json.loads(client.run(script, "diff", *specs, "--json").said)
    old, new = ({*ids(given)} for given in VERSIONS.values())
    assert (found["added"]["rows"], found["removed"]["rows"]) == (len(new - old), len(old - new))
    assert found["added"]["by"]["config"] == {
        config: len({*ids(VERSIONS["v1.1.0"], config)} - old) for config in CONFIGS
    }
    assert (found["a"]["name"], found["bump"]) == (specs[0], "minor")
