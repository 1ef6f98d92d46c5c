from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.engines.request import Completion, Request
from curate.engines.store import Store
from curate.errors import StoreError

TEXTS = st.text(st.characters(codec=None), max_size=300)


def ask(seed: int = 0, **changes: object) -> Request:
    request = Request(
        messages=({"role": "user", "content": "What is 3 + 4?"},),
        model="m",
        revision="r",
        temperature=0.7,
        top_p=0.95,
        max_tokens=100,
        seed=seed,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def say(text: str = "7", reason: str = "stop", tokens: int | None = 5, **changes) -> Completion:
    values = {"prompt_tokens": 9, "completion_tokens": tokens, "max_tokens": 100, **changes}
    return Completion(text=text, finish_reason=reason, **values)


COMPLETIONS = st.builds(
    say,
    TEXTS,
    st.sampled_from(["stop", "length", "refused", "content_filter"]),
    st.none() | st.integers(0, 100),
    error=st.none() | TEXTS,
    model=st.none() | TEXTS,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), COMPLETIONS), unique_by=lambda pair: pair[0]))
def test_what_was_put_is_there_now_and_after_opening_again(records) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Store(folder) as store:
            for seed, completion in records:
                store.put(ask(seed), completion)
                assert store.get(ask(seed)) == completion
        with Store(folder) as store:
            assert len(store) == len(records)
            assert [store.get(ask(seed)) for seed, _ in records] == [c for _, c in records]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(TEXTS, min_size=1, max_size=6))
