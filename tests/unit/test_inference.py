import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace

import cooler
import numpy as np
import pandas as pd
import pytest
import torch
from embedding_files import write_embeddings
from small import OE
from track_files import write_track

from trifold import inference
from trifold.config import CountsRecipe, Geometry, ObservedRecipe, Recipes
from trifold.data.augment import reverse
from trifold.errors import InputError
from trifold.inference import ABSENT, BandMean, ChromosomeInputs, Sources, blend_weights, predict, tile_starts
from trifold.io import zoom
from trifold.io.cool import predicted_weight, weight_facts, write_cool, write_weight
from trifold.models import hicfoundation, published, ready, registry, stored
from trifold.models.blocks import Architecture

BIN, W, K = 100, 32, 2
# chr1: 120 bins of which the last is half a bin; chr2: 51 bins, an odd number; chr3 is shorter than a window.
SIZES = {"chr1": 11_950, "chr2": 5_100, "chr3": 2_000}
N_BINS = {"chr1": 120, "chr2": 51, "chr3": 20}
FIRST = {"chr1": 0, "chr2": 120, "chr3": 171}
GEOMETRY = Geometry(BIN, W, {"train": 8}, 0.25, 0)


def recipes(scale="global", cutoff=0, bias="balanced"):
    # Cutoff 0: coarse-graining would average beside the bad bin, and the values would not be known exactly.
    return Recipes(OE, ObservedRecipe(scale, cutoff, 8), CountsRecipe(bias))


GLOBAL, WINDOW = recipes(), recipes("window")
STATISTICS = {"observed": {"floor": 1e-5, "ceiling": 1.0}, "expected": (0.1 / (1 + np.arange(W))).tolist()}


# ---------------------------------------------------------------- models, genomes, maps


class Model(Architecture):
    inputs, target, crop_bins = frozenset({"map"}), "observed", 0


class Identity(Model):
    def forward(self, batch):
        return batch["map"]


class Nearest(Model):
    """Every pixel of the low map repeated: what comes out is known exactly."""

    def forward(self, batch):
        return batch["map_coarse"].repeat_interleave(K, -1).repeat_interleave(K, -2)


class Markers(Model):
    """ln O/E is 1 between a bin that holds a C and one that holds a G, 0 elsewhere; W - 2c as every model."""

    inputs, target = frozenset({"sequence"}), "oe"

    def __init__(self, crop_bins=0):
        super().__init__()
        self.crop_bins = crop_bins

    def forward(self, batch):
        bins = batch["sequence"].view(-1, W, BIN)
        c, g = ((bins == code).any(-1).float() for code in (1, 2))
        # Not symmetric: half of it is left after symmetrising.
        square = 2 * c[:, None, :, None] * g[:, None, None, :]
        return square[..., self.crop_bins : W - self.crop_bins, self.crop_bins : W - self.crop_bins]


class Genome:
    """All A, but for what is planted: chromosome, bp, code."""

    def __init__(self, *planted):
        self.codes = {chrom: np.zeros(size, dtype=np.uint8) for chrom, size in SIZES.items()}
        for chrom, position_bp, code in planted:
            self.codes[chrom][position_bp] = code

    def window(self, chrom, start_bp, end_bp):
        codes = self.codes[chrom]
        return np.pad(codes[start_bp:end_bp], (0, max(end_bp - len(codes), 0)), constant_values=4)


