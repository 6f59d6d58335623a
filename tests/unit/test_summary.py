"""What a map holds, against sums over the dense matrix."""

import shutil

import cooler
import h5py
import hictkpy
import numpy as np
import pandas as pd
import pytest

from trifold.data import assemblies
from trifold.data.summary import Depth, summarise, whole
from trifold.errors import InputError
from trifold.genome import by_chromosome
from trifold.io import hic
from trifold.io.cool import Band, write_cool

SIZES = {"chr1": 30_000, "chr2": 19_500}
OF_CHROM = np.repeat([0, 1], [30, 20])


@pytest.fixture
def counts():
    """Two chromosomes of 30 and 20 bins of 1 kb, contacts between them too; bin 4 has none, bin 7 none on its own."""
    upper = np.triu(np.random.default_rng(1).poisson(3.0, (50, 50)))
    upper[4] = upper[:, 4] = 0
    cis = OF_CHROM[7] == OF_CHROM
    upper[7, cis] = upper[cis, 7] = 0
    return upper


@pytest.fixture
def path(tmp_path, counts):
    i, j = np.nonzero(counts)
    weight = np.where(np.arange(50) == 4, np.nan, 0.1)
    chunk = {"bin1_id": i, "bin2_id": j, "count": counts[i, j]}
    write_cool(tmp_path / "map.cool", SIZES, 1_000, [chunk], weight=weight)
    return tmp_path / "map.cool"


def test_numbers_of_a_map(path, counts):
    cis = np.triu(np.where(OF_CHROM[:, None] == OF_CHROM, counts, 0))
    seen = (cis.sum(0) + cis.sum(1)) > 0
    found = summarise(path)
    distances = found.pop("by_distance")
    assert found == {
        "bin_bp": 1_000,
        "chromosomes": 2,
        "length_bp": 49_500,
        "contacts": counts.sum(),
        "cis_contacts": cis.sum(),
        "bins": 50,
        "bad_bins": 1,
        "contacts_per_bin": cis.sum() / 48,
    }
    pairs = np.triu(seen[:, None] & seen & (OF_CHROM[:, None] == OF_CHROM))
    apart = np.subtract.outer(np.arange(50), np.arange(50)).T
    for distance_bp, density in distances[:3]:
        here = apart == distance_bp / 1_000
        assert density == pytest.approx(cis[here].sum() / (here & pairs).sum())
    # Classes of 4 and 5, of 6 and 7 bins: their distance is the middle.
    last = (apart >= 4) & (apart <= 5)
    assert [4_500, pytest.approx(cis[last].sum() / (last & pairs).sum())] in [list(row) for row in distances]
    # Contacts per pixel of all classes, times their pixels, are all contacts.
    assert [row[0] for row in distances] == sorted({row[0] for row in distances})


def test_an_unbalanced_map_has_no_number_of_bad_bins(tmp_path):
    write_cool(tmp_path / "raw.cool", SIZES, 1_000, [{"bin1_id": [0], "bin2_id": [1], "count": np.array([3])}])
    found = summarise(tmp_path / "raw.cool")
    assert (found["bad_bins"], found["contacts"], found["contacts_per_bin"]) == (None, 3, 1.5)


def test_an_empty_map_is_zero(tmp_path):
    write_cool(tmp_path / "empty.cool", SIZES, 1_000, [])
    found = summarise(tmp_path / "empty.cool")
    assert (found["contacts"], found["contacts_per_bin"], found["by_distance"]) == (0, 0.0, [])


def test_y15_contacts_of_whole_chromosomes(path, counts):
    """Each counted once, at any distance; chr2 has 20 bins, the last of which is half a bin."""
    cis = np.where(OF_CHROM[:, None] == OF_CHROM, counts, 0)
    assert whole(path, 20_000) == {"cis_contacts": cis.sum(), "cis_bp": 50_000}
    assert whole(path, 20_001) == {"cis_contacts": cis[:30].sum(), "cis_bp": 30_000}
    assert whole(path, 30_001) == {"cis_contacts": 0, "cis_bp": 0}


