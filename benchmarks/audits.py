"""The scorers on cases whose verdict is known, from other projects: what `cards/audits.json` holds.

    python -m benchmarks.audits ../shared/cases [--save]

Each file of cases becomes rows as `curate audit` reads them (completion, answer, expected, …).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curate.run.audit import Audit, audit_file, save
from curate.scorers.scorer import scorer_from

Row = Mapping[str, Any]


class Cases(NamedTuple):
    """A file of cases, the scorer that they are for, and how a row of theirs reads."""

    file: str
    scorer: str
    read: Callable[[Row], dict[str, Any] | None]
    tolerance: float = 1e-6


def pair(row: Row) -> dict[str, Any]:
    return {"answer": row["gold"], "completion": str(row["pred"]), "expected": row["equal"]}


def multilingual_choice(row: Row) -> dict[str, Any] | None:
    return pair(row) if row["match_type"] == "choice" else None


def multilingual_math(row: Row) -> dict[str, Any] | None:
    return None if row["match_type"] == "choice" else pair(row)


def output(row: Row) -> dict[str, Any]:
    said = {"problem": row["question"], "answer": row["gold"], "completion": row["output"]}
    return {**said, "expected": int(row["correct"])}


def countdown(row: Row) -> dict[str, Any]:
    asked = {"nums": row["nums"], "target": row["target"]}
    return {**asked, "completion": row["expression"], "expected": int(row["correct"])}


def knights(row: Row) -> dict[str, Any]:
    asked = {"problem": row["quiz"], "answer": row["gold"]}
    return {**asked, "completion": row["answer"], "expected": int(row["correct"])}


def program(row: Row) -> dict[str, Any]:
    asked = {"problem": row["prompt"], "tests": row["tests"]}
    return {**asked, "completion": row["code"], "expected": row["expected"]}


def language(row: Row) -> dict[str, Any]:
    return {"completion": row["text"], "language": row["language"], "expected": 1}


def letters(row: Row) -> dict[str, Any]:
    return {"completion": row["text"], "expected": row["share_en_by_letters"]}


ALL = (
    Cases("mathverify-equivalence", "MathAnswer", pair),
    Cases("lighteval-equivalence", "MathAnswer", pair),
    Cases("lighteval-multilingual", "MathAnswer", multilingual_math),
    Cases("nemoskills-mathequal", "MathAnswer", pair),
    Cases("hendrycks-isequiv", "MathAnswer", pair),
    Cases("gsm8k-labelled-outputs", "MathAnswer", output),
    Cases("lighteval-choice-letters", "Choice", pair),
    Cases("lighteval-multilingual", "Choice", multilingual_choice),
    Cases("countdown-verify", "Countdown", countdown),
    Cases("logic-knights-knaves", "KnightsKnaves", knights),
    Cases("code-mbpp-humaneval", "CodeTests", program),
    Cases("language-short-texts", "Language", language),
    Cases(
        "language-mixed-cot-constructed",
        "LanguageConsistency:language=en,unit=letters",
        letters,
        0.03,
    ),
)


def audit(cases: Cases, folder: Path, scratch: Path) -> tuple[Audit, Path]:
    """The audit on one file, and the rows that it was made on."""
    lines = (folder / f"{cases.file}.jsonl").read_text(encoding="utf-8").splitlines()
    path = scratch / f"{cases.file}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in map(json.loads, lines):
            if (read := cases.read(row)) is not None:
                kept = {k: row[k] for k in ("id", "note") if row.get(k)}
                file.write(json.dumps(kept | read, ensure_ascii=False) + "\n")
    return audit_file(scorer_from(cases.scorer), path, tolerance=cases.tolerance), path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", action="store_true", help="keep them in cards/audits.json")
    parser.add_argument("--only", default="", help="scorers whose names begin so")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for cases in ALL:
            if not cases.scorer.startswith(arguments.only):
                continue
            found, path = audit(cases, arguments.folder, Path(scratch))
            print(found, flush=True)
            if arguments.save:
                save(found, Path(__file__).parents[1], path)


if __name__ == "__main__":
    main()
