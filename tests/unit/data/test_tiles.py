"""Windows: where they start, what drops them, what is refused."""

import logging

import numpy as np
import pandas as pd
import pytest

from trifold.config import Geometry
from trifold.data import splits, tiles
from trifold.errors import InputError

SIZES = {"chr1": 1_005, "chr2": 500}
STRIDES = {"train": 4, "validation": 8, "test": 8}


def geometry(**changes):
    settings = {"bin_bp": 10, "window_bins": 8, "stride_bins": STRIDES, "max_bad_bins": 0.25, "max_n_bins": 0}
    return Geometry(**(settings | changes))


def regions(*rows):
    return pd.DataFrame(rows, columns=splits.COLUMNS)


def flags(**set_bins):
    arrays = {"chr1": np.zeros(101, dtype=bool), "chr2": np.zeros(50, dtype=bool)}
    for chrom, bins in set_bins.items():
        arrays[chrom][bins] = True
    return arrays


WHOLE = regions(("chr2", 0, 500, "test"), ("chr1", 0, 1_005, "train"))


def test_windows_by_role_inside_regions():
    some = regions(("chr1", 605, 1_005, "test"), ("chr1", 15, 295, "train"), ("chr2", 0, 500, "validation"))
    windows = tiles.cut(some, geometry(), SIZES, flags(), flags())
    starts = {role: ours["start_bp"].tolist() for role, ours in windows.groupby("role")}
    # Bins cut by a region's edge belong to no window, nor does the short last bin of chr1.
    assert starts["train"] == [20, 60, 100, 140, 180]
    assert starts["test"] == [610, 690, 770, 850]
    assert starts["validation"] == [0, 80, 160, 240, 320, 400]
    assert (windows["end_bp"] - windows["start_bp"] == 80).all()
    assert windows["chrom"].tolist() == ["chr1"] * 9 + ["chr2"] * 6
    assert windows["start_bp"][:9].is_monotonic_increasing


def test_windows_start_on_coarse_bins():
    some = regions(("chr1", 15, 295, "train"), ("chr2", 0, 500, "test"))
    windows = tiles.cut(some, geometry(), SIZES, flags(), flags(), coarsen=4)
    assert windows["start_bp"][windows["role"] == "train"].tolist() == [40, 80, 120, 160, 200]
    with pytest.raises(InputError, match=r"'stride_bins/train': 4.* must be multiples .* coarsen, 8"):
        tiles.cut(some, geometry(), SIZES, flags(), flags(), coarsen=8)


def test_bad_bins_and_n_drop_windows():
    bad, with_n = flags(chr1=[0, 1, 40, 41, 42]), flags(chr1=[100], chr2=[20])
    windows = tiles.cut(WHOLE, geometry(), SIZES, bad, with_n)
    starts = windows["start_bp"][windows["chrom"] == "chr1"].to_numpy() // 10
    # Two bad bins of eight are a quarter: allowed; three are not.
    assert starts[0] == 0
    assert not {36, 40} & set(starts)
    assert windows["bad_bins"][0] == 2
    assert windows["start_bp"][windows["chrom"] == "chr2"].tolist() == [0, 80, 240, 320, 400]
    tolerant = tiles.cut(WHOLE, geometry(max_n_bins=1), SIZES, bad, with_n)
    assert tolerant["bins_with_n"].sum() == 1


def test_chromosome_of_n_gives_a_warning(caplog):
    sizes = SIZES | {"chr3": 500}
    all_n = {**flags(), "chr3": np.ones(50, dtype=bool)}
    clear = {**flags(), "chr3": np.zeros(50, dtype=bool)}
    some = pd.concat([WHOLE, regions(("chr3", 0, 500, "train"))])
    with caplog.at_level(logging.WARNING):
        windows = tiles.cut(some, geometry(), sizes, clear, all_n)
    assert set(windows["chrom"]) == {"chr1", "chr2"}
    assert "chr3: every window has too many bad bins or N" in caplog.text


def test_nothing_fits():
    with pytest.raises(InputError, match=r"longer than every chromosome \(longest 1,005 bp"):
        tiles.cut(WHOLE, geometry(window_bins=104), SIZES, flags(), flags())
    with pytest.raises(InputError, match="no test window is left"):
        tiles.cut(WHOLE, geometry(window_bins=60), SIZES, flags(), flags())
    with pytest.raises(InputError, match="no train window is left"):
        tiles.cut(WHOLE, geometry(), SIZES, flags(chr1=slice(None)), flags())
