"""What the page says of Kriukov et al. 2021."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log
from trifold.papers.kriukov2021 import tables
from trifold.report import sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    section = tables.section([tables.read(path) for path in inputs.tables])
    sections.keep(section, Path(outputs[0]).parent, tables=inputs.tables, code=params.code)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
