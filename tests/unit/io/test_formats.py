"""Predicted maps as people open them: .mcool and .hic hold the same values at every level."""

import hictkpy
import numpy as np
import pytest

from trifold.errors import InputError
from trifold.io import cool, formats, hic

SIZES = {"chr1": 700_500, "HLA-A*01:01:01:01": 400_000, "hap1#1#chr1": 20_000}
BIN_BP, BAND = 1_000, 40


@pytest.fixture
def predicted(tmp_path):
    """map.cool of values on the balanced scale within a band, with missing bins and an odd last bin."""
    rng = np.random.default_rng(4)
    n = sum(-(-length // BIN_BP) for length in SIZES.values())
    chrom = np.repeat(np.arange(3), [-(-length // BIN_BP) for length in SIZES.values()])
    weight = np.ones(n)
    weight[[0, 5, 6, 7, 8, 300, 301, 700, 720, n - 1]] = np.nan
    i, d = np.divmod(np.arange(n * BAND), BAND)
    kept = i + d < n
    i, j = i[kept], (i + d)[kept]
    kept = (chrom[i] == chrom[j]) & np.isfinite(weight[i] * weight[j])
    i, j = i[kept], j[kept]
    pixels = {"bin1_id": i, "bin2_id": j, "count": rng.random(len(i)) / (1 + j - i)}
    metadata = {"trifold": {"arm": "image", "max_distance_bins": BAND - 1}}
    facts = cool.predicted_weight(2)
    cool.write_cool(tmp_path / "map.cool", SIZES, BIN_BP, [pixels], weight, metadata, "toy", weight_facts=facts)
    return tmp_path / "map.cool", metadata


def test_a_hic_has_the_balanced_values_of_every_level_of_the_mcool(predicted, tmp_path):
    path, metadata = predicted
    formats.write_formats(path, ("mcool", "hic"), metadata, "toy")
    levels = cool.resolutions(tmp_path / "map.mcool")
    assert list(levels) == hic.resolutions(tmp_path / "map.hic") == [1000, 2000, 4000]
    assert hic.chromsizes(tmp_path / "map.hic") == SIZES
    for width_bp, uri in levels.items():
        level = hictkpy.MultiResFile(tmp_path / "map.hic")[width_bp]
        assert level.avail_normalizations() == ["ICE"]
        clr = cool.open_map(uri)
        for chrom, length_bp in SIZES.items():
            wanted = clr.matrix(balance=True).fetch((chrom, 0, length_bp))
            place = f"{chrom}\t0\t{length_bp}"
            given = level.fetch(place, place, normalization="ICE", count_type="float64", query_type="BED").to_numpy()
            known = np.isfinite(wanted)
            assert known.any()
            np.testing.assert_allclose(given[known], wanted[known], rtol=3e-7, atol=1e-12)
            assert not np.nan_to_num(given[~known]).any(), "a missing bin has no value"
    assert hictkpy.File(str(tmp_path / "map.hic"), 1000).attributes()["assembly"] == "toy"


def test_only_what_is_asked_for_is_left(predicted, tmp_path):
    path, metadata = predicted
    for asked, left in (((), set()), (("hic",), {"map.hic"}), (("mcool",), {"map.mcool"})):
        formats.write_formats(path, asked, metadata)
        assert {file.name for file in tmp_path.iterdir()} - {"map.cool"} == left
        for name in left:
            (tmp_path / name).unlink()


def test_a_hic_says_who_made_it_and_comes_back(predicted, tmp_path, mirror):
    path, metadata = predicted
    formats.write_formats(path, ("hic",), metadata)
    assert hic.made_by(tmp_path / "map.hic") == metadata
    hic.copy_predicted(tmp_path / "map.hic", tmp_path / "back.cool", BIN_BP)
    first, second = (cool.open_map(file).matrix(balance=True)[:] for file in (path, tmp_path / "back.cool"))
    np.testing.assert_allclose(second, first, rtol=1e-7)
    assert hic.made_by(mirror / "test_chr22.hic") is None
    (tmp_path / "short.hic").write_bytes(b"HIC\0")
    assert hic.made_by(tmp_path / "short.hic") is None


def test_the_whole_hic_and_no_part_of_it(predicted, tmp_path):
    """A copy that was cut loses its end, and then says what it is no more."""
    path, metadata = predicted
    formats.write_formats(path, ("hic",), metadata)
    content = (tmp_path / "map.hic").read_bytes()
    (tmp_path / "cut.hic").write_bytes(content[: len(content) // 2])
    assert hic.made_by(tmp_path / "cut.hic") is None
    with pytest.raises(InputError, match="fetch it again"):
        hic.resolutions(tmp_path / "cut.hic")
