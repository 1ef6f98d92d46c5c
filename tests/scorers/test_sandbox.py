"""The sandbox against programs that want out: what succeeds outside it must fail inside."""

from __future__ import annotations

import http.server
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.sample import Sample
from curate.scorers import CodeTests, sandbox
from curate.scorers.sandbox import (
    Limits,
    NoSandbox,
    Sandbox,
    command,
    python,
    require_sandbox,
)
from curate.scorers.sandbox_filter import DENIED, seccomp_program
from tests.scorers.escapes import ATTEMPTS, Attempt

SMALL = Limits(
    cpu_s=1.0, memory_mb=160, output_mb=2, scratch_mb=8, processes=8, files=300, wall_s=2.5
)
PROJECT = Path(__file__).parents[2]


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, format: str, *args: Any) -> None: ...


def _answer(listening: socket.socket) -> None:
    """Says something to whoever connects, until it is closed."""
    while True:
        try:
            if listening.type == socket.SOCK_DGRAM:
                listening.sendto(b"hello", listening.recvfrom(512)[1])
            else:
                with listening.accept()[0] as connection:
                    connection.recv(9)
                    connection.send(b"hello")
        except OSError:
            return


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A host with something to find: services, a home with a secret, a process."""
    folder = tmp_path_factory.mktemp("host")
    home, secret = folder / "home", "s3cr3t-of-the-host"
    home.mkdir()
    (home / "secret").write_text(secret)
    (folder / "file").write_text("x")
    abstract, unix = f"curate-{os.getpid()}", str(folder / "socket")
    sockets = [
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        *(socket.socket(socket.AF_UNIX) for _ in range(2)),
    ]
    sockets[2].bind(("127.0.0.1", 0))
    for listening, address in zip(sockets[3:], ("\0" + abstract, unix), strict=True):
        listening.bind(address)
        listening.listen()
    for listening in sockets:
        threading.Thread(target=_answer, args=(listening,), daemon=True).start()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    other = subprocess.Popen(["sleep", "3600"], env={"SECRET": secret, "PATH": os.environ["PATH"]})
    port, port6, udp = (s.getsockname()[1] for s in sockets[:3])
    yield {
        **{"port": port, "port6": port6, "udp": udp, "http": web.server_port},
        **{"abstract": abstract, "unix": unix, "home": str(home), "secret": secret},
        **{"tmp": str(folder / "file"), "project": str(PROJECT), "pid": other.pid},
        **{"host": os.uname().nodename},
    }
    assert other.poll() is None, "somebody killed the process of the host"
    assert (home / "secret").read_text() == secret
    other.kill()
    other.wait()
    web.shutdown()
    web.server_close()
    for listening in sockets:
        listening.shutdown(socket.SHUT_RDWR) if listening.type == socket.SOCK_STREAM else None
        listening.close()


def _bounded() -> None:
    """Keeps what is shown outside small, whatever happens."""
    resource.setrlimit(resource.RLIMIT_CPU, (20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))


def outside(source: str, folder: Path, host: dict[str, Any]) -> str:
    """What a program prints that is run plainly, below a parent that it may kill."""
    script, secret = folder / "attempt.py", Path(host["home"], "secret")
    script.write_text(source)
    run = f"{sys.executable} {script} > {folder}/said 2> {folder}/errors; exit"
    with secret.open() as inherited:
        process = subprocess.Popen(
            ["/bin/sh", "-c", run],
            cwd=folder,
            env={**os.environ, "SECRET": host["secret"], "HOME": host["home"]},
            pass_fds=[inherited.fileno()],
            preexec_fn=_bounded,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        process.wait(30)
    for _ in range(100):  # one that killed its parent goes on without it
        if (said := (folder / "said").read_text(errors="replace")) or process.returncode >= 0:
            return said[-400:] + (folder / "errors").read_text(errors="replace")[-400:]
        threading.Event().wait(0.05)
    return "nothing"


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_what_succeeds_outside_fails_inside(
    attempt: Attempt, host: dict[str, Any], tmp_path: Path
) -> None:
    source, then = attempt.source.format(**host), attempt.then.format(**host)
    if attempt.needs != "root" or os.geteuid() == 0:
        shown = outside(source, tmp_path, host)
        shown = outside(then, tmp_path, host) if then else shown
        assert "ESCAPED" in shown
    with (
        open(Path(host["home"], "secret")) as inherited,
        Sandbox(SMALL) as box,
    ):
        os.set_inheritable(inherited.fileno(), True)
        ran = box.run(python(source))
        ran = box.run(python(then)) if then else ran
        assert b"ESCAPED" not in ran.stdout
        assert ran.ended != "lost"
        after = box.run(
            python("import os; print(os.listdir('.'), len(os.listdir('/proc/self/task')))")
        )
        assert after.stdout == b"[] 1\n"


def test_there_are_sixty_attempts() -> None:
    assert len(ATTEMPTS) >= 60


def test_no_sandbox_is_a_refusal_and_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox._refusal.cache_clear()
    prompt = Sample(prompt_id="p", problem="x", check='{"tests": ["assert f(1)"]}')
    program = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f(x): return x"
    try:
        with pytest.raises(NoSandbox, match=r"there is no bwrap.*apt-get install bubblewrap"):
            CodeTests().judge(prompt.with_completion(program))
        assert not (tmp_path / "ran").exists()
        (tmp_path / "bwrap").write_text("#!/bin/sh\necho no namespaces for you >&2\nexit 1\n")
        (tmp_path / "bwrap").chmod(0o755)
        sandbox._refusal.cache_clear()
        with pytest.raises(NoSandbox, match="no namespaces for you"), Sandbox():
            pass
    finally:
        sandbox._refusal.cache_clear()


def test_any_user_has_a_sandbox() -> None:
    require_sandbox()
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user")
    python3 = Path("/usr/bin/python3")
    version = ""
    if python3.exists():
        version = subprocess.run([python3, "-V"], capture_output=True, text=True).stdout
    if int((re.findall(r"3\.(\d+)", version) or ["0"])[0]) < 11:
        pytest.skip("the system has no Python 3.11 that another user may read")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy.chmod(0o755)  # pytest keeps its own folders to itself
        for path in ["__init__.py", "errors.py", *PROJECT.glob("curate/scorers/sandbox*.py")]:
            source = PROJECT / "curate" / path
            target = copy / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        (copy / "curate/__init__.py").write_text("")
        (copy / "curate/scorers/__init__.py").write_text("")
        script = (
            "from curate.scorers.sandbox import *\nwith Sandbox(Limits(processes=8)) as box:\n"
            "    print(box.run(python('import os; print(os.getuid())')).stdout)\n"
            "    many = 'import os, time\\nwhile True:\\n  if os.fork() == 0: time.sleep(1)'\n"
            "    print(box.run(python(many)).problem)\n"
            "    print(box.run(python('open(\"/proc/1/mem\")')).problem)\n"
        )
        ran = subprocess.run(
            [python3, "-c", script],
            cwd=copy,
            user=12345,
            group=12345,
            extra_groups=[],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
    said = ran.stdout.splitlines()
    assert said[:1] == ["b'65534\\n'"], ran.stderr
    assert "Resource temporarily unavailable" in said[1] and "Permission denied" in said[2]


HEADERS = {
    "x86_64": (0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": (1, "/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize(("column", "header"), HEADERS.values(), ids=HEADERS.keys())
def test_the_refused_calls_have_their_numbers(column: int, header: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"the kernel's headers are not here: {header}")
    known = dict(re.findall(r"#define __NR3?2?6?4?_?(\w+)\s+(\d+)", Path(header).read_text()))
    known = {name.removeprefix("_"): int(number) for name, number in known.items()}
    mine = {name: numbers[column] for name, numbers in DENIED.items()}
    assert {n: k for n, k in mine.items() if k is not None and known.get(n, k) != k} == {}
    assert len(seccomp_program()) % 8 == 0 and sum(n in known for n in mine) > 40


def test_what_cannot_be_cleared_away_does_not_stop_the_next() -> None:
    with Sandbox(SMALL) as box:
        deep = "import os\nfor _ in range(400):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\n"
        assert box.run(python("import os\nos.mkdir('a')\nos.mkdir('a/b')\nos.chmod('a', 0)")).ended
        assert box.run(python(deep)).ended
        assert box.run(python("import os; print(os.listdir('.'))")).stdout == b"[]\n"


def test_a_sandbox_ends_with_whoever_opened_it() -> None:
    require_sandbox()
    script = (
        "from curate.scorers.sandbox import *\nbox = Sandbox().__enter__()\nbox._started()\n"
        "print(box._process.pid, flush=True)\n"
        "box.run(python('import time; time.sleep(60)'), limits=Limits(wall_s=90))\n"
    )
    opener = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=PROJECT, text=True
    )
    assert opener.stdout
    tree = family(int(opener.stdout.readline()))
    time.sleep(1.0)
    tree |= family(min(tree))
    assert len(tree) >= 3
    opener.send_signal(signal.SIGKILL)
    opener.wait()
    opener.stdout.close()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in tree):
        assert time.monotonic() < until, "something lingers"
        time.sleep(0.05)


def family(pid: int) -> set[int]:
    """A process and all below it."""
    below: dict[int, set[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        below.setdefault(parent, set()).add(int(path.parent.name))
    found, todo = set(), [pid]
    while todo:
        found.add(todo[-1])
        todo += below.get(todo.pop(), ())
    return found


def test_commands_and_limits() -> None:
    with Sandbox(SMALL, binary=b"#!/bin/sh\necho from the box\n") as box:
        assert box.run(command("/box/program")).stdout == b"from the box\n"
        assert box.run(command("/no/such/program")).problem
        found = box.run(command("/bin/cat", "a"), files={"a": b"given"})
        assert (found.stdout, found.problem) == (b"given", None)
        several = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
        started = time.monotonic()
        assert box.run(python(several), limits=Limits(cpu_s=1.0, wall_s=60.0)).ended == "time"
        assert time.monotonic() - started < 50, "the processes' time counts together"


def test_who_works_is_not_late_because_the_machine_is_busy() -> None:
    works = (
        "import time\nend = time.monotonic() + 1.8\nwhile time.monotonic() < end: pass\nprint(1)"
    )
    waits = "import time\ntime.sleep(3.8)\nprint(1)"
    with Sandbox(Limits(cpu_s=30.0, wall_s=1.0)) as box:
        assert box.run(python(works)).stdout == b"1\n"
        assert box.run(python(waits)).ended == "time"
