"""Where programs that nobody trusts are run: a bubblewrap sandbox, or a refusal; never without.

    with Sandbox() as sandbox:
        ran = sandbox.run(python("print(int(input()) + 1)"), stdin=b"41")
        ran.ended, ran.stdout            # ("exit", b"42\\n")

Inside there is no network, no home, no environment, no other process and no file but the system's
programs (read-only), the interpreter and an empty folder of limited size. Limits hold on time,
memory, processes, output and files; whatever a program starts ends with it. One sandbox runs many
programs in turn, each in a fresh process with an empty folder; see `sandbox_inside`.
"""

from __future__ import annotations

import itertools
import marshal
import os
import select
import subprocess
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self, cast

from curate.errors import RunError
from curate.scorers.sandbox_filter import is_supported, seccomp_program
from curate.scorers.sandbox_view import interpreter, sandbox_view

Ended = Literal["exit", "signal", "time", "memory", "output", "processes", "files", "lost"]

NEXT_STEP = (
    "programs are never run without a sandbox. Install bubblewrap 0.7 or newer"
    " (apt-get install bubblewrap, dnf install bubblewrap) and let users make namespaces"
    " (sysctl user.max_user_namespaces; on Ubuntu 24.04"
    " kernel.apparmor_restrict_unprivileged_userns=0; in a container --privileged)"
)
GRACE_S = 30.0
"""How much later than its own deadline a sandbox is given up, on a machine that is overloaded; then
nobody is to blame.
"""

_MB = 1 << 20
_BOOT = (
    "import os,marshal\n"
    "def r(n,b=b''):\n"
    " while len(b)<n:b+=os.read(0,n-len(b))\n"
    " return b\n"
    "exec(marshal.loads(r(int.from_bytes(r(8),'little'))))"
)
_uids = itertools.count(os.getpid() * 37)


class NoSandbox(RunError):
    """Programs cannot be run safely on this machine."""


@dataclass(frozen=True)
class Limits:
    """What one run of a program may use, all its processes together.

    `cpu_s` is processor time, so a loaded machine changes no verdict; a program that only waits is
    ended after `wall_s`: three times as long and two seconds, unless it is set. No process gets
    more than `memory_mb`; several are looked at every 20 ms, and ended when they have more.
    """

    cpu_s: float = 10.0
    memory_mb: int = 1024
    output_mb: int = 16
    scratch_mb: int = 64
    processes: int = 32
    files: int = 2000
    wall_s: float | None = None

    def as_job(self) -> dict[str, Any]:
        """The numbers as process 1 takes them: bytes and seconds."""
        return {
            "cpu_s": self.cpu_s,
            "wall_s": self.cpu_s * 3 + 2 if self.wall_s is None else self.wall_s,
            "memory": self.memory_mb * _MB,
            "output": self.output_mb * _MB,
            "scratch": self.scratch_mb * _MB,
            "processes": self.processes,
            "nproc": self.processes + _processes_that_count(),
            "files": self.files,
        }


@dataclass(frozen=True)
class Ran:
    """How a program ended, with its exit status or signal, and what it wrote.

    `ended` says `exit`, `signal`, the limit that it passed, or `lost` when the sandbox itself was
    gone.
    """

    ended: Ended
    status: int = 0
    cpu_s: float = 0.0
    stdout: bytes = b""
    stderr: bytes = b""

    @cached_property
    def problem(self) -> str | None:
        """Why this is no proper end, in a few words; None when it exited with status 0."""
        if self.ended == "exit":
            return f"exit status {self.status}: {self._last_line}"[:160] if self.status else None
        if self.ended == "signal":
            return f"ended by signal {self.status}"
        if self.ended == "lost":
            return f"the sandbox was lost: {self._last_line}"[:160]
        return "took too long" if self.ended == "time" else f"passed the limit on {self.ended}"

    @property
    def _last_line(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]


def python(source: str, *argv: str) -> dict[str, Any]:
    """A Python program as its text, with the arguments that it finds in `sys.argv`."""
    return {"source": source, "argv": ["solution.py", *argv], "is_open": True}


def command(*argv: str) -> dict[str, Any]:
    """A program of the system, or `/box/program`."""
    return {"argv": list(argv), "is_open": True}


