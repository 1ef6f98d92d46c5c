"""What a verdict costs: every scorer, and mathematics beside plain math_verify and TRL.

python benchmarks/verdicts.py [--shared ../shared] [--rows 2000] [--scorers MathAnswer Length …]

Rows are real model outputs, in groups of 4 to 16 samples of one problem, as a run judges them: the
outputs of `traces_math500.jsonl.gz` (20 problems, 3 or 4 long answers each) and of
`gsm8k-labelled-outputs.jsonl` (2 each). Where a problem has fewer outputs than its group, the rest
are outputs of it again, half of them with the final answer of another output of the same source: a
group of a real run has right and wrong answers, and repeats most of them.
Seconds are processor time of this process and its children, after one warm-up group; a second pass
is not measured, its verdicts are known.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from curate.errors import CurateError
from curate.sample import Sample
from curate.scorers import MathAnswer, Scorer, scorer_from

Group = list[Sample]


def groups(shared: Path, rows: int, seed: int = 0) -> list[Group]:
    """Groups of 4 to 16 samples of one problem, `rows` samples or a few more in all."""
    outputs = _outputs(shared)
    dice = random.Random(seed)
    answers: dict[str, list[str]] = {}
    for prompt, texts in outputs:
        found = [prompt.with_completion(text).final_answer for text in texts]
        answers.setdefault(prompt.source, []).extend(answer for answer in found if answer)
    made: list[Group] = []
    while sum(map(len, made)) < rows:
        prompt, texts = outputs[len(made) % len(outputs)]
        size = dice.randint(4, 16)
        said = [*texts[:size]]
        while len(said) < size:
            text = dice.choice(texts)
            answer = prompt.with_completion(text).final_answer
            other = dice.choice(answers[prompt.source]) if dice.random() < 0.5 else answer
            said.append(_replaced(text, answer, other))
        made.append([prompt.with_completion(t, finish_reason="stop") for t in said])
    return made


def _replaced(text: str, answer: str | None, other: str | None) -> str:
    """The text with its final answer, where it stands last, put as another one."""
    before, found, after = text.rpartition(answer or "\0")
    return f"{before}{other}{after}" if found and other else text


def _outputs(shared: Path) -> list[tuple[Sample, list[str]]]:
    """Prompts with the outputs that models gave."""
    said: dict[tuple[str, str, str], list[str]] = {}
    with gzip.open(shared / "data/traces_math500.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            prompt = ("traces", row["problem"], row["answer"])
            said.setdefault(prompt, []).append(row["response"])
    path = shared / "cases/gsm8k-labelled-outputs.jsonl"
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        said.setdefault(("gsm8k", row["question"], str(row["gold"])), []).append(row["output"])
    return [
        (Sample(problem, problem, answer, source=source, language="en"), texts)
        for (source, problem, answer), texts in said.items()
    ]


def plain(group: Group) -> Sequence[float | None]:
    """math_verify as its users call it: gold and answer parsed for each row."""
    from math_verify import parse, verify

    return [float(verify(parse(f"${s.answer}$"), parse(s.response))) for s in group]


def trl_accuracy(group: Group) -> Sequence[float | None]:
    """TRL's `accuracy_reward`, as its trainer calls it."""
    accuracy_reward = importlib.import_module("trl.rewards").accuracy_reward
    completions = [[{"role": "assistant", "content": s.response}] for s in group]
    return accuracy_reward(completions, [f"${s.answer}$" for s in group])


def seconds(
    judge: Callable[[Group], Sequence[float | None]], made: list[Group]
) -> tuple[float, list[float | None]]:
    """Processor time of this process and its children for all groups, and the scores."""
    # A sample keeps what was split off its text; each rule gets samples that nobody looked at.
    fresh = [[replace(sample) for sample in group] for group in made]
    judge(fresh[0])
    before = _spent()
    scores = [score for group in fresh[1:] for score in judge(group)]
    return _spent() - before, scores


def _spent() -> float:
    """Seconds of this process and of its living and dead children (Linux)."""
    ended = os.times()
    total = time.process_time() + ended.children_user + ended.children_system
    tick = os.sysconf("SC_CLK_TCK")
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                stat = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += (int(stat[11]) + int(stat[12])) / tick
    return total


def line(name: str, spent: float, scores: Sequence[float | None], reference: float | None) -> None:
    rows = len(scores)
    unjudged = sum(score is None for score in scores)
    mean = sum(score or 0.0 for score in scores) / max(1, rows - unjudged)
    times = f"{reference / spent:>8.1f}" if reference else f"{'':>8}"
    speed = f"{rows / spent:>9.0f} {spent / rows * 1e3:>9.3f}"
    print(f"{name:<44} {speed}{times} {mean:>6.3f} {unjudged:>5}")


def mathematics(source: str, made: list[Group]) -> None:
    """MathAnswer against math_verify and TRL on the same rows."""
    print(f"{source:<44} {'rows/s':>9} {'ms/row':>9}{'times':>8} {'mean':>6} {'None':>5}")
    reference, plain_scores = seconds(plain, made)
    line("math_verify.parse and verify", reference, plain_scores, reference)
    try:
        importlib.import_module("trl.rewards")
    except ImportError as error:
        print(f"TRL accuracy_reward: skipped ({error})")
    else:
        line("TRL accuracy_reward", *seconds(trl_accuracy, made), reference)
    spent, scores = seconds(lambda group: [v.score for v in MathAnswer().judge_all(group)], made)
    line("MathAnswer", spent, scores, reference)
    differ = sum((a or 0.0) != (b or 0.0) for a, b in zip(plain_scores, scores, strict=True))
    print(f"{differ} of {len(scores)} verdicts of MathAnswer and math_verify differ\n")


def named(names: Sequence[str]) -> list[Scorer]:
    """The scorers of these names; all public ones that need no parameter if none is named."""
    import curate.scorers

    # MathAnswer was measured: it knows its verdicts by now.
    others = ("MathAnswer", "Scorer", "scorer_from")
    public = [name for name in curate.scorers.__all__ if name not in others]
    found = []
    for name in names or public:
        try:
            found.append(scorer_from(name))
        except (CurateError, TypeError) as error:
            print(f"{name:<44} skipped ({str(error).splitlines()[0][:80]})")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).parents[1] / "../shared"
    parser.add_argument("--shared", type=Path, default=default, help="folder of the real outputs")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument(
        "--scorers", nargs="*", default=[], help="as on a command line; all if none"
    )
    options = parser.parse_args()
    made = groups(options.shared, options.rows)
    print(f"{sum(map(len, made))} rows in {len(made)} groups of 4 to 16 samples\n")
    for source in ("traces", "gsm8k"):
        mathematics(source, [group for group in made if group[0].source == source])
    print(f"{'scorer':<44} {'rows/s':>9} {'ms/row':>9}{'':>8} {'mean':>6} {'None':>5}")
    for scorer in named(options.scorers):
        try:
            spent, scores = seconds(lambda g, s=scorer: [v.score for v in s.judge_all(g)], made)
        except (CurateError, ImportError) as error:
            print(f"{scorer.name:<44} skipped ({str(error).splitlines()[0][:80]})")
        else:
            line(scorer.name, spent, scores, None)


if __name__ == "__main__":
    main()
