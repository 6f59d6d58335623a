"""Cut windows of one sample at one degradation and normalise them: a dataset directory."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Geometry, Recipes, from_dict
from trifold.data import examples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    parameters = {name: params[name] for name in ("geometry", "recipes", "coarsen", "with_counts")}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "examples",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.deep, inputs.low, *([inputs.sequence] if inputs.sequence else []), inputs.regions],
    ) as partial:
        examples.build(
            inputs.deep,
            inputs.low,
            Path(inputs.sequence).parent if inputs.sequence else None,
            inputs.regions,
            from_dict(Geometry, params.geometry),
            from_dict(Recipes, params.recipes),
            params.coarsen,
            partial,
            with_counts=params.with_counts,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
