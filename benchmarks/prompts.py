"""What the rules on problems and `Tags` say of problems with known answers and domains.

    python benchmarks/prompts.py [--shared ../shared]

The figures of docs/prompts.md. Seconds are processor time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from curate.sample import Sample
from curate.select.tags import domain_of
from curate.sources.row import Defaults, read_row
from filters.prompts import answerable

FILES = (
    *("gsm8k_train.jsonl.gz", "gsm8k_test.jsonl.gz", "math_train.jsonl.gz", "math_test.jsonl.gz"),
    *("cmath.jsonl", "mbpp.jsonl.gz", "humaneval.jsonl.gz", "countdown.jsonl"),
    *("knights_knaves.jsonl.gz", "ifeval.jsonl", "self_instruct_seeds.jsonl", "identity.jsonl"),
)
TAGGED = 1500
"""The first problems of a file whose domain is told from the words alone."""


def prompts(path: Path) -> list[Sample]:
    """The problems of a file."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    rows = (read_row(json.loads(line), Defaults(path.name)) for line in text.strip().split("\n"))
    return [row for row in rows if isinstance(row, Sample)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Rules on problems and tags, measured.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    folder = parser.parse_args().shared / "data"
    seconds: defaultdict[str, float] = defaultdict(float)
    total = 0
    for name in FILES:
        asked = prompts(folder / name)
        total += len(asked)
        refused: Counter[str] = Counter()
        for keep in answerable():
            start = time.process_time()
            verdicts = [keep.scorer.judge(prompt) for prompt in asked]
            seconds[keep.scorer.name] += time.process_time() - start
            judged = [not keep.domains or prompt.domain in keep.domains for prompt in asked]
            refused[keep.scorer.name] = sum(
                is_judged and not keep.accepts(verdict)
                for is_judged, verdict in zip(judged, verdicts, strict=True)
            )
        start = time.process_time()
        told = Counter(domain_of(replace(p, check=None, verifier=None)) for p in asked[:TAGGED])
        seconds["Tags"] += (time.process_time() - start) * len(asked) / len(asked[:TAGGED])
        print(f"{name}: {len(asked)} problems of {asked[0].domain}")
        print("  refused:", {rule: n for rule, n in refused.items() if n} or "none")
        print("  told:", {str(domain): n for domain, n in told.most_common()})
    print("microseconds a problem:", {k: round(1e6 * s / total) for k, s in seconds.items()})


if __name__ == "__main__":
    main()
