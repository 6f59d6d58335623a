"""Turn the FASTA into base codes and mark the bins that hold an N."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import sequence

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    parameters = {"genome": params.genome, "bin_bp": params.bin_bp}
    with provenance.artifact(
        Path(outputs[0]).parent, "sequence", parameters=parameters, code=params.code, inputs=inputs.fasta
    ) as partial:
        sequence.prepare(
            inputs.fasta,
            partial,
            bin_bp=params.bin_bp,
            exclude=params.genome["exclude"],
            rename=params.genome["rename"],
            sizes=params.genome["sizes"],
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
