"""Find the loops of whole test chromosomes with one arm, and hold them against those an experiment has seen."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data.given import Given
from trifold.loops import annotate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    names = ("geometry", "max_loop_bins", "settings", "rename")
    parameters = {name: getattr(params, name) for name in names}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "loops",
        parameters={"name": wildcards.arm, "arm": params.arm.model(), "sample": wildcards.sample, **parameters},
        code=params.code,
        inputs=[
            *(*inputs.model, inputs.map, *inputs.bands, *inputs.tracks, *inputs.sequence),
            *(inputs.regions, *inputs.seen),
        ],
        seed=int(wildcards.seed),
    ) as partial:
        annotate(
            partial,
            arm=params.arm,
            model=Path(inputs.model[0]).parent if inputs.model else None,
            given=Given.of_files(
                [wildcards.sample], bands=inputs.bands, tracks=inputs.tracks, sequence=inputs.sequence
            ),
            map_path=inputs.map,
            regions=inputs.regions,
            seen=inputs.seen,
            seed=int(wildcards.seed),
            device=params.accelerator,
            threads=threads,
            **parameters,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