def depth(path, regions):
    """Contacts per bin of the bins in regions, from bands of two diagonals: what lies beyond them counts too."""
    of_regions = Depth()
    for chrom, of_chrom in by_chromosome(regions):
        of_regions.add(Band.read(path, chrom, 2), of_chrom)
    return of_regions.contacts_per_bin


def test_depth_of_regions_counts_their_bins_alone(path, counts):
    regions = pd.DataFrame({"chrom": ["chr1", "chr2"], "start_bp": [0, 5_000], "end_bp": [10_000, 19_500]})
    rows = [*range(10), *range(35, 50)]
    cis = np.triu(np.where(OF_CHROM[:, None] == OF_CHROM, counts, 0))
    assert depth(path, regions) == pytest.approx(cis[rows].sum() / (len(rows) - 2))
    whole = pd.DataFrame({"chrom": list(SIZES), "start_bp": 0, "end_bp": SIZES.values()})
    assert depth(path, whole) == pytest.approx(summarise(path)["contacts_per_bin"])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A map of 2 chromosomes, 3,000 bins of 1 kb and some 120,000 pixels, trans contacts and empty bins among them."""
    path, random = tmp_path_factory.mktemp("large") / "map.cool", np.random.default_rng(5)
    i = np.repeat(np.arange(3_000), 40)
    j = i + np.tile(np.arange(40), 3_000)
    j[39::40] = random.integers(40, 3_000, 3_000) + np.arange(3_000)
    kept = (j < 3_000) & (i % 100 != 7) & (j % 100 != 7)
    count = random.poisson(60 / (1 + np.minimum(j - i, 50))) + 1
    write_cool(
        path,
        {"chr1": 1_800_000, "chr2": 1_200_000},
        1_000,
        [{"bin1_id": i[kept], "bin2_id": j[kept], "count": count[kept]}],
    )
    return path


def test_a_large_map_is_sampled_and_says_so(large):
    """Contacts are what the file states; what must be counted is within a few per cent of the whole count."""
    exact, sampled = summarise(large), summarise(large, most_pixels=12_000)
    assert 0.08 < sampled.pop("read_share") < 0.12
    for name in ("bin_bp", "chromosomes", "length_bp", "contacts", "bins", "bad_bins"):
        assert sampled[name] == exact[name]
    assert sampled["cis_contacts"] == pytest.approx(exact["cis_contacts"], rel=0.02)
    assert sampled["contacts_per_bin"] == pytest.approx(exact["contacts_per_bin"], rel=0.02)
    near = {distance: density for distance, density in exact["by_distance"] if distance < 30_000}
    found = dict(sampled["by_distance"])
    assert near.keys() <= found.keys()
    assert [found[distance] for distance in near] == pytest.approx(list(near.values()), rel=0.1)


def test_a_map_with_few_pixels_is_counted_whole(large):
    assert summarise(large, most_pixels=1_000_000) == summarise(large)


def test_a_map_that_states_no_sum_is_estimated(large, tmp_path):
    shutil.copy(large, tmp_path / "map.cool")
    with h5py.File(tmp_path / "map.cool", "r+") as file:
        del file.attrs["sum"]
    found = summarise(tmp_path / "map.cool", most_pixels=12_000)
    assert found["contacts"] == pytest.approx(summarise(large)["contacts"], rel=0.05)


@pytest.fixture(scope="module")
def large_hic(large, tmp_path_factory):
    """The same map as a .hic, with bins of 100 kb too."""
    path, clr = tmp_path_factory.mktemp("hic") / "map.hic", cooler.Cooler(str(large))
    writer = hictkpy.hic.FileWriter(path, dict(clr.chromsizes), [1_000, 100_000])
    writer.add_pixels(clr.pixels()[:].astype({"bin1_id": "Int64", "bin2_id": "Int64", "count": "Float32"}))
    writer.finalize()
    return path


def test_a_large_hic_is_sampled_and_says_so(large, large_hic, monkeypatch):
    """Contacts are those of its widest bins; of the others no more than some rows are read."""
    exact, widths, rows = summarise(large), [], []
    read_pixels, read_rows = hic.read_pixels, hic.read_rows

    def all_rows(path, bin_bp):
        widths.append(bin_bp)
        return read_pixels(path, bin_bp)

    def some_rows(path, bin_bp, wanted):
        rows.extend(wanted)
        return read_rows(path, bin_bp, wanted)

    monkeypatch.setattr(hic, "read_pixels", all_rows)
    monkeypatch.setattr(hic, "read_rows", some_rows)
    sampled = summarise(large_hic, 1_000, most_pixels=60_000)
    assert widths == [100_000]
    assert sampled.pop("read_share") == sum(stop - first for _, first, stop in rows) / 3_000 < 0.2
    for name in ("bin_bp", "chromosomes", "length_bp", "contacts", "cis_contacts", "bins"):
        assert sampled[name] == exact[name]
    # A hundredth of the bins is empty, and every 24th of those that are read.
    assert sampled["contacts_per_bin"] == pytest.approx(exact["contacts_per_bin"] * 0.99 / (1 - 1 / 24), rel=0.02)
    near = {distance: density for distance, density in exact["by_distance"] if distance < 30_000}
    found = dict(sampled["by_distance"])
    assert [found[distance] for distance in near] == pytest.approx(list(near.values()), rel=0.1)


def test_a_hic_is_counted_whole_where_it_is_small_or_has_no_wide_bins(large, large_hic, tmp_path):
    exact = {**summarise(large), "bad_bins": None}
    assert summarise(large_hic, 1_000) == summarise(large_hic, 1_000, most_pixels=10_000_000) == exact
    assert "read_share" not in summarise(large_hic, 100_000, most_pixels=100)
    # Bins of 100 kb could hold 465 pixels.
    assert "read_share" not in summarise(large_hic, 1_000, most_pixels=464)
    assert "read_share" in summarise(large_hic, 1_000, most_pixels=465)


def test_d16_a_cooler_uri_is_one_map_of_its_file(path, tmp_path):
    cooler.zoomify_cooler(str(path), str(tmp_path / "zoom.mcool"), [1_000, 2_000], chunksize=1000)
    uri = f"{tmp_path}/zoom.mcool::/resolutions/2000"
    assert summarise(uri) == summarise(tmp_path / "zoom.mcool", 2_000)
    assert summarise(f"{tmp_path}/zoom.mcool::resolutions/1000")["bins"] == 50
    with pytest.raises(InputError, match=r"no map /resolutions/3000 in the file; it has .*resolutions/1000"):
        summarise(f"{tmp_path}/zoom.mcool::/resolutions/3000")


def test_m1_of_several_maps_of_one_width_one_is_chosen(path, tmp_path):
    for cell in ("one", "two"):
        cooler.fileops.cp(str(path), f"{tmp_path}/cells.scool::/cells/{cell}")
    with pytest.raises(InputError, match=r"2 maps of 1 bin width; choose one of .*::/cells/one, .*::/cells/two"):
        summarise(tmp_path / "cells.scool")
    assert summarise(f"{tmp_path}/cells.scool::/cells/two") == summarise(path)


def test_assemblies_have_the_lengths_that_bioframe_lists():
    from importlib.resources import files

    for assembly, known in assemblies.LENGTHS_BP.items():
        table = pd.read_csv(files("bioframe.io.data") / f"{assembly}.seqinfo.tsv", sep="\t")
        lengths = dict(zip(table["name"], table["length"]))
        assert {name: lengths[f"chr{name}"] for name in known} == known, assembly


def test_an_assembly_is_guessed_from_whole_agreement():
    assert assemblies.guess({"22": 51_304_566}) == "hg19"
    assert assemblies.guess({"chr2L": 23_513_712, "chrM": 19_524}) == "dm6"
    assert assemblies.guess({"chr21": 48_129_895, "chr22": 50_818_468}) is None
    assert assemblies.guess({"contig": 5}) is None