def low_matrix(chrom, rng):
    """Counts of a low map: decay with distance, noise, all above the cutoff of the coarse-graining."""
    n = -(-N_BINS[chrom] // K)
    i, j = np.ogrid[:n, :n]
    counts = np.triu((20_000 / (1 + np.abs(i - j)) * rng.uniform(0.8, 1.25, (n, n))).round())
    return counts + np.triu(counts, 1).T


@pytest.fixture(scope="module")
def low(tmp_path_factory):
    """A low map (path) and its balanced matrices; the bad bins are 7 of chr1 (bins 14 and 15 of the deep map)."""
    path = tmp_path_factory.mktemp("low") / "map.cool"
    rng = np.random.default_rng(0)
    matrices = {chrom: low_matrix(chrom, rng) for chrom in SIZES}
    weight, chunks, first = [], [], 0
    for matrix in matrices.values():
        n = len(matrix)
        i, j = np.triu_indices(n)
        chunks.append({"bin1_id": first + i, "bin2_id": first + j, "count": matrix[i, j].astype(np.int32)})
        weight.append(rng.uniform(0.003, 0.004, n))
        first += n
    weight[0][7] = np.nan
    write_cool(path, SIZES, BIN * K, iter(chunks), weight=np.concatenate(weight))
    return path, {chrom: m * np.outer(w, w) for (chrom, m), w in zip(matrices.items(), weight)}


def run(model, out, low=None, **changes):
    settings = {
        "chromsizes": SIZES,
        "chromosomes": ["chr1", "chr2"],
        "geometry": GEOMETRY,
        "recipes": GLOBAL,
        "statistics": STATISTICS,
        "low_map": low,
        "coarsen": K if low else 1,
        "batch_size": 3,
        "device": "cpu",
        "metadata": {"arm": "fake", "version": "abc"},
    }
    out.mkdir(exist_ok=True)
    predict(model, out, **{**settings, **changes})
    return cooler.Cooler(str(out / "map.cool"))


def matrix_of(clr, chrom, balance=True):
    return clr.matrix(balance=balance).fetch(chrom)


def distance(n):
    i, j = np.ogrid[:n, :n]
    return np.abs(i - j)


# ---------------------------------------------------------------- tiles and blending


def test_tiles_cover_the_chromosome_and_end_flush():
    np.testing.assert_array_equal(tile_starts(120, 32, 24), [0, 24, 48, 72, 88])
    np.testing.assert_array_equal(tile_starts(32, 32, 8), [0])
    # 51 bins are 26 coarse bins: the last tile ends with the 26th.
    np.testing.assert_array_equal(tile_starts(51, 32, 16, step=2), [0, 16, 20])
    assert len(tile_starts(31, 32, 8)) == 0


def test_blend_weights_are_positive_smooth_and_add_up():
    weights = blend_weights(20)
    assert weights.min() > 0
    np.testing.assert_array_equal(weights, weights.T)
    # Half overlapping tapers of a cosine add up to 1 everywhere inside.
    taper = np.sqrt(np.diagonal(weights))
    np.testing.assert_allclose(taper[:10] + taper[10:], 1)


def test_band_mean_is_the_weighted_mean_of_dense_tiles():
    rng = np.random.default_rng(0)
    n, size, width = 30, 12, 9
    total, weight = np.zeros((2, n + size, n + size))
    band = BandMean(n, width, size)
    for start in (0, 4, 8, 12, 20):
        tile = rng.random((size, size))
        tile += tile.T
        band.add(start, tile)
        window = np.s_[start : start + size, start : start + size]
        total[window] += tile * blend_weights(size)
        weight[window] += blend_weights(size)
    mean = band.mean()
    for d in range(width):
        known = np.diagonal(weight, d)[: n - d] > 0
        with np.errstate(invalid="ignore"):
            dense = np.diagonal(total, d)[: n - d] / np.diagonal(weight, d)[: n - d]
        np.testing.assert_allclose(mean[: n - d, d], np.where(known, dense, np.nan))
        assert np.isnan(mean[n - d :, d]).all()


# ---------------------------------------------------------------- whole chromosomes


def test_y7_a_fitted_factor_takes_the_place_of_the_coarsening(low, tmp_path):
    """A low map whose values are 2.5 times the deep ones, of bins twice as wide."""
    fitted = replace(GLOBAL, observed=replace(GLOBAL.observed, low_scale="fitted"))
    statistics = {**STATISTICS, "low": {"factor": 2.5}}
    rows = matrix_of(run(Nearest(), tmp_path / "rows", low[0], statistics=statistics), "chr2")
    found = matrix_of(run(Nearest(), tmp_path / "fitted", low[0], recipes=fitted, statistics=statistics), "chr2")
    # Values at the ends of the scale are clipped.
    inner = (rows > 1e-4) & (rows < 0.9)
    assert inner.sum() > 500
    np.testing.assert_allclose(found[inner], rows[inner] * K / 2.5, rtol=1e-4)


def test_y4_a_coarse_grained_map_of_many_contacts_is_the_low_map(low, tmp_path):
    """Every pixel has more contacts than the cutoff: what is read as contacts and biases comes back as it was."""
    path, balanced = low
    counts = {"low_per_balanced": 3e4, "deep_per_balanced": 5e5, "ratio": 16.0}
    geometry = replace(GEOMETRY, bin_bp=BIN * K)
    statistics = {**STATISTICS, "recipes": asdict(GLOBAL), "coarsen": 1, "low": {"factor": 1.0}, "counts": counts}
    statistics["low_bias"] = {"mean_log_weight": -5.6}
    for bias in ("balanced", "raw"):
        recipes = replace(GLOBAL, counts=replace(GLOBAL.counts, bias=bias))
        network = registry.build("coarsegrain", geometry, {}, {**statistics, "recipes": asdict(recipes)})
        settings = {"geometry": geometry, "recipes": recipes, "coarsen": 1, "statistics": statistics}
        clr = run(network, tmp_path / bias, path, **settings)
        found, expected = matrix_of(clr, "chr1"), balanced["chr1"]
        inside = distance(len(expected)) <= W - W // 4
        # Bin 7 is bad: as in cooltools, its neighbour in a block of two is averaged.
        assert np.isnan(found[7]).all()
        inside[6:8] = inside[:, 6:8] = False
        np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-5)


