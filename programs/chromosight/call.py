"""Loops of a balanced map by ChromoSight, as a BEDPE whose eighth column is the correlation with the template.

python call.py MAP.cool OUT.bedpe --min-bp 20000 --max-bp 2000000 --pearson 0.3 --threads 1
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

COLUMNS = ["chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map")
    parser.add_argument("out")
    for name in ("--min-bp", "--max-bp", "--pearson", "--threads"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        prefix = Path(folder) / "loops"
        words = ["chromosight", "detect", "--pattern", "loops", "--no-plotting", "--threads", given.threads]
        words += ["--min-dist", given.min_bp, "--max-dist", given.max_bp, "--pearson", given.pearson, given.map, prefix]
        done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # Its progress bars are no news in a log.
        print("\n".join(line for line in done.stdout.splitlines() if line.strip() and "%" not in line))
        if done.returncode:
            sys.exit(done.returncode)
        # Without a loop it writes nothing.
        called = Path(f"{prefix}.tsv")
        table = pd.read_csv(called, sep="\t") if called.is_file() else pd.DataFrame(columns=COLUMNS)
    table.assign(name=".").reindex(columns=COLUMNS).to_csv(given.out, sep="\t", header=False, index=False)


if __name__ == "__main__":
    main()
