"""Of several texts that say the same, one stays."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample, prompt_id
from curate.select import Dedup
from curate.step import Context, TwoPass

CASES = Path(__file__).parents[2] / "../shared/cases"
LONG = " ".join(f"{i} apples" for i in range(30)) + " "
QUESTION = "A train travels at a steady speed of 60 miles per hour. How far does it go in 3 hours?"


class Drops:
    """A ledger that keeps what is dropped."""

    def __init__(self) -> None:
        self.dropped: dict[str, str] = {}

    def count(self, label: str, unit: str, **numbers: int) -> None:
        raise AssertionError("Dedup counts nothing itself")

    def note(self, name: str, value: Any) -> None:
        raise AssertionError("Dedup has nothing for the manifest")

    def drop(
        self, label: str, unit: str, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        assert not failed
        assert detail.startswith("similarity ")
        self.dropped[document.id] = reason


def passed(
    step: Dedup, documents: Sequence[Document], folder: Path, tasks: int = 2
) -> tuple[list[Document], dict[str, str]]:
    """What stays, and of the others why they went; the documents are dealt to the tasks in turn."""
    ledger = Drops()
    context = Context(out=folder, project=folder, pipeline_dir=folder, ledger=ledger)
    step = pickle.loads(pickle.dumps(step))
    step.prepare(context)
    shares = [documents[rank::tasks] for rank in range(tasks)]
    if isinstance(step, TwoPass):
        step.facts = folder / "facts"
        step.facts.mkdir(parents=True, exist_ok=True)
        for rank, share in enumerate(shares):
            assert list(step.observe(iter(share), rank, tasks)) == list(share)
        step.decide(tasks)
        step.forget()
    kept = [d for rank, share in enumerate(shares) for d in step.run(iter(share), rank, tasks)]
    assert {d.id for d in documents} == {d.id for d in kept} | ledger.dropped.keys()
    assert len(kept) + len(ledger.dropped) == len(documents)
    return kept, ledger.dropped


def problem(text: str, answer: str | None = None, source: str = "s", **more: Any) -> Document:
    name = prompt_id(source, text, more.get("check"))
    return Sample(name, text, answer, source=source, **more).to_document()


def samples(*texts: str, prompt: str = "p", **more: Any) -> list[Document]:
    base = Sample(prompt_id=prompt, **{"problem": "?", **more})
    return [
        base.with_completion(t, id=f"{prompt}-{k}", k=k, completion_tokens=len(t)).to_document()
        for k, t in enumerate(texts)
    ]


def verdict(document: Document, score: float | None, name: str = "MathAnswer") -> Document:
    document.metadata["verdicts"] = [{"name": name, "score": score, "reason": ""}]
    return document


def ids(documents: Sequence[Document]) -> list[str]:
    return sorted(d.id for d in documents)


def left(documents: Sequence[Document], folder: Path, **arguments: Any) -> list[str]:
    """The texts that stay of problems that are compared everywhere."""
    step = Dedup(**{"by": "problem", "within": "all", "keep": "first", **arguments})
    return sorted(d.text for d in passed(step, documents, folder)[0])


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        pytest.param("I add 3 and 4.", "I  add 3\nand 4.", True, id="white space"),
        pytest.param("the sum of 2n-1 is", "the sum of 2n+1 is", False, id="a symbol"),
        pytest.param("3 + 4 = 7", "3 + 4 = 8", False, id="a digit"),
        pytest.param(LONG + "end", LONG + "stop", True, id="one word of many"),
        pytest.param("", "", True, id="empty"),
        pytest.param("", "7", False, id="empty and not"),
    ],
)
def test_duplicate_completions(a: str, b: str, same: bool, tmp_path: Path) -> None:
    kept = ["p-0"] if same else ["p-0", "p-1"]
    assert (
        ids(passed(Dedup(by="completion", within="prompt"), samples(a, b), tmp_path, 1)[0]) == kept
    )
    across = Dedup(by="completion", within="all", keep="first")
    assert ids(passed(across, samples(a, b), tmp_path)[0]) == kept


def test_other_prompts_may_say_the_same(tmp_path: Path) -> None:
    documents = samples("same") + samples("same", prompt="q")
    assert len(passed(Dedup(by="completion", within="prompt"), documents, tmp_path)[0]) == 2
    across = Dedup(by="completion", within="all", keep="first")
    assert passed(across, documents, tmp_path)[1] == {"q-0": "duplicate_of:p-0"}


def test_many_prompts_one_after_the_other(tmp_path: Path) -> None:
    long = " ".join(str(number) for number in range(60_000))
    documents = [d for i in range(80) for d in samples("one", "two", "one", prompt=f"p{i:02d}")]
    documents += [d for name in "qrs" for d in samples(long, long + " y", prompt=name)]
    kept, dropped = passed(Dedup(by="completion", within="prompt"), documents, tmp_path, 1)
    assert [d.id for d in kept] == [d.id for d in documents if d.id not in dropped]
    assert set(dropped) == {f"p{i:02d}-2" for i in range(80)} | {"q-1", "r-1", "s-1"}


def test_exact_only_when_asked(tmp_path: Path) -> None:
    documents = samples(LONG + "end", LONG + "stop", LONG.upper() + " end")
    for within in ("prompt", "all"):
        exact = Dedup(by="completion", within=within, similarity=1.0, keep="first")
        assert ids(passed(exact, documents, tmp_path, 1)[0]) == ["p-0", "p-1"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("7", "7", True, id="same"),
        pytest.param("1/2", r"$\\dfrac{1}{2}$".replace("\\\\", "\\"), True, id="another spelling"),
        pytest.param("0.5", r"\frac12", True, id="equal numbers"),
        pytest.param("180", "181", False, id="different"),
        pytest.param("180", None, True, id="one is missing"),
        pytest.param(None, None, True, id="both are missing"),
        pytest.param("odd", "even", False, id="words"),
    ],
)
def test_answers_are_compared(
    first: str | None, second: str | None, same: bool, tmp_path: Path
) -> None:
    documents = [problem(QUESTION, first), problem(f"Problem 3. {QUESTION}", second)]
    assert len(left(documents, tmp_path)) == 2 - same
    equal = [problem(QUESTION, first), problem(f"{QUESTION} ", second)]
    assert len(left(equal, tmp_path, similarity=1.0)) == 2 - same


def test_a_cluster_holds_one_answer(tmp_path: Path) -> None:
    """A problem without an answer is alike to both, and does not make them one."""
    said: list[str | None] = ["180", None, "200", "180.0", "200", None]
    documents = [problem(QUESTION, answer, source=f"s{i}") for i, answer in enumerate(said)]
    kept, dropped = passed(Dedup(by="problem", within="all", keep="first"), documents, tmp_path)
    assert {d.metadata["answer"] for d in kept} == {"180", "200"}
    assert len(dropped) == 4


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(
            "Find $\\sum (2n-1)$ for all $n$ below 9.",
            "Find $\\sum (2n+1)$ for all $n$ below 9.",
            id="sign",
        ),
        pytest.param("Compute $\\cos (-150^\\circ)$.", "Compute $\\cos 150^\\circ$.", id="minus"),
        pytest.param("Find the sum of 1, 2 and 3.", "Find the product of 1, 2 and 3.", id="word"),
        pytest.param(f"{QUESTION} It never stops.", f"{QUESTION} It often stops.", id="last word"),
        pytest.param(
            "Let $a+b=3$, $a-b=1$. Find $a$.", "Let $a+b=3$, $a-b=1$. Find $b$.", id="unknown"
        ),
    ],
)
def test_problems_that_only_look_alike(a: str, b: str, tmp_path: Path) -> None:
    assert len(left([problem(a), problem(b)], tmp_path)) == 2


def test_pictures_and_options_are_part_of_a_problem(tmp_path: Path) -> None:
    a, b = (f"{QUESTION} [asy]draw((0,0)--(1,{n}));[/asy]" for n in (1, 2))
    assert len(left([problem(a), problem(b)], tmp_path)) == 2
    assert len(left([problem(a), problem(QUESTION)], tmp_path)) == 1
    rome, oslo = (json.dumps({"options": ["Paris", city]}) for city in ("Rome", "Oslo"))
    asked = "Which of these cities is the capital of a country in the north of Europe?"
    assert len(left([problem(asked, check=rome), problem(asked, check=oslo)], tmp_path)) == 2


def test_masked_numbers_leave_one_of_a_template(tmp_path: Path) -> None:
    documents = [problem(f"What is {a} + {a + 1}?", str(2 * a + 1)) for a in range(100)]
    assert len(left(documents, tmp_path)) == 100
    assert len(left(documents, tmp_path, numbers="masked")) == 1


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({"keep": "first"}, "web"),
        ({"keep": "shortest"}, "zoo"),
        ({"keep": "longest"}, "web"),
        ({"keep": "best", "score": "MathAnswer"}, "book"),
        ({"keep": ("book", "zoo")}, "book"),
        ({"keep": ("zoo", "web")}, "zoo"),
        ({"keep": ("other",)}, "web"),
    ],
)
def test_who_stays(arguments: dict[str, Any], kept: str, tmp_path: Path) -> None:
    texts = {"zoo": (QUESTION, None), "book": (f"{QUESTION} ", 0.75), "web": (f"{QUESTION}  ", 0.5)}
    documents = [
        verdict(problem(t, source=s, domain="a" if s == "web" else "b"), v)
        for s, (t, v) in texts.items()
    ]
    step = Dedup(by="problem", within="all", **arguments)
    assert [d.metadata["source"] for d in passed(step, documents, tmp_path)[0]] == [kept]


def test_who_has_an_answer_stays(tmp_path: Path) -> None:
    documents = [problem(QUESTION, None, "a"), problem(QUESTION, "180", "b")]
    kept, _ = passed(Dedup(by="problem", within="all", keep="first"), documents, tmp_path)
    assert [d.metadata["answer"] for d in kept] == ["180"]


def test_what_stays_names_the_others(tmp_path: Path) -> None:
    documents = samples("same", "same", "other", "same")
    kept, dropped = passed(Dedup(by="completion", within="all", keep="first"), documents, tmp_path)
    assert dropped == {"p-1": "duplicate_of:p-0", "p-3": "duplicate_of:p-0"}
    said = {d.id: d.metadata["verdicts"] for d in kept}
    row = {"name": "Dedup:by=completion,within=all", "score": 1.0}
    assert said == {"p-0": [{**row, "reason": "cluster of 3: p-1, p-3"}], "p-2": []}
    assert Sample.from_document(kept[0]).verdicts[row["name"]].score == 1.0


def test_samples_of_a_prompt_share_its_fate(tmp_path: Path) -> None:
    """They have one problem, wherever they are, and are no duplicates of each other."""
    a = samples("one", "two", "three", prompt="a", problem=QUESTION)
    b = samples("four", "five", prompt="b", problem=f"**{QUESTION}**")
    c = samples("six", prompt="c", problem="Another problem.")
    mixed = [a[0], b[0], c[0], a[1], b[1], a[2]]
    dedup = Dedup(by="problem", within="all", keep="first")
    for tasks in (1, 2, 3):
        kept, dropped = passed(dedup, mixed, tmp_path / str(tasks), tasks)
        assert ids(kept) == ["a-0", "a-1", "a-2", "c-0"]
        assert set(dropped.values()) == {"duplicate_of:a"}
    best = [verdict(d, float(d.id == "b-1")) for d in mixed]
    step = Dedup(by="problem", within="all", keep="best", score="MathAnswer")
    assert ids(passed(step, best, tmp_path / "best")[0]) == ["b-0", "b-1", "c-0"]


@pytest.mark.parametrize(("within", "kept"), [("domain", 3), ("source", 2), ("all", 1)])
def test_where_it_looks(within: str, kept: int, tmp_path: Path) -> None:
    places = [("math", "a"), ("code", "a"), ("logic", "b"), ("math", "b")]
    documents = [
        problem(f"{QUESTION}{' ' * i}", None, s, domain=d) for i, (d, s) in enumerate(places)
    ]
    assert len(left(documents, tmp_path, within=within)) == kept


def near(count: int, seed: int) -> list[Document]:
    """Texts of which some are near-duplicates in chains, under ids of their own."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(400)]
    texts: list[list[str]] = []
    for _ in range(count):
        text = list(rng.choice(texts)) if texts and rng.random() < 0.6 else rng.choices(words, k=60)
        if rng.random() < 0.7:
            text[rng.randrange(60)] = rng.choice(words)
        texts.append(text)
    return [samples(" ".join(t), prompt=f"{seed:02d}{i:04d}")[0] for i, t in enumerate(texts)]


