"""Releases by pull request, of many files, for some readers only, and those that must not be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curate.cli import main
from curate.errors import RunError
from curate.sinks.release import Wishes, dry_run, publish
from tests.servers.hub import Fault, Hub
from tests.sinks.released import NAME, client_of, folder, put, tags, titles

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""Of how the Hub's client calls its HTTP client."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with client_of(Hub(tmp_path / "hub"), monkeypatch) as hub:
        yield hub


def test_a_pull_request_proposes_and_its_merge_is_tagged(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    dataset = folder(tmp_path / "b", 11)
    wishes = Wishes(pull_request=True)
    first = publish(dataset, NAME, wishes)
    again = publish(dataset, NAME, wishes)
    assert (
        first.pull_request == again.pull_request == f"{hub.address}/datasets/{NAME}/discussions/1"
    )
    assert (first.is_new, again.is_new) == (True, False)
    assert len(titles(hub)) == 2
    assert sorted(tags(hub)) == ["v1.0.0"]
    hub.repositories[NAME].merge_pull(1)
    done = publish(dataset, NAME)
    assert (done.version, done.pull_request) == ("1.1.0", None)
    assert tags(hub)["v1.1.0"] == hub.repositories[NAME].history()[0].id
    assert titles(hub)[0] == "Release v1.1.0: 22 rows (#1)"


def test_a_pull_request_upon_an_older_main_is_made_anew(hub: Hub, tmp_path: Path) -> None:
    publish(folder(tmp_path / "a", 10), NAME)
    dataset = folder(tmp_path / "b", 11)
    publish(dataset, NAME, Wishes(pull_request=True))
    put(hub, "theirs.txt", "x")
    assert (publish(dataset, NAME, Wishes(pull_request=True)).pull_request or "")[-2:] == "/2"
    pulls = hub.repositories[NAME].pulls
    assert [pulls[number]["status"] for number in (1, 2)] == ["closed", "open"]


def many(place: Path, files: int, content: str = "") -> Path:
    """A dataset with so many small files besides its rows."""
    dataset = folder(place, 10)
    (dataset / "figures").mkdir(exist_ok=True)
    for n in range(files):
        (dataset / f"figures/{n:04d}.svg").write_text(f"<svg>{content}{n}</svg>")
    return dataset


def test_many_files_reach_main_in_one_step(hub: Hub, tmp_path: Path) -> None:
    seen: list[int] = []
    hub.watch = lambda repository, revision, commit: (
        seen.append(len(commit.tree)) if revision == "main" else None
    )
    dataset = many(tmp_path / "a", 230)
    done = publish(dataset, NAME)
    assert seen == [236], "main had nothing, then everything"
    assert titles(hub) == ["Release v1.0.0: 20 rows (#1)", "initial commit"]
    assert tags(hub) == {"v1.0.0": done.commit}
    assert done.is_new
    assert len(hub.sent("POST", "/commit/")) == 3
    assert publish(dataset, NAME) == done._replace(is_new=False)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/commit/", status=400, after=1, times=99),
        Fault("POST", "/merge", status=503, times=99),
    ],
    ids=["in_the_parts", "at_the_merge"],
)
def test_many_files_are_continued(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    dataset = many(tmp_path / "a", 230)
    hub.faults.append(fault)
    with pytest.raises(RunError, match="run the same command again"):
        publish(dataset, NAME)
    assert titles(hub) == ["initial commit"]
    hub.faults.clear()
    before = len(hub.sent("POST", "/commit/"))
    done = publish(dataset, NAME)
    assert titles(hub) == ["Release v1.0.0: 20 rows (#1)", "initial commit"]
    assert tags(hub) == {"v1.0.0": done.commit}
    assert len(hub.sent("POST", "/commit/")) - before == (2 if "commit" in fault.path else 0)


def test_the_answer_to_the_merge_is_lost(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("POST", "/merge"))
    done = publish(many(tmp_path / "a", 120), NAME)
    assert titles(hub) == ["Release v1.0.0: 20 rows (#1)", "initial commit"]
    assert tags(hub) == {"v1.0.0": done.commit}


def test_many_files_upon_a_main_that_moves(hub: Hub, tmp_path: Path) -> None:
    hub.create(NAME)
    hub.faults.append(Fault("POST", "/merge", before=lambda: put(hub, "LICENSE", "None\n")))
    with pytest.raises(RunError, match="LICENSE was changed"):
        publish(many(tmp_path / "a", 120), NAME)
    assert titles(hub) == ["theirs", "initial commit"]


def test_a_dry_run_writes_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = folder(tmp_path / "a", 10)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    told = dry_run(dataset, NAME)
    assert told.startswith(f"{NAME} v1.0.0 (the first release; now: not there yet, will be made)")
    assert NAME not in hub.repositories
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    publish(dataset, NAME)
    hub.log.clear()
    assert dry_run(dataset, NAME).startswith("nothing to do")
    told = dry_run(folder(tmp_path / "b", 11, card="More sums."), NAME)
    assert f"{NAME} v1.1.0 (rows or columns are new" in told
    assert "  unchanged  LICENSE (4 bytes)" in told
    assert "  changed    data/train-00000-of-00001.parquet (" in told
    assert "  -Sums.\n" in told and "  +More sums.\n" in told
    assert "## 1.1.0 (" in told
    assert {line.method for line in hub.log} <= {"GET", "HEAD"}


def test_only_some_may_read(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 10)
    publish(dataset, NAME, Wishes(private=True, gated="manual"))
    repository = hub.repositories[NAME]
    assert (repository.private, repository.gated) == (True, "manual")
    publish(dataset, NAME)
    assert (repository.private, repository.gated) == (True, "manual"), "it is never opened"
    repository.private = False
    publish(dataset, NAME, Wishes(private=True))
    assert repository.private


def test_a_version_is_downloaded_and_compared(hub: Hub, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "a", 10)
    publish(dataset, NAME, Wishes(verify=True))
    assert hub.sent("GET", "/object/")
    entry = hub.repositories[NAME].resolve("v1.0.0").tree["data/train-00000-of-00001.parquet"]
    assert entry.sha256
    path = hub.objects.folder / entry.sha256
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(RunError, match=r"train-00000.* at v1.0.0 is not what was sent"):
        publish(dataset, NAME, Wishes(verify=True))


def empty(dataset: Path) -> None:
    manifest = json.loads((dataset / ".curate/manifest.json").read_text())
    manifest["shards"][0]["rows"] = 0
    (dataset / ".curate/manifest.json").write_text(json.dumps(manifest))


def torn(dataset: Path) -> None:
    shard = next(dataset.glob("data/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-10])


def half(dataset: Path) -> None:
    next(dataset.glob("data/*.parquet")).unlink()


def more(dataset: Path) -> None:
    (dataset / "data/mine.parquet").write_bytes(b"PAR1")


def token(dataset: Path) -> None:
    (dataset / ".curate/notes.txt").write_text("a\nkey = hf_abcdefghijklmnopqrstuvwxyz\n")


def home(dataset: Path) -> None:
    card = dataset / "README.md"
    card.write_text(card.read_text() + "\nMade from /home/ann/secret.jsonl.\n")


def no_card(dataset: Path) -> None:
    (dataset / "README.md").unlink()


UNFIT = {
    empty: "has no rows; an empty dataset is never released",
    torn: "is not the file that was written",
    half: "lacks data/train-00000-of-00001.parquet",
    more: "holds data/mine.parquet, which its manifest does not name",
    token: r"a token in \.curate/notes\.txt, line 2",
    home: r"the folder /home/ann in README\.md, line 19",
    no_card: "has no README.md",
}


@pytest.mark.parametrize(("spoil", "said"), UNFIT.items(), ids=[f.__name__ for f in UNFIT])
def test_what_is_never_published(
    hub: Hub, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    dataset = folder(tmp_path / "a", 10)
    spoil(dataset)
    with pytest.raises(RunError, match=said) as caught:
        publish(dataset, NAME)
    assert "abcdefghij" not in str(caught.value)
    assert NAME not in hub.repositories


def test_a_folder_that_rows_name_is_no_secret(hub: Hub, tmp_path: Path) -> None:
    from curate.sinks.shards import write_shards
    from tests.sinks.made import sample

    dataset = folder(tmp_path / "a", 10)
    rows = [sample(1, problem="What is in /home/user/data?").to_row()]
    for path in dataset.glob("data/*"):
        path.unlink()
    (dataset / "data").rmdir()
    shards = write_shards(rows, dataset, shard_bytes=1 << 30)
    manifest = {"shards": [shard._asdict() for shard in shards]}
    (dataset / ".curate/manifest.json").write_text(json.dumps(manifest))
    card = dataset / "README.md"
    card.write_text(card.read_text() + "\n> What is in /home/user/data?\n")
    assert publish(dataset, NAME).version == "1.0.0"


WRONG = {
    "no_token": ("", NAME, 1, "there is no token for the Hub"),
    "unknown_token": ("hf_wrong", NAME, 1, "the Hub does not know this token"),
    "reading_token": ("hf_reader", NAME, 1, "the token of org may only read"),
    "not_ours": ("hf_writer", "other/sums", 1, "may not write to other/sums"),
    "no_owner": ("hf_writer", "sums", 2, "it is OWNER/NAME, as in me/sums"),
    "no_name": ("hf_writer", "org/a--b", 2, "is no name of a dataset"),
}


@pytest.mark.parametrize(("token", "name", "status", "said"), WRONG.values(), ids=WRONG)
def test_what_goes_wrong_is_said_in_a_line(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str,
    name: str,
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert main(["publish", str(folder(tmp_path / "a", 3)), name]) == status
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert not token or token not in shown


def test_the_command(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    folder(run / "dataset", 10)
    (run / "manifest.json").write_text("{}")
    assert main(["publish", str(run), NAME, "--dry-run"]) == 0
    assert "v1.0.0 (the first release" in capsys.readouterr().out
    assert main(["publish", str(run), NAME, "--private", "--verify"]) == 0
    assert "org/sums v1.0.0 is released (commit " in capsys.readouterr().out
    assert main(["publish", str(run), NAME]) == 0
    assert "nothing to do: org/sums has this dataset as v1.0.0" in capsys.readouterr().out
    assert main(["publish", str(tmp_path / "none"), NAME]) == 2
    assert main(["publish", str(run), NAME, "--version", "1"]) == 2

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("curate.sinks.release.Publisher.go", stopped)
    capsys.readouterr()
    assert main(["publish", str(run), NAME]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_nobody_answers(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert main(["publish", str(folder(tmp_path / "a", 3)), NAME]) == 1
    assert "check the network" in capsys.readouterr().err
