"""Coolers: opening, bands and windows against dense fetches, writing, errors."""

import cooler
import h5py
import numpy as np
import pandas as pd
import pytest

from trifold.errors import InputError
from trifold.io.cool import Band, open_map, read_pixels, resolutions, undate, write_cool

SIZES = {"chr1": 10_500, "chr2": 6_000}


def triangle(matrix):
    """Upper-triangle pixels of a dense symmetric matrix."""
    i, j = np.nonzero(np.triu(matrix))
    return {"bin1_id": i, "bin2_id": j, "count": matrix[i, j]}


@pytest.fixture
def dense(rng):
    matrix = rng.poisson(1.5, (17, 17))
    return np.triu(matrix) + np.triu(matrix, 1).T


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def path(tmp_path, dense, rng):
    weight = rng.uniform(0.5, 1.5, 17)
    weight[[3, 12]] = np.nan
    pixels = triangle(dense)
    chunks = ({name: column[cut] for name, column in pixels.items()} for cut in (slice(0, 40), slice(40, None)))
    write_cool(tmp_path / "map.cool", SIZES, 1000, chunks, weight=weight, metadata={"made": "here"}, assembly="toy")
    return tmp_path / "map.cool"


def test_written_map_is_a_whole_cooler(path, dense):
    clr = open_map(path)
    assert clr.binsize == 1000
    assert dict(clr.chromsizes) == SIZES
    assert clr.info["metadata"] == {"made": "here"}
    assert clr.info["genome-assembly"] == "toy"
    assert clr.info["sum"] == np.triu(dense).sum()
    assert clr.pixels().dtypes["count"] == np.int32
    np.testing.assert_array_equal(clr.matrix(balance=False)[:], dense)


def test_float_counts_and_an_empty_map(tmp_path):
    write_cool(tmp_path / "a.cool", SIZES, 1000, [{"bin1_id": [0], "bin2_id": [4], "count": [0.25]}])
    assert open_map(tmp_path / "a.cool").matrix(balance=False)[0, 4] == 0.25
    write_cool(tmp_path / "b.cool", SIZES, 1000, [])
    assert open_map(tmp_path / "b.cool").info["nnz"] == 0


def test_unordered_chunks_are_merged_and_summed(tmp_path):
    chunks = [
        pd.DataFrame({"bin1_id": [4], "bin2_id": [5], "count": [2]}),
        pd.DataFrame({"bin1_id": [0, 4], "bin2_id": [1, 5], "count": [1, 3]}),
    ]
    write_cool(tmp_path / "a.cool", SIZES, 1000, chunks, ordered=False)
    assert open_map(tmp_path / "a.cool").pixels()[:].to_numpy().tolist() == [[0, 1, 1], [4, 5, 5]]


@pytest.mark.parametrize("chunk_pixels", [7, 10_000])
def test_pixels_stream_whole(path, dense, chunk_pixels):
    chunks = list(read_pixels(open_map(path), chunk_pixels))
    for name, column in triangle(dense).items():
        np.testing.assert_array_equal(np.concatenate([chunk[name] for chunk in chunks]), column)


@pytest.mark.parametrize("chrom", ["chr1", "chr2"])
@pytest.mark.parametrize("balance", [True, False])
def test_windows_equal_dense_fetches(path, chrom, balance):
    clr = cooler.Cooler(str(path))
    band = Band.read(path, chrom, 5, balance=balance, chunk_pixels=11)
    n_bins = len(band.weight)
    starts = np.arange(n_bins - 4)
    counts, balanced = band.windows(starts, 5)
    raw, fetched = (clr.matrix(balance=which).fetch(chrom) for which in (False, balance))
    for start in starts:
        inside = slice(start, start + 5)
        np.testing.assert_array_equal(counts[start], raw[inside, inside])
        np.testing.assert_allclose(balanced[start], fetched[inside, inside])
    for offset in range(5):
        np.testing.assert_allclose(band.balanced[: n_bins - offset, offset], np.diagonal(fetched, offset))
        assert np.isnan(band.balanced[n_bins - offset :, offset]).all()


