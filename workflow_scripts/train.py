"""Train one arm on one fold with one seed."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.data.given import Given
from trifold.training import checkpoints, job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    folder, seed, arm = Path(outputs[0]).parent, int(wildcards.seed), params.arm
    data = {name: inputs[name] for name in ("examples", "maps", "pairs", "bands", "tracks", "sequence", "embeddings")}
    models = [*inputs.backbones, *inputs.loss_networks, *inputs.pretrained]
    with provenance.artifact(
        folder,
        "model",
        parameters={"arm": arm.model(), "geometry": params.geometry, "seed": seed},
        code=params.code,
        inputs=[*(path for paths in data.values() for path in paths), *models],
        seed=seed,
        where=params.where,
    ) as partial:
        job.start(
            partial,
            arm=arm,
            parts=params.parts,
            geometry=params.geometry,
            seed=seed,
            given=Given.of_files(arm.samples, **data),
            backbones=dict(zip(arm.backbones, (Path(path).parent for path in inputs.backbones))),
            loss_networks=dict(zip(arm.loss_networks, (Path(path).parent for path in inputs.loss_networks))),
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
