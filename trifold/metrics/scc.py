"""Stratum-adjusted correlation (SCC): a weighted mean of the correlations along the diagonals of two maps.

Three forms are in use under one name, and their values must not be compared with each other:

- `hicrep`: dejunlin/hicrep. No main diagonal, pixels that are zero in both maps dropped, mean filter with fewer
  neighbours at the edges, weight of a diagonal (n + 1) / 12 for n pixels: near diagonals weigh most.
- `hicreppy`: cmdoret/hicreppy. Main diagonal included, the mean filter sees a zero lower triangle and leaves a margin
  of h zero bins. Its ranks are a permutation whatever the data, and are divided by n once too often, so the weight is
  (n² - 1) / (12 n³): far diagonals weigh most. The shared zeros make unrelated maps correlate once h > 0.
- `kriukov2021`: metrics.get_scc as released with Kriukov2021. No filter, all diagonals, weights of hicreppy; the main
  and the last diagonal count as correlation 0, an undefined one as 1 if both maps are flat there and 0 if not.

A form takes symmetric windows (n, W, W) and returns (n,) values; the ``_bands`` form takes bands (n, bins, width),
[:, i, d] being pixel (i, i + d), so that a whole chromosome never becomes a dense matrix. A band holds the diagonals
scored at least (ValueError if not); what lies past it is zero. hicreppy's filter reads further than it scores: to
equal the dense value its band is max_bins + h + 1 wide. A pixel that is NaN in either map is zero in both.

Deviation: hicrep's division by the total number of contacts is left out, as correlations do not see it.
"""

from collections.abc import Callable

import numpy as np

from trifold.metrics.pixels import FLAT, ratio, to_bands

# Windows are scored in blocks of at most so many pixels, which fit in the processor's cache.
_BLOCK_PIXELS = 1 << 16
# Standard deviation below which the released code of Kriukov2021 takes a diagonal for flat.
_KRIUKOV_FLAT = 1e-5


# ---------------------------------------------------------------- the three forms


def hicrep(first: np.ndarray, second: np.ndarray, h: int, n_diags: int) -> np.ndarray:
    """SCC of dejunlin/hicrep over diagonals 1 … n_diags - 1 with a mean filter of half-width h bins."""
    width = min(n_diags, first.shape[-1])
    return hicrep_bands(to_bands(first, width), to_bands(second, width), h, n_diags)


def hicrep_bands(first: np.ndarray, second: np.ndarray, h: int, n_diags: int) -> np.ndarray:
    """`hicrep` of bands (n, bins, width)."""
    return over_strata(*hicrep_strata(first, second, h, n_diags))


