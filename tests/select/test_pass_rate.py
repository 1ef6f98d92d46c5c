"""Pass-rate bands, and prompts made of samples again."""

from __future__ import annotations

from typing import Any

import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample, is_prompt_document
from curate.scorers import Length, MathAnswer
from curate.select import AsPrompts, ByDomain, Keep, PassRate
from tests.select.passing import group, passed, scored

RIGHT = MathAnswer()


def judged(*scores: float | None, prompt: str = "p", **changes: Any) -> list[Document]:
    """Samples of a prompt with verdicts of MathAnswer."""
    documents = group(*["text"] * len(scores), prompt=prompt, **changes)
    return [scored(d, RIGHT.name, s) for d, s in zip(documents, scores, strict=True)]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        pytest.param([1, 0, 0, 0], None, id="in the band"),
        pytest.param([1, 1, 1, 0], None, id="on its edge"),
        pytest.param([0, 0, 0, 0, 0, 1], "too_hard", id="below"),
        pytest.param([1, 1, 1, 1], "too_easy", id="above"),
        pytest.param([None, None], "unjudged", id="nothing judged"),
        pytest.param([None, 1, 0], None, id="the unjudged do not count"),
    ],
)
def test_the_band(scores: list[float | None], reason: str | None) -> None:
    found = passed(PassRate(0.25, 0.75, scorer=RIGHT), judged(*scores))
    assert set(found.reasons.values()) == ({reason} if reason else set())
    assert len(found.kept) == (0 if reason else len(scores))


@pytest.mark.parametrize(
    ("scores", "varied", "kept"),
    [
        pytest.param([1, 1, 1], True, 0, id="all right"),
        pytest.param([0, 0, 0], True, 0, id="all wrong"),
        pytest.param([0.5, 0.5, 0.5], True, 0, id="all half right"),
        pytest.param([1], True, 0, id="a single sample"),
        pytest.param([0.4, 0.6], True, 2, id="partial scores that differ"),
        pytest.param([1, 1, 1], False, 3, id="for SFT"),
    ],
)
def test_zero_variance_is_of_the_scores(scores: list[float], varied: bool, kept: int) -> None:
    found = passed(PassRate(scorer=RIGHT, varied=varied), judged(*scores))
    assert len(found.kept) == kept
    assert set(found.reasons.values()) <= {"zero_variance"}


def test_what_was_measured_is_written_with_the_unjudged_apart() -> None:
    found = passed(PassRate(scorer=RIGHT), judged(1, 0, None, 1))
    columns = ("samples_tried", "samples_correct", "pass_rate")
    told = {tuple(d.metadata[c] for c in columns) for d in found.kept}
    assert told == {(4, 2, 2 / 3)}


def test_samples_that_were_left_out_before_are_no_sample_of_all() -> None:
    found = passed(PassRate(scorer=RIGHT), judged(1, 0, samples_tried=8))
    assert set(found.reasons.values()) == {"incomplete"}
    assert found.details["p-0"] == "2 samples here of 8 tried"


@pytest.mark.parametrize(
    ("rate", "reason"),
    [(0.5, None), (0.05, "too_hard"), (0.95, "too_easy"), (None, "no_pass_rate")],
)
def test_the_rate_that_a_prompt_has(rate: float | None, reason: str | None) -> None:
    documents = group("a", "b", pass_rate=rate)
    prompt = Sample(prompt_id="q", problem="?", pass_rate=rate).to_document()
    found = passed(PassRate(0.1, 0.9), [*documents, prompt])
    assert set(found.reasons.values()) == ({reason} if reason else set())


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_of_all_or_none_has_no_variance(rate: float) -> None:
    documents = group("a", "b", pass_rate=rate)
    assert set(passed(PassRate(), documents).reasons.values()) == {"zero_variance"}
    assert len(passed(PassRate(varied=False), documents).kept) == 2


def test_each_domain_by_its_rule() -> None:
    rules = ByDomain(math=Keep(RIGHT), code=Keep(Length(maximum=2, unit="words")))
    documents = [
        *judged(1, 0, domain="math"),
        *group("one two", "one two three", prompt="q", domain="code"),
        *group("a", "b", prompt="r", domain="science"),
    ]
    found = passed(PassRate(scorer=rules), documents)
    assert found.ids == ["p-0", "p-1", "q-0", "q-1"]
    assert set(found.reasons.values()) == {"unjudged"}


def test_samples_become_their_prompt_with_its_counts() -> None:
    documents = judged(1, 0, 1, answer="7", domain="math", model="m", samples_tried=3)
    found = passed(AsPrompts(), passed(PassRate(scorer=RIGHT), documents).kept)
    (prompt,) = map(Sample.from_document, found.kept)
    assert is_prompt_document(found.kept[0]) and found.kept[0].id == "p"
    assert (prompt.answer, prompt.model, prompt.pass_rate) == ("7", "m", 2 / 3)
    assert (prompt.samples_tried, prompt.samples_correct, prompt.verdicts) == (3, 2, {})
    assert found.reasons == dict.fromkeys(["p-0", "p-1", "p-2"], "as_prompt")


def test_prompts_stay_prompts() -> None:
    prompts = [Sample(prompt_id=p, problem="?").to_document() for p in "pqr"]
    assert passed(AsPrompts(), prompts).ids == ["p", "q", "r"]
    assert passed(PassRate(scorer=RIGHT), prompts).reasons == dict.fromkeys("pqr", "incomplete")


@pytest.mark.parametrize("band", [(-0.1, 1.0), (0.5, 0.4), (0.0, 1.1)])
def test_bands_that_make_no_sense(band: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="0 <= at_least <= at_most <= 1"):
        PassRate(*band)
