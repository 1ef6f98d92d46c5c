"""Process 1 of a sandbox: starts programs one after the other, watches them, reports outside.

Runs inside, never imported here: its compiled code is sent through fd 0 to a bare interpreter. It
then reads jobs (a length, then a marshalled dict) from the same pipe and writes one report for each
to fd 1. It can be neither read, traced nor killed from within: it is not dumpable, and signals of
its own pid namespace do not reach process 1. It holds no secret all the same: what a program must
not see goes past it, through a descriptor that only the tester reads.

Imports are few and small on purpose: `signal`, `json` or `ctypes` would each cost as much as the
start of the interpreter.
"""

from __future__ import annotations

import _ctypes  # type: ignore[import-not-found]
import _signal  # type: ignore[import-not-found]
import builtins
import marshal
import os
import resource
import select
import sys
import time
from typing import Any

TICK_MS = 20
SIGKILL, SIGINT, SIGXCPU = 9, 2, 24
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
SCRATCH = "/tmp"


def prctl(option: int, value: int) -> None:
    itself: Any = None
    address = _ctypes.dlsym(_ctypes.dlopen(itself, 0), "prctl")
    if _ctypes.call_function(address, (option, value, 0, 0, 0)) != 0:
        raise OSError(f"prctl({option}, {value}) failed")


def read_exactly(n: int) -> bytes:
    parts = []
    while n:
        part = os.read(0, min(n, 1 << 20))
        if not part:
            os._exit(0)  # nobody is there any more
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def close_others(keep: int) -> int:
    """Closes what bubblewrap left open; `keep` comes back as a low number, where all files are."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in (0, 1, 2, keep):
            try:
                os.close(int(name))
            except OSError:
                continue  # that of the listing itself
    low = os.dup(keep)
    os.close(keep)
    return low


def become_nobody(uid: int) -> None:
    """Gives up root for good; `uid` 0 means that there is nothing to give up."""
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_PDEATHSIG, SIGKILL)  # a change of user had cleared it
    _signal.signal(SIGINT, _signal.SIG_DFL)  # with a handler it would reach process 1


def start(job: dict[str, Any], role: dict[str, Any], stdio: list[int], keep: list[int]) -> int:
    """Forks; 0 in the child, which has its limits, its own three files and `keep`, nothing else."""
    pid = os.fork()
    if pid:
        return pid
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 1024)
    _signal.signal(SIGINT, _signal.default_int_handler)
    cpu, size = max(1, -int(-job["cpu_s"] // 1)), job["scratch"]
    for name, soft, hard in (
        ("RLIMIT_CPU", cpu, cpu + 1),
        ("RLIMIT_AS", job["memory"], job["memory"]),
        ("RLIMIT_FSIZE", size, size),
        ("RLIMIT_STACK", min(job["memory"] // 4, 1 << 28), min(job["memory"] // 4, 1 << 28)),
        ("RLIMIT_NPROC", job["nproc"], job["nproc"]),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_MEMLOCK", 0, 0),
        ("RLIMIT_MSGQUEUE", 0, 0),
    ):
        resource.setrlimit(getattr(resource, name), (soft, hard))
    prctl(PR_SET_DUMPABLE, 1 if role.get("is_open") else 0)
    os.chdir(SCRATCH)
    return 0


class Running:
    """One job: its processes, what they wrote, and the limit that ended them, if one did."""

    def __init__(self, job: dict[str, Any], main: int, fds: dict[str, int]) -> None:
        self.job, self.main, self.ended = job, main, ""
        self.out: dict[str, bytearray] = {name: bytearray() for name in fds}
        self.names = {fd: name for name, fd in fds.items()}
        self.cpu_s, self.status, self.is_late = 0.0, 0, False
        self.deadline = time.monotonic() + job["wall_s"]
        self.poll = select.poll()
        for fd in self.names:
            os.set_blocking(fd, False)
            self.poll.register(fd, select.POLLIN)
        self.pidfd = os.pidfd_open(main)
        self.poll.register(self.pidfd, select.POLLIN)
        self.poll.register(0, 0)  # says only that the other side is gone

    def watch(self) -> None:
        """Returns when the main process has ended or a limit was passed; then nothing is left."""
        looked = time.monotonic()
        while not self.ended:
            for fd, event in self.poll.poll(TICK_MS):
                if fd == 0:
                    os._exit(0)
                if fd == self.pidfd:
                    self.ended = "exit"
                elif event & select.POLLIN:
                    self.take(fd)
                else:
                    self.poll.unregister(fd)
            now = time.monotonic()
            if not self.ended and now - looked > TICK_MS / 1000:
                looked = now
                self.ended = self.passed(now - self.deadline)
        self.end()

    def take(self, fd: int) -> None:
        """Reads what there is; the error stream is kept short, the output up to its limit."""
        try:
            data = os.read(fd, 1 << 18)
        except BlockingIOError:
            return
        name = self.names[fd]
        kept = self.out[name]
        kept += data
        if name == "err":
            del kept[:-4096]
            self.job["flood"] = self.job.get("flood", 0) + len(data)
        if max(len(kept), self.job.get("flood", 0)) > self.job["output"]:
            self.ended = "output"

    def passed(self, late_s: float) -> str:
        """The limit on all processes together that is passed now, or an empty string.

        What is late but still at work waits for a processor that others have: it goes on until its
        processor time is spent, or it is too late by three times its time.
        """
        pids = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != "1"]
        if len(pids) > self.job["processes"]:
            return "processes"
        if sum(map(anonymous_memory, pids)) > self.job["memory"]:
            return "memory"
        used = [processor_time(pid) for pid in pids]
        is_at_work = any(state == "R" for state, _ in used) and late_s < 3 * self.job["wall_s"]
        if sum(s for _, s in used) > self.job["cpu_s"] + 1 or (late_s > 0 and not is_at_work):
            return "time"
        scratch = os.statvfs(SCRATCH)
        return "files" if scratch.f_files - scratch.f_ffree > self.job["files"] else ""

    def end(self) -> None:
        """Kills and reaps whatever still runs, then takes the rest of what was written."""
        while True:
            kill_all()
            try:
                pid, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                break
            self.cpu_s += used.ru_utime + used.ru_stime
            self.is_late |= os.WIFSIGNALED(status) and os.WTERMSIG(status) == SIGXCPU
            if pid == self.main:
                self.status = status
        for fd in self.names:
            for _ in range(1 + self.job["output"] // (1 << 18)):
                self.take(fd)
            os.close(fd)
        os.close(self.pidfd)
        is_signal = os.WIFSIGNALED(self.status)
        if self.ended == "exit" and (self.is_late or self.cpu_s > self.job["cpu_s"]):
            self.ended = "time"
        elif self.ended == "exit" and is_signal:
            self.ended = "signal"
        self.status = (os.WTERMSIG if is_signal else os.WEXITSTATUS)(self.status)

    def report(self) -> None:
        out, err = self.out["out"], self.out["err"]
        head = f"{self.ended} {self.status} {round(self.cpu_s * 1000)} {len(out)} {len(err)}\n"
        write_all(1, head.encode() + bytes(out) + bytes(err))


def kill_all() -> None:
    """Ends every process but this one; there may be none."""
    try:
        os.kill(-1, SIGKILL)
    except ProcessLookupError:
        return


def anonymous_memory(pid: str) -> int:
    """Bytes of a process that are not backed by a file; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            lines = status.read().split("\n")
    except OSError:
        return 0
    kept = (line.split()[1] for line in lines if line.startswith(("RssAnon", "RssShmem")))
    return 1024 * sum(map(int, kept))


