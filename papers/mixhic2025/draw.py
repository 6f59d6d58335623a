"""The figures of MIX-HIC that the experiment has runs for."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.mixhic2025.draw import draw

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    names = ("shown", "tolerance_bins", "max_loop_bins", "bin_bp", "rename")
    parameters = {name: getattr(params, name) for name in names}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "paper-figures",
        parameters=parameters,
        code=params.code,
        inputs=[*inputs.scores, *inputs.searches, *inputs.bands, *inputs.regions, *inputs.seen],
    ) as partial:
        draw(
            partial,
            scores=inputs.scores,
            searches=params.searches,
            bands=Path(inputs.bands[0]).parent if inputs.bands else None,
            regions=inputs.regions[0] if inputs.regions else None,
            seen=inputs.seen,
            **parameters,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
