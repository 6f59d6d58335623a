"""Draw the figures and write the page."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.report import build, kriukov2021, lau2025

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    page = Path(outputs.page)
    data = build.ReportData.read(Path(inputs.tables).parent, params.histories)
    parameters = {"config": params.config}
    sources = [inputs.tables, *inputs.models, *inputs.maps, *inputs.low, inputs.deep, inputs.examples]
    with provenance.artifact(
        Path(outputs.figures), "figures", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        panels = build.draw(
            partial,
            data,
            config=params.config,
            shown=params.shown,
            maps=inputs.maps,
            low=dict(zip(params.config["degradations"], inputs.low)),
            deep=inputs.deep,
            truth=inputs.truth or None,
            examples=Path(inputs.examples).parent,
            sequence=Path(inputs.sequence).parent,
            tracks=dict(zip(params.tracks, (Path(path).parent for path in inputs.tracks))),
            motifs=inputs.motifs or None,
        )
    papers = []
    if inputs.kriukov2021:
        papers.append(kriukov2021.section([kriukov2021.read(path) for path in inputs.kriukov2021]))
    if inputs.lau2025:
        papers.append(lau2025.section(*lau2025.read(Path(inputs.lau2025[0]).parent)))
    with provenance.artifact(
        page.parent, "report", parameters=parameters, code=params.code, inputs=[*sources, outputs.figures]
    ) as partial:
        build.write_page(
            partial,
            data,
            panels,
            config=params.config,
            manifest=provenance.manifest(page.parent.parent),
            datasets=pd.DataFrame(params.datasets),
            papers=papers,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
