"""Bring a published checkpoint into a model's folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.models import stored

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    parameters = {"arm": params.arm, "geometry": params.geometry}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "model",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.checkpoint, *inputs.examples],
    ) as partial:
        stored.import_checkpoint(
            partial,
            name=wildcards.arm,
            arm=params.arm,
            geometry=params.geometry,
            checkpoint=Path(inputs.checkpoint),
            examples=Path(inputs.examples[0]).parent,
            version=partial.version,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
