"""Loops of a balanced map by HiCExplorer's hicDetectLoops, as a BEDPE whose eighth column is -log10 of its p-value.

python call.py MAP.cool OUT.bedpe --max-bp 2000000 --window 5 --peak 2 --preselection 0.1 --p-value 0.025 --least 0.0001
    --over-expected 1.5 --environment trifold-hicexplorer --threads 1

hicDetectLoops is that of the environment, by conda, mamba or micromamba, or, without any of these, the one on PATH.
"""

import argparse
import math
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SMALLEST = 1e-300  # p-values below it are rounded to 0


def command(environment: str) -> list[str]:
    """Words that start hicDetectLoops; exits with the remedy where it is nowhere."""
    for conda in ("conda", "mamba", "micromamba"):
        if shutil.which(conda):
            return [conda, "run", "-n", environment, "hicDetectLoops"]
    if shutil.which("hicDetectLoops"):
        return ["hicDetectLoops"]
    sys.exit(
        "hicDetectLoops: neither it nor conda is on PATH; install conda and make the environment once: "
        f"conda env create -n {environment} -f programs/hicexplorer/environment.yaml"
    )


def bedpe(bedgraph: Path) -> list[str]:
    """Lines of its bedgraph (chrom start end, twice, and a p-value) as those of a BEDPE; nothing of a file that is not
    there, which is what it leaves without a loop."""
    lines = []
    for line in bedgraph.read_text().splitlines() if bedgraph.is_file() else []:
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split("\t")
        if len(words) < 7:
            sys.exit(f"hicDetectLoops: a line of {len(words)} columns, and seven are wanted: {line}")
        lines.append("\t".join([*words[:6], ".", str(-math.log10(max(float(words[6]), SMALLEST)))]))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map")
    parser.add_argument("out")
    settings = ("max-bp", "window", "peak", "preselection", "p-value", "least", "over-expected")
    for name in (*settings, "environment", "threads"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        called = Path(folder) / "loops.bedgraph"
        words = [*command(given.environment), "--matrix", given.map, "--outFileName", str(called)]
        words += ["--maxLoopDistance", given.max_bp, "--windowSize", given.window, "--peakWidth", given.peak]
        words += ["--pValuePreselection", given.preselection, "--pValue", given.p_value]
        words += ["--peakInteractionsThreshold", given.least, "--obsExpThreshold", given.over_expected]
        done = subprocess.run([*words, "--threads", given.threads])
        if done.returncode:
            sys.exit(done.returncode)
        Path(given.out).write_text("".join(line + "\n" for line in bedpe(called)))


if __name__ == "__main__":
    main()
