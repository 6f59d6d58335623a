"""Keep some test windows and what one model makes of them, for figures."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data.embeddings import EmbeddingStore
from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore
from trifold.keep_windows import keep
from trifold.models import stored

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, threads) -> None:
    parameters = {"arm": params.arm.model(), "geometry": params.geometry, "windows": params.windows}
    parameters["protocol"] = params.protocol
    examples = Path(inputs.examples[0]).parent
    folder = Path(inputs.model[0]).parent if inputs.model else None
    statistics = stored.read_statistics(examples)
    model, _ = stored.load_or_build(
        folder, params.arm.model(), lambda: statistics, bin_bp=statistics["geometry"]["bin_bp"]
    )
    sources = [*inputs.model, *inputs.examples, *inputs.sequence, *inputs.tracks, *inputs.embeddings]
    with provenance.artifact(
        Path(outputs[0]).parent, "windows", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        keep(
            partial,
            model=model,
            protocol=params.protocol,
            examples=examples,
            sequence=SequenceStore(Path(inputs.sequence[0]).parent) if inputs.sequence else None,
            tracks=[TrackStore(Path(path).parent) for path in inputs.tracks],
            reading={
                "track_bp": params.arm.track_bp,
                "strands": params.arm.strands,
                "embeddings": EmbeddingStore(Path(inputs.embeddings[0]).parent) if inputs.embeddings else None,
            },
            windows=params.windows,
            batch_size=params.batch_size,
            device=params.accelerator,
            threads=threads,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.threads)
