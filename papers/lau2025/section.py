"""What the page says of Lau 2025."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log
from trifold.papers import lau2025
from trifold.report import sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    section = lau2025.section(*lau2025.read(Path(inputs.tables[0]).parent))
    sections.keep(section, Path(outputs[0]).parent, tables=inputs.tables, code=params.code)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
