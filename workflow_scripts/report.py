"""Draw the figures and write the page."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.report import build, kriukov2021, lau2025, mixhic2025, mixhic2025_comparisons

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    page = Path(outputs.page)
    root = page.parent.parent
    data = build.ReportData.read(Path(inputs.tables).parent, params.histories)
    parameters = {"config": params.config}
    sources = [inputs.tables, *inputs.models, *inputs.maps, *inputs.low, inputs.deep, inputs.examples]
    sources += [*inputs.sequence, *inputs.tracks, *filter(None, (inputs.truth, inputs.motifs))]
    sources += [*inputs.summaries, *inputs.own, *inputs.enhanced]
    papers, of_papers = sections(inputs)
    facts = build.gather(
        params.config,
        summaries=dict(zip(params.evaluated, inputs.summaries)),
        own=dict(zip(params.enhance, zip(inputs.own_summaries, inputs.enhanced))),
        enhance=params.enhance,
        datasets=params.datasets,
        inputs=[*sources, *of_papers],
        root=root,
    )
    with provenance.artifact(
        Path(outputs.figures), "figures", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        drawings = build.draw(
            partial,
            data,
            config=params.config,
            shown=params.shown,
            maps=inputs.maps,
            low=dict(zip(params.config["degradations"], inputs.low)),
            deep=inputs.deep,
            truth=inputs.truth or None,
            examples=Path(inputs.examples).parent,
            sequence=Path(inputs.sequence[0]).parent if inputs.sequence else None,
            tracks=dict(zip(params.tracks, (Path(path).parent for path in inputs.tracks))),
            motifs=inputs.motifs or None,
        )
        own = dict(zip(params.enhance, zip(inputs.own, inputs.enhanced)))
        facts = build.draw_maps(partial, facts, own, params.config["geometry"]["window_bins"])
    sources += [outputs.figures, *of_papers]
    with provenance.artifact(page.parent, "report", parameters=parameters, code=params.code, inputs=sources) as partial:
        manifest = provenance.manifest(root)
        build.write_page(partial, data, drawings, config=params.config, manifest=manifest, facts=facts, papers=papers)


def sections(inputs) -> tuple[list, list[Path]]:
    """What the page says of each paper, and the records of the tables it says it from."""
    papers = []
    if inputs.kriukov2021:
        papers.append(kriukov2021.section([kriukov2021.read(path) for path in inputs.kriukov2021]))
    if inputs.lau2025:
        papers.append(lau2025.section(*lau2025.read(Path(inputs.lau2025[0]).parent)))
    if inputs.mixhic2025 or inputs.mixhic2025_compared:
        compared = [mixhic2025_comparisons.read(path) for path in inputs.mixhic2025_compared]
        comparisons = [table for frame in compared for table, _ in mixhic2025_comparisons.parts(frame)]
        papers.append(mixhic2025.section([mixhic2025.read(path) for path in inputs.mixhic2025], comparisons))
    tables = (*inputs.kriukov2021, *inputs.lau2025, *inputs.mixhic2025, *inputs.mixhic2025_compared)
    return papers, [Path(path).with_suffix(f".{provenance.RECORD}") for path in tables]


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
