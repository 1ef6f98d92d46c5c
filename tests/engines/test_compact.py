"""Compaction changes nothing that a store could ever answer, whenever it is killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.engines import segments
from curate.engines.compact import compact
from curate.engines.inventory import take_inventory
from curate.engines.request import Completion
from curate.engines.store import Store
from curate.errors import StoreError
from tests.engines.test_store import ask, say

KILLS = 25
LIMITS = (3, 5, 8, 100, 1000)
RULES = (frozenset[str](), frozenset("A"), frozenset("B"), frozenset("AB"))

ANSWERS = st.builds(
    lambda text, ending, tokens, limit: say(
        text, ending[0], None if tokens is None else min(tokens, limit), max_tokens=limit,
        cut_by=ending[1],
    ),
    st.sampled_from("xyz"),
    st.sampled_from(
        [("stop", None), ("length", None), ("refused", None), ("cut", "A"), ("cut", "B")]
    ),
    st.none() | st.sampled_from(LIMITS),
    st.sampled_from(LIMITS),
)  # fmt: skip


def answers(folder: Path, seeds: range) -> list[Completion | None]:
    """Whatever a store could be asked."""
    with Store(folder) as store:
        return [
            store.get(ask(seed, max_tokens=limit), rules)
            for seed in seeds
            for limit in LIMITS
            for rules in RULES
        ]


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill(folder: Path, parts: int = 12, each: int = 8) -> None:
    """Segments of completions, of which every fourth is in all of them."""
    for part in range(parts):
        with Store(folder) as store:
            for seed in range(part * each, (part + 1) * each):
                store.put(ask(seed), say(f"{seed} " * 40))
    whole = next(folder.glob("*.records"))
    for copy in range(parts // 4):
        name = whole.with_name(f"{copy:x}-merged-1-{copy:08x}.records")
        shutil.copy(whole, name)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 1), ANSWERS), max_size=5), min_size=1, max_size=5)
)
def test_every_question_has_the_answer_it_had(parts) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in parts:
            with Store(folder) as store:
                store.prepare()
                for seed, completion in part:
                    store.put(ask(seed), completion)
        before = answers(folder, range(2))
        with Store(folder) as running:
            compact(folder)
            assert answers(folder, range(2)) == before
            assert [running.get(ask(0, max_tokens=3)), running.get(ask(1, max_tokens=3))] == [
                before[0],
                before[len(before) // 2],
            ]
        after = listing(folder)
        assert compact(folder).merged == 0
        assert listing(folder) == after
        assert len(list(folder.glob("*.records"))) <= 1


def test_what_can_never_be_served_goes(tmp_path: Path) -> None:
    kept = [
        say("cut off", "length", 100),
        say("cut off", "length", 50, max_tokens=50),
        say("a beginning", "cut", 7, cut_by="A"),
    ]
    for completion in [*kept, say("a beginning", "cut", 7, cut_by="A")]:
        with Store(tmp_path / "other") as store, Store(tmp_path / "store") as own:
            store.put(ask(), completion)
            own.put(ask(), completion)
    for path in (tmp_path / "other").glob("*.records"):
        path.rename(tmp_path / "store" / path.name)
    done = compact(tmp_path / "store")
    assert (done.kept, done.dropped, done.made) == (3, 3, 1)
    with Store(tmp_path / "store") as store:
        assert sorted(map(str, (r.completion for r in store.records(key())))) == sorted(
            map(str, kept)
        )


def key() -> bytes:
    return bytes.fromhex(ask().key)


def test_small_segments_become_few_that_are_not_too_large(tmp_path: Path) -> None:
    fill(tmp_path)
    before = answers(tmp_path, range(96))
    size = sum(path.stat().st_size for path in tmp_path.glob("*.records"))
    limit = size // 4
    done = compact(tmp_path, segment_bytes=limit)
    sizes = [path.stat().st_size for path in tmp_path.glob("*.records")]
    assert done.merged >= 15
    assert (done.dropped, done.left, done.set_aside) == (24, 0, [])
    assert 3 <= len(sizes) <= 8
    assert max(sizes) <= limit
    assert done.freed_bytes == size - sum(sizes)
    assert answers(tmp_path, range(96)) == before
    assert compact(tmp_path, segment_bytes=limit).merged == 0


def test_killed_at_any_instant_nothing_is_lost_and_in_the_end_nothing_doubled(
    tmp_path: Path,
) -> None:
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["curate.engines.compact"])
    fill(tmp_path / "model")
    before = answers(tmp_path / "model", range(96))
    folder, dice, killed, whole_s = tmp_path / "store", random.Random(0), 0, 0.0
    finished = True
    for kill in range(-2, KILLS):  # the first two show how long one takes, without and with imports
        if finished:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "model", folder)
        child = fresh.Process(target=compact, args=(folder,), kwargs={"segment_bytes": 4000})
        start = time.monotonic()
        child.start()
        child.join(None if kill < 0 else dice.uniform(0.0, whole_s))
        child.kill()
        child.join()
        whole_s = time.monotonic() - start if kill < 0 else whole_s
        finished = child.exitcode == 0
        killed += not finished
        with Store(folder) as store:
            assert all(store.get(ask(seed)) == say(f"{seed} " * 40) for seed in range(96))
    assert killed >= KILLS // 5
    compact(folder)
    found = take_inventory(folder)
    assert (found.segments, found.repeated, found.damaged) == (1, 0, 0)
    assert {path.suffix for path in folder.iterdir()} == {".records", ".index", ".lock"}
    assert answers(folder, range(96)) == before


WRITER = """
import sys, itertools, time
from tests.engines.test_store import Store, ask, say
store = Store(sys.argv[1])
for number in itertools.count():
    seed = int(sys.argv[2]) * 100_000 + number
    store.put(ask(seed), say(f"{seed} " * 30))
    print(seed, flush=True)
    time.sleep(0.003)
    if number % 40 == 39:
        store.close()
