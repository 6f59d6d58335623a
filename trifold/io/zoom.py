"""Zoom levels of a map on the balanced scale, for genome browsers.

In a zoom level z times as wide, counts are summed and a bin with v predicted children has the weight sqrt(z) / v, which
is 1 / sqrt(z) where none is missing: count x weight x weight is on the balanced scale of that level, and a missing
child is not counted as zero.
"""

from pathlib import Path

import cooler
import numpy as np

from trifold.io.cool import bin_width, undate, weight_facts, write_weight

# Zoom levels are added until the longest chromosome has fewer bins: the tile of a genome browser.
OVERVIEW_BINS = 256
ZOOM_CHUNK_PIXELS = 5_000_000


def write_zoom_levels(cool: Path, mcool: Path, metadata: dict | None = None, assembly: str | None = None) -> None:
    """Zoom levels x 2 of a map on the balanced scale until its longest chromosome has fewer than OVERVIEW_BINS bins.

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
    facts = weight_facts(base)
    for zoom in zooms[1:]:
        children = [np.add.reduceat(p, np.arange(0, len(p), zoom), dtype=np.int64) for p in predicted]
        number = np.concatenate(children)
        weight = np.where(number > 0, np.sqrt(zoom) / np.maximum(number, 1), np.nan)
        write_weight(f"{mcool}::resolutions/{bin_width(base) * zoom}", weight, facts)
    undate(mcool)