@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_tasks_matter(seed: int, tmp_path: Path) -> None:
    documents = near(150, seed)
    dedup = Dedup(by="completion", within="all", keep="shortest")
    found = []
    for tasks in (1, 3, 8):
        order = random.Random(tasks).sample(documents, len(documents))
        copies = [Document(d.text, d.id, metadata=dict(d.metadata)) for d in order]
        kept, dropped = passed(dedup, copies, tmp_path / str(tasks), tasks)
        found.append((dropped, {d.id: d.metadata["verdicts"] for d in kept}))
    assert found[0] == found[1] == found[2]
    assert 10 < len(found[0][0]) < 140


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_complete(seed: int, tmp_path: Path) -> None:
    """Whoever is alike to one of a cluster belongs to it: one stays of each."""
    documents = near(150, seed)
    grams = [{tuple(t[i : i + 3]) for i in range(58)} for t in (d.text.split() for d in documents)]
    parents = list(range(len(documents)))

    def root(i: int) -> int:
        return i if parents[i] == i else root(parents[i])

    for i, a in enumerate(grams):
        for j, b in enumerate(grams[:i]):
            if len(a & b) / len(a | b) >= 0.8:
                parents[max(root(i), root(j))] = min(root(i), root(j))
    clusters = {d.id: documents[root(i)].id for i, d in enumerate(documents)}
    dedup = Dedup(by="completion", within="all", keep="first")
    dropped = passed(dedup, documents, tmp_path)[1]
    assert {name: reason.removeprefix("duplicate_of:") for name, reason in dropped.items()} == {
        name: first for name, first in clusters.items() if name != first
    }


