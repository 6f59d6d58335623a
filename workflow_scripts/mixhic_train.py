"""Train MIX-HIC, or one of its tasks, with one seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.training import checkpoints, mixhic_job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    folder, seed = Path(outputs[0]).parent, int(wildcards.seed)
    with provenance.artifact(
        folder,
        "mixhic-model",
        parameters={"name": params.name, "run": params.run, "bin_bp": params.bin_bp, "seed": seed},
        code=params.code,
        inputs=[*inputs.pairs, *inputs.bands, *inputs.tracks, *inputs.pretrained],
        seed=seed,
        where=params.where,
    ) as partial:
        mixhic_job.start(
            partial,
            name=params.name,
            run=params.run,
            pairs=list(inputs.pairs),
            bands=list(inputs.bands),
            tracks=list(inputs.tracks),
            bin_bp=params.bin_bp,
            seed=seed,
            pretrained=Path(inputs.pretrained[0]).parent if inputs.pretrained else None,
            checkpoints=checkpoints.begin(params.checkpoints, folder, partial),
            version=partial.version,
            where=params.where,
            threads=threads,
        )
    checkpoints.end(params.checkpoints, folder)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
