"""The dataset on disk: sorted Parquet shards, a card made from the run, and what the run was.

OUT/dataset/ README.md                                the card
             LICENSE  croissant.json  figures/        whose terms hold, the columns, pictures
             data/train-00000-of-00003.parquet        rows by domain, source, prompt, number
             CONFIG/SPLIT-00000-of-00002.parquet      in its place, where there are several
             .curate/manifest.json                    pipeline, steps, packages; shards, sha256
             .curate/funnel.json, .curate/files/…     what was left out; templates, rules
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.data import Document
from datatrove.utils.logging import logger

from curate.errors import RunError, UsageError
from curate.project import template_root
from curate.sample import Sample, is_prompt_document, schema
from curate.sinks import card
from curate.sinks.atomic import replacing
from curate.sinks.audits import AUDITS, read_audits
from curate.sinks.card import Told
from curate.sinks.croissant import croissant
from curate.sinks.figures import pictures
from curate.sinks.layout import UNVERIFIED, Configs, Layout
from curate.sinks.origins import provenance
from curate.sinks.provenance import named_files, public_manifest, read_json
from curate.sinks.shards import Shard, rows_of, shard_paths, write_shards
from curate.sinks.sorting import Sorter
from curate.sinks.statistics import Part, Statistics
from curate.step import Context, Step, unit_of

if TYPE_CHECKING:
    import pyarrow

CARD = "cards/cold_start.md"
REPORT_EVERY = 500
LARGEST_KEPT_FILE = 1 << 20


class DatasetFolder(Step):
    """Writes OUT/dataset from all samples of the run, or prompts, and yields them in its order.

    The folder appears when it is complete and takes the place of an older one. The same rows give
    byte-identical shards. Raises RunError when two samples have one id. Sorting spills to disk:
    about 0.5 GB of memory for any size.

    Args:
        card: the template of README.md, a file of the project (see `curate.sinks.card.values` for
            its names).
        shard_mb: text in a shard, in MB; a shard ends with the prompt that reaches it.
        configs: name of a config -> its domains, as `{"reasoning": ["math", "code"], …}`; each is a
            folder that loads by its name. None: one config with all.
        test: the share or number of the prompts that are the split `test` (see
            `curate.sinks.layout`).
        unverified: the dataset folder or run of a twin (`Twins(…, verified=False)`), written as a
            config of that name, and not yielded.
    """

    is_whole = True
    is_sink = True
    writes = ("dataset",)

    def __init__(
        self,
        card: str = CARD,
        *,
        shard_mb: int = 500,
        configs: Configs | None = None,
        test: float | int | None = None,
        unverified: str | None = None,
    ) -> None:
        super().__init__()
        self.card = card
        self.shard_mb = shard_mb
        self.configs = configs
        self.test = test
        self.unverified = unverified

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        if self.shard_mb < 1:
            raise UsageError(f"DatasetFolder: shard_mb is at least 1, not {self.shard_mb}")
        Layout(self.configs, self.test)
        if self.unverified and not self._twin_shards():
            raise UsageError(
                f"unverified={self.unverified!r}: no dataset is there; run the twin first, with "
                "Twins(…, verified=False) and another out="
            )
        # A template that asks for a name that is not there is found now, not after a day of
        # generation.
        card.try_out(card.find_template(self._card_file))

    def identity(self) -> dict[str, Any]:
        """The arguments, the twin by its name alone: what it holds is hashed by the run."""
        twin = Path(self.unverified).name if self.unverified else None
        return super().identity() | {"unverified": twin}

    def files(self) -> list[Path]:
        audits = self._context.project / AUDITS
        twin = self._twin_shards() if self.unverified else []
        return [*card.files(self._card_file), *([audits] if audits.is_file() else []), *twin]

    def run(
        self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Writes everything first; then yields the samples as they stand in the shards."""
        folder = self._context.out / "dataset"
        with replacing(folder) as part:
            shards = self._write(data or (), part)
            shutil.rmtree(part / "sort", ignore_errors=True)
        if not any(shard.rows for shard in shards):
            logger.warning(f"{self.label}: nothing came in; dataset has one empty shard")
        for row in rows_of(folder / shard.path for shard in shards):
            yield from self._documents(row)

    def _write(self, data: Iterable[Document], part: Path) -> list[Shard]:
        """Writes everything under `part`; the shards of what came in."""
        layout, statistics, scratch = Layout(self.configs, self.test), Statistics(), part / "sort"
        samples = statistics.watch(self._sorted(data, scratch, layout))
        rows = layout.arranged(self._rows(samples), scratch / "test")
        parts: dict[str, Part] = {}
        shards = self._write_shards(rows, part, layout.stem, parts)
        told = Told(
            statistics,
            shards=[*shards, *self._write_twin(part, layout, parts)],
            manifest=read_json(self._context.out / "manifest.json", {}),
            funnel=self._funnel(),
            audits=read_audits(self._context.project),
            parts=parts,
            empty=[n for n in layout.names if not any(s.startswith(f"{n}/") for s in parts)],
        )
        self._describe(part, self._told(told))
        return shards

    def _write_shards(
        self,
        rows: Iterable[dict[str, Any]],
        part: Path,
        stem: Callable[[Mapping[str, Any]], str],
        parts: dict[str, Part],
    ) -> list[Shard]:
        """The shards of rows, which are counted in `parts` as they pass."""

        def counted() -> Iterator[dict[str, Any]]:
            for row in rows:
                parts.setdefault(stem(row), Part()).add(row)
                yield row

        size = self.shard_mb * 1_000_000
        return write_shards(counted(), part, shard_bytes=size, fields=self._fields(), stem=stem)

    def _write_twin(self, part: Path, layout: Layout, parts: dict[str, Part]) -> list[Shard]:
        """The twin's rows as a config of their own, each prompt in the split it has elsewhere."""
        if not self.unverified:
            return []
        scratch, rows = part / "sort/test", rows_of(self._twin_shards())
        twins = layout.arranged(rows, scratch, lambda row: UNVERIFIED)
        return self._write_shards(
            twins, part, lambda row: f"{UNVERIFIED}/{layout.split(row)}", parts
        )

    def _rows(self, samples: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """The dataset's rows, from those of the sorted samples."""
        return samples

    def _fields(self) -> pyarrow.Schema:
        return schema()

    def _told(self, told: Told) -> Told:
        """What the card is made of."""
        return told

    def _documents(self, row: Mapping[str, Any]) -> Iterator[Document]:
        yield Sample.from_row(row).to_document()

    def _twin_shards(self) -> list[Path]:
        """The shards of the twin, of its configs that were checked by nobody either."""
        found = self._context.find(self.unverified or "")
        inside = found / "dataset"
        return shard_paths(inside if inside.is_dir() else found)

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

    def _sorted(
        self, data: Iterable[Document], scratch: Path, layout: Layout
    ) -> Iterator[dict[str, Any]]:
        self._units: Counter[str] = Counter()
        rows = Sorter[dict[str, Any]](scratch / "rows", key=layout.key)
        ids = Sorter[dict[str, Any]](scratch / "ids", key=itemgetter("id"), memory_mb=64)
        for number, document in enumerate(data, 1):
            row = Sample.from_document(document).to_row()
            if is_prompt_document(document):  # of no sample: its id and turns are the prompt's own
                row["id"] = row["id"] or row["prompt_id"]
                row["prompt"] = row["prompt"] or [{"role": "user", "content": row["problem"]}]
            self._units[unit_of(document)] += 1
            layout.saw(row["prompt_id"])
            rows.add(row)
            ids.add({"id": row["id"]})
            if number % REPORT_EVERY == 0:
                self._context.report({"rows": number})
        refuse_doubles(row["id"] for row in ids.rows())
        yield from rows.rows()

    def _funnel(self) -> list[dict[str, Any]]:
        """The steps before this one."""
        rows = read_json(self._context.out / "funnel.json", [])
        return [row for row in rows if row["step"] != self.label]

    def _describe(self, part: Path, told: Told) -> None:
        """Writes the card with its pictures, LICENSE, croissant.json and `.curate/`."""
        own = [
            {"step": self.label, "unit": unit, "in": n, "out": n}
            for unit, n in sorted(self._units.items() or [("samples", 0)])
        ]
        before, told = told.funnel, replace(told, funnel=[*told.funnel, *own])
        text = card.render(card.find_template(self._card_file), told)
        readme = self._context.out / "dataset/README.md"
        if readme.is_file():
            text = card.with_prose(text, readme.read_text(encoding="utf-8"))
        (part / "README.md").write_text(text, encoding="utf-8")
        (part / "LICENSE").write_text(told.terms.text(told.name), encoding="utf-8")
        for name, picture in pictures(told).items():
            (part / "figures").mkdir(exist_ok=True)
            (part / "figures" / name).write_text(picture, encoding="utf-8")
        write_json(part / "croissant.json", croissant(told, self._fields()))
        about = part / ".curate"
        about.mkdir()
        public = public_manifest(told.manifest)
        shards = {"shards": [shard._asdict() for shard in told.shards]}
        write_json(about / "manifest.json", public | shards)
        write_json(about / "funnel.json", before)
        facts = provenance(
            told.manifest,
            told.statistics,
            funnel=before,
            audits=told.audits,
            project=self._context.project,
        )
        write_json(about / "provenance.json", facts)
        self._keep_files(about / "files", told.manifest)

    def _keep_files(self, folder: Path, manifest: Mapping[str, Any]) -> None:
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


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with one spelling for equal values."""
    content = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(content + "\n", encoding="utf-8")


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
