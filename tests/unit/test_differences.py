"""Where two maps differ by more than their own halves do."""

import numpy as np
import pytest
from scipy import stats
from small import GEOMETRY, write_counts

from trifold.data import contacts
from trifold.differences import COLUMNS, differences, expected_by_chance, false_discovery
from trifold.errors import InputError
from trifold.io.cool import open_map
from trifold.models import registry
from trifold.models.ready import CORRECTED, Ready

N_BINS, BIN_BP = 600, 10_000
SIZES = {"chr1": N_BINS * BIN_BP - 3000}
PLACES = [(100, 112), (220, 236), (330, 338), (450, 464)]  # bins of loops that one condition has


def model() -> Ready:
    network = registry.build("gaussian", GEOMETRY, {"sigma_bins": 1.0}, {}).eval()
    statistics = {"observed": {"floor": 1e-7, "ceiling": 1.0}, "coarsen": 1, "low": {"factor": 1.0}}
    return Ready(network, GEOMETRY, CORRECTED, 1, statistics, facts={"arm": "gaussian", "architecture": "gaussian"})


def rates(loops=(), depth=1.0):
    distance = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    rate = 400 * depth / (1 + distance)
    i, j = np.ogrid[:N_BINS, :N_BINS]
    for x, y in loops:
        rate = rate * (1 + 2 * np.exp(-((i - x) ** 2 + (j - y) ** 2) / 8))
    return rate


def seen(path, rate, seed):
    upper = np.triu(np.random.default_rng(seed).poisson(rate))
    write_counts(path.with_suffix(".raw.cool"), upper + np.triu(upper, 1).T, SIZES, BIN_BP)
    contacts.prepare(path.with_suffix(".raw.cool"), path, BIN_BP)
    return path


def test_loops_of_one_condition_are_found_and_nothing_else(tmp_path):
    first = seen(tmp_path / "first.cool", rates(PLACES[:2]), 1)
    second = seen(tmp_path / "second.cool", rates(PLACES[2:]), 2)
    table = differences([first, second], model(), tmp_path, device="cpu")
    assert list(table.columns) == list(COLUMNS)
    for places, change, sign in ((PLACES[:2], "gained", 1), (PLACES[2:], "lost", -1)):
        ours = table[table["change"] == change]
        assert len(ours) == 2 and (sign * ours["ln_ratio"] > 0.2).all()
        for x, y in places:
            inside = (ours["start1"] <= x * BIN_BP) & (x * BIN_BP < ours["end1"])
            inside &= (ours["start2"] <= y * BIN_BP) & (y * BIN_BP < ours["end2"])
            assert inside.sum() == 1
    assert (table["fdr"] <= 0.05).all() and (table["end2"] <= SIZES["chr1"]).all()


def test_a_deeper_map_of_the_same_cells_does_not_differ(tmp_path):
    first = seen(tmp_path / "first.cool", rates(PLACES, depth=3), 3)
    second = seen(tmp_path / "second.cool", rates(PLACES), 4)
    done = []
    table = differences(
        [first, second], model(), tmp_path, device="cpu", progress=lambda windows, total: done.append((windows, total))
    )
    assert table.empty
    contacts_of = [
        open_map(tmp_path / f"half-{number}-{part}.cool").info["sum"] for number in (0, 1) for part in (1, 2)
    ]
    assert max(contacts_of) < 1.02 * min(contacts_of)  # brought to one depth, and halved
    (total,) = {total for _, total in done}
    assert sum(windows for windows, _ in done) == total  # one bar for all four


def test_regions_by_chance_are_as_rare_as_is_said(tmp_path):
    """Of ten pairs of maps of the same rates, hardly one has a region."""
    reported = 0
    for number in range(10):
        (folder := tmp_path / str(number)).mkdir()
        pair = [seen(folder / f"{name}.cool", rates(), 10 + 2 * number + name) for name in (0, 1)]
        reported += not differences(pair, model(), folder, device="cpu").empty
    assert reported <= 2


def test_maps_of_two_assemblies_are_refused_by_their_names(tmp_path):
    first = seen(tmp_path / "first.cool", rates(), 1)
    write_counts(tmp_path / "other.cool", np.ones((50, 50), dtype=int), {"chr1": 500_000}, BIN_BP)
    with pytest.raises(InputError, match=r"b\.mcool: has other chromosomes than a\.mcool"):
        differences([first, tmp_path / "other.cool"], model(), tmp_path, called=["a.mcool", "b.mcool"], device="cpu")


def test_rate_of_discoveries_that_are_false():
    """Three regions found; of two maps by chance there are two regions, of weight 4 and 1."""
    rate = false_discovery(np.array([9.0, 5.0, 3.0, 0.5]), np.array([4.0, 1.0]), nulls=2)
    # (0 + 1) / 2 of 1, of 2; (1 + 1) / 2 of 3; (2 + 1) / 2 of 4: at most that of the next.
    np.testing.assert_allclose(rate, [0.25, 0.25, 1 / 3, 3 / 8])
    assert false_discovery(np.array([]), np.array([1.0]), nulls=2).size == 0


@pytest.mark.parametrize("shape", [0.0, 0.2])
def test_beyond_the_heaviest_by_chance_its_tail_says_how_many(shape):
    """Weights by chance of a known law: how many of two hundred maps' would weigh more than any that was seen."""
    law = stats.genpareto(shape, scale=3)
    numbers = []
    for seed in range(20):
        seen_by_chance = law.rvs(600, random_state=seed)
        numbers.append(expected_by_chance(law.ppf([0.5, 0.95, 0.9995]), seen_by_chance, nulls=2))
    middle = np.median(numbers, axis=0)
    np.testing.assert_allclose(middle[:2], [150, 15], rtol=0.2)
    assert 0.05 < middle[2] < 0.45  # one in six hundred of those seen is as heavy: a guess, of the right size
