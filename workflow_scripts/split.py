"""Write the regions of one fold: train, validation, test."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import splits
from trifold.data.sequence import read_chromosomes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    parameters = {"split": params.split, "window_bp": params.window_bp}
    split = {**params.split, "path": inputs.bed} if inputs.bed else params.split
    with provenance.artifact(
        Path(outputs[0]).parent, "split", parameters=parameters, code=params.code, inputs=list(inputs)
    ) as partial:
        splits.write(partial / "regions.bed", split, read_chromosomes(inputs.sequence), params.window_bp)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
