"""Versions of a dataset: `MAJOR.MINOR.PATCH`, tagged `v1.2.0`.

A changed schema or changed ids are MAJOR, other rows MINOR, a new card PATCH; before 1.0.0 nothing
is promised yet, and a changed schema is MINOR (https://semver.org, items 4 and 8).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from curate.errors import UsageError

Change = Literal["major", "minor", "patch"]

_VERSION = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class Version(NamedTuple):
    """One version; later ones compare as greater.

    >>> Version(1, 10, 0) > Version(1, 9, 3)
    True
    """

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name of its tag on the Hub."""
        return f"v{self}"

    def after(self, change: Change) -> Version:
        """The next version when so much has changed.

        >>> v = Version(1, 2, 3)
        >>> [str(v.after(change)) for change in ("major", "minor", "patch")]
        ['2.0.0', '1.3.0', '1.2.4']
        >>> str(Version(0, 2, 3).after("major"))
        '0.3.0'
        """
        if change == "major" and self.major:
            return Version(self.major + 1, 0, 0)
        if change == "patch":
            return Version(self.major, self.minor, self.patch + 1)
        return Version(self.major, self.minor + 1, 0)


FIRST = Version(1, 0, 0)


def version_of_tag(tag: str) -> Version | None:
    """The version that a tag names; None for any other tag.

    >>> version_of_tag("v1.2.0"), version_of_tag("1.2.0"), version_of_tag("v1.2")
    (Version(major=1, minor=2, patch=0), None, None)
    """
    found = _VERSION.fullmatch(tag) if tag.startswith("v") else None
    return Version(*map(int, found.groups())) if found else None


def read_version(text: str) -> Version:
    """The version that a person wrote, `1.2.0` or `v1.2.0`; UsageError for anything else.

    >>> str(read_version("v1.2.0"))
    '1.2.0'
    >>> read_version("1.2")
    Traceback (most recent call last):
        ...
    curate.errors.UsageError: '1.2' is no version; it is MAJOR.MINOR.PATCH, as in 1.2.0
    """
    found = _VERSION.fullmatch(text)
    if not found:
        raise UsageError(f"'{text}' is no version; it is MAJOR.MINOR.PATCH, as in 1.2.0")
    return Version(*map(int, found.groups()))