def test_torn_at_any_byte_keeps_what_was_whole(data, texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ends = []
        with Store(folder) as store:
            for seed, text in enumerate(texts):
                store.put(ask(seed), say(text))
                ends.append(next(Path(folder).glob("*.records")).stat().st_size)
        cut = data.draw(st.integers(0, ends[-1]))
        index_cut = data.draw(st.none() | st.integers(0, 20 * len(texts)))
        os.truncate(next(Path(folder).glob("*.records")), cut)
        index = next(Path(folder).glob("*.index"))
        index.unlink() if index_cut is None else os.truncate(index, index_cut)
        with Store(folder) as store:
            for seed, (text, end) in enumerate(zip(texts, ends, strict=True)):
                found = store.get(ask(seed))
                assert (found is not None and found.text == text) == (end <= cut)
            store.put(ask(99), say("after"))
        with Store(folder) as store:
            assert store.get(ask(99)) == say("after")


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_one_damaged_byte_costs_at_most_its_record(data, has_index: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Store(folder) as store:
            for seed in range(4):
                store.put(ask(seed), say(f"text {seed}" * 9))
        path = next(Path(folder).glob("*.records"))
        if not has_index:
            path.with_suffix(".index").unlink()
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with Store(folder) as store:
            found = [store.get(ask(seed)) for seed in range(4)]
            assert found.count(None) <= 1 if has_index else found.count(None) <= 2
            assert all(c in (None, say(f"text {seed}" * 9)) for seed, c in enumerate(found))
            if has_index:  # 0 where a bit of zstd's header does not matter, as 6 in 1,000 do
                assert store.damaged == found.count(None)


def test_two_writers_at_once(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as two:
        for seed in range(0, 20, 2):
            one.put(ask(seed), say(f"{seed}"))
            two.put(ask(seed + 1), say(f"{seed + 1}"))
    with Store(tmp_path) as store:
        assert [store.get(ask(seed)) for seed in range(20)] == [say(f"{s}") for s in range(20)]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=5, unique=True), st.randoms())
def test_of_several_records_the_same_one_counts_in_any_order(texts: list[str], random) -> None:
    answers = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            for text in random.sample(texts, len(texts)):
                with Store(folder) as store:
                    store.put(ask(), say(text))
            with Store(folder) as store:
                answers.append(store.get(ask()))
    assert answers[0] == answers[1] is not None


def test_equal_completion_is_stored_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put(ask(), say())
        store.put(ask(), say())
        assert len(store) == 1


@pytest.mark.parametrize(
    ("stored", "wanted", "rules", "is_served"),
    [
        pytest.param(say(), 100, (), True, id="ended by itself"),
        pytest.param(say(tokens=5), 5, (), True, id="fits a smaller limit"),
        pytest.param(say(tokens=5), 4, (), False, id="longer than the limit"),
        pytest.param(say(tokens=5), 10_000, (), True, id="the limit grew"),
        pytest.param(say(tokens=None), 100, (), True, id="length unknown, same limit"),
        pytest.param(say(tokens=None), 99, (), False, id="length unknown, smaller limit"),
        pytest.param(say(reason="length", tokens=100), 100, (), True, id="cut by this limit"),
        pytest.param(say(reason="length", tokens=100), 200, (), False, id="cut by another limit"),
        pytest.param(say(reason="refused"), 100, (), True, id="refused"),
        pytest.param(say(reason="refused"), 50, (), False, id="refused with another limit"),
        pytest.param(say(reason="cut", cut_by="A"), 100, ("A", "B"), True, id="rule in force"),
        pytest.param(say(reason="cut", cut_by="A"), 100, ("B",), False, id="rule not in force"),
        pytest.param(say(reason="cut", cut_by="A"), 4, ("A",), False, id="cut after the limit"),
    ],
)
def test_when_a_record_serves(
    tmp_path: Path, stored: Completion, wanted: int, rules: tuple[str, ...], is_served: bool
) -> None:
    with Store(tmp_path) as store:
        store.put(ask(), stored)
        found = store.get(ask(max_tokens=wanted), frozenset(rules))
        assert found == (stored if is_served else None)


def test_key_holds_what_determines_the_answer_and_nothing_else() -> None:
    changes = {
        "messages": ({"role": "user", "content": "?"},),
        "model": "n",
        "revision": None,
        "kind": "text",
        "temperature": 0.8,
        "top_p": 1.0,
        "stop": ("x",),
        "seed": 1,
    }
    keys = {ask().key} | {ask(**{name: value}).key for name, value in changes.items()}
    assert len(keys) == len(changes) + 1
    assert ask(max_tokens=7).key == ask().key
    assert ask(temperature=1).key == ask(temperature=1.0).key
    assert ask().key.startswith("5b36473ad429efe2"), "a changed key makes every store worthless"


def test_replay_writes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        assert store.get(ask()) is None
    assert not (tmp_path / "store").exists()
    with Store(tmp_path / "store") as store:
        store.put(ask(), say())
    before = sorted(tmp_path.rglob("*"))
    with Store(tmp_path / "store") as store:
        assert store.get(ask()) == say()
    assert sorted(tmp_path.rglob("*")) == before


def test_survives_sigkill(tmp_path: Path) -> None:
    code = f"""
import itertools
from tests.engines.test_store import Store, ask, say
store = Store({str(tmp_path)!r})
for seed in itertools.count():
    store.put(ask(seed), say("x" * 5000))
    print(seed, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout as lines:
        done = next(int(line) for line in lines if int(line) >= 200)
        process.kill()
        done = max([done, *(int(line) for line in lines)])
    process.wait()
    with Store(tmp_path) as store:
        assert all(store.get(ask(seed)) for seed in range(done + 1))
        assert len(store) in (done + 1, done + 2)


def test_reading_waits_for_no_writer(tmp_path: Path) -> None:
    """While one thread writes, beyond the size at which the table merges, another one reads."""
    wrong: list[int] = []
    written = 0
    with Store(tmp_path) as store:
        store.put(ask(0), say("0"))

        def read() -> None:
            while written < 17_000:
                for seed in (0, written):
                    if store.get(ask(seed)) != say(str(seed)):
                        wrong.append(seed)

        reader = threading.Thread(target=read)
        reader.start()
        for seed in range(1, 17_001):
            store.put(ask(seed), say(str(seed)))
            written = seed
        reader.join()
    assert wrong == []


def test_full_disk_is_one_line_and_leaves_no_garbage(tmp_path: Path) -> None:
    """A limit on the size of files ends a write in the middle, as a full disk does."""
    code = f"""
import resource
from tests.engines.test_store import Store, StoreError, ask, say
store = Store({str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
seed, text = 0, "".join(map(str, range(200)))
try:
    while True:
        store.put(ask(seed), say(f"{{seed}} {{text}}"))
        seed += 1
except StoreError as error:
    print(seed, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put(ask(1000), say("room again"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    count, _, message = done.stdout.partition(" ")
    assert "cannot write to the sample store" in message
    assert "store=FOLDER" in message
    with Store(tmp_path) as store:
        assert len(store) == int(count) + 1
        assert store.get(ask(1000)) == say("room again")


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="is a file where a folder should be"):
        Store(tmp_path / "store")
    with pytest.raises(StoreError, match="cannot write to the sample store"):
        Store(tmp_path / "store" / "below").prepare()


def test_remembers_the_model_of_an_endpoint(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        assert store.served("http://a/v1") is None
        store.remember("http://a/v1", "one")
        store.remember("http://a/v1", "two")
        store.remember("http://b/v1", "three")
    with Store(tmp_path / "store") as store:
        assert store.served("http://a/v1") == "two"
        assert store.served("http://b/v1") == "three"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Store(tmp_path / "file" / "store").remember("http://a/v1", "one")


def test_many_records_and_more_segments_than_open_files(tmp_path: Path) -> None:
    """Beyond the sizes at which the table merges and descriptors are closed."""
    for part in range(70):
        with Store(tmp_path) as store:
            store.put(ask(part), say(f"{part}"))
    with Store(tmp_path) as store:
        for seed in range(100, 17_000):
            store.put(ask(seed), say(f"{seed}"))
        for seed in (*range(70), 100, 16_400, 16_999):
            found = store.get(ask(seed))
            assert found and found.text == f"{seed}"
        assert len(store) == 70 + 16_900


def test_record_is_readable_json_to_whoever_looks(tmp_path: Path) -> None:
    import zstandard

    with Store(tmp_path) as store:
        store.put(ask(3), say("七"))
    frame = next(tmp_path.glob("*.records")).read_bytes()[60:]
    record = json.loads(zstandard.ZstdDecompressor().decompress(frame))
    assert record["text"] == "七"
    assert record["asked"] == {"model": "m", "revision": "r", "kind": "chat", "seed": 3}
