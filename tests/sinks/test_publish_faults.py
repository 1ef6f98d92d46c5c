"""`curate publish` while the Hub fails in every way and the publisher is killed.

CURATE_TEST_PUBLISHES=200 makes as many publishes as the benchmark does; the suite makes fifteen.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.publish_campaign import NAME, Campaign
from tests.servers.hub import Fault

PUBLISHES = int(os.environ.get("CURATE_TEST_PUBLISHES", "15"))


@pytest.mark.parametrize(("xet", "share"), [(False, 2 / 3), (True, 1 / 3)], ids=["lfs", "xet"])
def test_every_version_is_whole_and_there_once(tmp_path: Path, xet: bool, share: float) -> None:
    publishes = round(PUBLISHES * share)
    with Campaign(tmp_path, seed=20, xet=xet) as campaign:
        campaign.publish(publishes)
        campaign.conclude()
        tally = campaign.tally
        assert tally.wrong == []
        assert tally.versions == tally.publishes >= publishes
        assert len(campaign.hub.repositories[NAME].tags) == tally.versions
        assert sum(tally.faults.values()) >= publishes, "or nothing was tried"
        assert bool(campaign.hub.sent("PUT", "^/object/")) != xet


@pytest.mark.parametrize("is_done", [True, False], ids=["answered to nobody", "not done"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/repos/create"),
        ("POST", "/preupload/"),
        ("PUT", "/object/"),
        ("POST", "/commit/"),
        ("POST", "/tag/"),
        ("GET", "/tree/v1.0.0"),
    ],
    ids=lambda value: value.strip("/").rpartition("/")[2],
)
def test_killed_at_each_step(killed: Campaign, method: str, path: str, is_done: bool) -> None:
    """kill -9 at a request that is worked off or is not; the same command again ends in one commit
    and one tag.
    """
    status = None if is_done else 500
    killed.hub.repositories.clear()
    for sha256 in {
        path.name for path in killed.hub.objects.folder.iterdir() if "." not in path.name
    }:
        killed.hub.objects.remove(sha256)
    place = killed.folder / "dataset"
    killed.build(place, 1, 1 << 30)
    kill = Fault(method, path, status, before=killed.publishers.kill)
    killed.hub.faults[:] = [kill]
    assert killed.publishers.run("publish", str(place), NAME) == -9
    assert killed.publishers.run("publish", str(place), NAME) == 0
    killed.check_publish(place, 1, [])
    assert killed.tally.wrong == []


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory):
    with Campaign(tmp_path_factory.mktemp("killed"), seed=1) as campaign:
        yield campaign


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    """A commit that brings another manifest than shards, a version that is not what was built, and
    an object that comes twice.
    """
    with Campaign(tmp_path, seed=2) as campaign:
        campaign.publish(1)
        repository = campaign.hub.repositories[NAME]
        head = repository.resolve("main")
        shard = next(path for path in head.tree if path.endswith(".parquet"))
        lines = [
            {"key": "header", "value": {"summary": "half"}},
            {"key": "deletedFile", "value": {"path": shard}},
        ]
        campaign.check_commit(repository, "main", repository.commit("main", lines))
        campaign.versions = dict.fromkeys(campaign.versions, "another")
        put = next(x for x in campaign.hub.sent("PUT", "^/object/") if x.status == 200)
        campaign.hub.log.extend([put, put])
        campaign.conclude()
    said = json.dumps(campaign.tally.wrong)
    for part in ("is not what its manifest says", "does not load as it was built", "uploaded"):
        assert part in said
