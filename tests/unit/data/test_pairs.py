import gzip
import pickle

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import gaussian_kde
from sklearn.metrics import roc_auc_score
from track_files import write_track

from trifold.data import bands, pairs, splits, tracks
from trifold.data.bands import BandStore
from trifold.data.pairs import Distances
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.io import cool
from trifold.io.cool import Band

N_BINS, N_DIAGONALS, W = 300, 190, 50


def band_of(dense: np.ndarray, n_diagonals: int) -> np.ndarray:
    """(n, n) symmetric -> (n, n_diagonals), column d the pixels (i, i + d), NaN past the end."""
    band = np.full((len(dense), n_diagonals), np.nan)
    for d in range(min(n_diagonals, len(dense))):
        band[: len(dense) - d, d] = np.diagonal(dense, d)
    return band


def released(data) -> np.ndarray:
    """The parity file's upper triangle, raw, as a symmetric matrix."""
    dense = np.zeros((int(data["n_bins"]),) * 2)
    dense[data["raw_upper_row"], data["raw_upper_col"]] = data["raw_upper_val"]
    return np.triu(dense) + np.triu(dense, 1).T


def contacts(band: Band) -> np.ndarray:
    """(n_bins, width) as `BandStore` takes them."""
    return band.balanced * bands.scale(band, band.balanced)


def dense_map(seed: int = 0, n_bins: int = N_BINS, share: float = 0.6) -> np.ndarray:
    """Contacts falling with the distance, some of them 0, some above 255."""
    generator = np.random.default_rng(seed)
    i, j = np.ogrid[:n_bins, :n_bins]
    upper = np.triu(generator.gamma(2, 400 / (1 + np.abs(i - j))) * (generator.random((n_bins, n_bins)) < share))
    return upper + np.triu(upper, 1).T


@pytest.fixture
def dense():
    return dense_map()


@pytest.fixture
def store(tmp_path, dense):
    return BandStore.write(tmp_path / "chr1.npy", band_of(dense, N_DIAGONALS), W)


# ---------------------------------------------------------------- as released


@pytest.fixture
def released_store(parity, tmp_path):
    data = parity("multimodal/mixhic_windows")
    return BandStore.write(tmp_path / "chr.npy", band_of(released(data), 250), W)


def test_parity_of_windows(parity, released_store):
    data = parity("multimodal/mixhic_windows")
    windows = released_store.windows(data["kept_positive"][:10])
    np.testing.assert_array_equal(windows, data["windows"])


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_parity_of_filters(parity, released_store, kind):
    data = parity("multimodal/mixhic_windows")
    taken = pairs.usable(released_store, data["coords"], positive=kind == "positive", protocol="published")
    np.testing.assert_array_equal(np.concatenate(list(taken)), data[f"kept_{kind}"])


def test_parity_of_distances(parity):
    data = parity("multimodal/mixhic_windows")
    found = Distances.of(data["kde_coords"])
    expected = data["kde_lower"], data["kde_long_end"], data["kde_long_start"]
    assert (found.lowest, found.greatest, found.long_start) == expected
    np.testing.assert_allclose(found.density(data["kde_grid"]), data["kde_pdf"], rtol=1e-10)


def test_parity_of_segments(parity, tmp_path):
    """From bigWigs of 50-bp values, through the stores of tracks, which keep float16."""
    data, stores = parity("multimodal/mixhic_windows"), []
    for name in ("atac", "dnase"):
        values = data[f"track_{name}_50bp"].astype(float)
        with pyBigWig.open(str(tmp_path / f"{name}.bw"), "w") as handle:
            handle.addHeader([("chr1", 50 * len(values))])
            handle.addEntries("chr1", 0, values=values.tolist(), span=50, step=50)
        (tmp_path / name).mkdir()
        tracks.prepare(tmp_path / f"{name}.bw", tmp_path / name, {"chr1": 50 * len(values)}, {"bin_bp": 100})
        stores.append(TrackStore(tmp_path / name))
    for (x, y), nodes, logs in zip(data["kept_positive"][:4], data["nodes"], data["nodes_log2"], strict=False):
        plain, log = (
            pairs.segments(stores, "chr1", [x, y], bin_bp=5000, window_bins=W, log=each)[0] for each in (False, True)
        )
        # All that the store changes is the rounding: to the float16 nearest to the released value, or one beside it.
        np.testing.assert_array_max_ulp(plain.astype(np.float16), nodes.astype(np.float16), maxulp=1)
        assert (plain == nodes.astype(np.float16)).mean() > 0.999
        np.testing.assert_allclose(log, np.log2(plain.astype(float) + 1), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(log, logs, rtol=0, atol=6e-4 * nodes.max() / (1 + nodes.max()) / np.log(2))


# ---------------------------------------------------------------- the band


def test_windows_are_slices_of_the_dense_matrix(store, dense):
    clipped = np.minimum(dense, 255)
    clipped = (clipped / clipped.max()).astype(np.float32)
    assert (dense > 255).any()
    chosen = np.array([(25, 25), (100, 100), (90, 140), (140, 90), (25, 165), (275, 275), (135, 275)])
    windows = store.windows(chosen)
    assert (windows.dtype, windows.shape) == (np.float32, (7, 50, 50))
    for (x, y), window in zip(chosen, windows):
        np.testing.assert_array_equal(window, clipped[x - 25 : x + 25, y - 25 : y + 25])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).windows(chosen), windows)


