"""Why rows are in one dataset and not in the other: what the other's run left out, and for what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from curate.sinks.difference_hashes import Hashes
from curate.sinks.difference_side import texts_of

UNKNOWN = "not made there"
"""The run neither kept nor refused it: its prompt was not asked, or was answered otherwise."""
_WHICH = re.compile(r"(_of|_by):.*", re.DOTALL)


class Refusal(NamedTuple):
    """A row of `rejected/`: of a sample, or of a whole prompt."""

    sample: int | None
    prompt: int
    reason: str


def reasons_for(rows: Any, rejected: Sequence[Path]) -> Counter[str]:
    """How many of `rows` (hashes of id and prompt) a run left out for which reason.

    A sample counts by its own reason, else by that of its prompt. Nothing where no run is known.
    """
    if not rejected or not len(rows):
        return Counter()
    ids, prompts = rows[:, 0], rows[:, 1]
    of_sample: dict[int, str] = {}
    of_prompt: dict[int, str] = {}
    for refusal in refusals(rejected, np.unique(ids), np.unique(prompts)):
        if refusal.sample is None:
            of_prompt[refusal.prompt] = refusal.reason
        else:
            of_sample[refusal.sample] = refusal.reason
    return Counter(
        of_sample.get(one) or of_prompt.get(prompt) or UNKNOWN
        for one, prompt in zip(ids.tolist(), prompts.tolist(), strict=True)
    )


def refusals(rejected: Sequence[Path], ids: Hashes, prompts: Hashes) -> Iterator[Refusal]:
    """What stands in `rejected/` of these samples and prompts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: dict[tuple[str, str], str] = {}  # one text for each reason, not one for each row
    for path in rejected:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["id", "prompt_id", "step", "reason"]):
                of_sample = np.asarray(batch.column("id").is_valid())
                samples, asked = texts_of(batch, "id"), texts_of(batch, "prompt_id")
                chosen = np.where(of_sample, np.isin(samples, ids), np.isin(asked, prompts))
                rows = batch.filter(pa.array(chosen)).to_pylist()
                keys = zip(samples[chosen].tolist(), asked[chosen].tolist(), rows, strict=True)
                for sample, prompt, row in keys:
                    said = row["step"] or "", _WHICH.sub(r"\1", row["reason"] or "")
                    reason = names.setdefault(said, ": ".join(said))
                    yield Refusal(sample if row["id"] is not None else None, prompt, reason)
