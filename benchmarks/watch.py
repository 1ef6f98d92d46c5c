"""What watching a growing answer costs: each new piece looked at once, against all of it each time.

python benchmarks/watch.py [--tokens 1000 2000 …] [--whole-up-to 4000]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from curate.generate.watch import Watch
from curate.sample import Sample
from filters import correct_answer, language_consistent, readable, think_format

PIECE = 200
CHARACTERS_PER_TOKEN = 4
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
ACCEPT = [think_format, correct_answer, *readable(), language_consistent()]


def answer(tokens: int) -> str:
    """A sound chain of thought of this length: words, and a formula now and then."""
    dice = random.Random(0)
    said = ["<think>"]
    for _ in range(tokens):
        n, m = dice.randrange(1000), dice.randrange(1000)
        said.append(dice.choice([f"step{n}", "we", "add", "thus", f"$x_{n} = {m}$", f"\\({n}\\)"]))
    return " ".join(said)[: tokens * CHARACTERS_PER_TOKEN]


def seconds(watch: Callable[[str, str, int], object], text: str) -> float:
    """CPU time of a watch that is called with (all so far, what is new, tokens)."""
    start = time.process_time()
    for end in range(PIECE, len(text) + 1, PIECE):
        fault = watch(text[:end], text[end - PIECE : end], end // CHARACTERS_PER_TOKEN)
        assert fault is None, f"a sound answer was cut: {fault}"
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    lengths = [1000, 2000, 4000, 8000, 15_000, 30_000]
    parser.add_argument("--tokens", type=int, nargs="+", default=lengths, help="answer lengths")
    parser.add_argument("--whole-up-to", type=int, default=4000, help="longest for the old way")
    options = parser.parse_args()
    print(f"{'tokens':>8} {'new, s':>8} {'us/token':>9} {'whole, s':>9}")
    for tokens in options.tokens:
        text = answer(tokens)
        watches = (Watch(PROMPT, ACCEPT) for _ in range(3))
        new = min(seconds(lambda _, piece, n, w=w: w(piece, n), text) for w in watches)
        whole = "-"
        if tokens <= options.whole_up_to:
            whole = f"{seconds(lambda said, _, n: Watch(PROMPT, ACCEPT)(said, n), text):.3f}"
        print(f"{tokens:>8} {new:>8.3f} {new / tokens * 1e6:>9.2f} {whole:>9}")


if __name__ == "__main__":
    main()