def over_strata(correlation: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The SCC from correlation and weight of each diagonal, (n, diagonals) -> (n,)."""
    return ratio((np.nan_to_num(correlation) * weight).sum(axis=-1), weight.sum(axis=-1))


def hicrep_strata(first: np.ndarray, second: np.ndarray, h: int, n_diags: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of `hicrep_bands`: correlation (NaN where not defined) and weight of diagonals, each (n, diagonals)."""
    return _hicrep_parts(first, second, h, n_diags)[:2]


# Parts of a form: what a diagonal counts as, its weight, and whether both maps are flat on it, each (n, diagonals).
_Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def _hicrep_parts(first: np.ndarray, second: np.ndarray, h: int, n_diags: int) -> _Parts:
    def score(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        n_bins = first.shape[1]
        n_diagonals = min(n_diags, n_bins)
        first, second = (bands[:, :, :n_diagonals] for bands in (first, second))
        first[:, :, 0] = second[:, :, 0] = 0
        inside = _inside(n_bins, n_diagonals)
        if h:
            share = inside / _n_neighbours(n_bins, n_diagonals, h)
            first, second = (_box_sum(bands, h, n_diagonals) * share for bands in (first, second))
        counted = ((first != 0) | (second != 0)) & inside
        counted[:, :, 0] = False
        n, correlation, flat = _correlate(first, second, counted)
        return np.stack([correlation, np.where(n >= 2, (n + 1) / 12, 0), flat], axis=1)

    return _parts(_in_blocks(score, first, second, n_diags))


def hicreppy(first: np.ndarray, second: np.ndarray, h: int, max_bins: int) -> np.ndarray:
    """SCC of hicreppy over diagonals 0 … max_bins - 1 with a mean filter of half-width h bins."""
    width = min(max_bins + h + 1, first.shape[-1])
    return hicreppy_bands(to_bands(first, width), to_bands(second, width), h, max_bins)


def hicreppy_bands(first: np.ndarray, second: np.ndarray, h: int, max_bins: int) -> np.ndarray:
    """`hicreppy` of bands (n, bins, width)."""
    return over_strata(*_hicreppy_parts(first, second, h, max_bins)[:2])


def _hicreppy_parts(first: np.ndarray, second: np.ndarray, h: int, max_bins: int) -> _Parts:
    def score(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        n_bins = first.shape[1]
        n_diagonals = min(max_bins, n_bins)
        first, second = (bands[:, :, : max_bins + h + 1] for bands in (first, second))
        if h:
            interior = _inside(n_bins, n_diagonals, margin=h)
            first, second = (_box_sum(bands, h, n_diagonals) * interior for bands in (first, second))
        n, correlation, flat = _correlate(
            first[:, :, :n_diagonals], second[:, :, :n_diagonals], _inside(n_bins, n_diagonals)[None]
        )
        return np.stack([correlation, np.broadcast_to(_inverted_weight(n[0]), correlation.shape), flat], axis=1)

    return _parts(_in_blocks(score, first, second, max_bins))


def kriukov2021(first: np.ndarray, second: np.ndarray, max_bins: int | None = None) -> np.ndarray:
    """SCC as released with Kriukov2021; over diagonals 0 … max_bins - 1 where given, else over all (as released)."""
    width = min(max_bins or first.shape[-1], first.shape[-1])
    return kriukov2021_bands(to_bands(first, width), to_bands(second, width))


def kriukov2021_bands(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`kriukov2021` of bands (n, bins, width), over the diagonals of the band."""
    return over_strata(*_unfiltered_parts(first, second)[:2])


def _unfiltered_parts(first: np.ndarray, second: np.ndarray) -> _Parts:
    def score(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        n_bins = first.shape[1]
        first, second = (bands[:, :, :n_bins] for bands in (first, second))
        inside = _inside(n_bins, first.shape[2])[None]
        n, correlation, _ = _correlate(first, second, inside)
        flat = np.all([_deviation(bands, inside, n) < _KRIUKOV_FLAT for bands in (first, second)], axis=0)
        correlation = np.where(np.isnan(correlation), flat, correlation)
        correlation[:, 0] = 0
        correlation[:, n[0] == 1] = 0
        return np.stack([correlation, np.broadcast_to(_inverted_weight(n[0]), correlation.shape), flat], axis=1)

    return _parts(_in_blocks(score, first, second, first.shape[2]))


# ---------------------------------------------------------------- parts


def strata(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, h: int, max_bins: int, *, as_released: bool = False
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of every form of the SCC correlation and weight of each diagonal, (n, diagonals), of bands (n, bins, width) up to
    a distance of max_bins; what is not scored is zero. `over_strata` makes the SCC of them.

    A diagonal on which nothing is scored, or on which both maps are flat, weighs nothing, so that a map against itself
    has 1. as_released: those count as each form has it (hicrep and hicreppy: correlation 0; kriukov2021: 1, the main
    diagonal 0).
    """
    first, second = (np.where(mask, bands, 0) for bands in (prediction, target))
    width = mask.shape[-1]
    parts = {
        "scc_hicrep": _hicrep_parts(first, second, h, min(max_bins + 1, width)),
        "scc_hicreppy": _hicreppy_parts(first, second, h, min(max_bins, width)),
        "scc_kriukov2021": _unfiltered_parts(first, second),
    }
    scored = np.any(mask, axis=1)  # (n, width)
    of_forms = {}
    for form, (correlation, weight, flat) in parts.items():
        if not as_released:
            # hicrep leaves out pixels that are zero in both maps by itself.
            weight = weight * (~flat if form == "scc_hicrep" else ~flat & scored[:, : weight.shape[1]])
        of_forms[form] = correlation, weight
    return of_forms


def forms(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray, h: int, max_bins: int, **how) -> dict:
    """Every form of the SCC, (n,); arguments as in `strata`."""
    of_forms = strata(prediction, target, mask, h, max_bins, **how)
    return {form: over_strata(*parts) for form, parts in of_forms.items()}


def _parts(stacked: np.ndarray) -> _Parts:
    """The three of (n, 3, diagonals)."""
    return stacked[:, 0], stacked[:, 1], stacked[:, 2] > 0


def _in_blocks(score: Callable, first: np.ndarray, second: np.ndarray, n_diagonals: int) -> np.ndarray:
    """`score` of copies of pairs of bands, missing pixels made zero in both, a few at a time."""
    n_bins, width = first.shape[1:]
    if first.shape != second.shape or width < min(n_diagonals, n_bins):
        raise ValueError(f"bands {first.shape} and {second.shape} must be alike and hold {n_diagonals} diagonals")
    step = max(1, _BLOCK_PIXELS // (n_bins * width))
    values = []
    for start in range(0, max(1, len(first)), step):
        rows = slice(start, start + step)
        first_block, second_block = (np.array(bands[rows], dtype=np.float64) for bands in (first, second))
        missing = np.isnan(first_block) | np.isnan(second_block)
        first_block[missing] = second_block[missing] = 0
        values.append(score(first_block, second_block))
    return np.concatenate(values)


def _inside(n_bins: int, n_diagonals: int, margin: int = 0) -> np.ndarray:
    """Boolean (n_bins, n_diagonals): pixel (i, i + d) is in the map and `margin` bins away from its edges."""
    bins = np.arange(n_bins)[:, None]
    return (bins >= margin) & (bins + np.arange(n_diagonals) < n_bins - margin)


def _n_neighbours(n_bins: int, n_diagonals: int, h: int) -> np.ndarray:
    """Pixels within h rows and h columns of pixel (i, i + d) as hicrep counts them, (n_bins, n_diagonals)."""
    rows = np.arange(n_bins)[:, None]
    columns = np.minimum(rows + np.arange(n_diagonals), n_bins - 1)
    near_rows, near_columns = (h + 1 + np.clip(np.minimum(at, n_bins - 1 - at), 0, h) for at in (rows, columns))
    return near_rows * near_columns


def _sliding_sum(flat: np.ndarray, width: int, step: int) -> np.ndarray:
    """Sums of `width` entries, `step` apart, along the last axis, by doubling; a sum of zeros stays exactly zero."""
    if width == 1:
        return flat
    half = _sliding_sum(flat, width // 2, step)
    shift = width // 2 * step
    total = half[:, :-shift] + half[:, shift:]
    if width % 2:
        reach = (width - 1) * step
        total = total[:, : flat.shape[1] - reach] + flat[:, reach:]
    return total


def _box_sum(bands: np.ndarray, h: int, n_diagonals: int) -> np.ndarray:
    """Sums over (2h + 1) x (2h + 1) pixels around pixel (i, i + d), d < n_diagonals; off the band is zero.

    Stored row by row, both directions of the map are steps of one length: a column to the right is the next entry,
    and a row down in the same column is a row of the band less one entry. The zeros that end each row of the band
    are at once what lies beyond its far side and, one row further down, what lies below the main diagonal.
    """
    n, n_bins, width = bands.shape
    used = min(width, n_diagonals + 2 * h)
    row = max(used, n_diagonals) + 2 * h
    padded = np.zeros((n, n_bins + 2 * h, row))
    padded[:, h : h + n_bins, :used] = bands[:, :, :used]
    across = _sliding_sum(padded.reshape(n, (n_bins + 2 * h) * row), 2 * h + 1, step=1)
    box = _sliding_sum(across, 2 * h + 1, step=row - 1)
    return box.reshape(n, n_bins, row)[:, :, :n_diagonals]


def _correlate(first: np.ndarray, second: np.ndarray, counted: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pixels counted per diagonal, Pearson correlation of each (NaN where a map is flat), and whether both are flat;
    (n, diagonals)."""
    n = np.count_nonzero(counted, axis=1)
    centred, squares, varies = [], [], []
    for bands in (first, second):
        mean = np.einsum("nid,nid->nd", bands, np.broadcast_to(counted, bands.shape)) / np.maximum(n, 1)
        deviations = (bands - mean[:, None]) * counted
        square = np.einsum("nid,nid->nd", deviations, deviations)
        centred.append(deviations)
        squares.append(square)
        varies.append(square > n * (FLAT * mean) ** 2)
    covariance = np.einsum("nid,nid->nd", *centred)
    correlation = ratio(covariance, np.where(varies[0] & varies[1], np.sqrt(squares[0]) * np.sqrt(squares[1]), 0))
    return n, correlation, ~(varies[0] | varies[1])


def _deviation(bands: np.ndarray, counted: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Standard deviation per diagonal, (n, diagonals)."""
    mean = (bands * counted).sum(axis=1) / n
    return np.sqrt(np.square((bands - mean[:, None]) * counted).sum(axis=1) / n)


def _inverted_weight(n: np.ndarray) -> np.ndarray:
    """n·sqrt(var(rank₁/n/n)·var(rank₂/n/n)) with ranks that are a permutation of 1 … n."""
    return (n**2 - 1) / (12 * n**3.0)
