"""Loops of a balanced map by Peakachu's own command, as a BEDPE whose eighth column is the forest's probability.

python call.py MAP.cool LOOPS.bedpe OUT.bedpe --bin-bp 5000 --lower 6 --upper 300 --probability 0.5 --threshold 0.9
    --seed 1 --threads 1

LOOPS: what the forests are trained on, several joined by the colon of PATH; of chromosomes longer than 5 Mb, as far as
which Peakachu draws its negatives. A chromosome is scored by the forest that has not seen it, unless it has fewer than
100 balanced bins; pixels above the probability are pooled to loops, of those above the threshold.
"""

import argparse
import gzip
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cooler

NEGATIVES_BP = 5_000_000  # Peakachu passes over a chromosome that is not longer
MIN_BINS = 100  # balanced ones, of a chromosome that is scored: with few Peakachu finds nothing to expect, and stops


def prefixed(chrom: str) -> str:
    """A chromosome as Peakachu calls it."""
    return "chr" + chrom.lstrip("chr")


def listed(paths: str) -> list[list[str]]:
    """First six columns of BEDPEs, tab-separated, headers left out."""
    rows = []
    for path in paths.split(os.pathsep):
        with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
            words = [line.rstrip("\n").split("\t") for line in file]
        rows += [row[:6] for row in words if len(row) >= 6 and row[1].isdigit()]
    return rows


def peakachu(seed: str, *words: str | Path) -> None:
    """One of its commands; what it prints of every forest that it tries is no news in a log."""
    run = [sys.executable, str(Path(__file__).with_name("run.py")), seed, *map(str, words)]
    done = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("[CV]")]
    print("\n".join(lines if not done.returncode else lines[-20:]), flush=True)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("map", "loops", "out"):
        parser.add_argument(name)
    for name in ("bin-bp", "lower", "upper", "probability", "threshold", "seed", "threads"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    clr, rows = cooler.Cooler(given.map), listed(given.loops)
    chroms = clr.chromnames
    looped = {prefixed(row[0]) for row in rows}
    taught = [chrom for chrom in chroms if prefixed(chrom) in looped and clr.chromsizes[chrom] > NEGATIVES_BP]
    if len(taught) < 2:
        sys.exit(
            f"{given.map}: loops of {len(taught)} chromosomes longer than {NEGATIVES_BP:,} bp, and Peakachu learns a "
            "chromosome's from the others': give a genome of larger ones, or use the architecture peakachu"
        )
    balanced = clr.bins()[["chrom", "weight"]][:].dropna()["chrom"].value_counts()
    scored = [chrom for chrom in chroms if balanced.get(chrom, 0) >= MIN_BINS]
    of_map = ["-r", given.bin_bp, "-p", given.map, "--clr-weight-name", "weight"]
    with TemporaryDirectory() as place:
        folder = Path(place)
        loops, models, scores = (folder / name for name in ("loops.bedpe", "models", "scores.bedpe"))
        loops.write_text("".join("\t".join(row) + "\n" for row in rows))
        peakachu(given.seed, "train", *of_map, "-b", loops, "-O", models, "--nproc", given.threads)
        found = []
        for chrom in scored:
            own = folder / "own.bedpe"
            model = models / f"{prefixed(chrom)}.pkl"
            reach = ["-l", given.lower, "-u", given.upper, "--minimum-prob", given.probability]
            peakachu(given.seed, "score_chromosome", "-C", chrom, "-m", model, *of_map, *reach, "-O", own)
            found += own.read_text().splitlines() if own.exists() else []
        scores.write_text("".join(line + "\n" for line in found))
        pooled = folder / "pooled.bedpe"
        # It cannot pool nothing.
        if any(float(line.split("\t")[6]) > float(given.threshold) for line in found):
            peakachu(given.seed, "pool", "-r", given.bin_bp, "-i", scores, "-o", pooled, "-t", given.threshold)
        names = {prefixed(chrom): chrom for chrom in chroms}
        with open(given.out, "w") as out:
            for line in pooled.read_text().splitlines() if pooled.exists() else []:
                chrom, start, end, _, other_start, other_end, probability, _ = line.split("\t")
                own = names[chrom]
                print(own, start, end, own, other_start, other_end, ".", probability, sep="\t", file=out)


if __name__ == "__main__":
    main()
