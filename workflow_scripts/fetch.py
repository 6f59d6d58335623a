"""Download one file, verified; its origin is recorded beside it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log
from trifold.portals import download

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(outputs, params) -> None:
    target = Path(outputs[0])
    mirrors = os.environ.get("TRIFOLD_MIRROR", "").split() + list(params.mirrors)
    report = download.fetch(params.row, target, mirrors)
    record = target.with_name(f".{target.name}.origin.json")
    record.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.output, snakemake.params)
