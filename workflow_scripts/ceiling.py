"""How good a score can be: halves of the target's reads against each other."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import ceiling, log, provenance
from trifold.config import Ceiling, Geometry, ObservedRecipe, OERecipe, Scoring, from_dict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    parameters = {name: params[name] for name in ("geometry", "recipes", "scoring", "ceiling")}
    with_n = inputs.sequence or None
    with provenance.artifact(
        Path(outputs[0]).parent,
        "ceiling",
        parameters=parameters,
        code=params.code,
        inputs=[inputs.deep, inputs.low, inputs.regions, inputs.statistics, *([with_n] if with_n else [])],
        seed=params.ceiling["seed"],
    ) as partial:
        ceiling.write(
            partial,
            deep=inputs.deep,
            low=inputs.low,
            with_n=with_n,
            regions=inputs.regions,
            statistics=inputs.statistics,
            geometry=from_dict(Geometry, params.geometry),
            oe_recipe=from_dict(OERecipe, params.recipes["oe"]),
            observed_recipe=from_dict(ObservedRecipe, params.recipes["observed"]),
            scoring=from_dict(Scoring, params.scoring),
            ceiling=from_dict(Ceiling, params.ceiling),
            labels=dict(wildcards),
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