def test_infinite_and_missing_values_are_zero(tmp_path, dense):
    band = band_of(dense, N_DIAGONALS)
    band[110, 5], band[111, 5] = np.inf, np.nan
    window = BandStore.write(tmp_path / "a.npy", band, W).windows([(110, 115)])[0]
    assert window[25, 25] == window[26, 26] == 0 < window[27, 27]


@pytest.mark.parametrize("pair", [(24, 60), (60, 276), (40, 181), (181, 40)])
def test_refuses_windows_outside(store, pair):
    """Bins 25 ... 275 and distances up to 140 have windows."""
    assert store.farthest_bins == 140
    with pytest.raises(
        InputError, match=rf"chr1\.npy: the window about \({pair[0]}, {pair[1]}\) leaves the chromosome"
    ):
        store.windows([pair])


def test_refuses_a_band_without_contacts_and_a_missing_one(tmp_path):
    with pytest.raises(InputError, match=r"a\.npy: the band holds no contact"):
        BandStore.write(tmp_path / "a.npy", np.full((60, 60), np.nan), W)
    with pytest.raises(InputError, match=r"b\.npy: not found"):
        BandStore(tmp_path / "b.npy", W)


def deep_band(seed: int = 0, n_bins: int = 400, width: int = 191) -> Band:
    """Counts from above two bytes on the diagonal to mostly below half a byte far from it; some bins are bad."""
    generator = np.random.default_rng(seed)
    counts = generator.poisson(90_000 / (1 + np.arange(width)) ** 2, (n_bins, width)).astype(float)
    for d in range(width):
        counts[max(n_bins - d, 0) :, d] = 0
    weight = generator.uniform(0.05, 0.2, n_bins)
    weight[[0, 77, 200]] = np.nan
    return Band("chr1", 5000, counts, weight)


def kept_store(folder, band: Band, window_bins: int = W, **settings) -> bands.CountStore:
    """Counts of a band on disk, opened for windows of so many bins."""
    n_bins, n_diagonals = bands.CountStore.keep(folder / "chr1.npy", band, **settings)
    assert n_bins == len(band.counts)
    return bands.CountStore(folder / "chr1.npy", n_diagonals, window_bins)


@pytest.mark.parametrize("width", [191, 190, 60])
def test_counts_and_factors_are_the_same_windows(tmp_path, width):
    band = deep_band(width=width)
    assert band.counts.max() > bands.NEAR_LARGE and (band.counts[:, 32:] >= 15).any()
    plain = BandStore.write(tmp_path / "plain.npy", contacts(band), W)
    small = kept_store(tmp_path, band)
    np.testing.assert_allclose(small.values, plain.values, rtol=2e-7)
    assert (small.values == 1).any() and not small.values[77].any()
    assert (small.n_bins, small.n_diagonals, small.farthest_bins) == (400, width, width - 50)
    generator = np.random.default_rng(1)
    x = generator.integers(25, 375 - small.farthest_bins, 40)
    chosen = np.stack([x, x + generator.integers(0, small.farthest_bins + 1, 40)], axis=1)
    chosen = np.concatenate([chosen, chosen[:5, ::-1], [(25, 25), (375, 375)]])
    np.testing.assert_allclose(small.windows(chosen), plain.windows(chosen), rtol=2e-7)
    again, into = pickle.loads(pickle.dumps(small)), np.zeros((3, 50, 50), dtype=np.float32)
    assert again.windows(chosen[:2], out=into, places=np.array([2, 0])) is into
    np.testing.assert_array_equal(into[[2, 0]], small.windows(chosen[:2]))
    assert not into[1].any()


def test_a_map_of_shallow_far_diagonals_has_nothing_large(tmp_path):
    band = deep_band()
    band.counts[:] = np.minimum(band.counts, 3)
    store = kept_store(tmp_path, band)
    assert len(np.load(tmp_path / "chr1.large.npy")) == 0
    expected = np.nan_to_num(contacts(band))
    np.testing.assert_allclose(store.values, expected / expected.max(), rtol=2e-7)


def test_values_are_clipped_where_asked(tmp_path):
    band = deep_band()
    expected = np.nan_to_num(contacts(band))
    assert expected.max() > 40
    store = kept_store(tmp_path, band, clip=40)
    np.testing.assert_allclose(store.values, np.minimum(expected, 40) / 40, rtol=2e-7)


def test_refuses_counts_that_are_no_whole_numbers(tmp_path):
    band = deep_band()
    band.counts[3, 3] += 0.5
    with pytest.raises(InputError, match=r"chr1\.npy: chr1 holds contacts that are no whole numbers"):
        bands.CountStore.keep(tmp_path / "chr1.npy", band)
    assert not list(tmp_path.iterdir())


def test_stores_are_a_fiftieth_of_windows_cut_beforehand(tmp_path):
    """At the paper's 1,275,948 pairs of four cell lines: bands of 450 diagonals and tracks, of a deep map.

    400 contacts on the diagonal and that over the distance further out: some five billion in the genome.
    """
    n_bins, width = 2000, pairs.MAX_LOOP_BINS + W
    counts = np.random.default_rng(0).poisson(400 / np.maximum(np.arange(width), 1), (n_bins, width)).astype(float)
    bands.CountStore.keep(tmp_path / "chr1.npy", Band("chr1", 5000, counts, np.full(n_bins, 0.01)))
    per_bin = sum(path.stat().st_size for path in tmp_path.iterdir()) / n_bins
    tracks_per_bin = 2 * 50 * np.dtype(np.float16).itemsize
    whole = 4 * 2_875_001_522 / 5000 * (per_bin + tracks_per_bin)
    assert 1_275_948 * 50_000 / whole >= 50


