"""Datasets on the Hugging Face Hub: `hub:NAME@REVISION?config=…&split=…`.

A revision is resolved to its commit once a run (see `curate.sources.pin`); rows are read there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.errors import RunError, UsageError
from curate.sources.files import no_problem_text
from curate.sources.pin import PREFIX, first_line, pin, pinned
from curate.sources.row import Place, Row, Rows
from curate.step import Context

__all__ = ["PREFIX", "HubSource", "fetched", "open_hub", "pinned"]

PARAMETERS = ("config", "split")
SHOWN_CHARACTERS = 300
"""Of what the client says: some errors list all files of a dataset."""


@dataclass(frozen=True)
class HubSource:
    """One split of a dataset at one revision."""

    name: str
    revision: str
    config: str | None = None
    split: str = "train"
    streaming: bool = False
    """Fetch only what is read; without it the whole dataset is kept in the Hub client's cache."""
    needs_problem: bool = True
    """Refuse a dataset without a column to ask."""
    context: Context | None = field(default=None, repr=False, compare=False)
    """The run that reads it, which keeps to one commit."""

    # A few prompts of a large dataset are taken from its beginning; it is not fetched whole to look
    # for conflicts.
    reads_all = False

    @cached_property
    def commit(self) -> str:
        """The commit that the revision means in this run; RunError when it cannot be told."""
        return pin(self.context, self.name, self.revision)

    def check(self) -> None:
        """Nothing: a finished run needs no network; the Hub is first asked for the rows."""

    def rows(self) -> Rows:
        """All rows; RunError when the Hub cannot be read, UsageError without a column to ask."""
        import datasets
        from huggingface_hub.errors import HfHubHTTPError

        datasets.disable_progress_bars()  # they would run through the run's own
        asked = f"{PREFIX}{self.name}@{self.revision}"
        revision = self.commit
        try:
            data: Any = datasets.load_dataset(
                self.name,
                self.config,
                split=self.split,
                revision=revision,
                streaming=self.streaming,
            )
            columns = data.column_names
            if self.needs_problem and columns and {"problem", "messages"}.isdisjoint(columns):
                raise UsageError(no_problem_text(asked, list(columns)))
            for number, value in enumerate(data, 1):
                yield Row(Place(self.name, number), value)
        except (OSError, ValueError, RuntimeError, HfHubHTTPError) as error:
            said = " ".join((str(error).strip() or repr(error)).split())[:SHOWN_CHARACTERS]
            raise RunError(
                f"cannot read {asked} (split {self.split}): {said.rstrip('.')}; check config=… and "
                "split=…, the network and, for a private dataset, HF_TOKEN"
            ) from error


def open_hub(spec: str, *, streaming: bool, context: Context | None = None) -> HubSource:
    """The dataset that a `hub:` spec names; UsageError when it cannot be one."""
    place, _, query = spec.removeprefix(PREFIX).partition("?")
    name, _, revision = place.partition("@")
    if not name or not revision:
        raise UsageError(
            f"'{spec}' is not hub:NAME@REVISION; "
            "the revision (a commit, a tag or a branch) says which rows are meant"
        )
    chosen: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        if key not in PARAMETERS or not value:
            near = get_close_matches(key, PARAMETERS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{spec}: '{part}' is not config=… or split=…{hint}")
        chosen[key] = value
    return HubSource(name, revision, streaming=streaming, context=context, **chosen)  # type: ignore[arg-type]


def fetched(spec: str) -> Path:
    """A version of a Hub dataset as a local folder, in the client's cache; what is there already is
    not fetched again. RunError when it cannot be read.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    source = open_hub(spec, streaming=False)
    if source.config or source.split != "train":
        raise UsageError(f"{spec}: a version is fetched whole; leave out what follows the '?'")
    commit = source.commit
    disable_progress_bars()
    try:
        return Path(snapshot_download(source.name, repo_type="dataset", revision=commit))
    except Exception as error:  # the transport's own as well
        raise RunError(f"cannot fetch {spec}: {first_line(error)}; check the network") from error
