"""How far a map can be trusted, from its own halves."""

from dataclasses import replace

import numpy as np
import pytest
from small import GEOMETRY, write_counts

from trifold import advice
from trifold.data import contacts
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.ready import CORRECTED, Ready

N_BINS, BIN_BP = 1500, 10_000
SIZES = {"chr1": N_BINS * BIN_BP}


@pytest.mark.parametrize(
    "found, wanted", [(300, None), (250, None), (249, 20_000), (60, 50_000), (2.4, 2_000_000), (0, None)]
)
def test_bins_are_widened_until_they_have_enough_contacts(found, wanted):
    assert advice.wider_bins(10_000, found, 250) == wanted


def test_classes_of_the_distance_double_and_leave_none_out():
    assert advice.distance_classes(48) == [(2, 3), (4, 7), (8, 15), (16, 31), (32, 48)]
    assert advice.distance_classes(40) == [(2, 3), (4, 7), (8, 15), (16, 40)]
    assert advice.distance_classes(3) == [(2, 3)]


def made(model: str = "identity", **options) -> Ready:
    network = registry.build(model, GEOMETRY, options, {}).eval()
    statistics = {"observed": {"floor": 1e-7, "ceiling": 1.0}, "coarsen": 1, "low": {"factor": 1.0}}
    return Ready(network, GEOMETRY, CORRECTED, 1, statistics, facts={"arm": model, "architecture": model})


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A prepared map, and O/E of every pixel in truth."""
    rng = np.random.default_rng(3)
    distance = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    # Stripes of bins of two kinds, so that likes attract.
    kind = np.repeat(rng.normal(size=N_BINS // 10), 10)
    oe = np.exp(0.5 * np.outer(kind, kind).clip(-2, 2))
    rate = 60 / (1 + distance) * oe
    upper = np.triu(rng.poisson(rate))
    folder = tmp_path_factory.mktemp("map")
    write_counts(folder / "raw.cool", upper + np.triu(upper, 1).T, SIZES, BIN_BP)
    contacts.prepare(folder / "raw.cool", folder / "map.cool", BIN_BP)
    return folder / "map.cool", rate


def truth_of(path, rate, first, last):
    """Correlation of O/E of a map with that of the rates, over a class of distances."""
    from trifold.io.cool import Band

    band = Band.read(path, "chr1", last + 1).balanced
    found, real = [], []
    for d in range(first, last + 1):
        # Balancing takes the sums of rows away from the rates too.
        values = band[: N_BINS - d, d]
        known = np.isfinite(values)
        found.append(values[known] / values[known].mean())
        real.append(np.diagonal(rate, d)[known] / np.diagonal(rate, d)[known].mean())
    return np.corrcoef(np.concatenate(found), np.concatenate(real))[0, 1]


def balanced_rates(rate):
    weight = np.ones(len(rate))
    beyond = np.where(np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS))) >= 2, rate, 0.0)
    for _ in range(200):
        sums = weight * (beyond @ weight)
        weight /= np.sqrt(sums / sums.mean())
    return rate * weight[:, None] * weight


def test_the_map_as_it_is_is_as_good_as_the_truth_says(seen, tmp_path):
    path, rate = seen
    table = advice.reliability(path, made(), tmp_path, device="cpu")
    real = balanced_rates(rate)
    truth = [truth_of(path, real, row.from_bp // BIN_BP, row.to_bp // BIN_BP) for row in table.itertuples()]
    np.testing.assert_allclose(table["map"], truth, atol=0.02)
    assert table["map"].iloc[0] > table["map"].iloc[-1] > 0.3  # there is something to be wrong about
    assert (table["low"] < table["enhanced"]).all() and (table["enhanced"] < table["high"]).all()


def test_a_model_that_helps_is_seen_to_help(seen, tmp_path):
    path, rate = seen
    table = advice.reliability(path, made("gaussian", sigma_bins=1.5), tmp_path, device="cpu")
    real, rows = balanced_rates(rate), list(table.itertuples())[1:]
    truth = [truth_of(tmp_path / "enhanced/map.cool", real, r.from_bp // BIN_BP, r.to_bp // BIN_BP) for r in rows]
    np.testing.assert_allclose([row.enhanced for row in rows], truth, atol=0.03)
    assert all(row.low > row.half for row in rows)


def test_halves_of_chance_share_nothing(tmp_path):
    """Contacts that fall with the distance alone: no structure to find but that balancing makes at the ends of a
    chromosome, whose rows come to the sum of all others."""
    rng = np.random.default_rng(4)
    distance = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    upper = np.triu(rng.poisson(60 / (1 + distance)))
    write_counts(tmp_path / "raw.cool", upper + np.triu(upper, 1).T, SIZES, BIN_BP)
    contacts.prepare(tmp_path / "raw.cool", tmp_path / "map.cool", BIN_BP)
    table = advice.reliability(tmp_path / "map.cool", made(), tmp_path, device="cpu")
    assert (table["r"].abs() < 0.08).all() and table["map"].max() < 0.4


def test_a_model_of_narrower_bins_is_refused(seen, tmp_path):
    with pytest.raises(InputError, match="predicts narrower bins than the map has"):
        advice.reliability(seen[0], replace(made(), coarsen=2), tmp_path, device="cpu")