def test_contacts_have_the_total_of_the_counts():
    counts = np.array([[4.0, 2.0], [6.0, 8.0], [5.0, 1.0], [7.0, 0.0]])
    weight = np.array([0.5, 0.1, np.nan, 0.2])
    found = contacts(Band("chr1", 5000, counts, weight))
    # Good pixels: (0, 0) 4·0.25, (0, 1) 2·0.05, (1, 1) 6·0.01, (3, 3) 7·0.04; their counts 4 + 2 + 6 + 7.
    expected = np.array([[1.0, 0.1], [0.06, np.nan], [np.nan, np.nan], [0.28, np.nan]]) * 19 / 1.44
    np.testing.assert_allclose(found, expected)
    with pytest.raises(InputError, match="chr1: the map has no balanced contact"):
        contacts(Band("chr1", 5000, counts, np.full(4, np.nan)))


def test_from_a_cooler_to_windows(tmp_path, dense):
    """Pixel by pixel: count · w · w, scaled to the counts' total, clipped, over the maximum."""
    counts = np.round(np.triu(dense)).astype(int)
    rows, columns = np.nonzero(counts)
    weight = np.random.default_rng(1).uniform(0.5, 2, N_BINS)
    weight[120] = np.nan
    chunk = {"bin1_id": rows, "bin2_id": columns, "count": counts[rows, columns]}
    cool.write_cool(tmp_path / "map.cool", {"chr1": 5000 * N_BINS}, 5000, [chunk], weight=weight)
    band = Band.read(tmp_path / "map.cool", "chr1", N_DIAGONALS)
    window = BandStore.write(tmp_path / "chr1.npy", contacts(band), W).windows([(110, 130)])[0]
    balanced = (counts + np.triu(counts, 1).T) * np.outer(weight, weight)
    inside = np.triu(np.isfinite(balanced)) & (np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)) > -N_DIAGONALS)
    balanced = np.minimum(np.nan_to_num(balanced * counts[inside].sum() / balanced[inside].sum()), 255)
    expected = balanced[85:135, 105:155] / 255
    np.testing.assert_allclose(window, expected, rtol=1e-5)
    assert not window[35].any() and not window[:, 15].any() and (window == 1).any()


# ---------------------------------------------------------------- filters


def passed(windows: np.ndarray, protocol: str = "published", *, positive: bool = True) -> list[bool]:
    return pairs.kept(windows, positive=positive, protocol=protocol).tolist()


def test_a_tenth_of_the_pixels_must_be_above_zero():
    windows = np.zeros((2, 50, 50), dtype=np.float32)
    windows[0].ravel()[:249], windows[1].ravel()[:250] = 1, 1
    for protocol in ("published", "corrected"):
        assert passed(windows, protocol, positive=False) == [False, True]


def test_published_positives_must_stand_out_from_the_corner():
    """The centre, (25, 25), against the mean of 13 × 13 pixels: 0.099, 0.101, an empty corner, both empty."""
    windows = np.ones((4, 50, 50))
    windows[:, 25, 25] = 0.099, 0.101, 1, 0
    windows[2:, 37:, :13] = 0
    assert passed(windows) == [False, True, False, False]
    assert passed(windows, "corrected") == passed(windows, positive=False) == [True] * 4
    windows[1, 0, 0] = np.inf
    assert not passed(windows)[1] and not passed(windows, positive=False)[1]


# ---------------------------------------------------------------- loops


@pytest.mark.parametrize("opened", [open, gzip.open])
def test_loops_of_a_bedpe(tmp_path, opened):
    """Bins of starts: 20 and 24 twice over, 20 and 23; then across chromosomes; then on a chromosome called 2."""
    lines = [
        "#chr1\tx1\tx2\tchr2\ty1\ty2\tcount",
        "chr1\t100000\t101500\tchr1\t120000\t120500\t7",
        "chr1\t104999\t105500\tchr1\t124999\t125500\t7",
        "chr1\t100000\t101500\tchr1\t119999\t120500\t7",
        "chr1\t50000\t51000\t2\t100000\t101000\t3",
        "2\t50000\t51000\t2\t100000\t101000\t3",
    ]
    path = tmp_path / ("loops.bedpe" if opened is open else "loops.bedpe.gz")
    with opened(path, "wt") as handle:
        handle.write("\n".join(lines) + "\n")
    loops = pairs.read_loops(path)
    assert {chrom: found.tolist() for chrom, found in loops.items()} == {"chr1": [[20, 24]], "2": [[10, 20]]}


def test_loops_of_any_order_and_both_limits(tmp_path):
    starts = [(100_000, 2_100_000), (2_100_000, 105_000), (2_105_000, 100_000), (120_000, 100_000), (100_000, 115_000)]
    lines = [f"chr1\t{a}\t{a + 1000}\tchr1\t{b}\t{b + 1000}" for a, b in starts]
    (tmp_path / "a.bedpe").write_text("\n".join(lines) + "\n")
    assert pairs.read_loops(tmp_path / "a.bedpe")["chr1"].tolist() == [[20, 24], [20, 420], [21, 420]]


