"""Take the chromosomes of a genome without a sequence from a map."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import contacts
from trifold.io import cool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[0]).parent, "chromosomes", parameters=params.genome, code=params.code, inputs=[inputs.map]
    ) as partial:
        contacts.write_chromosomes(
            cool.uri(inputs.map, params.genome["group"]),
            partial,
            exclude=params.genome["exclude"],
            rename=params.genome["rename"],
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
