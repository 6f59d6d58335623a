"""Turn the accessions of datasets.tsv into the addresses and checksums of datasets.lock.tsv."""

import os
from typing import TYPE_CHECKING

from trifold import log
from trifold.portals import resolve

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(params) -> None:
    bases = resolve.bases_of(os.environ.get("TRIFOLD_PORTALS", ""))
    resolve.update(params.table, params.lock, bases=bases)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.params)
