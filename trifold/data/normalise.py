"""Windows of a contact map -> training maps: observed/expected (ln), observed on [0, 1], contacts, and the way back.

Every function takes a stack of windows (n, W, W) and treats a window without regard to the others. Missing pixels are
NaN and always whole rows and columns (bad bins), as balancing leaves them.

Sources: Fudenberg et al. 2020 (Akita; basenji's `bin/akita_data_read.py`), Kriukov et al. 2021 (the released
preprocessing notebook), cooltools 0.7.1 (`adaptive_coarsegrain`, `observed_over_expected`, `interp_nan`).

Deviations from them:
- Kriukov2021 takes its expected over the genome, test chromosomes included; here over the training regions.
- "Zeros replaced by the expected" (Kriukov2021) is read as: a pixel without a contact has O/E = 1.
- A pixel whose expected is 0 keeps its value, as in cooltools; with a global expected too, where basenji divides by 0.
- A window without a contact, or with one value only, has no 0-1 map as published (0/0); here it is 0.
- Akita's target of a window whose diagonal 2 has the median 0 is its floor throughout as released; here
  `diagonal_2_ceiling` says what is taken in its place, and a window without a contact beyond diagonal 1 has O/E = 1.
- Lau 2025's clip of the logarithm at 100 (input) and 1000 (target) is left out: no balanced value comes near it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numba
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trifold.config import CountsRecipe, ObservedRecipe, OERecipe
from trifold.errors import InputError

T = TypeVar("T")
LOG10_MARGIN = 1e-8  # added to the span of a window (Lau 2025)
MIN_SHAPE = 8  # bins; a map of this side is not coarsened further (cooltools)
DISTANCE_RATIO = 1.03  # between the edges of a distance class of the local expected (cooltools)
FLOOR_QUANTILE, CEILING_QUANTILE = 0.001, 0.9999  # of the positive training pixels: `training_scale`

# ---------------------------------------------------------------- adaptive coarse-graining


@numba.njit(cache=True, nogil=True)
def _halve(values, counts, valid, values_sum, counts_sum, valid_sum, half):
    """Sums over half x half blocks of 2 x 2 values, counts and numbers of valid pixels, into the next three."""
    for i in range(half):
        for j in range(half):
            a, b = 2 * i, 2 * j
            # Columns first, then rows: the order of cooltools, so that rounding is the same.
            values_sum[i, j] = (values[a, b] + values[a + 1, b]) + (values[a, b + 1] + values[a + 1, b + 1])
            counts_sum[i, j] = counts[a, b] + counts[a + 1, b] + counts[a, b + 1] + counts[a + 1, b + 1]
            valid_sum[i, j] = valid[a, b] + valid[a + 1, b] + valid[a, b + 1] + valid[a + 1, b + 1]


@numba.njit(cache=True, nogil=True)
def _refine(coarse_values, coarse_valid, values, counts, valid, cutoff, half):
    """Spread the coarse average over the valid pixels of every 2 x 2 block with a pixel below the cutoff."""
    for i in range(half):
        for j in range(half):
            a, b = 2 * i, 2 * j
            # Invalid pixels take part with 0 contacts, as in cooltools: a block beside a bad bin is always averaged.
            fewest = min(counts[a, b], counts[a + 1, b], counts[a, b + 1], counts[a + 1, b + 1])
            if fewest < cutoff and coarse_valid[i, j] > 0:
                average = coarse_values[i, j] / coarse_valid[i, j]
                values[a, b] = average * valid[a, b]
                values[a + 1, b] = average * valid[a + 1, b]
                values[a, b + 1] = average * valid[a, b + 1]
                values[a + 1, b + 1] = average * valid[a + 1, b + 1]


@numba.njit(cache=True, nogil=True)
def _coarsegrain_windows(balanced, counts, cutoff, max_levels, side, out):
    size = balanced.shape[1]
    # The same memory for all windows; what pads the finest maps to a power of two stays 0. Flags of pixels take a byte:
    # moving these maps is what takes the time.
    values, contacts, valid = np.zeros((side, side)), np.zeros((side, side)), np.zeros((side, side), dtype=np.uint8)
    # Three maps of sums a level, and the bins of the window there, the last of them perhaps in part; beyond them
    # nothing is counted or averaged.
    levels, extents = [], []
    while len(levels) < max_levels and side > MIN_SHAPE:
        side //= 2
        levels.append((np.zeros((side, side)), np.zeros((side, side)), np.zeros((side, side))))
        extents.append((size + (1 << len(levels)) - 1) >> len(levels))
    for window in range(balanced.shape[0]):
        for i in range(size):
            for j in range(size):
                value = balanced[window, i, j]
                finite = np.isfinite(value)
                values[i, j] = value if finite else 0.0
                contacts[i, j] = counts[window, i, j] if finite else 0.0
                valid[i, j] = finite
        if len(levels):
            _halve(values, contacts, valid, levels[0][0], levels[0][1], levels[0][2], extents[0])
            for level in range(1, len(levels)):
                finer, coarser = levels[level - 1], levels[level]
                _halve(finer[0], finer[1], finer[2], coarser[0], coarser[1], coarser[2], extents[level])
            for level in range(len(levels) - 1, 0, -1):
                coarser, finer = levels[level], levels[level - 1]
                _refine(coarser[0], coarser[2], finer[0], finer[1], finer[2], cutoff, extents[level])
            _refine(levels[0][0], levels[0][2], values, contacts, valid, cutoff, extents[0])
        for i in range(size):
            for j in range(size):
                out[window, i, j] = values[i, j] if valid[i, j] else np.nan


def adaptive_coarsegrain(balanced: np.ndarray, counts: np.ndarray, cutoff: float, max_levels: int) -> np.ndarray:
    """Average pixels with few counts over growing 2 x 2 blocks; (n, W, W) float64, NaN where `balanced` is not finite.

    A block is averaged as soon as one of its pixels has fewer than `cutoff` contacts (not the block's sum).
    Equal to `cooltools.lib.numutils.adaptive_coarsegrain` window by window, bit for bit.
    """
    balanced, counts = np.ascontiguousarray(balanced, np.float64), np.ascontiguousarray(counts, np.float64)
    out = np.empty(balanced.shape)
    side = 1 << (balanced.shape[1] - 1).bit_length()  # padded to a power of two
    _coarsegrain_windows(balanced, counts, float(cutoff), max_levels, side, out)
    return out


# ---------------------------------------------------------------- pieces


def _near_diagonals(size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the diagonals -1, 0 and 1 of a window."""
    bins = np.arange(size)
    return [(bins[1:], bins[:-1]), (bins, bins), (bins[:-1], bins[1:])]


@cache
def distance_edges(size: int) -> np.ndarray:
    """Edges of the distance classes of a window, bins: 0, 1, ... size, their ratio about 1.03 (cooltools)."""
    n_edges = int(np.log(size) / np.log(DISTANCE_RATIO))
    edges = np.unique(np.rint(10 ** np.linspace(0, np.log10(size), n_edges)).astype(int))
    return np.concatenate([[0], edges])


@numba.njit(cache=True, nogil=True)
def _diagonal_sums(windows):
    n, size = windows.shape[:2]
    total, number = np.zeros((n, size)), np.zeros((n, size))
    for window in range(n):
        for i in range(size):
            for j in range(i, size):
                value = windows[window, i, j]
                if not np.isnan(value):
                    total[window, j - i] += value
                    number[window, j - i] += 1
    return total, number


def local_expected(windows: np.ndarray) -> np.ndarray:
    """Mean over the valid pixels of each distance class of each window, per diagonal: (n, W); NaN without a pixel."""
    edges = distance_edges(windows.shape[1])
    total, number = (np.add.reduceat(sums, edges[:-1], axis=1) for sums in _diagonal_sums(windows))
    with np.errstate(invalid="ignore"):
        return np.repeat(total / number, np.diff(edges), axis=1)


def _needed(value: T | None, name: str) -> T:
    """A value that a recipe needs. Raises ValueError where it is None."""
    if value is None:
        raise ValueError(f"{name}: the recipe needs it, and it was not given")
    return value


def divide_by_expected(windows: np.ndarray, expected: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Observed/expected with an expected per diagonal, (W,) or (n, W); an expected of 0 or NaN divides nothing.

    out  where the result goes, as of NumPy's functions; `windows` itself is allowed
    """
    divisor, size = np.where(expected > 0, expected, 1.0), windows.shape[1]
    # Row i of a window is divided by the divisors of the distances i ... 0 ... size - 1 - i: a stretch of this vector.
    mirrored = np.concatenate([divisor[..., :0:-1], divisor], axis=-1)
    return np.divide(windows, sliding_window_view(mirrored, size, axis=-1)[..., ::-1, :], out=out)


@numba.njit(cache=True, nogil=True)
def _interpolate_rows(window, good):
    """Fill the rows that are not good along each column, linearly; row -1 and the row past the end are zeros."""
    size = window.shape[0]
    low = -1
    for high in range(size + 1):
        if high < size and not good[high]:
            continue
        for i in range(low + 1, high):
            share = (i - low) / (high - low)
            for j in range(size):
                below = window[low, j] if low >= 0 else 0.0
                above = window[high, j] if high < size else 0.0
                window[i, j] = (1 - share) * below + share * above
        low = high


@numba.njit(cache=True, nogil=True)
def _interpolate_windows(windows, good):
    for window in range(windows.shape[0]):
        if not good[window].all():
            _interpolate_rows(windows[window], good[window])
            _interpolate_rows(windows[window].T, good[window])


def interpolate(windows: np.ndarray) -> np.ndarray:
    """Fill bad rows and columns bilinearly from their good neighbours; outside the window lie zeros.

    A window without a good bin becomes 0. Equal to `cooltools.lib.numutils.interp_nan`.
    """
    return _interpolate_in_place(windows.copy())


def _interpolate_in_place(windows: np.ndarray) -> np.ndarray:
    # A bad bin is NaN even on its own diagonal.
    _interpolate_windows(windows, ~np.isnan(np.diagonal(windows, axis1=1, axis2=2)))
    return windows


def _without_nan(logarithm: np.ndarray) -> np.ndarray:
    """Logarithms of O/E, 0 where a pixel is missing and its bins are not: beyond the diagonals of a narrow map."""
    return np.nan_to_num(logarithm, copy=False, posinf=np.inf, neginf=-np.inf)


@numba.njit(cache=True, nogil=True)
def _weigh(row, tap, out):
    for j in range(len(out)):
        out[j] = row[j] * tap


@numba.njit(cache=True, nogil=True)
def _add_pair(first, second, tap, out):
    for j in range(len(out)):
        out[j] += (first[j] + second[j]) * tap


@numba.njit(cache=True, nogil=True)
def _smooth_windows(windows, half_taps, out):
    """Both axes in turn; half_taps: the symmetric kernel from its middle outwards. Zeros lie outside."""
    n, size = windows.shape[:2]
    radius = len(half_taps) - 1
    # A row of zeros above and below stands for those outside; a padded row likewise.
    zeros, padded, row = np.zeros(size), np.zeros(size + 2 * radius), np.zeros(size)
    middle = padded[radius : radius + size]
    for window in range(n):
        values = windows[window]
        for i in range(size):
            _weigh(values[i], half_taps[0], middle)
            # Pairs of neighbours from the farthest to the nearest: the order of SciPy's correlate1d, and its rounding.
            for offset in range(radius, 0, -1):
                above = values[i - offset] if i >= offset else zeros
                below = values[i + offset] if i + offset < size else zeros
                _add_pair(above, below, half_taps[offset], middle)
            _weigh(middle, half_taps[0], row)
            for offset in range(radius, 0, -1):
                left = padded[radius - offset : radius - offset + size]
                right = padded[radius + offset : radius + offset + size]
                _add_pair(left, right, half_taps[offset], row)
            out[window, i] = row


def smooth(windows: np.ndarray, sigma_bins: float, dtype: type = np.float64) -> np.ndarray:
    """Gaussian smoothing, zeros outside the window; the kernel is 8 sigma wide, rounded up to odd (0.8: 7 x 7).

    Equal to two passes of `scipy.ndimage.correlate1d`, bit for bit.
    """
    if sigma_bins == 0:
        return windows.astype(dtype, copy=False)
    radius = int(np.ceil(8 * sigma_bins)) // 2
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_bins) ** 2)
    taps /= taps.sum()
    windows = np.ascontiguousarray(windows, np.float64)
    out = np.empty(windows.shape, dtype)
    _smooth_windows(windows, taps[radius:], out)
    return out


def set_diagonals(windows: np.ndarray, value) -> None:
    """Write diagonals -1, 0 and 1 in place; `value` is a number or (n,)."""
    for i, j in _near_diagonals(windows.shape[1]):
        windows[:, i, j] = np.reshape(value, (-1, 1))


def upsample(windows: np.ndarray, factor: int) -> np.ndarray:
    """Bilinear upsampling x factor, pixel centres aligned (torch: `align_corners=False`), in the windows' dtype."""
    if factor == 1:
        return windows
    size = windows.shape[-1]
    position = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    # Row r of the operator holds the hat functions of the two bins that position r lies between.
    operator = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(size)))
    return (operator @ windows @ operator.T).astype(windows.dtype)