"""


@contextmanager
def writers(folder: Path, logs: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes that write and log what is stored, a new segment every 40 completions."""
    with ExitStack() as stack:
        processes = []
        for number in range(3):
            log = stack.enter_context((logs / f"{number}.log").open("wb"))
            command = [sys.executable, "-c", WRITER, str(folder), str(number)]
            processes.append(subprocess.Popen(command, stdout=log))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        yield processes


def stored(logs: Path) -> list[int]:
    return [int(line) for log in logs.glob("*.log") for line in log.read_text().splitlines()]


def wait_for(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end, "the writers write nothing"
        time.sleep(0.02)


def test_writers_that_are_killed_while_compaction_goes_on(tmp_path: Path) -> None:
    """Two of three are killed; a store that was opened before any of it finds what it knew."""
    folder, merged = tmp_path / "store", 0
    with writers(folder, tmp_path) as processes:
        wait_for(lambda: len(stored(tmp_path)) > 200)
        known = stored(tmp_path)
        with Store(folder) as running:
            for turn in range(6):
                merged += compact(folder, segment_bytes=60_000).merged
                assert all(running.get(ask(seed)) for seed in known)
                if turn < 2:
                    processes[turn].kill()
                wait_for(partial(have_more, tmp_path, len(stored(tmp_path)) + 30))
    assert merged > 5
    compact(folder)
    done = stored(tmp_path)
    with Store(folder) as store:
        assert all(store.get(ask(seed)) == say(f"{seed} " * 30) for seed in done)
    found = take_inventory(folder)
    assert (found.segments, found.repeated, found.damaged) == (1, 0, 0)
    assert len(done) <= sum(held.completions for held in found.holdings.values()) <= len(done) + 3


def have_more(logs: Path, count: int) -> bool:
    return len(stored(logs)) >= count


def test_a_segment_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store(tmp_path) as writing:
        writing.put(ask(1000), say("one"))
        done = compact(tmp_path)
        assert (done.left, len(list(tmp_path.glob("*.records")))) == (1, 2)
        writing.put(ask(1001), say("two"))
        assert writing.get(ask(3)) is not None, "it looks again where its segments went"
        writing.put(ask(1002), say("three"))
        assert [writing.get(ask(seed)) for seed in (1000, 1001, 1002)] == [
            say("one"),
            say("two"),
            say("three"),
        ]
    assert compact(tmp_path).left == 0
    with Store(tmp_path) as store:
        assert all(store.get(ask(seed)) for seed in (*range(96), 1000, 1001, 1002))


def test_a_segment_of_another_machine_is_at_rest_after_a_while(tmp_path: Path) -> None:
    """Its lock may not be seen here."""
    fill(tmp_path)
    for path in (*tmp_path.glob("*.records"), *tmp_path.glob("*.index")):
        time_ns, _, process, chance = path.name.split("-")
        path.rename(path.with_name(f"{time_ns}-another0-{process}-{chance}"))
    assert compact(tmp_path).left == 15
    old = time.time() - segments.REST_S - 60
    for path in tmp_path.glob("*.records"):
        os.utime(path, (old, old))
    done = compact(tmp_path)
    assert (done.merged, done.left) == (15, 0)


def test_a_writer_whose_segment_is_gone_takes_another(tmp_path: Path) -> None:
    """As it would be if locks are missing and it was idle for hours."""
    with Store(tmp_path) as store:
        store.put(ask(0), say("zero"))
        next(tmp_path.glob("*.records")).unlink()
        store.put(ask(1), say("one"))
        assert store.get(ask(1)) == say("one")
    with Store(tmp_path) as store:
        assert store.get(ask(1)) == say("one")


def test_damaged_segments_stay_under_another_name(tmp_path: Path) -> None:
    fill(tmp_path, parts=1)
    (path,) = tmp_path.glob("*.records")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert compact(tmp_path).merged == 0, "one segment, and nothing known of it"
    found = take_inventory(tmp_path)
    assert (found.damaged, found.broken) == (1, {path})
    done = compact(tmp_path, damaged=found.broken)
    assert (done.kept, done.set_aside) == (7, [path.with_suffix(".damaged").name])
    assert path.with_suffix(".damaged").read_bytes() == content
    assert (take_inventory(tmp_path).damaged, compact(tmp_path).merged) == (0, 0)


def test_leftovers_of_a_killed_compaction_go(tmp_path: Path) -> None:
    fill(tmp_path, parts=1)
    (tmp_path / "1-merged-1-1.merging").write_bytes(b"half")
    (tmp_path / "1-merged-1-1.index").write_bytes(b"half")
    compact(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_one_compaction_at_a_time(tmp_path: Path) -> None:
    fill(tmp_path)
    with (tmp_path / "compaction.lock").open("a") as file:
        assert segments.lock(file.fileno())
        with pytest.raises(StoreError, match="is being compacted already"):
            compact(tmp_path)
    assert compact(tmp_path).merged == 15


def test_full_disk_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files ends a write in the middle, as a full disk does."""
    fill(tmp_path)
    before = {path for path in tmp_path.iterdir() if path.suffix != ".lock"}
    code = f"""
import resource
from pathlib import Path
from curate.engines.compact import compact
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
try:
    compact(Path({str(tmp_path)!r}))
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "File too large\n"
    assert {path for path in tmp_path.iterdir() if path.suffix != ".lock"} == before
