"""A release for a person: what it would do, how far it is, what became of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from difflib import unified_diff
from itertools import islice
from typing import TYPE_CHECKING

from curate.sinks.release_folder import README, Content

if TYPE_CHECKING:
    from curate.sinks.release import Released
    from curate.sinks.release_plan import Plan
    from curate.sinks.release_record import Release
    from curate.sinks.remote import State

LISTED = 20
"""Files and changed lines of the card that are shown."""
PLAIN_EVERY_S = 10.0


def conclusion(done: Released) -> str:
    """What became of a release, in a line."""
    if done.pull_request:
        state = "proposes" if done.is_new else "proposes already"
        return (
            f"{done.pull_request} {state} v{done.version}; merge it, then run the same command "
            "again: it makes the tag"
        )
    if not done.is_new:
        return f"nothing to do: {done.repo} has this dataset as v{done.version}"
    return (
        f"{done.repo} v{done.version} is released (commit {done.commit[:12]}), read back and whole"
    )


class Progress:
    """Says on standard error how far a release is: a line that is rewritten on a terminal, else
    one every ten seconds.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._said = time.monotonic()
        self._open = False

    def report(self, numbers: Mapping[str, float]) -> None:
        text = ", ".join(told(name, number) for name, number in numbers.items())
        now = time.monotonic()
        if self._is_terminal:
            sys.stderr.write(f"\r{text:<60}")
            self._open = True
        elif now - self._said >= PLAIN_EVERY_S:
            sys.stderr.write(f"{text}\n")
            self._said = now
        sys.stderr.flush()

    def say(self, text: str) -> None:
        self.end()
        sys.stderr.write(f"curate: {text}\n")

    def end(self) -> None:
        """Leaves the line that is rewritten."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False


def told(name: str, number: float) -> str:
    """A number of the progress.

    >>> told("MB sent", 12.34), told("rows compared", 2048)
    ('12.3 MB sent', '2,048 rows compared')
    """
    return f"{number:,.1f} {name}" if name.startswith("MB") else f"{number:,.0f} {name}"


def describe(plan: Plan, repo: str, state: State | None, newest: Release | None) -> str:
    """The plan: version with its reason, files, bytes, changelog, what changes in the card."""
    now = newest.version.tag if newest else "no release" if state else "not there yet, will be made"
    same = [path for path in plan.files if path not in plan.new]
    there = set(state.files) if state else set[str]()
    lines = [f"{repo} {plan.version.tag} ({plan.reason}; now: {now})", ""]
    lines += listed("new", {p: f for p, f in plan.new.items() if p not in there})
    lines += listed("changed", {p: f for p, f in plan.new.items() if p in there})
    lines += listed("unchanged", {path: plan.files[path] for path in same})
    lines += [f"  {'removed':<10} {path}" for path in plan.removed]
    sent = sum(file.size for file in plan.new.values())
    lines += [
        f"  {'to send':<10} {size(sent)} at most in {len(plan.new)} files (what the Hub has under "
        "another name is not sent again)",
        *("", "CHANGELOG.md:", *(f"  {line}".rstrip() for line in plan.section.splitlines())),
        *card_lines(plan),
    ]
    return "\n".join(lines) + "\n"


def listed(kind: str, files: dict[str, Content]) -> list[str]:
    """Files of one kind with their sizes, the hidden ones last; the first ones of many."""
    paths = sorted(files, key=lambda path: (path.startswith("."), path))
    lines = [f"  {kind:<10} {path} ({size(files[path].size)})" for path in paths[:LISTED]]
    if rest := paths[LISTED:]:
        total = size(sum(files[path].size for path in rest))
        lines.append(f"  {kind:<10} … and {len(rest):,} more ({total})")
    return lines


def card_lines(plan: Plan) -> list[str]:
    """The lines of the card that would change."""
    if not plan.old_readme or README not in plan.new:
        return []
    new = plan.files[README].read().decode()
    diff = unified_diff(plan.old_readme.splitlines(), new.splitlines(), lineterm="", n=0)
    changed = [line for line in islice(diff, 2, None) if not line.startswith("@@")]
    more = [f"  … and {len(changed) - LISTED:,} more lines"] if len(changed) > LISTED else []
    return ["", f"{README}:", *(f"  {line[:160]}" for line in changed[:LISTED]), *more]


def size(count: int) -> str:
    """A number of bytes as a person reads it.

    >>> size(812), size(1_234_567)
    ('812 bytes', '1.2 MB')
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
