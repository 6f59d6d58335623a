"""Compare all that was made with its records; with `mend`, delete what is damaged."""

import logging
from typing import TYPE_CHECKING

from trifold import log, provenance
from trifold.errors import InputError

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

logger = logging.getLogger("verify")


def main(params) -> None:
    damaged, absent = provenance.verify(params.results)
    for path in absent:
        logger.warning("%s is not there any more; what was made from it is whole", path)
    if damaged and not params.mend:
        for artifact in damaged:
            logger.error("%s: %s", artifact.name, artifact.what)
        raise InputError(f"{params.results}: damaged, {len(damaged)} in all (above); `snakemake mend` removes them")
    provenance.remove(damaged)
    for artifact in damaged:
        logger.warning("%s: removed; ask for it by name, or it is made again when something needs it", artifact.name)
    if not damaged:
        logger.info("%s: whole", params.results)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.params)
