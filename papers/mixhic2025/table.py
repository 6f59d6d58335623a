"""One table of MIX-HIC: the paper's numbers beside ours."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.mixhic2025 import tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    record = Path(outputs[-1])
    names = ("rows", "against", "pretraining", "maps")
    with provenance.artifact(
        record.parent,
        "paper-table",
        parameters={name: getattr(params, name) for name in names},
        code=params.code,
        inputs=[*inputs.tables, *inputs.predictions, *inputs.negatives, inputs.published],
        record=record.name,
    ) as partial:
        frame = tables.make(
            wildcards.table,
            inputs.tables,
            inputs.published,
            **{name: getattr(params, name) for name in names},
            predictions=params.predictions,
            negatives=inputs.negatives,
        )
        tables.write(frame, partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
