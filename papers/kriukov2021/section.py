"""What the page says of Kriukov et al. 2021."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.kriukov2021 import tables
from trifold.report import sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[0]).parent,
        "section",
        parameters={},
        code=params.code,
        inputs=[Path(path).with_suffix(f".{provenance.RECORD}") for path in inputs.tables],
    ) as partial:
        sections.write(tables.section([tables.read(path) for path in inputs.tables]), partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
