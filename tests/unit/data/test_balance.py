"""Balancing: cooler's weights, attributes and filters; what cannot be balanced is refused."""

import logging
import warnings

import cooler
import cooltools
import numpy as np
import pandas as pd
import pytest

from trifold.config import Degradation
from trifold.data.balance import balance, iterative_correction, rows_sum_to_one
from trifold.data.contacts import prepare
from trifold.data.degrade import degrade
from trifold.errors import InputError
from trifold.io.cool import bin_width, open_map, write_cool

FILTERS = {"ignore_diags": 2, "mad_max": 5, "min_nnz": 10}
MAPS = (  # of the mirror, those on which cooler takes seconds
    "gm12878_chr22_ds16_10kb",
    "gm12878_hr_10kb",
    "gm12878_lr16_10kb",
    "yeast_deep_10kb",
    "yeast_metaphase_2kb",
)


def of_cooler(clr, **settings):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return cooler.balance_cooler(clr, **settings)


def assert_as_cooler(clr, made):
    """Weights within 1e-5 of each of cooler's, and all that it stores beside them."""
    settings = {name: made.attributes[name] for name in (*FILTERS, "tol", "cis_only")}
    weight, statistics = of_cooler(clr, **settings)
    np.testing.assert_allclose(made.weight, weight, rtol=1e-5)
    assert made.attributes.keys() == statistics.keys()
    for name, value in statistics.items():
        np.testing.assert_allclose(made.attributes[name], value, rtol=1e-5, err_msg=name)


def write_dense(path, matrix, sizes=None, bin_bp=100):
    i, j = np.nonzero(np.triu(matrix))
    write_cool(
        path, sizes or {"a": bin_bp * len(matrix)}, bin_bp, [{"bin1_id": i, "bin2_id": j, "count": matrix[i, j]}]
    )
    return cooler.Cooler(str(path))


@pytest.fixture
def matrix():
    """Two chromosomes of 60 and 40 bins, one without a contact."""
    random = np.random.default_rng(2)
    matrix = np.triu(random.poisson(6 * np.outer(*[random.gamma(4, 0.25, 100)] * 2)))
    matrix[17] = matrix[:, 17] = 0
    return matrix


SIZES = {"a": 6_000, "none": 0, "b": 3_950}

# ---------------------------------------------------------------- as cooler


@pytest.mark.parametrize("name", MAPS)
def test_weights_are_coolers(mirror, name):
    clr = open_map(mirror / f"{name}.cool")
    assert_as_cooler(clr, iterative_correction(clr))


@pytest.mark.parametrize(
    "filters",
    [
        {"ignore_diags": 0},
        {"ignore_diags": 1, "mad_max": 0},
        {"ignore_diags": 5, "min_nnz": 60},
        {"mad_max": 2, "min_nnz": 0},
        {"mad_max": 0, "min_nnz": 0},
    ],
)
@pytest.mark.parametrize("cis_only", [True, False])
def test_filters_are_coolers(tmp_path, matrix, filters, cis_only):
    """An empty row without min_nnz keeps a weight, as in cooler."""
    clr = write_dense(tmp_path / "map.cool", matrix, {"a": 6_000, "b": 4_000})
    assert_as_cooler(clr, iterative_correction(clr, **FILTERS | filters, cis_only=cis_only))


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.float32, np.float64])
def test_m4_counts_of_any_kind(tmp_path, matrix, kind):
    """Those beyond int32 among them; float32 holds seven digits."""
    counts = (matrix * (0.37 if np.issubdtype(kind, np.floating) else 1)).astype(kind)
    if kind == np.int64:
        counts[3, 8] = 6_000_000_000
    bins = cooler.binnify(pd.Series({"a": 6_000, "b": 4_000}), 100)
    i, j = np.nonzero(counts)
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": counts[i, j]})
    cooler.create_cooler(str(tmp_path / "map.cool"), bins, pixels, dtypes={"count": kind})
    clr = cooler.Cooler(str(tmp_path / "map.cool"))
    assert clr.pixels().dtypes["count"] == kind
    assert_as_cooler(clr, iterative_correction(clr))


@pytest.mark.parametrize("name", ["fly_S2_chr2L_10kb", "yeast_deep_10kb"])
def test_threads_and_memory_change_nothing(mirror, name):
    """Three pieces and two; from memory, from disk, and one of them from disk."""
    clr = open_map(mirror / f"{name}.cool")
    whole = iterative_correction(clr)
    for settings in ({"threads": 3}, {"memory_bytes": 0}, {"threads": 2, "memory_bytes": 5_000_000}):
        np.testing.assert_array_equal(iterative_correction(clr, **settings).weight, whole.weight, err_msg=str(settings))


