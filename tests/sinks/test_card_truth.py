"""Each number of a card is that of the files, and each command in it works."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.sample import Sample, Verdict, digest, prompt_id
from curate.sinks import DatasetFolder, PairsFolder
from curate.sinks.card import with_prose, with_release
from curate.sinks.shards import Shard
from curate.sinks.statistics import Statistics
from tests.pipelines.running import PROMPTS, answering, finish, right, write_rows
from tests.sinks.made import ROOT, context
from tests.sinks.truth import check_card

CARDS = sorted(path.stem for path in (ROOT / "cards").glob("*.md"))
DOMAINS = ("math", "code", "stem", "logic", "general")
SEED = 7
CURATE = ("-m", "curate.cli")
NOTES = {
    "mix": {
        "seed": 0,
        "changes": ["limit=384"],
        "targets": [
            {"target": "stem", "wanted": 900, "taken": 0, "missing": 0, "rows": 0}
            | {"asked_samples": 40, "asked_prompts": None}
        ],
    },
    "decontamination": {"checked": {"gsm8k": {}}, "not_checked": {"gpqa": "gated"}, "ngram": 8},
}


def varied(prompts: int, *, seed: int = SEED) -> list[Sample]:
    """Samples that differ in all that a card counts, some of it unknown."""
    chance = random.Random(seed)
    found: list[Sample] = []
    for n in range(prompts):
        domain, source = chance.choice(DOMAINS), chance.choice(["a", "b/c", "d|e", ""])
        pid = prompt_id(source, f"{seed}-{n}", None)
        tried = chance.choice([None, 4, 16])
        correct = chance.randint(1, tried) if tried else None
        rate = correct / tried if tried == 16 and correct else None
        for k in range(chance.choice([1, 1, 2, 5])):
            sample = Sample(
                prompt_id=pid,
                id=f"{pid}-{digest([n, k])[:8]}",
                k=k,
                problem=f"Problem {n}" + chance.choice(["", " long" * 900]),
                domain=domain,
                source=source,
                license=[None, "MIT", "CC-BY-NC-4.0"][n % 3],
                language=chance.choice(["en", "zh", "en-GB", None]),
                model=chance.choice(["Qwen/Qwen3-8B", "m", None]),
                finish_reason=chance.choice(["stop", "stop", "length"]),
                prompt_tokens=chance.choice([None, 20, 31]),
                completion_tokens=chance.choice([None, chance.randint(1, 90_000)]),
                samples_tried=tried,
                samples_correct=correct,
                pass_rate=rate,
            )
            scores = {
                "MathAnswer": Verdict(chance.choice([1.0, 0.0, 0.3, None]), "as it is"),
                "Length": Verdict(chance.choice([0.5, None]), "so long"),
            }
            found.append(
                sample.with_completion(f"<think>\n{n}\n</think>\n{k}").with_verdicts(scores)
            )
    return found


def as_pairs(samples: list[Sample]) -> list[Sample]:
    """The first two of each prompt that has them, as `Pairs` leaves them."""
    of: dict[str, list[Sample]] = {}
    for sample in samples:
        of.setdefault(sample.prompt_id, []).append(sample)
    judge = "Pairs:Gap(TextAnswer)"
    return [
        half.with_verdicts({judge: Verdict(score, "as told")})
        for halves in of.values()
        if len(halves) > 1
        for half, score in zip(halves, (0.1, 0.875), strict=False)
    ]


def as_prompts(samples: list[Sample]) -> list[Sample]:
    first = {s.prompt_id: s for s in reversed(samples)}
    return [replace(s, completion=(), k=-1, id="", verdicts={}) for s in first.values()]


def described(out: Path, samples: list[Sample]) -> None:
    """What a run would have left for the card."""
    stem = sum(s.domain == "stem" for s in samples)
    notes = json.loads(json.dumps(NOTES))
    notes["mix"]["targets"][0] |= {"taken": stem, "missing": 900 - stem, "rows": stem}
    notes["mix#2"] = notes["mix"]
    numbers = {"tried": 10_000, "sample_tokens": 10**9}
    engines = {"Generate": {"kind": "endpoint", "model": "m", "license": "apache-2.0"}}
    engines["Generate-2"] = engines["Generate"] | {"model": "Qwen/Qwen3-8B"}
    manifest = {
        "pipeline": {"name": "mine", "file": "pipelines/mine.py", "doc": "Mine."},
        "parameters": {"limit": 12},
        "command": "curate run pipelines/mine.py limit=12",
        "steps": [{"step": "Prompts", "spec": "hub:openai/gsm8k@main"}],
        "notes": notes,
        "engines": engines,
        "stages": [{"numbers": numbers}, {"numbers": numbers}],
        "packages": {"python": "3.11.7"},
        "curate_version": "0.1.0",
    }
    out.mkdir(parents=True)
    (out / "manifest.json").write_text(json.dumps(manifest))


def write(out: Path, template: str, **layout: Any) -> None:
    """A dataset folder with a shipped card, of the kind that the card is for."""
    samples = varied(150)
    if template == "preferences":
        samples, sink = as_pairs(samples), PairsFolder(f"cards/{template}.md", **layout)
    else:
        samples = as_prompts(samples) if template == "rl_prompts" else samples
        sink = DatasetFolder(f"cards/{template}.md", **layout)
    described(out, samples)
    sink.prepare(context(out))
    assert list(sink.run(iter([s.to_document() for s in samples])))


@pytest.mark.parametrize("template", CARDS)
def test_every_number_of_every_card_is_that_of_the_files(tmp_path: Path, template: str) -> None:
    write(tmp_path / "run", template)
    truth = check_card(tmp_path / "run", run=False)
    assert truth.seen >= {"domain", "source", "language", "target"}
    assert len(truth.seen) >= 10


def split(tmp_path: Path) -> Path:
    """A folder with configs, a test split and a twin that nobody checked."""
    write(tmp_path / "twin", "r1_sft")
    configs = {"reasoning": ["math", "code", "stem", "logic"], "non_reasoning": ["general"]}
    twin = str(tmp_path / "twin/dataset")
    write(tmp_path / "run", "r1_sft", configs=configs, test=0.1, unverified=twin)
    return tmp_path / "run"


def test_the_numbers_of_configs_and_splits(tmp_path: Path) -> None:
    truth = check_card(split(tmp_path), run=False)
    assert "config" in truth.seen and len(truth.shards) == 6
    assert len(truth.head["configs"]) == 3


def test_a_number_that_is_changed_is_found(tmp_path: Path) -> None:
    """The check itself can fail: in each line that it looked at another last digit is an error."""
    run = split(tmp_path)
    readme = run / "dataset/README.md"
    told = readme.read_text()
    body = told[told.index("\n---\n", 4) :]
    # Not the heads of tables, and not what only the run knows: what Mix asked for.
    numbers = r"^(?:\| (?!stem \| 900)[^`\n]*\d.*|\*\*\d.*|\* [^\[\n]*\d.*)$(?!\n\|-)"
    lines = re.findall(numbers, body, re.M)
    assert len(lines) > 40
    for line in random.Random(SEED).sample(lines, 25):
        last = re.search(r"\d(?=\D*$)", line)
        assert last
        wrong = f"{line[: last.start()]}{(int(last[0]) + 1) % 10}{line[last.end() :]}"
        readme.write_text(told.replace(line, wrong))
        with pytest.raises(AssertionError):
            check_card(run, run=False)


def test_a_run_with_its_refused_rows(tmp_path: Path) -> None:
    """Three samples of each prompt: wrong, with code in its reasoning, right; one is a twin."""
    twin = PROMPTS[0] | {"problem": "What is 12 + 30 ?"}
    prompts = write_rows(tmp_path / "prompts.jsonl", [*PROMPTS, twin, PROMPTS[1]])
    held = write_rows(tmp_path / "held.jsonl", [{"problem": PROMPTS[2]["problem"]}])

    def answer(asked: str, place: int) -> str:
        said = right(asked)
        wrong = said.replace("{42}", "{43}").replace("{A}", "{C}").replace("2 * n", "3 * n")
        return (wrong, said.replace("<think>\n", "<think>\n```\nn = 1\n```\n"), said)[place % 3]

    with answering(answer) as server:
        finish(
            "reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "samples=3"),
            *("keep=2", "concurrency=1", f"benchmarks={held}"),
            *(f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}"),
        )
    truth = check_card(tmp_path / "out")
    assert truth.rejected is not None and truth.rejected.height >= 8
    assert {"funnel", "figures/funnel.svg", "verdict"} <= truth.seen
    text = (tmp_path / "out/dataset/README.md").read_text()
    assert "\n1 prompts or samples were left out for that." in text
    again, reproduce = fenced(text, "shell")
    words = [
        w for w in again.split()[2:] if not w.startswith(("prompts=", "benchmarks=", "engine="))
    ]
    said = run_python(*CURATE, "run", *words, f"prompts={prompts}", "--dry-run", cwd=ROOT)
    assert "Generate" in said
    said = run_python(*CURATE, *reproduce.split()[1:], cwd=tmp_path / "out/dataset")
    assert "reasoning" in said


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def run_python(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_code_in_a_card_works_in_its_folder(tmp_path: Path) -> None:
    run = split(tmp_path)
    folder = run / "dataset"
    snippets = fenced((folder / "README.md").read_text(), "python")
    assert len(snippets) == 2 and "reasoning_test = " in snippets[0]
    code = "import datasets\ndatasets.config.HF_DATASETS_CACHE = 'cache'\n" + "\n".join(snippets)
    code += "\nprint(reasoning.num_rows, unverified_test.num_rows, rows.height)"
    said = run_python("-c", code, cwd=folder).split()
    truth = check_card(run, run=False)
    sizes = {path: frame.height for path, frame in truth.shards.items()}
    (train,) = [n for path, n in sizes.items() if path.startswith("reasoning/train")]
    (twin,) = [n for path, n in sizes.items() if path.startswith("unverified/test")]
    assert [int(n) for n in said] == [train, twin, train]


# Of the tasks that the Hub knows, those of text (https://huggingface.co/tasks).
TASKS = {
    *("text-generation", "question-answering", "translation", "reinforcement-learning"),
    *("text-classification", "token-classification", "summarization", "sentence-similarity"),
    *("feature-extraction", "fill-mask", "table-question-answering", "zero-shot-classification"),
}


@pytest.mark.parametrize("template", CARDS)
def test_tasks_and_tags_are_those_of_the_hub(template: str) -> None:
    from curate.sinks import card

    told = card.Told(Statistics(), [Shard("data/train-00000-of-00001.parquet", 0, 0, 0, "")])
    text = card.render(card.find_template(ROOT / f"cards/{template}.md"), told)
    head = yaml.safe_load(text.split("---\n")[1])
    assert set(head["task_categories"]) <= TASKS
    assert all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in head["tags"])


def test_the_head_is_one_that_the_hub_knows(tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    write(tmp_path / "run", "r1_sft", test=20)
    card = DatasetCard.load(tmp_path / "run/dataset/README.md")
    data = card.data.to_dict()
    assert data["license"] == "other" and data["license_name"] == "mixed-unknown"
    assert data["source_datasets"] == ["openai/gsm8k"]
    assert set(data["task_categories"]) <= TASKS
    assert [s["name"] for s in data["dataset_info"]["splits"]] == ["train", "test"]


RELEASED = """\
from datasets import load_dataset

