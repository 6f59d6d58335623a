"""Figure 1 of Lau 2025: the losses of every fine-tuning."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.papers import lau2025
from trifold.report import figures

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    with provenance.artifact(
        Path(outputs[-1]).parent,
        "paper-figures",
        parameters={"panels": params.panels},
        code=params.code,
        inputs=list(inputs.histories),
    ) as partial:
        runs = [pd.read_csv(row["path"]).assign(arm=row["arm"], seed=row["seed"]) for row in params.histories]
        figure = lau2025.figure1(pd.concat(runs, ignore_index=True), params.panels, params.arms)
        figures.save(figure, partial / "figure1")


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