def test_loops_of_several_files_renamed_and_up_to_a_length(tmp_path):
    lines = ["1\t0\t9\t1\t{}\t{}", "2\t0\t9\t1\t{}\t{}"]
    for number, end in enumerate((20_000, 30_000, 500_000)):
        text = "\n".join(line.format(end, end + 9) for line in lines)
        (tmp_path / f"{number}.bedpe").write_text(text + "\n")
    paths = [tmp_path / f"{number}.bedpe" for number in (2, 0, 1, 0)]
    found = pairs.read_loops(paths, max_bins=99, rename={"1": "chrI"})
    assert {chrom: each.tolist() for chrom, each in found.items()} == {"chrI": [[0, 4], [0, 6]]}
    with pytest.raises(InputError, match=r"0\.bedpe: no loop of 20,000 to 15,000 bp"):
        pairs.read_loops(tmp_path / "0.bedpe", max_bins=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t1\t2\n", "line 1 has 3 columns, not chrom1, start1, end1, chrom2, start2, end2; give a BEDPE"),
        ("chr1\ta\tb\tchr1\t5\td\n", "line 1: start1 is 'a', not a whole number"),
        ("chr1\t0\t9\tchr1\t5000\t9999\n", "no loop of 20,000 to 2,000,000 bp within a chromosome"),
        ("", "no loop of 20,000 to 2,000,000 bp within a chromosome"),
    ],
)
def test_refuses_other_files(tmp_path, text, message):
    (tmp_path / "a.bedpe").write_text(text)
    with pytest.raises(InputError, match=rf"a\.bedpe: {message}"):
        pairs.read_loops(tmp_path / "a.bedpe")


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.bedpe: no such file"):
        pairs.read_loops(tmp_path / "a.bedpe")


# ---------------------------------------------------------------- negatives


def distances_of(*values: int) -> Distances:
    return Distances.of(np.array([(30, 30 + d) for d in values]))


def test_second_rule_starts_where_the_histogram_stops_falling():
    """Bins of width 1 from 4 on hold 9, 5, 2, 3: the fourth is the first not below the one before it, and ends at 8."""
    values = np.repeat([4.5, 5.5, 6.5, 7.5, 4, 104], [8, 5, 2, 3, 1, 1])
    found = Distances.of(np.stack([np.zeros_like(values), values], axis=1))
    assert (found.lowest, found.greatest, found.long_start) == (4, 104, 8)


def test_refuses_loops_of_one_distance():
    with pytest.raises(InputError, match="fewer than two different distances"):
        distances_of(7, 7, 7)


@pytest.mark.parametrize(("protocol", "first", "last"), [("published", None, 60), ("corrected", 61, 140)])
def test_distances_drawn(protocol, first, last):
    """Half follow the density within the positives' range, half fall linearly over the second range."""
    positives = np.random.default_rng(4).integers(20, 61, 500)
    shape = distances_of(20, 60, *positives)
    first = shape.long_start if first is None else first
    n = 200_000
    drawn = shape.draw(n, 300, 140, np.random.default_rng(5), protocol=protocol)
    similar, long = drawn[:-n], drawn[-n:]
    assert similar.min() >= 20 and similar.max() <= 60
    # Of the density, what is truncated to 20 ... 60 is kept.
    density = gaussian_kde(np.array([20, 60, *positives]))
    mass = np.array([density.integrate_box_1d(d, d + 1) for d in range(20, 61)])
    assert len(similar) / n == pytest.approx(mass.sum(), abs=0.01)
    np.testing.assert_allclose(np.bincount(similar, minlength=61)[20:] / len(similar), mass / mass.sum(), atol=3e-3)
    expected = 300 - np.arange(first, last + 1)
    assert long.min() == first and long.max() == last
    np.testing.assert_allclose(np.bincount(long)[first:] / n, expected / expected.sum(), atol=3e-3)


def test_refuses_a_band_without_longer_distances():
    with pytest.raises(InputError, match=r"no distance of 141 to 140 bins .* write a band of more diagonals"):
        distances_of(20, 140).draw(9, 300, 140, np.random.default_rng(0), protocol="corrected")


def test_candidates_are_pixels_above_zero_that_are_no_loops(store, dense):
    loops = np.array([(x, x + 10) for x in range(30, 200, 2)])
    wanted = np.repeat([10, 12, 14, 250], [40, 25, 1000, 5])
    found = pairs.candidates(store, loops, wanted, np.random.default_rng(0))
    x, y = found.T
    assert (dense[x, y] > 0).all() and len(np.unique(found, axis=0)) == len(found)
    assert not {*map(tuple, loops)} & {*map(tuple, found)}
    # As many as asked for, all there are of distance 14, none beyond the band.
    available = int((np.diagonal(dense, 14) > 0).sum())
    assert dict(zip(*np.unique(y - x, return_counts=True))) == {10: 40, 12: 25, 14: available}
    assert (np.diff(y - x) != 0).sum() > 40  # shuffled


# ---------------------------------------------------------------- all pairs


@pytest.fixture
def stores(tmp_path):
    return {
        chrom: BandStore.write(tmp_path / f"{chrom}.npy", band_of(dense_map(seed, share=share), N_DIAGONALS), W)
        for chrom, seed, share in (("chr1", 3, 0.6), ("chr2", 4, 0.3), ("chr4", 5, 0.6))
    }


