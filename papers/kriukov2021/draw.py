"""Figures 5 to 8 of Kriukov et al. 2021 from windows kept of trained models."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.kriukov2021 import figures

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[-1]).parent,
        "paper-figures",
        parameters={"figures": params.figures, "clip": params.clip},
        code=params.code,
        inputs=[*inputs.windows, *inputs.histories],
    ) as partial:
        figures.draw(
            partial,
            windows=params.windows,
            settings=params.arms,
            chosen=params.figures,
            histories=params.histories,
            clip=params.clip,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
