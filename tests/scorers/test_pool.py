"""The processes that verdicts are worked out in: nothing hangs them, nothing is lost."""

from __future__ import annotations

import math
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from curate.errors import Unjudged
from curate.scorers import pool
from curate.scorers.pool import guarded, guarded_all

CALLER = """
import sys, threading, time
from curate.scorers.pool import guarded
import os
print(guarded(os.getpid), flush=True)
if "busy" in sys.argv:
    threading.Thread(target=guarded, args=(pow, 9, 9**9), daemon=True).start()
time.sleep(float(sys.argv[1]))
"""


def test_results_come_in_order_from_several_processes() -> None:
    calls = [(i, 1000 - i) for i in range(200)]
    assert guarded_all(operator.mul, calls) == [a * b for a, b in calls]
    assert guarded_all(operator.mul, []) == []
    assert len({*guarded_all(_pid_after, [(0.02,)] * 80)}) > 1 or pool.size() == 1


def _pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [
        (pow, (9, 9**9), "no verdict within 0.3 s"),  # one instruction: Python hears no alarm
        (math.factorial, (10**8,), "no verdict within 0.3 s"),
        (bytes, (8 << 30,), "no verdict within 4 GiB of memory"),
        (os._exit, (3,), "the verifier died (exit status 3)"),
        (os.kill, (0, signal.SIGKILL), "the verifier died (signal 9)"),
    ],
    ids=["deaf", "hears the alarm", "memory", "exits", "killed"],
)
def test_what_gives_no_result_is_unjudged_and_the_next_call_works(
    function: object, args: tuple[object, ...], reason: str
) -> None:
    calls = [(function, args), (operator.add, (3, 4)), (function, args), (operator.add, (3, 5))]
    found = guarded_all(_apply, calls, timeout_s=0.3)
    assert [str(found[0]), found[1], str(found[2]), found[3]] == [reason, 7, reason, 8]
    assert isinstance(found[0], Unjudged)
    with pytest.raises(Unjudged, match=r"no verdict|died"):
        guarded(_apply, function, args, timeout_s=0.3)
    assert guarded(operator.add, 3, 4) == 7


def _apply(function: object, args: tuple[object, ...]) -> object:
    assert callable(function)
    return function(*args)


def test_what_swallows_the_alarm_is_stopped_too() -> None:
    with pytest.raises(Unjudged, match=r"no verdict within 0\.2 s"):
        guarded(_deaf, timeout_s=0.2)


def _deaf() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def test_what_sleeps_is_stopped_by_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SLACK_S", 0.5)
    started = time.monotonic()
    assert [str(said) for said in guarded_all(time.sleep, [(60,)], timeout_s=0.1)] == [
        "no verdict within 0.1 s"
    ]
    assert time.monotonic() - started < 30


def test_an_error_of_the_function_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded_all(operator.truediv, [(1, 1), (1, 0)])
    with pytest.raises(RuntimeError, match="Odd: 1"):
        guarded(_odd)
    assert guarded(operator.add, 3, 4) == 7


class Odd(Exception):
    """One that cannot be unpickled."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a)


def _odd() -> None:
    raise Odd(1, 2)


def test_threads_share_the_workers() -> None:
    found: dict[int, list[int]] = {}

    def work(n: int) -> None:
        found[n] = guarded_all(operator.mul, [(n, i) for i in range(50)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {n: [n * i for i in range(50)] for n in range(8)}


def test_inside_a_worker_the_call_stays_there() -> None:
    inner, outer = guarded(_nested)
    assert inner == outer
    assert [str(x) for x in guarded(_nested_hang)] == ["no verdict within 0.2 s", "7"]


def _nested() -> tuple[int, int]:
    return guarded(os.getpid), os.getpid()


def _nested_hang() -> list[object]:
    return guarded_all(_apply, [(_deaf_loop, ()), (operator.add, (3, 4))], timeout_s=0.2)


def _deaf_loop() -> None:
    while True:
        pass


def test_how_many_workers_a_process_has_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_VERIFIERS", "3")
    assert pool.size() == 3
    monkeypatch.delenv("CURATE_VERIFIERS")
    assert pool.size() >= 1


@pytest.mark.parametrize("how", ["end", "kill"])
@pytest.mark.parametrize("work", ["idle", "busy"])
def test_no_worker_outlives_its_parent(how: str, work: str) -> None:
    seconds = "0.3" if how == "end" else "600"
    command = [sys.executable, "-c", CALLER, seconds, work]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        if how == "kill":
            parent.kill()
        parent.wait(60)
    deadline = time.monotonic() + 3  # a busy one has 5 s of processor time
    while psutil.pid_exists(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(worker)


def test_a_forked_child_has_a_pool_of_its_own() -> None:
    assert guarded(operator.add, 1, 1) == 2
    pid = os.fork()
    if pid == 0:
        os._exit(0 if guarded(operator.add, 3, 4) == 7 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert guarded(operator.add, 3, 4) == 7
