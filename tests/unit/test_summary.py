"""What a map holds, against sums over the dense matrix."""

import cooler
import numpy as np
import pandas as pd
import pytest

from trifold.data import assemblies
from trifold.data.summary import contacts_per_bin, summarise
from trifold.errors import InputError
from trifold.io.cool import write_cool

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


def test_depth_of_regions_counts_their_bins_alone(path, counts):
    regions = pd.DataFrame({"chrom": ["chr1", "chr2"], "start_bp": [0, 5_000], "end_bp": [10_000, 19_500]})
    rows = [*range(10), *range(35, 50)]
    cis = np.triu(np.where(OF_CHROM[:, None] == OF_CHROM, counts, 0))
    assert contacts_per_bin(path, regions) == pytest.approx(cis[rows].sum() / (len(rows) - 2))
    whole = pd.DataFrame({"chrom": list(SIZES), "start_bp": 0, "end_bp": SIZES.values()})
    assert contacts_per_bin(path, whole) == pytest.approx(summarise(path)["contacts_per_bin"])


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
