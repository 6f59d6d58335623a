"""Call loops and boundaries on the maps that enhanced ones are held against."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance, structure
from trifold.config import from_dict
from trifold.io import cool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    parameters = {"settings": params.settings, "edge_bins": params.edge_bins, "command": params.call["command"]}
    parameters |= {"truth": params.truth} if params.truth else {}
    truth, with_n = inputs.truth or None, inputs.sequence or None
    read = [inputs.deep, inputs.low, *inputs.planted, inputs.regions, *inputs.program, *inputs.environment]
    with provenance.artifact(
        Path(outputs[0]).parent,
        "structure",
        parameters=parameters,
        code=params.code,
        inputs=read + list(filter(None, (truth, with_n))),
        seed=params.settings["seed"],
    ) as partial:
        structure.call_references(
            partial,
            deep=inputs.deep,
            low=inputs.low,
            truth=cool.uri(truth, params.truth) if truth else None,
            planted=dict(zip(structure.PLANTED, inputs.planted)),
            with_n=with_n,
            regions=inputs.regions,
            edge_bins=params.edge_bins,
            settings=from_dict(structure.Settings, params.settings),
            caller=structure.Caller.of(params.call, inputs.environment),
            threads=threads,
            labels=params.labels,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
