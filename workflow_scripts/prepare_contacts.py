"""Check, repair and balance one map at one resolution."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import contacts, summary
from trifold.data.sequence import read_chromosomes
from trifold.io import cool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    parameters = {"bin_bp": params.bin_bp, "genome": params.genome, "balance": params.balance}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "contacts",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.map, *inputs.sequence],
    ) as partial:
        report = contacts.prepare(
            cool.uri(inputs.map, params.genome["group"]),
            partial / "map.cool",
            params.bin_bp,
            read_chromosomes(inputs.sequence[0]) if inputs.sequence else None,
            assembly=params.genome["assembly"],
            exclude=params.genome["exclude"],
            rename=params.genome["rename"],
            balance=params.balance,
            threads=threads,
        )
        (partial / "checks.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
        summary.write(partial, report, inputs.map)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
