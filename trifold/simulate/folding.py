"""The expected contact map of a chromosome, and the counts drawn from it.

Loop extrusion is the steady state of a Markov chain on bins, solved exactly by loop size; no polymer is simulated.
Bands: an array (band_bins, n_bins) holds the pixel (i, i + d) at ``[d, i]``; pixels beyond the chromosome's end are 0.

Against the published models of extrusion (Sanborn2015, Fudenberg2016): cohesins do not meet one another, legs walk at
one speed, and the chain is not folded: what loops add to the contacts of a chain is a sum of two closed forms, with
weights and exponents chosen to look like a mammalian map whose domains are ten times smaller.
"""

from pathlib import Path

import cooler
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve
from scipy.sparse import dia_array

from trifold.data.balance import balance as balance_map
from trifold.io.cool import undate
from trifold.simulate.genome import Chromosome, Settings, stream

CHAIN_EXPONENT = 0.7  # of contacts along the chain without loops
CONFINED_EXPONENT = 0.25  # of contacts between bins that one loop holds ...
CONFINEMENT = 0.3  # ... and their weight
BRIDGE_EXPONENT = 2.0  # of contacts over the base of a loop ...
BRIDGING = 4.0  # ... and their weight
BRIDGE_BINS = 16  # how far from its two anchors a loop brings bins together
COMPARTMENT_BLUR_BINS = 3.0
IGNORED_DIAGONALS = 2  # as cooler balances
CHUNK_PIXELS = 20_000_000
H5_OPTIONS = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def barriers(chromosome: Chromosome, cell: str) -> tuple[np.ndarray, np.ndarray]:
    """Probability that a left-going and a right-going leg are halted in each bin: two float (n_bins,).

    A leg is halted by a motif that points against it: "+" halts the left-going leg, "-" the right-going one, so that
    the loops that stay are those between convergent motifs. Several motifs in a bin act independently.
    """
    ctcf = chromosome.ctcf[chromosome.ctcf[cell]]
    passing = np.ones((2, chromosome.n_bins))
    bins = (ctcf.start_bp // chromosome.bin_bp).to_numpy()
    np.multiply.at(passing, ((ctcf.strand < 0).to_numpy().astype(int), bins), 1 - ctcf.barrier.to_numpy())
    return 1 - passing[0], 1 - passing[1]


def loop_occupancy(
    halt_left: np.ndarray, halt_right: np.ndarray, band_bins: int, fall_off: float, slip: float, density: float
) -> tuple[np.ndarray, np.ndarray]:
    """Expected number of cohesins holding each pair of bins in the steady state.

    Cohesin lands uniformly on one bin; each free leg steps one bin outwards at rate 1; a leg that arrives at a bin is
    halted there with the bin's probability, and then steps on at rate `slip`; cohesin falls off at rate `fall_off`
    (both per step of a free leg) or when a leg leaves the chromosome. A loop only grows, so the occupancies of size
    d + 1 follow from those of size d. `density`: cohesins per bin. Returns all loops and those with both legs halted,
    each a band (band_bins, n_bins).
    """
    n = len(halt_left)
    occupancy, anchored = np.zeros((2, band_bins, n))
    # Occupancy by the state of (left leg, right leg): f free, h halted.
    ff = np.full(n, density * fall_off / (2 + fall_off))
    fh, hf, hh = np.zeros((3, n))
    occupancy[0] = ff
    for d in range(1, band_bins):
        at_left, at_right = halt_left[: n - d], halt_right[d:]
        # Flux of left (right) legs arriving at the left (right) bin, by the state of the other leg.
        left_f, left_h = (ff + slip * hf)[1:], (fh + slip * hh)[1:]
        right_f, right_h = (ff + slip * fh)[:-1], (hf + slip * hh)[:-1]
        ff = (left_f * (1 - at_left) + right_f * (1 - at_right)) / (2 + fall_off)
        hf = (left_f * at_left + right_h * (1 - at_right)) / (1 + slip + fall_off)
        fh = (right_f * at_right + left_h * (1 - at_left)) / (1 + slip + fall_off)
        hh = (right_h * at_right + left_h * at_left) / (2 * slip + fall_off)
        occupancy[d, : n - d] = ff + hf + fh + hh
        anchored[d, : n - d] = hh
    return occupancy, anchored


def loops(chromosome: Chromosome, cell: str | None, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """`loop_occupancy` of a chromosome in a cell type; None: without cohesin, so without a loop."""
    if cell is None:
        return np.zeros((settings.band_bins, chromosome.n_bins)), np.zeros((settings.band_bins, chromosome.n_bins))
    fall_off = 2 * settings.bin_bp / settings.processivity_bp  # two legs
    slip = settings.bin_bp / settings.stall_bp
    density = settings.bin_bp / settings.cohesin_bp
    return loop_occupancy(*barriers(chromosome, cell), settings.band_bins, fall_off, slip, density)


def compartment_score(chromosome: Chromosome, settings: Settings) -> np.ndarray:
    """From -1 (B) to 1 (A): the blurred GC content of the bins, (n_bins,); gaps take their neighbours'."""
    gc, known = chromosome.gc, ~np.isnan(chromosome.gc)
    filled = np.interp(np.arange(len(gc)), np.flatnonzero(known), gc[known])
    low, high = settings.gc
    return np.tanh(3 * (gaussian_filter1d(filled, COMPARTMENT_BLUR_BINS) - (low + high) / 2) / (high - low))


def _ahead(values: np.ndarray, band_bins: int) -> np.ndarray:
    """``values[i + d]`` as a band view; 0 beyond the end."""
    padded = np.concatenate([values, np.zeros(band_bins - 1)])
    return np.lib.stride_tricks.sliding_window_view(padded, len(values))


def sharing(occupancy: np.ndarray) -> np.ndarray:
    """Expected number of loops that hold both bins of each pixel, anchors included: the sum of the occupancies of
    (a, b) with a <= i and b >= j, as a band."""
    within = np.cumsum(occupancy[::-1], axis=0)[::-1]  # over b
    for d in range(len(within) - 2, -1, -1):  # over a
        within[d, 1:] += within[d + 1, :-1]
    return within


def contact_frequency(occupancy: np.ndarray) -> np.ndarray:
    """Contacts of a chain that falls off as a power of distance, and what loops add to it: a band, on any scale.

    Bins that one loop holds are confined together, which hardly depends on their distance. And a loop between a and b
    joins i and j by a path of |i - a| + |j - b| bins: in band coordinates one convolution with a sheared kernel.
    """
    distance_bins = np.arange(len(occupancy))[:, None]
    reach = BRIDGE_BINS
    along_i = np.arange(-reach, reach + 1)
    along_j = along_i + np.arange(-2 * reach, 2 * reach + 1)[:, None]
    path_bins = np.abs(along_i) + np.abs(along_j)
    kernel = np.where(np.abs(along_j) <= reach, (1.0 + path_bins) ** -BRIDGE_EXPONENT, 0)
    bridged = np.maximum(oaconvolve(occupancy, kernel, mode="same"), 0)
    confined = (1.0 + distance_bins) ** -CONFINED_EXPONENT * sharing(occupancy)
    return (1.0 + distance_bins) ** -CHAIN_EXPONENT + CONFINEMENT * confined + BRIDGING * bridged


def balance(band: np.ndarray, row_sum: float, tolerance: float = 1e-6, max_iterations: int = 1000) -> np.ndarray:
    """Scale rows and columns so that every non-empty row sums to `row_sum`, the first two diagonals left out.

    `band`: a band of a symmetric map, not changed; returns a new band.
    """
    counted = band.copy()
    counted[:IGNORED_DIAGONALS] = 0
    n = band.shape[1]
    lower = dia_array((counted, -np.arange(len(band))), shape=(n, n)).tocsr()
    symmetric = lower + lower.T
    used = symmetric.sum(axis=1) > 0
    weights = used / np.sqrt(symmetric.sum(axis=1)[used].mean() / row_sum)
    for _ in range(max_iterations):
        sums = weights * (symmetric @ weights)
        if np.abs(sums[used] / row_sum - 1).max() < tolerance:
            break
        weights[used] /= np.sqrt(sums[used] / row_sum)
    return band * weights * _ahead(weights, len(band))


def expected_map(chromosome: Chromosome, occupancy: np.ndarray, settings: Settings) -> np.ndarray:
    """The noise-free map on the balanced scale as a band, without the background; unmappable bins are 0.

    Rows sum to 1 - background over the diagonals that balancing counts.
    """
    score = compartment_score(chromosome, settings)
    used = (chromosome.mappable > 0).astype(float)
    band = contact_frequency(occupancy)
    band *= np.exp(settings.compartment_strength * score * _ahead(score, len(band)))
    return balance(band * used * _ahead(used, len(band)), 1 - settings.background)


def bias(chromosome: Chromosome, settings: Settings) -> np.ndarray:
    """Visibility of the bins, (n_bins,), 0 on unmappable ones: log-normal, greater where GC-rich and not masked."""
    rng = stream(settings.seed, "bias", chromosome.name)
    masked = chromosome.share_of_bins(chromosome.masked)
    gc = np.nan_to_num(chromosome.gc - np.nanmean(chromosome.gc))
    log_bias = rng.normal(0, settings.bias_sd, chromosome.n_bins) + 1.5 * gc - 0.3 * (masked - masked.mean())
    return chromosome.mappable * np.exp(log_bias)


def bin_table(chromosomes: list[Chromosome]) -> pd.DataFrame:
    """Bins of the genome as cooler wants them: chrom, start, end."""
    return cooler.util.binnify(
        pd.Series({chromosome.name: chromosome.length_bp for chromosome in chromosomes}), chromosomes[0].bin_bp
    )


def pixels_of_band(band: np.ndarray, offset: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Non-zero pixels in cooler's order: bin1, bin2 (counted from `offset`) and value."""
    bin1, distance = np.nonzero(band.T)
    return offset + bin1, offset + bin1 + distance, band[distance, bin1]


def _background_pairs(
    rng: np.random.Generator, biases: list[np.ndarray], per_pair: float, band_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Contacts between bins drawn by bias alone, outside the band of every chromosome: bin1 < bin2."""
    weights = np.concatenate(biases)
    chrom = np.repeat(np.arange(len(biases)), [len(values) for values in biases])
    n_contacts = rng.poisson(per_pair * weights.sum() ** 2 / 2)
    cumulative = np.cumsum(weights) / weights.sum()
    pairs = np.sort(np.searchsorted(cumulative, rng.random((2, n_contacts)), side="right"), axis=0)
    far = (chrom[pairs[0]] != chrom[pairs[1]]) | (pairs[1] - pairs[0] >= band_bins)
    return pairs[0, far], pairs[1, far]


def draw_counts(
    rng: np.random.Generator, maps: list[np.ndarray], biases: list[np.ndarray], contacts: int, background: float
) -> pd.DataFrame:
    """Poisson counts of one cell type: bin1_id, bin2_id, count, sorted.

    A pixel's mean is depth x bias_i x bias_j x (expected map + background per pair); `contacts` sets the depth.
    `maps`: the chromosomes' bands of `expected_map`, `biases` (n_bins,) of each.
    """
    n_bins = sum(len(values) for values in biases)
    per_pair = background / sum((values > 0).sum() for values in biases)
    means = [
        values * _ahead(values, len(band)) * np.where(band > 0, band + per_pair, 0)
        for band, values in zip(maps, biases)
    ]
    total_bias = sum(values.sum() for values in biases)
    in_band = sum((values * _ahead(values, len(band))).sum() for band, values in zip(maps, biases))
    outside = per_pair * (total_bias**2 / 2 - in_band)
    depth = contacts / (sum(mean.sum() for mean in means) + outside)

    offsets = np.append(0, np.cumsum([len(values) for values in biases]))[:-1]
    keys, counts = [], []
    for mean, offset in zip(means, offsets):
        bin1, bin2, count = pixels_of_band(rng.poisson(depth * mean).astype(np.int32), offset)
        keys.append(bin1 * n_bins + bin2)
        counts.append(count)
    bin1, bin2 = _background_pairs(rng, biases, depth * per_pair, len(maps[0]))
    key, count = np.unique(bin1 * n_bins + bin2, return_counts=True)
    keys.append(key)
    counts.append(count.astype(np.int32))
    keys, counts = np.concatenate(keys), np.concatenate(counts)
    order = np.argsort(keys, kind="stable")  # two sorted runs: a merge
    bin1, bin2 = np.divmod(keys[order], n_bins)
    return pd.DataFrame({"bin1_id": bin1, "bin2_id": bin2, "count": counts[order]})


def _create(path: Path, bins: pd.DataFrame, pixels: pd.DataFrame, dtype: type) -> None:
    cooler.create_cooler(
        str(path),
        bins,
        pixels,
        dtypes={"count": dtype},
        ordered=True,
        assembly="simulated",
        h5opts=H5_OPTIONS,
        boundscheck=False,
        dupcheck=False,
        triucheck=False,
    )
    undate(path)


def write_truth(
    path: Path, bins: pd.DataFrame, maps: list[np.ndarray], used: list[np.ndarray], background: float
) -> None:
    """The noise-free map on the scale of a balanced deep map; `weight` is 1, NaN on bins not `used` (bool (n_bins,)).

    Rows sum to 1 with the background outside the band, which is uniform and not stored.
    """
    per_pair = background / sum(values.sum() for values in used)
    offsets = np.append(0, np.cumsum([len(values) for values in used]))[:-1]
    parts = [pixels_of_band(band, offset) for band, offset in zip(maps, offsets)]
    bin1, bin2, value = (np.concatenate(column) for column in zip(*parts))
    pixels = pd.DataFrame({"bin1_id": bin1, "bin2_id": bin2, "count": value + per_pair})
    weight = np.where(np.concatenate(used), 1.0, np.nan)
    _create(path, bins.assign(weight=weight), pixels, np.float64)


def write_mcool(path: Path, bins: pd.DataFrame, pixels: pd.DataFrame, resolutions: list[int]) -> None:
    """Raw counts at every resolution (bp), each balanced by iterative correction."""
    base = path.with_suffix(".base.cool")
    _create(base, bins, pixels, np.int32)
    cooler.zoomify_cooler(str(base), str(path), resolutions, CHUNK_PIXELS, h5opts=H5_OPTIONS)
    base.unlink()
    for resolution in resolutions:
        balance_map(f"{path}::/resolutions/{resolution}")
    undate(path)
