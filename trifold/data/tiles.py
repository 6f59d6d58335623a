"""Windows of a fold: where they start, and which are dropped for missing bins."""

import logging

import numpy as np
import pandas as pd

from trifold.config import Geometry
from trifold.errors import InputError

logger = logging.getLogger(__name__)

COLUMNS = ["chrom", "start_bp", "end_bp", "role", "bad_bins", "bins_with_n"]


def _starts(region, geometry: Geometry, step_bins: int) -> np.ndarray:
    """First bins of the windows inside a region, multiples of `step_bins`; only whole bins of the region count."""
    first, end = -(-region.start_bp // geometry.bin_bp), region.end_bp // geometry.bin_bp
    first = -(-first // step_bins) * step_bins
    return np.arange(first, end - geometry.window_bins + 1, geometry.stride_bins[region.role])


def _sums(flags: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """For every start, how many of the `size` flags from there on are true."""
    cumulative = np.concatenate([[0], np.cumsum(flags)])
    return cumulative[starts + size] - cumulative[starts]


def cut(
    regions: pd.DataFrame,
    geometry: Geometry,
    chromsizes: dict[str, int],
    bad: dict[str, np.ndarray],
    with_n: dict[str, np.ndarray],
    coarsen: int = 1,
) -> pd.DataFrame:
    """Windows of every region, by its role's stride: chrom, start_bp, end_bp, role, bad_bins, bins_with_n; in the
    order of `chromsizes`, then of the regions along the chromosome.

    regions     chrom, start_bp, end_bp, role
    chromsizes  of the deep map, bp; regions elsewhere give no windows
    bad         chrom -> (n_bins,) bool, bins missing in the deep map
    with_n      chrom -> (n_bins,) bool, bins that hold an N
    coarsen     windows start on a multiple of it, so that the low map has the same windows
    Windows with a larger share of bad bins than `max_bad_bins` or more bins with N than `max_n_bins` are dropped.
    Raises InputError where the geometry fits nowhere, or no train or no test window is left.
    """
    size = geometry.window_bins
    if size * geometry.bin_bp > max(chromsizes.values()):
        raise InputError(
            f"geometry/window_bins: a window of {geometry.window_bp:,} bp is longer than every chromosome "
            f"(longest {max(chromsizes.values()):,} bp); lower window_bins"
        )
    uneven = {f"stride_bins/{role}": stride for role, stride in geometry.stride_bins.items()} | {"window_bins": size}
    if uneven := {name: value for name, value in uneven.items() if value % coarsen}:
        raise InputError(f"geometry: {uneven} must be multiples of the degradation's coarsen, {coarsen}")

    tables = []
    for chrom in chromsizes:
        for region in regions[regions["chrom"] == chrom].sort_values("start_bp").itertuples():
            starts = _starts(region, geometry, coarsen)
            start_bp = starts * geometry.bin_bp
            columns = {"chrom": chrom, "start_bp": start_bp, "end_bp": start_bp + geometry.window_bp}
            columns |= {"role": region.role, "bad_bins": _sums(bad[chrom], starts, size)}
            tables.append(pd.DataFrame(columns | {"bins_with_n": _sums(with_n[chrom], starts, size)}))
    windows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    kept = (windows["bad_bins"] <= geometry.max_bad_bins * size) & (windows["bins_with_n"] <= geometry.max_n_bins)
    for chrom in set(windows["chrom"]) - set(windows["chrom"][kept]):
        logger.warning("%s: every window has too many bad bins or N; the chromosome takes no part", chrom)
    windows = windows[kept].reset_index(drop=True)
    for role in ("train", "test"):
        if not (windows["role"] == role).any():
            raise InputError(
                f"geometry: no {role} window is left of the {role} regions; lower geometry/window_bins, allow more "
                "geometry/max_bad_bins or geometry/max_n_bins, or choose other regions (splits)"
            )
    return windows
