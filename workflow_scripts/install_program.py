"""Make the environment that a program of others needs."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, programs, provenance

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    place = Path(outputs[0]).parent
    with provenance.artifact(
        place, "environment", parameters={"complete": params.complete}, code=params.code, inputs=[inputs.requirements]
    ) as partial:
        programs.install(partial, Path(inputs.requirements), place, params.complete)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
