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
        parameters={"balance": params.balance} | ({} if inputs.low else {"thin": settings.thin}),
        code=params.code,
        inputs=[inputs.map, *([inputs.low] if inputs.low else [])],
        seed=None if inputs.low else settings.seed,
    ) as partial:
        made = {"balance": params.balance, "threads": threads}
        if inputs.low:
            report = degrade.take_away(inputs.map, inputs.low, partial / "map.cool", **made)
        else:
            report = degrade.hold_back(inputs.map, partial / "map.cool", settings, **made)
        summary.write(partial, report, inputs.map)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
