"""Draw the figures and write the page."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.io import cool
from trifold.report import build, sections

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params) -> None:
    page = Path(outputs.page)
    root = page.parent.parent
    data = build.ReportData.read(Path(inputs.tables).parent, params.histories)
    parameters = {"config": params.config}
    sources = [inputs.tables, *inputs.models, *inputs.maps, *inputs.low, inputs.deep, *inputs.examples]
    sources += [*inputs.sequence, *inputs.tracks, *filter(None, (inputs.truth, inputs.motifs))]
    sources += [*inputs.summaries, *inputs.own_maps, *inputs.enhanced]
    facts = build.gather(
        params.config,
        summaries=dict(zip(params.evaluated, inputs.summaries)),
        own=dict(zip(params.enhance, zip(inputs.own_summaries, inputs.enhanced))),
        enhance=params.enhance,
        datasets=params.datasets,
        inputs=[*sources, *inputs.sections],
        models=inputs.models,
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
            truth=cool.uri(inputs.truth, params.truth) if inputs.truth else None,
            examples=dict(zip(params.config["degradations"], (Path(path).parent for path in inputs.examples))),
            sequence=Path(inputs.sequence[0]).parent if inputs.sequence else None,
            tracks=dict(zip(params.tracks, (Path(path).parent for path in inputs.tracks))),
            motifs=inputs.motifs or None,
        )
        own_maps = dict(zip(params.enhance, zip(inputs.own_maps, inputs.enhanced)))
        facts = build.draw_maps(partial, facts, own_maps, params.config["geometry"]["window_bins"])
    sources += [outputs.figures, *inputs.sections]
    with provenance.artifact(page.parent, "report", parameters=parameters, code=params.code, inputs=sources) as partial:
        manifest = provenance.manifest(root)
        build.write_page(
            partial,
            data,
            drawings,
            config=params.config,
            manifest=manifest,
            facts=facts,
            sections=[sections.read(path) for path in inputs.sections],
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
