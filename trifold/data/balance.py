"""Iterative correction of a contact map (Imakaev et al. 2012, doi:10.1038/nmeth.2148), as `cooler balance` does it.

The weights are those of `cooler.balance_cooler` with the same filters, tolerance and iterations; it stores
what cooler stores. What differs is how: pixels are read once and kept in 8 bytes (a column and an int32 count; 12 where
counts need float64), and those that do not fit into the memory given are read from disk in every iteration. The pixel
table is cut into pieces whose sums are added in order, so neither threads nor memory change a bit of the result.

A map that cannot be balanced is refused: see `balance`.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import cooler
import h5py
import numba
import numpy as np

from trifold.errors import InputError
from trifold.genome import some_of
from trifold.io import cool

logger = logging.getLogger(__name__)
T = TypeVar("T")
S = TypeVar("S")

BALANCE = {"ignore_diags": 2, "mad_max": 5, "min_nnz": 10}
MAX_ITERS = 200
MEMORY_BYTES = 4_000_000_000  # for the pixels; a job that prepares a map asks for twice as much
# Spread: standard deviation of the balanced row sums, relative to their mean.
ROW_SUM_SPREAD = 0.001  # at which balancing ends
# Above which there is no balance. Maps that have one come below 0.7 % within 200 iterations, however shallow; in those
# that have none (a bin whose contacts are all with bins that need them too) weights grow without end, at 2 % to 80 %.
LARGEST_SPREAD = 0.02
ROW_SUM_TOLERANCE = 0.05  # how far from 1 the mean of a stored balancing's row sums, and their spread, may be
LEAST_BINS = 10  # good bins of a map
LEAST_CONTACTS = 0.25  # share of the contacts that good bins must have; of a capture, the target has more

# ---------------------------------------------------------------- pixels in pieces


@dataclass(frozen=True)
class _Piece:
    """A run of the pixel table without the pixels that balancing leaves out, in bins counted from `first_row`.

    Row r has the pixels `starts[r]` to `starts[r + 1]` of columns and counts, and the count `diagonal[r]` on the main
    diagonal. n_bins: one more than the last bin that has one of the pixels; trans: whether the run has a pixel between
    chromosomes.
    """

    first_row: int
    n_bins: int
    starts: np.ndarray
    columns: np.ndarray
    counts: np.ndarray
    diagonal: np.ndarray
    trans: bool


# Unsigned, because numba asks of every signed index whether it counts from the end: that is half of the time.


@numba.njit(cache=True, nogil=True)
def _compress(first_row, stored, bin2, count, chrom_stop, ignore_diags, cis_only, starts, columns, counts, diagonal):
    """Fill a `_Piece` from its pixels in the file, of which row r has `stored[r]` to `stored[r + 1]`.

    Returns how many it keeps (-1: they are no upper triangle), its `n_bins` and its `trans`.
    """
    kept, last, trans = 0, len(starts) - 2, False
    for row in range(len(starts) - 1):
        starts[row] = kept
        for at in range(stored[row], stored[row + 1]):
            column = bin2[at] - first_row
            if column < row or bin2[at] >= len(chrom_stop):
                return -1, last, trans
            crosses = bin2[at] >= chrom_stop[first_row + row]
            trans |= crosses
            if column - row < ignore_diags or (crosses and cis_only):
                continue
            if column == row:
                diagonal[row] += count[at]
            else:
                columns[kept], counts[kept] = column, count[at]
                kept += 1
                last = max(last, column)
    starts[-1] = kept
    return kept, last + 1, trans


@numba.njit(cache=True, nogil=True)
def _add_marginals(starts, columns, counts, diagonal, bias, sums):
    """Add bias_i bias_j count_ij of a piece to its row sums at i and j; on the main diagonal once."""
    for row in range(len(starts) - 1):
        of_row = bias[row]
        if of_row == 0:
            continue
        total = of_row * diagonal[row]
        for at in range(starts[row], starts[row + 1]):
            column = columns[at]
            value = bias[column] * counts[at]
            sums[column] += of_row * value
            total += value
        sums[row] += of_row * total


@numba.njit(cache=True, nogil=True)
def _count(starts, columns, counts, diagonal, numbers, sums):
    """As `_add_marginals`, without a bias, the number of pixels that are not zero and the sum of all."""
    for row in range(len(starts) - 1):
        number, total = 1.0 if diagonal[row] != 0 else 0.0, diagonal[row]
        for at in range(starts[row], starts[row + 1]):
            column, present = columns[at], 1.0 if counts[at] != 0 else 0.0
            numbers[column] += present
            sums[column] += counts[at]
            number += present
            total += counts[at]
        numbers[row] += number
        sums[row] += total


def _in_order(work: Callable[[T], S], items: Iterable[T], pool: ThreadPoolExecutor | None, ahead: int) -> Iterator[S]:
    """work(item) of all items in their order, at most `ahead` of them begun before they are asked for."""
    if pool is None:
        yield from map(work, items)
        return
    begun: deque = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


class _Pixels:
    """The pixels of an open cooler for sums over rows, as many of them in memory as `memory_bytes` hold.

    edges     where chromosomes begin and end, bins
    trans     whether there is a pixel between chromosomes
    nonzeros  (n_bins,) pixels of a row that are not zero, row_sums (n_bins,) their sum; without the ignored diagonals
    """

    def __init__(
        self,
        clr: cooler.Cooler,
        group: h5py.Group,
        ignore_diags: int,
        cis_only: bool,
        memory_bytes: int,
        pool: ThreadPoolExecutor | None,
        threads: int,
    ):
        self._called, self._ignore_diags, self._cis_only = clr.uri, ignore_diags, cis_only
        self._pool, self._threads = pool, threads
        self.edges = np.array([0, *(cool.extent(clr, name)[1] for name in clr.chromnames)])
        self.n_bins = int(self.edges[-1])
        self._chrom_stop = np.repeat(self.edges[1:], np.diff(self.edges))
        self._bin2, self._counts = (cool.dataset(group, f"pixels/{name}") for name in ("bin2_id", "count"))
        self._offset, nnz = cool.dataset(group, "indexes/bin1_offset")[:].astype(np.int64), len(self._counts)
        if (np.diff(self._offset) < 0).any() or self._offset[0] != 0 or self._offset[-1] != nnz:
            raise InputError(f"{clr.uri}: its index is not that of its pixels; make it anew with `cooler load`")
        # Other kinds of numbers than these would lose digits in 4 bytes.
        small = self._counts.dtype in (np.int32, np.int16, np.int8, np.uint16, np.uint8, np.float32)
        whole = np.issubdtype(self._counts.dtype, np.integer)
        self._kind = np.dtype((np.int32 if whole else np.float32) if small else np.float64)
        # A piece is read, and summed, in memory of its own: long beside the bins, short beside the table.
        size = min(max(1 << 19, 8 * self.n_bins), 1 << 23)
        spans = list(pairwise([*range(0, nnz, size), nnz]))
        resident = memory_bytes // (size * (4 + self._kind.itemsize))
        self._pieces: list[_Piece | tuple[int, int]] = [*spans]
        self.trans, self.nonzeros, self.row_sums = False, np.zeros(self.n_bins), np.zeros(self.n_bins)
        for number, (piece, numbers, sums) in enumerate(self._over(self._survey, spans)):
            rows = slice(piece.first_row, piece.first_row + piece.n_bins)
            self.nonzeros[rows] += numbers
            self.row_sums[rows] += sums
            self.trans |= piece.trans
            if number < resident:
                self._pieces[number] = piece

    def _over(self, work: Callable[[T], S], items: Iterable[T]) -> Iterator[S]:
        return _in_order(work, items, self._pool, self._threads)

    def _read(self, span: tuple[int, int]) -> _Piece:
        lo, hi = span
        first_row = int(np.searchsorted(self._offset, lo, "right")) - 1
        stored = np.clip(self._offset[first_row : np.searchsorted(self._offset, hi) + 1], lo, hi) - lo
        starts, columns = np.empty(len(stored), dtype=np.uint32), np.empty(hi - lo, dtype=np.uint32)
        counts, diagonal = np.empty(hi - lo, dtype=self._kind), np.zeros(len(stored) - 1)
        made = starts, columns, counts, diagonal
        settings = self._chrom_stop, self._ignore_diags, self._cis_only
        kept, n_bins, trans = _compress(first_row, stored, self._bin2[lo:hi], self._counts[lo:hi], *settings, *made)
        if kept < 0:
            raise InputError(
                f"{self._called}: its pixels are no upper triangle of its bins; make it anew with `cooler load`"
            )
        return _Piece(first_row, int(n_bins), starts, columns[:kept], counts[:kept], diagonal, bool(trans))

    def _survey(self, span: tuple[int, int]) -> tuple[_Piece, np.ndarray, np.ndarray]:
        piece = self._read(span)
        numbers, sums = np.zeros(piece.n_bins), np.zeros(piece.n_bins)
        _count(piece.starts, piece.columns, piece.counts, piece.diagonal, numbers, sums)
        return piece, numbers, sums

    def marginals(self, bias: np.ndarray) -> np.ndarray:
        """Row sums (n_bins,) of bias_i bias_j count_ij."""

        def of(piece: _Piece | tuple[int, int]) -> tuple[slice, np.ndarray]:
            piece = self._read(piece) if isinstance(piece, tuple) else piece
            rows, sums = slice(piece.first_row, piece.first_row + piece.n_bins), np.zeros(piece.n_bins)
            _add_marginals(piece.starts, piece.columns, piece.counts, piece.diagonal, bias[rows], sums)
            return rows, sums

        total = np.zeros(self.n_bins)
        for rows, sums in self._over(of, self._pieces):
            total[rows] += sums
        return total


@contextmanager
def _pixels(
    clr: cooler.Cooler, ignore_diags: int, cis_only: bool, threads: int, memory_bytes: int = MEMORY_BYTES
) -> Iterator[_Pixels]:
    """`_Pixels` of a cooler, while its file is open."""
    with ExitStack() as opened:
        group = opened.enter_context(cool.opened(clr))
        pool = opened.enter_context(ThreadPoolExecutor(threads)) if threads > 1 else None
        yield _Pixels(clr, group, ignore_diags, cis_only, memory_bytes, pool, threads)


# ---------------------------------------------------------------- the iteration


@dataclass(frozen=True)
class Correction:
    """The outcome of an iterative correction.

    weight      (n_bins,) multiplies a count on both sides; NaN on bad bins
    row_sums    (n_bins,) of the counts beyond the ignored diagonals, bad bins included
    attributes  what cooler stores beside the weights. `scale` (mean of the row sums before weights are scaled), `var`
                and `converged` are numbers, or (n_chromosomes,) where chromosomes are balanced by themselves
    spans       first bin and stop of what was balanced together: chromosomes, or the whole map
    spread      of every span: standard deviation of the row sums over their mean; NaN where nothing is left
    steps       of every span: iterations
    """

    weight: np.ndarray
    row_sums: np.ndarray
    attributes: dict
    spans: list[tuple[int, int]]
    spread: np.ndarray
    steps: np.ndarray


def _first_bias(pixels: _Pixels, mad_max: float, min_nnz: int) -> np.ndarray:
    """(n_bins,): 1, and 0 for the bins that cooler's filters call bad."""
    bias = np.ones(pixels.n_bins)
    if min_nnz > 0:
        bias[pixels.nonzeros < min_nnz] = 0
    if mad_max > 0:
        share = np.full(pixels.n_bins, np.nan)  # of the median of its chromosome
        for lo, hi in pairwise(pixels.edges):
            sums = pixels.row_sums[lo:hi]
            if (sums > 0).any():
                share[lo:hi] = sums / np.median(sums[sums > 0])
        log_share = np.log(share[share > 0])
        if len(log_share):
            median = np.median(log_share)
            deviation = np.median(np.abs(log_share - median))
            bias[share < np.exp(median - mad_max * deviation)] = 0
    return bias


