"""Juicer maps: pixels against hictkpy's dense matrix, blocks, errors."""

import hictkpy
import numpy as np
import pandas as pd
import pytest

from trifold.errors import InputError
from trifold.io import hic


@pytest.fixture
def path(mirror):
    return mirror / "test_chr22.hic"


def test_what_the_file_holds(path):
    assert hic.resolutions(path)[:2] == [5_000, 10_000]
    sizes = hic.chromsizes(path)
    assert (len(sizes), sizes["22"]) == (25, 51_304_566)


@pytest.mark.parametrize("block_bins", [7, 2_000])
def test_pixels_are_the_upper_triangle_in_order(path, block_bins):
    chunks = list(hic.read_pixels(path, 2_500_000, block_bins))
    bin1, bin2, count = (np.concatenate([chunk[name] for chunk in chunks]) for name in ("bin1_id", "bin2_id", "count"))
    dense = hictkpy.MultiResFile(str(path))[2_500_000].fetch().to_numpy()
    assert (np.diff(bin1 * len(dense) + bin2) > 0).all()
    ours = np.zeros(dense.shape)
    ours[bin1, bin2] = count
    np.testing.assert_array_equal(ours, np.triu(dense))
    assert count.sum() == 53_539


def test_rows_are_those_of_all_pixels_within_their_chromosome(tmp_path):
    """Bins are numbered along the genome; the last row of a chromosome is of a bin that is not whole."""
    sizes, dense = {"a": 5_500, "b": 3_200}, np.triu(np.random.default_rng(2).poisson(2, (10, 10)))
    bin1, bin2 = np.nonzero(dense)
    pixels = pd.DataFrame({"bin1_id": bin1, "bin2_id": bin2, "count": dense[bin1, bin2].astype(np.float32)})
    writer = hictkpy.hic.FileWriter(tmp_path / "map.hic", sizes, 1_000)
    writer.add_pixels(pixels.astype({"bin1_id": "Int64", "bin2_id": "Int64", "count": "Float32"}))
    writer.finalize()
    rows = [("b", 1, 3), ("a", 0, 2), ("b", 3, 4), ("a", 4, 6)]
    chunks = list(hic.read_rows(tmp_path / "map.hic", 1_000, rows))
    assert len(chunks) == 4
    chrom_of = np.repeat([0, 1], [6, 4])
    within = np.where(np.equal.outer(chrom_of, chrom_of), dense, 0)
    for (chrom, first, stop), chunk in zip(rows, chunks):
        found, start = np.zeros((10, 10)), 6 * (chrom == "b")
        np.add.at(found, (chunk["bin1_id"], chunk["bin2_id"]), chunk["count"])
        wanted = np.zeros((10, 10))
        wanted[start + first : start + stop] = within[start + first : start + stop]
        np.testing.assert_array_equal(found, wanted)


def test_a_file_that_is_no_hic(tmp_path):
    (tmp_path / "cut.hic").write_bytes(b"HIC\0" + bytes(10))
    with pytest.raises(InputError, match=r"cut.hic: not a readable .hic"):
        hic.resolutions(tmp_path / "cut.hic")
