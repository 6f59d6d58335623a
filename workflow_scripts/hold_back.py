"""Make a map of the reads of the deep one that the low map does not have."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Degradation, from_dict
from trifold.data import degrade, summary

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    settings = from_dict(Degradation, params.degradation)
    with provenance.artifact(
        Path(outputs[0]).parent,
        "held-back contacts",
        # How wide the low map's bins are does not matter to what is left.
        parameters={"thin": settings.thin, "balance": params.balance},
        code=params.code,
        inputs=[inputs.map],
        seed=settings.seed,
    ) as partial:
        report = degrade.hold_back(inputs.map, partial / "map.cool", settings, balance=params.balance, threads=threads)
        summary.write(partial, report, inputs.map)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
