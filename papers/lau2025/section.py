"""What the page says of Lau 2025."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers import lau2025
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
        sections.write(lau2025.section(*lau2025.read(Path(inputs.tables[0]).parent)), partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
