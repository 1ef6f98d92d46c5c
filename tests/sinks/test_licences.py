"""Whose terms bind a dataset, and that whoever reads the card sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.sinks.licences import KINDS, LICENCES, licence_of_model, terms_of
from curate.sinks.statistics import Statistics
from tests.sinks.made import sample, write

TEACHER = "deepseek-ai/DeepSeek-R1"  # its card says MIT
MIXED: list[tuple[list[str | None], str, str, dict[str, str]]] = [
    (["MIT"], TEACHER, "permissive", {"license": "mit"}),
    (["MIT", "Apache 2.0"], TEACHER, "permissive", {"license_name": "mixed-permissive"}),
    (["MIT", "CC-BY-4.0"], TEACHER, "attribution", {"license_name": "mixed-attribution"}),
    (["CC-BY-4.0", "cc-by-sa-4.0"], TEACHER, "share-alike", {"license_name": "mixed-share-alike"}),
    (["MIT"], "google/gemma-3-27b-it", "use-restricted", {"license": "other"}),
    (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], TEACHER, "non-commercial", {"license": "other"}),
    (["CC-BY-NC-4.0", "CC-BY-ND-4.0"], TEACHER, "no-derivatives", {"license": "other"}),
    (["CC-BY-ND-4.0", None], TEACHER, "unknown", {"license": "other"}),
    (["My own"], TEACHER, "unknown", {"license_link": "LICENSE"}),
    (["MIT"], "some-model", "unknown", {"license": "other"}),
]


@pytest.mark.parametrize(("licences", "model", "kind", "head"), MIXED)
def test_the_most_restrictive_terms_bind(
    licences: list[str | None], model: str, kind: str, head: dict[str, str]
) -> None:
    statistics = Statistics()
    for n, stated in enumerate(licences):
        statistics.add(sample(n, license=stated, model=model, source=f"s{n}").to_row())
    terms = terms_of(statistics.end(), [])
    assert terms.kind == kind
    assert terms.head().items() >= head.items()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", None),
        ("Qwen/Qwen2.5-72B-Instruct", None),
        ("Qwen/Qwen3-32B", "apache-2.0"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1"),
        ("mine", "MIT"),
        ("other", None),
    ],
)
def test_a_family_is_known_only_where_its_card_is_plain(model: str, said: str | None) -> None:
    assert licence_of_model(model, [{"model": "mine", "license": "MIT"}]) == said


def test_every_licence_has_a_kind_and_a_text() -> None:
    assert {of.kind for of in LICENCES.values()} < set(KINDS)
    assert all(of.url and of.url.startswith("https://") for of in LICENCES.values())


def test_prompts_alone_are_under_no_terms_of_a_model() -> None:
    statistics = Statistics()
    statistics.add(sample(1, model="some-model", k=-1, license="MIT").to_row() | {"k": -1})
    assert terms_of(statistics.end(), []).head() == {"license": "mit"}


def test_it_shows_in_the_card_and_in_the_file(tmp_path: Path) -> None:
    given = [sample(1, license="MIT", model=TEACHER), sample(2, license="CC-BY-NC-4.0", source="x")]
    free, bound = tmp_path / "free", tmp_path / "bound"
    write(free, given[:1])
    write(bound, [sample(2, license="CC-BY-NC-4.0", source="x", model=TEACHER), *given[:1]])
    texts = [(out / "dataset/README.md").read_text() for out in (free, bound)]
    assert ["> **Non-commercial terms: no commercial use.**" in text for text in texts] == [0, 1]
    assert head(texts[0])["license"] == "mit"
    licence = (bound / "dataset/LICENSE").read_text()
    assert "prompts of: x\n  licence: CC-BY-NC-4.0 (non-commercial)\n" in licence
    assert "text: https://creativecommons.org/licenses/by-nc/4.0/\n  rows: 1\n" in licence
    assert "answers of: deepseek-ai/DeepSeek-R1\n  licence: mit (permissive)\n" in licence
    assert "What binds the whole: non-commercial." in licence


def head(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])
