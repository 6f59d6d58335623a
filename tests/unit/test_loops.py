"""Loops of whole chromosomes: candidates and peaks against the reference and against loops written out."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import poisson
from sklearn.isotonic import IsotonicRegression
from small import GEOMETRY, resolved

from trifold import loops
from trifold.config import Geometry
from trifold.data import bands, pairs
from trifold.data.given import Given
from trifold.data.sequence import SequenceStore, prepare
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.io.cool import Band, write_cool
from trifold.models.mixhic import Loop
from trifold.models.references import Corner

BIN_BP, N_BINS, WIDTH = 1000, 160, 110
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reference(parity):
    """RefHiC's candidates as `peaks` takes them, and what it made of them."""
    known = parity("multimodal/refhic_pool")
    places = {"x": known["cand_start1"] // 5000, "y": known["cand_start2"] // 5000}
    found = {"chrom": known["cand_chrom"], **places, "score": known["cand_score"], "decoy": ~known["cand_is_target"]}
    return pd.DataFrame(found), known


def test_peaks_are_refhics(reference):
    found, known = reference
    ours = loops.peaks(found).set_index(["chrom", "x", "y", "decoy"]).sort_index()
    keys = [known["kept_chrom"], known["kept_start1"] // 5000, known["kept_start2"] // 5000, ~known["kept_is_target"]]
    theirs = pd.DataFrame(
        {"rho": known["rho"], "delta": known["delta"]}, index=pd.MultiIndex.from_arrays(keys, names=ours.index.names)
    ).sort_index()
    assert len(ours) == 1085 and ours.index.equals(theirs.index)
    np.testing.assert_allclose(ours["rho"], theirs["rho"], rtol=1e-12)
    top = np.isinf(ours["delta"])
    assert top.sum() == 4 and (theirs["delta"][top] > 900).all()  # one of each chromosome and map
    np.testing.assert_array_equal(ours["delta"][~top], theirs["delta"][~top])


def test_loops_are_refhics_and_the_papers_are_the_densest_of_the_same_clusters(reference):
    found, known = reference
    cutoff = float(known["rho_cutoff"])
    assert loops.cutoff(loops.peaks(found), protocol="published") == pytest.approx(cutoff, rel=1e-12)
    ours = loops.cluster(found, protocol="published")
    theirs = sorted(zip(known["loop_chrom"], known["loop_start1"] // 5000, known["loop_start2"] // 5000))
    assert sorted(ours[["chrom", "x", "y"]].itertuples(index=False, name=None)) == theirs
    np.testing.assert_allclose(ours["score"], np.sort(known["loop_score"])[::-1], rtol=1e-12)
    # As many decoys allowed as there are, so that both take the same peaks and those below.
    corrected = loops.cluster(found, protocol="corrected", fdr=1)
    corrected = corrected[corrected["density"] > cutoff]
    assert sorted(corrected["density"]) == sorted(ours["density"])
    rho = loops.peaks(found).query("~decoy").set_index(["chrom", "x", "y"])["rho"]
    for row in corrected.itertuples():
        assert rho[row.chrom, row.x, row.y] == row.density
    assert (corrected["score"].to_numpy() <= ours["score"].max()).all()


def square(x, y, score, decoy=False, chrom="chr1"):
    """Nine candidates about (x, y), the middle one of the highest density."""
    places = [(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return [(chrom, *place, score, decoy) for place in places]


def frame(rows):
    return pd.DataFrame(rows, columns=loops.CANDIDATES)


def test_a_cluster_stands_once_and_as_the_protocol_says():
    rows = square(50, 80, 0.8) + square(90, 130, 0.6)
    rows[0] = ("chr1", 49, 79, 0.95, False)  # a corner scores best, and the middle stays the densest
    ours = loops.cluster(frame(rows), protocol="corrected", fdr=1)
    assert ours[["x", "y", "candidates"]].to_numpy().tolist() == [[50, 80, 9], [90, 130, 9]]
    published = loops.cluster(frame(rows), protocol="published")
    assert published.loc[0, ["x", "y", "score"]].tolist() == [49, 79, 0.95]
    weights = np.exp(-np.array([0, *[1] * 8]) / 25)
    assert ours.loc[0, "density"] == pytest.approx(0.95 * weights[1] + 0.8 * weights[np.arange(9) != 1].sum())


def test_few_alone_near_the_diagonal_or_below_the_score_are_no_loops():
    rows = [
        *square(50, 80, 0.8),
        *square(90, 130, 0.8)[:5],  # five in the radius
        *square(200, 210, 0.9),  # 10 bins apart; two of the nine are 12
        *square(300, 340, 0.5),
    ]
    assert loops.cluster(frame(rows), protocol="corrected", fdr=1)[["x", "y"]].to_numpy().tolist() == [[50, 80]]
    assert loops.cluster(frame(rows), protocol="corrected", fdr=1, min_bins=4)["x"].tolist() == [200, 50]
    nothing = loops.cluster(frame(rows[-9:]), protocol="published")
    assert list(nothing) == loops.LOOPS and nothing.empty
    with pytest.raises(InputError, match="the protocol 'both' is not known"):
        loops.cluster(frame(rows), protocol="both")


def test_the_density_that_counts_is_the_first_with_too_many_decoys():
    targets = [row for i, score in enumerate((0.9, 0.85, 0.7)) for row in square(100 * i, 100 * i + 40, score)]
    decoys = square(50, 90, 0.8, decoy=True)
    both = loops.cluster(frame(targets + decoys), protocol="published")
    assert both["score"].tolist() == [0.9, 0.85]
    assert loops.cutoff(loops.peaks(frame(targets + decoys)), protocol="published", fdr=0.5) == -np.inf
    assert len(loops.cluster(frame(targets + decoys), protocol="published", fdr=0.5)) == 3
    assert len(loops.cluster(frame(targets), protocol="published")) == 3


@pytest.mark.parametrize(
    ("n_targets", "n_decoys_after", "fdr", "n_loops"),
    [
        (19, [], 0.05, 0),  # (0 + 1) / 19 is more than 5 %
        (20, [], 0.05, 20),
        (20, [20], 0.05, 20),  # the decoy comes last
        (39, [20], 0.05, 20),  # 2 / 39 is too much, 1 / 20 is not
        (40, [20], 0.05, 40),  # 2 / 40: the search goes on past the decoy
        (40, [0], 0.05, 40),
        (3, [], 0.5, 3),
    ],
)
def test_y11_corrected_decoys_and_one_are_a_share_of_the_targets(n_targets, n_decoys_after, fdr, n_loops):
    """Densities fall from target to target; decoys lie after so many of them."""
    scores = np.linspace(0.99, 0.6, n_targets)
    rows = [row for i, score in enumerate(scores) for row in square(40 * i + 20, 40 * i + 60, score)]
    for after in n_decoys_after:
        score = scores[after - 1] - 1e-3 if after else 0.995
        rows += square(20, 60, score, decoy=True)
    found = loops.cluster(frame(rows), protocol="corrected", fdr=fdr)
    assert len(found) == n_loops
    np.testing.assert_allclose(found["score"], scores[:n_loops])


def test_y11_squares_of_pixels_stay_together_in_a_decoy():
    """Every value has moved with its neighbours; every candidate with its value."""
    random = np.random.default_rng(2)
    n, width, half, side = 400, 60, 25, loops.BLOCK_BINS
    values = random.uniform(size=(n, width))
    found = np.stack([random.integers(half, n - half - 60, 300), random.integers(4, 50, 300)], axis=1)
    found = np.unique(np.stack([found[:, 0], found.sum(axis=1)], axis=1), axis=0)
    decoy, moved = loops.relocated_in_blocks(values, found, 2 * half, np.random.default_rng(0))
    for d in range(width):
        np.testing.assert_array_equal(np.sort(decoy[:, d]), np.sort(values[:, d]))
    place = {value: at for at, value in np.ndenumerate(values)}
    together = []
    for x, d in [(40, 3), (100, 12), (200, 35), (300, 50)]:
        source = place[decoy[x, d]]
        assert source[1] == d
        together += [place[decoy[x + 1, d]] == (source[0] + 1, d), place[decoy[x, d + 1]] == (source[0], d + 1)]
    assert sum(together) >= 6, "but at the borders of squares"
    stay = np.mean([place[decoy[x, 20]][0] == x for x in range(half, 300)])
    assert stay < 0.1
    # Neighbouring rows of squares move otherwise.
    first, second = ([place[decoy[x, d]][0] for x in range(half, 300)] for d in (side - 1, side))
    assert np.mean(np.equal(first, second)) < 0.1
    at = [each[pair[:, 0], pair[:, 1] - pair[:, 0]] for each, pair in ((values, found), (decoy, moved))]
    np.testing.assert_array_equal(np.sort(at[0]), np.sort(at[1]))
    assert (moved >= half).all() and (moved <= n - half).all()


def test_y11_compartments_are_no_loops(tmp_path):
    """A map of compartments without a loop: published decoys have no clusters, and let those of the map count."""
    n, width = 1200, 110
    random = np.random.default_rng(5)
    i, d = np.indices((n, width))
    kind = np.where(np.arange(n + width) // 30 % 2, 1.0, -1.0)
    mean = 60 / (1.0 + d) ** 0.7 * np.exp(0.6 * kind[i] * kind[i + d])
    mean[(i + d) >= n] = 0
    band = Band("chr1", BIN_BP, random.poisson(mean).astype(float), np.ones(n))
    store = bands.BandStore.write(tmp_path / "chr1.npy", band.balanced, 50)
    corner = Corner(Geometry(BIN_BP, 50, {}, 0.25, 0), statistics={})
    settings = {"bin_bp": BIN_BP, "min_bins": 8, "max_bins": 60, "batch_size": 512, "device": CPU}
    number = {}

    def with_a_neighbour(rows):
        """Share of candidates with another one along the diagonal."""
        places = set(zip(rows["x"], rows["y"]))
        return np.mean([(x + 1, y + 1) in places for x, y in places])

    for protocol in ("published", "corrected"):
        found = loops.search(corner, band, store, [], protocol=protocol, **settings)
        targets, decoys = (with_a_neighbour(found[found["decoy"] == is_decoy]) for is_decoy in (False, True))
        # One step in eleven leaves a square; of pixels that move each on its own it is chance that two lie together.
        assert decoys < targets / 2 if protocol == "published" else 0.9 * targets < decoys < targets
        number[protocol] = len(loops.cluster(found, protocol=protocol, min_bins=8))
        assert found["decoy"].sum() == (~found["decoy"]).sum() > 1000
    assert number["published"] >= 5
    assert number["corrected"] == 0


@pytest.fixture(scope="module")
def band():
    """Poisson contacts that fall with the distance, biases, two bad bins and three strong pixels."""
    rng = np.random.default_rng(4)
    bias = rng.uniform(0.5, 2, N_BINS)
    d = np.arange(WIDTH)
    mean = 60 / (1 + d)[None] * bias[:, None]
    columns = np.minimum(np.arange(N_BINS)[:, None] + d, N_BINS - 1)
    counts = rng.poisson(mean * bias[columns]).astype(float)
    for x, y in ((40, 60), (70, 120), (90, 95)):
        counts[x, y - x] = 12 * max(1.0, mean[x, y - x] * bias[y])
    weight = 0.1 / bias
    weight[[30, 31]] = np.nan
    counts[np.arange(N_BINS)[:, None] + d >= N_BINS] = 0
    return Band("chr1", BIN_BP, counts, weight)


def test_candidates_are_pixels_beyond_their_distance_and_biases(band):
    found = loops.candidates(band, 4, 80)
    places = {tuple(pair) for pair in found}
    assert {(40, 60), (70, 120), (90, 95)} <= places
    distances = found[:, 1] - found[:, 0]
    assert distances.min() >= 4 and distances.max() <= 80
    assert not np.isin(found, (30, 31)).any()
    assert (np.lexsort((found[:, 1], found[:, 0])) == np.arange(len(found))).all()
    # Of pixels without a loop so many are as unlikely as the p-value says, or fewer: counts are whole numbers.
    tested = np.isfinite(band.balanced[:, 4:81]).sum()
    assert 0.001 * tested < len(found) - 3 < 0.02 * tested
    assert len(loops.candidates(band, 4, 80, p_value=1e-6)) < len(found)


def test_a_candidates_p_value_is_poissons(band):
    balanced = band.balanced[:, :41]
    weights = np.isfinite(balanced).sum(axis=0)
    falling = IsotonicRegression(increasing=False).fit(np.arange(41), np.nanmean(balanced, axis=0), weights)
    found = loops.candidates(band, 20, 40)
    for d in range(20, 41):
        x = np.flatnonzero(np.isfinite(balanced[:, d]))
        expected = falling.predict([d])[0] / (band.weight[x] * band.weight[x + d])
        unlikely = x[poisson.sf(band.counts[x, d] - 1, expected) < 0.01]
        assert found[found[:, 1] - found[:, 0] == d, 0].tolist() == unlikely.tolist()


def test_decoys_keep_every_diagonal_and_move_candidates_with_their_pixel(band):
    found = loops.candidates(band, 4, 80)
    good = np.isfinite(band.weight)
    values = np.where(np.isfinite(band.balanced), band.balanced, 0)
    decoy, moved = loops.relocated(values, good, found, 50, np.random.default_rng(0))
    for d in range(WIDTH):
        places = np.flatnonzero(good[: N_BINS - d] & good[d:])
        np.testing.assert_array_equal(np.sort(decoy[places, d]), np.sort(values[places, d]))
        assert (decoy[np.setdiff1d(np.arange(N_BINS), places), d] == 0).all()
    at = [each[pair[:, 0], pair[:, 1] - pair[:, 0]] for each, pair in ((values, found), (decoy, moved))]
    np.testing.assert_array_equal(np.sort(at[0]), np.sort(at[1]))
    assert len(np.unique(moved, axis=0)) == len(found)
    assert (moved != found).any(axis=1).mean() > 0.9
    inside = [((each >= 25) & (each <= N_BINS - 25)).all(axis=1).sum() for each in (found, moved)]
    assert inside[0] == inside[1] > 0


class TrackArray(TrackStore):
    """A track held in memory."""

    def __init__(self, values, bin_bp):
        self.folder, self.bin_bp = "track", bin_bp
        self.chromsizes = {"chr1": len(values) * bin_bp}
        self._bins_of, self._offsets, self._arrays = {"chr1": len(values)}, {"chr1": 0}, {"bins.npy": values}


@pytest.fixture(scope="module")
def tracks():
    rng = np.random.default_rng(6)
    values = [rng.gamma(1, size=N_BINS * 50).astype(np.float32) for _ in range(2)]
    values[0][100:200] = np.nan
    return [TrackArray(each, 20) for each in values]


@pytest.fixture(scope="module")
def store(band, tmp_path_factory):
    values = band.balanced * bands.scale(band, band.balanced)
    return bands.BandStore.write(tmp_path_factory.mktemp("bands") / "chr1.npy", values, 50)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return Loop(protocol="corrected", embed_dim=8, heads=2, depth=1, track_bins=50).eval()


def test_scores_are_those_of_single_pairs(model, store, tracks):
    chosen = np.array([[40, 60], [70, 100], [25, 25], [90, 95], [135, 135]])
    signal = loops.signals(tracks, "chr1", N_BINS, bin_bp=BIN_BP)
    assert signal.shape == (N_BINS * 50, 2)
    ours = loops.score(model, store, signal, chosen, "chr1", batch_size=2, device=CPU)
    for (x, y), value in zip(chosen, ours):
        batch = {
            "map": torch.from_numpy(store.windows(np.array([[x, y]])))[:, None],
            "tracks": torch.from_numpy(pairs.segments(tracks, "chr1", [x, y], bin_bp=BIN_BP, window_bins=50)),
        }
        with torch.inference_mode():
            assert value == pytest.approx(model(batch).item(), abs=1e-6)
    assert loops.score(model, store, signal, chosen[:0], "chr1", batch_size=2, device=CPU).shape == (0,)


def test_a_search_scores_candidates_and_as_many_decoys(model, band, store, tracks, caplog):
    settings = {"bin_bp": BIN_BP, "min_bins": 4, "max_bins": 400, "batch_size": 32, "device": CPU}
    with caplog.at_level("INFO"):
        found = loops.search(model, band, store, tracks, protocol="published", **settings)
    assert list(found) == loops.CANDIDATES
    expected = loops.candidates(band, 4, store.farthest_bins)
    expected = expected[store.inside(expected)]
    targets = found[~found["decoy"]]
    np.testing.assert_array_equal(targets[["x", "y"]], expected)
    signal = loops.signals(tracks, "chr1", N_BINS, bin_bp=BIN_BP)
    scores = loops.score(model, store, signal, expected, "chr1", batch_size=32, device=CPU)
    np.testing.assert_allclose(targets["score"], scores, atol=1e-6)
    decoys = found[found["decoy"]]
    assert len(decoys) == len(targets)
    assert not np.array_equal(decoys[["x", "y"]].to_numpy()[: len(targets)], expected[: len(decoys)])
    pd.testing.assert_frame_equal(found, loops.search(model, band, store, tracks, protocol="published", **settings))
    assert f"{len(targets)} candidates and {len(decoys)} decoys" in caplog.text


@pytest.mark.parametrize("window_bins", [48, 64])
def test_windows_of_another_side(band, tracks, tmp_path, window_bins):
    """Decoys stay where their window does; scores are those of single pairs."""
    half, found = window_bins // 2, loops.candidates(band, 4, 40)
    values = band.balanced * bands.scale(band, band.balanced)
    store = bands.BandStore.write(tmp_path / "chr1.npy", values, window_bins)
    _, moved = loops.relocated(store.values, np.isfinite(band.weight), found, window_bins, np.random.default_rng(0))
    inside = [((each >= half) & (each <= N_BINS - half)).all(axis=1).sum() for each in (found, moved)]
    assert inside[0] == inside[1] > 0
    torch.manual_seed(3)
    sizes = {"embed_dim": 8, "heads": 2, "depth": 1, "track_bins": 50, "window_bins": window_bins}
    model, chosen = Loop(protocol="corrected", **sizes).eval(), np.array([[40, 60], [half, half], [90, 95]])
    signal = loops.signals(tracks, "chr1", N_BINS, bin_bp=BIN_BP)
    ours = loops.score(model, store, signal, chosen, "chr1", batch_size=2, device=CPU)
    batch = {
        "map": torch.from_numpy(store.windows(chosen))[:, None],
        "tracks": torch.from_numpy(pairs.segments(tracks, "chr1", chosen, bin_bp=BIN_BP, window_bins=window_bins)),
    }
    with torch.inference_mode():
        np.testing.assert_allclose(ours, model(batch)[:, 0], atol=1e-6)


def test_a_row_without_a_model_reads_no_track(band, store):
    """The centre of a window over its lower left corner, of the candidates as of the decoys."""
    assert loops.signals([], "chr1", N_BINS, bin_bp=BIN_BP).shape == (N_BINS, 0)
    corner = Corner(Geometry(BIN_BP, 50, {}, 0.25, 0), statistics={})
    settings = {"bin_bp": BIN_BP, "min_bins": 4, "max_bins": 40, "batch_size": 32, "device": CPU}
    found = loops.search(corner, band, store, [], protocol="published", **settings)
    targets = found[~found["decoy"]]
    windows = store.windows(targets[["x", "y"]].to_numpy())
    centre, low = windows[:, 25, 25], windows[:, -13:, :13].mean(axis=(1, 2))
    np.testing.assert_allclose(targets["score"], centre / (centre + low), rtol=1e-5)


def test_tracks_of_a_search_are_logarithms_where_the_model_was_trained_on_them(model, band, store, tracks):
    settings = {"bin_bp": BIN_BP, "min_bins": 4, "max_bins": 40, "batch_size": 32, "device": CPU}
    found = loops.search(model, band, store, tracks, protocol="published", log=False, **settings)
    targets = found[~found["decoy"]]
    signal = loops.signals(tracks, "chr1", N_BINS, bin_bp=BIN_BP, log=False)
    np.testing.assert_array_equal(np.log2(signal + 1), loops.signals(tracks, "chr1", N_BINS, bin_bp=BIN_BP))
    scores = loops.score(model, store, signal, targets[["x", "y"]].to_numpy(), "chr1", batch_size=32, device=CPU)
    np.testing.assert_allclose(targets["score"], scores, atol=1e-6)


def test_a_search_gives_the_sequence_to_who_reads_it(band, store, tmp_path):
    """The share of G in either stretch, of the candidates as of the decoys; the chromosome ends within its last bin."""
    letters = "".join(np.random.default_rng(5).choice(list("ACGT"), N_BINS * BIN_BP - 300))
    (tmp_path / "genome.fa").write_text(f">chr1\n{letters}\n")
    (tmp_path / "sequence").mkdir()
    prepare(tmp_path / "genome.fa", tmp_path / "sequence", BIN_BP)
    sequence = SequenceStore(tmp_path / "sequence")

    def reader(batch):
        about_x, about_y = batch["sequence"].chunk(2, dim=1)
        return ((about_x == 2).float().mean(1) * (about_y == 2).float().mean(1))[:, None]

    settings = {"bin_bp": BIN_BP, "min_bins": 4, "max_bins": 40, "batch_size": 32, "device": CPU}
    found = loops.search(reader, band, store, [], protocol="corrected", sequence=sequence, **settings)
    assert found["decoy"].any() and not found["decoy"].all()
    for _, x, y, score, _ in found.itertuples(index=False):
        shares = [letters[(place - 25) * BIN_BP : (place + 25) * BIN_BP].count("G") / (50 * BIN_BP) for place in (x, y)]
        assert score == pytest.approx(shares[0] * shares[1], rel=1e-5)


def test_validation_counts_loops_and_those_seen():
    found = pd.DataFrame(
        [("chr1", 10, 30, 0.9), ("chr1", 50, 90, 0.8), ("chr2", 10, 30, 0.7), ("chr1", 11, 31, 0.6)],
        columns=["chrom", "x", "y", "score"],
    )
    seen = {"chr1": np.array([[11, 29], [53, 90], [10, 31], [300, 340]]), "chr2": np.array([[200, 230]])}
    table = loops.validate(found, seen, 1)
    assert list(table) == loops.VALIDATION
    assert table["loops"].tolist() == [0, 1, 2, 3, 4]
    assert table["validated"].tolist() == [0, 1, 1, 1, 2]
    assert table["found"].tolist() == [0, 2, 2, 2, 2]
    np.testing.assert_allclose(table["precision"], [np.nan, 1, 1 / 2, 1 / 3, 2 / 4])
    np.testing.assert_allclose(table["recall"], [0, *[2 / 5] * 4])
    np.testing.assert_allclose(table["f1"][:2], [0, 2 * 1 * 0.4 / 1.4])
    wider = loops.validate(found, seen, 3)
    assert wider["validated"].tolist() == [0, 1, 2, 2, 3] and wider["recall"].iloc[-1] == 3 / 5
    nothing = loops.validate(found.iloc[:0], seen, 1)
    assert nothing[["loops", "recall", "f1"]].to_numpy().tolist() == [[0, 0, 0]] and nothing["precision"].isna().all()
    with pytest.raises(InputError, match="none was seen on the chromosomes searched"):
        loops.validate(found, {"chr1": np.empty((0, 2), int)}, 1)


def test_a_model_and_a_program_are_held_against_the_same_loops(tmp_path, monkeypatch):
    """Those of test chromosomes with a balanced bin: chr2 too, where no pair is made; not chr3, all bad, nor chr4."""
    sizes = dict.fromkeys(("chr1", "chr2", "chr3"), N_BINS * BIN_BP)
    distance = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    upper = np.triu(np.random.default_rng(4).poisson(200 / (1 + distance)))
    row, column = np.nonzero(upper)
    rows, columns = (np.concatenate([places + i * N_BINS for i in range(2)]) for places in (row, column))
    chunk = {"bin1_id": rows, "bin2_id": columns, "count": np.tile(upper[row, column], 2)}
    weight = np.repeat([0.05, 0.05, np.nan], N_BINS)
    write_cool(tmp_path / "map.cool", sizes, BIN_BP, [chunk], weight)
    (tmp_path / "bands").mkdir()
    bands.write_bands(tmp_path / "map.cool", tmp_path / "bands", WIDTH, exclude=["chr2"])
    chroms = ("chr1", "chr2", "chr3", "chr4")
    (tmp_path / "regions.bed").write_text("".join(f"{chrom}\t0\t{N_BINS * BIN_BP}\ttest\n" for chrom in chroms))
    places = [(chrom, x, x + 20) for chrom in chroms for x in (40, 80)]
    lines = [
        f"{chrom}\t{x * BIN_BP}\t{x * BIN_BP + 1}\t{chrom}\t{y * BIN_BP}\t{y * BIN_BP + 1}" for chrom, x, y in places
    ]
    (tmp_path / "seen.bedpe").write_text("\n".join(lines) + "\n")
    (tmp_path / "called.bedpe").write_text("\n".join(lines[::2]) + "\n")  # the first of every chromosome
    arm = resolved(corner={"architecture": "corner"})["corner"]
    common = {"arm": arm, "map_path": tmp_path / "map.cool", "regions": tmp_path / "regions.bed", "rename": {}}
    common |= {"seen": [tmp_path / "seen.bedpe"], "max_loop_bins": 40}
    common["settings"] = {"min_bins": 6, "tolerance_bins": 1, "p_value": 0.01, "fdr": 0.05}
    held_against, validate = [], loops.validate
    monkeypatch.setattr(
        loops, "validate", lambda found, seen, *rest: held_against.append(seen) or validate(found, seen, *rest)
    )
    for name in ("model", "program"):
        (tmp_path / name).mkdir()
    geometry = {**asdict(GEOMETRY), "bin_bp": BIN_BP}
    given = Given(("alpha",), bands=(tmp_path / "bands",))
    searched = {"model": None, "given": given, "geometry": geometry, "seed": 0, "device": "cpu", "threads": 1}
    loops.annotate(tmp_path / "model", **common, **searched)
    loops.take(tmp_path / "program", tmp_path / "called.bedpe", sample="alpha", bin_bp=BIN_BP, **common)
    for seen in held_against:
        assert {chrom: known.tolist() for chrom, known in seen.items()} == {
            "chr1": [[40, 60], [80, 100]],
            "chr2": [[40, 60], [80, 100]],
        }
    last = pd.read_csv(tmp_path / "program/validation.tsv", sep="\t").iloc[-1]
    assert (last["loops"], last["validated"], last["precision"], last["recall"]) == (2, 2, 1, 0.5)


def test_a_bedpe_is_read_again(tmp_path):
    found = loops.cluster(frame(square(50, 80, 0.8) + square(90, 130, 0.6)), protocol="corrected", fdr=1)
    loops.write_bedpe(found, tmp_path / "loops.bedpe", 5000)
    again = pairs.read_loops(tmp_path / "loops.bedpe")
    assert again["chr1"].tolist() == [[50, 80], [90, 130]]
    table = pd.read_csv(tmp_path / "loops.bedpe", sep="\t")
    assert list(table)[:8] == ["#chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score"]
    assert table.loc[0, ["start1", "end1", "start2", "name", "score", "candidates"]].tolist() == [
        *[250_000, 255_000, 400_000],
        *["loop1", 0.8, 9],
    ]
