"""One table of Kriukov et al. 2021: the paper's numbers beside ours."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.io.tables import read_table
from trifold.papers import paper
from trifold.papers.kriukov2021 import tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    record = Path(outputs[-1])
    stem = record.name.removesuffix(f".{provenance.RECORD}")
    with provenance.artifact(
        record.parent,
        "paper-table",
        parameters={"table": wildcards.table, "rows": params.rows},
        code=params.code,
        inputs=[*inputs.scores, inputs.published],
        record=record.name,
    ) as partial:
        scores = pd.concat([read_table(path) for path in inputs.scores], ignore_index=True)
        make = {"1": tables.table1, "2": tables.table2, "3": tables.table3}[wildcards.table]
        frame = make(scores, params.rows, paper.read_published(inputs.published))
        tables.write(frame, stem, partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
