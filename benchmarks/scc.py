"""SCC: hicreppy's time over ours on the same input in one run, at equal values."""

import json
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from hicreppy import hicrep
from hicreppy.utils import mat_process
from scipy import sparse

from trifold.metrics import scc

# Windows hicreppy is timed on; it takes them one by one, so its time is compared per window.
TIMED_WINDOWS = 40
LEAST_RATIO = 10


def contacts(n_bins: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Poisson counts that decay with distance, a band (n_bins, width) with zeros past the end."""
    expected = 50 / (1 + np.arange(width)) * rng.gamma(2, 0.5, size=(n_bins, 1))
    inside = np.add.outer(np.arange(n_bins), np.arange(width)) < n_bins
    return rng.poisson(expected * inside).astype(np.float64)


def to_sparse(band: np.ndarray) -> sparse.coo_matrix:
    """The upper triangular map of a band."""
    row, distance = np.nonzero(band)
    return sparse.coo_matrix((band[row, distance], (row, row + distance)), shape=(len(band), len(band)))


def hicreppy(first: sparse.coo_matrix, second: sparse.coo_matrix, h: int, max_bins: int) -> float:
    """What `hicreppy scc` does for one chromosome once its maps are read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparse.SparseEfficiencyWarning)
        trimmed = [mat_process.diag_trim(each.todia(), max_bins + h).tocoo() for each in (first, second)]
    return hicrep.get_scc(*(mat_process.smooth(each, h) for each in trimmed), max_bins=max_bins)


def timed(function: Callable, *arguments) -> tuple[object, float]:
    """Result, and the least seconds of three calls: other work on the machine only ever adds time."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def compare(name: str, first: np.ndarray, second: np.ndarray, h: int, max_bins: int) -> dict:
    """One row: bands (n, bins, width) scored by both. Raises AssertionError where values differ by more than 1e-9."""
    pairs = [(to_sparse(one), to_sparse(other)) for one, other in zip(first[:TIMED_WINDOWS], second[:TIMED_WINDOWS])]
    theirs, their_s = timed(lambda: [hicreppy(*pair, h, max_bins) for pair in pairs])
    ours, our_s = timed(scc.hicreppy_bands, first, second, h, max_bins)
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=1e-9)
    ratio = (their_s / len(pairs)) / (our_s / len(first))
    sizes = {"h": h, "max_bins": max_bins, "maps": len(first), "timed_with_hicreppy": len(pairs)}
    return {"case": name, **sizes, "times_faster": round(ratio, 1)}


def rows() -> Iterator[dict]:
    rng = np.random.default_rng(1)
    windows = [np.stack([contacts(188, 188, rng) for _ in range(1000)]) for _ in range(2)]
    for h in (0, 1, 3, 10):
        yield compare("windows of 188 bins", *windows, h, 100)
    chromosome = [contacts(5000, 211, rng)[None] for _ in range(2)]
    for h in (0, 3, 10):
        yield compare("chromosome of 5,000 bins", *chromosome, h, 200)


def main() -> None:
    for row in rows():
        print(json.dumps(row), flush=True)
        if row["times_faster"] < LEAST_RATIO:
            raise SystemExit(f"less than {LEAST_RATIO} times the speed of hicreppy")


if __name__ == "__main__":
    main()