rows = load_dataset("me/set", split="train", revision="v1.2.0")
"""


def test_a_release_says_how_to_load_and_cite_it(tmp_path: Path) -> None:
    write(tmp_path / "run", "clean")
    text = (tmp_path / "run/dataset/README.md").read_text()
    released = with_release(text, "me/set", "1.2.0")
    assert fenced(released, "python")[0] == RELEASED
    assert 'snapshot_download("me/set", repo_type="dataset", revision="v1.2.0")' in released
    assert fenced(released, "shell")[-1] == "curate reproduce hub:me/set@v1.2.0\n"
    (cited,) = fenced(released, "bibtex")
    assert "version = {1.2.0}" in cited and "datasets/me/set/tree/v1.2.0" in cited
    assert with_release(released, "me/set", "v1.2.0") == released
    assert text.partition("## How it was made")[2].partition("## Make it")[0] in released


def test_prose_of_an_author_is_kept_in_the_next_card(tmp_path: Path) -> None:
    write(tmp_path / "a", "clean")
    readme = tmp_path / "a/dataset/README.md"
    mine = "<!-- author: summary -->\nMine: 3 of 4.\n<!-- /author: summary -->"
    extra = "\n<!-- author: thanks -->\nTo all.\n<!-- /author: thanks -->\n"
    empty = "<!-- author: summary -->\n<!-- /author: summary -->"
    old = readme.read_text().replace(empty, mine) + extra
    assert mine in old
    for line_end in ("\n", "\r\n"):
        kept = with_prose(readme.read_text(), old.replace("\n", line_end))
        assert mine in kept and kept.endswith(extra) and kept.count("author: limitations") == 2
        assert with_prose(kept, old) == with_prose(readme.read_text(), kept) == kept
    readme.write_text(old)
    (tmp_path / "a/manifest.json").unlink()
    step = DatasetFolder("cards/clean.md")
    step.prepare(context(tmp_path / "a"))
    list(step.run(iter([s.to_document() for s in varied(3)])))
    assert mine in readme.read_text() and "To all." in readme.read_text()


def test_prose_is_not_looked_for_in_code() -> None:
    block = "<!-- author: x -->\nfake\n<!-- /author: x -->\n"
    assert with_prose("# New\n", f"```\n{block}```\n") == "# New\n"
