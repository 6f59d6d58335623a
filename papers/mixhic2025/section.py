"""What the page says of MIX-HIC (Yang et al. 2025)."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log
from trifold.papers.mixhic2025 import comparisons, tables
from trifold.report import sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    compared = [comparisons.read(path) for path in inputs.comparisons]
    parts = [table for frame in compared for table, _ in comparisons.parts(frame)]
    section = tables.section([tables.read(path) for path in inputs.tables], parts)
    sections.keep(section, Path(outputs[0]).parent, tables=[*inputs.tables, *inputs.comparisons], code=params.code)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
