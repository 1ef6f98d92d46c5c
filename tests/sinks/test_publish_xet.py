"""What a next version sends by Xet: not the dataset again."""

from __future__ import annotations

from pathlib import Path

from benchmarks.publish_xet import EDITED, EXTENDED, SHUFFLED, measured


def test_a_version_that_differs_little_sends_little(tmp_path: Path) -> None:
    shares = {name: new / size for name, new, size in measured(4_000, 6_000, tmp_path)}
    assert shares[EDITED] <= 0.2
    assert shares[EXTENDED] <= 0.05
    assert shares[SHUFFLED] == 0
