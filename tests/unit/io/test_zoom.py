"""Zoom levels: on the scale of cooler's balance of each level (Y7), by a closed form and on real maps."""

import cooler
import numpy as np
import pytest

from trifold.data.balance import balance
from trifold.data.contacts import merge, prepare, renumber
from trifold.io import zoom
from trifold.io.cool import bin_width, chromsizes, open_map, predicted_weight, read_pixels, write_cool, write_weight


def write_prediction(path, sizes, bin_bp, chunks, missing, ignore_diags=2):
    """A map as predictions are written: balanced values, weights of 1."""
    write_cool(path, sizes, bin_bp, chunks)
    write_weight(str(path), np.where(missing, np.nan, 1.0), predicted_weight(ignore_diags))


@pytest.mark.parametrize("ignore_diags", [0, 1, 2, 3])
@pytest.mark.parametrize("band", [20, 96])
def test_y7_rows_of_a_level_sum_to_1_beyond_its_ignored_diagonals(tmp_path, monkeypatch, band, ignore_diags):
    """Of a map all of whose rows sum to 1, levels have rows that sum to 1, as cooler sums them; a band of it gets the
    same weights, because what is absent is known to complete a row."""
    monkeypatch.setattr(zoom, "OVERVIEW_BINS", 24)
    n = 96
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    distance = np.minimum(distance, n - distance)  # a circle: all rows alike
    values = 1 / (1.0 + distance)
    counted = np.where(np.abs(np.subtract.outer(np.arange(n), np.arange(n))) >= ignore_diags, values, 0)
    values /= counted.sum(axis=0).mean()
    i, j = np.triu_indices(n)
    near = j - i < band
    pixels = {"bin1_id": i[near], "bin2_id": j[near], "count": values[i, j][near]}
    write_prediction(tmp_path / "map.cool", {"a": n * 100}, 100, [pixels], np.zeros(n, bool), ignore_diags)
    zoom.write_zoom_levels(tmp_path / "map.cool", tmp_path / "map.mcool")
    for level in (2, 4):
        clr = cooler.Cooler(f"{tmp_path}/map.mcool::resolutions/{100 * level}")
        side = n // level
        blocks = np.triu(values).reshape(side, level, side, level).sum(axis=(1, 3))  # of what is stored
        full = blocks + np.triu(blocks, 1).T
        kept = np.abs(np.subtract.outer(np.arange(side), np.arange(side))) >= ignore_diags
        r = np.where(kept, full, 0).sum(axis=0).mean()
        np.testing.assert_allclose(clr.bins()["weight"][:], 1 / np.sqrt(r), rtol=1e-9)
        with clr.open() as group:
            assert group["bins/weight"].attrs["ignore_diags"] == ignore_diags


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("fly_S2_chr2L_10kb", 10**9),
        ("fly_S2_chr2L_10kb", 100),
        ("yeast_G1_2kb", 100),
        ("gm12878_chr22_ds16_10kb", 100),
    ],
)
def test_y7_levels_are_on_the_scale_of_coolers_balance(mirror, tmp_path, monkeypatch, name, band):
    """A real map written as a prediction, within chromosomes, whole or a band: its levels against a balance of the
    summed counts, mean ratio by distance from the second diagonal on. Within 3.5 %; dividing by the factor of the level
    alone is 8 to 46 % below."""
    monkeypatch.setattr(zoom, "OVERVIEW_BINS", 100)
    source = open_map(mirror / f"{name}.cool")
    bin_bp, sizes = bin_width(source), chromsizes(source)
    prepare(mirror / f"{name}.cool", tmp_path / "deep.cool", bin_bp)
    deep = open_map(tmp_path / "deep.cool")
    weight = deep.bins()["weight"][:].to_numpy()
    stops = np.array([deep.extent(chrom)[1] for chrom in deep.chromnames])

    def balanced():
        for chunk in read_pixels(deep):
            i, j = chunk["bin1_id"], chunk["bin2_id"]
            value = chunk["count"] * weight[i] * weight[j]
            cis = np.searchsorted(stops, i, "right") == np.searchsorted(stops, j, "right")
            kept = np.isfinite(value) & cis & (j - i < band)
            yield {"bin1_id": i[kept], "bin2_id": j[kept], "count": value[kept]}

    write_prediction(tmp_path / "map.cool", sizes, bin_bp, balanced(), np.isnan(weight))
    zoom.write_zoom_levels(tmp_path / "map.cool", tmp_path / "map.mcool")
    for level in (2, 4, 8):
        ours = cooler.Cooler(f"{tmp_path}/map.mcool::resolutions/{bin_bp * level}")
        counts = merge(read_pixels(deep), renumber(sizes, bin_bp, level))
        write_cool(tmp_path / "coarse.cool", sizes, bin_bp * level, counts)
        balance(tmp_path / "coarse.cool")
        theirs = open_map(tmp_path / "coarse.cool")
        sums = np.zeros((2, 40))
        for chrom in ours.chromnames:
            pair = [clr.matrix(balance=True).fetch(chrom) for clr in (ours, theirs)]
            for d in range(2, min(40, len(pair[0]))):
                values = np.array([np.diagonal(matrix, d) for matrix in pair])
                sums[:, d] += values[:, np.isfinite(values).all(axis=0)].sum(axis=1)
        reach = min(40, band // level - 1)
        ratio = (sums[0, 2:reach] / sums[1, 2:reach]).mean()
        of_before = ratio / np.nanmedian(ours.bins()["weight"][:]) ** 2 / level
        assert ratio == pytest.approx(1, abs=0.035)
        assert 0.53 < of_before < 0.93


@pytest.mark.parametrize("sizes", [{"a": 9_700}, {"a": 6_500, "b": 100, "c": 3_300}, {"a": 100, "b": 6_400}])
def test_levels_have_the_pixels_that_coolers_have(tmp_path, monkeypatch, sizes):
    """Odd numbers of bins, a chromosome of one, pixels between chromosomes, rows without any; `zoomify_cooler`."""
    monkeypatch.setattr(zoom, "OVERVIEW_BINS", 9)
    rng, n = np.random.default_rng(2), sum(-(-length // 100) for length in sizes.values())
    values = np.triu(rng.random((n, n))) * (rng.random((n, n)) < 0.2)
    values[5:9] = values[:, 5:9] = 0
    i, j = np.nonzero(values)
    pixels = {"bin1_id": i, "bin2_id": j, "count": values[i, j], "sd": np.ones(len(i))}
    write_prediction(tmp_path / "map.cool", sizes, 100, [pixels], np.arange(n) == 7)
    zoom.write_zoom_levels(tmp_path / "map.cool", tmp_path / "map.mcool", {"made": "here"}, "toy")
    levels = [100 * 2**level for level in range(5) if level == 0 or max(sizes.values()) / 100 / 2 ** (level - 1) >= 9]
    assert len(levels) > 3
    cooler.zoomify_cooler(str(tmp_path / "map.cool"), str(tmp_path / "theirs.mcool"), levels, chunksize=10_000)
    assert cooler.fileops.list_coolers(str(tmp_path / "map.mcool")) == [f"/resolutions/{width}" for width in levels]
    assert cooler.fileops.is_multires_file(str(tmp_path / "map.mcool"))
    for width in levels:
        ours, theirs = (cooler.Cooler(f"{tmp_path}/{name}.mcool::resolutions/{width}") for name in ("map", "theirs"))
        found, wanted = ours.pixels()[:], theirs.pixels()[:]
        assert (list(found) == [*wanted, "sd"]) if width == 100 else (list(found) == list(wanted))
        np.testing.assert_array_equal(found[["bin1_id", "bin2_id"]], wanted[["bin1_id", "bin2_id"]])
        np.testing.assert_allclose(found["count"], wanted["count"], rtol=1e-12)
        assert ours.bins()[["chrom", "start", "end"]][:].equals(theirs.bins()[["chrom", "start", "end"]][:])
        assert ours.info["format"] == "HDF5::Cooler" and ours.info["nnz"] == len(found)
        assert width == 100 or (ours.info["metadata"], ours.info["genome-assembly"]) == ({"made": "here"}, "toy")