def iterative_correction(
    clr: cooler.Cooler,
    *,
    cis_only: bool | None = None,
    tol: float | None = None,
    ignore_diags: int = BALANCE["ignore_diags"],
    mad_max: float = BALANCE["mad_max"],
    min_nnz: int = BALANCE["min_nnz"],
    max_iters: int = MAX_ITERS,
    threads: int = 1,
    memory_bytes: int = MEMORY_BYTES,
) -> Correction:
    """The weights of `cooler.balance_cooler`, which its options explain; nothing is stored.

    cis_only      None: where the map has no contact between chromosomes
    tol           variance of the row sums at which it ends, contacts squared; None: (`ROW_SUM_SPREAD` x their mean in
                  the map) squared. A chromosome much shallower than the map goes on until its spread is below
                  `LARGEST_SPREAD` too, where cooler ends
    memory_bytes  for pixels; those beyond it are read from disk in every iteration
    Raises InputError for a damaged pixel table.
    """
    with _pixels(clr, ignore_diags, bool(cis_only), threads, memory_bytes) as pixels, np.errstate(all="ignore"):
        cis_only = not pixels.trans if cis_only is None else cis_only
        occupied = pixels.row_sums > 0
        if tol is None:
            tol = float(ROW_SUM_SPREAD * pixels.row_sums[occupied].mean()) ** 2 if occupied.any() else 0.0
        spans = [(int(lo), int(hi)) for lo, hi in pairwise(pixels.edges)] if cis_only else [(0, pixels.n_bins)]
        bias = _first_bias(pixels, mad_max, min_nnz)
        scale, var = np.full(len(spans), np.nan), np.full(len(spans), np.nan)
        steps, unequal = np.zeros(len(spans), dtype=int), list(range(len(spans)))
        for _ in range(max_iters):
            moving = np.zeros_like(bias)
            for span in unequal:
                moving[slice(*spans[span])] = bias[slice(*spans[span])]
            marginals, before, unequal = pixels.marginals(moving), unequal, []
            for span in before:
                inside = slice(*spans[span])
                sums = marginals[inside]
                present = sums[sums != 0]
                if not len(present):
                    bias[inside], var[span] = 0, 0.0
                    continue
                # A bin all of whose contacts are with bad bins keeps its weight, as in cooler.
                bias[inside] /= np.where(sums == 0, 1, sums / present.mean())
                scale[span], var[span] = present.mean(), present.var()
                steps[span] += 1
                if not (var[span] < tol and np.sqrt(var[span]) < LARGEST_SPREAD * scale[span]):
                    unequal.append(span)
            if not unequal:
                break
        bias[bias == 0] = np.nan
        for span, mean in zip(spans, scale):
            bias[slice(*span)] /= np.sqrt(mean)
        converged = np.isin(np.arange(len(spans)), unequal, invert=True)
        attributes = {
            "tol": tol,
            "min_nnz": min_nnz,
            "min_count": 0,
            "mad_max": mad_max,
            "cis_only": cis_only,
            "ignore_diags": ignore_diags,
            "scale": scale if cis_only else scale[0],
            "converged": converged if cis_only else converged[0],
            "var": var if cis_only else var[0],
            "divisive_weights": False,
        }
        return Correction(bias, pixels.row_sums, attributes, spans, np.sqrt(var) / scale, steps)