def test_many_that_are_alike_without_being_the_same(tmp_path: Path) -> None:
    """More of a template than are compared each with each, and one that is there twice."""
    rng = random.Random(0)
    story = " ".join(f"word{i}" for i in range(60))
    texts = [f"{story} " + " ".join(str(rng.random()) for _ in range(8)) for _ in range(300)]
    documents = [
        samples(t, prompt=f"p{i:03d}")[0] for i, t in enumerate([*texts, texts[7] + " end"])
    ]
    dropped = passed(Dedup(by="completion", within="all", keep="first"), documents, tmp_path)[1]
    assert dropped == {"p300-0": "duplicate_of:p007-0"}


TEXT = st.text(alphabet="ab 1+-$x.的", max_size=12)


@given(texts=st.lists(TEXT, min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_equal_texts_always_merge(texts: list[str], tmp_path_factory: Any) -> None:
    documents = [d for i, t in enumerate(texts) for d in samples(t, t, prompt=f"p{i}")]
    for similarity in (0.5, 1.0):
        dedup = Dedup(by="completion", within="all", keep="first", similarity=similarity)
        folder = tmp_path_factory.mktemp("facts")
        kept, _ = passed(dedup, documents, folder)
        assert len(kept) <= len(set(texts))


@given(
    rows=st.lists(
        st.tuples(TEXT, st.sampled_from(["1", "2", "1.0", r"\frac{2}{2}", None])), max_size=8
    )
)
@settings(max_examples=30, deadline=None)
def test_different_gold_never_merges(rows: list[Any], tmp_path_factory: Any) -> None:
    documents = [problem(t, a, source=f"s{i}") for i, (t, a) in enumerate(rows)]
    dedup = Dedup(by="problem", within="all", keep="first", similarity=0.5)
    kept, dropped = passed(dedup, documents, tmp_path_factory.mktemp("facts"))
    value = {d.id: {"2": 2, None: None}.get(d.metadata["answer"], 1) for d in documents}
    for name, reason in dropped.items():
        keeper = reason.removeprefix("duplicate_of:")
        assert None in (value[name], value[keeper]) or value[name] == value[keeper]
    assert {v for v in value.values() if v} == {v for d in kept if (v := value[d.id])}


def test_calls_may_be_repeated(tmp_path: Path) -> None:
    """A pass that was killed leaves nothing that the next one would read."""
    documents, dedup = near(60, 1), Dedup(by="completion", within="all", keep="first")
    assert isinstance(dedup, TwoPass)
    folder = dedup.facts = tmp_path / "facts"
    folder.mkdir()
    next(dedup.observe(iter(documents[::-1])))
    assert not list(folder.glob("*.facts.arrow"))
    assert isinstance(dedup, Dedup)
    once = passed(dedup, documents, tmp_path)
    again = passed(dedup, documents, tmp_path)
    assert once[1] == again[1]
    assert ids(once[0]) == ids(again[0])


@pytest.mark.parametrize("tasks", [1, 3])
def test_nothing_to_do(tasks: int, tmp_path: Path) -> None:
    dedup = Dedup(by="problem", within="all", keep="first")
    assert passed(dedup, [], tmp_path, tasks) == ([], {})
    assert len(passed(dedup, [problem("One.")], tmp_path, tasks)[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"by": "text"}, "Dedup.by='text'.: choose one of problem, completion"),
        ({"within": "dataset"}, "choose one of prompt, domain, source, all"),
        ({"by": "problem", "within": "prompt"}, "a prompt has one problem"),
        ({"similarity": 0}, "a share above 0, at most 1"),
        ({"similarity": 1.2}, "a share above 0, at most 1"),
        ({"keep": None}, "does not say who stays: keep=first, shortest"),
        ({"keep": "newest"}, "choose one of first, shortest, longest, best, or give a tuple"),
        ({"keep": "best"}, "goes with the name of a verdict"),
        ({"score": "MathAnswer"}, "goes with the name of a verdict"),
        ({"numbers": "gone"}, "choose one of kept, masked"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Dedup(**{"by": "completion", "within": "all", "keep": "first", **arguments})


def test_the_best_needs_verdicts(tmp_path: Path) -> None:
    dedup = Dedup(by="completion", within="all", keep="best", score="MathAnswer")
    with pytest.raises(UsageError, match="no document has a verdict 'MathAnswer'; put Keep"):
        passed(dedup, samples("a", "b"), tmp_path)


def test_identity_says_what_it_keeps() -> None:
    one = Dedup(by="completion", within="all", keep="first")
    assert one.identity() != Dedup(by="completion", within="all", keep="longest").identity()
    assert repr(one) == "Dedup"
    assert pickle.loads(pickle.dumps(one)).identity() == one.identity()


@pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")
def test_windows_of_one_text(tmp_path: Path) -> None:
    """Chains of overlapping windows: one stays of each cluster."""
    rows = read("datatrove-minhash-clusters.jsonl")
    documents = [samples(r["text"], prompt=f"{r['cluster']}-{r['start']:04d}")[0] for r in rows]
    kept = passed(Dedup(by="completion", within="all", keep="first"), documents, tmp_path)[0]
    assert len(kept) == len({d.id[0] for d in kept}) == len({r["cluster"] for r in rows})


def read(name: str) -> list[dict[str, Any]]:
    with (CASES / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
