"""Whether one run of MIX-HIC beats another, as the config asks."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.papers.mixhic2025 import comparisons
from trifold.papers.mixhic2025.tables import by_run

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    record = Path(outputs[-1])
    with provenance.artifact(
        record.parent,
        "paper-comparisons",
        parameters={"comparisons": params.comparisons},
        code=params.code,
        inputs=inputs.predictions,
        record=record.name,
    ) as partial:
        frame = comparisons.make(params.comparisons, by_run(params.predictions))
        comparisons.write(frame, partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
