"""Gain over a reference arm against the depth of the low map: table and figures."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.io.tables import read_table
from trifold.report import depth

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    folder = Path(inputs.tables).parent
    with provenance.artifact(
        Path(outputs[0]).parent,
        "depth",
        parameters={"depth": params.chosen, "degradations": params.degradations},
        code=params.code,
        inputs=[inputs.tables],
    ) as partial:
        tables = {name: read_table(folder / f"{name}.tsv") for name in ("scores", "comparisons", "windows", "distance")}
        chosen, degradations = params.chosen, params.degradations
        gain = depth.gain(tables["scores"], tables["comparisons"], tables["windows"], chosen, degradations)
        by_distance = depth.gain_by_distance(tables["distance"], chosen, degradations)
        depth.write(partial, gain, by_distance, chosen)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
