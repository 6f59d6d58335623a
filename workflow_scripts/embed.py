"""Run a language model over the genome and keep a vector per bin."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data import language_models
from trifold.data.sequence import SequenceStore
from trifold.device import device_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    settings = language_models.Settings(**params.settings)
    # Where the model lies is no part of what the vectors are: its files are.
    what = {name: value for name, value in params.settings.items() if name != "model"}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "embeddings",
        parameters={"embeddings": what, "bin_bp": params.bin_bp},
        code=params.code,
        inputs=[inputs.sequence, *inputs.model],
    ) as partial:
        files = sorted(partial.made.inputs[str(path)] for path in inputs.model)
        language_models.prepare(
            language_models.load(settings, device_of(params.accelerator), threads),
            SequenceStore(Path(inputs.sequence).parent),
            partial,
            Path(params.unfinished) / partial.version,
            settings,
            bin_bp=params.bin_bp,
            name=wildcards.embedding,
            identity=provenance.digest_text(json.dumps([what, params.bin_bp, files], sort_keys=True)),
            batch_size=params.batch_size,
        )
    language_models.clean(params.unfinished, wildcards.embedding)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
