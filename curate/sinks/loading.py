"""How to load, reproduce and cite a dataset: blocks of its README that a release rewrites.

    <!-- load -->
    …
    <!-- /load -->

Before a release the commands are those for the folder that the README is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.sinks.prose import is_code

Configs = Mapping[str, Mapping[str, str]]
"""Config -> split -> glob of its files."""


@dataclass(frozen=True)
class Release:
    """A version of a repository; without one, the folder itself."""

    repo: str
    version: str

    @property
    def tag(self) -> str:
        return f"v{self.version.removeprefix('v')}"


def with_release(text: str, repo: str, version: str, configs: Any = None) -> str:
    """The README with the commands and the citation of one version of a repository.

    What configs there are is read in its head, so that the two cannot differ; a README without one
    stays as it is.
    """
    import yaml

    matter = re.match(r"---\n(.*?)^---\n", text, re.M | re.S)
    head = yaml.safe_load(matter[1]) if matter else {}
    if not head.get("configs"):
        return text
    found = configs_of(head)
    release = Release(repo, version.removeprefix("v"))
    name = head.get("pretty_name") or repo
    return with_blocks(text, blocks_of(name, found, release))


def configs_of(head: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The configs of a card's head."""
    return {
        config["config_name"]: {of["split"]: of["path"] for of in config["data_files"]}
        for config in head["configs"]
    }


def blocks_of(name: str, configs: Configs, release: Release | None = None) -> dict[str, str]:
    """The content of each block."""
    return {
        "load": load_text(configs, release),
        "reproduce": reproduce_text(release),
        "cite": cite_text(name, release),
    }


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """The text with the content of its marked blocks replaced.

    >>> print(with_blocks("<!-- load -->\\nold\\n<!-- /load -->", {"load": "new\\n"}))
    <!-- load -->
    new
    <!-- /load -->
    """
    for name, content in blocks.items():
        pattern = re.compile(rf"^(<!-- {name} -->\n).*?^(<!-- /{name} -->)$", re.M | re.S)
        for found in pattern.finditer(text):
            if not is_code(text, found.start()):
                text = text[: found.end(1)] + content + text[found.start(2) :]
                break
    return text


def load_text(configs: Configs, release: Release | None) -> str:
    """Python that loads every split of every config, with `datasets` and with polars."""
    lines = ["from datasets import load_dataset", ""]
    if release:
        place, pin = f'"{release.repo}"', f', revision="{release.tag}"'
    else:  # datasets takes a name for the folder from its path, and "." has none
        lines = ["from pathlib import Path", "", *lines]
        lines.append("folder = str(Path.cwd())  # the one that this README is in")
        place, pin = "folder", ""
    for config, splits in configs.items():
        named = f', "{config}"' if len(configs) > 1 else ""
        for split in splits:
            variable = variable_of(config, split, configs)
            lines.append(f'{variable} = load_dataset({place}{named}, split="{split}"{pin})')
    return f"{_fenced('python', lines)}\n{_polars(configs, release)}"


def _polars(configs: Configs, release: Release | None) -> str:
    glob = next(glob for splits in configs.values() for glob in splits.values())
    if release is None:
        return _fenced("python", ["import polars", "", f'rows = polars.read_parquet("{glob}")'])
    return _fenced(
        "python",
        [
            "import polars",
            "from huggingface_hub import snapshot_download",
            "",
            f'folder = snapshot_download("{release.repo}", repo_type="dataset", '
            f'revision="{release.tag}")',
            f'rows = polars.read_parquet(f"{{folder}}/{glob}")',
        ],
    )


def variable_of(config: str, split: str, configs: Configs) -> str:
    """The name that a split has in the example.

    >>> variable_of("code", "test", {"code": {"test": ""}, "math": {}})
    'code_test'
    """
    if len(configs) == 1:
        return "rows" if split == "train" else split
    name = config if split == "train" else f"{config}_{split}"
    return name if name.isidentifier() else f"c_{name}"


def reproduce_text(release: Release | None) -> str:
    """The command that says how to make the rows again."""
    place = f"hub:{release.repo}@{release.tag}" if release else "."
    where = "" if release else ", in the folder that this README is in"
    said = f"What is needed to make it again, and what would differ today{where}:"
    return f"{said}\n\n" + _fenced("shell", [f"curate reproduce {place}"])


def cite_text(name: str, release: Release | None) -> str:
    """BibTeX of the version; of no version, of the name alone."""
    plain = re.sub(r"[^\w .:,-]+", " ", re.sub(r"\s+", " ", name)).strip()[:120] or "dataset"
    if release is None:
        return _fenced("bibtex", [f"@misc{{{_key(plain)},", f"  title = {{{plain}}},", "}"])
    owner = release.repo.partition("/")[0]
    url = f"https://huggingface.co/datasets/{release.repo}/tree/{release.tag}"
    lines = [
        f"@misc{{{_key(release.repo)}_{_key(release.version)},",
        f"  title = {{{plain}}},",
        f"  author = {{{{{owner}}}}},",
        f"  version = {{{release.version}}},",
        f"  howpublished = {{\\url{{{url}}}}},",
        "}",
    ]
    return _fenced("bibtex", lines)


def _key(text: str) -> str:
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "dataset"


def _fenced(language: str, lines: Sequence[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])
