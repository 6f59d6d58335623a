"""Score one arm on the windows of one sample, as its task says."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Scoring, from_dict
from trifold.data.given import Given

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    data = {name: inputs[name] for name in ("examples", "pairs", "bands", "tracks", "sequence", "embeddings")}
    labels = {name: wildcards[name] for name in ("arm", "fold", "seed", "sample")}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "scores",
        parameters={
            "arm": params.arm.model(),
            "geometry": params.geometry,
            "scoring": params.scoring,
            "protocol": params.protocol,
            **labels,
        },
        code=params.code,
        inputs=[*inputs.model, *(path for paths in data.values() for path in paths)],
        seed=int(wildcards.seed),
    ) as partial:
        import_module(params.parts["scoring"]).score(
            partial,
            arm=params.arm,
            model=Path(inputs.model[0]).parent if inputs.model else None,
            given=Given.of_files([wildcards.sample], **data),
            geometry=params.geometry,
            protocol=params.protocol,
            scoring=from_dict(Scoring, params.scoring) if params.scoring else None,
            labels={"degradation": params.arm.degradation, **labels},
            seed=int(wildcards.seed),
            batch_size=params.batch_size,
            device=params.where["accelerator"],
            workers=params.where["workers"],
            threads=threads,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
