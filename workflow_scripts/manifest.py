"""List every artifact of the experiment, and describe the run as an RO-Crate."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.report import crate

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    record = Path(outputs.record)
    root = record.parent
    with provenance.artifact(
        root,
        "manifest",
        parameters={"config": params.config},
        code=params.code,
        inputs=list(inputs),
        record=record.name,
    ) as partial:
        described = {"config": params.config, "datasets": params.datasets, "modules": params.modules}
        crate.write(partial, root, provenance.manifest(root), **described)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
