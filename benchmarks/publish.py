"""Releases on the test Hub: under faults, and what they send.

    python -m benchmarks.publish campaign --publishes 200 --seed 0
    python -m benchmarks.publish xet --rows 5000 --characters 22000

`campaign` publishes states of a dataset that grows and changes while the Hub fails in every way
that it knows and publishers are killed; a quarter of the publishes go by Xet. It ends with 1 when
anything was wrong: see `benchmarks.publish_campaign` for what is checked. `xet` measures the bytes
that are new to the Hub's store for versions of one dataset: see `benchmarks.publish_xet`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.publish_campaign import Campaign, Tally

LANES = 4


def lane(folder: Path, publishes: int, seed: int, xet: bool) -> Tally:
    """A campaign of its own, in a process of its own."""
    folder.mkdir()
    with Campaign(folder, seed=seed, xet=xet) as campaign:
        campaign.publish(publishes)
        campaign.conclude()
        return campaign.tally


def run_campaign(publishes: int, seed: int, folder: Path) -> Tally:
    """Four lanes side by side, the last of them by Xet."""
    shares = [publishes // LANES + (n < publishes % LANES) for n in range(LANES)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(LANES, mp_context=context) as pool:
        lanes = [
            pool.submit(lane, folder / f"lane-{n}", share, seed * LANES + n, n == LANES - 1)
            for n, share in enumerate(shares)
            if share
        ]
        return sum((one.result() for one in lanes), Tally())


def act_campaign(options: argparse.Namespace, folder: Path) -> int:
    start = time.monotonic()
    tally = run_campaign(options.publishes, options.seed, folder)
    faults = ", ".join(f"{n} x {name}" for name, n in tally.faults.most_common())
    out(f"{tally.publishes} publishes in {time.monotonic() - start:.0f} s:")
    out(f"  {tally.runs} runs of the command, {tally.kills} of them killed; {faults}")
    out(f"  {tally.versions} versions, {tally.loaded} of them loaded by datasets")
    out(f"  {tally.sent_bytes:,} bytes sent, of large files {tally.new_bytes:,} that are different")
    out(f"  {len(tally.wrong)} wrong")
    for line in tally.wrong:
        out(f"    {line}")
    return 1 if tally.wrong else 0


def act_xet(options: argparse.Namespace, folder: Path) -> int:
    from benchmarks.publish_xet import measured

    for name, new, size in measured(options.rows, options.characters, folder):
        out(f"{name}: {new / 1e3:,.0f} kB new, {new / size:.1%} of {size / 1e6:.1f} MB")
    return 0


def out(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish")
    commands = parser.add_subparsers(dest="command", required=True)
    campaign = commands.add_parser("campaign")
    campaign.add_argument("--publishes", type=int, default=200)
    campaign.add_argument("--seed", type=int, default=0)
    campaign.set_defaults(act=act_campaign)
    xet = commands.add_parser("xet")
    xet.add_argument("--rows", type=int, default=5_000)
    xet.add_argument("--characters", type=int, default=22_000, help="of a completion on average")
    xet.set_defaults(act=act_xet)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="curate-publish-") as folder:
        return options.act(options, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
