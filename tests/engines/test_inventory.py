"""`curate store DIR`: what is there, and whether it can be read back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cli import DONE, FAILED, WRONG, main
from curate.engines import inventory
from curate.engines.inventory import Source, take_inventory
from curate.engines.segments import SegmentWriter
from curate.engines.store import Store
from tests.engines.test_store import ask, say


def fill(folder: Path) -> None:
    with Store(folder) as store:
        store.put(ask(0), say("seven"))
        store.put(ask(1), say("sev", "length", 100))
        store.put(ask(2), say("", "refused", None, error="no"))
        store.put(ask(3, model="n", revision=None, kind="text"), say("7", "cut", 3, cut_by="A"))
    with Store(folder) as store:
        store.put(ask(0), say("7"))
        store.put(ask(4), say("7", "content_filter"))


def test_counts_by_who_was_asked(tmp_path: Path) -> None:
    fill(tmp_path)
    found = take_inventory(tmp_path)
    assert {source: tuple(held.reasons.items()) for source, held in found.holdings.items()} == {
        Source("m", "r", "chat"): (
            ("stop", 2), ("length", 1), ("refused", 1), ("content_filter", 1),
        ),
        Source("n", None, "text"): (("cut", 1),),
    }  # fmt: skip
    one, other = found.holdings.values()
    assert (one.prompt_tokens, one.completion_tokens) == (45, 115)
    assert one.bytes + other.bytes == found.bytes
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.glob("*.records"))
    assert (found.segments, found.open_segments, found.repeated) == (2, 0, 1)
    assert (found.torn, found.damaged, found.broken) == (0, 0, set())


def test_records_of_before_the_kind_was_stored(tmp_path: Path) -> None:
    payload = orjson.loads(
        b'{"text":"7","finish_reason":"stop","max_tokens":100,'
        b'"asked":{"model":"m","revision":"r","seed":0}}'
    )
    SegmentWriter(tmp_path).append(bytes.fromhex(ask().key), orjson.dumps(payload))
    with Store(tmp_path) as store:
        assert store.get(ask()) == say("7", tokens=None, prompt_tokens=None)
    assert list(take_inventory(tmp_path).holdings) == [Source("m", "r", None)]


def test_a_store_that_is_written_to(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put(ask(), say())
        assert take_inventory(tmp_path).open_segments == 1
    assert take_inventory(tmp_path).open_segments == 0


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("at", "lost", "left"),
    [
        pytest.param(3, 1, 5, id="in the first header"),
        pytest.param(70, 1, 5, id="in the first frame"),
        pytest.param(-1, 1, 4, id="in the last frame"),
        pytest.param(None, 0, 4, id="torn"),
    ],
)
def test_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: int | None, lost: int, left: int
) -> None:
    fill(tmp_path)
    path = min(tmp_path.glob("*.records"))
    if at is None:
        os.truncate(path, path.stat().st_size - 1)
    else:
        damage(path, at)
    assert main(["store", str(tmp_path)]) == DONE
    shown = capsys.readouterr().out
    assert "5 completions" in shown
    assert ("torn tail" in shown, "damaged stretch" in shown) == (at is None, at is not None)
    assert main(["store", str(tmp_path), "--verify"]) == (FAILED if lost else DONE)
    what, _, where = capsys.readouterr().out.splitlines()[0].partition(": ")
    assert what == ("damaged" if lost else "torn tail")
    assert where.startswith(f"{path.name} at byte ")
    assert main(["store", str(tmp_path), "--verify", "--compact"]) == (FAILED if lost else DONE)
    assert f"{path.stem}.damaged had damaged records" in capsys.readouterr().out or not lost
    assert main(["store", str(tmp_path), "--verify"]) == DONE
    assert f": {left} completions" in capsys.readouterr().out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_damaged_byte_is_one_flaw(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        with Store(place) as store:
            for seed in range(4):
                store.put(ask(seed), say(f"text {seed}" * 9))
        (path,) = Path(place).glob("*.records")
        damage(path, data.draw(st.integers(0, path.stat().st_size - 1)))
        said: list[str] = []
        found = take_inventory(Path(place), said.append)
        assert (found.damaged, found.torn, len(said)) == (1, 0, 1)
        assert sum(held.completions for held in found.holdings.values()) == 3


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    assert main(["store", str(tmp_path)]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path}: 6 completions, 0.0 MB in 2 segments")
    assert [" ".join(line.split()) for line in lines[2:6]] == [
        "model revision kind completions prompt tokens tokens MB"
        " stop length cut refused content_filter",
        "m r chat 5 45 115 0.0 2 1 0 1 1",
        "n unknown text 1 9 3 0.0 0 0 1 0 0",
        "all 6 54 118 0.0 2 1 1 1 1",
    ]
    assert lines[7] == "1 record of a key that has another one"
    assert main(["store", str(tmp_path), "--compact"]) == DONE
    assert "2 segments became 1: 5 completions kept, 1 dropped" in capsys.readouterr().out
    assert main(["store", str(tmp_path), "--compact"]) == DONE
    assert capsys.readouterr().out == "nothing to compact\n"


def test_not_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--verify"], ["--compact"]):
        assert main(["store", str(tmp_path / "nowhere"), *options]) == WRONG
        assert "nowhere is no sample store" in capsys.readouterr().err
        assert not (tmp_path / "nowhere").exists()


def test_long_readings_say_how_far_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    take_inventory(tmp_path)
    assert capsys.readouterr().err == "", "not before two seconds"
    monkeypatch.setattr(inventory, "QUIET_S", 0.0)
    take_inventory(tmp_path)
    assert capsys.readouterr().err.startswith("reading: 0 of 0 MB, 0 s left\n")
