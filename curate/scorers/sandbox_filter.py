"""The system calls that no program in a sandbox may make, as a seccomp program.

Namespaces hide the host, this makes the kernel itself smaller: no tracing, no mounting, no new
namespaces, no keys, no eBPF, no io_uring, no kernel modules, no sockets but those of the sandbox's
own file system, and none of the ways to hold memory that limits on processes do not see (shared
memory segments, files without a place). A refused call fails like one that the kernel does not
permit.

Sources: the default profile of Docker (moby, profiles/seccomp), the kernel's own tables of numbers
(asm/unistd_64.h for x86-64, asm-generic/unistd.h for AArch64).
"""

from __future__ import annotations

import platform
import struct
import sys
from functools import cache

# name: (number on x86-64, number on AArch64); None where there is no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51)},
    **{"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430)},
    **{"fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433)},
    **{"mount_setattr": (442, 442), "name_to_handle_at": (303, 264)},
    **{"open_by_handle_at": (304, 265), "unshare": (272, 97), "setns": (308, 268)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426)},
    **{"io_uring_register": (427, 427), "fanotify_init": (300, 262)},
    **{"kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105)},
    **{"finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142)},
    **{"swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116)},
    **{"quotactl": (179, 60), "quotactl_fd": (443, 443), "vhangup": (153, 58)},
    **{"settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171)},
    **{"clock_adjtime": (305, 266), "personality": (135, 92), "lookup_dcookie": (212, 18)},
    **{"nfsservctl": (180, 42), "migrate_pages": (256, 238), "move_pages": (279, 239)},
    **{"mbind": (237, 235), "set_mempolicy": (238, 237), "vmsplice": (278, 75)},
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194)},
    **{"shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    **{"iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None)},
    **{"uselib": (134, None), "ustat": (136, None), "sysfs": (139, None), "_sysctl": (156, None)},
}
"""Calls that fail with EPERM whatever their arguments."""

# The column of the table, AUDIT_ARCH, and the calls that are looked at more closely.
_MACHINES = {
    "x86_64": (0, 0xC000003E, {"clone": 56, "clone3": 435, "socket": 41, "ioctl": 16}),
    "aarch64": (1, 0xC00000B7, {"clone": 220, "clone3": 435, "socket": 198, "ioctl": 29}),
}

NEW_NAMESPACE = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME (linux/sched.h)."""

AF_UNIX, TIOCSTI, TIOCLINUX = 1, 0x5412, 0x541C
X32 = 0x40000000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97

# Classic BPF (linux/filter.h): load a word of the call, jump if it equals k or has a bit of it.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24


def is_supported() -> bool:
    """True on machines whose system calls this knows."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


@cache
def seccomp_program() -> bytes:
    """The program for this machine as `bwrap --seccomp` reads it: 8 bytes an instruction."""
    column, arch, special = _MACHINES[platform.machine()]
    refuse = _step(_RETURN, _ERRNO | _EPERM)
    steps = [_step(_LOAD, _ARCH), _step(_EQUAL, arch, 1, 0), _step(_RETURN, _KILL)]
    steps += [_step(_LOAD, _NUMBER)]
    if column == 0:
        steps += [_step(_AT_LEAST, X32, 0, 1), refuse]
    for numbers in DENIED.values():
        if (number := numbers[column]) is not None:
            steps += [_step(_EQUAL, number, 0, 1), refuse]
    # Its flags stand in memory, where a filter cannot look; the library then uses clone.
    steps += [_step(_EQUAL, special["clone3"], 0, 1), _step(_RETURN, _ERRNO | _ENOSYS)]
    allow = _step(_RETURN, _ALLOW)
    for name, test in (
        ("clone", [_step(_LOAD, _FIRST), _step(_ANY_BIT, NEW_NAMESPACE, 0, 1), refuse]),
        (
            "socket",
            [
                *[_step(_LOAD, _FIRST), _step(_EQUAL, AF_UNIX, 1, 0)],
                _step(_RETURN, _ERRNO | _EAFNOSUPPORT),
            ],
        ),
        (
            "ioctl",
            [
                *[_step(_LOAD, _SECOND), _step(_EQUAL, TIOCSTI, 1, 0)],
                *[_step(_EQUAL, TIOCLINUX, 0, 1), refuse],
            ],
        ),
    ):
        steps += [_step(_EQUAL, special[name], 0, len(test) + 1), *test, allow]
    return b"".join([*steps, allow])


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, k)