# ---------------------------------------------------------------- maps as files


def balance(
    path: str | os.PathLike,
    options: dict | None = None,
    called: str | os.PathLike | None = None,
    threads: int = 1,
    memory_bytes: int = MEMORY_BYTES,
) -> dict:
    """Iterative correction of a cooler, stored as its `weight`; cis only where the map has no trans contact.

    options  ignore_diags, mad_max, min_nnz as cooler takes them; a bin without a contact is bad whatever min_nnz says
    called   name of the map in messages, such as the file that `path` was made from; None: `path`
    It ends when the rows are equal to 0.1 % (cooler's own tolerance is in contacts, so a deep map never gets there).
    Where chromosomes are balanced by themselves, the bins of those that cannot be are bad, with a warning.
    Returns the options with `cis_only`, `converged`, `iterations`, `row_sum_spread` (the largest) and `bad_bins` (their
    number). Raises InputError, and stores nothing, where rows cannot be made equal to 2 %, or where good bins are fewer
    than 10 or have less than a quarter of the contacts.
    """
    options, called = {**BALANCE, **(options or {})}, called or path
    options["min_nnz"] = max(1, options["min_nnz"])
    clr = cooler.Cooler(os.fspath(path))
    made = iterative_correction(clr, threads=threads, memory_bytes=memory_bytes, **options)
    weight, holds = _checked(made, clr, options["min_nnz"], str(called))
    cool.write_weight(clr.uri, weight, made.attributes)
    bad_bins, cis_only = int(np.isnan(weight).sum()), made.attributes["cis_only"]
    logger.info("%s: balanced%s, %d of %d bins bad", path, " within chromosomes" * cis_only, bad_bins, len(weight))
    return {
        **options,
        "cis_only": cis_only,
        "converged": bool(np.all(made.attributes["converged"])),
        "iterations": int(made.steps.max()),
        "row_sum_spread": float(np.nanmax(made.spread[holds])),
        "bad_bins": bad_bins,
    }


