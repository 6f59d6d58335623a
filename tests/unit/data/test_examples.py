"""The dataset directory: every file against windows fetched and normalised one by one."""

import json
import shutil
from contextlib import nullcontext

import h5py
import numpy as np
import pandas as pd
import pytest
from small import OE

from trifold.config import CountsRecipe, Degradation, Geometry, ObservedRecipe, OERecipe, Recipes
from trifold.data import examples, normalise, splits
from trifold.data.contacts import prepare
from trifold.data.degrade import degrade
from trifold.errors import InputError
from trifold.genome import by_chromosome
from trifold.io.cool import Band, chromsizes, open_map, write_cool

SIZES = {"chr1": 120_000, "chr2": 80_500}
GEOMETRY = Geometry(1_000, 16, {"train": 8, "validation": 16, "test": 16}, max_bad_bins=0.25, max_n_bins=1)
OBSERVED = ObservedRecipe("global", cutoff=2, max_levels=8)
REGIONS = "chr1\t0\t80000\ttrain\nchr1\t80000\t120000\tvalidation\nchr2\t0\t80500\ttest\n"
SHAPES = {"deep_observed": (16, 16), "deep_oe": (16, 16), "low_observed": (8, 8), "low_bias": (8,), "valid": (16,)}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with deep.cool, low.cool, n_bins.npz and regions.bed; bin 30 of chr1 is empty, bin 5 of chr2 holds N."""
    folder = tmp_path_factory.mktemp("inputs")
    i, j = np.triu_indices(201)
    count = np.random.default_rng(4).poisson(np.where((i < 120) == (j < 120), 60 / (1 + j - i), 0.1))
    count[(i == 30) | (j == 30)] = 0
    kept = count > 0
    write_cool(folder / "raw.cool", SIZES, 1_000, [{"bin1_id": i[kept], "bin2_id": j[kept], "count": count[kept]}])
    balance = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 2}
    prepare(folder / "raw.cool", folder / "deep.cool", 1_000, SIZES, balance=balance)
    degrade(folder / "deep.cool", folder / "low.cool", Degradation(coarsen=2, thin=4), balance=balance)
    with_n = {"chr1": np.zeros(120, dtype=bool), "chr2": np.zeros(81, dtype=bool)}
    with_n["chr2"][5] = True
    np.savez(folder / "n_bins.npz", **with_n)
    (folder / "regions.bed").write_text(REGIONS)
    return folder


def build(
    inputs, out, geometry=GEOMETRY, oe=OE, observed=OBSERVED, regions="regions.bed", coarsen=2, bias="balanced", **asked
):
    out.mkdir(exist_ok=True)
    maps = inputs / "deep.cool", inputs / "low.cool"
    recipes = Recipes(oe, observed, CountsRecipe(bias))
    examples.build(*maps, inputs, inputs / regions, geometry, recipes, coarsen, out, **asked)
    arrays = {name: np.load(out / f"{name}.npy", mmap_mode="r") for name in SHAPES}
    return pd.read_csv(out / "tiles.tsv", sep="\t"), arrays, json.loads((out / "statistics.json").read_text())


@pytest.mark.parametrize("scale", ["global", "window"])
@pytest.mark.parametrize("stack_windows", [1, 3, 1_000])
def test_arrays_are_the_windows_one_by_one(inputs, tmp_path, monkeypatch, scale, stack_windows):
    monkeypatch.setattr(examples, "STACK_PIXELS", stack_windows * 16**2)
    low_scale = "fitted" if scale == "global" else "rows"
    recipe = ObservedRecipe(scale, cutoff=2, max_levels=8, low_scale=low_scale)
    tiles, arrays, statistics = build(inputs, tmp_path, observed=recipe)
    assert statistics["tiles"] == {"train": 9, "validation": 2, "test": 5}
    for name, shape in SHAPES.items():
        assert arrays[name].shape == (16, *shape)
        assert arrays[name].dtype == (bool if name == "valid" else np.float32)
    deep, low = open_map(inputs / "deep.cool"), open_map(inputs / "low.cool")
    for number, tile in enumerate(tiles.itertuples()):
        region = (tile.chrom, tile.start_bp, tile.end_bp)
        pair, low_pair = (
            [clr.matrix(balance=kind).fetch(region)[None] for kind in (True, False)] for clr in (deep, low)
        )
        observed, _ = normalise.observed(*pair, recipe, statistics["observed"])
        factor = statistics["low"]["factor"] if scale == "global" else 2
        low_observed, _ = normalise.observed(*low_pair, recipe, statistics["observed"], factor)
        np.testing.assert_allclose(arrays["deep_observed"][number], observed[0], atol=1e-6)
        np.testing.assert_allclose(arrays["low_observed"][number], low_observed[0], atol=1e-6)
        np.testing.assert_allclose(arrays["deep_oe"][number], normalise.oe(*pair, OE)[0], atol=1e-6)
        weight = low.bins().fetch(region)["weight"].to_numpy()
        bias = np.log(weight) - statistics["low_bias"]["mean_log_weight"]
        np.testing.assert_allclose(arrays["low_bias"][number], bias, rtol=1e-5, atol=1e-6)
        missing = np.isnan(np.diagonal(pair[0][0]))
        assert tile.bad_bins == missing.sum()
        with_n = (tile.chrom == "chr2") & (np.arange(16) + tile.start_bp // 1_000 == 5)
        np.testing.assert_array_equal(arrays["valid"][number], ~missing & ~with_n)
    assert (tiles["bad_bins"] > 0).any()
    assert (tiles["bins_with_n"] > 0).any()


def test_wide_low_windows_start_with_the_target_and_end_in_zeros(inputs, tmp_path):
    """Lau 2025: as many low bins as deep ones, twice the span; chr2 has 81 bins, its last windows reach past them."""
    recipe = ObservedRecipe("window", 2, 8, variant="lau2025", low_span="published")
    tiles, arrays, _ = build(inputs, tmp_path, observed=recipe)
    assert arrays["low_observed"].shape == (16, 16, 16)
    assert arrays["low_bias"].shape == (16, 8)
    low, past = open_map(inputs / "low.cool").matrix(balance=True), 0
    for number, tile in enumerate(tiles.itertuples()):
        whole, start = low.fetch(tile.chrom), tile.start_bp // 2_000
        window = np.zeros((1, 16, 16))
        inside = np.nan_to_num(whole[start : start + 16, start : start + 16])
        window[0, : len(inside), : len(inside)] = inside
        expected, _ = normalise.observed(window, window, recipe, factor=2)
        np.testing.assert_allclose(arrays["low_observed"][number], expected[0], atol=1e-6)
        past += len(inside) < 16
    assert past >= 2


def test_statistics_are_of_the_training_regions(inputs, tmp_path):
    tiles, arrays, statistics = build(inputs, tmp_path)
    trains = (tiles["role"] == "train").to_numpy()
    for name, target in [("oe", "deep_oe"), ("observed_deep", "deep_observed")]:
        values = arrays[target][trains].astype(np.float64)
        assert statistics[name]["mean"] == pytest.approx(values.mean())
        assert statistics[name]["sd"] == pytest.approx(values.std())
    region = open_map(inputs / "deep.cool").matrix(balance=True).fetch("chr1:0-80000")
    expected = [np.nanmean(np.diagonal(region, offset)) for offset in range(16)]
    np.testing.assert_allclose(statistics["expected"], expected)
    assert statistics["geometry"]["window_bins"] == 16
    assert statistics["recipes"]["oe"]["variant"] == "akita"
    assert statistics["coarsen"] == 2
    low = open_map(inputs / "low.cool").matrix(balance=True).fetch("chr1:0-80000")
    fine = [np.nanmean(np.diagonal(region, offset)) for offset in range(16)]
    of_low = sum(np.nanmean(np.diagonal(low, distance)) for distance in range(2, 7))
    # Two by two bins of the deep map in one of the low map: one diagonal twice, its neighbours once.
    of_deep = sum((fine[2 * d - 1] + 2 * fine[2 * d] + fine[2 * d + 1]) / 4 for d in range(2, 7))
    assert statistics["low"]["factor"] == pytest.approx(of_low / of_deep)
    # Half of the test chromosome gone changes nothing.
    (inputs / "half.bed").write_text(REGIONS.replace("chr2\t0\t80500", "chr2\t0\t40000"))
    _, _, fewer = build(inputs, tmp_path / "fewer", regions="half.bed")
    assert fewer["low"]["factor"] == statistics["low"]["factor"]
    for name in ("observed", "expected", "oe", "observed_deep"):
        assert fewer[name] == statistics[name]


@pytest.mark.parametrize("block_pixels", [40, 1_000_000])
def test_expected_is_the_same_in_whatever_blocks(inputs, monkeypatch, block_pixels):
    regions = pd.DataFrame({"chrom": "chr1", "start_bp": [0, 70_000], "end_bp": [50_000, 120_000]})
    band = Band.read(inputs / "deep.cool", "chr1", 16)
    monkeypatch.setattr(examples, "STACK_PIXELS", block_pixels)
    expected = examples.Expected(16)
    expected.add(band, regions)
    total = np.zeros(16)
    for lo, hi in ((0, 50), (70, 120)):
        i, d = np.ogrid[: hi - lo, :16]
        inside = (i + d < hi - lo) & np.isfinite(band.balanced[lo:hi])
        total += np.where(inside, band.balanced[lo:hi], 0.0).sum(axis=0)
    np.testing.assert_array_equal(expected.total, total)


@pytest.mark.parametrize("starts", [[0, 4, 8, 12, 14], [0, 9], [14]])
def test_a_pixel_counts_as_often_as_it_stands_in_windows(starts):
    number, windows = examples.occurrences(np.array(starts), 30, 16, 16), np.zeros((30, 30), dtype=int)
    for start in starts:
        windows[start : start + 16, start : start + 16] += 1
    for d in range(16):
        np.testing.assert_array_equal(number[: 30 - d, d], np.diagonal(windows, d) * (2 if d else 1))
        assert (number[30 - d :, d] == 0).all()


def test_global_expected_reaches_the_targets(inputs, tmp_path):
    recipe = OERecipe("kriukov2021", 2, 8, 2.0, 0.8, "global")
    _, arrays, statistics = build(inputs, tmp_path, oe=recipe)
    pair = [open_map(inputs / "deep.cool").matrix(balance=kind).fetch("chr1:0-16000")[None] for kind in (True, False)]
    target = normalise.oe(*pair, recipe, np.array(statistics["expected"]))
    np.testing.assert_allclose(arrays["deep_oe"][0], target[0], atol=1e-6)


@pytest.mark.parametrize("bias", ["raw", "balanced"])
def test_contacts_and_the_way_back(inputs, tmp_path, bias):
    """Contacts window by window, what the training windows say of them, and back to the balanced scale."""
    tiles, _, statistics = build(inputs, tmp_path, bias=bias, with_counts=True)
    deep, low = (np.load(tmp_path / f"{name}_counts.npy") for name in ("deep", "low"))
    assert (deep.shape, low.shape, deep.dtype) == ((16, 16, 16), (16, 8, 8), np.float32)
    maps = {"deep": (open_map(inputs / "deep.cool"), 1), "low": (open_map(inputs / "low.cool"), 2)}
    windows = {
        name: [clr.matrix(balance=False).fetch((t.chrom, t.start_bp, t.end_bp)) for t in tiles.itertuples()]
        for name, (clr, _) in maps.items()
    }
    balanced = {
        name: [clr.matrix(balance=True).fetch((t.chrom, t.start_bp, t.end_bp)) for t in tiles.itertuples()]
        for name, (clr, _) in maps.items()
    }
    trains = np.flatnonzero(tiles["role"] == "train")
    facts = statistics["counts"]
    counted = {
        name: sum(np.where(np.isfinite(balanced[name][i]), windows[name][i], 0).sum() for i in trains) for name in maps
    }
    assert facts["ratio"] == pytest.approx(counted["deep"] / counted["low"])
    whole = [np.triu(maps["low"][0].matrix(balance=False).fetch(chrom)).sum() for chrom in SIZES]
    assert statistics["low"]["cis_contacts"] == sum(whole)
    assert statistics["low"]["cis_bp"] == 202_000  # in bins of 2 kb
    assert 2 < facts["ratio"] < 8
    for name, (_, k) in maps.items():
        per_balanced = counted[name] / sum(k * np.nansum(balanced[name][i]) for i in trains)
        assert facts[f"{name}_per_balanced"] == pytest.approx(per_balanced)
        found = {"deep": deep, "low": low}[name]
        for i in range(16):
            valid = np.isfinite(balanced[name][i])
            expected = windows[name][i] / k**2 if bias == "raw" else balanced[name][i] / k * per_balanced
            np.testing.assert_allclose(found[i], np.where(valid, expected, 0), rtol=1e-5, atol=1e-6)
        assert facts[f"{name}_max"] == pytest.approx(found[trains].max())
        quantile = np.quantile(found[trains], 0.999, method="inverted_cdf")
        assert facts[f"{name}_q999"] == pytest.approx(quantile, rel=2e-3)

    weights = np.exp(np.repeat(np.load(tmp_path / "low_bias.npy"), 2, 1) + statistics["low_bias"]["mean_log_weight"])
    back = normalise.CountsScale.of(weights, CountsRecipe(bias), facts, 2).inverse(deep)
    expected = np.array(balanced["deep"])
    known = np.isfinite(expected) & (back > 0)
    ratio = np.log(back[known].sum() / expected[known].sum())
    if bias == "balanced":
        np.testing.assert_allclose(back[known], expected[known], rtol=1e-4)
    assert abs(ratio) < 0.1


def test_contacts_on_bins_without_a_value_are_zeros_of_a_quantile(inputs, tmp_path):
    """Of a map that lacks every third bin, in overlapping windows: quantiles of all pixels, missing ones being 0."""
    path = tmp_path / "low.cool"
    shutil.copy(inputs / "low.cool", path)
    with h5py.File(path, "r+") as file:
        file["bins/weight"][::3] = np.nan
    windows = pd.DataFrame({"chrom": "chr1", "start_bp": np.arange(0, 40_000, 8_000)})
    tally = examples._Contacts(examples.Maps(path, 2_000, 8), 2, CountsRecipe("raw"))
    tally.count("chr1", windows)
    tally.add("chr1", windows)
    pixels = []
    for start_bp in windows["start_bp"]:
        place = ("chr1", start_bp, start_bp + 16_000)
        counts, balanced = (open_map(path).matrix(balance=kind).fetch(place) for kind in (False, True))
        pixels.append(np.where(np.isfinite(balanced), counts / 4, 0))
    assert (np.array(pixels) == 0).mean() > 0.5
    for share in (0.3, 0.7, 0.9):
        expected = np.quantile(pixels, share, method="inverted_cdf")
        assert tally.histogram.quantile(share, zeros=True) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("bias", ["raw", "balanced"])
def test_y2_contacts_of_held_back_reads_count_as_all_of_them(inputs, tmp_path, bias):
    """A map that is three quarters of another has contacts on that map's scale, and its own pixels."""
    for name in ("low.cool", "n_bins.npz", "regions.bed"):
        shutil.copy(inputs / name, tmp_path)
    shutil.copy(inputs / "deep.cool", tmp_path / "deep.cool")
    with h5py.File(tmp_path / "deep.cool", "r+") as file:
        file.attrs["metadata"] = json.dumps({"held_back": {"share": 0.75}})
    for name, folder in (("whole", inputs), ("part", tmp_path)):
        build(folder, tmp_path / name, bias=bias, with_counts=True)
    statistics = [json.loads((tmp_path / name / "statistics.json").read_text()) for name in ("whole", "part")]
    counts = [np.load(tmp_path / name / "deep_counts.npy") for name in ("whole", "part")]
    np.testing.assert_allclose(counts[1], counts[0] / 0.75, rtol=1e-6)
    for key in ("ratio", "deep_per_balanced", "deep_max"):
        assert statistics[1]["counts"][key] == pytest.approx(statistics[0]["counts"][key] / 0.75, rel=1e-6)
    assert statistics[1]["counts"]["low_max"] == statistics[0]["counts"]["low_max"]
    for name in ("deep_oe", "deep_observed", "low_observed"):
        np.testing.assert_array_equal(*(np.load(tmp_path / folder / f"{name}.npy") for folder in ("whole", "part")))


