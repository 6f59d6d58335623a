"""Score one model on the windows of its data set, role by role."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.config import Scoring, from_dict
from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore
from trifold.models import stored
from trifold.score_windows import score

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    parameters = {"arm": params.arm, "geometry": params.geometry, "scoring": params.scoring}
    parameters["protocol"] = wildcards.protocol
    examples = Path(inputs.examples).parent
    labels = {name: wildcards[name] for name in ("arm", "fold", "seed", "sample")}
    if inputs.model:
        model = stored.load_arm(Path(inputs.model[0]).parent)[0]
    else:
        model = stored.build_arm(params.arm, params.geometry, stored.read_statistics(examples))
    sources = [*inputs.model, inputs.examples, *inputs.sequence, *inputs.tracks]
    with provenance.artifact(
        Path(outputs[0]).parent, "scores", parameters=parameters, code=params.code, inputs=sources
    ) as partial:
        score(
            partial,
            model=model,
            protocol=wildcards.protocol,
            examples=examples,
            sequence=SequenceStore(Path(inputs.sequence[0]).parent) if inputs.sequence else None,
            tracks=[TrackStore(Path(path).parent) for path in inputs.tracks],
            scoring=from_dict(Scoring, params.scoring),
            labels={"degradation": params.arm["degradation"], **labels},
            batch_size=params.batch_size,
            device=params.accelerator,
            threads=threads,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
