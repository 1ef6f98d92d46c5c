"""Datasets on the Hugging Face Hub as prompts: `hub:NAME@REVISION?config=…&split=…`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from curate.errors import RunError, UsageError
from curate.sources.files import no_problem_text
from curate.sources.row import Place, Row, Rows

PREFIX = "hub:"
PARAMETERS = ("config", "split")


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

    # A few prompts of a large dataset are taken from its beginning; it is not fetched whole to look
    # for conflicts.
    reads_all = False

    def check(self) -> None:
        """Nothing: a finished run needs no network; the Hub is first asked for the rows."""

    def rows(self) -> Rows:
        """All rows; RunError when the Hub cannot be read, UsageError without a column to ask."""
        import datasets
        from huggingface_hub.errors import HfHubHTTPError

        datasets.disable_progress_bars()  # they would run through the run's own
        asked = f"{PREFIX}{self.name}@{self.revision}"
        try:
            data: Any = datasets.load_dataset(
                self.name,
                self.config,
                split=self.split,
                revision=self.revision,
                streaming=self.streaming,
            )
            columns = data.column_names
            if self.needs_problem and columns and {"problem", "messages"}.isdisjoint(columns):
                raise UsageError(no_problem_text(asked, list(columns)))
            for number, value in enumerate(data, 1):
                yield Row(Place(self.name, number), value)
        except (OSError, ValueError, RuntimeError, HfHubHTTPError) as error:
            said = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
            raise RunError(
                f"cannot read {asked} (split {self.split}): {said}; check the name and revision, "
                "the network and, for a private dataset, HF_TOKEN"
            ) from error


def open_hub(spec: str, *, streaming: bool) -> HubSource:
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
    return HubSource(name, revision, streaming=streaming, **chosen)  # type: ignore[arg-type]