def _checked(made: Correction, clr: cooler.Cooler, min_nnz: int, called: str) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a balancing that holds, and of which spans it does (n_spans,). Raises InputError for any other."""
    weight, spread, steps = made.weight.copy(), made.spread, int(made.steps.max())
    occupied = int((made.row_sums > 0).sum())
    holds, empty = spread < LARGEST_SPREAD, made.steps == 0
    if (failed := ~holds & ~empty).any():
        bins = np.zeros(len(weight), dtype=bool)
        for span in np.flatnonzero(failed):
            bins[slice(*made.spans[span])] = True
        # Weights that overflow have no spread.
        differ = f"differ by {np.nanmax(spread[failed]):.1%}" if np.isfinite(spread[failed]).any() else "are no numbers"
        where = ""
        if made.attributes["cis_only"]:
            where = f" of {some_of(clr.chromnames[span] for span in np.flatnonzero(failed))}"
        problem = (
            f"after {steps} iterations the row sums{where} still {differ}, where {ROW_SUM_SPREAD:.1%} is wanted and "
            f"{LARGEST_SPREAD:.0%} accepted"
        )
        weight[bins] = np.nan
        if _share(made.row_sums, weight) < LEAST_CONTACTS or np.isfinite(weight).sum() < LEAST_BINS:
            raise InputError(
                f"{called}: cannot be balanced: {problem}. Most often contacts are too few for the bins: use wider "
                "bins, thin less, or raise balance/min_nnz",
                f"{called}: cannot be balanced: {problem}. Most often contacts are too few for the bins: give a map "
                "with more contacts, or with wider bins",
            )
        logger.warning("%s: %s; these bins count as bad", called, problem)
    good, share = int(np.isfinite(weight).sum()), _share(made.row_sums, weight)
    if good < LEAST_BINS or share < LEAST_CONTACTS:
        problem = (
            f"{called}: too few contacts, {good:,} of {occupied:,} bins with contacts are left to balance, with "
            f"{share:.0%} of the contacts; the others have less than {min_nnz} pixels or far less than the median"
        )
        raise InputError(
            f"{problem}; use wider bins, thin less, or lower balance/min_nnz",
            f"{problem}; give a map with more contacts, or with wider bins",
        )
    if good < occupied / 2:
        logger.warning(
            "%s: %d of %d bins with contacts are bad; wider bins would keep more", called, occupied - good, occupied
        )
    if (slow := holds & ~np.atleast_1d(made.attributes["converged"])).any():
        logger.warning(
            "%s: after %d iterations row sums differ by %.2f %%, more than %.1f %%: the map is shallow for its bins",
            called,
            steps,
            100 * spread[slow].max(),
            100 * ROW_SUM_SPREAD,
        )
    return weight, holds


def _share(row_sums: np.ndarray, weight: np.ndarray) -> float:
    """The good bins' share of all row sums."""
    return float(row_sums[np.isfinite(weight)].sum() / row_sums.sum()) if row_sums.any() else 0.0


def rows_sum_to_one(path: str | os.PathLike, weight: np.ndarray, ignore_diags: int, threads: int = 1) -> bool:
    """Whether balanced rows sum to 1, mean and spread within `ROW_SUM_TOLERANCE`, and good bins are enough."""
    with _pixels(cooler.Cooler(os.fspath(path)), ignore_diags, False, threads) as pixels:
        sums = pixels.marginals(np.nan_to_num(weight))[np.isfinite(weight)]
        if len(sums) < LEAST_BINS or _share(pixels.row_sums, weight) < LEAST_CONTACTS:
            return False
    return bool(abs(sums.mean() - 1) < ROW_SUM_TOLERANCE and sums.std() < ROW_SUM_TOLERANCE)
