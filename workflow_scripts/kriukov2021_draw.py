"""Figures 5 to 8 of Kriukov et al. 2021 from trained models."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.report import kriukov2021_draw

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    folder = Path(outputs[-1]).parent
    arms = {
        name: kriukov2021_draw.Arm(
            params.arms[name], Path(where["model"]) if where["model"] else None, Path(where["examples"])
        )
        for name, where in params.folders.items()
    }
    with provenance.artifact(
        folder,
        "paper-figures",
        parameters={"figures": params.figures, "geometry": params.geometry},
        code=params.code,
        inputs=[*inputs.models, *inputs.histories, *inputs.examples, inputs.sequence],
    ) as partial:
        kriukov2021_draw.draw(
            partial,
            arms=arms,
            settings=params.arms,
            chosen=params.figures,
            geometry=params.geometry,
            sequence=Path(inputs.sequence).parent,
            histories=params.histories,
            clip=params.clip,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
