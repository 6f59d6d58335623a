"""Keep the diagonals of a map that windows about pairs are cut from."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import bands

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    settings = params.settings
    with provenance.artifact(
        Path(outputs[0]).parent, "bands", parameters=settings, code=params.code, inputs=[inputs.map]
    ) as partial:
        bands.write_bands(inputs.map, partial, settings["band_bins"], settings["exclude"], settings["clip"])


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
