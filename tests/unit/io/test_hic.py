"""Juicer maps: pixels against hictkpy's dense matrix, blocks, errors."""

import hictkpy
import numpy as np
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


def test_a_file_that_is_no_hic(tmp_path):
    (tmp_path / "cut.hic").write_bytes(b"HIC\0" + bytes(10))
    with pytest.raises(InputError, match=r"cut.hic: not a readable .hic"):
        hic.resolutions(tmp_path / "cut.hic")