def test_windows_stay_on_the_chromosome(path):
    band = Band.read(path, "chr2", 4)
    assert band.windows([], 4)[0].shape == (0, 4, 4)
    for starts, size in [([-1], 4), ([3], 4), ([0], 5)]:
        with pytest.raises(ValueError, match="leave chr2"):
            band.windows(starts, size)


def test_windows_past_the_end_are_padded(path):
    counts, balanced = (open_map(path).matrix(balance=kind).fetch("chr2") for kind in (False, True))
    band = Band.read(path, "chr2", 4)
    found = band.windows([4], 4, pad=True)
    n = len(counts) - 4
    assert 0 < n < 4
    for window, whole, fill in zip(found, (counts, balanced), (0.0, np.nan)):
        expected = np.full((4, 4), fill)
        expected[:n, :n] = whole[4:, 4:]
        np.testing.assert_allclose(window[0], expected)
    with pytest.raises(ValueError, match="leave chr2"):
        band.windows([len(counts)], 4, pad=True)


def test_duplicate_pixels_are_summed_in_a_band(tmp_path):
    pixels = pd.DataFrame({"bin1_id": [0, 0], "bin2_id": [1, 1], "count": [2, 3]})
    bins = cooler.binnify(pd.Series(SIZES), 1000)
    cooler.create_cooler(str(tmp_path / "d.cool"), bins, pixels, dupcheck=False, ordered=True)
    assert Band.read(tmp_path / "d.cool", "chr1", 2, balance=False).counts[0, 1] == 5


@pytest.mark.parametrize("first_pixel", [1_000_000, 0])
def test_a_band_is_refused_where_the_index_is_not_of_its_pixels(path, first_pixel):
    """An index that falls, and one that gives row 8 the pixels of the rows before it."""
    with h5py.File(path, "r+") as file:
        file["indexes/bin1_offset"][1:9] = first_pixel
    with pytest.raises(InputError, match=r"map.cool: its index is not that of its pixels"):
        Band.read(path, "chr1", 5)


def test_a_resolution_of_several(path, tmp_path):
    cooler.zoomify_cooler(str(path), str(tmp_path / "map.mcool"), [1000, 2000], chunksize=1000)
    assert list(resolutions(tmp_path / "map.mcool")) == [1000, 2000]
    assert open_map(tmp_path / "map.mcool", 2000).binsize == 2000
    for missing in (5000, None):
        with pytest.raises(InputError, match="it has 1000, 2000"):
            open_map(tmp_path / "map.mcool", missing)


def test_unreadable_files(path, tmp_path):
    whole = path.read_bytes()
    (tmp_path / "cut.cool").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.cool").write_text("chrom\tstart\n")
    for name, what in [("cut.cool", "truncated"), ("text.cool", "a text file, not"), ("none.cool", "no such file")]:
        with pytest.raises(InputError, match=what):
            open_map(tmp_path / name)


def test_missing_chromosome_or_weight(path, tmp_path):
    with pytest.raises(InputError, match="no chromosome chr9"):
        Band.read(path, "chr9", 4)
    write_cool(tmp_path / "raw.cool", SIZES, 1000, [])
    with pytest.raises(InputError, match="no `weight` column"):
        Band.read(tmp_path / "raw.cool", "chr1", 4)


def test_equal_maps_are_equal_bytes(tmp_path, dense):
    """Though cooler writes the time into each."""
    for name in ("one", "other"):
        write_cool(tmp_path / f"{name}.cool", SIZES, 1000, [triangle(dense)], metadata={"made": "here"})
        cooler.zoomify_cooler(str(tmp_path / f"{name}.cool"), str(tmp_path / f"{name}.mcool"), [1000, 2000], 1000)
    one, other = ((tmp_path / f"{name}.mcool").read_bytes() for name in ("one", "other"))
    assert one != other
    for name in ("one", "other"):
        undate(tmp_path / f"{name}.mcool")
    for suffix in ("cool", "mcool"):
        one, other = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "other"))
        assert one == other, suffix
    assert cooler.Cooler(f"{tmp_path}/one.mcool::resolutions/2000").info["creation-date"].startswith("1970")
    assert (open_map(tmp_path / "one.mcool", 1000).matrix(balance=False)[:] == dense).all()
