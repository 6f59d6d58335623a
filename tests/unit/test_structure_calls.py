"""Structure of maps: cut alike, called alike, held against the deep map and against what was planted."""

import math
from dataclasses import replace
from pathlib import Path

import cooler
import cooltools
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from trifold import structure
from trifold.errors import InputError
from trifold.genome import Region
from trifold.io.cool import open_map, write_cool

BIN_BP, N = 1000, 240
SIZES = {"chr1": 100_000, "chr2": N * BIN_BP}
SETTINGS = structure.Settings(8_000, 40_000, 0.3, 10_000, 0.1, 2, 1)
REGIONS = "chr1\t0\t100000\ttrain\nchr2\t10000\t230000\ttest\n"
# Calls as loops the pixels that stand out most from their neighbours.
CALLER = """
import sys

import cooler
import numpy as np
from scipy.ndimage import maximum_filter, median_filter

clr, least, most = cooler.Cooler(sys.argv[1]), float(sys.argv[3]), float(sys.argv[4])
with open(sys.argv[2], "w") as out:
    for chrom in clr.chromnames:
        values = np.nan_to_num(clr.matrix(balance=True).fetch(chrom))
        median, distance = median_filter(values, 5), np.subtract.outer(*[np.arange(len(values))] * 2).T * clr.binsize
        peak = (values == maximum_filter(values, 5)) & (values > 4 * median) & (median > 0)
        for i, j in zip(*np.nonzero(peak & (distance >= least) & (distance <= most))):
            place = [k * clr.binsize for k in (i, i + 1, j, j + 1)]
            print(chrom, *place[:2], chrom, *place[2:], ".", values[i, j], sep="\t", file=out)
"""
LOOPS = [(40, 60), (60, 80), (80, 100), (120, 150), (150, 166), (180, 200)]


def expected(loops=LOOPS, n=N):
    """Domains between the anchors, on a decay, with a dot where two anchors meet."""
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    values = 400 / (1 + distance)
    domain = np.searchsorted([40, 60, 80, 100, 120, 150, 166, 180, 200], np.arange(n), side="right")
    values = values * np.where(np.equal.outer(domain, domain), 3, 1)
    for x, y in loops:
        values[x, y] *= 12
    return np.triu(values)


