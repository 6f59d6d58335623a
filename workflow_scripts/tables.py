"""Gather the scores of every run, summarise and compare them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.config import CEILINGS
from trifold.io.tables import read_table
from trifold.metrics import aggregate
from trifold.report import tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    parameters = {"arms": params.arms, "comparison": params.comparison}
    folders = [Path(path).parent for path in inputs.metrics]
    ceilings = [Path(path).parent for path in inputs.ceilings]
    with provenance.artifact(
        Path(outputs[0]).parent,
        "tables",
        parameters=parameters,
        code=params.code,
        inputs=[*folders, *ceilings],
    ) as made:
        whole = {
            name: pd.concat([read_table(folder / f"{name}.tsv") for folder in [*folders, *ceilings]], ignore_index=True)
            for name in ("windows", "regions", "distance")
        }
        of_arms = whole["windows"][~whole["windows"]["arm"].isin(CEILINGS)]
        whole["scores"] = aggregate.summarise(whole["windows"])
        reference_arms = tables.references(whole["scores"], params.arms, params.comparison["reference_arms"])
        whole["comparisons"] = aggregate.compare(of_arms, reference_arms, partial(tables.comparable, params.arms))
        for name, table in whole.items():
            table.to_csv(made / f"{name}.tsv", sep="\t", index=False, float_format="%.8g")
        summary = tables.summary_table(
            whole["scores"],
            whole["comparisons"],
            params.arms,
            reference_arms=reference_arms,
            test_regions=tables.name_regions(whole["regions"]),
        )
        tables.write(summary, "summary", made)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