@pytest.fixture
def loops():
    """Loops of 4 to 70 bins, some of them too near the ends."""
    generator, found = np.random.default_rng(6), {}
    for chrom in ("chr2", "chr1", "chr3"):
        x = generator.integers(0, 225, 60)
        found[chrom] = np.unique(np.stack([x, x + generator.integers(4, 71, 60)], axis=1), axis=0)
    return found


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_pairs_of_all_chromosomes(stores, loops, protocol):
    table, counts = pairs.choose_pairs(loops, stores, protocol=protocol, seed=7)
    assert list(table.columns) == ["chrom", "x", "y", "label"]
    after = table.groupby(["chrom", "label"]).size()
    counted = counts.set_index(["chrom", "label"])
    assert counted["after"].to_dict() == after.to_dict()
    assert counted.xs(1, level="label")["before"].to_dict() == {chrom: len(loops[chrom]) for chrom in ("chr1", "chr2")}
    assert (counted["before"] > counted["after"]).all()
    assert list(dict.fromkeys(table.chrom)) == ["chr1", "chr2"]  # chr3 has no band, chr4 no loop
    greatest = max(int((p[:, 1] - p[:, 0]).max()) for p in loops.values())
    for chrom, rows in table.groupby("chrom"):
        found = rows[["x", "y"]].to_numpy()
        positives, negatives = found[rows.label == 1], found[rows.label == 0]
        expected = np.concatenate([*pairs.usable(stores[chrom], loops[chrom], positive=True, protocol=protocol)])
        np.testing.assert_array_equal(positives, expected)
        assert 0 < len(positives) < len(loops[chrom])
        assert len(negatives) == (len(loops[chrom]) - 1 if protocol == "published" else len(positives))
        assert pairs.kept(stores[chrom].windows(negatives), positive=False, protocol=protocol).all()
        assert not {*map(tuple, loops[chrom])} & {*map(tuple, negatives)}
        beyond = np.mean(negatives[:, 1] - negatives[:, 0] > greatest)
        assert beyond == 0 if protocol == "published" else 0.1 < beyond < 0.9


def test_pairs_depend_on_seed_and_chromosome_only(stores, loops):
    table, _ = pairs.choose_pairs(loops, stores, protocol="corrected", seed=7)
    alone, _ = pairs.choose_pairs(loops, {"chr2": stores["chr2"]}, protocol="corrected", seed=7)
    pd.testing.assert_frame_equal(alone, table[table.chrom == "chr2"].reset_index(drop=True))
    other, _ = pairs.choose_pairs(loops, {"chr2": stores["chr2"]}, protocol="corrected", seed=8)
    assert not alone.equals(other)
    pd.testing.assert_frame_equal(alone[alone.label == 1], other[other.label == 1])


def test_says_where_negatives_are_missing(tmp_path, caplog):
    """A map with contacts about one place only."""
    dense = np.zeros((N_BINS, N_BINS))
    dense[100:200, 100:200] = dense_map()[100:200, 100:200]
    stores = {"chr1": BandStore.write(tmp_path / "chr1.npy", band_of(dense, N_DIAGONALS), W)}
    loops = {"chr1": np.array([(x, x + d) for x in range(110, 180) for d in (4, 5, 6)])}
    table, _ = pairs.choose_pairs(loops, stores, protocol="published", seed=0)
    negatives = int((table.label == 0).sum())
    assert negatives < len(loops["chr1"]) - 1
    assert f"chr1: {negatives} negatives found of {len(loops['chr1']) - 1}" in caplog.text


