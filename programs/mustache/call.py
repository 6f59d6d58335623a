"""Loops of a balanced map by Mustache, as a BEDPE whose eighth column is -log10 of the false discovery rate.

python call.py MAP.cool OUT.bedpe --bin-bp 5000 --max-bp 2000000 --fdr 0.1 --sparsity 0.88 --threads 1

It looks as far as 200 to 2,000 bins from the diagonal, and 2 Mb at most, whatever --max-bp says.
"""

import argparse
import math
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

# Mustache loads hic-straw, a reader of .hic files, whatever it reads; of a .cool it never calls it.
MUSTACHE = (
    "import sys, types; sys.modules['hicstraw'] = types.ModuleType('hicstraw'); "
    "from mustache.mustache import main; sys.exit(main())"
)
PLACES = ["BIN1_CHR", "BIN1_START", "BIN1_END", "BIN2_CHROMOSOME", "BIN2_START", "BIN2_END"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map")
    parser.add_argument("out")
    for name in ("bin-bp", "max-bp", "fdr", "sparsity", "threads"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        called = Path(folder) / "loops.tsv"
        words = ["-f", given.map, "-r", given.bin_bp, "-d", given.max_bp, "-pt", given.fdr, "-st", given.sparsity]
        words += ["-p", given.threads, "-o", str(called)]
        done = subprocess.run([sys.executable, "-c", MUSTACHE, *words])
        if done.returncode:
            sys.exit(done.returncode)
        # Without a loop it writes nothing, or a header.
        table = pd.read_csv(called, sep="\t", dtype=dict.fromkeys(PLACES, str)) if called.is_file() else None
    with open(given.out, "w") as out:
        for row in table.to_dict("records") if table is not None else []:
            score = -math.log10(max(row["FDR"], 1e-300))
            print(*(row[name] for name in PLACES), ".", score, sep="\t", file=out)


if __name__ == "__main__":
    main()