def test_a_shallow_chromosome_is_balanced_too(tmp_path, matrix):
    """Cooler's tolerance is in contacts: a chromosome with a hundredth of them meets it before its rows are equal."""
    deep = matrix * 1_000
    deep[60:, 60:] = matrix[60:, 60:]
    deep[:60, 60:] = 0
    clr = write_dense(tmp_path / "map.cool", deep, {"a": 6_000, "b": 4_000})
    made = iterative_correction(clr, mad_max=0)
    assert (made.spread < 0.01).all() and made.attributes["converged"].all()
    weight, _ = of_cooler(clr, cis_only=True, tol=made.attributes["tol"], mad_max=0)
    balanced = np.nan_to_num(clr.matrix(balance=False)[:] * np.outer(weight, weight))
    apart = np.abs(np.subtract.outer(range(100), range(100))) >= 2
    assert (balanced * apart).sum(axis=0)[60:].std() > 0.01


@pytest.mark.parametrize("fault", ["below the diagonal", "beyond the bins", "index"])
def test_a_damaged_pixel_table_is_refused(tmp_path, matrix, fault):
    clr = write_dense(tmp_path / "map.cool", matrix, SIZES)
    with clr.open("r+") as group:
        if fault == "index":
            group["indexes/bin1_offset"][5] = 10_000
        else:
            group["pixels/bin2_id"][2_000] = {"below the diagonal": 0, "beyond the bins": 100}[fault]
    with pytest.raises(InputError, match=r"map\.cool.* make it anew"):
        iterative_correction(clr)


# ---------------------------------------------------------------- stored


def test_m7_other_programs_read_the_weights(tmp_path, matrix):
    """The attributes are those of `cooler balance`, of a weight made here and of one that came with the map."""
    clr = write_dense(tmp_path / "map.cool", matrix, SIZES)
    made = balance(tmp_path / "map.cool", {"mad_max": 4})
    stored = clr._load_attrs("bins/weight")
    assert stored.keys() == of_cooler(clr)[1].keys()
    expected = {"ignore_diags": 2, "mad_max": 4, "min_nnz": 10, "min_count": 0, "cis_only": False, "converged": True}
    assert {name: stored[name] for name in expected} == expected and not stored["divisive_weights"]
    assert made == {
        "ignore_diags": 2,
        "mad_max": 4,
        "min_nnz": 10,
        "cis_only": False,
        "converged": True,
        "iterations": made["iterations"],
        "row_sum_spread": pytest.approx(np.sqrt(stored["var"]) / stored["scale"]),
        "bad_bins": 1,
    }
    insulation = cooltools.insulation(clr, [1_000])
    assert insulation["log2_insulation_score_1000"].notna().sum() > 80
    report = prepare(tmp_path / "map.cool", tmp_path / "kept.cool", 100, balance={"mad_max": 4})
    assert report["balanced"] == "the map's own weight"
    kept = cooler.Cooler(str(tmp_path / "kept.cool"))
    assert {**kept._load_attrs("bins/weight")} == {**stored}
    np.testing.assert_array_equal(cooltools.coverage(kept), cooltools.coverage(clr))


def test_m7_of_a_kept_weight_only_the_chromosomes_left_are_described(tmp_path, matrix):
    matrix[:60, 60:] = 0
    write_dense(tmp_path / "map.cool", matrix, SIZES)
    balance(tmp_path / "map.cool", FILTERS)
    report = prepare(tmp_path / "map.cool", tmp_path / "kept.cool", 100, balance=FILTERS, exclude=["a"])
    assert report["balanced"] == "the map's own weight"
    made, kept = (cooler.Cooler(f"{tmp_path}/{name}.cool")._load_attrs("bins/weight") for name in ("map", "kept"))
    np.testing.assert_array_equal(kept["scale"], made["scale"][1:])
    assert kept["ignore_diags"] == 2


# ---------------------------------------------------------------- what is no balance


def unbalanceable(n_pairs=20):
    """Bins whose contacts are all with one set of bins, fewer than they are: no weights make all their rows equal."""
    matrix = np.zeros((n_pairs * 4, n_pairs * 4), dtype=np.int64)
    matrix[:n_pairs, n_pairs:] = 3
    return matrix


def test_what_diverges_is_refused_with_numbers(tmp_path):
    clr = write_dense(tmp_path / "map.cool", unbalanceable())
    with pytest.raises(InputError) as refused:
        balance(tmp_path / "map.cool", FILTERS, called="mine.mcool")
    for part in (
        "mine.mcool: ",
        "after 200 iterations",
        "row sums",
        "0.1%",
        "2% accepted",
        "use wider bins",
        "balance/min_nnz",
    ):
        assert part in str(refused.value)
    assert "balance/" not in refused.value.alone and "wider bins" in refused.value.alone
    assert "weight" not in clr.bins().columns


