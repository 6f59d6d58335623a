import cooler
import numpy as np
import pandas as pd
import pytest

from trifold.errors import InputError
from trifold.genome import Region, encode
from trifold.report import gallery

BIN_BP = 10


def write_map(path, dense, width_bp, weight):
    bins = cooler.binnify(pd.Series({"chr1": len(dense) * width_bp}), width_bp).assign(weight=weight)
    i, j = np.triu_indices(len(dense))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": dense[i, j]})
    cooler.create_cooler(str(path), bins, pixels[pixels["count"] > 0])
    return path


@pytest.fixture
def dense():
    values = np.random.default_rng(0).integers(1, 9, (12, 12))
    return np.triu(values) + np.triu(values, 1).T


def tiles(starts, role="test"):
    return pd.DataFrame({"chrom": "chr1", "start_bp": starts, "end_bp": np.array(starts) + 100, "role": role})


def test_windows_are_taken_at_the_quantiles_of_variance():
    places = pd.concat([tiles([0], "train"), tiles(range(1000, 12000, 1000))], ignore_index=True)
    # Variance grows with the position; the training window would be the most structured of all.
    oe = np.array([99, *range(11)])[:, None, None] * np.array([[1.0, -1], [-1, 1]])
    assert [region.start_bp for region in gallery.choose(places, oe, 3)] == [3000, 6000, 9000]
    assert [region.start_bp for region in gallery.choose(places, oe, 1)] == [6000]
    assert gallery.choose(places, oe, 0) == []


def test_windows_do_not_overlap_and_may_run_out():
    oe = np.arange(3)[:, None, None] * np.array([[1.0, -1], [-1, 1]])
    chosen = gallery.choose(tiles([0, 50, 100]), oe, 3)
    assert [region.start_bp for region in chosen] == [0, 100]
    assert gallery.choose(tiles([0, 50, 100], "train"), oe, 2) == []


def test_oe_is_over_the_mean_of_each_diagonal():
    values = np.array([[2.0, 1, 4], [1, 4, 3], [4, 3, 6]])
    values[0, 2] = values[2, 0] = 0
    window = gallery.Window(Region("chr1", 0, 30), BIN_BP, {"deep": values}, np.zeros(3))
    expected = np.log([[2 / 4, 1 / 2, np.e], [1 / 2, 4 / 4, 3 / 2], [np.e, 3 / 2, 6 / 4]])
    expected[0, 2] = expected[2, 0] = np.nan  # nothing was observed there
    np.testing.assert_allclose(window.oe("deep"), expected)


def test_maps_are_read_balanced_and_on_one_scale(tmp_path, dense):
    weight = np.linspace(0.5, 1, 12)
    weight[4] = np.nan
    deep = write_map(tmp_path / "deep.cool", dense, BIN_BP, weight)
    region = Region("chr1", 20, 100)
    expected = (dense * weight * weight[:, None])[2:10, 2:10]
    np.testing.assert_allclose(gallery.read_map(deep, region, BIN_BP), expected)
    low = write_map(tmp_path / "low.cool", dense[:6, :6], 2 * BIN_BP, 1.0)
    np.testing.assert_allclose(gallery.read_map(low, region, BIN_BP, coarsen=2), dense[1:5, 1:5] / 2)
    with pytest.raises(InputError, match="whole bins of 20 bp"):
        gallery.read_map(low, Region("chr1", 10, 100), BIN_BP, coarsen=2)


def test_collect(tmp_path, dense, monkeypatch):
    class Sequence:
        def __init__(self, folder):
            assert folder == "sequence"

        def window(self, chrom, start_bp, end_bp):
            return encode("GCGCGCGCGC" + "ATATATATGC" + "NNNNNNNNNN" + "GNNNNNNNNN")

    class Track(Sequence):
        def __init__(self, folder):
            assert folder == "atac"

        def window(self, chrom, start_bp, end_bp):
            return np.arange(8.0), np.arange(8) != 3

    monkeypatch.setattr(gallery, "SequenceStore", Sequence)
    monkeypatch.setattr(gallery, "TrackStore", Track)
    deep = write_map(tmp_path / "deep.cool", dense, BIN_BP, 1.0)
    low = write_map(tmp_path / "low.cool", dense[:6, :6], 2 * BIN_BP, 1.0)
    motifs = tmp_path / "ctcf.bed"
    motifs.write_text("chr1\t5\t19\ta\t0\t+\nchr1\t25\t30\tb\t0\t-\nchr2\t25\t30\tc\t0\t-\nchr1\t60\t70\td\t0\t+\n")
    window = gallery.collect(
        Region("chr1", 20, 60),
        bin_bp=BIN_BP,
        maps={"deep": deep, "identity": deep},
        low=gallery.Low(low, 2, 2.5),
        sequence="sequence",
        tracks={"atac": "atac"},
        motifs=motifs,
    )
    assert {name: values.shape for name, values in window.maps.items()} == {
        "low": (2, 2),
        "deep": (4, 4),
        "identity": (4, 4),
    }
    np.testing.assert_allclose(window.maps["low"], dense[1:3, 1:3] / 2.5)
    np.testing.assert_array_equal(window.gc, [1, 0.2, np.nan, 1])
    np.testing.assert_array_equal(window.lanes["atac"], [0, 1, 2, np.nan, 4, 5, 6, 7])
    assert window.motifs == [(25, 30, "-")]
    motifs.write_text("chr1\t5\t19\n")
    with pytest.raises(InputError, match="column 6"):
        gallery.read_motifs(motifs, window.region)
