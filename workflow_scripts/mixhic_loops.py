"""Find the loops of whole test chromosomes with one run of MIX-HIC, and hold them against ChIA-PET."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.loops import annotate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    names = ("chroms", "max_loop_bins", "settings", "bin_bp", "rename")
    parameters = {name: getattr(params, name) for name in names}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "mixhic-loops",
        parameters={"name": wildcards.run, "run": params.run, "sample": wildcards.sample, **parameters},
        code=params.code,
        inputs=[*inputs.model, inputs.map, inputs.bands, *inputs.tracks, *inputs.seen],
        seed=int(wildcards.seed),
    ) as partial:
        annotate(
            partial,
            name=wildcards.run,
            run=params.run,
            model=Path(inputs.model[0]).parent if inputs.model else None,
            sample=wildcards.sample,
            map_path=inputs.map,
            bands=Path(inputs.bands).parent,
            tracks=[Path(path).parent for path in inputs.tracks],
            seen=inputs.seen,
            seed=int(wildcards.seed),
            device=params.accelerator,
            threads=threads,
            **parameters,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