def test_a_chromosome_that_diverges_is_bad_and_said(tmp_path, matrix, caplog):
    """Within chromosomes: the others are as without it."""
    matrix[:60, 60:] = 0
    whole = np.zeros((180, 180), dtype=np.int64)
    whole[:100, :100] = matrix
    whole[100:, 100:] = unbalanceable()
    clr = write_dense(tmp_path / "map.cool", whole, {"a": 6_000, "b": 4_000, "odd": 8_000})
    with caplog.at_level(logging.WARNING):
        made = balance(tmp_path / "map.cool", {"mad_max": 0})
    weight = clr.bins()["weight"][:].to_numpy()
    alone = iterative_correction(write_dense(tmp_path / "alone.cool", matrix, {"a": 6_000, "b": 4_000}), mad_max=0)
    np.testing.assert_allclose(weight[:100], alone.weight, rtol=0.01)
    assert np.isnan(weight[100:]).all() and made["bad_bins"] == np.isnan(weight).sum()
    assert made["row_sum_spread"] < 0.01 and not made["converged"]
    assert "row sums of odd still differ by" in caplog.text


@pytest.mark.parametrize("n_bins", [0, 1, 9])
def test_too_few_bins_are_refused(tmp_path, n_bins):
    matrix = np.zeros((60, 60), dtype=np.int64)
    matrix[:n_bins, :n_bins] = 50
    clr = write_dense(tmp_path / "map.cool", matrix)
    with pytest.raises(InputError, match=rf"map\.cool: too few contacts, \d of {n_bins if n_bins > 2 else 0} bins"):
        balance(tmp_path / "map.cool", FILTERS | {"min_nnz": 1, "mad_max": 0})
    assert "weight" not in clr.bins().columns


def test_bins_with_most_contacts_bad_are_refused(tmp_path):
    """Forty bins have some forty contacts each, the four hundred others twice as many, in eight pixels."""
    matrix = np.zeros((440, 440), dtype=np.int64)
    matrix[:40, :40] = np.random.default_rng(1).poisson(1.0, (40, 40))
    for step in (2, 3, 4, 5):
        matrix[np.arange(40, 440 - step), np.arange(40 + step, 440)] = 12
    write_dense(tmp_path / "map.cool", matrix)
    with pytest.raises(
        InputError, match=r"too few contacts, 40 of 440 bins .* with \d+% of the contacts; .* less than 10 pix"
    ):
        balance(tmp_path / "map.cool", FILTERS | {"mad_max": 0})


@pytest.mark.parametrize("name", ["fly_S2_chr2L_10kb", "gm12878_chr22_ds16_10kb", "gm12878_lr16_10kb", "yeast_G1_2kb"])
def test_maps_at_a_64th_are_balanced(mirror, tmp_path, name, caplog):
    """Shallow as they are. gm12878_chr22_ds16 has a sixteenth of its contacts to begin with, and it alone is warned
    about: its rows differ by 0.2 % after 200 iterations."""
    source = mirror / f"{name}.cool"
    prepare(source, tmp_path / "map.cool", bin_width(open_map(source)))
    with caplog.at_level(logging.WARNING):
        made = degrade(tmp_path / "map.cool", tmp_path / "low.cool", Degradation(thin=64))["balance"]
    assert made["row_sum_spread"] < 0.002
    assert made["converged"] == (name != "gm12878_chr22_ds16_10kb")
    assert ("after 200 iterations row sums differ by 0.1" in caplog.text) == (not made["converged"])


def test_a_256th_without_a_balance_is_refused(mirror, tmp_path):
    """Rows still differ by 9 % after 200 iterations, and weights by a factor of 1e32."""
    prepare(mirror / "yeast_G1_2kb.cool", tmp_path / "map.cool", 2_000)
    with pytest.raises(
        InputError, match=r"map\.cool \(1/256 .*: cannot be balanced.*after 200 iterations .* differ by \d+\.\d%"
    ):
        degrade(tmp_path / "map.cool", tmp_path / "low.cool", Degradation(thin=256))
    made = degrade(tmp_path / "map.cool", tmp_path / "low3.cool", Degradation(thin=256), balance={"min_nnz": 3})
    assert made["balance"]["converged"]


def test_a_stored_weight_must_hold_too(tmp_path, matrix):
    clr = write_dense(tmp_path / "map.cool", matrix, SIZES)
    made = iterative_correction(clr)
    assert rows_sum_to_one(tmp_path / "map.cool", made.weight, 2)
    assert not rows_sum_to_one(tmp_path / "map.cool", made.weight * 1.1, 2)
    assert not rows_sum_to_one(tmp_path / "map.cool", np.where(np.arange(100) < 9, made.weight, np.nan), 2)
