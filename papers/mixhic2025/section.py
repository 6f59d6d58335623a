"""What the page says of MIX-HIC (Yang et al. 2025)."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.mixhic2025 import comparisons, tables
from trifold.report import sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[0]).parent,
        "section",
        parameters={},
        code=params.code,
        inputs=[Path(path).with_suffix(f".{provenance.RECORD}") for path in (*inputs.tables, *inputs.comparisons)],
    ) as partial:
        compared = [comparisons.read(path) for path in inputs.comparisons]
        parts = [table for frame in compared for table, _ in comparisons.parts(frame)]
        sections.write(tables.section([tables.read(path) for path in inputs.tables], parts), partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