def write(path, values, weight=None, coarsen=1, metadata=None, sizes=SIZES):
    """A map whose chr2 has the values of an upper triangle; chr1 has a few contacts beside its diagonal."""
    width = BIN_BP * coarsen
    first = -(-sizes["chr1"] // width)
    i, j = np.nonzero(values)
    filler = np.arange(first - 1)
    pixels = {
        "bin1_id": np.append(filler, first + i),
        "bin2_id": np.append(filler + 1, first + j),
        "count": np.append(np.ones(first - 1, values.dtype), values[i, j]),
    }
    n = first + len(values)
    write_cool(path, sizes, width, [pixels], np.ones(n) if weight is None else weight, metadata)
    return path


def call_here(*, map_path, out, options, **_):
    """`programs.run` of the caller without a process of its own, which takes longer to start than to call."""
    words = ["call.py", map_path, out, options["min_bp"], options["max_bp"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", list(map(str, words)))
        exec(CALLER, {})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A deep map, a low map, regions, a caller of loops, what was planted, and the arguments that jobs share."""
    monkeypatch.setattr(structure.programs, "run", call_here)
    random = np.random.default_rng(1)
    deep = random.poisson(expected())
    weight = np.ones(100 + N)
    weight[100 + 20] = np.nan
    write(tmp_path / "deep.cool", deep, weight)
    low = random.binomial(deep, 1 / 4)
    low = np.add.reduceat(np.add.reduceat(low, np.arange(0, N, 2), 0), np.arange(0, N, 2), 1)
    write(tmp_path / "low.cool", low, coarsen=2)
    (tmp_path / "regions.bed").write_text(REGIONS)
    (tmp_path / "caller").mkdir()
    (tmp_path / "caller/call.py").write_text(CALLER)
    rows = [f"chr2\t{x}000\t{x + 1}000\tchr2\t{y}000\t{y + 1}000\tloop\t0.5\n" for x, y in LOOPS]
    # One too near its partner, one on a bad bin, one outside the test region.
    rows += [f"chr2\t{x}000\t{x + 1}000\tchr2\t{y}000\t{y + 1}000\n" for x, y in ((60, 64), (20, 40), (5, 30))]
    (tmp_path / "planted.bedpe").write_text("".join(rows))
    edges = (40, 60, 80, 100, 120, 150, 166, 180, 200)
    (tmp_path / "planted.bed").write_text("".join(f"chr2\t{x - 1}000\t{x + 1}000\tb\t900\n" for x in edges))
    return tmp_path


def common(place, planted=True):
    command = "python {folder}/call.py {map} {out} {min_bp} {max_bp}"
    files = {"loops": place / "planted.bedpe", "boundaries": place / "planted.bed"} if planted else {}
    return {
        "deep": place / "deep.cool",
        "low": place / "low.cool",
        "planted": files,
        "with_n": None,
        "regions": place / "regions.bed",
        "edge_bins": 3,
        "settings": SETTINGS,
        "caller": structure.Caller(command, place / "caller", None),
        "threads": 1,
    }


def run(place, prediction, planted=True, truth=None):
    """Numbers of the maps beside and of an enhanced map: (arm, feature, reference, metric) -> value."""
    labels = {"degradation": "low", "fold": "a", "sample": "alpha"}
    for name in ("maps", "arm"):
        (place / name).mkdir(exist_ok=True)
    structure.call_references(place / "maps", truth=truth, labels={**labels, "seed": 0}, **common(place, planted))
    structure.score(
        place / "arm",
        prediction=prediction,
        references=place / "maps",
        labels={**labels, "arm": "image", "seed": 1},
        **common(place, planted),
    )
    rows = pd.concat([pd.read_csv(place / name / "structure.tsv", sep="\t") for name in ("maps", "arm")])
    assert list(rows.columns) == structure.COLUMNS
    keys = list(zip(rows["arm"], rows["feature"], rows["reference"], rows["metric"]))
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, rows["value"]))


def kept(place):
    regions = [Region("chr2", 10_000, 230_000)]
    return structure.scored(place / "deep.cool", place / "low.cool", None, regions, 3)


# ---------------------------------------------------------------- maps


def test_scored_bins_are_good_in_both_maps_and_in_a_test_region(place):
    weight = np.ones(50 + N // 2)
    weight[50 + 30] = np.nan  # bins 60 and 61 of chr2
    low = np.triu(np.ones((N // 2, N // 2), int))
    write(place / "low.cool", low, weight, coarsen=2)
    np.savez(place / "n.npz", chr2=np.arange(N) == 70)
    regions = [Region("chr2", 10_500, 100_000), Region("chr2", 200_000, 240_000)]
    made = structure.scored(place / "deep.cool", place / "low.cool", place / "n.npz", regions, 3)
    wanted = [*range(11, 100), *range(200, 237)]
    wanted = sorted(set(wanted) - {20, 60, 61, 70})
    assert list(made.good) == ["chr2"]
    np.testing.assert_array_equal(np.flatnonzero(made.good["chr2"]), wanted)
    assert made.length_mb == pytest.approx(len(wanted) / 1000)
    table = pd.DataFrame({"chrom": ["chr2", "chr2", "chr1"], "at": [11_500, 20_500, 11_500]})
    assert made.holds(table["chrom"], table["at"]).tolist() == [True, False, False]


def test_regions_without_a_good_bin_are_refused(place):
    write(place / "low.cool", np.triu(np.ones((N // 2, N // 2), int)), np.full(50 + N // 2, np.nan), coarsen=2)
    with pytest.raises(InputError, match=r"deep\.cool: no bin of the test regions is good in it and in .*low\.cool"):
        kept(place)


@pytest.mark.parametrize(("name", "coarsen"), [("deep", 1), ("low", 2)])
def test_a_map_is_cut_to_scored_bins_regions_and_reach(place, name, coarsen):
    regions = [Region("chr2", 10_000, 100_000), Region("chr2", 100_000, 230_000)]
    made = structure.scored(place / "deep.cool", place / "low.cool", None, regions, 3)
    path = structure.cut(place / f"{name}.cool", place / "cut.cool", made, 40_000)
    whole, cut = open_map(place / f"{name}.cool"), open_map(path)
    assert dict(cut.chromsizes) == {"chr2": SIZES["chr2"]} and cut.binsize == BIN_BP * coarsen
    n = N // coarsen
    i, j = np.indices((n, n))
    used = made.good["chr2"].reshape(-1, coarsen).any(axis=1)
    inside = used[i] & used[j] & (abs(i - j) <= 40 // coarsen) & ((i < 100 // coarsen) == (j < 100 // coarsen))
    before, after = (clr.matrix(balance=True).fetch("chr2") for clr in (whole, cut))
    np.testing.assert_allclose(after[inside], before[inside])
    assert not np.nan_to_num(after[~inside]).any()
    np.testing.assert_array_equal(np.isfinite(cut.bins()["weight"][:]), used & np.isfinite(whole.bins()["weight"][-n:]))


def test_halves_share_out_the_contacts(place):
    path = structure.cut(place / "deep.cool", place / "cut.cool", kept(place), 40_000)
    halves = structure.halve(path, [place / "a.cool", place / "b.cool"], 1)
    whole, first, second = (open_map(name).matrix(balance=False)[:] for name in (path, *halves))
    np.testing.assert_array_equal(first + second, whole)
    assert abs(first.sum() / whole.sum() - 0.5) < 0.01
    total = first + second
    z = (first - total / 2)[total > 0] / np.sqrt(total[total > 0] / 4)
    assert abs(np.var(z) - 1) < 0.1
    balanced = [open_map(name).matrix(balance=True)[:] for name in (path, *halves)]
    np.testing.assert_allclose((balanced[1] + balanced[2]) / 2, balanced[0])
    again = structure.halve(path, [place / "c.cool", place / "d.cool"], 1)
    assert again[0].read_bytes() == halves[0].read_bytes()


# ---------------------------------------------------------------- callers


def test_loops_are_those_of_the_program_between_its_bounds(place, monkeypatch):
    """A process of its own; longer ones than 25 kb are neither asked for nor taken."""
    path = structure.cut(write(place / "truth.cool", expected()), place / "cut.cool", kept(place), 40_000)
    monkeypatch.undo()
    settings = replace(SETTINGS, max_bp=25_000)
    found = structure.call_loops(path, settings, common(place)["caller"], 1)
    wanted = [(x, y) for x, y in LOOPS if y - x <= 25]
    assert sorted(zip(found["x_bp"] // 1000, found["y_bp"] // 1000)) == wanted
    assert (np.diff(found["score"]) <= 0).all()
    (place / "caller/call.py").write_text(
        "import sys\nopen(sys.argv[2], 'w').write('chr2\\t10\\t20\\tchr2\\t40\\t50\\n')"
    )
    assert structure.call_loops(path, settings, common(place)["caller"], 1).empty, "30 bp apart"


def test_insulation_is_that_of_cooltools(place):
    path = structure.cut(place / "deep.cool", place / "cut.cool", kept(place), 240_000)
    boundaries, profile = structure.insulation(path, SETTINGS)
    clr = cooler.Cooler(str(place / "deep.cool"))
    theirs = cooltools.insulation(clr, [10_000], ignore_diags=2, threshold=0.1)
    theirs = theirs[theirs["chrom"] == "chr2"].reset_index(drop=True)
    inner = slice(24, 220)  # away from the bins that are not scored
    ours, known = profile["score"][inner], theirs["log2_insulation_score_10000"][inner]
    # Both are relative to their own median, of the bins that they have.
    np.testing.assert_allclose(ours - ours.median(), known - known.median(), atol=1e-9)
    wanted = theirs[theirs["is_boundary_10000"].astype(bool)][["start", "boundary_strength_10000"]]
    wanted = wanted[wanted["start"].between(30_000, 215_000)].to_numpy()
    inside = boundaries["position_bp"].between(30_000, 215_000)
    np.testing.assert_allclose(boundaries.loc[inside, ["position_bp", "strength"]], wanted + np.array([500, 0]))
    assert len(wanted) > 5


def test_planted_structure_is_that_of_scored_bins(place):
    files = {"loops": place / "planted.bedpe", "boundaries": place / "planted.bed"}
    made = structure.read_planted(files, kept(place), SETTINGS)
    assert [(x // 1000, y // 1000) for x, y in made.loops[["x_bp", "y_bp"]].to_numpy()] == LOOPS
    assert made.boundaries["position_bp"].tolist() == [x * 1000 for x in (40, 60, 80, 100, 120, 150, 166, 180, 200)]
    for path in files.values():
        path.write_text("")
    made = structure.read_planted(files, kept(place), SETTINGS)
    assert [len(table) for table in made] == [0, 0, 0]


# ---------------------------------------------------------------- scores


def test_calls_are_matched_within_their_chromosome():
    def table(*calls):
        return pd.DataFrame(calls, columns=["chrom", "x_bp", "y_bp"])

    calls = table(("a", 10, 30), ("a", 12, 30), ("b", 10, 30), ("b", 90, 99), ("a", 70, 80))
    reference = table(("a", 11, 31), ("a", 50, 80), ("c", 10, 30))
    half = table(("b", 9, 31))
    numbers, state = structure.compare(calls, reference, [half], 2)
    assert numbers == {
        "n_calls": 5,
        "n_reference": 3,
        "n_matched": 1,
        "precision": 1 / 5,
        "recall": 1 / 3,
        "f1": 2 / 8,
        "n_invented": 2,
    }
    assert state[:, 0].sum() == 1 and state[:2, 0].any()
    assert state[:, 1].tolist() == [False, False, False, True, True]
    numbers, _ = structure.compare(calls, reference, (), 2)
    assert numbers["n_invented"] == 3


def test_a_profile_of_wider_bins_is_that_of_all_that_they_hold():
    """Five bins in three, of which the fourth is not scored; the other chromosome has one that says nothing."""
    deep, low = ([2.0, 4, 4, 9, 1], np.nan), ([1.0, 3, -2], 7.0)
    kept = structure.Scored(1000, [], {"a": np.array([1, 1, 1, 0, 1], bool), "b": np.array([True])})
    calls = []
    for (scores, other), width in ((deep, 1000), (low, 2000)):
        starts = np.append(np.arange(len(scores)) * width, 0)
        ends = np.append(np.minimum(starts[:-1] + width, 5000) if width == 1000 else starts[:-1] + width, width)
        chrom = ["a"] * len(scores) + ["b"]
        profile = pd.DataFrame({"chrom": chrom, "start_bp": starts, "end_bp": ends, "score": [*scores, other]})
        calls.append(
            structure._OF_CALLS._replace(insulation=profile)._replace(
                **{name: getattr(structure._OF_CALLS, name).iloc[:0] for name in ("loops", "boundaries")}
            )
        )
    rows, _ = structure.score_calls(
        calls[1], {"deep": calls[0]}, [], kept._replace(regions=[Region("a", 0, 5000)]), SETTINGS
    )
    (r,) = [row.value for row in rows if row.metric == "profile_pearson"]
    assert r == pytest.approx(pearsonr([1, 1, 3, -2], [2, 4, 4, 1]).statistic)


@pytest.mark.parametrize("coarsen", [1, 2])
def test_pile_ups_are_means_over_expected_about_loops(tmp_path, coarsen):
    """By dense matrices: 11 x 11 pixels of O/E about each loop, their mean, its middle over its corners."""
    n = N // coarsen
    values = np.random.default_rng(3).uniform(1, 2, (n, n)) * 100 / (1 + np.subtract.outer(range(n), range(n)) ** 2)
    weight = np.ones(100 // coarsen + n)
    weight[100 // coarsen + 31] = np.nan
    path = write(tmp_path / "map.cool", np.triu(values), weight, coarsen)
    reach = 40 // coarsen
    dense = np.triu(values)
    dense[31] = dense[:, 31] = np.nan
    distance = np.subtract.outer(range(n), range(n)).T
    dense[(distance < 0) | (distance > reach)] = np.nan
    for d in range(reach + 1):
        on_diagonal = distance == d
        dense[on_diagonal] /= np.nanmean(dense[on_diagonal])
    loops = pd.DataFrame({"chrom": "chr2", "x_bp": [40_500, 70_500, 100_500], "y_bp": [60_500, 95_500, 130_500]})
    padded = np.pad(dense, 5, constant_values=np.nan)
    places = loops[["x_bp", "y_bp"]].to_numpy() // (1000 * coarsen)
    mean = np.nanmean([padded[x : x + 11, y : y + 11] for x, y in places], axis=0)
    corners = np.concatenate(
        [mean[i, j].ravel() for i in (slice(3), slice(-3, None)) for j in (slice(3), slice(-3, None))]
    )
    wanted = mean[4:7, 4:7].mean() / np.nanmean(corners)
    found = structure.pile_ups(path, {"three": loops, "none": loops[:0]}, 40_000)
    assert found["three"] == pytest.approx(wanted) and np.isnan(found["none"])


def test_a_deep_map_against_itself_is_perfect_and_invents_nothing(place):
    value = run(place, place / "deep.cool")
    for arm in ("image", "deep"):
        for feature, number in (("loops", 6), ("boundaries", 9)):
            of_feature = {key[3]: n for key, n in value.items() if key[:3] == (arm, feature, "deep")}
            assert (of_feature["precision"], of_feature["recall"], of_feature["f1"]) == (1, 1, 1)
            assert of_feature["n_invented"] == of_feature["invented_per_mb"] == 0
            assert of_feature["n_calls"] >= number
        assert value[arm, "boundaries", "deep", "profile_pearson"] == pytest.approx(1)
        assert value[arm, "loops", "planted", "recall"] == 1
        assert value[arm, "boundaries", "planted", "recall"] >= 8 / 9
    assert value["image", "loops", "deep", "pile_up"] == pytest.approx(value["deep", "loops", "deep", "pile_up"])
    # A loop of 12 times its neighbours: the centre of 9 pixels has (12 + 8) / 9 of them.
    assert value["image", "loops", "planted", "pile_up"] == pytest.approx(20 / 9, rel=0.25)


def test_a_map_with_one_loop_less_and_one_more(place):
    """Everything else noise-free: what is missed and invented is known."""
    values = expected([loop for loop in LOOPS if loop != (80, 100)])
    values[130, 144] *= 12
    path = write(place / "enhanced.cool", values, metadata={"trifold": {"max_distance_bins": 60}})
    write(place / "deep.cool", np.round(50 * expected()).astype(int), np.where(np.arange(100 + N) == 120, np.nan, 1.0))
    value = run(place, path, truth=write(place / "truth.cool", expected()))
    of_image = {key[2:]: n for key, n in value.items() if key[:2] == ("image", "loops")}
    for reference in ("deep", "planted"):
        assert of_image[reference, "n_calls"] == of_image[reference, "n_reference"] == 6
        assert of_image[reference, "n_matched"] == 5
        assert of_image[reference, "precision"] == of_image[reference, "recall"] == pytest.approx(5 / 6)
        assert of_image[reference, "invented_per_mb"] == pytest.approx(1 / kept(place).length_mb)
        assert value["truth", "loops", reference, "f1"] == value["deep", "loops", reference, "f1"] == 1
    assert of_image["deep", "pile_up_called"] > of_image["deep", "deep_pile_up_called"]
    table = pd.read_csv(place / "arm/loops.tsv", sep="\t")
    assert table[~table["matched"]][["x_bp", "y_bp"]].to_numpy().tolist() == [[130_500, 144_500]]
    assert table["invented"].tolist() == (~table["matched"]).tolist()
    assert value["image", "boundaries", "deep", "profile_pearson"] > 0.99
    assert value["replicate", "boundaries", "deep", "f1"] > 0.9
    assert ("image", "loops", "planted", "n_calls") in value
    assert not [key for key in run(place, path, planted=False) if key[2] == "planted"]


def test_a_call_that_a_half_of_the_deep_map_has_is_not_invented(place):
    """A loop more than the deep map has, as in the map before: of one half as of the other it is known."""
    values = expected()
    values[130, 144] *= 12
    path = write(place / "enhanced.cool", values, metadata={"trifold": {"max_distance_bins": 60}})
    before = run(place, path)
    calls = structure.read_calls(place / "maps")
    near = pd.DataFrame({"chrom": ["chr2"], "x_bp": [131_500], "y_bp": [143_500], "score": [1.0]})
    for half in structure.HALVES:
        (place / half).mkdir()
        known = calls | {half: calls[half]._replace(loops=pd.concat([calls[half].loops, near], ignore_index=True))}
        structure._write_calls(place / half, known)
        (place / half / "structure.tsv").write_text((place / "maps/structure.tsv").read_text())
        labels = {"degradation": "low", "arm": "image", "fold": "a", "seed": 1, "sample": "alpha"}
        structure.score(place / "arm", prediction=path, references=place / half, labels=labels, **common(place))
        rows = pd.read_csv(place / "arm/structure.tsv", sep="\t").set_index(["feature", "reference", "metric"])["value"]
        assert rows["loops", "deep", "n_invented"] == before["image", "loops", "deep", "n_invented"] - 1
        assert rows["loops", "planted", "n_invented"] == before["image", "loops", "planted", "n_invented"]
        table = pd.read_csv(place / "arm/loops.tsv", sep="\t").set_index(["x_bp", "y_bp"])
        assert not table.loc[(130_500, 144_500), ["matched", "invented"]].any()


def test_calls_are_counted_by_stretch_of_the_genome(place):
    """Regions are cut into parts of at least three reaches; their counts add up to those of the whole."""
    value = run(place, place / "deep.cool")
    table = pd.read_csv(place / "arm/stretches.tsv", sep="\t")
    assert table.columns.tolist() == structure.STRETCH_COLUMNS
    for (feature, reference), part in table.groupby(["feature", "reference"]):
        for name in structure.COUNTS:
            assert part[name].sum() == value["image", feature, reference, name]
        assert part["scored_mb"].sum() == pytest.approx(kept(place).length_mb)
    scored = kept(place)
    long = scored._replace(regions=[Region("chr2", 10_000, 230_000)])
    parts = long.stretches(20_000)
    assert parts[["start_bp", "end_bp"]].to_numpy().tolist() == [
        [10_000, 83_333],
        [83_333, 156_666],
        [156_666, 230_000],
    ]
    calls = pd.DataFrame({"chrom": "chr2", "x_bp": [60_500, 150_500], "y_bp": [80_500, 166_500], "score": 1.0})
    reference = calls.assign(x_bp=calls["x_bp"] + 1000)[1:]
    state = np.array([[False, True], [True, False]])
    counts = structure.per_stretch(calls, state, reference, parts)
    assert counts.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]]
    whole = pd.read_csv(place / "maps/stretches.tsv", sep="\t")
    assert set(whole["arm"]) == {"deep", "low", "replicate"} and set(whole["kind"]) == {"map"}


def test_where_nothing_was_planted_every_call_is_invented(place):
    for name in ("planted.bedpe", "planted.bed"):
        (place / name).write_text("")
    value = run(place, place / "deep.cool")
    assert value["image", "loops", "planted", "n_invented"] == value["image", "loops", "planted", "n_calls"] >= 6
    assert value["image", "loops", "planted", "precision"] == 0
    assert np.isnan(value["image", "loops", "planted", "recall"])
    assert np.isnan(value["image", "loops", "planted", "pile_up"])


def test_a_prediction_that_reaches_less_far_is_refused(place):
    path = write(place / "enhanced.cool", expected(), metadata={"trifold": {"max_distance_bins": 30}})
    with pytest.raises(InputError, match=r"structure/max_bp: callers are shown 40,000 bp, and .*reaches 30,000"):
        run(place, path)


# ---------------------------------------------------------------- compartments


def plaid(n, strength, reach=None):
    random = np.random.default_rng(5)
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    kind = np.where(np.arange(n) // 8 % 2, 1.0, -1.0)
    values = random.poisson(3000 / (1 + distance) * np.exp(strength * np.outer(kind, kind)))
    if reach is not None:
        values[distance > reach] = 0
    return np.triu(values), kind


def test_eigenvectors_are_those_of_cooltools(tmp_path):
    values, kind = plaid(N, 0.4)
    path = write(tmp_path / "deep.cool", values)
    good = {"chr2": np.ones(N, bool)}
    ((ours),) = structure.eigenvectors(path, structure.Scored(BIN_BP, [Region("chr2", 0, N * BIN_BP)], good), None)
    view = pd.DataFrame({"chrom": ["chr2"], "start": [0], "end": [N * BIN_BP], "name": ["chr2"]})
    _, tracks = cooltools.eigs_cis(cooler.Cooler(str(path)), n_eigs=1, view_df=view)
    theirs = tracks.loc[tracks["chrom"] == "chr2", "E1"].to_numpy()
    np.testing.assert_allclose(ours * np.sign(np.nansum(ours * theirs)), theirs, rtol=1e-6)
    assert abs(np.corrcoef(ours, kind)[0, 1]) > 0.95


def test_eigenvectors_of_long_regions_are_of_wider_bins(tmp_path, monkeypatch):
    """Of a region from bin 20 on, two bins in one, against cooltools on such bins. Of bins without a value (20 + 30 and
    both of 20 + 60, one by its weight) the others are the mean."""
    monkeypatch.setattr(structure, "MOST_BINS", 110)
    values, _ = plaid(N, 0.4)
    weight, good, bad = np.ones(100 + N), np.ones(N, bool), [50, 80, 81]
    weight[100 + 80] = np.nan
    good[[50, 81]] = False
    region = Region("chr2", 20_000, N * BIN_BP)
    scored = structure.Scored(BIN_BP, [region], {"chr2": good})
    ((ours),) = structure.eigenvectors(write(tmp_path / "deep.cool", values, weight), scored, None)
    assert len(ours) == 110 and np.flatnonzero(np.isnan(ours)).tolist() == [30]
    values[bad], values[:, bad] = 0, 0
    wide = values.reshape(N // 2, 2, N // 2, 2).sum(axis=(1, 3))
    share = (~np.isin(np.arange(N), bad)).reshape(-1, 2).sum(axis=1)
    weight = np.append(np.ones(50), np.divide(1, share, out=np.full(N // 2, np.nan), where=share > 0))
    path = write(tmp_path / "wide.cool", wide, weight, coarsen=2)
    view = pd.DataFrame({"chrom": ["chr2"], "start": [20_000], "end": [N * BIN_BP], "name": ["part"]})
    _, tracks = cooltools.eigs_cis(cooler.Cooler(str(path)), n_eigs=1, view_df=view)
    theirs = tracks.loc[(tracks["chrom"] == "chr2") & (tracks["start"] >= 20_000), "E1"].to_numpy()
    np.testing.assert_allclose(ours * np.sign(np.nansum(ours * theirs)), theirs, rtol=1e-6)


def test_eigenvectors_agree_whatever_their_signs():
    random = np.random.default_rng(7)
    known = [random.normal(size=n) for n in (30, 50)]
    noisy = [part + random.normal(size=len(part)) for part in known]
    wanted = pearsonr(np.concatenate(noisy), np.concatenate(known)).statistic
    for signs in ((1, 1), (1, -1), (-1, -1)):
        turned = [sign * part for sign, part in zip(signs, noisy)]
        assert structure._agreement(turned, known) == pytest.approx(wanted)


def test_compartments_are_scored_where_the_reach_shows_them(tmp_path):
    values, _ = plaid(N, 0.4)
    deep = write(tmp_path / "deep.cool", values)
    predicted = write(tmp_path / "predicted.cool", plaid(N, 0.4, 60)[0])
    scored = structure.Scored(BIN_BP, [Region("chr2", 0, N * BIN_BP)], {"chr2": np.ones(N, bool)})
    (reach,) = structure.compartment_reach(deep, scored, 60_000)
    (score,) = structure.compartments(predicted, deep, scored, 60_000, reach.value)
    assert (reach.metric, score.metric) == ("e1_reach", "e1_pearson")
    assert reach.value > 0.9 and score.value == pytest.approx(1)
    (reach,) = structure.compartment_reach(deep, scored, 4_000)
    assert reach.value < structure.LEAST_E1
    assert structure.compartments(predicted, deep, scored, 4_000, reach.value) == []
    short = structure.Scored(BIN_BP, [Region("chr2", 0, 40_000)], scored.good)
    assert structure.compartment_reach(deep, short, 60_000) == []
    assert structure.compartments(predicted, deep, scored, 60_000, math.nan) == []


def test_calls_are_read_as_they_were_written_and_rows_of_maps_are_of_them(place):
    value = run(place, place / "deep.cool")
    known = structure.read_calls(Path(place / "maps"))
    halves = [known[name] for name in structure.HALVES]
    for feature in ("loops", "boundaries"):
        deep, low, one, other = (getattr(known[name], feature) for name in ("deep", "low", *structure.HALVES))
        of_low, _ = structure.compare(low, deep, [getattr(half, feature) for half in halves], 2000)
        there, back = (structure.compare(*pair, [], 2000)[0] for pair in ((one, other), (other, one)))
        assert there["precision"] == back["recall"] and there["n_calls"] == len(one)
        for name, number in of_low.items():
            assert value["low", feature, "deep", name] == pytest.approx(number, nan_ok=True)
            assert value["replicate", feature, "deep", name] == pytest.approx(
                (there[name] + back[name]) / 2, nan_ok=True
            )
    assert len(known["low"].loops) != len(known["deep"].loops) and len(halves[0].loops) != len(halves[1].loops)
    assert set(known) == {"deep", "low", "half-a", "half-b", "planted"}
    assert [list(table.columns) for table in known["deep"]] == [list(table.columns) for table in structure._OF_CALLS]
    assert len(known["planted"].insulation) == 0 and len(known["deep"].insulation) == N
