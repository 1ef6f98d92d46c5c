"""Publishes under faults: every kind that the test Hub knows, several at once, and kill -9.

    with Campaign(folder, seed=0) as campaign:
        campaign.publish(50)
        campaign.conclude()
        campaign.tally

A dataset grows and changes; each state of it is published by the same command again and again until
it ends with 0. What must hold is checked by the Hub at every commit, after every publish, and at
the end; what does not hold is a line in `tally.wrong`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.publish_process import Publishers
from benchmarks.publish_rows import Row, changed, dataset
from curate.sample import sort_key
from curate.sinks.shards import write_shards
from tests.servers.hub import Fault, Hub
from tests.servers.hub_faults import random_faults
from tests.servers.hub_repository import Commit, Repository
from tests.sinks.made import CARD

NAME = "org/sums"
ATTEMPTS = 25
MANY_SHARDS_EVERY, AGAIN_EVERY, LOADED = 20, 8, 6
"""Publishes of more than 100 files; those that are repeated; versions loaded by `datasets`."""
SHARD_BYTES = 120_000
LOAD = """
import hashlib, json, sys, datasets
from huggingface_hub import HfApi
for tag in json.loads(sys.argv[2]):
    found = datasets.load_dataset(sys.argv[1], revision=tag, split="train", streaming=False)
    rows = [[row["id"], row["completion"][0]["content"]] for row in found]
    print(tag, hashlib.sha256(json.dumps(rows).encode()).hexdigest())
