"""What goes wrong at the test Hub, and what its log keeps of a request."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Fault:
    """What goes wrong with requests that match; `after` such requests, `times` times."""

    method: str
    """A regular expression for all of it."""
    path: str
    """A regular expression, searched in the decoded path."""
    status: int | None = None
    """Refuse so, before anything is done; None: do the work and cut the connection."""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    times: int = 1
    cut_body: bool = False
    """Close the connection in the middle of the request's body."""
    damage: bool = False
    """Change a byte of the body on its way: the object has another sha256 than it should."""
    lose_object: bool = False
    """Forget a large file that this commit brings: it is missing when the commit is made."""
    before: Callable[[], None] | None = None
    """Called first: somebody else's commit, say, or what kills the client."""

    def strikes(self, method: str, path: str) -> bool:
        if (
            not re.fullmatch(self.method, method)
            or not re.search(self.path, path)
            or self.times <= 0
        ):
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.times -= 1
        return True

    @property
    def cuts_answer(self) -> bool:
        """Whether the work is done and the answer lost."""
        changed = self.damage or self.lose_object or self.before is not None
        return self.status is None and not changed

    @property
    def name(self) -> str:
        """In one word, for a table of what struck."""
        if self.before:
            return self.before.__name__.replace("_", " ")
        if self.status:
            return str(self.status)
        ways = {"cut upload": self.cut_body, "wrong sha256": self.damage}
        ways |= {"missing object": self.lose_object}
        return next((name for name, so in ways.items() if so), "lost answer")


class Logged(NamedTuple):
    """One request, as it was answered; status 0: it was cut."""

    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int


COMMIT, PREUPLOAD, OBJECT = "/commit/", "/preupload/", "/(object|part)/"
TAG, TREE, RESOLVE, CREATE = "/tag/", "/tree/", "/resolve/", "/api/repos/create"
BATCH, XET, PULL = "/objects/batch", "/xet-write-token/", "/discussions"
STATUSES = (409, 412, 429, 500, 502, 503)
"""What a commit or a tag may be answered with although nothing is wrong with it."""


def random_faults(chance: random.Random, *, most: int = 4) -> list[Fault]:
    """Up to `most` faults of every kind, at every step of a publish.

    >>> [fault.name for fault in random_faults(random.Random(6))]
    ['cut upload']
    """
    return [_random_fault(chance) for _ in range(chance.randint(1, most))]


def _random_fault(chance: random.Random) -> Fault:
    kind = chance.choice(("status", "status", "lost", "cut", "damage", "missing"))
    times = chance.choice((1, 1, 2))
    if kind == "cut":
        method, path = chance.choice((("PUT", OBJECT), ("POST", COMMIT)))
        return Fault(method, path, cut_body=True, times=times)
    if kind == "damage":
        return Fault("PUT", OBJECT, damage=True)
    if kind == "missing":
        return Fault("POST", COMMIT, lose_object=True)
    if kind == "lost":
        path = chance.choice((COMMIT, COMMIT, TAG, TAG, CREATE, PREUPLOAD, BATCH))
        return Fault("POST", path, times=times)
    steps = [("POST", path) for path in (COMMIT, COMMIT, TAG, TAG, PREUPLOAD, BATCH, CREATE)]
    steps += [("PUT", OBJECT), ("GET", TREE), ("GET", RESOLVE), ("GET", XET)]
    method, path = chance.choice(steps)
    # Only what changes the repository may be in conflict with another change.
    conflicting = path in (COMMIT, TAG)
    status = chance.choice(STATUSES if conflicting else STATUSES[2:])
    headers = {"Retry-After": "1"} if status == 429 else {}
    return Fault(method, path, status=status, headers=headers, times=times)
