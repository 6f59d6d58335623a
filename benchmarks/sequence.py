"""Reading sequence: 1-Mb windows of the prepared codes over pyfaidx, at equal values in one run.

The reference reads each window with pyfaidx and makes it one-hot, float32 (4, L), with NumPy alone; or it encodes the
letters with this package's table, which leaves the reading itself to compare. Codes alone are what the data loader
reads: models make them one-hot on their device. Each ratio is the median over windows that both read in turn; fails
where windows differ or a ratio is below its bound.

    python -m benchmarks.sequence
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pyfaidx

from trifold.data import sequence
from trifold.genome import encode

CHROMOSOMES = {"chr1": 8_000_000, "chr2": 4_000_000}
WINDOW_BP, WINDOWS = 1_000_000, 20


def write_fasta(path: Path, rng: np.random.Generator, line_bp: int = 80) -> None:
    """Random bases, a third of them soft-masked, and 200 kb of N per chromosome."""
    with open(path, "wb") as handle:
        for name, length_bp in CHROMOSOMES.items():
            letters = np.frombuffer(b"ACGTACGTacgt", dtype=np.uint8)[rng.integers(0, 12, length_bp)]
            letters[1_000_000:1_200_000] = ord("N")
            ends = np.full((length_bp // line_bp, 1), ord("\n"), dtype=np.uint8)
            handle.write(f">{name}\n".encode())
            handle.write(np.hstack([letters.reshape(-1, line_bp), ends]).tobytes())


def one_hot(codes: np.ndarray) -> np.ndarray:
    """float32 (4, L) of base codes; N is four zeros."""
    return (codes == np.arange(4, dtype=np.uint8)[:, None]).astype(np.float32)


def one_hot_of_letters(letters: str) -> np.ndarray:
    """The same with NumPy alone."""
    bases = np.frombuffer(letters.upper().encode(), dtype="S1")
    return np.stack([bases == base for base in (b"A", b"C", b"G", b"T")]).astype(np.float32)


def timed(function: Callable, place: tuple[str, int]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    result = function(*place)
    return result, time.perf_counter() - start


def compare(ours: Callable, theirs: Callable, places: list[tuple[str, int]]) -> float:
    """Median ratio of their time to ours. Raises AssertionError where one window differs."""
    ratios = []
    for place in places:
        (reference, their_s), (result, our_s) = timed(theirs, place), timed(ours, place)
        np.testing.assert_array_equal(result, reference, strict=True)
        ratios.append(their_s / our_s)
    return median(ratios)


def rows() -> list[dict]:
    rng = np.random.default_rng(1)
    places = [
        (chrom, int(rng.integers(0, CHROMOSOMES[chrom] - WINDOW_BP))) for chrom in ("chr1", "chr2") * (WINDOWS // 2)
    ]
    with tempfile.TemporaryDirectory() as name:
        fasta, folder = Path(name) / "genome.fa", Path(name) / "sequence"
        folder.mkdir()
        write_fasta(fasta, rng)
        sequence.prepare(fasta, folder, bin_bp=5_000)
        store = sequence.SequenceStore(folder)
        with pyfaidx.Fasta(str(fasta)) as genome:

            def codes(chrom: str, start_bp: int) -> np.ndarray:
                return store.window(chrom, start_bp, start_bp + WINDOW_BP)

            def letters(chrom: str, start_bp: int) -> str:
                return genome[chrom][start_bp : start_bp + WINDOW_BP].seq

            cases = [
                (
                    "one-hot",
                    "pyfaidx, NumPy",
                    lambda *at: one_hot(codes(*at)),
                    lambda *at: one_hot_of_letters(letters(*at)),
                    10,
                ),
                ("codes", "pyfaidx, our table", codes, lambda *at: encode(letters(*at)), 10),
                (
                    "one-hot",
                    "pyfaidx, our table",
                    lambda *at: one_hot(codes(*at)),
                    lambda *at: one_hot(encode(letters(*at))),
                    1,
                ),
            ]
            return [
                {"what": what, "reference": reference, "ratio": round(compare(ours, theirs, places), 1), "least": least}
                for what, reference, ours, theirs, least in cases
            ]


def main() -> list[dict]:
    measured = rows()
    for row in measured:
        print(json.dumps(row), flush=True)
    if slow := [row for row in measured if row["ratio"] < row["least"]]:
        raise SystemExit(f"below the bound: {slow}")
    return measured


if __name__ == "__main__":
    main()