def test_low_and_deep_agree_on_the_global_scale(inputs, tmp_path):
    """Upsampled, the low map is a blurred deep map, not a shifted one."""
    _, arrays, _ = build(inputs, tmp_path)
    far = np.abs(np.subtract.outer(np.arange(16), np.arange(16))) >= 4
    low = normalise.upsample(np.array(arrays["low_observed"]), 2)
    assert abs(low[:, far].mean() - arrays["deep_observed"][:, far].mean()) < 0.05


def test_refused_inputs(inputs, tmp_path):
    with pytest.raises(InputError, match=r"low\.cool: bins of 2000 bp, not 4000"):
        build(inputs, tmp_path, coarsen=4)
    with pytest.raises(InputError, match="longer than every chromosome"):
        build(inputs, tmp_path, geometry=Geometry(1_000, 160, GEOMETRY.stride_bins, 0.25, 1))
    (inputs / "no_test.bed").write_text("chr1\t0\t80000\ttrain\n")
    with pytest.raises(InputError, match="no test window"):
        build(inputs, tmp_path, regions="no_test.bed")


@pytest.mark.parametrize(
    ("role", "chrom", "region"),
    [("train", "chr1", (0, 80)), ("validation", "chr1", (80, 120)), ("test", "chr2", (0, 81))],
)
def test_d14_windows_of_n_alone_are_refused(inputs, tmp_path, role, chrom, region):
    """Every bin of a role's regions holds an N, and the geometry lets it pass."""
    with np.load(inputs / "n_bins.npz") as stored:
        with_n = {name: flags.copy() for name, flags in stored.items()}
    with_n[chrom][slice(*region)] = True
    folder = tmp_path / "masked"
    folder.mkdir()
    np.savez(folder / "n_bins.npz", **with_n)
    for name in ("deep.cool", "low.cool", "regions.bed"):
        (folder / name).symlink_to(inputs / name)
    tolerant = Geometry(1_000, 16, GEOMETRY.stride_bins, max_bad_bins=0.25, max_n_bins=16)
    with pytest.raises(
        InputError, match=rf"deep\.cool: no pixel of the {role} windows .* 100% hold an N; genome/fasta"
    ):
        build(folder, tmp_path / "out", geometry=tolerant)
    assert not (tmp_path / "out/statistics.json").exists()


