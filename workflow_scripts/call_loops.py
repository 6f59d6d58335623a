"""Let a program of others find the loops of a map, and hold those of the test chromosomes against what was seen."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, loops, programs, provenance

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    names = ("bin_bp", "max_loop_bins", "settings", "rename")
    parameters = {name: getattr(params, name) for name in names}
    called_by = {"name": wildcards.arm, "arm": params.arm.model(), "command": params.call["command"]}
    with provenance.artifact(
        Path(outputs[0]).parent,
        "loops",
        parameters={**called_by, "sample": wildcards.sample, **parameters},
        code=params.code,
        inputs=[inputs.map, *inputs.program, *inputs.environment, inputs.regions, *inputs.seen],
    ) as partial:
        called = partial / "called.bedpe"
        programs.run(
            **params.call,
            environment=Path(inputs.environment[0]).parent if inputs.environment else None,
            map_path=inputs.map,
            out=called,
            bin_bp=params.bin_bp,
            threads=threads,
            loops=inputs.seen,
        )
        loops.take(
            partial,
            called,
            arm=params.arm,
            sample=wildcards.sample,
            map_path=inputs.map,
            regions=inputs.regions,
            seen=inputs.seen,
            **parameters,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
