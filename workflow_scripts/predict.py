"""Enhance whole chromosomes with one arm and write them as a map."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data.embeddings import EmbeddingStore
from trifold.data.sequence import SequenceStore, read_chromosomes
from trifold.data.splits import chromosomes_of
from trifold.data.tracks import TrackStore
from trifold.inference import enhance
from trifold.io.cool import in_order_of
from trifold.models import ready

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    parameters = {name: getattr(params, name) for name in ("arm", "geometry", "predict", "ignore_diags")}
    sources = [*inputs.model, *inputs.low, *inputs.order, *inputs.sequence]
    sources += [*inputs.tracks, *inputs.embeddings, *inputs.regions, *inputs.examples]
    genome = read_chromosomes(inputs.sequence[0]) if inputs.sequence else {}
    chromsizes = in_order_of(inputs.order[0], genome)
    if inputs.model:
        model = ready.of_folder(Path(inputs.model[0]).parent, params.name)
    else:
        model = ready.of_arm(params.arm, params.name, Path(inputs.examples[0]).parent)
    model = model.for_map(inputs.low[0]) if inputs.low else model
    model.check_bins(params.geometry["bin_bp"])
    settings = params.predict
    with provenance.artifact(
        Path(outputs[0]).parent, "prediction", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        enhance(
            model,
            partial,
            chromsizes=chromsizes,
            chromosomes=list(chromsizes) if settings["roles"] == "all" else chromosomes_of(inputs.regions[0], "test"),
            low_map=inputs.low[0] if inputs.low else None,
            sequence=SequenceStore(Path(inputs.sequence[0]).parent) if inputs.sequence else None,
            tracks=[TrackStore(Path(path).parent) for path in inputs.tracks],
            embeddings=EmbeddingStore(Path(inputs.embeddings[0]).parent) if inputs.embeddings else None,
            stride_bins=settings["stride_bins"],
            batch_size=settings["batch_size"],
            device=params.accelerator,
            precision=settings["precision"],
            threads=threads,
            ignore_diags=params.ignore_diags,
            assembly=params.assembly,
            formats=settings["formats"],
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
