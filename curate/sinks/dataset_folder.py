"""The dataset on disk: sorted Parquet shards, a card made from the run, and what the run was.

OUT/dataset/ README.md                                 the card data/train-00000-of-00003.parquet
rows by domain, source, prompt, number of the sample .curate/manifest.json
pipeline, parameters, steps, packages, engine; every shard with its sha256 .curate/funnel.json,
.curate/files/...    what was left out where; pipeline, templates and rules as they were
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.utils.logging import logger

from curate.errors import RunError, UsageError
from curate.project import template_root
from curate.sample import Sample, is_prompt_document
from curate.sinks import card
from curate.sinks.atomic import replacing
from curate.sinks.audits import AUDITS, read_audits
from curate.sinks.provenance import named_files, public_manifest, read_json
from curate.sinks.shards import Shard, read_rows, write_shards
from curate.sinks.sorting import Sorter
from curate.sinks.statistics import Statistics
from curate.step import Context, Step, unit_of

CARD = "cards/cold_start.md"
REPORT_EVERY = 500
LARGEST_KEPT_FILE = 1 << 20


class DatasetFolder(Step):
    """Writes OUT/dataset from all samples of the run, or prompts, and yields them in its order.

    The folder appears when it is complete and takes the place of an older one. The same rows give
    byte-identical shards. Raises RunError when two samples have one id. Sorting spills to disk:
    about 0.5 GB of memory for any size.

        Args: card: the template of README.md, a file of the project (see `curate.sinks.card.values`
        for its names). shard_mb: text in a shard, in MB; a shard ends with the prompt that reaches
        it.
    """

    is_whole = True
    is_sink = True

    def __init__(self, card: str = CARD, *, shard_mb: int = 500) -> None:
        super().__init__()
        self.card = card
        self.shard_mb = shard_mb

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        if self.shard_mb < 1:
            raise UsageError(f"DatasetFolder: shard_mb is at least 1, not {self.shard_mb}")
        # A template that asks for a name that is not there is found now, not after a day of
        # generation.
        card.try_out(card.find_template(self._card_file))

    def files(self) -> list[Path]:
        audits = self._context.project / AUDITS
        return [*card.files(self._card_file), *([audits] if audits.is_file() else [])]

    def run(
        self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Writes everything first; then yields the samples as they stand in the shards."""
        folder = self._context.out / "dataset"
        with replacing(folder) as part:
            statistics = Statistics()
            rows = statistics.watch(self._sorted(data or (), part / "sort"))
            shards = write_shards(rows, part, shard_bytes=self.shard_mb * 1_000_000)
            shutil.rmtree(part / "sort", ignore_errors=True)
            self._describe(part, statistics, shards)
        if not statistics.rows:
            logger.warning(f"{self.label}: no sample came in; dataset has one empty shard")
        for row in read_rows(folder):
            yield Sample.from_row(row).to_document()

    @property
    def _card_file(self) -> Path:
        """The project's template; of the default one, where a project has none, the packaged."""
        packaged = template_root() / CARD
        try:
            return self._context.find(self.card)
        except UsageError:
            if self.card != CARD:
                raise
            return packaged

    @property
    def _context(self) -> Context:
        if self.context is None:
            raise RuntimeError(f"{self.label}: prepare() comes before run()")
        return self.context

    def _sorted(self, data: Iterable[Document], scratch: Path) -> Iterator[dict[str, Any]]:
        self._units: Counter[str] = Counter()
        rows = Sorter[dict[str, Any]](scratch / "rows")
        ids = Sorter[dict[str, Any]](scratch / "ids", key=itemgetter("id"), memory_mb=64)
        for number, document in enumerate(data, 1):
            row = Sample.from_document(document).to_row()
            if is_prompt_document(document):  # of no sample: its id and turns are the prompt's own
                row["id"] = row["id"] or row["prompt_id"]
                row["prompt"] = row["prompt"] or [{"role": "user", "content": row["problem"]}]
            self._units[unit_of(document)] += 1
            rows.add(row)
            ids.add({"id": row["id"]})
            if number % REPORT_EVERY == 0:
                self._context.report({"rows": number})
        refuse_doubles(row["id"] for row in ids.rows())
        yield from rows.rows()

    def _describe(
        self, part: Path, statistics: Statistics, shards: list[Shard], **further: Any
    ) -> None:
        """Writes the card, with what it is told `further`, and `.curate/`."""
        manifest: dict[str, Any] = read_json(self._context.out / "manifest.json", {})
        own = [
            {"step": self.label, "unit": unit, "in": n, "out": n}
            for unit, n in sorted(self._units.items() or [("samples", 0)])
        ]
        funnel = [
            row
            for row in read_json(self._context.out / "funnel.json", [])
            if row["step"] != self.label
        ]
        text = card.render(
            card.find_template(self._card_file),
            manifest=manifest,
            funnel=[*funnel, *own],
            statistics=statistics,
            shards=shards,
            audits=read_audits(self._context.project),
            **further,
        )
        (part / "README.md").write_text(text, encoding="utf-8")
        about = part / ".curate"
        about.mkdir()
        told = public_manifest(manifest) | {"shards": [shard._asdict() for shard in shards]}
        for name, value in (("manifest", told), ("funnel", funnel)):
            content = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
            (about / f"{name}.json").write_text(content + "\n", encoding="utf-8")
        self._keep_files(about / "files", manifest)

    def _keep_files(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Copies the pipeline, the project's modules and the texts that its steps name, by their
        paths in the project.
        """
        named = named_files(manifest.get("steps", []))
        modules = manifest.get("identity", {}).get("modules", {})
        pipeline = manifest.get("pipeline", {}).get("file")
        project = self._context.project.resolve()
        names: set[str] = {self.card, AUDITS, *named, *modules, *([pipeline] if pipeline else [])}
        for name in sorted(names):
            for root in (project, self._context.pipeline_dir.resolve()):
                file = (root / name).resolve()
                if file.is_file() and file.is_relative_to(project):
                    if file.stat().st_size <= LARGEST_KEPT_FILE:
                        copy = folder / file.relative_to(project)
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(file, copy)
                    break


def refuse_doubles(ids: Iterable[str]) -> None:
    """Raises RunError when an id comes twice in a row."""
    last = None
    for one in ids:
        if one == last:
            raise RunError(
                f"DatasetFolder: two samples have the id {one}; a step before it yields a sample "
                "twice (two chains that overlap, or a step of your own that copies documents)"
            )
        last = one
