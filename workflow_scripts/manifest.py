"""List every artifact of the experiment."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from trifold import log, provenance

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(outputs) -> None:
    target = Path(outputs[0])
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(provenance.manifest(target.parent), indent=1) + "\n")
    os.replace(partial, target)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.output)
