"""The same rows from 1 or 8 servers, at any concurrency, cut early or not, with faults or without.

`CURATE_TEST_PROMPTS=400` asks for up to 1,600 samples a run; the suite takes fewer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from curate.engines import client
from curate.engines.attempt import Patience
from curate.sample import Sample
from curate.scorers import ForeignScript, Repetition
from curate.select import Keep
from filters import correct_answer, think_format
from tests.generate.test_generate import Outcome, prompts, run
from tests.servers.vllm_simulator import VllmSimulator
from tests.servers.vllm_simulator_http import AT_ONCE, UNDER_WAY

PROMPTS = int(os.environ.get("CURATE_TEST_PROMPTS", "40"))
RULES = [think_format, correct_answer, Keep(Repetition(), 0.9), Keep(ForeignScript())]
FAULTS: Mapping[str, float] = dict.fromkeys((*AT_ONCE, *UNDER_WAY), 0.05)
DEFECTS = {"loops": 0.05, "leaks": 0.05, "missing_tags": 0.05}


def asked(folder: Path, servers: int, faults: Mapping[str, float], **changes: Any) -> Outcome:
    """What `servers` simulated servers make of the prompts, each run with a store of its own."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(
                VllmSimulator(
                    slots=32 // servers,
                    mean_tokens=600,
                    longest=3000,
                    faults=faults,
                    seed=number,
                    retry_after_s=0.1,
                    **DEFECTS,
                )
            ).url
            for number in range(servers)
        ]
        values = {"samples": 4, "keep": 1, "accept": RULES, "max_tokens": 3000, **changes}
        return run(folder, ",".join(urls), prompts(PROMPTS), **values)


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    """What would be in the dataset, in its order."""

    def place(sample: Sample) -> str:
        return sample.id

    return [sample.to_row() for sample in sorted(outcome.samples, key=place)]


def test_rows_are_a_function_of_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(connect_s=5, first_token_s=4, stall_s=2, first_delay_s=0.05)
    monkeypatch.setattr(client, "Patience", lambda: patience)
    plain = asked(tmp_path / "plain", 1, {}, concurrency=32, early_stop=False)
    wanted = rows(plain)
    assert len(wanted) > PROMPTS / 2 and not plain.notes["numbers"].get("cut")
    cut = asked(tmp_path / "cut", 1, {})
    assert rows(cut) == wanted and cut.notes["numbers"]["cut"] > 0
    for servers, concurrency in ((1, 5), (8, None)):
        folder = tmp_path / f"{servers}"
        faulty = asked(folder, servers, FAULTS, concurrency=concurrency)
        assert rows(faulty) == wanted
        assert faulty.notes["numbers"]["retries"] > PROMPTS / 4
        assert faulty.funnel["prompts"]["failed"] == faulty.funnel["samples"]["failed"] == 0
