"""What is told of a trained model: `training.json`, `report.txt` and the model's card.

All three say what it was trained from, on which dataset at which commit, with which settings, and
how the loss went.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.sinks.atomic import write_text
from curate.sinks.licences import KINDS, licence, licence_of_model
from curate.sinks.proof import Proof
from curate.sinks.provenance import installed, public, read_json
from curate.sinks.shards import read_rows
from curate.sinks.training_job import DONE, Job
from curate.sinks.training_rows import IDS, Rows

if TYPE_CHECKING:
    from curate.sinks.training import Trainer

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "deepspeed", "datasets")
BARS = "▁▂▃▄▅▆▇█"
WIDE = 60
"""Characters of a curve in the report."""
UNTOLD = ("output_dir",)


@dataclass
class Trained:
    """A training that is done."""

    job: Job
    rows: Rows
    proof: Proof
    result: Mapping[str, Any]

    @cached_property
    def curve(self) -> dict[str, list[float | None]]:
        """What was logged, a list for each name, over `step`."""
        log = [entry for entry in self.result["log"] if "loss" in entry]
        names = list(dict.fromkeys(name for entry in log for name in entry))
        return {name: [entry.get(name) for entry in log] for name in names}

    @cached_property
    def rewards(self) -> dict[str, dict[str, float | None]]:
        """The mean of every reward in the first and the last tenth of the steps."""
        named = {n: v for n, v in self.curve.items() if n.startswith("reward") and n[-4:] != "/std"}
        return {name: ends(values) for name, values in named.items() if name != "reward_std"}

    def sentence(self) -> str:
        """The training in one line."""
        loss = ends(self.curve.get("loss", []))
        step = type(self.job.step).__name__
        return (
            f"{step}: {self.result['steps']} steps on {self.rows.count:,} rows in "
            f"{self.result['seconds']:,.0f} s, loss {number(loss['first'])} -> "
            f"{number(loss['last'])}; the model is in {self.job.folder}"
        )


def ends(values: Sequence[float | None]) -> dict[str, float | None]:
    """The means of the first and the last tenth of the known values; of one at least.

    >>> ends([4.0, 3.0, 2.0, 1.0, None])
    {'first': 4.0, 'last': 1.0}
    """
    known = [v for v in values if v is not None]
    n = max(1, len(known) // 10)
    parts = {"first": known[:n], "last": known[-n:]}
    return {name: sum(part) / len(part) if part else None for name, part in parts.items()}


def number(value: float | None) -> str:
    """A number of a report; a dash when there is none.

    >>> number(0.123456), number(None)
    ('0.1235', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def sparkline(values: Sequence[float | None], width: int = WIDE) -> str:
    """A curve in one line, the highest value as the highest bar.

    >>> sparkline([3.0, 2.0, 1.0, 1.0])
    '█▅▁▁'
    """
    known = [v for v in values if v is not None]
    if not known:
        return ""
    every = max(1, -(-len(known) // width))
    means = [
        sum(part) / len(part) for i in range(0, len(known), every) if (part := known[i : i + every])
    ]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / ((high - low) or 1)
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


def dataset_of(step: Trainer, rows: Rows, out: Path) -> dict[str, Any]:
    """Which dataset it was: the rows by their hash, and the release or the sources that they are,
    pinned to their commits, where there are such.
    """
    manifest = read_json(out / "manifest.json", {})
    release = read_json(out / "release.json", None)
    if release and not is_dataset(rows.ids, out / "dataset"):
        release = None  # it is of other rows, which the run wrote for something else
    return {
        "rows": rows.count,
        "sha256": rows.sha256,
        "ids": IDS,
        "domains": dict(sorted(rows.domains.items())),
        "licenses": dict(sorted(rows.licences.items())),
        "release": release and {k: release.get(k) for k in ("repo", "version", "commit")},
        "sources": manifest.get("notes", {}).get("datasets", {}),
        "run": {"pipeline": manifest.get("pipeline"), "fingerprint": manifest.get("fingerprint")},
    }


def is_dataset(ids: Path, folder: Path) -> bool:
    """True when the rows of a dataset folder are those, or the prompts, whose ids are in a file."""
    for column in ("id", "prompt_id"):
        there = (row[column] for row in read_rows(folder, [column]))
        names = there if column == "id" else (name for name, _ in groupby(there))
        with ids.open(encoding="utf-8") as trained:
            if all(a == b for a, b in zip_longest((line.strip() for line in trained), names)):
                return True
    return False


def terms(rows: Rows, base: str | None) -> tuple[str, list[str]]:
    """The licence that binds most, of the rows and the base model, and all of them in words."""
    found = [licence(name) for name in rows.licences]
    found.append(licence(base))
    strictest = max(found, key=lambda one: KINDS.index(one.kind))
    told = [f"{name}: {count:,} rows" for name, count in sorted(rows.licences.items())]
    return strictest.slug, [*told, f"base model: {base or 'unknown'}"]


def write_report(step: Trainer, trained: Trained, out: Path) -> dict[str, Any]:
    """Writes `report.txt` and `README.md`; gives the content of `training.json`."""
    job, result = trained.job, trained.result
    before = read_json(Path(job.model) / DONE, {}) if Path(job.model).is_dir() else {}
    base = before.get("model", {}).get("root") or step.model
    slug, told = terms(trained.rows, before.get("license") or licence_of_model(base, []))
    record = {
        "trainer": type(step).__name__,
        "model": {"base": public(step.model), "revision": job.revision, "root": public(base)},
        "license": slug,
        "dataset": dataset_of(step, trained.rows, out),
        "settings": plain_settings(step, result["arguments"]),
        "proof": {"rows": trained.proof.rows, "cut": trained.proof.cut, "end": trained.proof.end},
        **{
            k: result[k] for k in ("steps", "epochs", "seconds", "tokens", "resumed_from", "device")
        },
        "loss": ends(trained.curve.get("loss", [])),
        "rewards": trained.rewards,
        "curve": trained.curve,
        "packages": installed(PACKAGES),
        "job": job.digest,
    }
    text = report_text(trained, record)
    write_text(job.folder / "report.txt", text)
    write_text(job.folder / "README.md", card_text(record, told, text))
    return record


def plain_settings(step: Trainer, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the trainer was told, as JSON."""
    own = asdict(step.common)
    told = {k: v for k, v in arguments.items() if k not in UNTOLD}
    return json.loads(json.dumps(own | {"trl": told}, default=str))


def report_text(trained: Trained, record: Mapping[str, Any]) -> str:
    """The plain report: what was proved, what was trained, how it went."""
    seconds = max(record["seconds"], 1e-9)
    lines = [
        f"{record['trainer']} of {record['model']['base']}",
        f"  {record['dataset']['rows']:,} rows, {record['steps']:,} steps, "
        f"{number(record['epochs'])} epochs, {record['seconds']:,.0f} s on {record['device']}",
        f"  {record['tokens']:,} tokens, {record['tokens'] / seconds:,.0f} a second",
    ]
    shown = [n for n in ("loss", "kl", "completions/mean_length") if n in trained.curve]
    for name in [*shown, *record["rewards"]]:
        values = trained.curve[name]
        first, last = ends(values).values()
        lines.append(f"  {name}: {number(first)} -> {number(last)}  {sparkline(values)}")
    if record["resumed_from"]:
        lines.append(f"  continued from step {record['resumed_from']}")
    return "\n".join([*lines, "", trained.proof.text()]) + "\n"


def card_text(record: Mapping[str, Any], terms: Sequence[str], report: str) -> str:
    """The model's card, with the metadata that the Hub reads."""
    import yaml

    dataset, base = record["dataset"], record["model"]["root"]
    head: dict[str, Any] = {"library_name": "transformers", "license": record["license"]}
    if Counter(base)["/"] == 1:
        head["base_model"] = base
    if dataset["release"]:
        head["datasets"] = [dataset["release"]["repo"]]
    head["tags"] = ["trl", "curate", record["trainer"].lower()]
    settings = record["settings"]["trl"]
    told = ("learning_rate", "num_train_epochs", "max_steps", "lr_scheduler_type", "beta")
    lines = [f"- {name}: {settings[name]}" for name in told if name in settings]
    own = record["settings"] | settings
    lines += [f"- {name}: {own[name]}" for name in ("batch", "max_length", "lora", "seed")]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(head, sort_keys=False).strip(),
            "---",
            "",
            f"# {record['model']['base']}, trained with {record['trainer']}",
            "",
            f"Trained on {dataset['rows']:,} rows with content hash `{dataset['sha256'][:16]}`"
            f"{_origin(dataset)}. All of it is in `{DONE}`, the ids of the rows in `{IDS}`.",
            "",
            "## Settings",
            "",
            *lines,
            "",
            "## Terms",
            "",
            "The model learned from these; the strictest is named above.",
            "",
            *(f"- {line}" for line in terms),
            "",
            "## Training",
            "",
            "```text",
            report.partition("\n\n")[0],
            "```",
            "",
        ]
    )


def _origin(dataset: Mapping[str, Any]) -> str:
    if release := dataset["release"]:
        return f": {release['repo']} {release['version']}, commit `{release['commit']}`"
    pinned = [f"{name} (commit `{commit}`)" for name, commit in dataset["sources"].items()]
    return f", read from {', '.join(pinned)}" if pinned else ""