@pytest.fixture
def halves(stores):
    """chr1 and chr2, of which the first half trains and the second one tests."""
    n = stores["chr1"].n_bins
    rows = [
        (chrom, start * 1000, end * 1000, role)
        for chrom in ("chr1", "chr2")
        for start, end, role in ((0, n // 2, "train"), (n // 2, n, "test"))
    ]
    regions = pd.DataFrame(rows, columns=["chrom", "start_bp", "end_bp", "role"])
    return pairs.Roles(regions, stores, 1000)


def test_y5_matched_negatives_are_as_far_apart_as_the_loops_and_near_none(stores, loops, halves):
    """At every distance, in every role of every chromosome; distance alone tells nothing of them."""
    table, _ = pairs.choose_pairs(loops, stores, protocol="corrected", seed=7)
    table["role"] = halves.of(table["chrom"], table["x"], table["y"])
    positives = table[(table["label"] == 1) & (table["role"] != "")]
    assert set(positives["role"]) == {"train", "test"}
    matched = pairs.matched_negatives(loops, stores, positives, halves, seed=7)
    assert list(matched.columns) == ["chrom", "x", "y", "label", "role"] and set(matched["label"]) == {0}
    assert not matched.duplicated(["chrom", "x", "y"]).any()

    def distances(frame):
        return frame.assign(d=frame["y"] - frame["x"]).groupby(["chrom", "role", "d"]).size()

    pd.testing.assert_series_equal(distances(matched), distances(positives))
    assert (halves.of(matched["chrom"], matched["x"], matched["y"]) == matched["role"]).all()
    for chrom, rows in matched.groupby("chrom"):
        found, listed = rows[["x", "y"]].to_numpy(), loops[chrom]
        assert cdist(found, listed, "chebyshev").min() > 2
        assert pairs.kept(stores[chrom].windows(found), positive=False, protocol="corrected").all()
        assert (stores[chrom].values[found[:, 0], found[:, 1] - found[:, 0]] > 0).all()
    both = pd.concat([positives, matched])
    assert roc_auc_score(both["label"], both["x"] - both["y"]) == pytest.approx(0.5)
    # Where the second rule put half of them beyond the longest loop, distance tells most of them.
    assert roc_auc_score(table["label"], table["x"] - table["y"]) > 0.7
    # Drawn by seed, chromosome and role alone.
    alone = pairs.matched_negatives(loops, stores, positives[positives["chrom"] == "chr2"], halves, seed=7)
    pd.testing.assert_frame_equal(alone, matched[matched["chrom"] == "chr2"].reset_index(drop=True))
    assert not pairs.matched_negatives(loops, stores, positives, halves, seed=8).equals(matched)


def test_where_too_few_pixels_are_as_far_apart_all_are_taken_and_it_is_said(tmp_path, caplog):
    dense = np.zeros((N_BINS, N_BINS))
    dense[100:200, 100:200] = dense_map()[100:200, 100:200]
    stores = {"chr1": BandStore.write(tmp_path / "chr1.npy", band_of(dense, N_DIAGONALS), W)}
    listed = {"chr1": np.array([(x, x + 5) for x in range(110, 180)])}
    regions = pd.DataFrame([("chr1", 0, N_BINS * 1000, "train")], columns=["chrom", "start_bp", "end_bp", "role"])
    positives = pd.DataFrame(listed["chr1"], columns=["x", "y"]).assign(chrom="chr1", label=1, role="train")
    roles = pairs.Roles(regions, stores, 1000)
    found = pairs.matched_negatives(listed, stores, positives, roles, seed=0)
    assert 0 < len(found) < 70 and (found["y"] - found["x"] == 5).all()
    half = W // 2
    passing = [
        x
        for x in range(half, N_BINS - half - 5 + 1)
        if dense[x, x + 5] > 0
        and not 108 <= x <= 181  # two bins beyond the first and the last loop
        and (dense[x - half : x + half, x + 5 - half : x + 5 + half] != 0).mean() >= 0.1
    ]
    assert sorted(found["x"]) == passing
    assert f"too few pixels, {70 - len(found)} fewer than loops" in caplog.text
    none = pairs.matched_negatives(listed, stores, positives[:0], roles, seed=0)
    assert none.empty and list(none.columns) == ["chrom", "x", "y", "label", "role"]


def test_y5_what_distance_tells_of_negatives_is_counted():
    loops = {"chr1": np.array([(10, 30), (50, 60)]), "chr2": np.empty((0, 2), dtype=int)}
    positives = pd.DataFrame({"chrom": "chr1", "x": [10, 50], "y": [30, 60], "role": ["train", "test"]})
    rows = [("chr1", 12, 28), ("chr1", 13, 30), ("chr1", 48, 62), ("chr1", 5, 26), ("chr2", 10, 30)]
    negatives = pd.DataFrame(rows, columns=["chrom", "x", "y"]).assign(role=["train"] * 2 + ["test"] * 3)
    assert pairs.near_loops(negatives[["x", "y"]].to_numpy(), loops["chr1"]).tolist() == [
        True,
        False,
        True,
        False,
        True,
    ]
    table = pairs.described_negatives(negatives, positives, loops).set_index("role")
    assert table.loc["train"].to_dict() == {"n": 2, "longest_bins": 20, "beyond": 0, "near": 1}
    assert table.loc["test"].to_dict() == {"n": 3, "longest_bins": 20, "beyond": 1, "near": 1}


def test_refuses_what_cannot_be_chosen_from(stores, loops):
    with pytest.raises(InputError, match="the protocol 'paper' is not known"):
        pairs.choose_pairs(loops, stores, protocol="paper", seed=0)
    with pytest.raises(
        InputError, match="loops: 1 match no chromosome; there are chr1, chr2, chr4; name chromosomes as the map does"
    ):
        pairs.choose_pairs({"1": loops["chr1"]}, stores, protocol="published", seed=0)
    too_far = {"chr1": np.array([(30, 171), (40, 60)])}
    with pytest.raises(InputError, match=r"chr1\.npy: the window about \(30, 171\) leaves .* write a wider band"):
        pairs.choose_pairs(too_far, stores, protocol="published", seed=0)


# ---------------------------------------------------------------- of a map, on disk


def test_bands_of_a_map(tmp_path):
    """Of the chromosomes with a balanced contact that are not excluded."""
    sizes, generator = {"chr1": 6000, "chr2": 5500, "chr3": 4000}, np.random.default_rng(0)
    starts, chunks = {"chr1": 0, "chr2": 60, "chr3": 115}, []
    for chrom in ("chr1", "chr2"):
        i, j = np.triu_indices(sizes[chrom] // 100)
        kept = generator.random(len(i)) < 0.5
        chunks.append((i[kept] + starts[chrom], j[kept] + starts[chrom]))
    bins = np.concatenate(chunks, axis=1)
    chunk = {"bin1_id": bins[0], "bin2_id": bins[1], "count": generator.integers(1, 9, bins.shape[1])}
    path = tmp_path / "map.cool"
    cool.write_cool(path, sizes, 100, [chunk], weight=np.full(155, 0.1))
    (tmp_path / "bands").mkdir()
    bands.write_bands(path, tmp_path / "bands", 55)
    stores = bands.open_bands(tmp_path / "bands", W)
    assert list(stores) == ["chr1", "chr2"]  # chr3 has no contact
    assert (stores["chr2"].n_bins, stores["chr2"].n_diagonals, stores["chr2"].farthest_bins) == (55, 55, 5)
    band = Band.read(path, "chr2", 55)
    expected = np.nan_to_num(contacts(band))
    np.testing.assert_allclose(stores["chr2"].values, expected / expected.max(), rtol=1e-6)
    (tmp_path / "some").mkdir()
    bands.write_bands(path, tmp_path / "some", 55, exclude=["chr1", "chr3"])
    assert list(bands.open_bands(tmp_path / "some", W)) == ["chr2"]
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"map\.cool: no chromosome with a balanced contact"):
        bands.write_bands(path, tmp_path / "none", 55, exclude=["chr1", "chr2"])


# ---------------------------------------------------------------- other windows


@pytest.mark.parametrize("window_bins", [48, 64])
def test_windows_of_another_side(tmp_path, dense, window_bins):
    """Slices of the dense matrix, and the bins and distances that have such a window."""
    half = window_bins // 2
    plain = BandStore.write(tmp_path / "plain.npy", band_of(dense, N_DIAGONALS), window_bins)
    clipped = np.minimum(dense, 255)
    clipped = (clipped / clipped.max()).astype(np.float32)
    farthest = N_DIAGONALS - window_bins
    assert plain.farthest_bins == farthest
    chosen = np.array([(half, half), (90, 140), (140, 90), (half, half + farthest), (N_BINS - half, N_BINS - half)])
    for (x, y), window in zip(chosen, plain.windows(chosen)):
        np.testing.assert_array_equal(window, clipped[x - half : x + half, y - half : y + half])
    places = np.array([(half - 1, 60), (half, 60), (60, N_BINS - half), (60, N_BINS - half + 1)])
    assert plain.inside(places).tolist() == [False, True, True, False]
    with pytest.raises(InputError, match="leaves the chromosome"):
        plain.windows([(60, 61 + farthest)])


@pytest.mark.parametrize("window_bins", [48, 64])
def test_counts_and_factors_serve_windows_of_any_side(tmp_path, window_bins):
    """A band is written once; arms with other windows cut it by their own side."""
    band = deep_band()
    stores = {W: kept_store(tmp_path, band)}
    stores[window_bins] = bands.CountStore(tmp_path / "chr1.npy", band.counts.shape[1], window_bins)
    np.testing.assert_array_equal(stores[window_bins].values, stores[W].values)
    plain = BandStore.write(tmp_path / "plain.npy", contacts(band), window_bins)
    x = np.array([40, 77, 120, 250])
    chosen = np.concatenate([np.stack([x, x + d], axis=1) for d in (0, 7, 101)])
    chosen = np.concatenate([chosen, chosen[:, ::-1]])
    found = stores[window_bins].windows(chosen)
    assert found.shape == (24, window_bins, window_bins)
    np.testing.assert_allclose(found, plain.windows(chosen), rtol=2e-7)


def track_store(folder, values: np.ndarray, bin_bp: int, track_bp: int) -> TrackStore:
    """A track of chr1, as the workflow keeps it."""
    return write_track(folder, values, {"chr1": len(values) * track_bp}, track_bp)


@pytest.mark.parametrize("log", [True, False])
def test_t4_a_chromosome_and_its_windows_are_read_alike(tmp_path, log):
    """A log2-ratio track with values at and below -1, tiny ones and missing ones: the same numbers, all finite."""
    values = np.random.default_rng(4).normal(0, 1.5, 400)
    values[[3, 50, 90, 120, 200]] = -1, -1.5, 1e-8, np.nan, 6e-8
    tracks = [track_store(tmp_path / "ratio", values, 40, 20)]
    whole = pairs.signals(tracks, "chr1", 200, bin_bp=40, log=log)
    places = np.array([[30, 60], [24, 24], [100, 150]])
    windows = pairs.segments(tracks, "chr1", places, bin_bp=40, window_bins=48, log=log)
    expected = [np.concatenate([whole[2 * (x - 24) : 2 * (x + 24)] for x in pair]) for pair in places]
    np.testing.assert_array_equal(windows, expected)
    kept = values.astype(np.float16).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        said = np.log2(kept + 1) if log else kept
    np.testing.assert_allclose(whole[:, 0], np.where(np.isfinite(said), said, 0), rtol=1e-6)
    assert whole[120, 0] == 0 and (whole[[3, 50], 0] == 0).all() == log
    assert kept[90] == 0 and kept[200] == np.float32(2**-24)  # what float16 makes of 1e-8 and 6e-8


@pytest.mark.parametrize("window_bins", [48, 64])
def test_segments_of_another_side(tmp_path, window_bins):
    """Tracks at 10 bp, bins of 40 bp: W / 2 bins to either side of x, then of y."""
    generator, half = np.random.default_rng(2), window_bins // 2
    values = [generator.gamma(1, 2, 4 * N_BINS).astype(np.float16) for _ in range(2)]
    values[1][400:410] = np.nan
    stores = [track_store(tmp_path / str(k), each, 40, 10) for k, each in enumerate(values)]
    chosen = np.array([(half, 110), (95, 200), (140, 140)])
    found = pairs.segments(stores, "chr1", chosen, bin_bp=40, window_bins=window_bins, log=False)
    assert found.shape == (3, 8 * window_bins, 2)
    kept = np.nan_to_num(np.stack(values, axis=1).astype(np.float32))
    for (x, y), own in zip(chosen, found):
        by_hand = [kept[4 * (place - half) : 4 * (place + half)] for place in (x, y)]
        np.testing.assert_array_equal(own, np.concatenate(by_hand))


def test_filters_look_at_the_centre_of_the_window_there_is():
    """Of 64 × 64 bins the centre is (32, 32); a tenth of 4,096 pixels is 410."""
    windows = np.ones((2, 64, 64))
    windows[:, 32, 32] = 0.099, 0.101
    assert passed(windows) == [False, True]
    few = np.zeros((2, 64, 64))
    few[0].ravel()[:409], few[1].ravel()[:410] = 1, 1
    assert passed(few, positive=False) == [False, True]


# ---------------------------------------------------------------- roles


def roles_of(folder, rows: list[tuple], length_bp: int = 100 * 300, window_bins: int = 50) -> pairs.Roles:
    """Roles by regions (chrom, start_bp, end_bp, role) on chromosomes of 300 bins at 100 bp, the last one short."""
    n_bins = -(-length_bp // 100)
    chroms, stores = dict.fromkeys(row[0] for row in rows), {}
    for chrom in chroms:
        stores[chrom] = BandStore.write(folder / f"{chrom}.npy", np.ones((n_bins, 90)), window_bins)
    return pairs.Roles(pd.DataFrame(rows, columns=splits.COLUMNS), stores, 100)


def roles_at(roles: pairs.Roles, *places: tuple[int, int], chrom: str = "chr1") -> list[str]:
    x, y = np.array(places).T
    return roles.of(pd.Series([chrom] * len(places)), x, y).tolist()


def test_roles_follow_the_chromosome(tmp_path):
    chromsizes = {f"chr{n}": 30_000 for n in (1, 2, 5, 6, 7)}
    split = {"kind": "chromosomes", "validation": ["chr5"], "test": ["chr6", "chr7"]}
    roles = roles_of(tmp_path, list(splits.make(split, chromsizes, 5000).itertuples(index=False, name=None)))
    chroms = pd.Series(["chr1", "chr5", "chr2", "chr6", "chr9"])
    middle = np.full(5, 100)
    assert roles.of(chroms, middle, middle + 20).tolist() == ["train", "validation", "train", "test", ""]
    assert roles.of_chromosomes(chroms).tolist() == ["train", "validation", "train", "test", ""]
    # Of whole chromosomes every window that lies on one has a role.
    assert roles_at(roles, (25, 25), (275, 275), (25, 275)) == ["train"] * 3


def test_windows_across_a_border_have_no_role(tmp_path):
    """Bins 0 ... 99 train, 100 ... 199 are for tests, and the gap after them for nothing."""
    roles = roles_of(
        tmp_path, [("chr1", 0, 10_000, "train"), ("chr1", 10_000, 20_000, "test"), ("chr1", 21_000, 30_000, "train")]
    )
    assert roles_at(roles, (25, 75), (75, 75)) == ["train"] * 2  # to bin 99
    assert roles_at(roles, (25, 76), (76, 76), (124, 124)) == [""] * 3
    assert roles_at(roles, (125, 125), (125, 175)) == ["test"] * 2
    # A stretch in either region, and stretches of two regions of one role.
    assert roles_at(roles, (75, 125), (70, 240), (176, 176), (234, 234), (235, 235)) == [*[""] * 4, "train"]
    assert roles.of_chromosomes(pd.Series(["chr1"])).tolist() == ["several"]


def test_roles_depend_on_the_window(tmp_path):
    rows = [("chr1", 0, 10_000, "train"), ("chr1", 10_000, 30_000, "test")]
    for window_bins, last in ((48, 76), (64, 68)):
        roles = roles_of(tmp_path, rows, window_bins=window_bins)
        assert roles_at(roles, (last, last), (last + 1, last + 1)) == ["train", ""]


def test_borders_within_a_bin_belong_to_no_region(tmp_path):
    """Bin 100 is of both regions: no window may hold it."""
    roles = roles_of(tmp_path, [("chr1", 0, 10_050, "train"), ("chr1", 10_050, 30_000, "test")])
    assert roles_at(roles, (75, 75), (76, 76), (125, 125), (126, 126)) == ["train", "", "", "test"]


def test_the_last_bin_of_a_chromosome_is_rarely_full(tmp_path):
    """29,930 bp: bin 299 holds 30 bp, and belongs to the region that ends there; to none that ends before it."""
    roles = roles_of(tmp_path, [("chr1", 0, 10_000, "train"), ("chr1", 10_000, 29_930, "test")], 29_930)
    assert roles_at(roles, (275, 275)) == ["test"]
    short = roles_of(tmp_path, [("chr1", 0, 29_900, "train"), ("chr1", 29_900, 29_930, "test")], 29_930)
    assert roles_at(short, (274, 274), (275, 275)) == ["train", ""]


def test_blocks_leave_out_what_lies_across_them(tmp_path):
    """Against regions looked up bin by bin."""
    split = {"kind": "blocks", "block_bp": 8_000, "gap_bp": 500, "fractions": {"validation": 0.25, "test": 0.25}}
    regions = splits.make({**split, "seed": 3}, {"chr1": 29_960, "chr2": 29_960}, 5_000)
    roles = roles_of(tmp_path, list(regions.itertuples(index=False, name=None)), 29_960)
    of_bin = np.full((2, 300), -1)
    for number, region in enumerate(regions.itertuples()):
        of_bin[int(region.chrom == "chr2"), region.start_bp // 100 : -(-region.end_bp // 100)] = number
    for row, chrom in enumerate(("chr1", "chr2")):
        places = [(x, x + d) for d in (0, 13, 40) for x in range(25, 276 - d)]
        found = roles_at(roles, *places, chrom=chrom)
        for (x, y), role in zip(places, found):
            held = set(of_bin[row, x - 25 : x + 25]) | set(of_bin[row, y - 25 : y + 25])
            assert role == (regions["role"].iloc[held.pop()] if len(held) == 1 and -1 not in held else "")
        assert "" in found and len(set(found)) > 1
