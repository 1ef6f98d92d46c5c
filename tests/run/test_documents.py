"""Folders of documents between stages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.run.documents import Shares, dealer, read_share, sort_by_prompt
from curate.sample import Sample

PROMPTS = st.lists(st.integers(0, 20), max_size=60)


def documents(numbers: list[int]) -> list:
    prompts = [Sample(prompt_id=f"{n:016x}", problem=str(n)) for n in numbers]
    return [
        p.with_completion("é\n" * i, id=f"{p.prompt_id}-{i:08x}", k=i).to_document()
        for i, p in enumerate(prompts)
    ]


@given(PROMPTS, st.sampled_from(["row", "rank", "prompt", "one"]), st.integers(1, 4))
def test_every_document_reaches_exactly_one_task(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], deal: str, tasks: int
) -> None:
    folder = tmp_path_factory.mktemp("documents")
    made = documents(numbers)
    shares = Shares(folder, rank=0)
    to = dealer(deal, 0, tasks)  # type: ignore[arg-type]
    for n, document in enumerate(made):
        shares.write(to(n, document), document)
    assert not list(folder.glob("**/*.zst")), "nothing appears before commit"
    shares.commit()
    read = [list(read_share(folder, task)) for task in range(tasks)]
    assert sorted(d.id for share in read for d in share) == sorted(d.id for d in made)
    assert {d.id: d for share in read for d in share} == {d.id: d for d in made}
    if deal == "prompt":
        homes = {(d.metadata["prompt_id"], task) for task, share in enumerate(read) for d in share}
        assert len(homes) == len({prompt for prompt, _ in homes})


@given(PROMPTS)
def test_sorting_brings_the_samples_of_a_prompt_together(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    made = documents(numbers)
    ordered = list(sort_by_prompt(iter(made), tmp_path_factory.mktemp("scratch")))
    assert [d.id for d in ordered] == [
        d.id for d in sorted(made, key=lambda d: (d.metadata["prompt_id"], d.metadata["k"]))
    ]
