"""Score one run of MIX-HIC's tasks on the test chromosomes of one sample."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data.pair_dataset import gather
from trifold.score_pairs import score

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    trained_on = [] if inputs.model else params.run["samples"]
    samples = gather([*trained_on, wildcards.sample], inputs.pairs, inputs.bands, inputs.tracks)
    with provenance.artifact(
        Path(outputs[0]).parent,
        "mixhic-scores",
        parameters={"name": wildcards.run, "run": params.run, "bin_bp": params.bin_bp, "sample": wildcards.sample},
        code=params.code,
        inputs=[*inputs.model, *inputs.pairs, *inputs.bands, *inputs.tracks],
        seed=int(wildcards.seed),
    ) as partial:
        score(
            partial,
            name=wildcards.run,
            run=params.run,
            model=Path(inputs.model[0]).parent if inputs.model else None,
            train=samples[:-1],
            test=samples[-1],
            bin_bp=params.bin_bp,
            seed=int(wildcards.seed),
            device=params.where["accelerator"],
            workers=params.where["workers"],
            threads=threads,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
