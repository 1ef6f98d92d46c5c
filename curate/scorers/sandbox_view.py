"""What a sandbox shows and takes away, as the arguments of bubblewrap."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

from curate.errors import UsageError

_PACKAGES = "/box/packages"


def interpreter() -> str:
    """The Python that runs inside: this one, without its virtual environment."""
    return os.path.realpath(sys.executable)


@cache
def sandbox_view(scratch_mb: int, packages: tuple[str, ...]) -> tuple[str, ...]:
    """Namespaces of its own, no rights, and a file system of what is listed here.

    /usr and what loads programs from it, the interpreter with its library, these packages, five
    devices, its own processes, and an empty /tmp of `scratch_mb`, the only place that can be
    written to (the caller makes the rest read-only).
    """
    args = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    args += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"]
    args += ["--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        # Process 1 becomes an unprivileged user of its own. In a user namespace root would stay
        # the host's root to the kernel, whose limit on processes does not hold for it.
        args += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        args += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    args += [*_system(), *_python(packages)]
    for device in ("null", "zero", "full", "random", "urandom"):
        args += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    args += ["--proc", "/proc", "--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        args += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    args += ["--perms", "1777", "--size", str(scratch_mb << 20), "--tmpfs", "/tmp"]
    args += ["--symlink", "/tmp", "/dev/shm", "--chdir", "/tmp"]
    for name, value in (
        *(("PATH", "/usr/bin:/bin"), ("HOME", "/tmp"), ("LANG", "C.UTF-8")),
        *(("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")),
        *((("PYTHONPATH", _PACKAGES), ("OPENBLAS_NUM_THREADS", "1")) if packages else ()),
    ):
        args += ["--setenv", name, value]
    return tuple(args)


def _system() -> list[str]:
    """Programs and libraries of the distribution; of /etc only what the linker reads."""
    args = ["--perms", "0755", "--dir", "/etc", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64", "lib32", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            args += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            args += ["--ro-bind", str(path), str(path)]
    for path in ("/etc/ld.so.cache", "/etc/alternatives"):
        args += ["--ro-bind-try", path, path]
    return args


def _python(packages: tuple[str, ...]) -> list[str]:
    """The interpreter's own folder where it is not part of the system, and the packages."""
    prefix = Path(sys.base_prefix).resolve()
    shown = {} if prefix.is_relative_to("/usr") else {str(prefix): str(prefix)}
    for name in packages:
        shown |= _package(name)
    # The folders on the way are made for root alone unless they are made by name.
    parents = [str(p) for place in shown.values() for p in reversed(Path(place).parents[:-1])]
    args: list[str] = []
    for folder in dict.fromkeys(["/dev", "/box", *parents]):
        args += ["--perms", "0755", "--dir", folder]
    for folder, place in shown.items():
        args += ["--ro-bind", folder, place]
    return args


def _package(name: str) -> dict[str, str]:
    """The folders of an installed package, and where they are shown; its libraries stand beside."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise UsageError(f"there is no package {name} here; install it: pip install {name}")
    folder = Path(found.submodule_search_locations[0]).resolve()
    beside = [folder, folder.with_name(f"{name}.libs")]
    return {str(path): f"{_PACKAGES}/{path.name}" for path in beside if path.is_dir()}
