"""Juicer .hic files (version 8 and 9), read with hictkpy: raw counts as the pixel chunks of `trifold.io.cool`.

Normalisation vectors of a .hic are not read: every map is balanced anew in the pipeline. (They divide a count, while a
cooler's `weight` multiplies it.)
"""

import os
from collections.abc import Iterator

import numpy as np

from trifold.errors import InputError
from trifold.io.cool import CHUNK_PIXELS, Pixels

os.environ["HICTK_NO_TELEMETRY"] = "1"
import hictkpy

BLOCK_BINS = 2_000  # rows of one chromosome read at once


def _open(path: str | os.PathLike) -> "hictkpy.MultiResFile":
    try:
        return hictkpy.MultiResFile(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable .hic file ({error}); if it is truncated, fetch it again") from error


def resolutions(path: str | os.PathLike) -> list[int]:
    """Bin widths in the file, bp, finest first."""
    return sorted(np.asarray(_open(path).resolutions(), dtype=np.int64).tolist())


def chromsizes(path: str | os.PathLike) -> dict[str, int]:
    """Chromosome lengths, bp, in the file's order and under its own names (4DN: without "chr")."""
    return {name: int(length) for name, length in _open(path).chromosomes().items() if name.lower() != "all"}


def read_pixels(path: str | os.PathLike, bin_bp: int, block_bins: int = BLOCK_BINS) -> Iterator[Pixels]:
    """Raw counts (float64) of one bin width as sorted upper-triangle chunks, `block_bins` rows at a time.

    Bin ids number the bins of `chromsizes` in order, as in a cooler.
    """
    file, sizes = _open(path)[bin_bp], chromsizes(path)
    names = list(sizes)
    first_bin = dict(zip(names, np.cumsum([0] + [-(-sizes[name] // bin_bp) for name in names])))
    for order, row_chrom in enumerate(names):
        for start_bp in range(0, sizes[row_chrom], block_bins * bin_bp):
            rows = f"{row_chrom}:{start_bp}-{min(start_bp + block_bins * bin_bp, sizes[row_chrom])}"
            parts = []
            for column_chrom in names[order:]:
                # On the chromosome of the rows, columns left of the block lie below the diagonal.
                origin_bp = start_bp if column_chrom == row_chrom else 0
                columns = f"{column_chrom}:{origin_bp}-{sizes[column_chrom]}"
                block = file.fetch(rows, columns, count_type="float64").to_coo()
                bin1 = block.row.astype(np.int64) + start_bp // bin_bp + first_bin[row_chrom]
                bin2 = block.col.astype(np.int64) + origin_bp // bin_bp + first_bin[column_chrom]
                upper = bin1 <= bin2
                parts.append((bin1[upper], bin2[upper], block.data[upper]))
            bin1, bin2, count = (np.concatenate(column) for column in zip(*parts))
            order_of_pixels = np.lexsort((bin2, bin1))
            for lo in range(0, len(bin1), CHUNK_PIXELS):
                chosen = order_of_pixels[lo : lo + CHUNK_PIXELS]
                yield {"bin1_id": bin1[chosen], "bin2_id": bin2[chosen], "count": count[chosen]}
