"""`DPO`: a model taught to prefer the better of two answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from curate.errors import RunError
from curate.sinks import settings
from curate.sinks.pairs_folder import pair_row, pair_schema, paired
from curate.sinks.training import RowTrainer

if TYPE_CHECKING:
    import pyarrow


class DPO(RowTrainer):
    """Direct preference optimization on pairs that `Pairs` made, on TRL's DPOTrainer.

    R1 has none; the settings are Tülu 3's: 1 epoch at 5e-7, 128 pairs a step, beta 5 on
    length-normalized log ratios, context 2,048 (arXiv 2411.15124, section 5). Keywords are those of
    `curate.sinks.training.Common`, and TRL's. Raises RunError for a sample without its other half:

        PairsFolder(), DPO("OUT/student", out="preferred")
    """

    kind = "dpo"
    config = "DPOConfig"
    columns = ["prompt", "chosen", "rejected"]  # noqa: RUF012
    common_defaults = {  # noqa: RUF012
        "batch": settings.DPO_BATCH,
        "max_length": settings.DPO_CONTEXT,
    }

    def defaults(self) -> dict[str, Any]:
        return dict(settings.DPO)

    def training_schema(self) -> pyarrow.Schema:
        return pair_schema()

    def training_rows(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        try:
            yield from map(pair_row, paired(rows))
        except RunError as error:
            raise RunError(str(error).replace("PairsFolder", self.label)) from None
