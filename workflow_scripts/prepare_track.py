"""Turn BAM replicates, a bigWig or a bedGraph into coverage and binned means."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import tracks
from trifold.data.sequence import read_chromosomes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    # Names of the genome matter to a blacklist alone.
    genome_rename = params.genome_rename if inputs.blacklist else {}
    parameters = {"tracks": params.tracks, "rename": params.rename, "genome_rename": genome_rename}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "track",
        parameters=parameters,
        code=params.code,
        inputs=[*inputs.sources, inputs.sequence, *inputs.blacklist],
    ) as partial:
        tracks.prepare(
            inputs.sources,
            partial,
            read_chromosomes(inputs.sequence),
            params.tracks,
            rename=params.rename,
            genome_rename=genome_rename,
            blacklist=inputs.blacklist[0] if inputs.blacklist else None,
            sequence=Path(inputs.bases[0]).parent if inputs.bases else None,
            threads=threads,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
