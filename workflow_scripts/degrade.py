"""Make the low map from the deep one, or take the one that was measured."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Degradation, from_dict
from trifold.data import contacts, degrade, summary
from trifold.data.sequence import read_chromosomes
from trifold.io import cool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    settings = from_dict(Degradation, params.degradation)
    parameters = {"degradation": params.degradation, "balance": params.balance, "measured": bool(inputs.measured)}
    if inputs.measured:
        parameters |= {"bin_bp": params.bin_bp, "genome": params.genome}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "low contacts",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.measured or inputs.map, inputs.sequence],
        seed=settings.seed,
    ) as partial:
        if inputs.measured:
            report = contacts.prepare(
                cool.uri(inputs.measured, params.genome["group"]),
                partial / "map.cool",
                params.bin_bp * settings.coarsen,
                read_chromosomes(inputs.sequence),
                assembly=params.genome["assembly"],
                exclude=params.genome["exclude"],
                rename=params.genome["rename"],
                balance=params.balance,
                threads=threads,
            )
            (partial / "checks.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
            summary.write(partial, report, inputs.measured, deep=Path(inputs.map))
        else:
            report = degrade.degrade(
                inputs.map, partial / "map.cool", settings, balance=params.balance, threads=threads
            )
            summary.write(partial, report, inputs.map)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
