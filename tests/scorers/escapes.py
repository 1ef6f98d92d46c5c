"""What a program might try against the machine that judges it: small programs that print `ESCAPED`.

Each is first run outside the sandbox, where it must succeed (`needs` says what only root can show),
then inside, where it must not. `{…}` are filled in with things of the host: a secret, ports, a
process. What exhausts is bounded: outside it takes some hundred megabytes, files or processes, and
the sandbox of the tests is smaller than that.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """A program, and one that runs after it and looks for what it left, if that is the point."""

    name: str
    source: str
    then: str = ""
    needs: str = ""


_C = "import ctypes, os, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_CALLS = (
    _C + "import sys\nX = platform.machine() == 'x86_64'\n"
    "def call(*args):\n"
    "    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]\n"
    "    return libc.syscall(args[0] if X else args[1], *args[2:])\n"
)
_IF = "print('ESCAPED' if {} else 'no')\n"


def _connect(family: str, address: str, kind: str = "SOCK_STREAM") -> str:
    return (
        f"import socket\ns = socket.socket(socket.{family}, socket.{kind})\ns.settimeout(2)\n"
        f"s.connect({address})\ns.send(b'hello')\nif s.recv(9): print('ESCAPED')\n"
    )


def _reads(path: str) -> str:
    return f"if open({path}, 'rb').read(): print('ESCAPED')\n"


def _writes(path: str) -> str:
    return f"import os\nopen({path}, 'w').write('x')\nos.unlink({path})\nprint('ESCAPED')\n"


def _all_start(n: int, body: str) -> str:
    """`n` children that all live at the same time."""
    return (
        "import os, time\nread, write = os.pipe()\n"
        f"for _ in range({n}):\n    if os.fork() == 0:\n        {body}\n"
        "        os.write(write, b'x'); time.sleep(1); os._exit(0)\n"
        f"n = 0\nwhile n < {n}: n += len(os.read(read, 100))\nprint('ESCAPED')\n"
    )


NETWORK = [
    Attempt("a service on loopback", _connect("AF_INET", "('127.0.0.1', {port})")),
    Attempt("a service on loopback, IPv6", _connect("AF_INET6", "('::1', {port6})")),
    Attempt("a datagram", _connect("AF_INET", "('127.0.0.1', {udp})", "SOCK_DGRAM")),
    Attempt("an abstract socket", _connect("AF_UNIX", "'\\0' + {abstract!r}")),
    Attempt("a socket in a folder", _connect("AF_UNIX", "{unix!r}")),
    Attempt(
        "a name server",
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(2)\n"
        "q = b'\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7example\\3com\\0\\0\\1\\0\\1'\n"
        "s.sendto(q, ('127.0.0.1', {udp}))\nif s.recv(512): print('ESCAPED')\n",
    ),
    Attempt(
        "a web page",
        "import urllib.request as u\nprint(u.urlopen('http://127.0.0.1:{http}/', None, 3).read())\n"
        "print('ESCAPED')\n",
    ),
    Attempt(
        "opens a port",
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint('ESCAPED')\n",
    ),
    Attempt(
        "asks for the network devices",
        "import socket\ns = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\ns.bind((0, 0))\n"
        "print('ESCAPED')\n",
    ),
    Attempt(
        "raw packets",
        "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768)\nprint('ESCAPED')\n",
        needs="root",
    ),
    Attempt(
        "an inherited descriptor",
        "import os\nfor fd in range(3, 300):\n    try: data = os.pread(fd, 100, 0)\n"
        "    except OSError: continue\n    if b'{secret}' in data: print('ESCAPED')\n",
    ),
]

SECRETS = [
    Attempt("the environment", "import os\n" + _IF.format("'{secret}' in str(os.environ)")),
    Attempt("a file in home", _reads("{home!r} + '/secret'")),
    Attempt("lists home", "import os\n" + _IF.format("'secret' in os.listdir({home!r})")),
    Attempt("a file of the project", _reads("{project!r} + '/pyproject.toml'")),
    Attempt("a file in the host's /tmp", _reads("{tmp!r}")),
    Attempt("/etc/passwd", _reads("'/etc/passwd'")),
    Attempt("/etc/shadow", _reads("'/etc/shadow'"), needs="root"),
    Attempt("/etc/hostname", _reads("'/etc/hostname'")),
    Attempt("another's environment", _reads("'/proc/{pid}/environ'")),
    Attempt(
        "everybody's environment",
        "import glob\nfor path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: data = open(path).read()\n    except OSError: continue\n"
        "    if '{secret}' in data: print('ESCAPED'); break\n",
    ),
    Attempt("another's command line", _reads("'/proc/{pid}/cmdline'")),
    Attempt(
        "through a symbolic link",
        "import os\nos.symlink({home!r} + '/secret', 'link')\n" + _reads("'link'"),
    ),
    Attempt(
        "through a hard link",
        "import os\nos.link({home!r} + '/secret', 'hard')\n" + _reads("'hard'"),
    ),
    Attempt(
        "upwards from the folder", _reads("'/proc/self/cwd' + '/..' * 9 + {home!r} + '/secret'")
    ),
    Attempt("the root of process 1", _reads("'/proc/{pid}/root' + {home!r} + '/secret'")),
    Attempt(
        "through a shell",
        "import subprocess as s\nran = s.run(['cat', {home!r} + '/secret'], capture_output=True)\n"
        + _IF.format("ran.stdout"),
    ),
    Attempt("the name of the host", "import os\n" + _IF.format("os.uname().nodename == {host!r}")),
    Attempt("devices under /sys", "import os\n" + _IF.format("os.listdir('/sys')")),
    Attempt("what lies in /var", "import os\n" + _IF.format("os.listdir('/var')")),
    Attempt(
        "the supervisor's memory",
        "import os\nopen(f'/proc/{{os.getppid()}}/mem', 'rb')\n" + "print('ESCAPED')\n",
    ),
    Attempt(
        "the supervisor's files",
        "import os\n" + _IF.format("os.listdir(f'/proc/{{os.getppid()}}/fd')"),
    ),
]

WRITES = [
    Attempt("a file in home", _writes("{home!r} + '/new'")),
    Attempt("a file in the host's /tmp", _writes("{tmp!r} + '.new'")),
    Attempt("a file in /usr", _writes("'/usr/local/lib/curate-probe'"), needs="root"),
    Attempt("a file at the top", _writes("'/curate-probe'"), needs="root"),
    Attempt("a file in /etc", _writes("'/etc/curate-probe'"), needs="root"),
    Attempt("a file in /dev", _writes("'/dev/curate-probe'"), needs="root"),
    Attempt(
        "a file of the interpreter",
        "import sys\n" + _writes("sys.base_prefix + '/lib/curate-probe'"),
        needs="root",
    ),
    Attempt(
        "a setting of the kernel",
        "path = '/proc/sys/kernel/randomize_va_space'\nvalue = open(path).read()\n"
        "open(path, 'w').write(value)\nprint('ESCAPED')\n",
        needs="root",
    ),
    Attempt(
        "a device",
        "import os, stat\nos.mknod('dev', 0o600 | stat.S_IFCHR, os.makedev(1, 3))\n"
        "print('ESCAPED')\n",
        needs="root",
    ),
    Attempt("a terminal", "import os\nos.openpty()\nprint('ESCAPED')\n"),
    Attempt("the kernel's messages", "open('/dev/kmsg').close()\nprint('ESCAPED')\n", needs="root"),
]

PROCESSES = [
    Attempt("signals another process", "import os\nos.kill({pid}, 0)\nprint('ESCAPED')\n"),
    Attempt("slows another process", "import os\nos.setpriority(0, {pid}, 19)\nprint('ESCAPED')\n"),
    Attempt(
        "kills its parent",
        "import os, signal, time\nparent = os.getppid()\n"
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL):\n"
        "    os.kill(parent, number)\ntime.sleep(0.3)\n" + _IF.format("os.getppid() != parent"),
    ),
    Attempt(
        "traces its child",
        _C
        + "import time\nchild = os.fork()\nif child == 0: time.sleep(1); os._exit(0)\n"
        + _IF.format("libc.ptrace(0x4206, child, None, None) == 0"),
    ),
    Attempt(
        "reads its child's memory",
        _CALLS + "import time\nword = ctypes.create_string_buffer(b'word')\n"
        "class V(ctypes.Structure): _fields_ = [('a', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "mine = ctypes.create_string_buffer(4)\nchild = os.fork()\n"
        "if child == 0: time.sleep(1); os._exit(0)\n"
        "l, r = V(ctypes.addressof(mine), 4), V(ctypes.addressof(word), 4)\n"
        "n = call(310, 270, child, ctypes.byref(l), 1, ctypes.byref(r), 1, 0)\n"
        + _IF.format("n == 4"),
    ),
    Attempt(
        "leaves a daemon",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        os.closerange(0, 3); time.sleep(0.5); open('alive', 'w').close()\n",
        "import os, time\ntime.sleep(1.5)\n" + _IF.format("os.path.exists('alive')"),
    ),
    Attempt(
        "leaves one that no signal ends",
        "import os, signal, time\nfor n in {{*range(1, 32)}} - {{9, 17, 19}}:\n"
        "    signal.signal(n, signal.SIG_IGN)\nif os.fork() == 0:\n    os.setsid()\n"
        "    os.closerange(0, 3); time.sleep(0.5); open('alive', 'w').close()\n",
        "import os, time\ntime.sleep(1.5)\n" + _IF.format("os.path.exists('alive')"),
    ),
    Attempt(
        "leaves a file for the next run",
        "open('note', 'w').write('x')\n",
        "import os\n" + _IF.format("os.path.exists('note')"),
    ),
    Attempt(
        "leaves shared memory for the next run",
        "f = open('/dev/shm/curate-probe', 'w')\nf.write('x')\n",
        "import os\nos.unlink('/dev/shm/curate-probe')\nprint('ESCAPED')\n",
    ),
    Attempt(
        "a segment of shared memory",
        _C
        + "n = libc.shmget(0, 4096, 0o1600)\nif n >= 0: libc.shmctl(n, 0, None)\n"
        + _IF.format("n >= 0"),
    ),
    Attempt("a file without a place", "import os\nos.memfd_create('x')\nprint('ESCAPED')\n"),
]

KERNEL = [
    Attempt("a user namespace", _C + _IF.format("libc.unshare(0x10000000) == 0")),
    Attempt(
        "mounts",
        _C
        + "libc.unshare(0x10020000)\nlibc.mount(None, b'/', None, 0x44000, None)\n"
        + _IF.format("libc.mount(b'none', os.getcwd().encode(), b'tmpfs', 0, None) == 0"),
    ),
    Attempt(
        "a clone with namespaces",
        _CALLS + "flags = 0x10000011\npid = call(56, 220, flags, 0, 0, 0, 0)\n"
        "if pid == 0: os._exit(0)\n" + _IF.format("pid > 0"),
    ),
    Attempt(
        "enters a namespace",
        _C
        + "fd = os.open('/proc/self/ns/uts', os.O_RDONLY)\n"
        + _IF.format("libc.setns(fd, 0) == 0"),
        needs="root",
    ),
    Attempt("a key", _CALLS + _IF.format("call(248, 217, b'user', b'k', b'v', 1, -2) > 0")),
    Attempt(
        "an io_uring",
        _CALLS + "p = ctypes.create_string_buffer(120)\n" + _IF.format("call(425, 425, 4, p) >= 0"),
    ),
    Attempt("page faults by hand", _CALLS + _IF.format("call(323, 282, 1) >= 0")),
    Attempt("another personality", _C + _IF.format("libc.personality(0x0040000) >= 0")),
    Attempt("becomes root", "import os\nos.setuid(0)\nprint('ESCAPED')\n", needs="root"),
    Attempt(
        "may gain privileges", _IF.format("'NoNewPrivs:\\t0' in open('/proc/self/status').read()")
    ),
    Attempt("another root folder", "import os\nos.chroot('.')\nprint('ESCAPED')\n", needs="root"),
    Attempt(
        "renames the host",
        "import os, socket\nsocket.sethostname(os.uname().nodename)\nprint('ESCAPED')\n",
        needs="root",
    ),
    Attempt("higher priority", "import os\nos.nice(-1)\nprint('ESCAPED')\n", needs="root"),
]

EXHAUSTION = [
    Attempt("many processes", _all_start(40, "pass")),
    Attempt(
        "a fork bomb",
        "import os, time\nread, write = os.pipe()\nme = os.getpid()\nfor _ in range(6): os.fork()\n"
        "os.write(write, b'x'); time.sleep(1)\nif os.getpid() != me: os._exit(0)\n"
        "n = 0\nwhile n < 64: n += len(os.read(read, 100))\nprint('ESCAPED')\n",
    ),
    Attempt(
        "zombies",
        "import os\nfor _ in range(60):\n    if os.fork() == 0: os._exit(0)\nprint('ESCAPED')\n",
    ),
    Attempt(
        "many threads",
        "import threading, time\nthreading.stack_size(1 << 16)\n"
        "for _ in range(60): threading.Thread(target=time.sleep, args=(0.5,)).start()\n"
        "print('ESCAPED')\n",
    ),
    Attempt("memory", "x = bytearray(300 << 20)\nprint('ESCAPED')\n"),
    Attempt("memory of several processes", _all_start(5, "x = b'x' * (80 << 20)")),
    Attempt(
        "shared memory",
        "import mmap\nm = mmap.mmap(-1, 300 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\n"
        "print('ESCAPED')\n",
    ),
    Attempt(
        "locked memory",
        _C
        + "b = ctypes.create_string_buffer(1 << 16)\n"
        + _IF.format("libc.mlock(b, 1 << 16) == 0"),
    ),
    Attempt(
        "a full disk",
        "import os\nwith open('big', 'wb') as f:\n"
        "    for _ in range(30): f.write(b'x' * (1 << 20))\nos.unlink('big')\nprint('ESCAPED')\n",
    ),
    Attempt(
        "a full disk in pieces",
        "import os\nfor i in range(30): open(f'part{{i}}', 'wb').write(b'x' * (1 << 20))\n"
        "print('ESCAPED')\n",
    ),
    Attempt("a huge empty file", "f = open('hole', 'wb')\nf.truncate(1 << 33)\nprint('ESCAPED')\n"),
    Attempt(
        "many files",
        "import os, time\nfor i in range(1500): open(f'file{{i}}', 'w').close()\ntime.sleep(0.5)\n"
        "print('ESCAPED')\n",
    ),
    Attempt(
        "many descriptors",
        "import os\nfds = [os.open('/dev/null', 0) for _ in range(500)]\nprint('ESCAPED')\n",
    ),
    Attempt("a flood of output", "print('x' * (6 << 20))\nprint('ESCAPED')\n"),
    Attempt(
        "a flood of errors",
        "import sys\nfor _ in range(600): sys.stderr.write('x' * 10_000)\nprint('ESCAPED')\n",
    ),
    Attempt("much time", "import time\nwhile time.process_time() < 1.6: pass\nprint('ESCAPED')\n"),
    Attempt(
        "more time than its signal allows",
        "import signal, time\nsignal.signal(signal.SIGXCPU, lambda *a: None)\n"
        "while time.process_time() < 2.6: pass\nprint('ESCAPED')\n",
    ),
    Attempt("sleeps", "import time\ntime.sleep(3.5)\nprint('ESCAPED')\n"),
    Attempt(
        "waits for a signal that it ignores",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.alarm(0)\ntime.sleep(3.5)\nprint('ESCAPED')\n",
    ),
    Attempt(
        "waits at a pipe",
        "import os, threading\nos.mkfifo('pipe')\n"
        "threading.Timer(3.5, lambda: open('pipe', 'w').write('x')).start()\n"
        "if open('pipe').read(): print('ESCAPED')\n",
    ),
    Attempt(
        "takes its limits away",
        "import resource as r\nfor name in (r.RLIMIT_CPU, r.RLIMIT_AS, r.RLIMIT_FSIZE):\n"
        "    r.setrlimit(name, (r.RLIM_INFINITY, r.RLIM_INFINITY))\nprint('ESCAPED')\n",
    ),
]

ATTEMPTS = {
    f"{kind}: {attempt.name}": attempt
    for kind, attempts in (
        *(("network", NETWORK), ("secret", SECRETS), ("write", WRITES), ("process", PROCESSES)),
        *(("kernel", KERNEL), ("exhaustion", EXHAUSTION)),
    )
    for attempt in attempts
}

_WRONG = "def double(x): return x + 1\n"
FORGERIES = {
    "leaves before the tests": "import os\nos._exit(0)\n",
    "leaves quietly": "import sys\nsys.exit(0)\n",
    "leaves when it is called": "import os\ndef double(x): os._exit(0)\n",
    "leaves at its end": "import atexit, os\natexit.register(os._exit, 0)\n" + _WRONG,
    "equals everything": (
        "class Any:\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\n"
        "def double(x): return Any()\n"
    ),
    "a number that equals everything": (
        "class Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def double(x): return Any(3)\n"
    ),
    "a list that equals everything": (
        "class Any(list):\n    def __eq__(self, other): return True\ndef double(x): return Any()\n"
    ),
    "a thread that leaves": (
        "import os, threading, time\nthreading.Timer(0.1, os._exit, (0,)).start()\n"
        "def double(x): time.sleep(9)\n"
    ),
    "a hook for errors": "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\n" + _WRONG,
    "reads the tests": (
        "import gc, re, sys\ndef double(x):\n    for thing in gc.get_objects():\n"
        "        m = re.search(rf'double\\({x}\\) == (\\d+)', str(thing)[:10**6])\n"
        "        if m: return int(m[1])\n"
        "    source = open(sys.argv[0]).read()\n"
        "    return int(re.search(rf'double\\({x}\\) == (\\d+)', source)[1])\n"
    ),
    "looks into its callers": (
        "import re, sys\ndef double(x):\n    frame, seen = sys._getframe(), ''\n    while frame:\n"
        "        seen += repr(frame.f_globals) + repr(frame.f_locals); frame = frame.f_back\n"
        "    seen += open(sys.argv[0]).read()\n"
        "    return int(re.search(rf'double\\({x}\\) == (\\d+)', seen)[1])\n"
    ),
    "writes to every descriptor": (
        "import os\nfor fd in range(1, 64):\n    try: os.write(fd, b'1\\n+\\n+\\n+\\n')\n"
        "    except OSError: pass\nos._exit(0)\n"
    ),
    "defines what the tests use": "def double(x): return x\ndef print(*a): ...\n"
    "class bool:\n    def __new__(cls, *a): return True\nimport os\nos._exit(0)\n",
}
"""Wrong programs that a run of program and tests in one process takes for right ones."""

FORGED_TESTS = "assert double(2) == 4\nassert double(5) == 10\n"