"""


@dataclass
class Tally:
    """What was done, what struck, and what was wrong."""

    publishes: int = 0
    runs: int = 0
    versions: int = 0
    loaded: int = 0
    kills: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0
    new_bytes: int = 0
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


class Campaign:
    """One Hub with one dataset, and the process that publishes to it; a context."""

    def __init__(self, folder: Path, *, seed: int, xet: bool = False) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.seed, self.tally = seed, Tally()
        self.hub = Hub(folder / "hub", xet=xet)
        self.hub.watch = self.check_commit
        self.sentences = [f"Then {n} and {n * 7} make {n * 8}." for n in range(5_000)]
        self.rows = dataset(150, characters=2_000, sentences=self.sentences, seed=seed)
        self.versions: dict[str, str] = {}
        """The hash of the rows of each version."""
        self.shas: dict[str, int] = {}
        """Bytes of every large file that was published."""

    def __enter__(self) -> Campaign:
        self.hub.__enter__()
        log = self.folder / "publishes.log"
        self.publishers = Publishers(self.hub.environment, log).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.publishers.__exit__(*error)
        self.hub.__exit__(*error)

    def publish(self, publishes: int) -> None:
        """Publishes so many states of the dataset; up to twice as many until as many faults have
        struck.
        """
        for number in range(1, 2 * publishes + 1):
            if number > publishes and len(self.hub.struck_by) >= publishes:
                break
            place = self.folder / "dataset"
            many = number % MANY_SHARDS_EVERY == 0
            self.build(place, number, SHARD_BYTES // 40 if many else SHARD_BYTES)
            before = self.commits()
            self.until_done(place)
            self.check_publish(place, number, before)
            if number % AGAIN_EVERY == 0:
                self.check_again(place)
            self.change()
            told = json.dumps(vars(self.tally), indent=1)
            (self.folder / "tally.json").write_text(told)

    def build(self, place: Path, number: int, shard_bytes: int) -> None:
        """The dataset folder as it is now."""
        shutil.rmtree(place, ignore_errors=True)
        shards = write_shards(self.rows, place, shard_bytes=shard_bytes)
        (place / "README.md").write_text(CARD.format(text=f"State {number}."))
        manifest = {"shards": [shard._asdict() for shard in shards]}
        (place / ".curate").mkdir()
        (place / ".curate/manifest.json").write_text(json.dumps(manifest))

    def change(self) -> None:
        """New rows, other rows, fewer rows, or only another card."""
        kind = self.chance.choice(("more", "more", "other", "fewer", "card"))
        seed = self.chance.getrandbits(30)
        if kind == "more":
            count = self.chance.randint(1, 20)
            new = dataset(count, characters=2_000, sentences=self.sentences, seed=seed)
            self.rows = sorted((*self.rows, *new), key=sort_key)
        elif kind == "other":
            self.rows = changed(self.rows, 0.02, seed=seed)
        elif kind == "fewer" and len(self.rows) > 100:
            gone = set(self.chance.sample(range(len(self.rows)), self.chance.randint(1, 10)))
            self.rows = [row for at, row in enumerate(self.rows) if at not in gone]

    def until_done(self, place: Path) -> None:
        """The same command until it ends with 0."""
        self.tally.publishes += 1
        for _ in range(ATTEMPTS):
            self.tally.runs += 1
            self.hub.faults[:] = self.trouble()
            kill_after_s = self.chance.uniform(0, 1.5) if self.chance.random() < 0.2 else None
            arguments = ("publish", str(place), NAME)
            status = self.publishers.run(*arguments, kill_after_s=kill_after_s)
            self.hub.faults.clear()
            self.tally.kills += status == -9
            if status == 0:
                return
            if status not in (1, -9):
                self.tally.wrong.append(f"publish ended with {status}")
        self.tally.wrong.append(f"{ATTEMPTS} publishes of one state did not end with 0")

    def trouble(self) -> list[Fault]:
        """Nothing in one run of four, else up to four faults, somebody's commit or a kill."""
        if self.chance.random() < 0.25:
            return []
        faults = random_faults(self.chance)
        if self.chance.random() < 0.1:
            faults.append(Fault("POST", "/commit/", before=self.foreign_commit))
        if self.chance.random() < 0.25:
            # Killed at a request, which is worked off (and answered to nobody) or is not.
            status = self.chance.choice((None, 500))
            after = self.chance.randint(0, 40)
            kill = Fault(".*", "", status, after=after, before=self.publishers.kill)
            faults.append(kill)
        return faults

    def foreign_commit(self) -> None:
        """Somebody adds a file of their own."""
        if NAME in self.hub.repositories:
            content = base64.b64encode(str(self.chance.random()).encode()).decode()
            value = {"path": f"notes/{len(self.hub.log)}.txt", "content": content}
            lines = [{"key": "header", "value": {"summary": "theirs"}}]
            self.hub.repositories[NAME].commit("main", [*lines, {"key": "file", "value": value}])

    def commits(self) -> list[Commit]:
        """Ours on main, the newest first."""
        if NAME not in self.hub.repositories:
            return []
        history = self.hub.repositories[NAME].history()
        return [commit for commit in history if commit.title.startswith("Release")]

    def check_commit(self, repository: Repository, revision: str, commit: Commit) -> None:
        """No half state is ever visible on main: every shard is there as the manifest has it."""
        if revision != "main":
            return
        told = json.loads(repository.content(commit.tree[".curate/manifest.json"]))
        expected = {shard["path"]: shard["sha256"] for shard in told["shards"]}
        there = {p: e.sha256 for p, e in commit.tree.items() if p.endswith(".parquet")}
        if there != expected:
            self.tally.wrong.append(f"{commit.title}: the tree is not what its manifest says")
        for sha256 in there.values():
            if sha256 is None or not self.hub.objects.has(sha256):
                self.tally.wrong.append(f"{commit.title}: {sha256} is not there")

    def check_publish(self, place: Path, number: int, before: Sequence[Commit]) -> None:
        """One commit and one tag more, and the shards at the tag are those of the folder."""
        repository, after = self.hub.repositories[NAME], self.commits()
        if len(after) != len(before) + 1:
            self.tally.wrong.append(f"state {number}: {len(after) - len(before)} commits")
        tags = [tag for tag, commit in repository.tags.items() if commit == after[0].id]
        if len(tags) != 1 or len(repository.tags) != len(after):
            self.tally.wrong.append(f"state {number}: {len(repository.tags)} tags, {tags} on it")
        there = {p: e.sha256 for p, e in after[0].tree.items() if p.endswith(".parquet")}
        here = {
            path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in place.rglob("*.parquet")
        }
        if there != here:
            self.tally.wrong.append(f"state {number}: its shards are not those that were built")
        self.shas |= {e.sha256: e.size for e in after[0].tree.values() if e.sha256}
        self.versions |= dict.fromkeys(tags, digest_of(self.rows))
        self.tally.versions += 1

    def check_again(self, place: Path) -> None:
        """A publish of what is published does nothing."""
        history = self.hub.repositories[NAME].history()
        sent = self.hub.uploaded_bytes()
        if self.publishers.run("publish", str(place), NAME) != 0:
            self.tally.wrong.append("a publish of what is published did not end with 0")
        if self.hub.repositories[NAME].history() != history:
            self.tally.wrong.append("a publish of what is published made a commit")
        if self.hub.uploaded_bytes() != sent:
            self.tally.wrong.append("a publish of what is published sent bytes")

    def conclude(self) -> None:
        """Loads versions as their readers do, and looks whether anything was sent twice."""
        tags = self.chance.sample(sorted(self.versions), min(LOADED, len(self.versions)))
        environment = {"HF_HOME": str(self.folder / "reader"), "HF_TOKEN": "hf_reader"}
        done = subprocess.run(
            [sys.executable, "-c", LOAD, NAME, json.dumps(tags)],
            env={**os.environ, **self.hub.environment, **environment},
            capture_output=True,
            text=True,
        )
        loaded = dict(line.split() for line in done.stdout.splitlines())
        for tag in tags:
            if loaded.get(tag) != self.versions[tag]:
                said = done.stderr[-500:]
                self.tally.wrong.append(f"{tag} does not load as it was built: {said}")
        self.tally.loaded = len(tags)
        self.tally.faults.update(fault.name for fault in self.hub.struck_by)
        self.tally.sent_bytes = self.hub.uploaded_bytes()
        self.tally.new_bytes = sum(self.shas.values())
        self._check_objects()

    def _check_objects(self) -> None:
        """A large file is answered with 200 once, and once more for each time that it was lost."""
        taken = Counter(
            x.path.rpartition("/")[2] for x in self.hub.sent("PUT", "^/object/") if x.status == 200
        )
        lost = Counter(self.hub.lost)
        for sha256, times in taken.items():
            if times > 1 + lost[sha256]:
                self.tally.wrong.append(f"{sha256} was uploaded {times} times")


def digest_of(rows: Iterable[Row]) -> str:
    """Of the ids and answers, as the reader makes it of what it loads."""
    told: list[Any] = [[row["id"], row["completion"][0]["content"]] for row in rows]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