# ---------------------------------------------------------------- observed over expected


def diagonal_2_ceiling(balanced: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What Akita's first step clips windows (n, W, W) at: the ceilings, where they come from elsewhere, and where there
    is none, each (n,), the last two bool.

    A ceiling is the median of diagonal 2. Where that is 0 (sparse maps; contacts of short range filtered out) the whole
    target would be the floor: there it is the median of the positive pixels of the nearest diagonal from 2 on that has
    one. A window without a contact from diagonal 2 on has the ceiling 0, and no observed/expected.
    """
    ceiling = _medians(np.diagonal(balanced, 2, axis1=1, axis2=2))
    elsewhere = ceiling <= 0
    for window in np.flatnonzero(elsewhere):
        ceiling[window] = _positive_median(balanced[window])
    return ceiling, elsewhere, ceiling <= 0


@numba.njit(cache=True, nogil=True)
def _medians(rows):
    """Median of every row of (n, m) without its NaN, (n,); 0 where all are NaN.

    NumPy's nanmedian goes by way of masked arrays, which is slow for many short rows.
    """
    medians = np.zeros(len(rows))
    for number in range(len(rows)):
        values = np.sort(rows[number][~np.isnan(rows[number])])
        if len(values):
            medians[number] = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return medians


def _positive_median(window: np.ndarray) -> float:
    """Median of the positive pixels of the nearest diagonal from 2 on that has one; 0 where none has."""
    for offset in range(2, len(window)):
        diagonal = np.diagonal(window, offset)
        if (positive := diagonal[diagonal > 0]).size:
            return float(np.median(positive))
    return 0.0


def clip_at_diagonal_2(balanced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Akita's first step: windows clipped to [0, `diagonal_2_ceiling`], diagonals -1, 0, 1 set to it.

    Returns the windows and the values they were clipped at, (n,).
    """
    ceiling, _, _ = diagonal_2_ceiling(balanced)
    clipped = np.empty(balanced.shape)
    _clip_windows(balanced, ceiling, clipped)
    return clipped, ceiling


@numba.njit(cache=True, nogil=True)
def _clip_windows(balanced, ceiling, clipped):
    """Clip to [0, ceiling], diagonals -1, 0, 1 to the ceiling; NaN stays NaN."""
    n, size = balanced.shape[:2]
    for window in range(n):
        highest = ceiling[window]
        for i in range(size):
            row, out = balanced[window, i], clipped[window, i]
            for j in range(size):
                value = 0.0 if row[j] < 0 else row[j]
                out[j] = highest if value > highest else value
            for j in range(max(i - 1, 0), min(i + 2, size)):
                if not np.isnan(row[j]):
                    out[j] = highest


def oe_steps(
    balanced: np.ndarray,
    counts: np.ndarray,
    recipe: OERecipe,
    expected: np.ndarray | None = None,
    dtype: type = np.float64,
) -> Iterator[tuple[str, np.ndarray]]:
    """Every step of an observed/expected target, its name and (n, W, W) float64, in order; the last is the target, of
    `dtype`.

    akita: clipped, coarsegrained, obsexp, logclip, interp (then diagonals -1, 0, 1 set to 0), smoothed
    kriukov2021: coarsegrained, obsexp, log, interp, smoothed, clipped
    A step may be made in the place of the one before it, so who wants to keep it copies it before the next. Targets are
    not cropped: models crop theirs. `expected` (W,) is used where the recipe says "global".
    """
    akita, ceiling = recipe.variant == "akita", np.ones(len(balanced))
    if akita:
        balanced, ceiling = clip_at_diagonal_2(balanced)
        yield "clipped", balanced
    values = adaptive_coarsegrain(balanced, counts, recipe.cutoff, recipe.max_levels)
    yield "coarsegrained", values
    whole = recipe.expected == "global"
    divide_by_expected(values, _needed(expected, "expected") if whole else local_expected(values), out=values)
    yield "obsexp", values
    if akita:
        with np.errstate(divide="ignore"):
            np.log(values, out=values)
        np.clip(values, -recipe.clip, recipe.clip, out=values)
        # Without a contact nothing is more or less than expected: not the floor, which would be learned.
        for window in np.flatnonzero(ceiling <= 0):
            values[window, np.isfinite(values[window])] = 0.0
        yield "logclip", values
        _without_nan(_interpolate_in_place(values))
        set_diagonals(values, 0.0)
        yield "interp", values
        yield "smoothed", smooth(values, recipe.sigma_bins, dtype)
        return
    values[values == 0] = 1.0
    np.log(values, out=values)
    yield "log", values
    _without_nan(_interpolate_in_place(values))
    yield "interp", values
    values = smooth(values, recipe.sigma_bins)
    yield "smoothed", values
    yield "clipped", np.clip(values, -recipe.clip, recipe.clip).astype(dtype, copy=False)


def oe(balanced: np.ndarray, counts: np.ndarray, recipe: OERecipe, expected: np.ndarray | None = None) -> np.ndarray:
    """ln(observed/expected) of a recipe: (n, W, W) float32 in [-clip, clip], NaN-free.

    balanced, counts  (n, W, W)
    expected          (W,) balanced means per diagonal; needed where `recipe.expected` is "global"
    """
    *_, (_, target) = oe_steps(balanced, counts, recipe, expected, np.float32)
    return target


# ---------------------------------------------------------------- observed on [0, 1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _over_floor(windows, floor, offset, out):
    """max(x + offset, floor) / floor, window by window; NaN stays NaN."""
    n, size = windows.shape[:2]
    for window in range(n):
        lowest, added = floor[window], offset[window]
        for i in range(size):
            for j in range(windows.shape[2]):
                value = windows[window, i, j] + added
                out[window, i, j] = (lowest if value < lowest else value) / lowest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clip_to_unit(windows, span):
    """x / span clipped to [0, 1], in place; NaN stays NaN."""
    n, size = windows.shape[:2]
    for window in range(n):
        of_window = span[window]
        for i in range(size):
            for j in range(windows.shape[2]):
                value = windows[window, i, j] / of_window
                value = 0.0 if value < 0 else value
                windows[window, i, j] = 1.0 if value > 1 else value


@dataclass(frozen=True)
class ObservedScale:
    """value = ln((x + offset) / floor) / ln(ceiling / floor), x on the balanced scale of the deep map.

    Each field is (n,) for scales of single windows or (1,) for one scale of all.
    """

    floor: np.ndarray
    ceiling: np.ndarray
    offset: np.ndarray

    def forward(self, balanced: np.ndarray) -> np.ndarray:
        """[0, 1] from balanced values (n, W, W); NaN stays NaN, a scale without a span gives 0."""
        balanced = np.asarray(balanced, np.float64)
        floor, ceiling, offset = (
            np.ascontiguousarray(np.broadcast_to(field, len(balanced)), np.float64)
            for field in (self.floor, self.ceiling, self.offset)
        )
        span, values = np.log(ceiling / floor), np.empty(balanced.shape)
        _over_floor(balanced, floor, offset, values)
        np.log(values, out=values)
        _clip_to_unit(values, np.where(span > 0, span, 1.0))
        return values

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Balanced values (n, W, W) float64 from values on [0, 1]."""
        floor, ceiling, offset = (field[:, None, None] for field in (self.floor, self.ceiling, self.offset))
        return floor * (ceiling / floor) ** np.asarray(values, np.float64) - offset


def window_scale(windows: np.ndarray) -> ObservedScale:
    """The published scale of a window: its smallest non-zero value added, then ln between its minimum and maximum."""
    positive = np.where(windows > 0, windows, np.inf).min(axis=(1, 2))
    empty = ~np.isfinite(positive)
    offset = np.where(empty, 1.0, positive)
    lowest = np.where(np.isnan(windows), np.inf, windows).min(axis=(1, 2))
    highest = np.where(np.isnan(windows), 0.0, windows).max(axis=(1, 2))
    return ObservedScale(np.where(empty, 0.0, lowest) + offset, highest + offset, offset)


@dataclass(frozen=True)
class Log10Scale:
    """value = (log10(x + 1) - floor) / (ceiling - floor + 1e-8), x balanced (Lau 2025); each field (n,)."""

    floor: np.ndarray
    ceiling: np.ndarray

    @property
    def _span(self) -> np.ndarray:
        return (self.ceiling - self.floor + LOG10_MARGIN)[:, None, None]

    def forward(self, balanced: np.ndarray) -> np.ndarray:
        """[0, 1] from balanced values (n, W, W) of the windows the scale is of."""
        return (np.log10(balanced + 1) - self.floor[:, None, None]) / self._span

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Balanced values (n, W, W) float64."""
        return 10 ** (np.asarray(values, np.float64) * self._span + self.floor[:, None, None]) - 1


def own_scale(windows: np.ndarray, recipe: ObservedRecipe) -> ObservedScale | Log10Scale:
    """A scale for every window, from its values alone, of the recipe's variant."""
    if recipe.variant == "kriukov2021":
        return window_scale(windows)
    logarithm = np.log10(windows + 1)
    return Log10Scale(logarithm.min(axis=(1, 2)), logarithm.max(axis=(1, 2)))


def observed(
    balanced: np.ndarray, counts: np.ndarray, recipe: ObservedRecipe, scale: dict | None = None, factor: float = 1
) -> tuple[np.ndarray, ObservedScale | Log10Scale]:
    """Observed maps on [0, 1], (n, w, w) float32 NaN-free, and the scale that leads back to the deep map's values.

    balanced, counts  (n, w, w)
    scale   {"floor", "ceiling"} from `training_scale`; needed where `recipe.scale` is "global"
    factor  the map's balanced values are so many times those of the deep map's bins (`low_factor`)
    Raises InputError for the variant "lau2025" on a global scale.
    """
    if recipe.variant == "lau2025":
        if recipe.scale != "window":
            raise InputError(
                "config: recipes/<protocol>/observed: variant lau2025 scales every window alone; set scale: window"
            )
        filled = np.nan_to_num(balanced)
        # Windows are scaled as released: maps of wide bins are not divided by `factor` before the logarithm. The scale
        # that leads back is of the divided values, because predictions are on the scale of the deep map.
        return own_scale(filled, recipe).forward(filled).astype(np.float32), own_scale(filled / factor, recipe)
    cg = adaptive_coarsegrain(balanced, counts, recipe.cutoff, recipe.max_levels)
    if factor != 1:
        cg /= factor
    if recipe.scale == "global":
        limits = _needed(scale, "scale")
        chosen = ObservedScale(*(np.array([value]) for value in (limits["floor"], limits["ceiling"], 0.0)))
    else:
        chosen = window_scale(cg)
    return _interpolate_in_place(chosen.forward(cg)).astype(np.float32), chosen


def low_factor(recipe: ObservedRecipe, facts: dict) -> float:
    """By how much balanced values of the low map are taken to be larger than the deep map's, from statistics.json.

    "rows": balanced rows sum to 1 at each bin width, so a bin k times as wide holds k times the value of a deep one.
    "fitted": what the training regions say. Rows sum to 1 without the diagonals that balancing leaves out, which are k
    times as many base pairs in bins k times as wide, and one map may have contacts between chromosomes and the other
    none; so the factor is larger than k (yeast: by 12 % at k = 2, 23 % at k = 4).
    """
    return facts["low"]["factor"] if recipe.low_scale == "fitted" else facts["coarsen"]


@numba.njit(cache=True, nogil=True)
def _positive_upper(windows, values, times):
    """The positive pixels of the upper triangles of windows, and how often a window has them: 2 off its diagonal.

    Returns how many, and how often a pixel is 0.
    """
    number, zeros, size = 0, 0, windows.shape[1]
    for window in range(len(windows)):
        for i in range(size):
            for j in range(i, size):
                value, occurs = windows[window, i, j], 1 if i == j else 2
                if value > 0:
                    values[number], times[number] = value, occurs
                    number += 1
                elif value == 0:
                    zeros += occurs
    return number, zeros


class Histogram:
    """Quantiles of values >= 0 that come in parts, from a histogram of ln x: exact to 0.1 % of x."""

    STEP, LOWEST, HIGHEST = 1e-3, np.log(1e-15), np.log(1e15)

    def __init__(self):
        self.zeros = 0
        self.positive = np.zeros(int((self.HIGHEST - self.LOWEST) / self.STEP) + 1, dtype=np.int64)

    def add(self, values: np.ndarray, times: np.ndarray | None = None) -> None:
        """Count values, as many `times` as an array of the same shape says; NaN is left out."""
        positive, zero = values > 0, values == 0
        self.zeros += int(zero.sum() if times is None else times[zero].sum())
        self._tally(values[positive], None if times is None else times[positive])

    def add_symmetric(self, windows: np.ndarray) -> None:
        """Count the pixels of symmetric windows (n, W, W): of their upper triangles, those off the diagonal twice."""
        size = windows.shape[1]
        room = len(windows) * size * (size + 1) // 2
        values, times = np.empty(room), np.empty(room, dtype=np.int64)
        number, zeros = _positive_upper(windows, values, times)
        self.zeros += zeros
        self._tally(values[:number], times[:number])

    def _tally(self, positive: np.ndarray, times: np.ndarray | None) -> None:
        index = np.log(positive)
        index -= self.LOWEST
        index /= self.STEP
        self.positive += np.bincount(index.astype(np.int64), times, len(self.positive)).astype(np.int64)

    def quantile(self, share: float, *, zeros: bool = False) -> float:
        """The value below which a `share` of the positive values lies; `zeros`: of all values.

        Raises InputError where there is no positive value.
        """
        cumulative = np.cumsum(self.positive)
        if cumulative[-1] == 0:
            raise InputError("splits: no contact in the training regions of this map; choose other training regions")
        left_out = self.zeros if zeros else 0
        rank = share * (cumulative[-1] + left_out) - left_out
        if rank < 0:
            return 0.0
        return float(np.exp(self.LOWEST + (np.searchsorted(cumulative, rank) + 0.5) * self.STEP))


def training_scale(coarsegrained: Iterable[np.ndarray]) -> dict[str, float]:
    """Floor and ceiling of the global scale from coarse-grained windows of the training regions, stack after stack.

    The 0.1 % and 99.99 % quantiles of their positive values: the rarest far pixels must not stretch the scale, and the
    few largest near ones must not saturate it. Raises InputError where there is no contact.
    """
    histogram = Histogram()
    for windows in coarsegrained:
        histogram.add(windows)
    return scale_of(histogram)


def scale_of(histogram: Histogram) -> dict[str, float]:
    """`training_scale` of values that were counted. Raises InputError where there is no contact."""
    return {"floor": histogram.quantile(FLOOR_QUANTILE), "ceiling": histogram.quantile(CEILING_QUANTILE)}


# ---------------------------------------------------------------- contacts


def contacts(
    balanced: np.ndarray, counts: np.ndarray, recipe: CountsRecipe, per_balanced: float | None, factor: int = 1
) -> np.ndarray:
    """Contacts per pixel of the deep map's bins, (n, w, w) float32, 0 on missing bins.

    per_balanced  contacts per unit of the balanced scale (statistics.json); needed where `recipe.bias` is "balanced"
    factor        the map's coarsening k: k x k pixels share the contacts of one
    """
    raw = recipe.bias == "raw"
    values = counts / factor**2 if raw else balanced * (_needed(per_balanced, "per_balanced") / factor)
    return np.where(np.isfinite(balanced), values, 0.0).astype(np.float32)


def vehicle_maps(deep: np.ndarray, low: np.ndarray, quantile: float = 0.999) -> tuple[np.ndarray, np.ndarray]:
    """A chromosome's two maps as VEHiCLE's released loader makes them, each (n, n) float32 on [0, 1].

    deep, low  (n, n) balanced, the upper triangle is read
    Bins whose diagonal is zero or NaN in either map are dropped; values are cut at the quantile of each map, zeros
    included, and divided by it.
    Generators with `normalisation: quantile` do the same with the quantiles of the training windows (statistics.json).
    """
    kept_bins = np.ones(len(deep), dtype=bool)
    for diagonal in (np.diagonal(deep), np.diagonal(low)):
        kept_bins &= np.isfinite(diagonal) & (diagonal != 0)
    maps = []
    for balanced in (deep, low):
        upper = np.triu(np.nan_to_num(balanced))
        values = (upper + np.triu(upper, 1).T)[np.ix_(kept_bins, kept_bins)]
        # Of a sparse map the quantile is 0, and so are all values but a few: then the largest of them is taken.
        ceiling = np.quantile(values, quantile) or values.max(initial=0) or 1.0
        maps.append((np.minimum(values, ceiling) / ceiling).astype(np.float32))
    return maps[0], maps[1]


@dataclass(frozen=True)
class CountsScale:
    """Back from contacts of the deep map: balanced = contacts x f_i x f_j.

    factors  (n, W), one per bin of each window, 0 on missing bins
    """

    factors: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, recipe: CountsRecipe, facts: dict, factor: int) -> "CountsScale":
        """From the low map's balancing weights (n, W) repeated to the deep map's bins, and statistics["counts"].

        Raw contacts carry the biases of bins; where a new map is enhanced, only the low map tells them.
        """
        if recipe.bias == "balanced":
            return cls(np.where(np.isfinite(weights), facts["deep_per_balanced"] ** -0.5, 0.0))
        return cls(np.nan_to_num(weights * np.sqrt(factor / facts["ratio"])))

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Balanced values (n, S, S) float64 from contacts in the middle of the windows."""
        margin = (self.factors.shape[1] - values.shape[1]) // 2
        factors = self.factors[:, margin : margin + values.shape[1]]
        return np.asarray(values, np.float64) * factors[:, :, None] * factors[:, None, :]
