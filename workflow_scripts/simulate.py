"""Make the simulated genome and its assays in the formats a portal would deliver."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.simulate.simulate import simulate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(outputs, params) -> None:
    folder = Path(outputs[0]).parent
    settings = params.settings
    with provenance.artifact(
        folder, "simulated genome", parameters=settings, code=params.code, inputs=[], seed=settings["seed"]
    ) as partial:
        simulate(partial, settings)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.output, snakemake.params)