def test_y4_biases_come_with_which_bins_have_one(low, tmp_path):
    """Of the first window: logarithms of weights about the mean, 0 on the two bins of a low bin without one."""
    given = []

    class Reads(Nearest):
        inputs = frozenset({"map", "bias"})

        def forward(self, batch):
            given.append(batch)
            return super().forward(batch)

    path, _ = low
    statistics = STATISTICS | {"low_bias": {"mean_log_weight": -5.6}}
    run(Reads(), tmp_path / "out", path, statistics=statistics, chromosomes=["chr1"])
    weight = cooler.Cooler(str(path)).bins()["weight"][: W // K].to_numpy().repeat(K)
    np.testing.assert_array_equal(given[0]["low_valid"][0], ~np.isin(np.arange(W), [14, 15]))
    np.testing.assert_allclose(given[0]["bias"][0], np.nan_to_num(np.log(weight) + 5.6), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("recipes", [GLOBAL, WINDOW], ids=["global", "window"])
def test_low_map_comes_back_on_the_deep_scale(low, tmp_path, recipes):
    path, balanced = low
    clr = run(Nearest(), tmp_path / "out", path, recipes=recipes)
    for chrom in ("chr1", "chr2"):
        n = N_BINS[chrom]
        # A coarse pixel holds K times the value of the deep ones inside it: rows sum to 1 at both widths.
        expected = (balanced[chrom] / K).repeat(K, 0).repeat(K, 1)[:n, :n]
        inside = distance(n) <= W - W // 4
        found = matrix_of(clr, chrom)
        np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-5)
        np.testing.assert_array_equal(np.nonzero(np.isnan(found[40]))[0], [14, 15] if chrom == "chr1" else [])
        assert (matrix_of(clr, chrom, balance=False)[~inside] == 0).all()


@pytest.mark.parametrize("bias", ["raw", "balanced"])
def test_contacts_come_back_on_the_deep_scale(low, tmp_path, bias):
    """A model that multiplies the contacts it reads by the depth ratio gives back the low map, at the deep scale."""

    class Deeper(Nearest):
        target = "counts"

        def decode(self, output):
            return output * facts["ratio"]

    path, balanced = low
    # Low contacts per unit of the balanced scale, and as many times more deep ones as there are deep contacts.
    facts = {"ratio": 7.0, "low_per_balanced": 50.0, "deep_per_balanced": 350.0}
    statistics = STATISTICS | {"counts": facts, "low_bias": {"mean_log_weight": 0.0}}
    clr = run(Deeper(), tmp_path / "out", path, recipes=recipes(bias=bias), statistics=statistics)
    for chrom in ("chr1", "chr2"):
        n = N_BINS[chrom]
        expected = (balanced[chrom] / K).repeat(K, 0).repeat(K, 1)[:n, :n]
        inside = distance(n) <= W - W // 4
        np.testing.assert_allclose(matrix_of(clr, chrom)[inside], expected[inside], rtol=2e-5)


def test_y15_released_weights_read_the_contacts_of_the_whole_map(low, tmp_path, monkeypatch):
    """From the published file to whole maps: what HiCFoundation's encoder gets, of the first tile by hand."""
    name, options = "weights_hicfoundation_resolution.pth.tar", {"patch_size": 8, "width": 16, "depth": 1, "heads": 2}
    options |= {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
    known = published.checkpoint(name)._replace(options=options, expects={"bin_bp": BIN, "window_bins": W})
    monkeypatch.setitem(published.checkpoints(), name, known)
    torch.manual_seed(0)
    network = registry.build("hicfoundation", GEOMETRY, options, {}, protocol="published")
    torch.save({"model": network.state_dict()}, tmp_path / name)
    statistics = {"geometry": asdict(GEOMETRY), "recipes": asdict(recipes(bias="raw")), "coarsen": K}
    statistics |= {"low": {"contacts_per_bin": 9.0}, "counts": {"ratio": 7.0}}
    (tmp_path / "statistics.json").write_text(json.dumps(statistics))
    arm = {"architecture": "hicfoundation", "protocol": "published", "options": {}, "backbones": {}, "weights": name}
    (folder := tmp_path / "model").mkdir()
    read = {"geometry": asdict(GEOMETRY), "checkpoint": tmp_path / name, "examples": tmp_path, "version": "v"}
    stored.import_checkpoint(folder, name="released", arm=arm, **read)
    model = ready.of_folder(folder)
    assert model.reads == {"map", "total"}

    path, _ = low
    given = []
    model.network.vit_backbone.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    settings = {"recipes": model.recipes, "statistics": model.statistics, "chromosomes": ["chr1"]}
    clr = run(model.network, tmp_path / "out", path, **settings)
    counts = {chrom: cooler.Cooler(str(path)).matrix(balance=False).fetch(chrom) for chrom in SIZES}
    # Each contact once; chr3 has more than half a window too.
    total = sum(np.triu(matrix).sum() for matrix in counts.values())
    assert all((totals == total).all() for _, totals in given)
    assert total > BIN * K * sum(map(len, counts.values()))  # more than one per base pair: nothing is cut
    tile = counts["chr1"][: W // K, : W // K].astype(np.float32)
    tile[7] = tile[:, 7] = 0
    pixels = torch.nn.functional.interpolate(torch.from_numpy(tile / K**2)[None, None], (W, W), mode="bilinear")
    x = torch.log10(pixels.masked_fill(torch.eye(W, dtype=torch.bool), 0) + 1)
    shares = x / x.max()
    # White to red, as in hicfoundation.rgb, of which a parity test holds the colours.
    torch.testing.assert_close(given[0][0][:1], hicfoundation.rgb(shares, own_maximum=False), rtol=1e-4, atol=1e-4)
    predicted = matrix_of(clr, "chr1")
    assert np.nanmax(predicted) > 0 and (np.nan_to_num(predicted) >= 0).all()


class Beginning(Model):
    """Wide low windows: the part that covers the target, every pixel repeated."""

    def forward(self, batch):
        assert batch["map"].shape == batch["map_coarse"].shape == (len(batch["map"]), 1, W, W)
        return batch["map"][..., : W // K, : W // K].repeat_interleave(K, -1).repeat_interleave(K, -2)


@pytest.mark.parametrize("low_span", ["window", "published"])
def test_lau2025_maps_come_back_on_the_deep_scale(low, tmp_path, low_span):
    path, balanced = low
    recipe = Recipes(OE, ObservedRecipe("window", 0, 8, "lau2025", low_span), CountsRecipe("balanced"))
    model = Beginning() if low_span == "published" else Nearest()
    clr = run(model, tmp_path / "out", path, recipes=recipe)
    for chrom in ("chr1", "chr2"):
        n = N_BINS[chrom]
        expected = (balanced[chrom] / K).repeat(K, 0).repeat(K, 1)[:n, :n]
        inside = (distance(n) <= W - W // 4) & np.isfinite(expected)
        # The logarithm of x + 1 is linear only where x is small.
        np.testing.assert_allclose(matrix_of(clr, chrom)[inside], expected[inside], rtol=0.1)


def test_identity_comes_back_within_the_interpolation(low, tmp_path):
    path, balanced = low
    coarsegrained = recipes(cutoff=2)
    clr = run(Identity(), tmp_path / "out", path, chromosomes=["chr2"], stride_bins=4, recipes=coarsegrained)
    found = matrix_of(clr, "chr2")[:50, :50]
    blocks = found.reshape(25, K, 25, K).mean((1, 3))
    near = distance(25) <= 12
    ratio = np.log(blocks[near] / (balanced["chr2"][:25, :25][near] / K))
    assert abs(ratio.mean()) < 0.05
    assert np.corrcoef(np.log(blocks[near]), np.log(balanced["chr2"][:25, :25][near]))[0, 1] > 0.98


def test_missing_bins_and_whole_genome_table(low, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        clr = run(Nearest(), tmp_path / "out", low[0], chromosomes=["chr3", "chr1"])
    assert "chr3 is shorter than a window" in caplog.text
    bins = clr.bins()[:]
    assert len(bins) == sum(N_BINS.values())
    weight = bins["weight"].to_numpy()
    missing = np.nonzero(np.isnan(weight))[0]
    np.testing.assert_array_equal(missing, [14, 15, *range(FIRST["chr2"], len(bins))])
    assert (weight[~np.isnan(weight)] == 1).all()
    pixels = clr.pixels()[:]
    assert not np.isin(pixels[["bin1_id", "bin2_id"]], missing).any()
    assert pixels["count"].dtype == np.float64
    assert np.isfinite(pixels["count"]).all()
    # Complete: every pixel of the band between predicted bins is there.
    good = np.isfinite(weight[:120])
    assert len(pixels) == sum((good[: 120 - d] & good[d:]).sum() for d in range(25))


def test_chromosomes_that_the_low_map_lacks_are_missing(low, tmp_path, caplog):
    sizes = {"chr0": 6_000, **SIZES}
    with caplog.at_level(logging.WARNING):
        clr = run(Nearest(), tmp_path / "out", low[0], chromsizes=sizes, chromosomes=["chr0", "chr2"])
    assert "chr0 is not in" in caplog.text
    known = clr.bins()[:].groupby("chrom", observed=True)["weight"].count()
    assert known.to_dict() == {"chr0": 0, "chr1": 0, "chr2": 51, "chr3": 0}
    np.testing.assert_array_equal(matrix_of(clr, "chr2"), matrix_of(run(Nearest(), tmp_path / "all", low[0]), "chr2"))


def test_d14_without_a_bin_to_read_nothing_is_predicted(tmp_path):
    """A low map without a balanced bin, and a sequence of N only."""
    pixels = [{"bin1_id": [0], "bin2_id": [1], "count": np.array([3])}]
    bins = sum(-(-n // K) for n in N_BINS.values())
    write_cool(tmp_path / "bad.cool", SIZES, BIN * K, pixels, weight=np.full(bins, np.nan))
    with pytest.raises(InputError, match=r"every bin is bad in .*bad\.cool"):
        run(Nearest(), tmp_path / "map", tmp_path / "bad.cool")
    unknown = Genome()
    unknown.codes = {chrom: np.full(size, 4, dtype=np.uint8) for chrom, size in SIZES.items()}
    with pytest.raises(InputError, match="every bin is one with an N in the sequence"):
        run(Markers(), tmp_path / "sequence", sequence=unknown)


@pytest.mark.parametrize("crop_bins", [0, 3])
def test_sequence_model_in_genome_coordinates(tmp_path, crop_bins):
    genome = Genome(("chr1", 7_050, 1), ("chr1", 8_299, 2), ("chr1", 3_000, 4), ("chr2", 1_000, 1), ("chr2", 900, 2))
    clr = run(Markers(crop_bins), tmp_path / "out", sequence=genome)
    side = W - 2 * crop_bins
    for chrom, planted in {"chr1": (70, 82), "chr2": (9, 10)}.items():
        n = N_BINS[chrom]
        found = matrix_of(clr, chrom)
        expected = 0.1 / (1 + distance(n))
        expected[planted] *= np.e
        expected[planted[::-1]] *= np.e
        missing = np.zeros(n, dtype=bool)
        missing[:crop_bins] = missing[n - crop_bins :] = True
        missing[30] |= chrom == "chr1"  # the N; the half bin at the end is no N
        expected[missing] = expected[:, missing] = np.nan
        inside = distance(n) <= side - W // 4
        np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-6)
    assert clr.info["metadata"]["trifold"]["max_distance_bins"] == side - W // 4


def test_tracks_reach_the_model_and_their_gaps_are_missing(tmp_path):
    class Track:
        bin_bp, folder = BIN // 2, "track"

        def lacks(self, chrom):
            return chrom == "chr1"

        def window(self, chrom, start_bp, end_bp):
            starts = np.arange(start_bp, end_bp, BIN // 2)
            known = (starts < 500) | (starts >= 600)
            return np.where(known, starts // BIN, 0).astype(np.float32), known

        def weights(self, *place):
            return self.window(*place)[1].astype(np.float32)

    class Outer(Model):
        inputs, target = frozenset({"tracks"}), "oe"

        def forward(self, batch):
            values = batch["tracks"][:, 0] / 100
            return (values[:, :, None] + values[:, None, :])[:, None]

    found = matrix_of(run(Outer(), tmp_path / "out", tracks=[Track()], chromosomes=["chr2"]), "chr2")
    assert np.isnan(found[5]).all()
    np.testing.assert_allclose(found[20, 30], np.exp(0.5) * 0.1 / 11, rtol=1e-6)
    with pytest.raises(InputError, match="track: the track has no value on chr1, which is to be predicted"):
        run(Outer(), tmp_path / "none", tracks=[Track()], chromosomes=["chr1"])


def test_embeddings_reach_the_model_and_bins_without_one_are_missing(tmp_path):
    class Outer(Model):
        inputs, target = frozenset({"embeddings"}), "oe"

        def forward(self, batch):
            assert batch["embeddings"].shape[1:] == (2, W) and not batch["embeddings"][:, 0, -1].isnan().any()
            first, second = (batch["embeddings"] / 100).unbind(1)  # bin, and twice the bin
            return (first[:, :, None] + second[:, None, :])[:, None]

    store = write_embeddings(tmp_path / "vectors", SIZES, BIN, without=[("chr2", 5)])
    statistics = {**STATISTICS, "embeddings": store.facts()}
    given = {"embeddings": store, "statistics": statistics, "chromosomes": ["chr2"]}
    found = matrix_of(run(Outer(), tmp_path / "out", **given), "chr2")
    np.testing.assert_array_equal(np.isnan(found[:25, :25]).all(axis=0), np.arange(25) == 5)
    # Half of (i + 2j) + (j + 2i), hundredths.
    np.testing.assert_allclose(found[20, 30], np.exp(0.75) * 0.1 / 11, rtol=1e-6)
    with pytest.raises(InputError, match=r"the model reads embeddings, and none was given"):
        run(Outer(), tmp_path / "none", chromosomes=["chr2"])
    other = {**given, "statistics": {**STATISTICS, "embeddings": {**store.facts(), "identity": "else"}}}
    with pytest.raises(InputError, match=r"made by another language model or with other settings"):
        run(Outer(), tmp_path / "other", **other)


def tracks_of(quarters, folder):
    """Tracks of chr2 in bins of a quarter of the map's, NaN without data."""
    folder.mkdir()
    sizes = {"chr2": SIZES["chr2"]}
    return [write_track(folder / str(number), values, sizes, BIN // 4) for number, values in enumerate(quarters)]


@pytest.fixture
def strands():
    """The two strands of an assay, (2, quarters of bins), and their means over halves of bins, (2, bins, 2).

    Of bin 12 the second strand has no data in the second half, and of bin 30 no more than the first quarter.
    """
    quarters = np.random.default_rng(4).uniform(0, 1, (2, 4 * N_BINS["chr2"])).astype(np.float16).astype(np.float32)
    quarters[1, 50:52] = quarters[1, 121:124] = np.nan
    halves = quarters.reshape(2, N_BINS["chr2"], 2, 2).mean(axis=-1, dtype=np.float64)
    halves[1, 30, 0] = quarters[1, 120]
    return quarters, halves


def test_tracks_finer_than_the_map_reach_the_model(strands, tmp_path):
    """Halves of a bin: their values, their order, the order of the tracks; a half without data is no missing bin."""

    class Halves(Model):
        """ln O/E from the first halves of bins on one strand and the second halves on the other; -1 without data."""

        inputs, target = frozenset({"tracks"}), "oe"

        def forward(self, batch):
            assert batch["tracks"].shape[1:] == (2, 2 * W)
            first, second = torch.where(batch["tracks_valid"], batch["tracks"], -1.0).unbind(1)
            return (first[:, ::2, None] * second[:, None, 1::2])[:, None]

    quarters, halves = strands
    tracks = {"tracks": tracks_of(quarters, tmp_path / "tracks"), "track_bp": BIN // 2}
    clr = run(Halves(), tmp_path / "out", chromosomes=["chr2"], **tracks)
    of_bins = np.outer(halves[0, :, 0], np.nan_to_num(halves[1, :, 1], nan=-1.0))
    assert (of_bins[:, [12, 30]] < 0).all()
    expected = np.exp((of_bins + of_bins.T) / 2) * 0.1 / (1 + distance(51))
    inside = distance(51) <= W - W // 4
    np.testing.assert_allclose(matrix_of(clr, "chr2")[inside], expected[inside], rtol=1e-5)


def test_tracks_of_the_other_strand_are_those_of_a_training_window_that_is_reversed(strands, tmp_path):
    """The chromosome from its other end, its strands exchanged, is read as training reverses a window."""
    quarters, halves = strands

    def window(quarters, start):
        tracks = tracks_of(quarters, tmp_path / str(start))
        sources = Sources(GEOMETRY, GLOBAL, STATISTICS, tracks=tracks, track_bp=BIN // 2)
        inputs = ChromosomeInputs(sources, frozenset({"tracks"}), "oe", "chr2", SIZES["chr2"])
        batch, _ = inputs.batch(np.array([start]))
        return {key: tensor[0].numpy() for key, tensor in batch.items()}

    plain, turned = window(quarters, 7), window(quarters[::-1, ::-1], N_BINS["chr2"] - W - 7)
    read = halves[:, 7 : 7 + W].reshape(2, -1)
    np.testing.assert_allclose(plain["tracks"], np.nan_to_num(read), rtol=1e-6)
    np.testing.assert_array_equal(plain["tracks_valid"], np.isfinite(read))
    for key, array in reverse(plain, [(0, 1)]).items():
        np.testing.assert_allclose(turned[key], array, rtol=1e-6)
    np.testing.assert_allclose(turned["tracks"], np.nan_to_num(read[::-1, ::-1]), rtol=1e-6)


def test_bf16_is_close(low, tmp_path):
    class Linear(Identity):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 1, 1, bias=False)
            torch.nn.init.ones_(self.conv.weight)

        def forward(self, batch):
            return self.conv(batch["map"])

    exact = matrix_of(run(Linear(), tmp_path / "a", low[0], chromosomes=["chr2"]), "chr2")
    bf16 = matrix_of(run(Linear(), tmp_path / "b", low[0], chromosomes=["chr2"], precision="bf16-mixed"), "chr2")
    near = distance(51) <= 24
    assert not np.array_equal(exact, bf16)
    # 8 bits of mantissa over five decades of the logarithm.
    np.testing.assert_allclose(bf16[near], exact[near], rtol=0.05)


@pytest.mark.parametrize("block_pixels", [1, 1_000_000])
def test_threads_change_no_number(low, tmp_path, monkeypatch, block_pixels):
    """One after the other, and in blocks of any size, the file holds the same values."""
    monkeypatch.setattr(inference, "BLOCK_PIXELS", block_pixels)
    maps = [run(Identity(), tmp_path / "threads", low[0], recipes=WINDOW)]
    monkeypatch.setattr(inference, "ahead", lambda items, number=2: (item for item in items))
    maps.append(run(Identity(), tmp_path / "plain", low[0], recipes=WINDOW))
    first, second = ((clr.pixels()[:], clr.bins()[:]) for clr in maps)
    for table, other in zip(first, second):
        pd.testing.assert_frame_equal(table, other, check_exact=True)


def test_what_is_made_ahead_comes_in_order_and_not_without_bound():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    results = inference.ahead(items(), 3)
    assert next(results) == 0
    time.sleep(0.2)
    assert len(made) <= 5
    assert list(results) == list(range(1, 50))


def test_an_error_of_a_thread_is_raised_where_its_item_would_have_come():
    closed = []

    def items():
        try:
            yield from (1, 2)
            raise InputError("the third is missing")
        finally:
            closed.append(True)

    results = inference.ahead(items())
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(InputError, match="the third is missing"):
        next(results)
    assert closed == [True]


def test_who_stops_early_leaves_nothing_running():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    before = threading.active_count()
    with closing(inference.ahead(items())) as results:
        next(results)
    assert closed == [True]
    assert threading.active_count() == before


@pytest.mark.parametrize("broken", ["read", "network", "blend", "write"])
def test_an_error_in_any_thread_is_the_error_of_the_job(low, tmp_path, monkeypatch, broken):
    """The second chromosome fails, while threads work on what comes next; no thread is left."""

    def fail(*arguments, **settings):
        raise InputError("it broke")

    class Breaks(Nearest):
        batches = 0

        def forward(self, batch):
            self.batches += 1
            if self.batches == 3 and broken == "network":
                fail()
            return super().forward(batch)

    places = {"read": "ChromosomeInputs.batch", "blend": "BandMean.add", "write": "_pixels"}
    if broken in places:
        monkeypatch.setattr(f"trifold.inference.{places[broken]}", fail)
    before = threading.active_count()
    with pytest.raises(InputError, match="it broke"):
        run(Breaks(), tmp_path / "out", low[0])
    assert threading.active_count() == before


# ---------------------------------------------------------------- files


def test_cooler_reads_describes_and_balances_the_files(low, tmp_path, monkeypatch):
    monkeypatch.setattr(zoom, "OVERVIEW_BINS", 20)
    out = tmp_path / "out"
    run(Nearest(), out, low[0], assembly="sim1")
    levels = cooler.fileops.list_coolers(str(out / "map.mcool"))
    assert levels == [f"/resolutions/{BIN * zoom}" for zoom in (1, 2, 4, 8)]
    uris = [str(out / "map.cool"), *(f"{out / 'map.mcool'}::{level}" for level in levels)]
    for uri in uris:
        clr = cooler.Cooler(uri)
        assert clr.info["metadata"] == {
            "trifold": {
                "arm": "fake",
                "version": "abc",
                "max_distance_bins": 24,
                "scale": "balanced",
                "absent": ABSENT,
            }
        }
        assert weight_facts(clr)["ignore_diags"] == 2
        assert clr.info["genome-assembly"] == "sim1"
        with clr.open() as group:  # M7: what cooltools asks for
            assert group["bins/weight"].attrs["ignore_diags"] == 2
        assert np.nansum(clr.matrix(balance=True).fetch("chr1")) > 0
    copy = tmp_path / "copy.cool"
    shutil.copy(out / "map.cool", copy)
    for arguments in (["info", uris[-1]], ["balance", "--force", str(copy)]):
        subprocess.run([sys.executable, "-m", "cooler", *arguments], check=True, capture_output=True)
    balanced = cooler.Cooler(str(copy)).matrix(balance=True).fetch("chr1")
    sums = np.nansum(np.where(distance(120) >= 2, balanced, 0), axis=0)
    np.testing.assert_allclose(sums[sums > 0] / sums[sums > 0].mean(), 1, rtol=1e-3)


def test_zoom_levels_stay_on_the_balanced_scale(tmp_path, monkeypatch):
    """A map of one value p on every pixel is z² p / r in the zoom level z, however many of the children are missing; r,
    the row sum of the level, is one number (`tests/unit/io/test_zoom.py`)."""
    monkeypatch.setattr(zoom, "OVERVIEW_BINS", 20)
    rng = np.random.default_rng(3)
    sizes, n, band, p = {"a": 10_050, "b": 3_000}, 131, 40, 0.01
    missing = rng.random(n) < 0.3
    missing[16:24] = True
    i, j = np.triu_indices(n)
    chrom = np.repeat([0, 1], [101, 30])
    keep = (j - i < band) & ~missing[i] & ~missing[j] & (chrom[i] == chrom[j])
    pixels = {"bin1_id": i[keep], "bin2_id": j[keep], "count": np.full(keep.sum(), p)}
    write_cool(tmp_path / "map.cool", sizes, 100, [pixels])
    write_weight(str(tmp_path / "map.cool"), np.where(missing, np.nan, 1.0), predicted_weight(2))
    zoom.write_zoom_levels(tmp_path / "map.cool", tmp_path / "map.mcool")
    for level in (1, 2, 4, 8):
        clr = cooler.Cooler(f"{tmp_path / 'map.mcool'}::resolutions/{100 * level}")
        whole = np.add.reduceat(~missing, np.append(np.arange(0, 101, level), np.arange(101, 131, level))) == level
        (of_whole,) = np.unique(clr.bins()["weight"][:][whole])
        for name, first, size in (("a", 0, 101), ("b", 101, 30)):
            values = matrix_of(clr, name)
            starts = np.arange(0, size, level)
            all_missing = np.logical_and.reduceat(missing[first : first + size], starts)
            np.testing.assert_array_equal(np.isnan(np.diagonal(values)), all_missing)
            complete = (distance(len(starts)) + 1) * level <= band
            complete &= ~all_missing[:, None] & ~all_missing
            # On the diagonal a cooler counts a contact once, not from both its ends.
            v = np.add.reduceat(~missing[first : first + size], starts, dtype=int)[~all_missing]
            expected = np.full(values.shape, level**2 * p * of_whole**2)
            expected[~all_missing, ~all_missing] *= (v + 1) / (2 * v)
            np.testing.assert_allclose(values[complete], expected[complete])
    assert len(cooler.fileops.list_coolers(str(tmp_path / "map.mcool"))) == 4


# ---------------------------------------------------------------- bad input


def test_errors_name_the_remedy(low, tmp_path):
    path, out = low[0], tmp_path / "out"
    with pytest.raises(InputError, match=r"stride_bins: 7 must be below 32 .* multiple of 2"):
        run(Nearest(), out, path, stride_bins=7)
    with pytest.raises(InputError, match="reads map"):
        run(Nearest(), out)
    with pytest.raises(InputError, match="no chromosome chrX"):
        run(Nearest(), out, path, chromosomes=["chrX"])
    with pytest.raises(InputError, match="nothing to predict: of chr3"):
        run(Nearest(), out, path, chromosomes=["chr3"])
    with pytest.raises(InputError, match="the model reads 30 bins of 400 bp"):
        run(Nearest(), out, path, coarsen=4)

    class Diverged(Nearest):
        def forward(self, batch):
            return super().forward(batch) * torch.nan

    with pytest.raises(InputError, match="not numbers"):
        run(Diverged(), out, path)

    class Blind(Markers):
        target = "observed"

    with pytest.raises(InputError, match="use the global scale"):
        run(Blind(), out, sequence=Genome(), recipes=WINDOW)
