"""Choose the pairs of bins, and the windows about start sites, that one sample's models are trained and tested on."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import promoters

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    parameters = {**params.dataset, **params.settings, "bin_bp": params.bin_bp, "rename": params.rename}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "pairs",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.bands, inputs.regions, *inputs.loops, *inputs.tss, *inputs.expression],
    ) as partial:
        promoters.write_sample(
            partial,
            sample=wildcards.sample,
            bands=Path(inputs.bands).parent,
            regions=inputs.regions,
            loops=inputs.loops,
            tss=inputs.tss[0] if inputs.tss else None,
            expression=[Path(path).parent for path in inputs.expression],
            **parameters,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
