"""Keep the diagonals of one map that MIX-HIC's windows are cut from."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import bands

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[0]).parent,
        "mixhic-bands",
        parameters={"band_bins": params.band_bins, "exclude": params.exclude, "clip": params.clip},
        code=params.code,
        inputs=[inputs.map],
    ) as partial:
        bands.write_bands(inputs.map, partial, params.band_bins, params.exclude, params.clip)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
