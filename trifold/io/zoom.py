"""Zoom levels of a map on the balanced scale, for genome browsers, on the scale of cooler's balance of each level.

In a zoom level z times as wide, counts are summed, and a bin with v predicted children counts z / v times, so that a
missing child is not zero. Rows then sum to z beyond the base's ignored diagonals. A balance of the level ignores as
many diagonals of its wider bins, and what lies inside these is no part of its rows: they sum to r < z, and dividing by
r makes them sum to 1. Hence weights of z / v / sqrt(r); see `_row_sum`.
"""

from pathlib import Path

import cooler
import numpy as np

from trifold.io.cool import bin_width, opened, predicted_weight, row_sums, undate, weight_facts, write_weight

# Zoom levels are added until the longest chromosome has fewer bins: the tile of a genome browser.
OVERVIEW_BINS = 256
ZOOM_CHUNK_PIXELS = 5_000_000
LEAST_SHARE = 0.1  # of its z that a row of a zoom level is taken to have beyond the ignored diagonals


def _row_sum(near: np.ndarray, level: np.ndarray, number: np.ndarray, zoom: int) -> float:
    """Mean row sum r of a zoom level, of bins with a predicted child, beyond the ignored diagonals of its bins.

    near    (n_bins,) of every bin of the level, what its children's rows hold beyond the ignored diagonals of the base
    level   (n_bins,) what its row holds beyond those of the level, missing children made up for
    number  (n_bins,) of its predicted children, v
    A child's row sums to 1, and what is not `near` lies beyond the predicted band: v - near of it, z / v times. So r is
    `level` and that far part; without missing children it is z less what lies between the ignored diagonals of base and
    level. Where the band is narrower than those of the level, what is absent between counts as far, and values are low.
    """
    present = number > 0
    far = (number - near)[present] * zoom / number[present]
    return max(float((far + level[present]).mean()), LEAST_SHARE * zoom)


def _copy_columns(base: cooler.Cooler, uri: str) -> None:
    """What the pixels of a map have beside the columns of every cooler, into the same map of another file."""
    level = cooler.Cooler(uri)
    with opened(base) as source, opened(level, "r+") as target:
        for name in sorted(set(base.pixels().columns) - set(level.pixels().columns)):
            source.copy(f"pixels/{name}", target, f"pixels/{name}")


def write_zoom_levels(cool: Path, mcool: Path, metadata: dict | None = None, assembly: str | None = None) -> None:
    """Zoom levels x 2 of a map on the balanced scale until its longest chromosome has fewer than OVERVIEW_BINS bins.

    Columns of pixels beside the count stand in the narrowest level alone: they do not add.
    The map's `weight` is 1, or NaN where nothing is predicted, and has the attributes `predicted_weight`.
    A pixel at the edge of the predicted band is the sum of those of its children that were predicted.
    """
    base = cooler.Cooler(str(cool))
    bins = base.bins()[["chrom", "weight"]][:]
    predicted = [np.isfinite(w.to_numpy()) for _, w in bins.groupby("chrom", observed=True, sort=False)["weight"]]
    zooms = [1]
    while max(map(len, predicted)) / zooms[-1] >= OVERVIEW_BINS:
        zooms.append(2 * zooms[-1])
    cooler.zoomify_cooler(
        str(cool),
        str(mcool),
        [bin_width(base) * zoom for zoom in zooms],
        chunksize=ZOOM_CHUNK_PIXELS,
        metadata=metadata,
        assembly=assembly,
    )
    _copy_columns(base, f"{mcool}::resolutions/{bin_width(base)}")
    ignore_diags = int(weight_facts(base)["ignore_diags"])
    known = np.concatenate(predicted).astype(float)
    near = np.split(row_sums(base, known, ignore_diags), np.cumsum([len(p) for p in predicted])[:-1])
    for zoom in zooms[1:]:
        uri = f"{mcool}::resolutions/{bin_width(base) * zoom}"
        first_children = [np.arange(0, len(p), zoom) for p in predicted]
        number, held = (
            np.concatenate([np.add.reduceat(part, at, dtype=kind) for part, at in zip(parts, first_children)])
            for parts, kind in ((predicted, np.int64), (near, np.float64))
        )
        made_up = zoom / np.maximum(number, 1)
        level = row_sums(cooler.Cooler(uri), made_up, ignore_diags)
        scale = _row_sum(held, level, number, zoom)
        write_weight(uri, np.where(number > 0, made_up / np.sqrt(scale), np.nan), predicted_weight(ignore_diags))
    undate(mcool)
