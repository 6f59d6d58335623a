"""Let a program of others make a whole map from a low one."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from trifold import log, programs, provenance
from trifold.io.cool import chromsizes_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(inputs, outputs, params, wildcards, threads) -> None:
    parameters = {"arm": params.arm.model(), "command": params.call["command"], "bin_bp": params.bin_bp}
    with (
        provenance.artifact(
            Path(outputs[0]).parent,
            "prediction",
            parameters=parameters | {"balance": params.balance, "assembly": params.assembly, "formats": params.formats},
            code=params.code,
            inputs=[inputs.low, *inputs.program, *inputs.environment],
        ) as partial,
        TemporaryDirectory() as folder,
    ):
        made = Path(folder) / "made.cool"
        programs.run(
            **params.call,
            environment=Path(inputs.environment[0]).parent if inputs.environment else None,
            map_path=inputs.low,
            out=made,
            bin_bp=params.bin_bp,
            threads=threads,
        )
        programs.keep_map(
            made,
            partial,
            bin_bp=params.bin_bp,
            chromsizes=chromsizes_of(inputs.low),
            balance=params.balance,
            facts={"arm": wildcards.arm, "architecture": params.arm.architecture},
            assembly=params.assembly,
            threads=threads,
            formats=params.formats,
        )


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards, snakemake.threads)