def test_d14_windows_of_missing_bins_alone_are_refused(inputs, tmp_path):
    """chr2 has no balanced bin but one; the geometry takes any window."""
    shutil.copy(inputs / "deep.cool", tmp_path / "deep.cool")
    with h5py.File(tmp_path / "deep.cool", "r+") as file:
        file["bins/weight"][120:140] = np.nan
        file["bins/weight"][141:] = np.nan
    for name in ("low.cool", "regions.bed", "n_bins.npz"):
        (tmp_path / name).symlink_to(inputs / name)
    tolerant = Geometry(1_000, 16, GEOMETRY.stride_bins, max_bad_bins=1.0, max_n_bins=1)
    with pytest.raises(
        InputError, match=r"test windows counts: 99% .* missing in the map .*; lower geometry/max_bad_bins"
    ):
        build(tmp_path, tmp_path / "out", geometry=tolerant)


@pytest.mark.parametrize(("valid", "refused"), [([3], True), ([3, 4], True), ([3, 5], False)])
def test_d14_a_pixel_counts_from_the_second_diagonal_on(valid, refused):
    """Of ln O/E the first two diagonals hold nothing."""
    windows = pd.DataFrame({"role": ["train"], "chrom": ["chr1"], "start_bp": [16_000]})
    bad = {"chr1": np.ones(40, dtype=bool)}
    bad["chr1"][16 + np.array(valid)] = False
    none = {"chr1": np.zeros(40, dtype=bool)}
    with pytest.raises(InputError) if refused else nullcontext():
        examples._check_pixels("deep.cool", windows, 1_000, 16, bad, none)


