"""Call loops and boundaries on one enhanced map, and score them."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance, structure
from trifold.config import from_dict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    parameters = {"settings": params.settings, "edge_bins": params.edge_bins, "command": params.call["command"]}
    read = [inputs.prediction, inputs.deep, inputs.low, inputs.references, *inputs.planted, inputs.regions]
    read += [*inputs.program, *inputs.environment, *filter(None, [inputs.sequence])]
    with provenance.artifact(
        Path(outputs[0]).parent, "structure", parameters=parameters, code=params.code, inputs=read
    ) as partial:
        structure.score(
            partial,
            prediction=inputs.prediction,
            deep=inputs.deep,
            low=inputs.low,
            references=Path(inputs.references).parent,
            planted=dict(zip(structure.PLANTED, inputs.planted)),
            with_n=inputs.sequence or None,
            regions=inputs.regions,
            edge_bins=params.edge_bins,
            settings=from_dict(structure.Settings, params.settings),
            caller=structure.Caller.of(params.call, inputs.environment),
            threads=threads,
            labels=dict(wildcards),
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
