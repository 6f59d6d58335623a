"""How much of the structure called on one map another map has too: loops, boundaries, insulation, compartments.

A call is a point: a loop its two anchors (n, 2), a boundary its position (n, 1), all of one chromosome and in one unit.
Calls are matched one to one, so that a caller gains nothing by naming a loop twice.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without stubs

CENTRE_BINS = 3  # side of the squares that a pile-up is read in


class Rates(NamedTuple):
    """Shares of calls that the reference has (precision), of the reference's that were called (recall), and F1."""

    precision: float
    recall: float
    f1: float


def match(calls: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
    """Pairs of a call and a call of the reference, one to one: (k, 2) row numbers, by the call.

    calls (n, d), reference (m, d). Partners differ by at most `tolerance` in every coordinate. There are as many pairs
    as there can be, and of all such choices the one of the smallest sum of differences.
    """
    near = _near(calls, reference, tolerance)
    if not near.nnz:
        return np.empty((0, 2), dtype=np.int64)
    n = len(calls)
    # Calls that share no candidate, not even by way of others, are assigned apart: the problem is cubic.
    shape = (n + len(reference),) * 2
    _, label = connected_components(coo_matrix((np.ones(near.nnz), (near.row, n + near.col)), shape), directed=False)
    # Of pairs of one component, a pair more outweighs all differences.
    order = np.argsort(label[near.row], kind="stable")
    row, column = near.row[order], near.col[order]
    pairs = []
    for edges in np.split(np.arange(near.nnz), np.flatnonzero(np.diff(label[row])) + 1):
        rows, at_row = np.unique(row[edges], return_inverse=True)
        columns, at_column = np.unique(column[edges], return_inverse=True)
        difference = np.abs(calls[row[edges]] - reference[column[edges]]).sum(axis=1)
        cost = np.zeros((len(rows), len(columns)))
        cost[at_row, at_column] = difference - (1 + difference.sum())
        i, j = linear_sum_assignment(cost)
        taken = cost[i, j] < 0
        pairs.append(np.stack([rows[i[taken]], columns[j[taken]]], axis=1))
    together = np.concatenate(pairs)
    return together[np.argsort(together[:, 0])]


def is_near(calls: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether the reference has a call within the tolerance in every coordinate, matched or not: bool (n,)."""
    known = np.zeros(len(calls), dtype=bool)
    known[_near(calls, reference, tolerance).row] = True
    return known


def _near(calls: np.ndarray, reference: np.ndarray, tolerance: float) -> coo_matrix:
    """(n, m) with an entry for every pair of calls within the tolerance."""
    shape = (len(calls), len(reference))
    if not all(shape):
        return coo_matrix(shape)
    calls, reference = np.asarray(calls, dtype=float), np.asarray(reference, dtype=float)
    found = cKDTree(reference).query_ball_point(calls, tolerance, p=np.inf)
    row = np.repeat(np.arange(len(calls)), [len(columns) for columns in found])
    column = np.concatenate([np.asarray(columns, dtype=np.int64) for columns in found])
    return coo_matrix((np.ones(len(row)), (row, column)), shape)


def rates(n_calls: int, n_reference: int, n_matched: int) -> Rates:
    """Of numbers of calls; NaN where nothing was called (precision), nothing is to be called (recall), or both (F1)."""
    precision = n_matched / n_calls if n_calls else np.nan
    recall = n_matched / n_reference if n_reference else np.nan
    both = n_calls + n_reference
    return Rates(precision, recall, 2 * n_matched / both if both else np.nan)


def rates_of(counts: np.ndarray, length_mb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision, recall, F1 and invented calls per Mb of all stretches together (4,), and of all but each (n, 4).

    counts (n, 4): calls, calls of the reference, matched, invented, of every stretch; length_mb (n,): scored of it.
    NaN where `rates` has none.
    """
    table = np.column_stack([counts, length_mb])

    def of(n_calls: float, n_reference: float, n_matched: float, n_invented: float, mb: float) -> list[float]:
        with_calls = n_calls + n_reference
        shares = [(n_matched, n_calls), (n_matched, n_reference), (2 * n_matched, with_calls), (n_invented, mb)]
        return [part / whole if whole > 0 else np.nan for part, whole in shares]

    total = table.sum(axis=0)
    return np.array(of(*total)), np.array([of(*left) for left in total - table]).reshape(-1, 4)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r of two profiles (n_bins,) over the bins both have a value for; NaN where one does not vary."""
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 2 or np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
        return np.nan
    return float(np.corrcoef(first[known], second[known])[0, 1])


def around(band: np.ndarray, places: np.ndarray, radius: int) -> np.ndarray:
    """The pixels about places of a band: (n, 2 radius + 1, 2 radius + 1), NaN off the band.

    band (n_bins, width): pixel (i, i + d) at [i, d]; places (n, 2): bins x < y.
    """
    steps = np.arange(-radius, radius + 1)
    i = np.asarray(places)[:, :1, None] + steps[:, None]  # (n, side, 1)
    j = np.asarray(places)[:, 1:, None] + steps  # (n, 1, side)
    i, d = np.broadcast_arrays(i, j - i)
    inside = (i >= 0) & (i < len(band)) & (d >= 0) & (d < band.shape[1])
    return np.where(inside, band[np.where(inside, i, 0), np.where(inside, d, 0)], np.nan)


def over_expected(band: np.ndarray) -> np.ndarray:
    """A band (n_bins, width) over the mean of each diagonal; NaN where a pixel is missing, or a diagonal empty."""
    known = np.isfinite(band)
    number = known.sum(axis=0)
    total = np.where(known, band, 0).sum(axis=0)
    mean = np.divide(total, number, out=np.full(len(total), np.nan), where=(number > 0) & (total > 0))
    return band / mean


def pile_up(stack: np.ndarray) -> float:
    """Centre over corners of the mean of a stack (n, side, side): means of squares of 3 x 3, missing pixels left out.

    NaN for an empty stack, and where the centre or all corners hold nothing.
    """
    known = np.isfinite(stack)
    number = known.sum(axis=0)
    total = np.where(known, stack, 0).sum(axis=0)
    mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    half, ends = (mean.shape[0] - CENTRE_BINS) // 2, (slice(CENTRE_BINS), slice(-CENTRE_BINS, None))
    centre = mean[half : half + CENTRE_BINS, half : half + CENTRE_BINS]
    corners = np.stack([mean[rows, columns] for rows in ends for columns in ends])
    values = [part[np.isfinite(part)] for part in (centre, corners)]
    if not all(len(part) for part in values) or not values[1].mean() > 0:
        return np.nan
    return float(values[0].mean() / values[1].mean())
