"""Gather the scores of structure, draw what was called, and write the page's section."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from trifold import log, provenance
from trifold.io.tables import read_table
from trifold.report import sections, structure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TEXT: dict[str, type] = dict.fromkeys(("degradation", "arm", "fold", "sample"), str)


def main(inputs, outputs, params) -> None:
    made = {"parameters": {"arms": params.arms, "settings": params.settings}, "code": params.code}
    scores, record = [*inputs.maps, *inputs.arms], Path(outputs[-1])
    shown = [
        structure.Shown(evaluation, prediction, Path(called).parent, Path(known).parent, deep, low)
        for evaluation, prediction, called, known, deep, low in zip(
            params.shown, inputs.predictions, inputs.called, inputs.known, inputs.deep, inputs.low
        )
    ]
    rows = pd.concat([read_table(path, dtype=TEXT) for path in scores], ignore_index=True)
    stretches = pd.concat(
        [read_table(Path(path).with_name("stretches.tsv"), dtype=TEXT) for path in scores], ignore_index=True
    )
    summary, spreads = structure.summarise(rows), structure.spread(stretches)
    compared = structure.compare(stretches, params.arms)
    with provenance.artifact(record.parent, "tables", inputs=scores, record=record.name, **made) as partial:
        summary = summary.merge(spreads, how="left", on=structure.KEYS)
        summary.to_csv(partial / "structure.tsv", sep="\t", index=False, float_format="%.8g")
        compared.to_csv(partial / "structure_comparison.tsv", sep="\t", index=False, float_format="%.8g")
    maps = dict.fromkeys([*inputs.predictions, *inputs.deep, *inputs.low])
    with provenance.artifact(Path(outputs[0]).parent, "section", inputs=[record, *scores, *maps], **made) as partial:
        drawn = structure.draw(partial, shown, params.arms, params.settings)
        sections.write(structure.section(summary, compared, params.arms, params.settings, drawn), partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