@pytest.mark.parametrize(
    ("floor", "ceiling", "words"), [(np.nan, 1.0, "observed/floor is nan"), (0.5, 0.5, "are both 0.5")]
)
def test_d14_statistics_that_give_no_scale_are_refused(inputs, tmp_path, monkeypatch, floor, ceiling, words):
    monkeypatch.setattr(normalise, "scale_of", lambda histogram: {"floor": floor, "ceiling": ceiling})
    monkeypatch.setattr(normalise, "observed", lambda pixels, counts, *_: (np.zeros(pixels.shape), None))
    with pytest.raises(InputError, match=f"deep.cool: its training windows give no scale .*{words}"):
        build(inputs, tmp_path)
    assert not (tmp_path / "statistics.json").exists()


def test_d14_a_low_map_without_a_balanced_bin_is_refused(inputs, tmp_path):
    shutil.copy(inputs / "low.cool", tmp_path / "low.cool")
    with h5py.File(tmp_path / "low.cool", "r+") as file:
        file["bins/weight"][:40] = np.nan
    for name in ("deep.cool", "regions.bed", "n_bins.npz"):
        (tmp_path / name).symlink_to(inputs / name)
    with pytest.raises(InputError, match=r"low\.cool: no bin of the training regions is balanced; thin less"):
        build(tmp_path, tmp_path / "out")


