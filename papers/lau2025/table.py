"""Table 1 of Lau 2025: the report's numbers beside ours, and what the sequence adds."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.io.tables import read_table
from trifold.papers import lau2025, paper

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    record = Path(outputs[-1])
    with provenance.artifact(
        record.parent,
        "paper-table",
        parameters={"rows": params.rows, "differences": params.differences},
        code=params.code,
        inputs=[*inputs.scores, inputs.published],
        record=record.name,
    ) as partial:
        scores = pd.concat([read_table(path) for path in inputs.scores], ignore_index=True)
        frame = lau2025.table1(scores, params.rows, paper.read_published(inputs.published))
        against = lau2025.gains(scores, params.rows, params.differences)
        lau2025.write(frame, against, partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
