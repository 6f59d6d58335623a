"""Score one predicted map on the test regions."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Geometry, ObservedRecipe, OERecipe, Scoring, from_dict
from trifold.evaluate import evaluate
from trifold.io import cool

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards) -> None:
    parameters = {"geometry": params.geometry, "recipes": params.recipes, "scoring": params.scoring}
    parameters |= {"truth": params.truth} if params.truth else {}
    sources = [inputs.prediction, inputs.deep, inputs.low, inputs.regions, inputs.statistics]
    truth, with_n = inputs.truth or None, inputs.sequence or None
    with provenance.artifact(
        Path(outputs[0]).parent,
        "metrics",
        parameters=parameters,
        code=params.code,
        inputs=sources + list(filter(None, (truth, with_n))),
    ) as partial:
        evaluate(
            partial,
            prediction=inputs.prediction,
            deep=inputs.deep,
            low=inputs.low,
            truth=cool.uri(truth, params.truth) if truth else None,
            with_n=with_n,
            regions=inputs.regions,
            statistics=inputs.statistics,
            geometry=from_dict(Geometry, params.geometry),
            oe_recipe=from_dict(OERecipe, params.recipes["oe"]),
            observed_recipe=from_dict(ObservedRecipe, params.recipes["observed"]),
            scoring=from_dict(Scoring, params.scoring),
            labels=dict(wildcards),
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
