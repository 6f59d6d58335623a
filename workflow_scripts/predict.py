"""Enhance whole chromosomes with one arm and write them as a map."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Geometry, Recipes, from_dict
from trifold.data.sequence import SequenceStore, read_chromosomes
from trifold.data.splits import chromosomes_of
from trifold.data.tracks import TrackStore
from trifold.inference import predict
from trifold.models import stored

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    parameters = {"arm": params.arm, "geometry": params.geometry, "predict": params.predict}
    sources = [*inputs.model, *inputs.low, inputs.sequence, *inputs.tracks, *inputs.regions, *inputs.examples]
    chromsizes = read_chromosomes(inputs.sequence)
    if inputs.model:
        model, frozen, statistics = stored.load_arm(Path(inputs.model[0]).parent)
        metadata = {"arm": params.name, "architecture": params.arm["architecture"], "version": frozen["version"]}
    else:
        statistics = json.loads(Path(inputs.examples[0]).read_text())
        model = stored.build_arm(params.arm, params.geometry, statistics).eval()
        metadata = {"arm": params.name, "architecture": params.arm["architecture"]}
    settings = params.predict
    with provenance.artifact(
        Path(outputs[0]).parent, "prediction", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        predict(
            model,
            partial,
            chromsizes=chromsizes,
            chromosomes=list(chromsizes) if settings["roles"] == "all" else chromosomes_of(inputs.regions[0], "test"),
            geometry=from_dict(Geometry, params.geometry),
            recipes=from_dict(Recipes, params.recipes),
            statistics=statistics,
            low_map=inputs.low[0] if inputs.low else None,
            coarsen=params.coarsen,
            sequence=SequenceStore(Path(inputs.sequence).parent),
            tracks=[TrackStore(Path(path).parent) for path in inputs.tracks],
            stride_bins=settings["stride_bins"],
            batch_size=settings["batch_size"],
            device=params.accelerator,
            precision=settings["precision"],
            threads=threads,
            metadata=metadata,
            assembly=params.assembly,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
