"""Train one arm on one fold with one seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.training import checkpoints, job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    folder, seed = Path(outputs[0]).parent, int(wildcards.seed)
    models = [*inputs.backbones, *inputs.loss_networks, *inputs.pretrained]
    with provenance.artifact(
        folder,
        "model",
        parameters={"arm": params.arm, "geometry": params.geometry, "seed": seed},
        code=params.code,
        inputs=[*inputs.examples, *inputs.sequence, *inputs.tracks, *models],
        seed=seed,
        where=params.where,
    ) as partial:
        samples, tracks = len(params.arm["samples"]), [Path(path).parent for path in inputs.tracks]
        per_sample = len(tracks) // samples
        job.start(
            partial,
            name=wildcards.arm,
            arm=params.arm,
            geometry=params.geometry,
            seed=seed,
            examples=[Path(path).parent for path in inputs.examples],
            sequence=Path(inputs.sequence[0]).parent if inputs.sequence else None,
            tracks=[tracks[i * per_sample : (i + 1) * per_sample] for i in range(samples)] if tracks else [],
            backbones=dict(zip(params.arm["backbones"], (Path(path).parent for path in inputs.backbones))),
            loss_networks=dict(zip(params.arm["loss_networks"], (Path(path).parent for path in inputs.loss_networks))),
            pretrained=Path(inputs.pretrained[0]).parent if inputs.pretrained else None,
            checkpoints=checkpoints.begin(params.checkpoints, folder, partial),
            version=partial.version,
            where=params.where,
            threads=threads,
        )
    checkpoints.end(params.checkpoints, folder)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