def test_regions_absent_from_the_map_are_told(inputs, tmp_path, caplog):
    (inputs / "more.bed").write_text(REGIONS + "chr9\t0\t100000\ttrain\n")
    _, _, statistics = build(inputs, tmp_path, regions="more.bed")
    assert statistics["tiles"]["train"] == 9
    assert "without windows: chr9" in caplog.text


def test_y7_low_and_deep_maps_of_the_same_reads_have_one_scale(mirror, tmp_path):
    """Yeast at 2 kb and the same contacts at 4 and 8 kb: balanced rows of wider bins leave out more base pairs, so that
    values are 11 and 23 % above k times the deep ones. The factor of the training regions holds for the others."""
    source = mirror / "yeast_G1_2kb.cool"
    sizes = chromsizes(open_map(source))
    prepare(source, tmp_path / "deep.cool", 2_000, sizes)
    roles = {name: "test" if name in ("chrIV", "chrXV") else "train" for name in sizes}
    regions = pd.DataFrame([(name, 0, sizes[name], role) for name, role in roles.items()], columns=splits.COLUMNS)
    deep = examples.Maps(tmp_path / "deep.cool", 2_000, 64)
    for k, excess in ((2, 1.11), (4, 1.23)):
        degrade(tmp_path / "deep.cool", tmp_path / "low.cool", Degradation(coarsen=k))
        low = examples.Maps(tmp_path / "low.cool", 2_000 * k, 64 // k)
        factors = {}
        for role, of_role in regions.groupby("role"):
            expected, of_low = examples.Expected(64), examples.Expected(64 // k)
            for chrom, here in by_chromosome(of_role):
                expected.add(deep.on(chrom), here)
                of_low.add(low.on(chrom), here)
            factors[role] = examples.factor_of_low(of_low, expected, k)
        assert factors["train"] / k == pytest.approx(excess, rel=0.01)
        assert factors["test"] == pytest.approx(factors["train"], rel=0.01)