def processor_time(pid: str) -> tuple[str, float]:
    """A process's state, and the seconds that it and the children it waited for have used."""
    try:
        with open(f"/proc/{pid}/stat") as status:
            numbers = status.read().rpartition(")")[2].split()
    except OSError:
        return "", 0.0
    return numbers[0], sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")


def clear_scratch() -> None:
    """Leaves nothing of one run to the next."""
    for entry in os.scandir(SCRATCH):
        if entry.is_dir(follow_symlinks=False):
            for root, folders, files in os.walk(entry.path, topdown=False, onerror=None):
                for name in files:
                    os.unlink(f"{root}/{name}")
                for name in folders:
                    path = f"{root}/{name}"
                    (os.unlink if os.path.islink(path) else os.rmdir)(path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


def open_stdin(data: bytes) -> int:
    """An unnamed file with what a program reads."""
    fd = os.open(f"{SCRATCH}/stdin", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(f"{SCRATCH}/stdin")
    write_all(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def serve(uid: int, secret: int) -> dict[str, Any]:
    """Runs jobs until the other side is gone; returns only in a child, with its role."""
    secret = close_others(secret)
    become_nobody(uid)
    write_all(1, b"ready\n")
    while True:
        job = marshal.loads(read_exactly(int.from_bytes(read_exactly(8), "little")))
        for name, data in job["given"].items():
            fd = os.open(f"{SCRATCH}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            write_all(fd, data)
            os.close(fd)
        stdin, null = open_stdin(job["stdin"]), os.open("/dev/null", os.O_RDWR)
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        fds = [stdin, null, out_end, err_end]
        program, tester = job["program"], job.get("tester")
        if tester:
            to_program, from_program = os.pipe(), os.pipe()
            program["link"] = [to_program[0], from_program[1]]
            tester["link"] = [from_program[0], to_program[1]]
            fds += to_program + from_program
            if start(job, program, [null, null, err_end], program["link"]) == 0:
                return program
            tester["secret_fd"] = secret
            keep = [*tester["link"], secret]
            main = start(job, tester, [null, out_end, null], keep)
            if main == 0:
                return tester
            fds.append(secret)
        else:
            main = start(job, program, [stdin, out_end, err_end], [])
            if main == 0:
                return program
        for fd in fds:
            os.close(fd)
        running = Running(job, main, {"out": out, "err": err})
        running.watch()
        running.report()
        try:
            clear_scratch()
        except OSError:
            os._exit(1)  # a new sandbox starts clean


def load(modules: list[tuple[str, Any]]) -> Any:
    """Makes modules of code that was sent, in packages that hold nothing else; the last one."""
    module = None
    for name, code in modules:
        module = sys.modules[name] = type(sys)(name)
        vars(module).update({"__path__": []} if code is None else {})
        exec(code or "", vars(module))
    return module


def run(role: dict[str, Any]) -> None:
    """What a child does: becomes a binary, or runs Python as the main module."""
    if "argv" in role and "source" not in role:
        try:
            os.execv(role["argv"][0], role["argv"])
        except OSError as error:
            sys.exit(f"cannot start {role['argv'][0]}: {error}")
    builtins.exit = builtins.quit = sys.exit  # the site module, which costs time, would bring them
    sys.argv[:] = role.get("argv", ["solution.py"])
    if "harness" in role:
        return load(role["harness"]).main(role)
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    vars(module).update(__builtins__=builtins, __file__="solution.py")
    exec(compile(role["source"], "solution.py", "exec", dont_inherit=True), vars(module))


if __name__ == "__main__":
    run(serve(int(sys.argv[1]), int(sys.argv[2])))