@dataclass
class Sandbox:
    """A sandbox that is open from `with` on; NoSandbox when there can be none.

    Args:
        binary: the content of a program that `command("/box/program")` starts.
        secret: bytes that only a tester can read, once.
        packages: names of Python packages, installed here, that programs may import.
    """

    limits: Limits = field(default_factory=Limits)
    binary: bytes | None = None
    secret: bytes = b""
    packages: Sequence[str] = ()

    def __enter__(self) -> Self:
        require_sandbox()
        self._process: subprocess.Popen[bytes] | None = None
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything inside; the next run starts anew."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()
        process.wait()

    def run(
        self,
        program: Mapping[str, Any],
        *,
        tester: Mapping[str, Any] | None = None,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
    ) -> Ran:
        """Runs what `python` or `command` describes, with `files` in its folder.

        With a tester two programs run that talk to each other through the pipes in their `link`.
        Neither can look into the other, the tester alone can read the secret, and its output is
        what counts.
        """
        job = {"program": dict(program), "stdin": stdin, "given": dict(files or {})}
        job |= (limits or self.limits).as_job() | ({"tester": dict(tester)} if tester else {})
        while True:
            is_fresh = self._process is None
            try:
                process = self._started()
                return self._ask(process, job)
            except (BrokenPipeError, EOFError, TimeoutError) as error:
                errors = self.errors() or f"{type(error).__name__} {error}"
                self.close()
                if is_fresh or isinstance(error, TimeoutError):
                    return Ran("lost", stderr=errors.encode())
                # What ran before had left something that could not be cleared away.

    def _ask(self, process: subprocess.Popen[bytes], job: dict[str, Any]) -> Ran:
        assert process.stdin
        data = marshal.dumps(job)
        process.stdin.write(len(data).to_bytes(8, "little") + data)
        process.stdin.flush()
        until = time.monotonic() + 4 * job["wall_s"] + GRACE_S
        ended, *numbers = self._read_line(until).decode().split()
        status, cpu_ms, n_out, n_err = map(int, numbers)
        out, err = self._read(n_out, until), self._read(n_err, until)
        return Ran(cast(Ended, ended), status, cpu_ms / 1000, out, err)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = self._start()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        self._buffer = bytearray()
        fds = [memory_file(seccomp_program()), memory_file(self.secret)]
        if self.binary is not None:
            fds.append(memory_file(self.binary))
        is_root = os.geteuid() == 0
        uid = 61184 + next(_uids) % 4336 if is_root else 0
        try:
            process = subprocess.Popen(
                [
                    *(
                        "bwrap",
                        *sandbox_view(self.limits.scratch_mb, tuple(self.packages)),
                        "--seccomp",
                        str(fds[0]),
                    ),
                    *(("--perms", "0555", "--ro-bind-data", str(fds[2])) if fds[2:] else ()),
                    *(("/box/program",) if fds[2:] else ()),
                    *("--remount-ro", "/", "--"),
                    *(interpreter(), "-s", "-S", "-P", "-c", _BOOT, str(uid), str(fds[1])),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=fds,
            )
        finally:
            for fd in fds:
                os.close(fd)
        self._process = process
        assert process.stdin
        process.stdin.write(len(_inside()).to_bytes(8, "little") + _inside())
        process.stdin.flush()
        if self._read_line(time.monotonic() + 2 * GRACE_S) != b"ready":
            raise EOFError
        return process

    def _read_line(self, until: float) -> bytes:
        while b"\n" not in self._buffer:
            self._more(until)
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = rest
        return bytes(line)

    def _read(self, n: int, until: float) -> bytes:
        while len(self._buffer) < n:
            self._more(until)
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        return data

    def _more(self, until: float) -> None:
        assert self._process and self._process.stdout
        fd = self._process.stdout.fileno()
        ready = select.poll()
        ready.register(fd, select.POLLIN)
        if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError
        data = os.read(fd, 1 << 20)
        if not data:
            raise EOFError
        self._buffer += data

    def errors(self) -> str:
        """What bubblewrap said when it could not start."""
        process = self._process
        if process is None or process.stderr is None:
            return ""
        process.kill()
        return process.stderr.read().decode("utf-8", "replace").strip()


def memory_file(data: bytes) -> int:
    """A descriptor from which `data` can be read, of a file without a place."""
    fd = os.memfd_create("curate")
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@cache
def compiled(module: str) -> types.CodeType:
    """The code of a file beside this one; the interpreter inside is of the same version."""
    path = Path(__file__).with_name(f"{module}.py")
    return compile(path.read_text("utf-8"), module, "exec")


def harness(*modules: str) -> list[tuple[str, types.CodeType | None]]:
    """Modules of this package for the `harness` of a program, which runs `main` of the last one."""
    packages = [("curate", None), ("curate.scorers", None)]
    return [*packages, *((f"curate.scorers.{name}", compiled(name)) for name in modules)]


@cache
def _inside() -> bytes:
    return marshal.dumps(compiled("sandbox_inside"))


def _processes_that_count() -> int:
    """What the limit on processes must leave room for.

    Since Linux 5.14 a user namespace counts its own; before, all processes of the user count.
    """
    major, minor = (int("".join(filter(str.isdigit, n))) for n in os.uname().release.split(".")[:2])
    if os.geteuid() == 0 or (major, minor) >= (5, 14):
        return 1  # process 1
    mine = [p for p in Path("/proc").glob("[0-9]*/task/*") if p.stat().st_uid == os.geteuid()]
    return 1 + len(mine)


@cache
def _refusal() -> str | None:
    """Why there is no sandbox here; something is really run in one to find out, once a process."""
    if not is_supported():
        return f"it is {os.uname().sysname} on {os.uname().machine}, not Linux on x86_64 or aarch64"
    sandbox = Sandbox(Limits(cpu_s=5, memory_mb=256))
    sandbox._process = None
    try:
        sandbox._started()
        ran = sandbox.run(python("import os; print(os.getuid(), os.listdir('/tmp'))"))
        if ran.problem:
            return ran.problem
        uid, _, rest = ran.stdout.decode().partition(" ")
        return None if int(uid) and rest == "[]\n" else f"it answers {ran.stdout[:80]!r}"
    except FileNotFoundError:
        return "there is no bwrap"
    except (OSError, EOFError):
        return sandbox.errors() or "bwrap does not start"
    finally:
        sandbox.close()


def require_sandbox() -> None:
    """Raises NoSandbox, with what to do about it, when no sandbox can be made on this machine."""
    if (refusal := _refusal()) is not None:
        raise NoSandbox(f"no sandbox on this machine: {refusal}; {NEXT_STEP}")
