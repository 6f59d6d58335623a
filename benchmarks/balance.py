"""Balancing: cooler's CPU time over ours in one run, one process and one thread each, at weights equal to 1e-5.

Two maps of some ten million pixels are made here, with a bias of every bin and contacts that fall off with distance:
one with contacts between chromosomes, which takes few iterations, so that reading the file is most of our time, and one
without. Prints seconds, the wall time of one thread over that of two, and what balancing adds to memory at its peak,
bytes a pixel.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import cooler
import numpy as np

from benchmarks import added_mb, elsewhere
from trifold.data.balance import Correction, iterative_correction
from trifold.io.cool import Pixels, write_cool

BIN_BP, N_CHROMOSOMES, CHROMOSOME_BINS, ROWS = 10_000, 6, 3_000, 500
LEAST_RATIO, MOST_BYTES = 10, 14  # bytes: 8 of a pixel, and what reading takes, which is less of a larger map


def pixels(near: float, between: float) -> Iterator[Pixels]:
    """Rows of a map that expects so many contacts on the diagonal and in a pixel between chromosomes."""
    total, rng = N_CHROMOSOMES * CHROMOSOME_BINS, np.random.default_rng(1)
    bias, column = rng.gamma(4, 0.25, total), np.arange(total)
    for first in range(0, total, ROWS):
        row = np.arange(first, first + ROWS)[:, None]
        cis = row // CHROMOSOME_BINS == column // CHROMOSOME_BINS
        expected = np.where(cis, near / (1 + np.abs(column - row)), between) * bias[row] * bias
        count = rng.poisson(np.where(column >= row, expected, 0))
        i, j = np.nonzero(count)
        yield {"bin1_id": first + i, "bin2_id": j, "count": count[i, j]}


def ours(path: str, threads: int = 1) -> Correction:
    return iterative_correction(cooler.Cooler(path), threads=threads)


def theirs(path: str, made: Correction) -> np.ndarray:
    settings = {name: made.attributes[name] for name in ("tol", "cis_only")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cooler.balance_cooler(cooler.Cooler(path), **settings)[0]


def timed(work, clock=time.process_time) -> tuple:
    started = clock()
    done = work()
    return done, clock() - started


def row(name: str, path: str) -> dict:
    """One row. Raises AssertionError where weights differ from cooler's, or with the number of threads."""
    made, our_s = timed(lambda: ours(path))
    weight, their_s = timed(lambda: theirs(path, made))
    np.testing.assert_allclose(made.weight, weight, rtol=1e-5)
    (again, one_s), (in_two, two_s) = (timed(lambda n=n: ours(path, n), time.perf_counter) for n in (1, 2))
    np.testing.assert_array_equal(again.weight, in_two.weight)
    nnz = int(cooler.Cooler(path).info["nnz"])
    return {
        "case": name,
        "pixels": nnz,
        "iterations": int(made.steps.max()),
        "seconds": round(our_s, 2),
        "cooler_seconds": round(their_s, 1),
        "times_faster": round(their_s / our_s, 1),
        "two_threads_times_faster": round(one_s / two_s, 2),
        "bytes_per_pixel": round(elsewhere("balance", path) * 1e6 / nnz, 1),
    }


def warm_up() -> None:
    """Let numba compile, or load what it compiled."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/map.cool"
        pixel = {name: np.array([value]) for name, value in (("bin1_id", 0), ("bin2_id", 2), ("count", 1))}
        write_cool(path, {"a": 300}, 100, [pixel])
        for threads in (1, 2):
            ours(path, threads)


def main() -> None:
    warm_up()
    sizes = {f"chr{number}": CHROMOSOME_BINS * BIN_BP for number in range(1, N_CHROMOSOMES + 1)}
    for name, near, between in (("genome-wide", 60.0, 0.05), ("within chromosomes", 200.0, 0.0)):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "map.cool")
            write_cool(path, sizes, BIN_BP, pixels(near, between))
            measured = row(name, path)
        print(json.dumps(measured), flush=True)
        if measured["times_faster"] < LEAST_RATIO:
            raise SystemExit(f"less than {LEAST_RATIO} times the speed of cooler")
        if measured["bytes_per_pixel"] > MOST_BYTES:
            raise SystemExit(f"more than {MOST_BYTES} bytes a pixel")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        warm_up()
        print(added_mb(lambda: ours(sys.argv[1])))
    else:
        main()
